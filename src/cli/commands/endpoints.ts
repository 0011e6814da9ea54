/** `endpoints`: what is alive now, and deleting it. */
import { EXIT } from '../exit-code.ts';
import { printable } from '../printable.ts';
import { renderEndpoints } from '../report-text.ts';
import { widthOf } from '../run-display.ts';
import { type CommandContext, printJson, printLines } from './context.ts';

export async function showEndpoints(context: CommandContext): Promise<number> {
  const endpoints = await context.client.listEndpoints();
  if (context.json) printJson(context, { endpoints });
  else printLines(context, renderEndpoints(endpoints, widthOf(context.terminal.stdout)));
  return EXIT.good;
}

export async function deleteEndpoint(context: CommandContext, name: string): Promise<number> {
  await context.client.deleteEndpoint(name);
  if (context.json) printJson(context, { name });
  else
    printLines(context, [
      `Endpoint ${printable(name)} is being deleted; \`npx foundry-bench endpoints\` shows when it is gone.`,
    ]);
  return EXIT.good;
}
