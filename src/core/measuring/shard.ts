/**
 * A shard is the part of one repeat of a cell that one `measureCell` activity loads: a number of connections of its
 * own. Its order goes to the load engine's thread; its summary comes back and is stored as a row, merged with its
 * siblings in `summary.ts`.
 */

import type { RequestFailure } from '../failure.ts';
import type { OutputUnit, PayloadFamily } from '../requests/payload.ts';
import type { PayloadFamilyName } from '../requests/payload-families.ts';
import type { RequestLine } from '../requests/request-set.ts';
import type { Slo, SloCounts } from '../spec/slo.ts';
import type { Workload } from '../spec/workload.ts';
import type { ClientHealth } from './client-health.ts';
import type { EncodedHistogram } from './histogram.ts';
import type { LengthRatios } from './length-ratios.ts';
import type { OfferedLoad } from './open-loop.ts';
import type { TokenSource, TtftReason } from './sample.ts';
import type { SliceTrace } from './slices.ts';
import type { ShardWire } from './wire.ts';

/** A way to ask the endpoint: the route and how its answer comes. */
export interface Route {
  readonly api: PayloadFamilyName | 'raw';
  /** The complete address that is called. */
  readonly url: string;
  readonly stream: boolean;
  /** Set where the server refuses to be told the length of an answer; then answers may end before it. */
  readonly freeLength?: true;
}

/** What one shard shall do. Plain data: it crosses to a worker thread. */
export interface ShardOrder {
  readonly route: Route;
  /** The user's own family, where the route's api is `raw`; it comes from the spec. */
  readonly template?: PayloadFamily | null;
  /** The checked address to connect to instead of what the route's host resolves to; null or absent resolves it. */
  readonly connectAddress?: string | null;
  /** Sent verbatim as the `authorization` header; null sends none. */
  readonly authorization: string | null;
  /** Further request headers, such as `azureml-model-deployment`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Connections of this shard, each with at most one request in flight. */
  readonly connections: number;
  readonly workload: Workload;
  /** This shard's part of a request set: they are sent in their order, and again after the last. Absent, prompts are made. */
  readonly prompts?: readonly RequestLine[];
  /** Characters of prompt text per token, as calibrated from the server's `usage` in warm-up. */
  readonly charactersPerToken: number;
  /** Tokens that the chat template adds to each prompt, as calibrated in warm-up. */
  readonly templateTokens: number;
  readonly seed: number;
  /** `x-ms-client-request-id` is this, a dash and the request's index; Azure ML keeps 40 characters of it. */
  readonly requestIdPrefix: string;
  readonly load: SteadyLoad | BurstLoad | CountLoad | OpenLoad;
  /** What each request is held against; null or absent holds it against nothing. */
  readonly slo?: Slo | null;
  /** Longer than the endpoint's own timeout, so that an abandoned request never keeps the GPU busy unseen. */
  readonly requestTimeoutMs: number;
  /**
   * Epoch milliseconds at which to begin to send; null begins at once. `when-told` gets everything ready (thread,
   * connections, first bodies), says so, and waits: that is how shards of a repeat begin together.
   */
  readonly startAtMs: number | 'when-told' | null;
  /**
   * Set where this shard shall wait, after requests that may have left the endpoint at work, until it is idle again
   * (load/drain.ts). One shard of a repeat is enough. Null or absent does not wait.
   */
  readonly drain?: DrainOrder | null;
}

export interface DrainOrder {
  /** What a drain's request took when nothing else was asked of the endpoint, as `timeIdleRequest` tells. */
  readonly idleMs: number;
}

/** Closed loop: every connection sends its next request when its last one is answered. */
export interface SteadyLoad {
  readonly mode: 'steady';
  /** Completions inside the steady window after which this shard is satisfied. */
  readonly minRequests: number;
  /** Issuing stops after this many seconds whether or not it is satisfied. */
  readonly maxSeconds: number;
}

/** The origin's way: every connection sends one request at the same moment; a 429 is tried again. */
export interface BurstLoad {
  readonly mode: 'burst';
  readonly maxRetries: number;
}

/** Closed loop until exactly this many requests were sent, for a user who asks for a number of requests. */
export interface CountLoad {
  readonly mode: 'count';
  readonly requests: number;
  /** Issuing stops after this many seconds whether or not all were sent. */
  readonly maxSeconds: number;
}

/**
 * Open loop: requests are sent when their time comes, whether or not others are answered, as users do. Latencies count
 * from that time too, so that a server which falls behind can not slow its own load down unseen (coordinated omission).
 */
export interface OpenLoad {
  readonly mode: 'open';
  readonly arrivals: Arrivals;
  /** Completions inside the window after which this shard is satisfied. */
  readonly minRequests: number;
  readonly maxSeconds: number;
}

/** When requests are to be sent, in seconds from the start. A shard gets its own part of the whole load. */
export type Arrivals =
  | { readonly kind: 'poisson'; readonly requestsPerSecond: number }
  /** The first comes after `offsetSeconds`, so that shards of one load are evenly out of step. */
  | { readonly kind: 'constant'; readonly requestsPerSecond: number; readonly offsetSeconds: number }
  /** Of a recorded load, ascending. */
  | { readonly kind: 'trace'; readonly atSeconds: readonly number[] };

/** How requests ended, of one shard or of several together. */
export interface RequestOutcomes {
  /** Requests, not attempts: a burst's request that was tried three times counts once. */
  readonly attempted: number;
  readonly succeeded: number;
  readonly failures: Readonly<Partial<Record<RequestFailure, number>>>;
  /** HTTP status of each failed request by count; `none` where no answer came. */
  readonly failedStatusCodes: Readonly<Record<string, number>>;
  /** The first words of a failure of each class, shortened. */
  readonly failureExamples: Readonly<Partial<Record<RequestFailure, string>>>;
  /** Further attempts after a 429, in burst mode. */
  readonly retries: number;
}

/** What a shard measured, folded so that shards can be merged without loss. Times are milliseconds. */
export interface ShardSummary extends RequestOutcomes {
  readonly connections: number;
  /** Epoch milliseconds of the first send and of the last answer. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** From the first send to the last answer, everything that succeeded. */
  readonly whole: WindowFold;
  /** The steady window, or null where none was reached. */
  readonly steady: WindowFold | null;
  /** Why `steady` is null: burst mode, too few completions in time, or stopped. */
  readonly steadyReason: string | null;
  /** Time-weighted mean of requests in flight over the window (or the whole where there is no window). */
  readonly meanInFlight: number;
  readonly maxInFlight: number;
  /** Of successful requests sent inside the window (all of them where there is no window). */
  readonly e2e: EncodedHistogram;
  readonly ttft: EncodedHistogram;
  readonly ttftReason: TtftReason | null;
  /** Streams came at once, and were too short to tell whether they had been held back; absent otherwise. */
  readonly mayBeBuffered?: true;
  /**
   * First text of the answer itself, after any reasoning; of the answers that have one. Absent in rows of versions
   * that did not fold it.
   */
  readonly ttftAnswer?: EncodedHistogram;
  /** (last content - first content) / (output tokens - 1), for streamed answers of two tokens or more. */
  readonly tpot: EncodedHistogram;
  /** E2E / output tokens: the per-token time that exists without a stream too. */
  readonly ntpot: EncodedHistogram;
  /** Gaps between content events. */
  readonly gaps: EncodedHistogram;
  readonly tokenSource: TokenSource | 'mixed' | null;
  /** What the model puts out; the token rates and times are of tokens only. */
  readonly unit: OutputUnit;
  /** Prompt tokens that the server's prefix cache spared; null where its usage does not tell. */
  readonly cachedPromptTokens: number | null;
  /** Good answers that began with their prompt, which is not counted as output. */
  readonly echoes: number;
  /** Successful requests whose output had exactly the length asked for. */
  readonly outputLengthAsAsked: number;
  /** Output tokens of good answers by those asked for. Absent in rows of versions that did not count it, as the next two. */
  readonly outputLengths?: LengthRatios;
  /** Prompt tokens as the server's usage tells them by those asked for; empty of the user's own prompts. */
  readonly promptLengths?: LengthRatios;
  readonly wire?: ShardWire;
  /** Set when the shard stopped itself and no other cell can succeed either: the credential is refused. */
  readonly abortedBy: RequestFailure | null;
  /** The shard over time, for the gates of a steady state; null where no steady state was asked for. */
  readonly trace: SliceTrace | null;
  /** Requests that kept the objectives; absent or null where the order had none. */
  readonly slo?: SloCounts | null;
  /**
   * Of an open loop: last content minus the moment the request was to be sent, and the same of the first content.
   * Absent in closed loops, where a request is to be sent when its connection is free.
   */
  readonly response?: EncodedHistogram;
  readonly responseTtft?: EncodedHistogram;
  /**
   * Of an open loop: requests that were never sent, since all connections were busy until too many were waiting, they
   * had waited longer than a request may take, or the load ended. They are not in `attempted`.
   */
  readonly dropped?: number;
  /** Of an open loop: what was to be sent inside the window (in all where there is none), and what was. */
  readonly offered?: OfferedLoad;
  /** How the endpoint was waited for after the load; null where there was no reason to, or no order. */
  readonly drained?: Drained | null;
  /** The endpoint may still be at work on requests that this shard has given up, and would disturb the next cell. */
  readonly leftBusy?: boolean;
  /** What the load thread says about itself; absent in rows of versions that did not ask it. */
  readonly client?: ClientHealth;
  /** Content events of good answers that streamed; absent in rows of versions that did not count them. */
  readonly contentEvents?: number;
  /** Samples that were kept one by one; absent where none were asked for. */
  readonly keptSamples?: number;
}

/** What came of waiting for an endpoint to be idle. */
export interface Drained {
  readonly seconds: number;
  readonly requests: number;
  /** Whether the last request was answered as quickly as an idle endpoint answers it. */
  readonly idle: boolean;
}

/**
 * Tokens and requests inside a span. Throughput over several shards is the sum of each shard's own rate: their spans
 * begin and end at common moments, and rates of a steady state add.
 */
export interface WindowFold {
  readonly seconds: number;
  /**
   * Rates over whole cycles: each connection's requests, from its first answer inside the span to its last, by the time
   * between these two, added up. A span that begins at answers and ends somewhere holds more of the silence before
   * first tokens than of the tokens after it: with five answers a connection that is 5 to 10 % too few. Null where a
   * connection had no second answer inside; then counts by seconds are all there is.
   */
  readonly perSecond: CycleRates | null;
  readonly requests: number;
  /** Streamed: tokens whose chunk arrived inside. Otherwise each answer's tokens, pro rata of its overlap. */
  readonly outputTokens: number;
  /** Output in the family's unit, as `outputTokens` is counted; the same number where the unit is the token. */
  readonly outputUnits: number;
  /** Each answer's prompt tokens, pro rata of its overlap; the length asked for where the server tells no usage. */
  readonly promptTokens: number;
}

/** What is carried per second. */
export type CycleRates = Readonly<
  Record<'requests' | 'outputTokens' | 'outputUnits' | 'promptTokens', number>
>;
