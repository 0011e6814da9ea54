/** A comparison on a terminal: its progress as lines, its report as tables and sentences. */
import type {
  ComparisonReport,
  MatchedEntry,
  PairComparison,
  WorkloadComparison,
} from '../core/comparison/comparison-report.ts';
import type { ComparisonPlanAnswer } from '../http/comparison-request.ts';
import type { ComparisonView, TargetView } from '../http/comparison-view.ts';
import { writeDuration, writeFigure, writeUsd } from './figure.ts';
import { printable } from './printable.ts';
import { wrapLine } from './report-text.ts';
import { type LineStyle, renderBar } from './run-text.ts';
import { type Column, renderTable } from './text-table.ts';

/** One sentence for the state that a target has just reached; its label stands before it. */
export function describeTarget({
  state,
  spec,
  progress,
  endpoint,
  failure,
  stoppedBy,
  queuedBecause,
  cost,
}: TargetView): string {
  const measured = `${progress.cellsDone} of ${progress.cellsPlanned} measured`;
  switch (state) {
    case 'waiting':
      return failure ?? 'waiting for its turn';
    case 'queued':
      return queuedBecause ?? 'waiting to be started';
    case 'provisioning':
      return `deploying on ${spec.target.instances ?? 1} x ${spec.target.sku ?? '?'}`;
    case 'warming':
      return 'warming the endpoint';
    case 'measuring':
      return `${progress.cellsPlanned} measurements${endpoint?.route ? ` over ${endpoint.route}` : ''}`;
    case 'releasing':
      return `${measured}; deleting its endpoint${stoppedBy === null ? '' : `. ${stoppedBy}`}`;
    case 'completed':
      return `${measured}${cost?.accruedUsd == null ? '' : `, ${writeUsd(cost.accruedUsd)}`}`;
    case 'canceled':
      return `${measured} before the cancel`;
    case 'failed':
      return failure ?? 'without a reason';
  }
}

/** The line that is drawn again and again: bar, cells, targets, what is left, what it cost so far. */
export function renderComparisonProgress(view: ComparisonView, { width, unicode }: LineStyle): string {
  const { cellsDone, cellsPlanned, targetsDone, targetsPlanned, etaSeconds } = view.progress;
  const parts = [
    renderBar(cellsPlanned === 0 ? 0 : cellsDone / cellsPlanned, unicode),
    `${cellsDone}/${cellsPlanned}`,
    `${targetsDone} of ${targetsPlanned} targets`,
    ...(etaSeconds === null ? [] : [`${writeDuration(etaSeconds)} left`]),
    ...(view.cost.accruedUsd === null ? [] : [writeUsd(view.cost.accruedUsd)]),
  ];
  while (parts.length > 1 && parts.join('  ').length > width - 1) parts.pop();
  return parts.join('  ').slice(0, Math.max(0, width - 1));
}

/** The same for a log: no bar. */
export function describeComparisonProgress({ progress }: ComparisonView): string {
  return `${progress.cellsDone} of ${progress.cellsPlanned} measured, ${progress.targetsDone} of ${progress.targetsPlanned} targets done`;
}

/** The answer first, then each workload's levels side by side, the verdicts, and what to know before believing them. */
export function renderComparison(
  report: ComparisonReport & { readonly partial?: boolean },
  width: number,
): string[] {
  const told = (lines: readonly string[]) => lines.flatMap((line) => wrapLine(printable(line), width));
  const sentences = new Set(report.pairs.map(({ sentence }) => sentence));
  const race = new Set([
    ...(report.race?.drops.map(({ sentence }) => sentence) ?? []),
    ...(report.race?.cost.sentence == null ? [] : [report.race.cost.sentence]),
  ]);
  const answers = report.headline.filter((line) => !sentences.has(line) && !race.has(line));
  return [
    ...told(answers),
    ...report.workloads.flatMap((one) => ['', ...renderWorkload(one, report, width)]),
    ...(report.pairs.length === 0 ? [] : ['', ...renderPairs(report.pairs, width), ...told([...sentences])]),
    ...(report.race === null
      ? []
      : [
          '',
          ...renderRace(report, width),
          ...told([...race]),
          ...told(report.race.ended === null ? [] : [report.race.ended]),
        ]),
    ...(report.partial === true ? ['', 'Partial: the comparison is still measuring.'] : []),
    ...(report.warnings.length === 0 ? [] : ['', ...told(report.warnings)]),
  ];
}

/** What each target would measure, take and cost at the most, and the whole of it. */
export function renderComparisonPlan({ plan, targets }: ComparisonPlanAnswer, width: number): string[] {
  const table = renderTable(
    [
      left('target'),
      right('measurements'),
      right('predicted'),
      right('at most'),
      right('cost'),
      left('quota'),
    ],
    targets.map((target) => [
      printable(target.label),
      String(target.plan.cellsPlanned),
      writeDuration(target.cells.reduce((sum, cell) => sum + cell.repeats * cell.predictedSeconds, 0)),
      `${writeFigure(target.plan.boundMinutes)} min`,
      writeUsd(target.plan.boundUsd),
      target.plan.quota.verdict,
    ]),
    width,
  );
  const lines = [
    `Started in this order: ${plan.order.join(', ')}.`,
    `At most ${writeFigure(plan.boundMinutes)} minutes and ${plan.boundUsd === null ? 'an unknown sum' : writeUsd(plan.boundUsd)}.`,
    ...plan.warnings.map((text) => `Warning: ${text}`),
  ];
  return [...table, '', ...lines.flatMap((line) => wrapLine(printable(line), width))];
}

/** Rows are levels, columns are targets: output tokens per second, and what a million of them costs. */
function renderWorkload(
  { table }: WorkloadComparison,
  { targets }: ComparisonReport,
  width: number,
): string[] {
  const rows = table.map(({ cellId, entries }) => [
    printable(cellId),
    ...targets.map(({ label }) => describeEntry(entries.find((entry) => entry?.label === label) ?? null)),
  ]);
  const titles = [left('output tok/s, $ per M'), ...targets.map(({ label }) => right(printable(label)))];
  const reasons = table.flatMap(({ entries }) => entries.map((entry) => entry?.leftOut ?? null));
  const leftOut = [...new Set(reasons.filter((reason) => reason !== null))];
  const footnotes = leftOut.flatMap((reason) => wrapLine(`* not ranked: ${printable(reason)}.`, width));
  return [...renderTable(titles, rows, width), ...footnotes];
}

function describeEntry(entry: MatchedEntry | null): string {
  if (entry === null) return '-';
  const { outputTokensPerSecond, usdPerMillionOutputTokens, slo, leftOut } = entry;
  const cost = usdPerMillionOutputTokens === null ? '' : `  ${writeUsd(usdPerMillionOutputTokens)}`;
  return `${writeFigure(outputTokensPerSecond)}${cost}${slo === null ? '' : `  ${slo}`}${leftOut === null ? '' : ' *'}`;
}

function renderPairs(pairs: readonly PairComparison[], width: number): string[] {
  const columns = [
    left('target'),
    left('against'),
    left('verdict'),
    right('rate'),
    right('95 % interval'),
    right('cost'),
    right('95 % interval'),
  ];
  const rows = pairs.map(({ first, second, result, costRatio }) => [
    printable(second),
    printable(first),
    result.verdict,
    times(result.ratio),
    span(result.lower, result.upper),
    times(costRatio?.ratio ?? null),
    span(costRatio?.lower ?? null, costRatio?.upper ?? null),
  ]);
  return renderTable(columns, rows, width);
}

function renderRace({ race, targets }: ComparisonReport, width: number): string[] {
  const rows = (race?.rounds ?? []).map(({ round, costs }) => [
    String(round),
    ...targets.map(({ label }) =>
      writeUsd(costs.find((cost) => cost.label === label)?.usdPerMillionOutputTokens ?? null),
    ),
  ]);
  const titles = [right('round, $ per M tok'), ...targets.map(({ label }) => right(printable(label)))];
  return rows.length === 0 ? ['No round of the race was measured by all.'] : renderTable(titles, rows, width);
}

function times(ratio: number | null): string {
  return ratio === null ? '-' : `${ratio.toFixed(3)} x`;
}

function span(lower: number | null, upper: number | null): string {
  return lower === null || upper === null ? '-' : `${lower.toFixed(3)} to ${upper.toFixed(3)}`;
}

function left(title: string): Column {
  return { title, align: 'left' };
}

function right(title: string): Column {
  return { title, align: 'right' };
}
