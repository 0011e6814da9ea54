/**
 * Whether a repeat was steady, so that the figures of its window are those of a state and not of a passage. Pure;
 * judged on the merged slices of all shards, while measuring (to extend it) and at its end.
 */
import { writePercent } from '../figure.ts';
import { studentTQuantile } from '../statistics/distribution.ts';
import { fitLine } from '../statistics/line.ts';
import type { SliceTrace } from './slices.ts';

export type SteadyGate = 'window' | 'completions' | 'in-flight' | 'halves' | 'trend';

export interface SteadyVerdict {
  readonly steady: boolean;
  /** The gates that failed, each with the sentence that says so; empty when steady. */
  readonly failed: readonly { readonly gate: SteadyGate; readonly sentence: string }[];
  /** What was judged; null where it cannot be told. */
  readonly seconds: number;
  readonly completions: number;
  /** Share of the time with at least 95 % of the connections in flight. */
  readonly fullShare: number | null;
  /** How far the second half's NTPOT lies from the first's, as a share of the two's mean. */
  readonly halvesDiffer: number | null;
  /** Change of NTPOT over the window by its slope, as a share of the mean; and whether it is shown. */
  readonly trend: { readonly change: number; readonly shown: boolean } | null;
}

/** Below 30 a mean is not about normal; three answers of each connection, so that none stands for itself. */
const LEAST_COMPLETIONS = 30;
const COMPLETIONS_PER_CONNECTION = 3;
const FULL_IN_FLIGHT = 0.95;
const FULL_TIME = 0.95;
const HALVES = 0.1;
/**
 * A slope fails the gate when it is shown at 99 % and moves NTPOT by 2 % over the window, which shifts the window's
 * mean by 1 %. At 95 %, one in twenty steady repeats would be extended and called unsteady; and without the 2 %,
 * thousands of requests would show a slope that changes no figure.
 */
const TREND_CONFIDENCE = 0.99;
const TREND_CHANGE = 0.02;
/** More groups have fewer answers each and depend on each other; fewer leave the test no degrees of freedom. */
const MOST_GROUPS = 12;
const LEAST_GROUPS = 3;
const COMPLETIONS_PER_GROUP = 5;

/**
 * The gates, over the slices that lie wholly inside the window:
 * - completions: at least max(30, 3 c) good answers;
 * - in flight: mean of a slice at least 0.95 c, for at least 95 % of the slices;
 * - halves: NTPOT (sum of E2E / sum of tokens) of the two halves differs by less than 10 %. With the requests in
 *   flight held, throughput is c / NTPOT (Little's law), so this holds its halves together too, and without the noise
 *   of counting whole answers at the edges;
 * - trend: t test of the slope of NTPOT over up to twelve groups of slices, weighted by answers.
 */
export function judgeSteady(trace: SliceTrace): SteadyVerdict {
  const slices = slicesInside(trace);
  const completions = total(slices, 'completions');
  const seconds = (slices.length * trace.sliceMs) / 1000;
  if (slices.length < 2) {
    const sentence =
      trace.window === null
        ? 'Not every connection had a first answer before issuing stopped, so there is no steady window.'
        : `The steady window is shorter than two slices of ${trace.sliceMs} ms.`;
    return {
      steady: false,
      failed: [{ gate: 'window', sentence }],
      seconds,
      completions,
      fullShare: null,
      halvesDiffer: null,
      trend: null,
    };
  }
  const fullShare = fullShareOf(slices, trace);
  const halvesDiffer = halvesDifferBy(slices);
  const trend = trendOf(slices, trace.connections);
  const failed = [
    completionsGate(completions, trace.connections),
    inFlightGate(fullShare, trace.connections),
    halvesGate(halvesDiffer),
    trendGate(trend),
  ].filter((gate) => gate !== null);
  return { steady: failed.length === 0, failed, seconds, completions, fullShare, halvesDiffer, trend };
}

/**
 * Why the window is not that of a steady state; null where it is. The completions are left to the callers, who count
 * them to the end of the window and by what the spec asks for, and not by whole slices.
 */
export function steadyFault(trace: SliceTrace): string | null {
  return judgeSteady(trace).failed.find(({ gate }) => gate !== 'completions')?.sentence ?? null;
}

type Failed = SteadyVerdict['failed'][number] | null;

function completionsGate(completions: number, connections: number): Failed {
  const needed = Math.max(LEAST_COMPLETIONS, COMPLETIONS_PER_CONNECTION * connections);
  if (completions >= needed) return null;
  const sentence = `${completions} good answers came inside the window; ${needed} are needed at ${connections} connections.`;
  return { gate: 'completions', sentence };
}

function inFlightGate(fullShare: number, connections: number): Failed {
  if (fullShare >= FULL_TIME) return null;
  const sentence = `At least 95 % of the ${connections} connections were in flight during ${writePercent(fullShare)} of the window only; 95 % is needed. The client or its network did not keep them busy.`;
  return { gate: 'in-flight', sentence };
}

function halvesGate(halvesDiffer: number | null): Failed {
  if (halvesDiffer === null) {
    return { gate: 'halves', sentence: 'One half of the window has no answer to compare with the other.' };
  }
  if (Math.abs(halvesDiffer) < HALVES) return null;
  const sentence = `Time per output token is ${writePercent(Math.abs(halvesDiffer))} ${halvesDiffer > 0 ? 'longer' : 'shorter'} in the second half of the window than in the first; less than 10 % is needed.`;
  return { gate: 'halves', sentence };
}

function trendGate(trend: SteadyVerdict['trend']): Failed {
  if (trend === null) {
    return { gate: 'trend', sentence: 'Answers came at fewer than three moments, too few to tell a trend.' };
  }
  if (!trend.shown || Math.abs(trend.change) < TREND_CHANGE) return null;
  const sentence = `Time per output token ${trend.change > 0 ? 'rises' : 'falls'} by ${writePercent(Math.abs(trend.change))} over the window, more than chance explains.`;
  return { gate: 'trend', sentence };
}

interface Slice {
  readonly inFlightMs: number;
  readonly completions: number;
  readonly e2eMs: number;
  readonly outputTokens: number;
}

function slicesInside(trace: SliceTrace): Slice[] {
  const { window, sliceMs } = trace;
  if (window === null) return [];
  const first = Math.ceil(window.beginMs / sliceMs);
  const end = Math.min(Math.floor(window.endMs / sliceMs), trace.inFlightMs.length);
  return Array.from({ length: Math.max(0, end - first) }, (_, index) => ({
    inFlightMs: trace.inFlightMs[first + index] ?? 0,
    completions: trace.completions[first + index] ?? 0,
    e2eMs: trace.e2eMs[first + index] ?? 0,
    outputTokens: trace.outputTokens[first + index] ?? 0,
  }));
}

function fullShareOf(slices: readonly Slice[], trace: SliceTrace): number {
  const full = FULL_IN_FLIGHT * trace.connections * trace.sliceMs;
  return slices.filter((slice) => slice.inFlightMs >= full).length / slices.length;
}

function halvesDifferBy(slices: readonly Slice[]): number | null {
  const middle = Math.floor(slices.length / 2);
  const first = ntpotOf(slices.slice(0, middle));
  const second = ntpotOf(slices.slice(middle));
  return first === null || second === null ? null : (second - first) / ((first + second) / 2);
}

function trendOf(slices: readonly Slice[], connections: number): SteadyVerdict['trend'] {
  const completions = total(slices, 'completions');
  // Connections may answer together, so that a group must span several of their rounds to hold about as many each.
  const perGroup = Math.max(COMPLETIONS_PER_GROUP, connections);
  const groups = Math.max(LEAST_GROUPS, Math.min(MOST_GROUPS, Math.floor(completions / perGroup)));
  const size = Math.ceil(slices.length / groups);
  const points = Array.from({ length: Math.ceil(slices.length / size) }, (_, group) => {
    const part = slices.slice(group * size, (group + 1) * size);
    return { x: group * size + part.length / 2, y: ntpotOf(part), weight: total(part, 'completions') };
  }).filter((point): point is { x: number; y: number; weight: number } => point.y !== null);
  const mean = ntpotOf(slices);
  const line = points.length < LEAST_GROUPS ? null : fitLine(points);
  if (line === null || line.slopeStandardError === null || mean === null) return null;
  const t = studentTQuantile((1 + TREND_CONFIDENCE) / 2, line.degreesOfFreedom);
  return {
    change: (line.slope * slices.length) / mean,
    shown: Math.abs(line.slope) > t * line.slopeStandardError,
  };
}

/** Time per output token of all answers together: each token counts once. */
function ntpotOf(slices: readonly Slice[]): number | null {
  const tokens = total(slices, 'outputTokens');
  return tokens > 0 ? total(slices, 'e2eMs') / tokens : null;
}

function total(slices: readonly Slice[], column: keyof Slice): number {
  return slices.reduce((sum, slice) => sum + slice[column], 0);
}
