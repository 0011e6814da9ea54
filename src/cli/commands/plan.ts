/** `plan`: what a spec would measure, take and cost at the most. */
import { EXIT } from '../exit-code.ts';
import { renderPlan } from '../report-text.ts';
import { widthOf } from '../run-display.ts';
import { readSpec } from '../spec-file.ts';
import { type CommandContext, printJson, printLines } from './context.ts';

export async function showPlan(context: CommandContext, file: string): Promise<number> {
  const answer = await context.client.planRun(await readSpec(file, context.terminal.stdin));
  if (context.json) printJson(context, answer);
  else printLines(context, renderPlan(answer.plan, answer.cells, widthOf(context.terminal.stdout)));
  return EXIT.good;
}
