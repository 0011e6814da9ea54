/**
 * The fold of a shard: takes each sample as it comes and keeps counts and histograms only, so that a cell of ten
 * thousand requests takes the memory of a cell of ten. Two folds are kept at once, of everything and of the window,
 * because whether the window counts is known only at the end.
 */
import type { RequestFailure } from '../core/failure.ts';
import { DurationHistogram } from '../core/measuring/histogram.ts';
import { LengthRatioTally } from '../core/measuring/length-ratios.ts';
import { type OfferedLoad, openLoopFault } from '../core/measuring/open-loop.ts';
import type { Sample, TokenSource, TtftReason } from '../core/measuring/sample.ts';
import type { CycleRates, ShardOrder, ShardSummary, WindowFold } from '../core/measuring/shard.ts';
import { SliceRecorder } from '../core/measuring/slices.ts';
import { steadyFault } from '../core/measuring/steady.ts';
import type { OutputUnit } from '../core/requests/payload.ts';
import type { StreamTimes } from '../core/spec/slo.ts';
import type { EndedRequests } from './circuit-breaker.ts';
import { monotonicToEpochMs } from './clock.ts';
import { InFlightGauge } from './in-flight-gauge.ts';
import { SloTally } from './slo-tally.ts';
import { isBuffered, isInside, isShortAtOnce, type Span, shareInside, tokensByArrival } from './window.ts';
import { WireTally } from './wire-tally.ts';

export class ShardFold {
  readonly #order: ShardOrder;
  /** In an open loop everything counts from when it was to be sent, in a closed one from when it was. */
  readonly #open: boolean;
  readonly #gauge = new InFlightGauge();
  readonly #whole: Timings;
  readonly #inside: Timings;
  /** Null where requests are held against nothing. */
  readonly #slo: { readonly whole: SloTally; readonly inside: SloTally } | null;
  readonly #offered = { whole: { arrivals: 0, sent: 0 }, inside: { arrivals: 0, sent: 0 } };
  readonly #failuresInside = new Map<RequestFailure, number>();
  readonly #failures = new Map<RequestFailure, number>();
  readonly #failureExamples = new Map<RequestFailure, string>();
  readonly #failedStatusCodes = new Map<string, number>();
  readonly #sources = new Set<TokenSource>();
  readonly #wholeTokens = { output: 0, units: 0, prompt: 0 };
  readonly #windowTokens = { byArrival: 0, proRata: 0, units: 0, prompt: 0 };
  /** By connection: its whole cycles inside the window, from its first answer there to its last. */
  readonly #cycles = new Map<number, Cycles>();
  #window: Span | null = null;
  #windowGauge: { readonly opened: number; closed: number | null } | null = null;
  #succeeded = 0;
  #succeededInside = 0;
  #dropped = 0;
  #droppedInside = 0;
  #streamed = 0;
  #bufferedVotes = 0;
  #streamedVotes = 0;
  /** Streams that are too short for a vote. */
  readonly #short = { atOnce: 0, apart: 0 };
  #lengthAsAsked = 0;
  readonly #outputLengths = new LengthRatioTally();
  readonly #promptLengths = new LengthRatioTally();
  readonly #wire = new WireTally();
  #cachedPromptTokens: number | null = null;
  #echoes = 0;
  #slices: SliceRecorder | null = null;
  #unit: OutputUnit = 'token';
  #firstSentMs: number | null = null;
  #lastAnswerMs: number | null = null;
  retries = 0;

  constructor(order: ShardOrder) {
    const { load, slo } = order;
    this.#order = order;
    this.#open = load.mode === 'open';
    this.#whole = new Timings(this.#open);
    this.#inside = new Timings(this.#open);
    this.#slo = slo ? { whole: new SloTally(slo, this.#open), inside: new SloTally(slo, this.#open) } : null;
  }

  /** The load begins, at the moment that all shards of a repeat have in common. */
  begin(nowMs: number): void {
    this.#slices = new SliceRecorder(this.#order.connections, nowMs);
  }

  /** Why the window until now is not that of a steady state; null where it is. */
  steadyFault(nowMs: number): string | null {
    if (this.#slices === null) return null;
    const trace = this.#slices.trace(nowMs);
    return this.#open ? openLoopFault(trace, this.#offered.inside) : steadyFault(trace);
  }

  /** Of an open loop: the time of a request has come. From now on it is outstanding, sent or not. */
  arrive(scheduledMs: number, nowMs: number): void {
    this.#slices?.enter(nowMs);
    this.#offered.whole.arrivals += 1;
    if (this.#isInWindow(scheduledMs)) this.#offered.inside.arrivals += 1;
  }

  /** Of an open loop: a request that had arrived is never sent. */
  drop(scheduledMs: number, nowMs: number): void {
    this.#slices?.leave(nowMs);
    this.#dropped += 1;
    this.#slo?.whole.addDropped();
    if (!this.#isInWindow(scheduledMs)) return;
    this.#droppedInside += 1;
    this.#slo?.inside.addDropped();
  }

  /** A request was sent. A request that waits for its next attempt is not in flight. */
  enter(nowMs: number, scheduledMs: number): void {
    this.#firstSentMs ??= nowMs;
    this.#gauge.enter(nowMs);
    if (!this.#open) {
      this.#slices?.enter(nowMs);
      return;
    }
    this.#offered.whole.sent += 1;
    if (this.#isInWindow(scheduledMs)) this.#offered.inside.sent += 1;
  }

  /** It was answered, or failed. */
  leave(nowMs: number): void {
    this.#gauge.leave(nowMs);
    this.#slices?.leave(nowMs);
    this.#lastAnswerMs = nowMs;
  }

  /** By the answer of that worker, which is the first of its answers inside. */
  openWindow(nowMs: number, worker: number): void {
    this.#window = { beginMs: nowMs, endMs: null };
    this.#cycles.set(worker, {
      firstMs: nowMs,
      lastMs: nowMs,
      requests: 0,
      outputTokens: 0,
      outputUnits: 0,
      promptTokens: 0,
    });
    this.#windowGauge = { opened: this.#gauge.integral(nowMs), closed: null };
    this.#slices?.openWindow(nowMs);
  }

  /** Ends the window, once; without one, nothing happens. */
  closeWindow(nowMs: number): void {
    if (this.#window === null || this.#windowGauge === null || this.#window.endMs !== null) return;
    this.#window = { ...this.#window, endMs: Math.max(nowMs, this.#window.beginMs) };
    this.#windowGauge.closed = this.#gauge.integral(nowMs);
    this.#slices?.closeWindow(nowMs);
  }

  get hasWindow(): boolean {
    return this.#window !== null;
  }

  get succeeded(): number {
    return this.#succeeded;
  }

  /** Good answers that ended inside the window. */
  get succeededInside(): number {
    return this.#succeededInside;
  }

  /** Everything that ended inside the window, or should have been sent in it and never was. */
  get endedInside(): EndedRequests {
    return {
      succeeded: this.#succeededInside,
      failures: this.#failuresInside,
      dropped: this.#droppedInside,
    };
  }

  get failed(): number {
    let failed = 0;
    for (const count of this.#failures.values()) failed += count;
    return failed;
  }

  /** Takes the last attempt of a worker's request that has ended. One that was canceled was not attempted. */
  add(sample: Sample, worker: number): void {
    if (sample.failure === 'canceled') return;
    // Of an open loop there are none: which connection takes a request is chance, and between two of them it is idle.
    if (!this.#open) this.#noteCycle(sample, worker);
    this.#slo?.whole.add(sample);
    if (this.#belongsToWindow(sample)) this.#slo?.inside.add(sample);
    this.#wire.add(sample, this.#window === null ? 0 : shareInside(sample, this.#window));
    if (sample.failure === null) this.#addSuccess(sample);
    else this.#addFailure(sample.failure, sample);
  }

  /**
   * Whether it is one of those that percentiles and objectives are of: sent inside, ended whenever, since leaving out
   * what ends late would keep only the fast ones. Of an open loop, to be sent inside: how long it then waited is what
   * is to be found out.
   */
  #belongsToWindow(sample: Sample): boolean {
    return this.#isInWindow(this.#open ? sample.scheduledMs : sample.sentMs);
  }

  #isInWindow(ms: number): boolean {
    return this.#window !== null && isInside(ms, this.#window);
  }

  /** A failed request takes its connection's time and carries nothing. */
  #noteCycle(sample: Sample, worker: number): void {
    const endMs = sample.sentMs + sample.e2eMs;
    if (this.#window === null || !isInside(endMs, this.#window)) return;
    const known = this.#cycles.get(worker);
    if (known === undefined) {
      this.#cycles.set(worker, {
        firstMs: endMs,
        lastMs: endMs,
        requests: 0,
        outputTokens: 0,
        outputUnits: 0,
        promptTokens: 0,
      });
      return;
    }
    known.lastMs = endMs;
    if (sample.failure !== null) return;
    known.requests += 1;
    known.outputTokens += sample.outputTokens;
    known.outputUnits += sample.outputUnits;
    known.promptTokens +=
      sample.promptTokens ?? sample.promptTokensAsked ?? this.#order.workload.promptTokens;
  }

  #addFailure(failure: RequestFailure, sample: Sample): void {
    count(this.#failures, failure);
    if (this.#isInWindow(sample.sentMs + sample.e2eMs)) count(this.#failuresInside, failure);
    count(this.#failedStatusCodes, sample.status === null ? 'none' : String(sample.status));
    if (!this.#failureExamples.has(failure)) this.#failureExamples.set(failure, sample.failureDetail ?? '');
  }

  #addSuccess(sample: Sample): void {
    const { workload } = this.#order;
    const promptTokens = sample.promptTokens ?? sample.promptTokensAsked ?? workload.promptTokens;
    this.#succeeded += 1;
    this.#slices?.complete(sample.sentMs + sample.e2eMs, sample.e2eMs, sample.outputUnits);
    this.#sources.add(sample.tokenSource);
    if (sample.ttftMs !== null) this.#streamed += 1;
    const buffered = isBuffered(sample);
    if (buffered === true) this.#bufferedVotes += 1;
    if (buffered === false) this.#streamedVotes += 1;
    const atOnce = isShortAtOnce(sample);
    if (atOnce !== null) this.#short[atOnce ? 'atOnce' : 'apart'] += 1;
    this.#noteLengths(sample);
    this.#wholeTokens.output += sample.outputTokens;
    this.#wholeTokens.units += sample.outputUnits;
    this.#unit = sample.unit;
    this.#wholeTokens.prompt += promptTokens;
    if (sample.cachedPromptTokens !== null)
      this.#cachedPromptTokens = (this.#cachedPromptTokens ?? 0) + sample.cachedPromptTokens;
    if (sample.flags.includes('echo')) this.#echoes += 1;
    this.#whole.record(sample);
    if (this.#window === null) return;
    const share = shareInside(sample, this.#window);
    this.#windowTokens.proRata += sample.outputTokens * share;
    this.#windowTokens.byArrival += tokensByArrival(sample, this.#window) ?? sample.outputTokens * share;
    this.#windowTokens.units += sample.outputUnits * share;
    this.#windowTokens.prompt += promptTokens * share;
    if (isInside(sample.sentMs + sample.e2eMs, this.#window)) this.#succeededInside += 1;
    if (this.#belongsToWindow(sample)) this.#inside.record(sample);
  }

  #noteLengths(sample: Sample): void {
    const { workload, prompts } = this.#order;
    const outputAsked = sample.outputTokensAsked ?? workload.outputTokens;
    if (sample.outputTokens === outputAsked) this.#lengthAsAsked += 1;
    if (sample.unit === 'token') this.#outputLengths.add(sample.outputTokens, outputAsked);
    // A prompt of the user's own has the length that it has.
    if (sample.promptTokens !== null && prompts === undefined)
      this.#promptLengths.add(sample.promptTokens, sample.promptTokensAsked ?? workload.promptTokens);
  }

  /** `noSteady` is the reason told where no window with enough answers was reached. */
  summarize(
    nowMs: number,
    noSteady: string,
    minRequests: number,
    abortedBy: RequestFailure | null,
  ): ShardSummary {
    this.closeWindow(nowMs);
    const startedMs = this.#firstSentMs ?? nowMs;
    const endedMs = this.#lastAnswerMs ?? startedMs;
    const steady = this.#succeededInside >= minRequests ? this.#foldWindow() : null;
    const timings = steady === null ? this.#whole : this.#inside;
    const ttftReason = this.#reasonWithoutTtft();
    const none = new DurationHistogram();
    return {
      connections: this.#order.connections,
      startedAtMs: monotonicToEpochMs(startedMs),
      endedAtMs: monotonicToEpochMs(endedMs),
      attempted: this.#succeeded + this.failed,
      succeeded: this.#succeeded,
      failures: Object.fromEntries(this.#failures),
      failedStatusCodes: Object.fromEntries(this.#failedStatusCodes),
      failureExamples: Object.fromEntries(this.#failureExamples),
      retries: this.retries,
      whole: {
        seconds: (endedMs - startedMs) / 1000,
        perSecond: null,
        requests: this.#succeeded,
        outputTokens: this.#wholeTokens.output,
        outputUnits: this.#wholeTokens.units,
        promptTokens: this.#wholeTokens.prompt,
      },
      steady,
      steadyReason: steady === null ? noSteady : null,
      meanInFlight:
        steady === null ? this.#gauge.mean(startedMs, endedMs) : this.#meanInWindow(steady.seconds),
      maxInFlight: this.#gauge.highest,
      e2e: timings.e2e.toJSON(),
      ttft: (ttftReason === null ? timings.ttft : none).toJSON(),
      ttftReason,
      ...(this.#mayBeBuffered() && { mayBeBuffered: true as const }),
      tpot: (ttftReason === null ? timings.tpot : none).toJSON(),
      ntpot: timings.ntpot.toJSON(),
      gaps: (ttftReason === null ? timings.gaps : none).toJSON(),
      ttftAnswer: (ttftReason === null ? timings.ttftAnswer : none).toJSON(),
      slo: this.#slo?.[steady === null ? 'whole' : 'inside'].counts(this.#streamTimes()) ?? null,
      ...this.#summarizeOpen(timings, ttftReason, steady === null ? 'whole' : 'inside'),
      tokenSource: this.#sources.size > 1 ? 'mixed' : ([...this.#sources][0] ?? null),
      unit: this.#unit,
      trace: this.#slices?.trace(nowMs) ?? null,
      cachedPromptTokens: this.#cachedPromptTokens,
      echoes: this.#echoes,
      outputLengthAsAsked: this.#lengthAsAsked,
      outputLengths: this.#outputLengths.toJSON(),
      promptLengths: this.#promptLengths.toJSON(),
      wire: this.#wire.summarize(steady !== null),
      abortedBy,
    };
  }

  /** What only an open loop has. */
  #summarizeOpen(
    { response, responseTtft }: Timings,
    ttftReason: TtftReason | null,
    span: 'whole' | 'inside',
  ): Pick<ShardSummary, 'response' | 'responseTtft' | 'dropped' | 'offered'> {
    if (response === null || responseTtft === null) return {};
    const offered: OfferedLoad = { ...this.#offered[span] };
    return {
      response: response.toJSON(),
      responseTtft: (ttftReason === null ? responseTtft : new DurationHistogram()).toJSON(),
      dropped: this.#dropped,
      offered,
    };
  }

  #foldWindow(): WindowFold | null {
    if (this.#window === null || this.#window.endMs === null) return null;
    const seconds = (this.#window.endMs - this.#window.beginMs) / 1000;
    if (seconds <= 0) return null;
    return {
      seconds,
      perSecond: this.#rateOfCycles(),
      requests: this.#succeededInside,
      // The times of a stream that was held back say nothing about when its tokens were made.
      outputTokens: this.#isBufferedShard() ? this.#windowTokens.proRata : this.#windowTokens.byArrival,
      outputUnits: this.#windowTokens.units,
      promptTokens: this.#windowTokens.prompt,
    };
  }

  /** Each connection's own rate, added up; null where one of them has no whole cycle to tell it from. */
  #rateOfCycles(): WindowFold['perSecond'] {
    const cycles = [...this.#cycles.values()];
    if (cycles.length < this.#order.connections || cycles.some(({ firstMs, lastMs }) => lastMs <= firstMs))
      return null;
    const rate = (count: keyof CycleRates) =>
      cycles.reduce((sum, one) => sum + (one[count] * 1000) / (one.lastMs - one.firstMs), 0);
    return {
      requests: rate('requests'),
      outputTokens: rate('outputTokens'),
      outputUnits: rate('outputUnits'),
      promptTokens: rate('promptTokens'),
    };
  }

  #meanInWindow(seconds: number): number {
    return ((this.#windowGauge?.closed ?? 0) - (this.#windowGauge?.opened ?? 0)) / (seconds * 1000);
  }

  /** By the majority of the answers of which it can be told. */
  #isBufferedShard(): boolean {
    return this.#bufferedVotes > this.#streamedVotes;
  }

  /** No answer was long enough to tell, and most came at once. */
  #mayBeBuffered(): boolean {
    return this.#bufferedVotes + this.#streamedVotes === 0 && this.#short.atOnce > this.#short.apart;
  }

  #streamTimes(): StreamTimes {
    if (this.#isBufferedShard()) return 'held-back';
    return this.#mayBeBuffered() ? 'unsure' : 'seen';
  }

  #reasonWithoutTtft(): TtftReason | null {
    if (this.#succeeded === 0) return 'no-output';
    if (this.#streamed === 0) return 'not-streamed';
    return this.#isBufferedShard() ? 'buffered' : null;
  }
}

/** What a connection carried between its first and its last answer inside the window. */
interface Cycles {
  readonly firstMs: number;
  lastMs: number;
  requests: number;
  outputTokens: number;
  outputUnits: number;
  promptTokens: number;
}

/** The histograms of a set of successful requests. */
class Timings {
  readonly e2e = new DurationHistogram();
  readonly ttft = new DurationHistogram();
  readonly tpot = new DurationHistogram();
  readonly ntpot = new DurationHistogram();
  readonly gaps = new DurationHistogram();
  readonly ttftAnswer = new DurationHistogram();
  /** From when the request was to be sent; null in a closed loop. */
  readonly response: DurationHistogram | null;
  readonly responseTtft: DurationHistogram | null;

  constructor(open: boolean) {
    this.response = open ? new DurationHistogram() : null;
    this.responseTtft = open ? new DurationHistogram() : null;
  }

  record(sample: Sample): void {
    const waitedMs = sample.sentMs - sample.scheduledMs;
    this.e2e.record(sample.e2eMs);
    this.response?.record(waitedMs + sample.e2eMs);
    // A model that makes no tokens has no time for one.
    if (sample.outputTokens > 0) this.ntpot.record(sample.e2eMs / sample.outputTokens);
    if (sample.ttftMs === null) return;
    this.ttft.record(sample.ttftMs);
    this.responseTtft?.record(waitedMs + sample.ttftMs);
    if (sample.ttftAnswerMs !== null) this.ttftAnswer.record(sample.ttftAnswerMs);
    if (sample.outputTokens >= 2)
      this.tpot.record((sample.e2eMs - sample.ttftMs) / (sample.outputTokens - 1));
    for (const gapMs of sample.gapsMs) this.gaps.record(gapMs);
  }
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
