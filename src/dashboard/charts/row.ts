/**
 * What charts know of a report's row. `chartRows` reads any report that the API has ever given: a field that it lacks
 * is a value that does not exist, and never an exception.
 */
import type { Loop } from '../../core/measuring/cell.ts';
import type { Report, ReportRow } from '../../core/report/report.ts';
import type { Workload } from '../../core/spec/workload.ts';
import type { Estimate } from './chart.ts';

export interface ChartRow {
  readonly cellId: string;
  /** The same for all rows of a workload. */
  readonly workload: string;
  readonly workloadName: string;
  readonly loop: Loop;
  readonly level: number;
  readonly attempted: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Output per second, in `unit`. */
  readonly throughput: Estimate | null;
  readonly unit: string;
  readonly ttftMs: Percentiles;
  readonly tpotMs: Percentiles;
  readonly e2eMs: Percentiles;
  readonly usdPerMillionOutputTokens: Estimate | null;
  /** Share of attempted requests that met the objectives; null without objectives. */
  readonly attainment: Estimate | null;
  readonly verdict: string | null;
  /** False where the client was the limit, or the endpoint still busy with what came before. */
  readonly trusted: boolean;
}

export type PercentileName = 'p50' | 'p95' | 'p99';
export type Percentiles = Readonly<Record<PercentileName, Estimate | null>>;

export function chartRows(report: Pick<Report, 'rows'>): ChartRow[] {
  return (report.rows ?? []).map(readRow);
}

function readRow(row: Partial<ReportRow> & Pick<ReportRow, 'cellId' | 'workload' | 'level'>): ChartRow {
  const isTokens = (row.unit ?? 'token') === 'token';
  const perSecond = isTokens ? row.outputTokensPerSecond : row.outputUnitsPerSecond;
  const interval = isTokens ? row.outputTokensInterval : null;
  const throughput = estimate(perSecond, interval?.lower, interval?.upper);
  return {
    cellId: row.cellId,
    workload: row.cellId.replace(/^[^-]*-/, ''),
    workloadName: describeWorkload(row.workload),
    loop: row.loop ?? 'closed',
    level: row.level,
    attempted: row.attempted ?? 0,
    failed: row.failed ?? 0,
    failures: row.failures ?? {},
    throughput,
    unit: row.unit ?? 'token',
    ttftMs: readPercentiles(row.ttftMs),
    tpotMs: readPercentiles(row.tpotMs),
    e2eMs: readPercentiles(row.e2eMs),
    usdPerMillionOutputTokens: costOf(row.usdPerMillionOutputTokens, throughput),
    attainment: estimate(row.slo?.attainment, row.slo?.lower, row.slo?.upper),
    verdict: row.slo?.verdict ?? null,
    trusted: row.clientValid !== false && (row.contaminatedRepeats ?? 0) === 0,
  };
}

/** `512 → 128 tokens`: prompt and answer. */
export function describeWorkload(workload: Workload): string {
  const { promptTokens, outputTokens, promptTokensP95, outputTokensP95, name, requests } = workload;
  if (requests !== undefined) return `requests “${requests}”`;
  const length = (median: number, p95: number | undefined) =>
    p95 === undefined ? String(median) : `${median} (p95 ${p95})`;
  const lengths = `${length(promptTokens, promptTokensP95)} → ${length(outputTokens, outputTokensP95)} tokens`;
  return name === undefined ? lengths : `${name}: ${lengths}`;
}

function readPercentiles(quantiles: Partial<ReportRow['e2eMs']> | undefined): Percentiles {
  const read = (name: PercentileName) => {
    const interval = quantiles?.intervals?.[name];
    const known = interval !== undefined && interval.kind !== 'too-few' ? interval : null;
    return estimate(quantiles?.[name], known?.lower, known?.upper);
  };
  return { p50: read('p50'), p95: read('p95'), p99: read('p99') };
}

/** Cost falls as throughput grows, so the ends change places: cost x throughput is the same everywhere. */
function costOf(usd: number | null | undefined, throughput: Estimate | null): Estimate | null {
  if (usd === null || usd === undefined) return null;
  if (throughput === null) return { value: usd, lower: null, upper: null };
  const at = (rate: number | null) => (rate === null || rate <= 0 ? null : (usd * throughput.value) / rate);
  return { value: usd, lower: at(throughput.upper), upper: at(throughput.lower) };
}

function estimate(
  value: number | null | undefined,
  lower: number | null | undefined,
  upper: number | null | undefined,
): Estimate | null {
  if (value === null || value === undefined) return null;
  return { value, lower: lower ?? null, upper: upper ?? null };
}

export interface WorkloadRows {
  readonly id: string;
  readonly name: string;
  /** By level. */
  readonly rows: readonly ChartRow[];
}

/** The rows of each workload, in the report's order. */
export function byWorkload(rows: readonly ChartRow[]): WorkloadRows[] {
  const groups = new Map<string, ChartRow[]>();
  for (const row of rows) groups.set(row.workload, [...(groups.get(row.workload) ?? []), row]);
  return [...groups].map(([id, group]) => ({
    id,
    name: group[0]?.workloadName ?? id,
    rows: group.toSorted((one, other) => one.level - other.level),
  }));
}

/** What hollow marks mean, where a chart of these rows has some; nothing otherwise. */
export function warnOfHollow(rows: readonly ChartRow[]): string {
  if (rows.every((row) => row.trusted)) return '';
  return ' Hollow marks: do not build on them; the client was the limit, or the endpoint was still busy with what came before.';
}

/** What a level counts, as the title of an axis. */
export function levelTitle(rows: readonly ChartRow[]): string {
  const loop = rows[0]?.loop ?? 'closed';
  if (loop === 'closed') return 'Concurrent requests';
  return loop === 'rate' ? 'Requests sent per second' : 'Times the recorded speed';
}
