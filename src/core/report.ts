/**
 * A run's report: one row per cell with its repeats aggregated, the best throughput, and what to know before
 * believing it. `buildReport` is pure, so that a stored report can be compared with one rebuilt from its rows.
 */
import { cellId } from './cell.ts';
import type { ClientFloor } from './client-floor.ts';
import { type ClientHealth, judgeClient, mergeClientHealth } from './client-health.ts';
import type { RequestFailure } from './failure.ts';
import { type Findings, findAll } from './findings.ts';
import { DurationHistogram } from './histogram.ts';
import {
  type MeanInterval,
  type PercentileInterval,
  percentileInterval,
  rankedDurations,
} from './interval.ts';
import type { OutputUnit } from './payload.ts';
import { type RepeatPlan, repeatPlanOf, repeatsInterval } from './repeats.ts';
import type { RunRecord } from './run.ts';
import type { TokenSource, TtftReason } from './sample.ts';
import type { Route } from './shard.ts';
import { addCounts, type CellSummary, firstExamples, mergeHistograms, oneOf } from './summary.ts';
import type { Workload } from './workload.ts';

/** One repeat of one cell, as the `cells` table holds it: what was measured and on what. */
export interface CellRecord {
  readonly runId: string;
  readonly cellKey: string;
  readonly cellId: string;
  readonly workload: Workload;
  readonly level: number;
  readonly repeat: number;
  readonly attempt: number;
  /** Null where three attempts did not bring its shards together; the reason says so. */
  readonly summary: CellSummary | null;
  readonly notMeasuredReason: string | null;
  readonly provenance: Provenance;
}

/** What a row says about what was measured; SKU and instances as read back from ARM where ARM knows them. */
export interface Provenance {
  readonly endpoint: string | null;
  readonly deployment: string | null;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly region: string | null;
  readonly model: {
    readonly registry: string;
    readonly name: string;
    readonly version: string | null;
  } | null;
  readonly route: Route['api'] | null;
  readonly streamed: boolean;
  /** Whether answers were forced to the length asked for; null where no route was found. */
  readonly lengthForced: boolean | null;
  readonly maxConcurrentRequestsPerInstance: number | null;
  readonly requestTimeoutSeconds: number;
  /** Prompts are text of the asked length, calibrated by the server's own count or by four characters per token. */
  readonly promptSource: 'calibrated' | 'estimated';
  readonly clientRegion: string | null;
  /** What this client can tell apart at the best, measured on loopback; null where it was not. */
  readonly clientFloor: ClientFloor | null;
  readonly isolation: 'exclusive' | 'shared';
  /** True where a simulator answered and not a GPU. */
  readonly simulated: boolean;
  readonly simulatorGpuSpeed: number | null;
}

export interface Report {
  readonly runId: string;
  readonly createdAtMs: number;
  readonly mode: 'steady' | 'burst';
  readonly rows: readonly ReportRow[];
  /** The row with the highest output throughput, which is what the origin called best; no SLO stands behind it. */
  readonly best: { readonly cellId: string; readonly outputTokensPerSecond: number } | null;
  readonly cost: {
    readonly pricePerHourUsd: number | null;
    readonly priceReason: string | null;
    readonly instances: number;
  };
  readonly stoppedBy: string | null;
  /** What the rows say together, each with its evidence. */
  readonly findings: Findings;
  readonly notes: readonly string[];
  readonly simulated: boolean;
}

export interface ReportRow {
  readonly cellId: string;
  readonly workload: Workload;
  readonly level: number;
  readonly repeats: number;
  readonly shards: number;
  readonly attempted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly failures: Readonly<Partial<Record<RequestFailure, number>>>;
  readonly failedStatusCodes: Readonly<Record<string, number>>;
  readonly failureExamples: Readonly<Partial<Record<RequestFailure, string>>>;
  readonly retries: number;
  /** Mean over repeats of each repeat's rate; null where nothing succeeded. */
  readonly outputTokensPerSecond: number | null;
  readonly requestsPerSecond: number | null;
  readonly unit: OutputUnit;
  /** Output in that unit; the same as tokens per second where the unit is the token. */
  readonly outputUnitsPerSecond: number | null;
  /** Of the repeats' means, at 95 % whenever repeating ended; null below two repeats that gave a figure. */
  readonly outputTokensInterval: MeanInterval | null;
  /** True where each repeat had a steady window. */
  readonly steady: boolean;
  readonly steadyReason: string | null;
  /** Mean over repeats of the seconds from first send to last answer. */
  readonly wholeSeconds: number | null;
  readonly e2eMs: Quantiles;
  readonly ttftMs: Quantiles;
  readonly ttftReason: TtftReason | null;
  readonly tpotMs: Quantiles;
  readonly ntpotMs: Quantiles;
  readonly gapMs: Quantiles;
  readonly meanInFlight: number | null;
  readonly shardSpread: number | null;
  readonly promptTokensMean: number | null;
  readonly outputTokensMean: number | null;
  readonly outputLengthFidelity: number | null;
  /** The highest of the repeats: share of the prompt tokens that a prefix cache spared; null where usage does not tell. */
  readonly cachedPromptShare: number | null;
  /** Good answers that began with their prompt, which is not counted as output. */
  readonly echoes: number;
  readonly tokenSource: TokenSource | 'mixed' | null;
  /** Price x instances / (output tokens per hour) x 10^6; null where the price is unknown or nothing succeeded. */
  readonly usdPerMillionOutputTokens: number | null;
  /** For output that is not tokens. */
  readonly usdPerThousandUnits: number | null;
  readonly notMeasuredReason: string | null;
  /** What the load threads said of themselves, the worst of all repeats; null where they said nothing. */
  readonly client: ClientHealth | null;
  /** Whether the server was measured and not the client; null where that cannot be told. */
  readonly clientValid: boolean | null;
  /** What was wrong with the client, in the repeats where something was. */
  readonly clientFaults: readonly string[];
  readonly provenance: Provenance;
}

/** Milliseconds. A percentile is null where there are too few samples to know it. */
export interface Quantiles {
  readonly count: number;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** How far the percentiles may be off, from order statistics at 95 %. */
  readonly intervals: Readonly<Record<'p50' | 'p95' | 'p99', PercentileInterval>>;
}

/**
 * The fewest samples at which a percentile has a one-sided 95 % upper bound by order statistics: ln 0.05 / ln p.
 * Below it the number would be the maximum under another name.
 */
export const LEAST_SAMPLES = { p95: 59, p99: 299 } as const;

/** Every prompt begins with words of its own, so only a template's tokens may come from a cache. */
const CACHED_SHARE = 0.05;

export function buildReport(run: RunRecord, cells: readonly CellRecord[]): Report {
  const byCell = new Map<string, CellRecord[]>();
  for (const cell of cells) byCell.set(cell.cellId, [...(byCell.get(cell.cellId) ?? []), cell]);
  const hourlyUsd =
    run.billing.pricePerHourUsd === null ? null : run.billing.pricePerHourUsd * run.billing.instances;
  const rows = [...byCell.values()]
    .map((cellsOfRow) => buildRow(cellsOfRow, hourlyUsd, repeatPlanOf(run.spec.measure.repeats)))
    .sort(byWorkloadThenLevel);
  const simulated = run.endpoint?.simulated === true || rows.some((row) => row.provenance.simulated);
  return {
    runId: run.id,
    createdAtMs: run.createdAtMs,
    mode: run.spec.measure.mode,
    rows,
    best: bestRow(rows),
    cost: {
      pricePerHourUsd: run.billing.pricePerHourUsd,
      priceReason: run.billing.priceReason,
      instances: run.billing.instances,
    },
    stoppedBy: run.stoppedBy,
    findings: findAll(rows, cells),
    notes: reportNotes(run, rows, simulated),
    simulated,
  };
}

function buildRow(cells: readonly CellRecord[], hourlyUsd: number | null, repeats: RepeatPlan): ReportRow {
  const first = cells[0];
  if (first === undefined) throw new Error('A row without a cell cannot be built.');
  const summaries = cells.map((cell) => cell.summary).filter((summary) => summary !== null);
  const total = (count: (summary: CellSummary) => number) =>
    summaries.reduce((sum, summary) => sum + count(summary), 0);
  const quantiles = (name: keyof CellSummary['histograms']) =>
    quantilesOf(mergeHistograms(summaries.map((summary) => summary.histograms[name])));
  const known = (value: (summary: CellSummary) => number | null) =>
    summaries.map(value).filter((one) => one !== null);
  const outputRates = ratesOf(summaries, 'outputTokensPerSecond');
  const outputTokensPerSecond = mean(outputRates);
  const outputUnitsPerSecond = mean(ratesOf(summaries, 'outputUnitsPerSecond'));
  const unit = summaries[0]?.unit ?? 'token';
  return {
    cellId: cellId(first.level, first.workload),
    workload: first.workload,
    level: first.level,
    repeats: summaries.length,
    shards: summaries[0]?.shards ?? 0,
    attempted: total((summary) => summary.attempted),
    succeeded: total((summary) => summary.succeeded),
    failed: total((summary) => summary.failed),
    failures: addCounts(summaries.map((summary) => summary.failures)),
    failedStatusCodes: addCounts(summaries.map((summary) => summary.failedStatusCodes)) as Record<
      string,
      number
    >,
    failureExamples: firstExamples(summaries.map((summary) => summary.failureExamples)),
    retries: total((summary) => summary.retries),
    outputTokensPerSecond,
    requestsPerSecond: mean(ratesOf(summaries, 'requestsPerSecond')),
    unit,
    outputUnitsPerSecond,
    outputTokensInterval: repeatsInterval(repeats, outputRates),
    steady: summaries.length > 0 && summaries.every((summary) => summary.rates.span === 'steady-window'),
    steadyReason: summaries.find((summary) => summary.rates.reason !== null)?.rates.reason ?? null,
    wholeSeconds: mean(summaries.map((summary) => (summary.endedAtMs - summary.startedAtMs) / 1000)),
    e2eMs: quantiles('e2e'),
    ttftMs: quantiles('ttft'),
    ttftReason: summaries.find((summary) => summary.ttftReason !== null)?.ttftReason ?? null,
    tpotMs: quantiles('tpot'),
    ntpotMs: quantiles('ntpot'),
    gapMs: quantiles('gaps'),
    meanInFlight: mean(summaries.map((summary) => summary.meanInFlight)),
    shardSpread: maximum(known((summary) => summary.shardSpread)),
    promptTokensMean: mean(known((summary) => summary.promptTokensMean)),
    outputTokensMean: mean(known((summary) => summary.outputTokensMean)),
    cachedPromptShare: maximum(known((summary) => summary.cachedPromptShare)),
    echoes: total((summary) => summary.echoes),
    outputLengthFidelity: mean(known((summary) => summary.outputLengthFidelity)),
    tokenSource: oneOf(summaries.map((summary) => summary.tokenSource)),
    usdPerMillionOutputTokens: usdPerMillionTokens(hourlyUsd, outputTokensPerSecond),
    usdPerThousandUnits: unit === 'token' ? null : usdFor(1_000, hourlyUsd, outputUnitsPerSecond),
    notMeasuredReason: cells.find((cell) => cell.notMeasuredReason !== null)?.notMeasuredReason ?? null,
    ...judgeRepeats(summaries, first.level),
    provenance: first.provenance,
  };
}

/** A row is valid where each of its repeats is: one whose client was the limit spoils the mean. */
function judgeRepeats(
  summaries: readonly CellSummary[],
  level: number,
): Pick<ReportRow, 'client' | 'clientValid' | 'clientFaults'> {
  const verdicts = summaries.map((summary) => {
    const e2e = DurationHistogram.parse(summary.histograms.e2e);
    const ttft = DurationHistogram.parse(summary.histograms.ttft);
    return judgeClient({
      client: summary.client,
      closedLoop: summary.rates.span === 'steady-window',
      connections: level,
      meanInFlight: summary.meanInFlight,
      steadySeconds: summary.rates.span === 'steady-window' ? summary.rates.seconds : null,
      failed: summary.failed,
      ttftP50Ms: ttft.quantileMs(0.5),
      e2eP50Ms: e2e.quantileMs(0.5),
      e2eMeanMs: e2e.meanMs,
    });
  });
  return {
    client: mergeClientHealth(summaries.map((summary) => summary.client ?? undefined)),
    clientValid: verdicts.some((verdict) => verdict.valid === false)
      ? false
      : verdicts.length > 0 && verdicts.every((verdict) => verdict.valid === true)
        ? true
        : null,
    clientFaults: [...new Set(verdicts.flatMap((verdict) => verdict.faults))],
  };
}

/**
 * Each repeat's rate. One in which everything failed carried nothing, and counts as 0 beside others that carried
 * something; where no repeat carried anything there is no rate.
 */
function ratesOf(
  summaries: readonly CellSummary[],
  rate: 'outputTokensPerSecond' | 'outputUnitsPerSecond' | 'requestsPerSecond',
): number[] {
  if (summaries.every((summary) => summary.succeeded === 0)) return [];
  return summaries
    .map((summary) => (summary.succeeded === 0 ? 0 : summary.rates[rate]))
    .filter((value) => value !== null);
}

/** Dollars per million output tokens = dollars per hour / (tokens per second x 3,600) x 10^6. */
export function usdPerMillionTokens(hourlyUsd: number | null, tokensPerSecond: number | null): number | null {
  return usdFor(1_000_000, hourlyUsd, tokensPerSecond);
}

/** Dollars for an amount of output; null where the price is unknown or nothing is carried. */
function usdFor(amount: number, hourlyUsd: number | null, perSecond: number | null): number | null {
  if (hourlyUsd === null || perSecond === null || perSecond <= 0) return null;
  return (hourlyUsd / (perSecond * 3_600)) * amount;
}

/** The figures of a histogram; a percentile is null below its LEAST_SAMPLES. */
export function quantilesOf(histogram: DurationHistogram): Quantiles {
  const at = (quantile: number, least: number) =>
    histogram.count >= least ? histogram.quantileMs(quantile) : null;
  const interval = (quantile: number) => percentileInterval(rankedDurations(histogram), quantile);
  return {
    count: histogram.count,
    mean: histogram.meanMs,
    p50: at(0.5, 1),
    p95: at(0.95, LEAST_SAMPLES.p95),
    p99: at(0.99, LEAST_SAMPLES.p99),
    max: histogram.maxMs,
    intervals: { p50: interval(0.5), p95: interval(0.95), p99: interval(0.99) },
  };
}

function bestRow(rows: readonly ReportRow[]): Report['best'] {
  let best: Report['best'] = null;
  for (const row of rows) {
    if (
      row.outputTokensPerSecond !== null &&
      row.outputTokensPerSecond > (best?.outputTokensPerSecond ?? 0)
    ) {
      best = { cellId: row.cellId, outputTokensPerSecond: row.outputTokensPerSecond };
    }
  }
  return best;
}

function reportNotes(run: RunRecord, rows: readonly ReportRow[], simulated: boolean): string[] {
  const notes: string[] = [];
  if (simulated)
    notes.push('Simulated: a model of a GPU answered, not Azure. The numbers say nothing about a real SKU.');
  notes.push(
    run.spec.measure.mode === 'steady'
      ? 'Closed loop: each connection sends its next request when its last is answered, so a slow endpoint is asked less. Warm-up is excluded; rates are counted inside the steady window.'
      : 'Burst: every connection sends one request at the same moment, as the origin did. It measures no steady state; rates are over the whole burst, retries and their waits included.',
  );
  if (run.spec.isolation === 'shared')
    notes.push('Isolation "shared": cells ran on the endpoint at the same time and measured each other.');
  const invalid = rows.filter((row) => row.clientValid === false);
  if (invalid.length > 0) {
    const cells = invalid.map((row) => row.cellId).slice(0, 5);
    notes.push(
      `In ${invalid.length} of ${rows.length} cells (${cells.join(', ')}${invalid.length > 5 ? ', ...' : ''}) the client was the limit and not the server; their rows say how. ${invalid[0]?.clientFaults[0] ?? ''}`.trim(),
    );
  }
  if (rows.some((row) => row.provenance.lengthForced === false)) {
    notes.push(
      'The length of answers was not forced, because the API has no way to or the server refuses it: compare rows by time per token and by the measured lengths, not by E2E.',
    );
  }
  const cached = rows.filter((row) => (row.cachedPromptShare ?? 0) > CACHED_SHARE);
  if (cached.length > 0) {
    notes.push(
      `A prefix cache spared more than ${CACHED_SHARE * 100} % of the prompt tokens in ${cached.length} of ${rows.length} cells, although every prompt is new: their prefill, and so their TTFT, is shorter than that of prompts nobody has sent before.`,
    );
  }
  const echoes = rows.reduce((sum, row) => sum + row.echoes, 0);
  if (echoes > 0) {
    notes.push(
      `${echoes} answers began with their own prompt; the echo is not counted as output where tokens are estimated.`,
    );
  }
  const unsteady = rows.filter((row) => !row.steady && run.spec.measure.mode === 'steady').length;
  if (unsteady > 0)
    notes.push(
      `${unsteady} of ${rows.length} cells had no steady window in each repeat; their rates are over the whole measurement.`,
    );
  return notes;
}

function byWorkloadThenLevel(one: ReportRow, other: ReportRow): number {
  return (
    one.workload.promptTokens - other.workload.promptTokens ||
    one.workload.outputTokens - other.workload.outputTokens ||
    one.level - other.level
  );
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function maximum(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.max(...values);
}
