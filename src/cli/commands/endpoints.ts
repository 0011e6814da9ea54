/** `endpoints`: what is alive now, and deleting it. */
import type { DeletedEndpoint } from '../api-client.ts';
import { EXIT } from '../exit-code.ts';
import { printable } from '../printable.ts';
import { renderEndpoints } from '../report-text.ts';
import { widthOf } from '../run-display.ts';
import { type CommandContext, paintOf, printJson, printLines } from './context.ts';

export async function showEndpoints(context: CommandContext): Promise<number> {
  const list = await context.client.listEndpoints();
  if (context.json) printJson(context, list);
  else printLines(context, renderEndpoints(list, widthOf(context.terminal.stdout), paintOf(context)));
  return EXIT.good;
}

export async function deleteEndpoint(context: CommandContext, name: string): Promise<number> {
  const answer = await context.client.deleteEndpoint(name);
  if (context.json) printJson(context, answer);
  else printLines(context, [describeDeletion(answer)]);
  return answer.error === null ? EXIT.good : EXIT.runFailed;
}

/** One line about a deletion that was asked for. */
export function describeDeletion({ name, gone, error }: DeletedEndpoint): string {
  const endpoint = `Endpoint ${printable(name)}`;
  if (error !== null) return `${endpoint} could not be deleted: ${printable(error)}`;
  if (gone) return `${endpoint} is gone.`;
  return `${endpoint} is being deleted; \`npx foundry-bench endpoints\` shows when it is gone.`;
}
