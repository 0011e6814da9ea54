/**
 * The loop of a shard. `steady` is a closed loop: every worker has one connection and one request in flight, and
 * sends the next when the last is answered. `burst` is the origin's way: every worker sends one request, all at the
 * same moment, and a 429 is tried again. `count` is the closed loop until a number of requests was sent. `open` sends
 * each request when its time comes, on whatever connection is free; when none is, it waits (backlog.ts).
 *
 * Two deadlines end it: after the first, nothing more is sent; what is in flight then has its own timeout. `cancel`
 * is the third, at once.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { FAILURE_TRAITS, type RequestFailure } from '../core/failure.ts';
import type { Sample } from '../core/measuring/sample.ts';
import type { OpenLoad, ShardOrder, ShardSummary, SteadyLoad } from '../core/measuring/shard.ts';
import { arrivalMoments } from '../core/requests/arrivals.ts';
import { askOf } from '../core/requests/ask.ts';
import { deriveSeed } from '../core/statistics/seed.ts';
import { Backlog, type Waiting } from './backlog.ts';
import { failureStop, staysUnsteady } from './circuit-breaker.ts';
import { epochToMonotonicMs, monotonicMs } from './clock.ts';
import { buildSharedConnector, Connection } from './connection.ts';
import { drainAfter } from './drain.ts';
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
/** After this many failures in a row of a kind that the next request cannot escape, a shard stops itself. */
const HOPELESS_IN_A_ROW = 3;
/** How often a shard with enough answers looks whether it is steady. */
const BETWEEN_LOOKS_MS = 200;
/** The warm-in of an open loop: the mean time of its requests until now, of at least so many. */
const WARM_IN_REQUESTS = 3;
/** A connection that would be too old for the next request is opened anew so long before: enough for a handshake. */
const REFRESH_BEFORE_MS = 1_000;
/** So many requests that are due at once are sent before sockets are read again. */
const DUE_AT_ONCE = 64;
/** A timer of Node can wait no longer (2^31 - 1 ms). */
const LONGEST_TIMER_MS = 2_147_483_647;

/** `dueMs` is when the request could have been sent: its time had come, and a connection was free. */
type OnSample = (sample: Sample, dueMs: number) => Promise<void> | void;

export class ShardLoop {
  readonly #order: ShardOrder;
  readonly #target: Target;
  readonly #fold: ShardFold;
  readonly #onSatisfied: () => void;
  readonly #onReady: () => void;
  readonly #onSample: OnSample;
  /** Resolves with the monotonic moment to begin at, for an order that waits to be told. */
  readonly #told = Promise.withResolvers<number>();
  /** Aborted when nothing more shall be sent. */
  readonly #stop = new AbortController();
  readonly #stopped = new Promise((resolve) =>
    this.#stop.signal.addEventListener('abort', resolve, { once: true }),
  );
  readonly #running = new Set<RunningRequest>();
  readonly #waiting: Set<number>;
  /** Aborted when everything shall end at once. */
  readonly #canceled = new AbortController();
  readonly #backlog: Backlog;
  #stopTimer: NodeJS.Timeout | null = null;
  #stopAtMs = Number.POSITIVE_INFINITY;
  #stopReason = 'The shard was stopped before it had enough answers inside its window.';
  #nextIndex = 0;
  #abortedBy: RequestFailure | null = null;
  #satisfied = false;
  #hopelessInARow = 0;
  /** Of an open loop that has no window yet: when it began, and the requests that have ended since. */
  readonly #warmIn = { beganMs: 0, ended: 0, tookMs: 0 };
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
    onSample: OnSample = () => {},
  ) {
    this.#order = order;
    this.#onReady = onReady;
    this.#onSample = onSample;
    this.#target = prepareTarget(order, order.workload.outputTokens);
    this.#fold = new ShardFold(order);
    this.#waiting = new Set(Array.from({ length: order.connections }, (_, worker) => worker));
    this.#backlog = new Backlog(order.connections, order.requestTimeoutMs);
    this.#onSatisfied = () => {
      if (!this.#satisfied) onSatisfied();
      this.#satisfied = true;
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

  /** Abandons everything in flight, and a drain. */
  cancel(): void {
    this.#canceled.abort();
    this.#stopIssuing('The shard was canceled before it had enough answers inside its window.');
    for (const request of this.#running) request.cancel();
  }

  /** Loads until it ends by itself or is stopped. To be called once. */
  async run(): Promise<ShardSummary> {
    const { connections: count, startAtMs, load } = this.#order;
    const connector = buildSharedConnector(this.#order.requestTimeoutMs, this.#order.connectAddress);
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
      const first = load.mode === 'open' ? [] : this.#prepareFirst(connections);
      await this.#waitForStart(opened);
      if (load.mode === 'steady' || load.mode === 'open') this.#fold.begin(monotonicMs());
      if (load.mode !== 'burst') this.#stopAtMonotonic(monotonicMs() + load.maxSeconds * 1000, TIME_IS_OVER);
      if (load.mode === 'open') await this.#sendAsTheyCome(load, connections);
      else {
        const work = load.mode === 'burst' ? this.#sendOnce : this.#refill;
        // A loop of little more than writes: what a burst spends here is between its first request and its last.
        const workers = first.map((request, worker) =>
          work.call(this, connections[worker] as Connection, worker, request),
        );
        await Promise.all(workers);
      }
      return this.#summarize();
    } finally {
      if (this.#stopTimer !== null) clearTimeout(this.#stopTimer);
      this.#onSatisfied();
      await Promise.all(connections.map((connection) => connection.close()));
    }
  }

  /** After `run`: see drain.ts. Ends at once with `cancel`. */
  drain(summary: ShardSummary): ReturnType<typeof drainAfter> {
    return drainAfter(this.#order, summary.failures, this.#canceled.signal);
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
    const minRequests = hasWindow(load) ? load.minRequests : Number.POSITIVE_INFINITY;
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
      const taken = this.#add(sample, worker, freeMs);
      if (sample.failure === 'canceled') return;
      this.#noteEnd(worker, sample);
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
   * An open loop: sends each request when its time comes, and never before; after the last of a trace, waits for the
   * answers. What is waiting when the load ends is never sent. Request number n is the n-th to come, sent or not, so
   * that a trace's own prompts stay with their times.
   */
  async #sendAsTheyCome(load: OpenLoad, connections: readonly Connection[]): Promise<void> {
    const free = connections.map((connection, worker) => ({ connection, worker }));
    const exchanges = new Set<Promise<void>>();
    // The text that all prompts are cut from is made with the first of them, which is not to be late for that.
    this.#prepare(connections[0] as Connection, 0);
    const moments = arrivalMoments(load.arrivals, deriveSeed(this.#order.seed, 'arrivals'));
    const beganMs = monotonicMs();
    this.#warmIn.beganMs = beganMs;
    let atOnce = 0;
    for (let atSeconds = moments(); atSeconds !== null; atSeconds = moments()) {
      const request = { index: this.#nextIndex++, scheduledMs: beganMs + atSeconds * 1000 };
      // The connection that was used last: the fewer are in use, the fewer are closed by the server for idleness.
      const early = free.pop();
      const prepared = early === undefined ? null : this.#prepare(early.connection, request.index);
      const waited = await this.#waitForTurn(request.scheduledMs, atOnce, early?.connection);
      atOnce = waited ? 0 : atOnce + 1;
      if (this.#stop.signal.aborted) break;
      this.#fold.arrive(request.scheduledMs, monotonicMs());
      const place = early ?? free.pop();
      if (place === undefined) {
        if (!this.#backlog.add(request)) this.#fold.drop(request.scheduledMs, monotonicMs());
        continue;
      }
      const first = prepared ?? this.#prepare(place.connection, request.index);
      const exchange = this.#serveQueue(place, request, first).then(() => {
        exchanges.delete(exchange);
        free.push(place);
      });
      exchanges.add(exchange);
    }
    if (!this.#stop.signal.aborted) {
      // A trace that is over: its last answers are those of a load that ends, and not of a steady one.
      const fault = this.#fold.hasWindow ? this.#fold.steadyFault(monotonicMs()) : null;
      this.#stopReason = fault ?? 'The last request came before enough answers had come inside the window.';
      this.#fold.closeWindow(monotonicMs());
      this.#onSatisfied();
    }
    while (exchanges.size > 0) await Promise.all(exchanges);
  }

  /** Waits until then, or until nothing more shall be sent; gives whether sockets were read meanwhile. */
  async #waitForTurn(atMs: number, atOnce: number, connection: Connection | undefined): Promise<boolean> {
    if (monotonicMs() >= atMs) {
      if (atOnce < DUE_AT_ONCE) return false;
      await turn();
      return true;
    }
    await this.#waitUntil(atMs - REFRESH_BEFORE_MS);
    connection?.refresh(atMs);
    // A timer may fire a part of a millisecond early.
    while (monotonicMs() < atMs && !this.#stop.signal.aborted)
      await this.#waitUntil(Math.max(atMs, monotonicMs() + 1));
    return true;
  }

  /** Sends a request, and on the same connection those that wait, until none does or nothing more shall be sent. */
  async #serveQueue(
    { connection, worker }: { readonly connection: Connection; readonly worker: number },
    request: Waiting,
    prepared: PreparedRequest,
  ): Promise<void> {
    let dueMs = request.scheduledMs;
    let next = prepared;
    for (let current: Waiting | null = request; current !== null; ) {
      const { sample } = await this.#send(next, current.scheduledMs);
      const taken = this.#add(sample, worker, dueMs);
      if (sample.failure === 'canceled') return;
      this.#noteEnd(worker, sample);
      dueMs = monotonicMs();
      if (taken !== undefined) await taken;
      if (this.#stop.signal.aborted) return;
      const waiting = this.#backlog.take(monotonicMs());
      for (const { scheduledMs } of waiting.tooLate) this.#fold.drop(scheduledMs, monotonicMs());
      current = waiting.next;
      if (current !== null) next = this.#prepare(connection, current.index);
    }
  }

  /** Of a shard that shall have a steady window: opens it, sees whether it is satisfied, and whether it fails. */
  #noteEnd(worker: number, sample: Sample): void {
    const { load } = this.#order;
    if (!hasWindow(load)) return;
    if (!this.#fold.hasWindow && !this.#stop.signal.aborted && this.#isFilled(worker, sample))
      this.#fold.openWindow(monotonicMs(), worker);
    if (!isTrace(load) && this.#fold.succeededInside >= load.minRequests)
      if (this.#isSteady() || this.#staysUnsteady()) this.#onSatisfied();
    this.#stopIfHopeless(sample.failure);
    const failing = this.#satisfied ? null : this.#failing(load.minRequests);
    if (failing !== null) this.#stopIssuing(`stopped early: ${failing}`);
  }

  /**
   * Whether the load is what it will be. Of a closed loop with the last worker's first answer (a failure is one too:
   * where a part of the load is refused, that is the steady state); of an open one when it has lasted as long as its
   * requests take, so that about as many have ended as have come.
   */
  #isFilled(worker: number, sample: Sample): boolean {
    if (this.#order.load.mode !== 'open') {
      this.#waiting.delete(worker);
      return this.#waiting.size === 0;
    }
    const warmIn = this.#warmIn;
    warmIn.ended += 1;
    warmIn.tookMs += sample.e2eMs;
    return warmIn.ended >= WARM_IN_REQUESTS && monotonicMs() - warmIn.beganMs >= warmIn.tookMs / warmIn.ended;
  }

  #stopIfHopeless(failure: RequestFailure | null): void {
    this.#hopelessInARow =
      failure !== null && FAILURE_TRAITS[failure].hopeless ? this.#hopelessInARow + 1 : 0;
    if (failure === null || this.#hopelessInARow < HOPELESS_IN_A_ROW) return;
    // A prompt may be refused for its length or its form, which the next cell's need not be; a credential is refused.
    if (failure === 'auth') this.#abortedBy ??= failure;
    this.#stopIssuing(
      `The shard stopped itself: ${HOPELESS_IN_A_ROW} requests in a row failed as ${failure}.`,
    );
  }

  #failing(minRequests: number): string | null {
    return failureStop(this.#fold.endedInside, this.#order.connections, minRequests);
  }

  /** Whether the gates of a steady state hold by now; looked at a few times a second, since it costs a walk. */
  #isSteady(): boolean {
    const nowMs = monotonicMs();
    if (nowMs < this.#nextLookMs) return false;
    this.#nextLookMs = nowMs + BETWEEN_LOOKS_MS;
    const fault = this.#fold.steadyFault(nowMs);
    return fault === null;
  }

  /** Then waiting for a steady state would cost time of a GPU and bring none. */
  #staysUnsteady(): boolean {
    return staysUnsteady(this.#fold.endedInside);
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
      await this.#add(answer.sample, worker, answer.sample.scheduledMs);
      return;
    }
  }

  #add(sample: Sample, worker: number, dueMs: number): Promise<void> | void {
    this.#fold.add(sample, worker);
    if (sample.failure !== 'canceled') return this.#onSample(sample, dueMs);
  }

  async #send(prepared: PreparedRequest, scheduledMs: number): Promise<Answer> {
    this.#fold.enter(monotonicMs(), scheduledMs);
    const request = prepared.send(scheduledMs);
    this.#running.add(request);
    const answer = await request.answer;
    this.#running.delete(request);
    this.#fold.leave(monotonicMs());
    return answer;
  }

  #prepareFirst(connections: readonly Connection[]): PreparedRequest[] {
    this.#nextIndex = connections.length;
    return connections.map((connection, worker) => this.#prepare(connection, worker));
  }

  #prepare(connection: Connection, index: number): PreparedRequest {
    return prepareRequest(connection, this.#target, { index, ...askOf(this.#order, index) });
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
    const nowMs = monotonicMs();
    const open = this.#order.load.mode === 'open';
    // That a server does not keep up says more than that too few of its answers came.
    this.#stopReason = (open && reason === TIME_IS_OVER ? this.#fold.steadyFault(nowMs) : null) ?? reason;
    this.#fold.closeWindow(nowMs);
    this.#stop.abort();
    if (!this.#canceled.signal.aborted)
      for (const { scheduledMs } of this.#backlog.clear()) this.#fold.drop(scheduledMs, nowMs);
    if (hasWindow(this.#order.load)) this.#onSatisfied();
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

const TIME_IS_OVER = 'The shard had too few answers inside its window when its time was over.';

/** A recorded load is played to its end: its last requests may be its busiest. */
function isTrace(load: ShardOrder['load']): boolean {
  return load.mode === 'open' && load.arrivals.kind === 'trace';
}

function hasWindow(load: ShardOrder['load']): load is SteadyLoad | OpenLoad {
  return load.mode === 'steady' || load.mode === 'open';
}
