/**
 * Service level objectives: what a request must keep to be a good one. All clauses must hold (as vLLM's and AIPerf's
 * goodput have it), a request that failed has kept none, and one whose metric does not exist (a TTFT where nothing
 * streams) can not be judged, which is never "met".
 */
import type { Sample } from '../measuring/sample.ts';

export interface Slo {
  /** Share of all attempted requests that must keep every clause, 0.5 to 0.999. */
  readonly attainment: number;
  /** Milliseconds; null is no clause. */
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
  readonly e2eMs: number | null;
}

/**
 * Of the same requests as the percentiles and the failures among them: those sent inside the steady window (of an open
 * loop: that were to be sent inside it), or all where there is none.
 */
export interface SloCounts {
  /** Failures and, of an open loop, requests that were never sent are in it: they are misses. */
  readonly attempted: number;
  readonly succeeded: number;
  readonly met: number;
  /** Succeeded, and lacks the metric of a clause. */
  readonly notEvaluable: number;
  /** Output tokens of the requests that met. */
  readonly outputTokensMet: number;
}

/**
 * What the arrival of contents tells of a stream: when its tokens came (`seen`), nothing, since a proxy held it back
 * (`held-back`), or that one may have (`unsure`).
 */
export type StreamTimes = 'seen' | 'unsure' | 'held-back';

/**
 * Whether one request kept the objectives. Times count from when the request was to be sent where the load is an open
 * loop (`fromScheduled`), so that waiting for a place does not hide; otherwise from its send.
 */
export function judgeSample(
  sample: Sample,
  slo: Slo,
  fromScheduled: boolean,
  streamTimes: StreamTimes = 'seen',
): 'met' | 'missed' | 'not-evaluable' {
  if (sample.failure !== null) return 'missed';
  const waitedMs = fromScheduled ? Math.max(0, sample.sentMs - sample.scheduledMs) : 0;
  const e2eMs = sample.e2eMs + waitedMs;
  // Who waits behind a proxy that holds back has the first token when it comes.
  const ttftMs =
    sample.ttftMs === null || streamTimes === 'held-back' ? null : exactly(sample.ttftMs + waitedMs);
  const clauses: readonly (readonly [limit: number | null, value: Bounds | null])[] = [
    [slo.e2eMs, exactly(e2eMs)],
    [slo.ttftMs, ttftMs],
    [slo.tpotMs, tpotBounds(sample, streamTimes)],
  ];
  const asked = clauses.filter(([limit]) => limit !== null) as [number, Bounds | null][];
  if (asked.some(([limit, value]) => value !== null && value.least > limit)) return 'missed';
  return asked.every(([limit, value]) => value !== null && value.most <= limit) ? 'met' : 'not-evaluable';
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

function exactly(value: number): Bounds {
  return { least: value, most: value };
}

/** Where an answer may have been held back, its tokens were made at some time between its send and its end. */
function tpotBounds({ ttftMs, e2eMs, outputTokens }: Sample, streamTimes: StreamTimes): Bounds | null {
  if (ttftMs === null || outputTokens < 2 || streamTimes === 'held-back') return null;
  const tpotMs = (e2eMs - ttftMs) / (outputTokens - 1);
  return { least: tpotMs, most: streamTimes === 'seen' ? tpotMs : e2eMs / (outputTokens - 1) };
}

/** Counts of shards, or of repeats, added up; null where none was held against anything. */
export function poolSlo(counts: readonly (SloCounts | null | undefined)[]): SloCounts | null {
  const known = counts.filter((one) => one !== null && one !== undefined);
  if (known.length === 0) return null;
  const sum = (name: keyof SloCounts) => known.reduce((total, one) => total + one[name], 0);
  return {
    attempted: sum('attempted'),
    succeeded: sum('succeeded'),
    met: sum('met'),
    notEvaluable: sum('notEvaluable'),
    outputTokensMet: sum('outputTokensMet'),
  };
}

/**
 * The share of the good answers that met the objectives: goodput is throughput times it. Null where no answer was
 * good, or none of them could be judged.
 */
export function metShareOfSucceeded({ succeeded, met, notEvaluable }: SloCounts): number | null {
  return succeeded === 0 || notEvaluable === succeeded ? null : met / succeeded;
}
