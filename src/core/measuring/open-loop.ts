/**
 * Whether an open loop was steady: the server kept up with what was asked of it. Pure; judged on the merged slices of
 * all shards, while measuring (to extend it) and at its end.
 *
 * In the trace of an open loop "in flight" is everything that was to be sent and has not ended, whether it waits for a
 * connection or for its answer: a load that waits at the client is the server's queue all the same.
 */
import { studentTQuantile } from '../statistics/distribution.ts';
import { fitLine } from '../statistics/line.ts';
import type { SliceTrace } from './slices.ts';

/** Requests of the window (or of all where there is none), by when they were to be sent. */
export interface OfferedLoad {
  readonly arrivals: number;
  /** Those of them that were sent. */
  readonly sent: number;
}

/** So much of the offered load must have been sent, or the rate that the row names was not that of the load. */
const SENT_SHARE = 0.95;
/** One request that waits at the end of the window is no sign of anything. */
const WAITING_FREE = 1;
/** Fewer mean answer times than this do not show whether a queue grows: each is about one independent look at it. */
const LEAST_ANSWER_TIMES = 6;
const MOST_GROUPS = 12;
/**
 * A queue of random arrivals wanders: growth counts where it is shown at 99 %, so that one in a hundred steady loads
 * is extended for nothing, and makes a quarter of the mean, and at least one request.
 */
const TREND_CONFIDENCE = 0.99;
const GROWTH_SHARE = 0.25;
const LEAST_GROWTH = 1;

/**
 * Why the window is not that of a steady open loop; null where it is:
 * - at least 95 % of what was to be sent inside it was sent;
 * - it is at least six mean answer times long;
 * - requests outstanding do not grow: t test of the slope over 6 to 12 groups of slices, each at least a mean answer
 *   time long.
 */
export function openLoopFault(trace: SliceTrace, offered: OfferedLoad): string | null {
  const { window, sliceMs } = trace;
  if (window === null) return 'Too few answers came before issuing stopped, so there is no steady window.';
  const missing = offered.arrivals - offered.sent;
  if (missing > Math.max(WAITING_FREE, (1 - SENT_SHARE) * offered.arrivals)) {
    return `The server did not keep up: of ${offered.arrivals} requests that were to be sent in the window, ${missing} were not, since all ${trace.connections} connections were busy.`;
  }
  const first = Math.ceil(window.beginMs / sliceMs);
  const end = Math.min(Math.floor(window.endMs / sliceMs), trace.inFlightMs.length);
  const inside = (column: readonly number[]) => column.slice(first, Math.max(first, end));
  const completions = sum(inside(trace.completions));
  const outstanding = inside(trace.inFlightMs).map((requestMs) => requestMs / sliceMs);
  const answerMs = sum(inside(trace.e2eMs)) / completions;
  if (completions === 0) return 'No good answer came inside the window.';
  const answerTimes = Math.floor((outstanding.length * sliceMs) / answerMs);
  const growth = growthOf(outstanding, answerTimes);
  if (growth !== null)
    return `The server did not keep up: requests outstanding grew by ${growth.toFixed(1)} over the window, more than chance explains.`;
  if (answerTimes >= LEAST_ANSWER_TIMES && outstanding.length >= LEAST_ANSWER_TIMES) return null;
  return `The window is ${seconds(outstanding.length * sliceMs)} long, and a mean answer takes ${seconds(answerMs)}: ${LEAST_ANSWER_TIMES} of those are needed to see whether the server keeps up.`;
}

/**
 * By how many the requests outstanding grew over the slices, by the line through their groups; null where not shown.
 * Groups of a window that is too short depend on each other; it is unsteady either way, and this is the better reason.
 */
function growthOf(outstanding: readonly number[], answerTimes: number): number | null {
  const groups = Math.min(
    outstanding.length,
    Math.max(LEAST_ANSWER_TIMES, Math.min(MOST_GROUPS, answerTimes)),
  );
  const points = Array.from({ length: groups }, (_, group) => {
    const from = Math.floor((group * outstanding.length) / groups);
    const part = outstanding.slice(from, Math.floor(((group + 1) * outstanding.length) / groups));
    return { x: from + part.length / 2, y: sum(part) / part.length };
  });
  const line = fitLine(points);
  if (line === null || line.slopeStandardError === null) return null;
  const t = studentTQuantile((1 + TREND_CONFIDENCE) / 2, line.degreesOfFreedom);
  const growth = line.slope * outstanding.length;
  const mean = sum(outstanding) / outstanding.length;
  const matters = growth >= Math.max(LEAST_GROWTH, GROWTH_SHARE * mean);
  return matters && line.slope > t * line.slopeStandardError ? growth : null;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`;
}
