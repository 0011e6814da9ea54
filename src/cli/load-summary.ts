/** What a load came to, as `load --json` prints it. Pure. */

import type { RequestFailure } from '../core/failure.ts';
import { type ClientHealth, judgeClient, mergeClientHealth } from '../core/measuring/client-health.ts';
import { checkLittlesLaw } from '../core/measuring/littles-law.ts';
import type { TokenSource, TtftReason } from '../core/measuring/sample.ts';
import type { RequestOutcomes, Route, ShardSummary, WindowFold } from '../core/measuring/shard.ts';
import {
  type CellSummary,
  type HistogramName,
  mergeHistograms,
  mergeShards,
  type Rates,
  withGoodput,
} from '../core/measuring/summary.ts';
import { LEAST_SAMPLES, type Quantiles, quantilesOf } from '../core/report/report.ts';
import { judgeSlo, type SloVerdict } from '../core/report/slo-answer.ts';
import type { Slo } from '../core/spec/slo.ts';
import type { LoadPlan } from './load-plan.ts';

export interface LoadSummary extends Omit<RequestOutcomes, 'attempted' | 'retries'> {
  readonly url: string;
  readonly api: Route['api'];
  readonly streamAsked: boolean;
  /** Connections: of a closed loop all in use, of an open one the most that may be. */
  readonly concurrency: number;
  readonly threads: number;
  /** Of an open loop; null for a closed one. */
  readonly rateAsked: LoadPlan['rate'];
  /** One of the two is null. */
  readonly requestsAsked: number | null;
  readonly secondsAsked: number | null;
  readonly promptTokensAsked: number;
  readonly outputTokensAsked: number;
  readonly seed: number;
  readonly startedAt: string;
  /** True where the user ended it before its time. */
  readonly interrupted: boolean;
  /** Requests that were answered or failed, the warm-up's and those that found the route not counted. */
  readonly requests: number;
  readonly failed: number;
  /** Of an open loop: requests that were never sent, since too many were in flight and waiting; they are no failures. */
  readonly dropped: number;
  /** Of an open loop: what was to be sent in the span of the rates, and what was. */
  readonly offered: CellSummary['offered'];
  /** Set where the load stopped itself, since nothing further could succeed. */
  readonly abortedBy: RequestFailure | null;
  /** Of the good answers. */
  readonly contentEvents: number;
  readonly outputTokens: number;
  readonly promptTokens: number;
  readonly tokenSource: TokenSource | 'mixed' | null;
  readonly outputLengthFidelity: number | null;
  /** From the first send to the last answer. */
  readonly seconds: number;
  readonly rates: Rates;
  readonly percentiles: Percentiles;
  readonly ttftReason: TtftReason | null;
  /** Answers came at once, and none was long enough to tell a quick GPU from a proxy that holds streams back. */
  readonly mayBeBuffered: boolean;
  /** What requests were held against, and what is shown of it; null without objectives. Goodput is among the rates. */
  readonly slo: (SloVerdict & { readonly asked: Slo }) | null;
  /** The server may still be at work on requests that were given up. */
  readonly leftBusy: boolean;
  readonly meanInFlight: number | null;
  readonly maxInFlight: number;
  /** Requests/s x mean E2E / mean in flight, in a steady window without failures; 1 where all is accounted for. */
  readonly littleRatio: number | null;
  readonly clientHealth: (ClientHealth & ReturnType<typeof judgeClient>) | null;
  readonly probe: { readonly requests: number; readonly calibrated: boolean } | null;
  readonly warmUp: { readonly requests: number; readonly failed: number } | null;
}

/** Milliseconds, of good answers. A percentile is null below the fewest values at which it can be told. */
export interface Percentiles {
  readonly ttftMs: Quantiles;
  readonly tpotMs: Quantiles;
  readonly ntpotMs: Quantiles;
  readonly e2eMs: Quantiles;
  readonly gapMs: Quantiles;
  /** First text of the answer itself, after any reasoning. */
  readonly ttftAnswerMs: Quantiles;
  /** Of an open loop: E2E and TTFT from when the request was to be sent. */
  readonly responseMs: Quantiles;
  readonly responseTtftMs: Quantiles;
  /** The fewest values for each percentile. */
  readonly leastCount: typeof LEAST_SAMPLES;
}

export interface LoadRun {
  readonly route: Route;
  readonly shards: readonly ShardSummary[];
  readonly interrupted: boolean;
  readonly probe: LoadSummary['probe'];
  readonly warmUp: LoadSummary['warmUp'];
}

export function summarizeLoad(plan: LoadPlan, run: LoadRun): LoadSummary {
  const { shards } = run;
  const merged = mergeShards(shards);
  const seconds = Math.max(...shards.map((shard) => shard.whole.seconds));
  const rates = ratesOf(merged, shards, seconds);
  const quantiles = (name: HistogramName) => quantilesOf(mergeHistograms([merged.histograms[name]]));
  const percentiles: Percentiles = {
    ttftMs: quantiles('ttft'),
    tpotMs: quantiles('tpot'),
    ntpotMs: quantiles('ntpot'),
    e2eMs: quantiles('e2e'),
    gapMs: quantiles('gaps'),
    ttftAnswerMs: quantiles('ttftAnswer'),
    responseMs: quantiles('response'),
    responseTtftMs: quantiles('responseTtft'),
    leastCount: LEAST_SAMPLES,
  };
  const sumWhole = (count: (fold: WindowFold) => number) =>
    shards.reduce((sum, { whole }) => sum + count(whole), 0);
  return {
    url: run.route.url,
    api: run.route.api,
    streamAsked: run.route.stream,
    concurrency: plan.connections,
    threads: shards.length,
    rateAsked: plan.rate,
    requestsAsked: 'requests' in plan.amount ? plan.amount.requests : null,
    secondsAsked: 'seconds' in plan.amount ? plan.amount.seconds : null,
    promptTokensAsked: plan.workload.promptTokens,
    outputTokensAsked: plan.workload.outputTokens,
    seed: plan.seed,
    startedAt: new Date(merged.startedAtMs).toISOString(),
    interrupted: run.interrupted,
    requests: merged.attempted,
    succeeded: merged.succeeded,
    failed: merged.failed,
    failures: merged.failures,
    failedStatusCodes: merged.failedStatusCodes,
    failureExamples: merged.failureExamples,
    dropped: merged.dropped,
    offered: merged.offered,
    abortedBy: shards.find((shard) => shard.abortedBy !== null)?.abortedBy ?? null,
    contentEvents: shards.reduce((sum, shard) => sum + (shard.contentEvents ?? 0), 0),
    outputTokens: sumWhole((fold) => fold.outputTokens),
    promptTokens: sumWhole((fold) => fold.promptTokens),
    tokenSource: merged.tokenSource,
    outputLengthFidelity: merged.outputLengthFidelity,
    seconds,
    rates,
    percentiles,
    ttftReason: merged.ttftReason,
    mayBeBuffered: merged.mayBeBuffered === true,
    slo:
      plan.slo === null || merged.slo === null
        ? null
        : { asked: plan.slo, ...judgeSlo(merged.slo, plan.slo) },
    leftBusy: merged.leftBusy,
    meanInFlight: merged.attempted === 0 ? null : merged.meanInFlight,
    maxInFlight: merged.maxInFlight,
    littleRatio:
      rates.span === 'steady-window' && merged.failed === 0
        ? (checkLittlesLaw({
            requestsPerSecond: rates.requestsPerSecond,
            meanE2eMs: percentiles.e2eMs.mean,
            meanInFlight: merged.meanInFlight,
          })?.ratio ?? null)
        : null,
    clientHealth: healthOf(merged, shards, rates, percentiles, plan.rate === null),
    probe: run.probe,
    warmUp: run.warmUp,
  };
}

/** Of a load without a window by the monotonic clock, which knows the length of a single short request too. */
function ratesOf(merged: CellSummary, shards: readonly ShardSummary[], seconds: number): Rates {
  if (merged.rates.span === 'steady-window') return merged.rates;
  const rate = (count: (fold: WindowFold) => number) =>
    merged.succeeded === 0 || seconds <= 0
      ? null
      : shards.reduce((sum, { whole }) => sum + count(whole), 0) / seconds;
  const rates = {
    ...merged.rates,
    seconds,
    requestsPerSecond: rate((fold) => fold.requests),
    outputTokensPerSecond: merged.unit === 'token' ? rate((fold) => fold.outputTokens) : null,
    outputUnitsPerSecond: rate((fold) => fold.outputUnits),
    promptTokensPerSecond: rate((fold) => fold.promptTokens),
  };
  return withGoodput(rates, merged.slo);
}

function healthOf(
  merged: CellSummary,
  shards: readonly ShardSummary[],
  rates: Rates,
  percentiles: Percentiles,
  closedLoop: boolean,
): LoadSummary['clientHealth'] {
  const client = mergeClientHealth(shards.map((shard) => shard.client));
  if (client === null) return null;
  const verdict = judgeClient({
    client,
    closedLoop,
    connections: merged.connections,
    meanInFlight: merged.meanInFlight,
    steadySeconds: rates.span === 'steady-window' ? rates.seconds : null,
    failed: merged.failed,
    ttftP50Ms: percentiles.ttftMs.p50,
    e2eP50Ms: percentiles.e2eMs.p50,
    e2eMeanMs: percentiles.e2eMs.mean,
  });
  return { ...verdict, ...client };
}
