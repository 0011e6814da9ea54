/** `plan`: what a spec, or a comparison of several targets, would measure, take and cost at the most. */
import { renderComparisonPlan } from '../comparison-text.ts';
import { EXIT } from '../exit-code.ts';
import { renderPlan } from '../report-text.ts';
import { widthOf } from '../run-display.ts';
import { readSpec } from '../spec-file.ts';
import { type CommandContext, printJson, printLines } from './context.ts';

export async function showPlan(context: CommandContext, file: string): Promise<number> {
  const spec = await readSpec(file, context.terminal.stdin);
  const width = widthOf(context.terminal.stdout);
  if (typeof spec === 'object' && spec !== null && 'targets' in spec) {
    const answer = await context.client.planComparison(spec);
    if (context.json) printJson(context, answer);
    else printLines(context, renderComparisonPlan(answer, width));
    return EXIT.good;
  }
  const answer = await context.client.planRun(spec);
  if (context.json) printJson(context, answer);
  else printLines(context, renderPlan(answer.plan, answer.cells, width));
  return EXIT.good;
}
