/** `compare`: starts a comparison, and with `--watch` follows it to its verdicts. */
import type { ComparisonReport } from '../../core/comparison/comparison-report.ts';
import { isFinal } from '../../core/run.ts';
import type { ComparisonView } from '../../http/comparison-view.ts';
import { ComparisonDisplay } from '../comparison-display.ts';
import { renderComparison } from '../comparison-text.ts';
import { EXIT } from '../exit-code.ts';
import { writeUsd } from '../figure.ts';
import { followComparison } from '../follow-comparison.ts';
import { printable } from '../printable.ts';
import { isUnicode, widthOf } from '../run-display.ts';
import { readSpec } from '../spec-file.ts';
import { type CommandContext, printJson, printLines } from './context.ts';

export interface CompareOptions {
  readonly watch?: boolean;
  readonly idempotencyKey?: string;
}

export async function startComparison(
  context: CommandContext,
  file: string,
  { watch, idempotencyKey }: CompareOptions,
): Promise<number> {
  const { client, terminal } = context;
  const started = await client.startComparison(await readSpec(file, terminal.stdin), idempotencyKey ?? null);
  const id = printable(started.id);
  if (watch === true) {
    terminal.stderr.write(`Comparison ${id}\n`);
    return watchComparison(context, started.id, 'cancel');
  }
  if (context.json) printJson(context, started);
  else {
    printLines(context, [
      `Comparison ${id} is ${started.state}.`,
      `  npx foundry-bench watch ${id}`,
      `  npx foundry-bench results ${id}`,
    ]);
  }
  return EXIT.good;
}

export async function watchComparison(
  context: CommandContext,
  id: string,
  interrupt: 'cancel' | 'leave',
): Promise<number> {
  const { client, terminal } = context;
  const display = new ComparisonDisplay(terminal.stderr, isUnicode(terminal.env));
  const followed = await followComparison({
    client,
    comparisonId: id,
    interrupt,
    onView: (view) => display.show(view),
    onNote: (text) => display.note(text),
  }).finally(() => display.clear());
  if (followed.kind === 'left') {
    terminal.stderr.write(`${explainLeft(followed.view, id, interrupt)}\n`);
    return EXIT.interrupted;
  }
  const { view, canceledByUs } = followed;
  const report = await client.readComparisonReport(id);
  if (context.json) printJson(context, { comparison: view, report });
  else {
    printLines(context, [
      '',
      ...renderComparison(report, widthOf(terminal.stdout)),
      '',
      `Cost: ${costOfComparison(view)}.`,
    ]);
    if (view.failure !== null) terminal.stderr.write(`${printable(view.failure.message)}\n`);
  }
  return canceledByUs ? EXIT.interrupted : judgeComparison(view, report);
}

/** Good where it ended well and, with objectives, a target meets them for every workload. */
export function judgeComparison(
  { state, targets }: Pick<ComparisonView, 'state' | 'targets'>,
  { workloads }: Pick<ComparisonReport, 'workloads'>,
): number {
  if (state !== 'completed' || workloads.length === 0) return EXIT.runFailed;
  const hasSlo = targets.some(({ spec }) => spec.slo !== null);
  const missed = workloads.some(({ byGoodput }) => byGoodput.length === 0);
  return hasSlo && missed ? EXIT.runFailed : EXIT.good;
}

export function costOfComparison({ cost }: Pick<ComparisonView, 'cost'>): string {
  if (cost.accruedUsd === null) return 'unknown, since a price is';
  return `${writeUsd(cost.accruedUsd)}${cost.boundUsd === null ? '' : ` of at most ${writeUsd(cost.boundUsd)}`}`;
}

/** What goes on without us. */
function explainLeft(view: ComparisonView | null, rawId: string, interrupt: 'cancel' | 'leave'): string {
  const id = printable(rawId);
  if (interrupt === 'leave')
    return `Comparison ${id} goes on; cancel it with \`npx foundry-bench cancel ${id}\`.`;
  const alive = (view?.targets ?? []).flatMap(({ endpoint, state }) =>
    endpoint === null || isFinal(state) ? [] : [printable(endpoint.name)],
  );
  const billed = alive.length === 0 ? '' : `; ${alive.join(', ')} may still be alive and billed`;
  return `Comparison ${id} was asked to cancel and has not confirmed it${billed}. Look with \`npx foundry-bench watch ${id}\`.`;
}
