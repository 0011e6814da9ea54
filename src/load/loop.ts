/**
 * The loop of a shard. `steady` is a closed loop: every worker has one connection and one request in flight, and
 * sends the next when the last is answered. `burst` is the origin's way: every worker sends one request, all at the
 * same moment, and a 429 is tried again. `count` is the closed loop until a number of requests was sent.
 *
 * Two deadlines end it: after the first, nothing more is sent; what is in flight then has its own timeout. `cancel`
 * is the third, at once.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { FAILURE_TRAITS, type RequestFailure } from '../core/failure.ts';
import { buildPrompt } from '../core/prompt.ts';
import type { Sample } from '../core/sample.ts';
import { deriveSeed } from '../core/seed.ts';
import type { ShardOrder, ShardSummary } from '../core/shard.ts';
import { epochToMonotonicMs, monotonicMs } from './clock.ts';
import { buildSharedConnector, Connection } from './connection.ts';
import { ShardFold } from './fold.ts';
import {
  type Answer,
  type PreparedRequest,
  prepareRequest,
  prepareTarget,
  type RunningRequest,
  type Target,
} from './request.ts';
import { INITIAL_DELAY_MS, nextBackoff } from './retry.ts';
import { openConnections } from './round-trip.ts';

/** Connections are opened this long before a common start: enough for 512 TLS handshakes, too short to idle out. */
const OPEN_BEFORE_START_MS = 3_000;
/**
 * Workers of a steady shard start one after the other, so that their answers do not come in step. The spread is the
 * decode time of one answer on the fastest GPU of the SKU table (9 ms per token), at most 2 s of a rented GPU.
 */
const STAGGER_MS_PER_OUTPUT_TOKEN = 9;
const LONGEST_STAGGER_MS = 2_000;
/** A worker whose request failed waits, so that a closed port or a full endpoint is not hammered; doubled each time. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** After this many failures in a row of a kind that the next request cannot escape, a steady shard stops itself. */
const HOPELESS_IN_A_ROW = 3;
/** How often a shard with enough answers looks whether it is steady. */
const BETWEEN_LOOKS_MS = 200;
/** A timer of Node can wait no longer (2^31 - 1 ms). */
const LONGEST_TIMER_MS = 2_147_483_647;

export class ShardLoop {
  readonly #order: ShardOrder;
  readonly #target: Target;
  readonly #fold: ShardFold;
  readonly #onSatisfied: () => void;
  readonly #onReady: () => void;
  readonly #onSample: (sample: Sample) => Promise<void> | void;
  /** Resolves with the monotonic moment to begin at, for an order that waits to be told. */
  readonly #told = Promise.withResolvers<number>();
  /** Aborted when nothing more shall be sent. */
  readonly #stop = new AbortController();
  readonly #stopped = new Promise((resolve) =>
    this.#stop.signal.addEventListener('abort', resolve, { once: true }),
  );
  readonly #running = new Set<RunningRequest>();
  readonly #waiting: Set<number>;
  #stopTimer: NodeJS.Timeout | null = null;
  #stopAtMs = Number.POSITIVE_INFINITY;
  #stopReason = 'The shard was stopped before it had enough answers inside its window.';
  #nextIndex = 0;
  #abortedBy: RequestFailure | null = null;
  #hopelessInARow = 0;
  #nextLookMs = 0;
  #roundTripMs: number | null = null;

  /**
   * `onSatisfied` is called once: when the shard has what it needs, or when it will not get it any more. `onReady` is
   * called once where the order waits to be told: from then on it can begin at any moment. `onSample` is called with
   * each request that has ended, for who wants them one by one: the loop itself keeps none. Its worker sends no
   * further request before what it returns has settled, so that whoever keeps samples is never given more than it can.
   */
  constructor(
    order: ShardOrder,
    onSatisfied: () => void,
    onReady: () => void = () => {},
    onSample: (sample: Sample) => Promise<void> | void = () => {},
  ) {
    this.#order = order;
    this.#onReady = onReady;
    this.#onSample = onSample;
    this.#target = prepareTarget(order, order.workload.outputTokens);
    this.#fold = new ShardFold(order);
    this.#waiting = new Set(Array.from({ length: order.connections }, (_, worker) => worker));
    let satisfied = false;
    this.#onSatisfied = () => {
      if (!satisfied) onSatisfied();
      satisfied = true;
    };
    // Every worker may wait for the signal at once.
    setMaxListeners(0, this.#stop.signal);
  }

  get progress(): { completed: number; failed: number } {
    return { completed: this.#fold.succeeded, failed: this.#fold.failed };
  }

  /** Median TCP connect time, see round-trip.ts; null before the connections are open and where none could be. */
  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** When to begin, for an order that waits to be told; in the past means at once. */
  startAt(epochMs: number): void {
    this.#told.resolve(epochToMonotonicMs(epochMs));
  }

  /** Nothing is sent after this epoch time; the earliest one asked for holds. */
  stopAt(epochMs: number): void {
    this.#stopAtMonotonic(epochToMonotonicMs(epochMs));
  }

  /** Abandons everything in flight. */
  cancel(): void {
    this.#stopIssuing('The shard was canceled before it had enough answers inside its window.');
    for (const request of this.#running) request.cancel();
  }

  /** Loads until it ends by itself or is stopped. To be called once. */
  async run(): Promise<ShardSummary> {
    const { connections: count, startAtMs, load } = this.#order;
    const connector = buildSharedConnector(this.#order.requestTimeoutMs);
    const connections = Array.from(
      { length: count },
      () => new Connection(new URL(this.#target.order.route.url), connector),
    );
    try {
      if (typeof startAtMs === 'number') {
        await this.#waitUntil(epochToMonotonicMs(startAtMs) - OPEN_BEFORE_START_MS);
      }
      const opened = openConnections(connections).then((roundTripMs) => {
        this.#roundTripMs = roundTripMs;
      });
      const first = connections.map((connection, worker) => this.#prepare(connection, worker));
      this.#nextIndex = count;
      await this.#waitForStart(opened);
      if (load.mode === 'steady') this.#fold.begin(monotonicMs());
      if (load.mode !== 'burst')
        this.#stopAtMonotonic(
          monotonicMs() + load.maxSeconds * 1000,
          'The shard had too few answers inside its window when its time was over.',
        );
      const work = load.mode === 'burst' ? this.#sendOnce : this.#refill;
      // A loop of little more than writes: what a burst spends here is between its first request and its last.
      const workers = first.map((request, worker) =>
        work.call(this, connections[worker] as Connection, worker, request),
      );
      await Promise.all(workers);
      return this.#summarize();
    } finally {
      if (this.#stopTimer !== null) clearTimeout(this.#stopTimer);
      this.#onSatisfied();
      await Promise.all(connections.map((connection) => connection.close()));
    }
  }

  /** With a moment to begin at, a slow handshake is not waited for: who began later would be out of step. */
  async #waitForStart(opened: Promise<unknown>): Promise<void> {
    const { startAtMs } = this.#order;
    if (typeof startAtMs === 'number') return this.#waitUntil(epochToMonotonicMs(startAtMs));
    await Promise.race([opened, this.#stopped]);
    if (startAtMs === null) return;
    this.#onReady();
    const beginMs = await Promise.race([this.#told.promise, this.#stopped.then(() => 0)]);
    await this.#waitUntil(beginMs);
  }

  #summarize(): ShardSummary {
    const { load } = this.#order;
    const minRequests = load.mode === 'steady' ? load.minRequests : Number.POSITIVE_INFINITY;
    return this.#fold.summarize(monotonicMs(), this.#reasonWithoutWindow(), minRequests, this.#abortedBy);
  }

  #reasonWithoutWindow(): string {
    if (this.#order.load.mode === 'burst') return 'A burst is one wave of requests; it has no steady window.';
    if (this.#order.load.mode === 'count')
      return 'A fixed number of requests was asked for, which has no steady window.';
    return this.#stopReason;
  }

  /** A worker of the closed loop, from its first request on. */
  async #refill(connection: Connection, worker: number, first: PreparedRequest): Promise<void> {
    if (this.#order.load.mode === 'steady') await this.#waitUntil(monotonicMs() + this.#staggerMs(worker));
    let failuresInARow = 0;
    let index = worker;
    let next = first;
    let freeMs = monotonicMs();
    while (!this.#stop.signal.aborted && this.#mayIssue(index)) {
      const { sample } = await this.#send(next, freeMs);
      const taken = this.#add(sample, worker);
      if (sample.failure === 'canceled') return;
      this.#noteEnd(worker, sample.failure);
      failuresInARow = sample.failure === null ? 0 : failuresInARow + 1;
      if (failuresInARow > 0) await this.#pause(FIRST_PAUSE_MS * 2 ** Math.min(failuresInARow - 1, 10));
      freeMs = monotonicMs();
      if (taken !== undefined) await taken;
      if (this.#stop.signal.aborted) return;
      index = this.#nextIndex++;
      next = this.#prepare(connection, index);
    }
  }

  #mayIssue(index: number): boolean {
    const { load } = this.#order;
    return load.mode !== 'count' || index < load.requests;
  }

  /**
   * Of a steady shard: opens the window with the last worker's first answer (a failure is one too: where a part of
   * the load is refused, that is the steady state), sees whether the shard is satisfied, and whether it is hopeless.
   */
  #noteEnd(worker: number, failure: RequestFailure | null): void {
    const { load } = this.#order;
    if (load.mode !== 'steady') return;
    const first = this.#waiting.delete(worker);
    if (first && this.#waiting.size === 0 && !this.#stop.signal.aborted)
      this.#fold.openWindow(monotonicMs(), worker);
    if (this.#fold.succeededInside >= load.minRequests && this.#isSteady()) this.#onSatisfied();
    this.#hopelessInARow =
      failure !== null && FAILURE_TRAITS[failure].hopeless ? this.#hopelessInARow + 1 : 0;
    if (failure !== null && this.#hopelessInARow >= HOPELESS_IN_A_ROW) {
      this.#abortedBy ??= failure;
      this.#stopIssuing(
        `The shard stopped itself: ${HOPELESS_IN_A_ROW} requests in a row failed as ${failure}.`,
      );
    }
  }

  /** Whether the gates of a steady state hold by now; looked at a few times a second, since it costs a walk. */
  #isSteady(): boolean {
    const nowMs = monotonicMs();
    if (nowMs < this.#nextLookMs) return false;
    this.#nextLookMs = nowMs + BETWEEN_LOOKS_MS;
    const fault = this.#fold.steadyFault(nowMs);
    return fault === null;
  }

  /** A worker of a burst: one request, tried again after a 429. */
  async #sendOnce(connection: Connection, worker: number, first: PreparedRequest): Promise<void> {
    const { load } = this.#order;
    const maxRetries = load.mode === 'burst' ? load.maxRetries : 0;
    let delayMs = INITIAL_DELAY_MS;
    let next = first;
    for (let attempt = 0; ; attempt += 1) {
      if (this.#stop.signal.aborted && attempt === 0) return;
      const answer = await this.#send(next, monotonicMs());
      if (answer.sample.status === 429 && attempt < maxRetries && !this.#stop.signal.aborted) {
        const share = deriveSeed(this.#order.seed, 'jitter', worker, attempt) / 2 ** 32;
        const backoff = nextBackoff(delayMs, answer.retryAfterMs, share);
        delayMs = backoff.delayMs;
        await this.#pause(backoff.waitMs, backoff.waitMs);
        if (!this.#stop.signal.aborted) {
          this.#fold.retries += 1;
          next = this.#prepare(connection, worker);
          continue;
        }
      }
      await this.#add(answer.sample, worker);
      return;
    }
  }

  #add(sample: Sample, worker: number): Promise<void> | void {
    this.#fold.add(sample, worker);
    if (sample.failure !== 'canceled') return this.#onSample(sample);
  }

  async #send(prepared: PreparedRequest, scheduledMs: number): Promise<Answer> {
    this.#fold.enter(monotonicMs());
    const request = prepared.send(scheduledMs);
    this.#running.add(request);
    const answer = await request.answer;
    this.#running.delete(request);
    this.#fold.leave(monotonicMs());
    return answer;
  }

  #prepare(connection: Connection, index: number): PreparedRequest {
    const { workload, charactersPerToken, templateTokens, seed } = this.#order;
    const { promptTokens } = workload;
    const prompt = buildPrompt({ promptTokens, charactersPerToken, templateTokens }, seed, index);
    return prepareRequest(connection, this.#target, { index, prompt });
  }

  #staggerMs(worker: number): number {
    const { workload, connections, seed } = this.#order;
    const spreadMs = Math.min(LONGEST_STAGGER_MS, workload.outputTokens * STAGGER_MS_PER_OUTPUT_TOKEN);
    // A random part, so that the shards of a repeat are not in step with each other.
    return (spreadMs * (worker + deriveSeed(seed, 'stagger') / 2 ** 32)) / connections;
  }

  #stopAtMonotonic(atMs: number, reason = this.#stopReason): void {
    if (atMs >= this.#stopAtMs || this.#stop.signal.aborted) return;
    this.#stopAtMs = atMs;
    if (this.#stopTimer !== null) clearTimeout(this.#stopTimer);
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.max(0, atMs - monotonicMs()));
    this.#stopTimer = setTimeout(() => this.#stopIssuing(reason), waitMs);
  }

  /** The end of the window is when this happens, not when it was asked to happen. */
  #stopIssuing(reason: string): void {
    if (this.#stop.signal.aborted) return;
    this.#stopReason = reason;
    this.#fold.closeWindow(monotonicMs());
    this.#stop.abort();
    if (this.#order.load.mode === 'steady') this.#onSatisfied();
  }

  #waitUntil(ms: number): Promise<void> {
    return this.#pause(ms - monotonicMs(), LONGEST_TIMER_MS);
  }

  /** Waits, at most `longestMs`, or until nothing more shall be sent. */
  async #pause(ms: number, longestMs = LONGEST_PAUSE_MS): Promise<void> {
    if (ms <= 0 || this.#stop.signal.aborted) return;
    try {
      await delay(Math.min(ms, longestMs), undefined, { signal: this.#stop.signal });
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }
}
