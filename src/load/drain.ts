/**
 * Waiting until an endpoint is idle again. A request that timed out, here or at the front door, is given up by who
 * asked and not by the GPU: the container goes on with it, and with what waits behind it, and the next cell would
 * measure both. So one small request at a time is sent until it is answered as quickly as by an idle endpoint.
 */
import type { RequestFailure } from '../core/failure.ts';
import type { Drained, ShardOrder, ShardSummary } from '../core/measuring/shard.ts';
import { buildPrompt } from '../core/requests/prompt.ts';
import { deriveSeed } from '../core/statistics/seed.ts';
import { monotonicMs } from './clock.ts';
import { buildSharedConnector, Connection } from './connection.ts';
import { prepareRequest, prepareTarget, type TargetOrder } from './request.ts';

/** Small enough to be no load itself, long enough to be slowed by what runs beside it. */
const PROMPT_TOKENS = 32;
const OUTPUT_TOKENS = 8;
/** A median of three forgives one slow answer. */
const IDLE_REQUESTS = 3;
/** How much slower than on an idle endpoint counts as idle: answers differ by as much between two quiet moments. */
const IDLE_FACTOR = 1.5;
/** Of a fast endpoint, what a scheduler of this machine may take. */
const IDLE_MARGIN_MS = 50;
/** Azure ML's longest request timeout: what was admitted is over by then, answered or given up. */
const LONGEST_DRAIN_MS = 180_000;
/** Between two requests, so that an endpoint which refuses at once is not hammered. */
const PAUSE_MS = 500;

/**
 * Failures after which something may still be at work: those that somebody gave up waiting for, and the signs of an
 * overload, behind which there may be more of them.
 */
const LEAVES_WORK: ReadonlySet<RequestFailure> = new Set([
  'client-timeout',
  'deadline-server',
  'throttle-queue',
  'throttle-rate',
  'gateway',
  'server-error',
  'model-error',
  'reset',
]);
/** After a refusal alone nothing of ours is at work: it was never begun. */
const REFUSALS: ReadonlySet<RequestFailure> = new Set(['throttle-queue', 'throttle-rate']);

/** What a drain needs to know of an endpoint; a ShardOrder has all of it. */
export type DrainTarget = TargetOrder & Pick<ShardOrder, 'seed' | 'templateTokens'>;

export interface IdleTime {
  /** What a drain's request takes on an endpoint that is otherwise idle; null where it gives no good answer. */
  readonly idleMs: number | null;
  /** Requests that were sent to find it out. */
  readonly requests: number;
}

export async function timeIdleRequest(target: DrainTarget): Promise<IdleTime> {
  const line = new SmallRequests(target, new AbortController().signal);
  const tookMs: number[] = [];
  try {
    while (tookMs.length < IDLE_REQUESTS) {
      const ms = await line.send(target.requestTimeoutMs);
      if (ms === null) return { idleMs: null, requests: line.sent };
      tookMs.push(ms);
    }
  } finally {
    await line.close();
  }
  return { idleMs: tookMs.toSorted((one, other) => one - other)[1] ?? null, requests: line.sent };
}

/**
 * After a shard has ended: waits where its order says so and its failures give reason to, at most as long as a request
 * may take and never past `signal`; and tells whether the endpoint may be busy all the same.
 */
export async function drainAfter(
  order: ShardOrder,
  failures: ShardSummary['failures'],
  signal: AbortSignal,
): Promise<Required<Pick<ShardSummary, 'drained' | 'leftBusy'>>> {
  const seen = Object.keys(failures) as RequestFailure[];
  const left = seen.filter((failure) => LEAVES_WORK.has(failure));
  const { drain } = order;
  if (left.length === 0) return { drained: null, leftBusy: false };
  if (!drain || signal.aborted)
    return { drained: null, leftBusy: left.some((failure) => !REFUSALS.has(failure)) };
  const drained = await waitUntilIdle(order, drain.idleMs, signal);
  return { drained, leftBusy: !drained.idle };
}

async function waitUntilIdle(order: ShardOrder, idleMs: number, signal: AbortSignal): Promise<Drained> {
  const beganMs = monotonicMs();
  const endMs = beganMs + Math.min(order.requestTimeoutMs, LONGEST_DRAIN_MS);
  const quickMs = Math.max(IDLE_FACTOR * idleMs, idleMs + IDLE_MARGIN_MS);
  const line = new SmallRequests(order, signal);
  try {
    for (;;) {
      const tookMs = await line.send(endMs - monotonicMs());
      const idle = tookMs !== null && tookMs <= quickMs;
      if (!idle && !signal.aborted) await pause(Math.min(PAUSE_MS, endMs - monotonicMs()), signal);
      if (idle || signal.aborted || monotonicMs() >= endMs)
        return { seconds: (monotonicMs() - beganMs) / 1000, requests: line.sent, idle };
    }
  } finally {
    await line.close();
  }
}

/** Small requests one after the other on a connection of their own. */
class SmallRequests {
  readonly #target: DrainTarget;
  readonly #connection: Connection;
  readonly #signal: AbortSignal;
  sent = 0;

  constructor(target: DrainTarget, signal: AbortSignal) {
    this.#target = target;
    this.#signal = signal;
    this.#connection = new Connection(
      new URL(target.route.url),
      buildSharedConnector(target.requestTimeoutMs, target.connectAddress),
    );
  }

  /** Milliseconds that it took; null where no good answer came within the limit, or the signal came first. */
  async send(limitMs: number): Promise<number | null> {
    if (limitMs <= 0 || this.#signal.aborted) return null;
    const { charactersPerToken, templateTokens, seed, requestIdPrefix } = this.#target;
    const order = { ...this.#target, requestTimeoutMs: limitMs, requestIdPrefix: `drain-${requestIdPrefix}` };
    const prompt = buildPrompt(
      { promptTokens: PROMPT_TOKENS, charactersPerToken, templateTokens },
      deriveSeed(seed, 'drain'),
      this.sent,
    );
    const target = prepareTarget(order, OUTPUT_TOKENS);
    const request = prepareRequest(this.#connection, target, { index: this.sent, prompt }).send(
      monotonicMs(),
    );
    this.sent += 1;
    const cancel = () => request.cancel();
    this.#signal.addEventListener('abort', cancel);
    try {
      const { sample } = await request.answer;
      return sample.failure === null ? sample.e2eMs : null;
    } finally {
      this.#signal.removeEventListener('abort', cancel);
    }
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

/** Ends early, and quietly, with the signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
