/**
 * A run's report: one row per cell with its repeats aggregated, the best throughput, and what to know before
 * believing it. `buildReport` is pure, so that a stored report can be compared with one rebuilt from its rows.
 */

import type { Loop } from '../measuring/cell.ts';
import type { ClientFloor } from '../measuring/client-floor.ts';
import { type ClientHealth, mergeClientHealth } from '../measuring/client-health.ts';
import { judgeSummary } from '../measuring/client-verdict.ts';
import { type GpuUse, poolGpuUse } from '../measuring/gpu-use.ts';
import type { DurationHistogram } from '../measuring/histogram.ts';
import { type LengthRatios, type RatioRange, ratioRange } from '../measuring/length-ratios.ts';
import { repeatPlanOf, repeatsInterval } from '../measuring/repeats.ts';
import type { TokenSource, TtftReason } from '../measuring/sample.ts';
import type { RequestOutcomes, Route } from '../measuring/shard.ts';
import {
  addCounts,
  addRatios,
  type CellSummary,
  countKept,
  firstExamples,
  MAY_BE_BUFFERED,
  mayBeBuffered,
  mergeHistograms,
  oneOf,
  type Rates,
  reasonWithoutTtft,
} from '../measuring/summary.ts';
import type { OutputUnit } from '../requests/payload.ts';
import type { PromptSource } from '../requests/prompt.ts';
import type { RunRecord } from '../run.ts';
import { loadModelOf } from '../spec/load-model.ts';
import { poolSlo, type Slo } from '../spec/slo.ts';
import type { BenchmarkSpec } from '../spec/spec.ts';
import type { Workload } from '../spec/workload.ts';
import {
  type MeanInterval,
  type PercentileInterval,
  percentileInterval,
  rankedDurations,
} from '../statistics/interval.ts';
import { answerDemand, type DemandAnswer } from './demand.ts';
import { type Findings, findAll, fitCells } from './findings.ts';
import { type PhysicalLimit, physicalLimitOf } from './physical-limit.ts';
import { type RowWire, rowWire } from './row-wire.ts';
import { answerSlo, judgeSlo, type SloAnswer, type SloVerdict } from './slo-answer.ts';

/** One repeat of one cell, as the `cells` table holds it: what was measured and on what. */
export interface CellRecord {
  readonly runId: string;
  readonly cellKey: string;
  readonly cellId: string;
  readonly workload: Workload;
  readonly loop: Loop;
  readonly level: number;
  readonly repeat: number;
  readonly attempt: number;
  /** The endpoint may still have been working on what the measurement before this one abandoned. */
  readonly contaminated: boolean;
  /** Null where three attempts did not bring its shards together; the reason says so. */
  readonly summary: CellSummary | null;
  readonly notMeasuredReason: string | null;
  readonly provenance: Provenance;
  /** Of a repeat that is long enough, once the run's report was made; absent otherwise. */
  readonly gpu?: GpuUse;
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
  readonly promptSource: PromptSource;
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
  /** What requests were held against; null where the spec has no objectives. */
  readonly slo: Slo | null;
  /** For each workload, the highest level that meets the objectives; empty without any. */
  readonly answers: readonly SloAnswer[];
  /** How many instances carry the demand and what that costs, for each workload; empty without a demand. */
  readonly demands: readonly DemandAnswer[];
  /** What the rows say together, each with its evidence. */
  readonly findings: Findings;
  readonly notes: readonly string[];
  readonly simulated: boolean;
}

export interface ReportRow extends RequestOutcomes {
  readonly cellId: string;
  readonly workload: Workload;
  readonly loop: Loop;
  /** Connections of a closed loop, requests per second of an open one, or times the recorded speed of a trace. */
  readonly level: number;
  readonly repeats: number;
  readonly shards: number;
  readonly failed: number;
  /** Mean over repeats of each repeat's rate; null where nothing succeeded. */
  readonly outputTokensPerSecond: number | null;
  readonly requestsPerSecond: number | null;
  /** Requests and output tokens per second that kept the objectives; null without objectives. */
  readonly goodputRequestsPerSecond: number | null;
  readonly goodputTokensPerSecond: number | null;
  /** Of all repeats together; null without objectives. */
  readonly slo: SloVerdict | null;
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
  /** Whether streams were held back could not be told, since all answers were short and came at once; absent otherwise. */
  readonly mayBeBuffered?: true;
  /** First text of the answer itself, after any reasoning. */
  readonly ttftAnswerMs: Quantiles;
  /** Of an open loop, from when the request was to be sent; without a sample in a closed one. */
  readonly responseMs: Quantiles;
  readonly responseTtftMs: Quantiles;
  /** Of an open loop: requests that were never sent, because as many as allowed were in flight. */
  readonly dropped: number;
  readonly tpotMs: Quantiles;
  readonly ntpotMs: Quantiles;
  readonly gapMs: Quantiles;
  readonly meanInFlight: number | null;
  readonly shardSpread: number | null;
  readonly promptTokensMean: number | null;
  readonly outputTokensMean: number | null;
  readonly outputLengthFidelity: number | null;
  /**
   * Output tokens of good answers by those asked for, and prompt tokens as the usage tells them by those asked for.
   * Null where nothing was counted; absent in reports of versions that did not count it, as `wire` is.
   */
  readonly outputLengthRatio?: RatioRange | null;
  readonly promptLengthRatio?: RatioRange | null;
  readonly wire?: RowWire | null;
  /** Null where no repeat was long enough to be asked about, and while the run measures. */
  readonly gpu?: GpuUse | null;
  /** Samples that can be read one by one, see `measure.keepSamples`; absent where none were to be kept. */
  readonly keptSamples?: number;
  /** The highest of the repeats: share of the prompt tokens that a prefix cache spared; null where usage does not tell. */
  readonly cachedPromptShare: number | null;
  /** Good answers that began with their prompt, which is not counted as output. */
  readonly echoes: number;
  readonly tokenSource: TokenSource | 'mixed' | null;
  /** Price x instances / (output tokens per hour) x 10^6; null where the price is unknown or nothing succeeded. */
  readonly usdPerMillionOutputTokens: number | null;
  /** For output that is not tokens. */
  readonly usdPerThousandUnits: number | null;
  /** Repeats that began while the endpoint may have been busy with what the one before had abandoned. */
  readonly contaminatedRepeats: number;
  readonly notMeasuredReason: string | null;
  /** What the load threads said of themselves, the worst of all repeats; null where they said nothing. */
  readonly client: ClientHealth | null;
  /** Whether the server was measured and not the client; null where that cannot be told. */
  readonly clientValid: boolean | null;
  /** What was wrong with the client, in the repeats where something was. */
  readonly clientFaults: readonly string[];
  /** What the hardware allows beside what was measured; all null where the model's size is unknown. */
  readonly limit: PhysicalLimit;
  /** The endpoints that its repeats were measured on. */
  readonly deployments: readonly string[];
  /** How much they differ: the standard deviation of the logs of their mean rates, a share. Null below two. */
  readonly deploymentSpread: number | null;
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

/** What the calibration in warm-up goes for. */
const PROMPT_ERROR = 0.02;
/** Prompts that are made begin with words of their own, so only a template's tokens may come from a cache. */
const CACHED_SHARE = 0.05;

export function buildReport(run: RunRecord, cells: readonly CellRecord[]): Report {
  const byCell = new Map<string, CellRecord[]>();
  for (const cell of cells) byCell.set(cell.cellId, [...(byCell.get(cell.cellId) ?? []), cell]);
  const hourlyUsd =
    run.billing.pricePerHourUsd === null ? null : run.billing.pricePerHourUsd * run.billing.instances;
  const prefillDecode = fitCells(cells);
  const rows = [...byCell.values()]
    .map((cellsOfRow) => {
      const row = buildRow(cellsOfRow, run.spec, hourlyUsd);
      const decodeMs = prefillDecode.fit?.decodeMsPerToken.value ?? null;
      return { ...row, limit: physicalLimitOf(row, run.plan.model ?? null, decodeMs) };
    })
    .sort(byWorkloadSettingsLevel);
  const { slo, demand, target } = run.spec;
  const load = loadModelOf(run.spec);
  const answers = slo === null ? [] : answerSlo(rows, cells, load, slo);
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
    slo,
    answers,
    demands:
      demand === null
        ? []
        : answerDemand(demand, {
            rows,
            answers,
            arrival: load.arrival,
            instances: run.endpoint?.instances ?? run.billing.instances,
            pricePerHourUsd: run.billing.pricePerHourUsd,
            tokenPricesUsdPerMillion: target.kind === 'existing' ? target.tokenPricesUsdPerMillion : null,
          }),
    findings: findAll(rows, cells, prefillDecode),
    notes: reportNotes(run, rows, simulated),
    simulated,
  };
}

function buildRow(
  cells: readonly CellRecord[],
  spec: BenchmarkSpec,
  hourlyUsd: number | null,
): Omit<ReportRow, 'limit'> {
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
  const sloCounts = poolSlo(summaries.map((summary) => summary.slo));
  return {
    cellId: first.cellId,
    workload: first.workload,
    loop: first.loop,
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
    goodputRequestsPerSecond:
      sloCounts === null ? null : mean(ratesOf(summaries, 'goodputRequestsPerSecond')),
    goodputTokensPerSecond: sloCounts === null ? null : mean(ratesOf(summaries, 'goodputTokensPerSecond')),
    slo: sloCounts === null || spec.slo === null ? null : judgeSlo(sloCounts, spec.slo),
    unit,
    outputUnitsPerSecond,
    outputTokensInterval: repeatsInterval(repeatPlanOf(spec.measure.repeats), outputRates),
    steady: summaries.length > 0 && summaries.every((summary) => summary.rates.span === 'steady-window'),
    steadyReason: summaries.find((summary) => summary.rates.reason !== null)?.rates.reason ?? null,
    wholeSeconds: mean(summaries.map((summary) => (summary.endedAtMs - summary.startedAtMs) / 1000)),
    e2eMs: quantiles('e2e'),
    ttftMs: quantiles('ttft'),
    ttftReason: reasonWithoutTtft(summaries),
    ...(mayBeBuffered(summaries) && { mayBeBuffered: true as const }),
    ttftAnswerMs: quantiles('ttftAnswer'),
    responseMs: quantiles('response'),
    responseTtftMs: quantiles('responseTtft'),
    dropped: total((summary) => summary.dropped),
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
    outputLengthRatio: poolRatios(summaries.map((summary) => summary.outputLengths)),
    promptLengthRatio: poolRatios(summaries.map((summary) => summary.promptLengths)),
    wire: rowWire(first, summaries, loadModelOf(spec)),
    gpu: poolGpuUse(cells.map((cell) => cell.gpu)),
    ...countKept(summaries),
    tokenSource: oneOf(summaries.map((summary) => summary.tokenSource)),
    usdPerMillionOutputTokens: usdPerMillionTokens(hourlyUsd, outputTokensPerSecond),
    usdPerThousandUnits: unit === 'token' ? null : usdFor(1_000, hourlyUsd, outputUnitsPerSecond),
    contaminatedRepeats: cells.filter((cell) => cell.contaminated).length,
    notMeasuredReason: cells.find((cell) => cell.notMeasuredReason !== null)?.notMeasuredReason ?? null,
    ...judgeRepeats(summaries, first.loop),
    ...describeDeployments(cells),
    provenance: first.provenance,
  };
}

/** Of the repeats that counted it. */
function poolRatios(ratios: readonly (LengthRatios | undefined)[]): RatioRange | null {
  return ratioRange(addRatios(ratios.filter((one) => one !== undefined)));
}

/** The endpoints of a row's repeats, and how far apart their rates are. */
function describeDeployments(
  cells: readonly CellRecord[],
): Pick<ReportRow, 'deployments' | 'deploymentSpread'> {
  const logs = new Map<string, number[]>();
  for (const { provenance, summary } of cells) {
    if (provenance.endpoint === null) continue;
    const rate = summary?.rates.outputUnitsPerSecond ?? null;
    const known = logs.get(provenance.endpoint) ?? [];
    logs.set(provenance.endpoint, rate === null || rate <= 0 ? known : [...known, Math.log(rate)]);
  }
  const means = [...logs.values()].map(mean).filter((one) => one !== null);
  const centre = mean(means) ?? 0;
  const squares = means.reduce((sum, one) => sum + (one - centre) ** 2, 0);
  return {
    deployments: [...logs.keys()].sort(byLengthThenName),
    deploymentSpread: means.length < 2 ? null : Math.sqrt(squares / (means.length - 1)),
  };
}

/** The name of the first endpoint is that of the others without their number. */
function byLengthThenName(one: string, other: string): number {
  return one.length - other.length || one.localeCompare(other);
}

/** A row is valid where each of its repeats is: one whose client was the limit spoils the mean. */
function judgeRepeats(
  summaries: readonly CellSummary[],
  loop: Loop,
): Pick<ReportRow, 'client' | 'clientValid' | 'clientFaults'> {
  const verdicts = summaries.map((summary) => judgeSummary(summary, loop));
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
  rate: Exclude<keyof Rates, 'span' | 'reason' | 'seconds' | 'promptTokensPerSecond'>,
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
      ? describeLoop(loadModelOf(run.spec).loop)
      : 'Burst: every connection sends one request at the same moment, as the origin did. It measures no steady state; rates are over the whole burst, retries and their waits included.',
  );
  if (run.spec.isolation === 'shared')
    notes.push('Isolation "shared": cells ran on the endpoint at the same time and measured each other.');
  if (run.spec.slo !== null)
    notes.push(
      'Objectives are held against every attempted request: a failure is a miss, and a level meets only where the one-sided 95 % bound of its share does.',
    );
  const contaminated = rows.filter((row) => row.contaminatedRepeats > 0);
  if (contaminated.length > 0)
    notes.push(
      `${list(contaminated)} began while the endpoint may still have been working on requests that the measurement before had given up: contaminated, do not build on them.`,
    );
  const dropping = rows.filter((row) => row.dropped > 0);
  if (dropping.length > 0)
    notes.push(
      `In ${list(dropping)}, requests were never sent because as many as allowed were in flight; they count as failed. The endpoint does not carry that rate.`,
    );
  const invalid = rows.filter((row) => row.clientValid === false);
  if (invalid.length > 0) {
    notes.push(
      `In ${invalid.length} of ${rows.length} cells (${list(invalid)}) the client was the limit and not the server; their rows say how. ${invalid[0]?.clientFaults[0] ?? ''}`.trim(),
    );
  }
  if (rows.some((row) => row.provenance.lengthForced === false)) {
    notes.push(
      'The length of answers was not forced, because the API has no way to or the server refuses it: compare rows by time per token and by the measured lengths, not by E2E.',
    );
  }
  notes.push(...streamNotes(rows), ...deploymentNotes(rows));
  for (const warmUp of [run.warmUp, ...(run.furtherWarmUps ?? [])]) notes.push(...warmUpNotes(warmUp));
  const kept = rows.filter((row) => row.keptSamples !== undefined);
  if (kept.length > 0) {
    const partly = kept.filter((row) => (row.keptSamples ?? 0) < row.attempted).length;
    notes.push(
      `The samples of ${kept.length} cells were kept (GET /api/runs/${run.id}/samples?cell=${kept[0]?.cellId})${partly === 0 ? '' : `; of ${partly} only the first of each shard, as many as may be kept`}.`,
    );
  }
  const cached = rows.filter((row) => (row.cachedPromptShare ?? 0) > CACHED_SHARE);
  if (cached.length > 0) {
    notes.push(
      `A prefix cache spared more than ${CACHED_SHARE * 100} % of the prompt tokens in ${cached.length} of ${rows.length} cells: their prefill, and so their TTFT, is shorter than that of prompts nobody has sent before.`,
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

/** Where a TTFT is told that nobody may have seen. */
function streamNotes(rows: readonly ReportRow[]): string[] {
  const untold = rows.filter((row) => row.mayBeBuffered);
  if (untold.length === 0) return [];
  return [`In ${list(untold)}, ${MAY_BE_BUFFERED}`];
}

/** With several endpoints, what one draw of the SKU may differ by from another. */
function deploymentNotes(rows: readonly ReportRow[]): string[] {
  const several = rows.filter((row) => row.deployments.length > 1);
  if (several.length === 0) return [];
  const most = Math.max(...several.map((row) => row.deployments.length));
  const largest = maximum(several.map((row) => row.deploymentSpread).filter((spread) => spread !== null));
  const spread =
    largest === null
      ? 'how much they differ could not be told'
      : `their rates differ by a standard deviation of up to ${Number((largest * 100).toFixed(1))} %`;
  return [
    `Repeats were dealt over ${most} identical endpoints, each another machine; ${spread}. Rates and costs of a row are those of one endpoint, its interval is over repeats.`,
  ];
}

/** What the warm-up could not bring about. */
function warmUpNotes(warmUp: RunRecord['warmUp']): string[] {
  const notes: string[] = [];
  if (warmUp?.stable === false)
    notes.push(
      `The endpoint was not warm in the sense of three like medians in a row when measuring began. ${warmUp.unstableReason ?? ''}`.trim(),
    );
  const error = warmUp?.promptTokensError ?? null;
  if (error !== null && Math.abs(error) > PROMPT_ERROR)
    notes.push(
      `Prompts missed the length asked for by up to ${Number((error * 100).toFixed(1))} %: the server's vocabulary could not be hit closer; rows hold what it counted.`,
    );
  return notes;
}

function describeLoop(loop: Loop): string {
  if (loop === 'closed')
    return 'Closed loop: each connection sends its next request when its last is answered, so a slow endpoint is asked less. Warm-up is excluded; rates are counted inside the steady window.';
  return 'Open loop: requests are sent when their time comes, answered or not. Response times count from that time, so that waiting for a slow endpoint does not hide; E2E and TTFT count from the send.';
}

/** The first five names of rows. */
function list(rows: readonly ReportRow[]): string {
  const names = rows.slice(0, 5).map((row) => row.cellId);
  return `${names.join(', ')}${rows.length > names.length ? ', ...' : ''}`;
}

function byWorkloadSettingsLevel(one: ReportRow, other: ReportRow): number {
  return (
    one.workload.promptTokens - other.workload.promptTokens ||
    one.workload.outputTokens - other.workload.outputTokens ||
    (one.provenance.maxConcurrentRequestsPerInstance ?? 0) -
      (other.provenance.maxConcurrentRequestsPerInstance ?? 0) ||
    one.provenance.requestTimeoutSeconds - other.provenance.requestTimeoutSeconds ||
    one.level - other.level
  );
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function maximum(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.max(...values);
}
