/**
 * A cell's summary: one repeat, its shards merged. Counts are added, histograms are merged, rates of shards that ran
 * at the same time add up; a percentile is never averaged, and a failure is never a latency.
 */

import type { OutputUnit } from '../requests/payload.ts';
import { metShareOfSucceeded, poolSlo, type SloCounts } from '../spec/slo.ts';
import { type ClientHealth, mergeClientHealth } from './client-health.ts';
import { DurationHistogram, type EncodedHistogram } from './histogram.ts';
import type { LengthRatios } from './length-ratios.ts';
import { type OfferedLoad, openLoopFault } from './open-loop.ts';
import type { TokenSource, TtftReason } from './sample.ts';
import type { CycleRates, Drained, RequestOutcomes, ShardSummary, WindowFold } from './shard.ts';
import { mergeTraces } from './slices.ts';
import { steadyFault } from './steady.ts';
import { type CellWire, mergeWire } from './wire.ts';

export interface CellSummary extends RequestOutcomes {
  readonly shards: number;
  readonly connections: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly failed: number;
  readonly rates: Rates;
  readonly meanInFlight: number;
  readonly maxInFlight: number;
  /** How far the shards' rates per connection lie apart, as a share of their mean; null with fewer than two. */
  readonly shardSpread: number | null;
  readonly promptTokensMean: number | null;
  readonly outputTokensMean: number | null;
  /** Share of the prompt tokens that the server's prefix cache spared; null where its usage does not tell. */
  readonly cachedPromptShare: number | null;
  readonly echoes: number;
  /** Share of successful requests whose output had exactly the length asked for. */
  readonly outputLengthFidelity: number | null;
  /** See ShardSummary; absent where a shard did not count it. */
  readonly outputLengths?: LengthRatios;
  readonly promptLengths?: LengthRatios;
  readonly wire?: CellWire;
  /** Samples that were kept one by one; absent where none were asked for. */
  readonly keptSamples?: number;
  readonly tokenSource: TokenSource | 'mixed' | null;
  readonly unit: OutputUnit;
  readonly ttftReason: TtftReason | null;
  /** See ShardSummary. */
  readonly mayBeBuffered?: true;
  /** What the load threads said of themselves; null where one said nothing. */
  readonly client: ClientHealth | null;
  readonly histograms: Histograms;
  /** Requests that kept the objectives; null where the spec has none. */
  readonly slo: SloCounts | null;
  /** Of an open loop: requests of the whole repeat that were never sent; 0 of a closed one. */
  readonly dropped: number;
  /** Of an open loop: what was to be sent inside the window, and what was; null of a closed one. */
  readonly offered: OfferedLoad | null;
  /** How the endpoint was waited for after the load; null where it was not. */
  readonly drained: Drained | null;
  /** The endpoint may have been at work on abandoned requests when the repeat ended: what is measured next is contaminated. */
  readonly leftBusy: boolean;
}

/** Those that each summary has. */
const HISTOGRAMS = ['e2e', 'ttft', 'tpot', 'ntpot', 'gaps'] as const;
/** `response` and `responseTtft` are of open loops; `ttftAnswer` is absent in rows of versions that did not fold it. */
const MORE_HISTOGRAMS = ['ttftAnswer', 'response', 'responseTtft'] as const;

export type HistogramName = (typeof HISTOGRAMS)[number] | (typeof MORE_HISTOGRAMS)[number];

export type Histograms = Readonly<
  Record<(typeof HISTOGRAMS)[number], EncodedHistogram> &
    Partial<Record<(typeof MORE_HISTOGRAMS)[number], EncodedHistogram>>
>;

/** What was carried per second, and over what span that was counted. */
export interface Rates {
  /** The steady window, or from the first send to the last answer where there was none. */
  readonly span: 'steady-window' | 'whole';
  /** Why there was no steady window. */
  readonly reason: string | null;
  readonly seconds: number;
  readonly requestsPerSecond: number | null;
  /** Null where nothing succeeded, and where the model makes no tokens. */
  readonly outputTokensPerSecond: number | null;
  /** In the family's unit, such as images. */
  readonly outputUnitsPerSecond: number | null;
  readonly promptTokensPerSecond: number | null;
  /**
   * Requests that met the objectives per second: `requests/s x met / succeeded`, both of the same set of requests.
   * Null where there are no objectives, or no good answer could be judged by them.
   */
  readonly goodputRequestsPerSecond: number | null;
  /** Their output tokens: `requests/s x output tokens of the met / succeeded`. */
  readonly goodputTokensPerSecond: number | null;
}

/** Merges the shards of one repeat. Throws for an empty list, which is a bug of the caller. */
export function mergeShards(shards: readonly ShardSummary[]): CellSummary {
  if (shards.length === 0) throw new Error('A cell without a shard has no summary.');
  const startedAtMs = Math.min(...shards.map((shard) => shard.startedAtMs));
  const endedAtMs = Math.max(...shards.map((shard) => shard.endedAtMs));
  const succeeded = sum(shards, (shard) => shard.succeeded);
  const attempted = sum(shards, (shard) => shard.attempted);
  const names = [...HISTOGRAMS, ...MORE_HISTOGRAMS.filter((name) => shards.every((shard) => shard[name]))];
  const histograms = Object.fromEntries(
    names.map((name) => [name, mergeHistograms(shards.map((shard) => shard[name])).toJSON()]),
  ) as unknown as Histograms;
  const slo = poolSlo(shards.map((shard) => shard.slo));
  const requests = sum(shards, (shard) => shard.whole.requests);
  const wholeSeconds = (endedAtMs - startedAtMs) / 1000;
  const rates = withGoodput(mergeRates(shards, wholeSeconds), slo);
  const wire = mergeWire(shards, rates.span, wholeSeconds);
  return {
    shards: shards.length,
    connections: sum(shards, (shard) => shard.connections),
    startedAtMs,
    endedAtMs,
    attempted,
    succeeded,
    failed: attempted - succeeded,
    failures: addCounts(shards.map((shard) => shard.failures)),
    failedStatusCodes: addCounts(shards.map((shard) => shard.failedStatusCodes)) as Record<string, number>,
    failureExamples: firstExamples(shards.map((shard) => shard.failureExamples)),
    retries: sum(shards, (shard) => shard.retries),
    rates,
    meanInFlight: sum(shards, (shard) => shard.meanInFlight),
    maxInFlight: sum(shards, (shard) => shard.maxInFlight),
    shardSpread: spreadOf(shards),
    promptTokensMean: requests === 0 ? null : sum(shards, (shard) => shard.whole.promptTokens) / requests,
    outputTokensMean: requests === 0 ? null : sum(shards, (shard) => shard.whole.outputTokens) / requests,
    cachedPromptShare: cachedShare(shards),
    echoes: sum(shards, (shard) => shard.echoes),
    outputLengthFidelity:
      succeeded === 0 ? null : sum(shards, (shard) => shard.outputLengthAsAsked) / succeeded,
    ...mergeLengths(shards),
    ...(wire !== null && { wire }),
    ...countKept(shards),
    tokenSource: oneOf(shards.map((shard) => shard.tokenSource)),
    unit: shards[0]?.unit ?? 'token',
    ttftReason: reasonWithoutTtft(shards),
    ...(mayBeBuffered(shards) && { mayBeBuffered: true as const }),
    client: mergeClientHealth(shards.map((shard) => shard.client)),
    histograms,
    slo,
    dropped: sum(shards, (shard) => shard.dropped ?? 0),
    offered: mergeOffered(shards),
    ...mergeDrains(shards),
  };
}

type Throughput = Omit<Rates, 'goodputRequestsPerSecond' | 'goodputTokensPerSecond'>;

/** The rates with what of them met the objectives. */
export function withGoodput(rates: Throughput, slo: SloCounts | null): Rates {
  const share = slo === null ? null : metShareOfSucceeded(slo);
  if (slo === null || share === null || rates.requestsPerSecond === null)
    return { ...rates, goodputRequestsPerSecond: null, goodputTokensPerSecond: null };
  return {
    ...rates,
    goodputRequestsPerSecond: rates.requestsPerSecond * share,
    goodputTokensPerSecond:
      rates.outputTokensPerSecond === null
        ? null
        : (rates.requestsPerSecond * slo.outputTokensMet) / slo.succeeded,
  };
}

function mergeLengths(shards: readonly ShardSummary[]): Pick<CellSummary, 'outputLengths' | 'promptLengths'> {
  const outputs = shards.map((shard) => shard.outputLengths).filter((one) => one !== undefined);
  const prompts = shards.map((shard) => shard.promptLengths).filter((one) => one !== undefined);
  if (outputs.length < shards.length || prompts.length < shards.length) return {};
  return { outputLengths: addRatios(outputs), promptLengths: addRatios(prompts) };
}

/** As `addCounts`, of ratios, which every key of counts is. */
export function addRatios(ratios: readonly LengthRatios[]): LengthRatios {
  return addCounts(ratios) as LengthRatios;
}

/** Also what a row counts over its repeats. */
export function countKept(
  parts: readonly { readonly keptSamples?: number }[],
): Pick<CellSummary, 'keptSamples'> {
  const known = parts.map(({ keptSamples }) => keptSamples).filter((count) => count !== undefined);
  return known.length === 0 ? {} : { keptSamples: sum(known, (count) => count) };
}

/** Null of a closed loop. */
function mergeOffered(shards: readonly ShardSummary[]): OfferedLoad | null {
  const offered = shards.map((shard) => shard.offered).filter((one) => one !== undefined);
  if (offered.length < shards.length) return null;
  return {
    arrivals: sum(offered, (one) => one.arrivals),
    sent: sum(offered, (one) => one.sent),
  };
}

/** A shard that saw the endpoint idle saw it for all; without one, each tells what it left behind. */
function mergeDrains(shards: readonly ShardSummary[]): { drained: Drained | null; leftBusy: boolean } {
  const drains = shards.map((shard) => shard.drained ?? null).filter((drained) => drained !== null);
  const [drained = null] = drains;
  return {
    drained,
    leftBusy: drained === null ? shards.some((shard) => shard.leftBusy === true) : !drained.idle,
  };
}

interface Answered {
  readonly succeeded: number;
  readonly ttftReason: TtftReason | null;
}

/** Why there is no TTFT; where some have answers, one without any says nothing of theirs. */
export function reasonWithoutTtft(measured: readonly Answered[]): TtftReason | null {
  const answered = measured.filter(({ succeeded }) => succeeded > 0);
  const telling = answered.length === 0 ? measured : answered;
  return telling.find(({ ttftReason }) => ttftReason !== null)?.ttftReason ?? null;
}

/** What is to be known of it, after "In so-and-so, ". */
export const MAY_BE_BUFFERED =
  'all of an answer came at once and no answer was long enough to tell a quick GPU from a proxy that holds streams back: TTFT may be the time of the whole answer, and TPOT too short. E2E and NTPOT are right either way; ask for longer answers to find out.';

/** One that could tell that streams were real, or held back, tells it for all: they took the same way. */
export function mayBeBuffered(
  measured: readonly (Pick<Answered, 'succeeded'> & { readonly mayBeBuffered?: true })[],
): boolean {
  const answered = measured.filter(({ succeeded }) => succeeded > 0);
  return answered.length > 0 && answered.every((one) => one.mayBeBuffered === true);
}

function cachedShare(shards: readonly ShardSummary[]): number | null {
  const known = shards.filter((shard) => shard.cachedPromptTokens !== null);
  const prompts = sum(known, (shard) => shard.whole.promptTokens);
  return prompts === 0 ? null : sum(known, (shard) => shard.cachedPromptTokens ?? 0) / prompts;
}

/** Adds histograms into a new one; one that a row does not have adds nothing. */
export function mergeHistograms(encoded: readonly (EncodedHistogram | undefined)[]): DurationHistogram {
  const merged = new DurationHistogram();
  for (const one of encoded) if (one !== undefined) merged.add(DurationHistogram.parse(one));
  return merged;
}

/** Adds counts by key. */
export function addCounts<K extends string>(
  counts: readonly Readonly<Partial<Record<K, number>>>[],
): Partial<Record<K, number>> {
  const added = new Map<K, number>();
  for (const one of counts) {
    for (const [key, count] of Object.entries(one) as [K, number][])
      added.set(key, (added.get(key) ?? 0) + count);
  }
  return Object.fromEntries(added) as Partial<Record<K, number>>;
}

/** The first words of a failure of each class. */
export function firstExamples(
  examples: readonly CellSummary['failureExamples'][],
): CellSummary['failureExamples'] {
  return Object.assign({}, ...examples.toReversed());
}

/** The one value that all have, `mixed` where they differ, null where none has one. */
export function oneOf<T extends string>(values: readonly (T | 'mixed' | null)[]): T | 'mixed' | null {
  const distinct = new Set(values.filter((value) => value !== null));
  if (distinct.size > 1) return 'mixed';
  return distinct.values().next().value ?? null;
}

/**
 * Shards begin and end issuing at common moments, so each one's window is the steady state of its own connections,
 * and their rates add. Where one has no window, the whole repeat counts from its first send to its last answer.
 */
function mergeRates(shards: readonly ShardSummary[], wholeSeconds: number): Throughput {
  const makesTokens = shards.every((shard) => shard.unit === 'token');
  const windows = shards.map((shard) => shard.steady).filter((window) => window !== null);
  const fault = unsteadyReason(shards);
  if (fault === null && windows.length === shards.length && windows.every((window) => window.seconds > 0)) {
    const requests = sum(windows, (window) => window.requests);
    const perSecond = (count: keyof CycleRates) =>
      requests === 0
        ? null
        : sum(windows, (window) => window.perSecond?.[count] ?? window[count] / window.seconds);
    return {
      span: 'steady-window',
      reason: null,
      seconds: Math.max(...windows.map((window) => window.seconds)),
      requestsPerSecond: perSecond('requests'),
      outputTokensPerSecond: makesTokens ? perSecond('outputTokens') : null,
      outputUnitsPerSecond: perSecond('outputUnits'),
      promptTokensPerSecond: perSecond('promptTokens'),
    };
  }
  const succeeded = sum(shards, (shard) => shard.whole.requests);
  const rate = (count: (window: WindowFold) => number) =>
    succeeded === 0 || wholeSeconds <= 0 ? null : sum(shards, (shard) => count(shard.whole)) / wholeSeconds;
  return {
    span: 'whole',
    reason:
      shards.find((shard) => shard.steadyReason !== null)?.steadyReason ??
      fault ??
      'No steady window was reached.',
    seconds: wholeSeconds,
    requestsPerSecond: rate((window) => window.requests),
    outputTokensPerSecond: makesTokens ? rate((window) => window.outputTokens) : null,
    outputUnitsPerSecond: rate((window) => window.outputUnits),
    promptTokensPerSecond: rate((window) => window.promptTokens),
  };
}

/** The gate that the repeat of all shards fails; null where it is steady, or where no shard was asked to be. */
function unsteadyReason(shards: readonly ShardSummary[]): string | null {
  const traces = shards.map((shard) => shard.trace).filter((trace) => trace !== null);
  if (traces.length < shards.length) return null;
  const offered = mergeOffered(shards);
  return offered === null ? steadyFault(mergeTraces(traces)) : openLoopFault(mergeTraces(traces), offered);
}

function spreadOf(shards: readonly ShardSummary[]): number | null {
  if (shards.length < 2) return null;
  const perConnection = shards.map((shard) => {
    const window = shard.steady ?? shard.whole;
    return window.seconds > 0 ? window.outputTokens / window.seconds / shard.connections : 0;
  });
  const mean = sum(perConnection, (rate) => rate) / perConnection.length;
  return mean === 0 ? null : (Math.max(...perConnection) - Math.min(...perConnection)) / mean;
}

function sum<T>(list: readonly T[], value: (item: T) => number): number {
  return list.reduce((total, item) => total + value(item), 0);
}
