/**
 * A report as CSV: one row per cell. It begins with the origin's ten columns, in its order and units, so that what
 * read its files reads ours; every other column names its unit. A value that does not exist is an empty field, never
 * a 0; no field is a formula to a spreadsheet.
 */
import { type CsvField, writeCsv } from '../csv.ts';
import type { Quantiles, Report, ReportRow } from './report.ts';

/** One column: its name and what it takes from a row. */
type Column = readonly [name: string, read: (row: ReportRow, report: Report) => CsvField];

/** Seconds, output tokens per second; latencies over successes only, as the origin's. */
const ORIGIN_COLUMNS: readonly Column[] = [
  ['concurrency', (row) => (row.loop === 'closed' ? row.level : null)],
  ['prompt_size', (row) => row.workload.promptTokens],
  ['response_size', (row) => row.workload.outputTokens],
  ['successful_requests', (row) => row.succeeded],
  ['failed_requests', (row) => row.failed],
  ['avg_latency', (row) => inSeconds(row.e2eMs.mean)],
  ['avg_ttft', (row) => inSeconds(row.ttftMs.mean)],
  ['throughput', (row) => row.outputTokensPerSecond],
  ['total_execution_time', (row) => row.wholeSeconds],
  ['error_status_codes', (row) => JSON.stringify(row.failedStatusCodes)],
];

const OUR_COLUMNS: readonly Column[] = [
  ['cell_id', (row) => row.cellId],
  ['loop', (row) => row.loop],
  ['requests_per_second_asked', (row) => (row.loop === 'rate' ? row.level : null)],
  ['trace_speed', (row) => (row.loop === 'trace' ? row.level : null)],
  ['repeats', (row) => row.repeats],
  ['shards', (row) => row.shards],
  ['mode', (_, report) => report.mode],
  ['steady', (row) => row.steady],
  ['steady_reason', (row) => row.steadyReason],
  ['not_measured_reason', (row) => row.notMeasuredReason],
  ['output_tokens_per_second_lower', (row) => row.outputTokensInterval?.lower ?? null],
  ['output_tokens_per_second_upper', (row) => row.outputTokensInterval?.upper ?? null],
  ['unit', (row) => row.unit],
  ['output_units_per_second', (row) => row.outputUnitsPerSecond],
  ['usd_per_thousand_units', (row) => row.usdPerThousandUnits],
  ['requests_per_second', (row) => row.requestsPerSecond],
  ['slo', (row) => row.slo?.verdict ?? null],
  ['slo_attempted', (row) => row.slo?.attempted ?? null],
  ['slo_met', (row) => row.slo?.met ?? null],
  ['slo_attainment_lower', (row) => row.slo?.lower ?? null],
  ['goodput_requests_per_second', (row) => row.goodputRequestsPerSecond],
  ['goodput_output_tokens_per_second', (row) => row.goodputTokensPerSecond],
  ...quantileColumns('ttft', (row) => row.ttftMs),
  ['ttft_reason', (row) => row.ttftReason],
  ...quantileColumns('ttft_answer', (row) => row.ttftAnswerMs),
  ...quantileColumns('response', (row) => row.responseMs),
  ...quantileColumns('response_ttft', (row) => row.responseTtftMs),
  ['dropped_requests', (row) => row.dropped],
  ...quantileColumns('tpot', (row) => row.tpotMs),
  ...quantileColumns('ntpot', (row) => row.ntpotMs),
  ...quantileColumns('e2e', (row) => row.e2eMs),
  ...quantileColumns('gap', (row) => row.gapMs),
  ['mean_in_flight', (row) => row.meanInFlight],
  ['shard_spread', (row) => row.shardSpread],
  ['retries', (row) => row.retries],
  ['failures', (row) => JSON.stringify(row.failures)],
  ['prompt_tokens_mean', (row) => row.promptTokensMean],
  ['output_tokens_mean', (row) => row.outputTokensMean],
  ['output_length_fidelity', (row) => row.outputLengthFidelity],
  ['cached_prompt_share', (row) => row.cachedPromptShare],
  ['token_source', (row) => row.tokenSource],
  ['prompt_source', (row) => row.provenance.promptSource],
  ['usd_per_million_output_tokens', (row) => row.usdPerMillionOutputTokens],
  ['price_per_hour_usd', (_, report) => report.cost.pricePerHourUsd],
  ['sku', (row) => row.provenance.sku],
  ['instances', (row) => row.provenance.instances],
  ['region', (row) => row.provenance.region],
  ['client_region', (row) => row.provenance.clientRegion],
  ['client_valid', (row) => row.clientValid],
  ['contaminated_repeats', (row) => row.contaminatedRepeats],
  ['decode_bandwidth_share', (row) => row.limit.decodeBandwidthShare],
  ['prefill_compute_share', (row) => row.limit.prefillComputeShare],
  ['compute_share', (row) => row.limit.computeShare],
  ['client_loop_lag_ms_p99', (row) => row.client?.loopLagP99Ms ?? null],
  ['client_floor_ms_p99', (row) => row.provenance.clientFloor?.readLagP99Ms ?? null],
  ['network_round_trip_ms', (row) => row.client?.roundTripMs ?? null],
  ['registry', (row) => row.provenance.model?.registry ?? null],
  ['model', (row) => row.provenance.model?.name ?? null],
  ['model_version', (row) => row.provenance.model?.version ?? null],
  ['endpoint', (row) => row.provenance.endpoint],
  ['deployment', (row) => row.provenance.deployment],
  ['endpoints', (row) => row.deployments.join(' ')],
  ['endpoint_spread', (row) => row.deploymentSpread],
  ['route', (row) => row.provenance.route],
  ['streamed', (row) => row.provenance.streamed],
  ['output_length_forced', (row) => row.provenance.lengthForced],
  ['max_concurrent_requests_per_instance', (row) => row.provenance.maxConcurrentRequestsPerInstance],
  ['request_timeout_seconds', (row) => row.provenance.requestTimeoutSeconds],
  ['isolation', (row) => row.provenance.isolation],
  ['simulated', (row) => row.provenance.simulated],
  ['simulator_gpu_speed', (row) => row.provenance.simulatorGpuSpeed],
  ['run_id', (_, report) => report.runId],
  ['created_at', (_, report) => new Date(report.createdAtMs).toISOString()],
  ['output_length_ratio_p5', (row) => row.outputLengthRatio?.p5 ?? null],
  ['output_length_ratio_p95', (row) => row.outputLengthRatio?.p95 ?? null],
  ['prompt_length_ratio_p5', (row) => row.promptLengthRatio?.p5 ?? null],
  ['prompt_length_ratio_p95', (row) => row.promptLengthRatio?.p95 ?? null],
  ['sent_bytes_per_second', (row) => row.wire?.sentBytesPerSecond ?? null],
  ['received_bytes_per_second', (row) => row.wire?.receivedBytesPerSecond ?? null],
  ['bandwidth_delayed_answers', (row) => row.wire?.delayedAnswers ?? null],
  ['bandwidth_delay_ms_p50', (row) => row.wire?.delayP50Ms ?? null],
  ['gpu_utilisation', (row) => row.gpu?.utilisation ?? null],
  ['kept_samples', (row) => row.keptSamples ?? null],
];

const COLUMNS = [...ORIGIN_COLUMNS, ...OUR_COLUMNS];

/** The report as CSV, one line a row. */
export function reportToCsv(report: Report): string {
  return writeCsv(
    COLUMNS.map(([name]) => name),
    report.rows.map((row) => COLUMNS.map(([, read]) => read(row, report))),
  );
}

/** Samples and percentiles of one metric. A percentile is empty where the samples are too few to know it. */
function quantileColumns(metric: string, read: (row: ReportRow) => Quantiles): Column[] {
  return [
    [`${metric}_samples`, (row) => read(row).count],
    [`${metric}_ms_p50`, (row) => read(row).p50],
    [`${metric}_ms_p95`, (row) => read(row).p95],
    [`${metric}_ms_p99`, (row) => read(row).p99],
  ];
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
