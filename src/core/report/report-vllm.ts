/**
 * A report in the words of `vllm bench serve`: what reads its result files (`--save-result`, with `e2el` among its
 * `--percentile-metrics`) reads these. A file of theirs holds one measurement, so there is one JSON object a cell, one
 * a line, as their `--append-result` writes several. What was not measured here is null, never a 0.
 *
 * Fields as of vllm/benchmarks/serve.py at vLLM's commit 009e6d4a. Ours stand at the end, where theirs have `--metadata`.
 */
import { mergeHistograms } from '../measuring/summary.ts';
import { type LoadModel, loadModelOf } from '../spec/load-model.ts';
import type { BenchmarkSpec } from '../spec/spec.ts';
import { meanOf } from '../statistics/moments.ts';
import type { CellRecord, Report, ReportRow } from './report.ts';

/** TTFT, TPOT, time between two events of a stream, E2E. */
export const VLLM_METRICS = ['ttft', 'tpot', 'itl', 'e2el'] as const;
export const VLLM_STATISTICS = ['mean', 'median', 'std', 'p99'] as const;

type VllmMetric = (typeof VLLM_METRICS)[number];
export type VllmTimes = Readonly<
  Record<`${(typeof VLLM_STATISTICS)[number]}_${VllmMetric}_ms`, number | null>
>;

export type VllmResult = VllmTimes & {
  /** When its last repeat ended, in UTC: 20261128-235959. */
  readonly date: string;
  readonly endpoint_type: string | null;
  readonly backend: string | null;
  readonly label: string;
  readonly model_id: string | null;
  /** The server counts. */
  readonly tokenizer_id: null;
  readonly num_prompts: number;
  /** Requests per second; "inf" where requests do not wait for a time of their own. */
  readonly request_rate: number | 'inf';
  /** 1 is a Poisson process; null where arrivals are not one. */
  readonly burstiness: number | null;
  readonly max_concurrency: number | null;
  /** Seconds of all repeats together. */
  readonly duration: number;
  readonly completed: number;
  readonly failed: number;
  readonly total_input_tokens: number;
  /** Null where the output is not tokens. */
  readonly total_output_tokens: number | null;
  readonly request_throughput: number | null;
  readonly request_goodput: number | null;
  readonly output_throughput: number | null;
  readonly total_token_throughput: number | null;
  readonly run_id: string;
  readonly input_len: number;
  readonly output_len: number;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly repeats: number;
  readonly steady: boolean;
  readonly client_valid: boolean | null;
  readonly simulated: boolean;
};

/** One object a line and cell; cells of which no repeat was measured are left out. */
export function reportToVllm(report: Report, cells: readonly CellRecord[], spec: BenchmarkSpec): string {
  const load = loadModelOf(spec);
  return report.rows
    .filter((row) => row.repeats > 0)
    .map((row) => describeCell(report.runId, row, measuredOf(row, cells), load))
    .map((result) => `${JSON.stringify(result)}\n`)
    .join('');
}

function measuredOf(row: ReportRow, cells: readonly CellRecord[]) {
  return cells
    .filter((cell) => cell.cellId === row.cellId)
    .map((cell) => cell.summary)
    .filter((summary) => summary !== null);
}

type Measured = ReturnType<typeof measuredOf>;

function describeCell(runId: string, row: ReportRow, measured: Measured, load: LoadModel): VllmResult {
  const isOpen = row.loop !== 'closed';
  const makesTokens = row.unit === 'token';
  return {
    date: writeDate(Math.max(...measured.map(({ endedAtMs }) => endedAtMs))),
    endpoint_type: row.provenance.route,
    backend: row.provenance.route,
    label: row.cellId,
    model_id: row.provenance.model?.name ?? null,
    tokenizer_id: null,
    num_prompts: row.attempted + row.dropped,
    request_rate: row.loop === 'rate' ? row.level : 'inf',
    burstiness: row.loop === 'rate' && load.arrival === 'poisson' ? 1 : null,
    max_concurrency: isOpen ? load.maxInFlight : row.level,
    duration: sum(measured.map(({ startedAtMs, endedAtMs }) => (endedAtMs - startedAtMs) / 1_000)),
    completed: row.succeeded,
    failed: row.failed + row.dropped,
    total_input_tokens: sum(
      measured.map(({ promptTokensMean, succeeded }) => times(promptTokensMean, succeeded)),
    ),
    total_output_tokens: makesTokens
      ? sum(measured.map(({ outputTokensMean, succeeded }) => times(outputTokensMean, succeeded)))
      : null,
    request_throughput: row.requestsPerSecond,
    request_goodput: row.goodputRequestsPerSecond,
    output_throughput: row.outputTokensPerSecond,
    total_token_throughput: totalThroughput(row, measured),
    ...timesOf('ttft', row.ttftMs, measured, 'ttft'),
    ...timesOf('tpot', row.tpotMs, measured, 'tpot'),
    ...timesOf('itl', row.gapMs, measured, 'gaps'),
    ...timesOf('e2el', row.e2eMs, measured, 'e2e'),
    run_id: runId,
    input_len: row.workload.promptTokens,
    output_len: row.workload.outputTokens,
    sku: row.provenance.sku,
    instances: row.provenance.instances,
    repeats: row.repeats,
    steady: row.steady,
    client_valid: row.clientValid,
    simulated: row.provenance.simulated,
  };
}

function timesOf<M extends VllmMetric>(
  metric: M,
  { mean, p50, p99 }: ReportRow['e2eMs'],
  measured: Measured,
  histogram: 'ttft' | 'tpot' | 'gaps' | 'e2e',
) {
  const std = mergeHistograms(measured.map(({ histograms }) => histograms[histogram])).standardDeviationMs;
  return {
    [`mean_${metric}_ms`]: mean,
    [`median_${metric}_ms`]: p50,
    [`std_${metric}_ms`]: std,
    [`p99_${metric}_ms`]: p99,
  } as Readonly<Record<`${(typeof VLLM_STATISTICS)[number]}_${M}_ms`, number | null>>;
}

/** Prompt and output tokens per second; as with every rate of a row, a repeat in which all failed carried nothing. */
function totalThroughput(row: ReportRow, measured: Measured): number | null {
  if (row.outputTokensPerSecond === null) return null;
  const rates = measured.map(({ succeeded, rates: { promptTokensPerSecond } }) =>
    succeeded === 0 ? 0 : promptTokensPerSecond,
  );
  const known = rates.filter((rate) => rate !== null);
  return known.length === 0 ? null : row.outputTokensPerSecond + meanOf(known);
}

/** The whole number that the mean was made of. */
function times(mean: number | null, count: number): number {
  return Math.round((mean ?? 0) * count);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function writeDate(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
}
