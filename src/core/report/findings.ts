/**
 * What a run's rows say together: how long a prompt and an output token take, where throughput stops growing, whether
 * the server works on one request at a time, and whether the books agree. Pure; each finding is a sentence with its
 * evidence, and nothing is said that its intervals do not show.
 */

import { writeDigits } from '../figure.ts';
import { DurationHistogram } from '../measuring/histogram.ts';
import { checkLittlesLaw } from '../measuring/littles-law.ts';
import { burstSignature, effectiveParallelism, explainSerialisation } from '../measuring/serialisation.ts';
import { type CellSummary, mergeHistograms } from '../measuring/summary.ts';
import { groupBySettings, nameGroup, sameSettings } from '../spec/settings.ts';
import { sameWorkload, workloadId } from '../spec/workload.ts';
import { fitPrefillDecode, type PrefillDecode } from '../statistics/fit.ts';
import { findKnee } from '../statistics/knee.ts';
import { type Bottleneck, explainBottleneck } from './bottleneck.ts';
import type { CellRecord, ReportRow } from './report.ts';

export interface Findings {
  /** Milliseconds per prompt and per output token, fitted over the cells of concurrency 1. */
  readonly prefillDecode: PrefillDecode;
  /** What holds each row back, the surest first; several entries may be of one row. */
  readonly bottlenecks: readonly (Bottleneck & { readonly cellId: string })[];
  readonly sentences: readonly string[];
}

/** Below this many connections a curve cannot show whether it scales. */
const LEAST_LEVEL = 4;

/** Over the cells of concurrency 1, which nothing else delays. */
export function fitCells(cells: readonly CellRecord[]): PrefillDecode {
  return fitPrefillDecode(cells.flatMap(fitPoint));
}

export function findAll(
  rows: readonly ReportRow[],
  cells: readonly CellRecord[],
  prefillDecode: PrefillDecode,
): Findings {
  const curves = groupByWorkload(rows).map((group): Curve => {
    const closed = group.filter((row) => row.loop === 'closed');
    return { group, closed, serialisation: describeParallelism(closed, cells) };
  });
  const bottlenecks = findBottlenecks(curves);
  const sentences = [
    describeFit(prefillDecode, rows),
    ...curves.flatMap(({ closed, serialisation }) => [serialisation, describeKnee(closed, rows)]),
    ...curves.map(({ group }) => describeBottleneck(bottlenecks, group)),
    describeBooks(cells),
  ].filter((sentence) => sentence !== null);
  return { prefillDecode, bottlenecks, sentences: [...new Set(sentences)] };
}

/** The rows of one workload under the same settings. */
interface Curve {
  readonly group: readonly ReportRow[];
  readonly closed: readonly ReportRow[];
  /** See `explainSerialisation`; null where nothing shows it. */
  readonly serialisation: string | null;
}

function findBottlenecks(curves: readonly Curve[]): Findings['bottlenecks'] {
  return curves.flatMap(({ group, serialisation }) =>
    group.flatMap((row) =>
      explainBottleneck({
        row,
        limit: row.limit,
        serialisation,
      }).map((bottleneck) => ({ ...bottleneck, cellId: row.cellId })),
    ),
  );
}

/** Of the highest level of a workload, where a limit is felt first; nothing where nothing fits. */
function describeBottleneck(
  bottlenecks: Findings['bottlenecks'],
  group: readonly ReportRow[],
): string | null {
  const top = group.at(-1);
  const surest = bottlenecks.find(({ cellId }) => cellId === top?.cellId);
  return surest === undefined || surest.cause === 'unknown' ? null : surest.sentence;
}

/** One repeat at concurrency 1 is one point, with the lengths that were measured and not those asked for. */
function fitPoint({ loop, level, summary }: CellRecord) {
  if (loop !== 'closed' || level !== 1 || summary === null) return [];
  const e2e = DurationHistogram.parse(summary.histograms.e2e);
  const { promptTokensMean, outputTokensMean } = summary;
  if (e2e.meanMs === null || promptTokensMean === null || outputTokensMean === null) return [];
  return [
    { promptTokens: promptTokensMean, outputTokens: outputTokensMean, e2eMs: e2e.meanMs, weight: e2e.count },
  ];
}

function describeFit({ fit }: PrefillDecode, rows: readonly ReportRow[]): string | null {
  if (fit === null || rows.every((row) => row.ttftReason === null)) return null;
  const { prefillMsPerToken: prefill, decodeMsPerToken: decode, fixedMs: fixed } = fit;
  const of = ({ value, lower, upper }: typeof prefill) =>
    `${writeDigits(value)} ms (${writeDigits(lower)} to ${writeDigits(upper)})`;
  return `Fitted at concurrency 1, where the route does not stream: an output token takes ${of(decode)}, a prompt token ${of(prefill)}, every answer ${of(fixed)} besides.`;
}

function describeParallelism(group: readonly ReportRow[], cells: readonly CellRecord[]): string | null {
  const top = group.filter((row) => row.level >= LEAST_LEVEL).at(-1);
  const route = top?.provenance.route;
  if (top === undefined || route == null) return null;
  const ratesAt = (level: number) =>
    cells
      .filter((cell) => cell.level === level && isOfRow(cell, top))
      .map((cell) => cell.summary?.rates.outputTokensPerSecond ?? null)
      .filter((rate) => rate !== null);
  const burst = cells.filter((cell) => cell.level === top.level && isOfRow(cell, top)).find(isWholeBurst);
  return explainSerialisation(
    route,
    effectiveParallelism(top.level, ratesAt(1), ratesAt(top.level)),
    burst?.summary == null ? null : burstSignature(latenciesOf(burst.summary), aloneMs(cells, top)),
  );
}

/** One request of each connection, all answered at the first attempt: their latencies show how they were served. */
function isWholeBurst({ level, summary }: CellRecord): boolean {
  return summary !== null && summary.attempted === level && summary.failed === 0 && summary.retries === 0;
}

function latenciesOf(summary: CellSummary): number[] {
  const e2e = DurationHistogram.parse(summary.histograms.e2e);
  return Array.from({ length: e2e.count }, (_, rank) => e2e.quantileMs((rank + 1) / e2e.count) ?? 0);
}

/** Mean latency of the workload at concurrency 1; 0 where that was not measured. */
function aloneMs(cells: readonly CellRecord[], row: ReportRow): number {
  const alone = cells.filter((cell) => cell.level === 1 && isOfRow(cell, row));
  const histograms = alone.flatMap(({ summary }) => (summary === null ? [] : [summary.histograms.e2e]));
  return mergeHistograms(histograms).meanMs ?? 0;
}

function describeKnee(group: readonly ReportRow[], rows: readonly ReportRow[]): string | null {
  const first = group[0];
  if (first === undefined) return null;
  const knee = findKnee(group.map((row) => ({ level: row.level, throughput: row.outputTokensInterval })));
  if (knee.kind === 'not-shown') return null;
  return `${workloadId(first.workload)}${nameGroup(first.provenance, rows)}: ${knee.sentence}`;
}

/** Rate, latency and requests in flight are counted apart and must agree. */
function describeBooks(cells: readonly CellRecord[]): string | null {
  const off = cells.filter(({ summary }) => summary !== null && booksDisagree(summary));
  if (off.length === 0) return null;
  const names = off.slice(0, 5).map((cell) => cell.cellId);
  const more = off.length > names.length ? ` and ${off.length - names.length} more` : '';
  return `In ${names.join(', ')}${more}, rate x latency does not make the requests in flight that were counted (Little's law, within 5 %): failures, waits or too short a window are behind it; do not build on those figures.`;
}

function booksDisagree({ rates, histograms, meanInFlight }: CellSummary): boolean {
  if (rates.span !== 'steady-window') return false;
  const { requestsPerSecond } = rates;
  const { meanMs: meanE2eMs } = DurationHistogram.parse(histograms.e2e);
  return checkLittlesLaw({ requestsPerSecond, meanE2eMs, meanInFlight })?.agrees === false;
}

function groupByWorkload(rows: readonly ReportRow[]): readonly (readonly ReportRow[])[] {
  const groups = new Map<string, ReportRow[]>();
  for (const row of rows) {
    const key = workloadId(row.workload);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  // Settings that are measured in turn are curves of their own.
  return [...groups.values()].flatMap((group) => groupBySettings(group, ({ provenance }) => provenance));
}

/** Measured on the workload of the row, and under its settings. */
function isOfRow(cell: CellRecord, row: ReportRow): boolean {
  return sameWorkload(cell.workload, row.workload) && sameSettings(cell.provenance, row.provenance);
}
