/**
 * Whether a measurement measured the server or the client. Every load thread watches itself (load/client-watch.ts);
 * what it saw is judged here, so that a cell whose client was the limit is never taken for a slow server. Pure.
 */

/** What one load thread saw of itself while it loaded. Times are milliseconds. */
export interface ClientHealth {
  /** How long it was watched: from the first send, or a moment before, to the last answer. */
  readonly watchedSeconds: number;
  /**
   * How late the thread's event loop ran what was due: the 99th percentile of what something due every 5 ms would
   * have waited. A stamp may be late by as much. Node's timers tell it to about 1 ms.
   */
  readonly loopLagP99Ms: number;
  readonly loopLagMaxMs: number;
  /** Share of the time that the event loop was not waiting, 0 to 1. */
  readonly busyShare: number;
  /** CPU time of the thread; null where this Node cannot tell it (before 23.9). */
  readonly cpuSeconds: number | null;
  readonly gcPauseMs: number;
  readonly gcLongestMs: number;
  /**
   * From when a request was wanted to when it was handed to its connection. The 99th percentile of fewer than 100
   * requests is the longest one. Null without a request.
   */
  readonly sendDelayMeanMs: number | null;
  readonly sendDelayP99Ms: number | null;
  /** Median TCP connect time to the endpoint; null where no connection could be opened. */
  readonly roundTripMs: number | null;
}

/** A stamp this late is an error of a percent in a TTFT of half a second, which is a short one. */
const LEAST_LAG_MS = 5;
const LAG_SHARE_OF_TTFT = 0.02;
/** 100 values of what is due every 5 ms; of fewer, a 99th percentile is the longest one under another name. */
const LEAST_WATCHED_SECONDS = 0.5;
/** Of the connections, this share must be loaded; the other side of the same is the time between two requests. */
const LEAST_IN_FLIGHT_SHARE = 0.95;
const LARGEST_IDLE_SHARE = 0.05;
/** Less than this between two requests says nothing: it is what a timer or a context switch takes. */
const LEAST_SEND_DELAY_MS = 1;
/** A worker whose request failed waits this long at the most before its next (load/loop.ts). */
const LONGEST_PAUSE_SECONDS = 1;

/** Several threads as one: the worst of each time, since every sample lies in one of them; sums where they add. */
export function mergeClientHealth(threads: readonly (ClientHealth | undefined)[]): ClientHealth | null {
  const known = threads.filter((thread) => thread !== undefined);
  if (known.length === 0 || known.length < threads.length) return null;
  const worst = (value: (thread: ClientHealth) => number) => Math.max(...known.map(value));
  const worstKnown = (value: (thread: ClientHealth) => number | null) => {
    const values = known.map(value).filter((one) => one !== null);
    return values.length === 0 ? null : Math.max(...values);
  };
  const sum = (value: (thread: ClientHealth) => number) =>
    known.reduce((total, thread) => total + value(thread), 0);
  const trips = known.map((thread) => thread.roundTripMs).filter((ms) => ms !== null);
  return {
    watchedSeconds: worst((thread) => thread.watchedSeconds),
    loopLagP99Ms: worst((thread) => thread.loopLagP99Ms),
    loopLagMaxMs: worst((thread) => thread.loopLagMaxMs),
    busyShare: worst((thread) => thread.busyShare),
    cpuSeconds: known.some((thread) => thread.cpuSeconds === null)
      ? null
      : sum((thread) => thread.cpuSeconds ?? 0),
    gcPauseMs: sum((thread) => thread.gcPauseMs),
    gcLongestMs: worst((thread) => thread.gcLongestMs),
    sendDelayMeanMs: worstKnown((thread) => thread.sendDelayMeanMs),
    sendDelayP99Ms: worstKnown((thread) => thread.sendDelayP99Ms),
    // Threads of one machine look at one network: the quickest saw the least of the client's own queue.
    roundTripMs: trips.length === 0 ? null : Math.min(...trips),
  };
}

/** What a measurement is judged by. */
export interface ClientEvidence {
  /** Null where a thread told nothing. */
  readonly client: ClientHealth | null;
  /** In a closed loop every connection is to be loaded all the time; in an open one it is not. */
  readonly closedLoop: boolean;
  readonly connections: number;
  readonly meanInFlight: number;
  /** Length of the steady window; null without one, and then in-flight is not judged: the end of a load drains. */
  readonly steadySeconds: number | null;
  readonly failed: number;
  readonly ttftP50Ms: number | null;
  readonly e2eP50Ms: number | null;
  readonly e2eMeanMs: number | null;
}

export interface ClientVerdict {
  /** False where the client was the limit or too late with its stamps; null where it was not watched for half a second. */
  readonly valid: boolean | null;
  /** A sentence for each thing that is wrong, with the remedy. */
  readonly faults: readonly string[];
}

/**
 * A measurement is invalid where the event loop was late by more than max(5 ms, 2 % of the median TTFT, or of the
 * median E2E where nothing streamed) at its 99th percentile, where fewer than 95 % of the connections were loaded
 * inside the steady window (pauses after failures forgiven), or where a closed loop left its connections idle for
 * more than 5 % of the time of a request.
 */
export function judgeClient(evidence: ClientEvidence): ClientVerdict {
  const { client } = evidence;
  if (client === null || client.watchedSeconds < LEAST_WATCHED_SECONDS) return { valid: null, faults: [] };
  const faults = [
    judgeLoopLag(client, evidence),
    ...(evidence.closedLoop ? [judgeInFlight(evidence), judgeSendDelay(client, evidence)] : []),
  ].filter((fault) => fault !== null);
  return { valid: faults.length === 0, faults };
}

function judgeLoopLag(client: ClientHealth, { ttftP50Ms, e2eP50Ms }: ClientEvidence): string | null {
  const limitMs = Math.max(LEAST_LAG_MS, LAG_SHARE_OF_TTFT * (ttftP50Ms ?? e2eP50Ms ?? 0));
  return client.loopLagP99Ms > limitMs
    ? `The client's event loop was late by ${write(client.loopLagP99Ms)} ms at its 99th percentile (${write(limitMs)} ms are allowed), so its stamps are late: give it a CPU of its own, or spread the connections over more shards.`
    : null;
}

function judgeInFlight({ connections, meanInFlight, steadySeconds, failed }: ClientEvidence): string | null {
  if (steadySeconds === null || steadySeconds <= 0) return null;
  const pausedConnections = (failed * LONGEST_PAUSE_SECONDS) / steadySeconds;
  return meanInFlight + pausedConnections < LEAST_IN_FLIGHT_SHARE * connections
    ? `Only ${write(meanInFlight)} of ${connections} requests were in flight on average (95 % are needed), so the server was asked for less than this row says: spread the connections over more shards.`
    : null;
}

/** Mean and not a percentile, since idle time adds up: the load is short by delay / (delay + E2E). */
function judgeSendDelay({ sendDelayMeanMs }: ClientHealth, { e2eMeanMs }: ClientEvidence): string | null {
  if (sendDelayMeanMs === null || e2eMeanMs === null || sendDelayMeanMs < LEAST_SEND_DELAY_MS) return null;
  const idleShare = sendDelayMeanMs / (sendDelayMeanMs + e2eMeanMs);
  return idleShare > LARGEST_IDLE_SHARE
    ? `The client sent its requests ${write(sendDelayMeanMs)} ms late on average, ${write(idleShare * 100)} % of their time (5 % are allowed): it was too slow, kept waiting by its own sample file, or had to open new connections because the server closes them.`
    : null;
}

function write(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
