/**
 * A comparison as CSV: one row per target and level, each with how it was made and how the target came out against the
 * first of its pair. A target without a figure has a row that says why. Every column names its unit; a value that does
 * not exist is an empty field, and no field is a formula to a spreadsheet.
 */
import { type CsvField, writeCsv } from '../csv.ts';
import { type Workload, workloadId } from '../spec/workload.ts';
import type {
  ComparisonReport,
  MatchedEntry,
  MatchedLevel,
  PairComparison,
  TargetSummary,
} from './comparison-report.ts';

interface Line {
  readonly target: TargetSummary;
  /** Null for a target without a figure. */
  readonly workload: Workload | null;
  readonly level: MatchedLevel | null;
  readonly entry: MatchedEntry | null;
  /** Null for the one that the others are held against. */
  readonly pair: PairComparison | null;
}

const COLUMNS: readonly (readonly [name: string, read: (line: Line) => CsvField])[] = [
  ['target', ({ target }) => target.label],
  ['failure', ({ target }) => target.failure],
  ['workload', ({ workload }) => (workload === null ? null : workloadId(workload))],
  ['cell_id', ({ level }) => level?.cellId ?? null],
  ['loop', ({ level }) => level?.loop ?? null],
  ['level', ({ level }) => level?.level ?? null],
  ['attempted_requests', ({ entry }) => entry?.attempted ?? null],
  ['failed_requests', ({ entry }) => entry?.failed ?? null],
  ['output_tokens_per_second', ({ entry }) => entry?.outputTokensPerSecond ?? null],
  ['output_tokens_per_second_lower', ({ entry }) => entry?.lower ?? null],
  ['output_tokens_per_second_upper', ({ entry }) => entry?.upper ?? null],
  ['goodput_output_tokens_per_second', ({ entry }) => entry?.goodputTokensPerSecond ?? null],
  ['output_tokens_per_second_and_gpu', ({ entry }) => entry?.perGpu ?? null],
  ['slo', ({ entry }) => entry?.slo ?? null],
  ['ttft_ms_p50', ({ entry }) => entry?.ttftP50Ms ?? null],
  ['tpot_ms_p50', ({ entry }) => entry?.tpotP50Ms ?? null],
  ['ntpot_ms_p50', ({ entry }) => entry?.ntpotP50Ms ?? null],
  ['usd_per_million_output_tokens', ({ entry }) => entry?.usdPerMillionOutputTokens ?? null],
  ['usd_per_million_output_tokens_at_goodput', ({ entry }) => entry?.usdPerMillionAtGoodput ?? null],
  ['left_out_of_rankings', ({ entry }) => entry?.leftOut ?? null],
  ['against', ({ pair }) => pair?.first ?? null],
  ['verdict', ({ pair }) => pair?.result.verdict ?? null],
  ['verdict_scope', ({ pair }) => pair?.result.scope ?? null],
  ['rate_ratio', ({ pair }) => pair?.result.ratio ?? null],
  ['rate_ratio_lower', ({ pair }) => pair?.result.lower ?? null],
  ['rate_ratio_upper', ({ pair }) => pair?.result.upper ?? null],
  ['p_value', ({ pair }) => pair?.result.pValue ?? null],
  ['cost_ratio', ({ pair }) => pair?.costRatio?.ratio ?? null],
  ['gpus', ({ target }) => target.gpus],
  ['usd_per_hour', ({ target }) => target.hourlyUsd],
  ['price_per_hour_and_instance_usd', ({ target }) => target.made?.price?.perHourUsd ?? null],
  ['price_region', ({ target }) => target.made?.price?.region ?? null],
  ['price_since', ({ target }) => target.made?.price?.since ?? null],
  ['sku', ({ target }) => target.made?.sku ?? null],
  ['instances', ({ target }) => target.made?.instances ?? null],
  ['region', ({ target }) => target.made?.region ?? null],
  ['client_region', ({ target }) => target.made?.clientRegion ?? null],
  ['model', ({ target }) => target.made?.model ?? null],
  ['image', ({ target }) => target.made?.image ?? null],
  ['route', ({ target }) => target.made?.route ?? null],
  ['streamed', ({ target }) => target.made?.streamed ?? null],
  [
    'max_concurrent_requests_per_instance',
    ({ target }) => target.made?.maxConcurrentRequestsPerInstance ?? null,
  ],
  ['load', ({ target }) => target.made?.load ?? null],
  ['window', ({ target }) => target.made?.window ?? null],
  ['warm_up_requests', ({ target }) => target.made?.warmUp?.requests ?? null],
  ['warm_up_stable', ({ target }) => target.made?.warmUp?.stable ?? null],
  ['repeats', ({ target }) => target.made?.repeats ?? null],
  ['deployments', ({ target }) => target.made?.deployments ?? null],
  ['token_source', ({ target }) => target.made?.tokenSource ?? null],
  ['simulated', ({ target }) => target.made?.simulated ?? null],
];

/** The report as CSV with a header line; lines end with a line feed. */
export function comparisonToCsv(report: ComparisonReport): string {
  const lines = report.targets.flatMap((target) => linesOf(target, report));
  return writeCsv(
    COLUMNS.map(([name]) => name),
    lines.map((line) => COLUMNS.map(([, read]) => read(line))),
  );
}

function linesOf(target: TargetSummary, { workloads, pairs }: ComparisonReport): Line[] {
  const pair = pairs.find(({ second }) => second === target.label) ?? null;
  const lines = workloads.flatMap(({ workload, table }) =>
    table.flatMap((level): Line[] => {
      const entry = level.entries.find((one) => one?.label === target.label) ?? null;
      return entry === null ? [] : [{ target, workload, level, entry, pair }];
    }),
  );
  return lines.length > 0 ? lines : [{ target, workload: null, level: null, entry: null, pair }];
}
