/**
 * What a run's rows say together: how long a prompt and an output token take, where throughput stops growing, whether
 * the server works on one request at a time, and whether the books agree. Pure; each finding is a sentence with its
 * evidence, and nothing is said that its intervals do not show.
 */
import { fitPrefillDecode, type PrefillDecode } from './fit.ts';
import { DurationHistogram } from './histogram.ts';
import { findKnee } from './knee.ts';
import { checkLittlesLaw } from './littles-law.ts';
import type { CellRecord, ReportRow } from './report.ts';
import { burstSignature, effectiveParallelism, explainSerialisation } from './serialisation.ts';
import { type CellSummary, mergeHistograms } from './summary.ts';

export interface Findings {
  /** Milliseconds per prompt and per output token, fitted over the cells of concurrency 1. */
  readonly prefillDecode: PrefillDecode;
  readonly sentences: readonly string[];
}

/** Below this many connections a curve cannot show whether it scales. */
const LEAST_LEVEL = 4;

export function findAll(rows: readonly ReportRow[], cells: readonly CellRecord[]): Findings {
  const prefillDecode = fitPrefillDecode(cells.flatMap(fitPoint));
  const sentences = [
    describeFit(prefillDecode, rows),
    ...groupByWorkload(rows).flatMap((group) => [describeParallelism(group, cells), describeKnee(group)]),
    describeBooks(cells),
  ].filter((sentence) => sentence !== null);
  return { prefillDecode, sentences: [...new Set(sentences)] };
}

/** One repeat at concurrency 1 is one point, with the lengths that were measured and not those asked for. */
function fitPoint({ level, summary }: CellRecord) {
  if (level !== 1 || summary === null) return [];
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
    `${digits(value)} ms (${digits(lower)} to ${digits(upper)})`;
  return `Fitted at concurrency 1, where the route does not stream: an output token takes ${of(decode)}, a prompt token ${of(prefill)}, every answer ${of(fixed)} besides.`;
}

function describeParallelism(group: readonly ReportRow[], cells: readonly CellRecord[]): string | null {
  const top = group.filter((row) => row.level >= LEAST_LEVEL).at(-1);
  const route = top?.provenance.route;
  if (top === undefined || route == null) return null;
  const ratesAt = (level: number) =>
    cells
      .filter((cell) => cell.level === level && sameWorkload(cell, top))
      .map((cell) => cell.summary?.rates.outputTokensPerSecond ?? null)
      .filter((rate) => rate !== null);
  const burst = cells
    .filter((cell) => cell.level === top.level && sameWorkload(cell, top))
    .find(isWholeBurst);
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
  const alone = cells.filter((cell) => cell.level === 1 && sameWorkload(cell, row));
  const histograms = alone.flatMap(({ summary }) => (summary === null ? [] : [summary.histograms.e2e]));
  return mergeHistograms(histograms).meanMs ?? 0;
}

function describeKnee(group: readonly ReportRow[]): string | null {
  const first = group[0];
  if (first === undefined) return null;
  const knee = findKnee(group.map((row) => ({ level: row.level, throughput: row.outputTokensInterval })));
  if (knee.kind === 'not-shown') return null;
  return `${first.workload.promptTokens} prompt and ${first.workload.outputTokens} output tokens: ${knee.sentence}`;
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
    const key = `${row.workload.promptTokens}/${row.workload.outputTokens}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

function sameWorkload(one: Pick<CellRecord, 'workload'>, other: Pick<ReportRow, 'workload'>): boolean {
  return (
    one.workload.promptTokens === other.workload.promptTokens &&
    one.workload.outputTokens === other.workload.outputTokens
  );
}

/** Three significant digits. */
function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
