/**
 * Prefill and decode without a stream: `/score` answers in one piece, so no time to first token exists, but the two
 * parts still show in how the time of a whole answer grows with its lengths. Pure.
 */
import { studentTQuantile } from './distribution.ts';
import { CONFIDENCE } from './interval.ts';

/** One mean, or one request, at concurrency 1. */
export interface FitPoint {
  /** Tokens as measured, not as asked for. */
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly e2eMs: number;
  /** In proportion to 1 / variance of `e2eMs`: of a mean of n equal requests, n. 1 where absent. */
  readonly weight?: number;
}

export interface FittedValue {
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

/** Says where it comes from, so that it cannot be taken for something that was timed. */
export interface PrefillDecodeFit {
  readonly source: 'fitted';
  /** What an answer of no tokens to a prompt of none would take: network, queue, wrapper. */
  readonly fixedMs: FittedValue;
  readonly prefillMsPerToken: FittedValue;
  readonly decodeMsPerToken: FittedValue;
  readonly points: number;
  readonly degreesOfFreedom: number;
  /** Share of the spread of E2E that is explained. */
  readonly rSquared: number;
}

export type PrefillDecode =
  | { readonly fit: PrefillDecodeFit; readonly reason: null }
  | { readonly fit: null; readonly reason: string };

/** Three coefficients and at least one point to tell their error from. */
const LEAST_POINTS = 4;
/**
 * Lengths that go together this closely (R^2) cannot be told apart: their coefficients' variance is 50 times what it
 * would be with independent lengths (variance inflation 1 / (1 - R^2)).
 */
const TOGETHER = 0.98;
/** One size, measured with the drift of a tokenizer: lengths within 1 % of each other. */
const SAME_SIZE = 0.01;

/**
 * E2E = a + b * prompt tokens + d * output tokens by weighted least squares, at concurrency 1, with Student intervals
 * at 95 % of n - 3 degrees of freedom (Draper and Smith, Applied Regression Analysis, chapters 5 and 9). b is prefill
 * per token, d decode per token. The line is a first order: attention makes long prompts dearer than in proportion,
 * which then shows as a low R^2 or a negative a. Points of several repeats of each workload give honest intervals;
 * single requests of one repeat are less independent than they look.
 */
export function fitPrefillDecode(points: readonly FitPoint[]): PrefillDecode {
  if (points.length < LEAST_POINTS) {
    return none(`${points.length} points; three coefficients and their error need at least ${LEAST_POINTS}.`);
  }
  if (isOneSize(points.map((point) => point.promptTokens))) {
    return none(
      'All prompts have one size, so prefill cannot be told from fixed time; add a second prompt size.',
    );
  }
  if (isOneSize(points.map((point) => point.outputTokens))) {
    return none(
      'All outputs have one size, so decode cannot be told from fixed time; add a second output size.',
    );
  }
  const sums = centredSums(points);
  const together = sums.po ** 2 / (sums.pp * sums.oo);
  if (together > TOGETHER) {
    return none(
      'Prompts and outputs grow together, so prefill cannot be told from decode; add a workload with a long prompt and a short output.',
    );
  }
  return { fit: solve(points, sums), reason: null };
}

interface CentredSums {
  readonly weight: number;
  readonly meanP: number;
  readonly meanO: number;
  readonly meanY: number;
  readonly pp: number;
  readonly oo: number;
  readonly po: number;
  readonly py: number;
  readonly oy: number;
  readonly yy: number;
}

/** Sums of squares and products about the weighted means; p is prompt, o output, y E2E. */
function centredSums(points: readonly FitPoint[]): CentredSums {
  const sum = (value: (point: FitPoint) => number) =>
    points.reduce((total, point) => total + (point.weight ?? 1) * value(point), 0);
  const weight = sum(() => 1);
  const meanP = sum((point) => point.promptTokens) / weight;
  const meanO = sum((point) => point.outputTokens) / weight;
  const meanY = sum((point) => point.e2eMs) / weight;
  const p = (point: FitPoint) => point.promptTokens - meanP;
  const o = (point: FitPoint) => point.outputTokens - meanO;
  const y = (point: FitPoint) => point.e2eMs - meanY;
  return {
    weight,
    meanP,
    meanO,
    meanY,
    pp: sum((point) => p(point) ** 2),
    oo: sum((point) => o(point) ** 2),
    po: sum((point) => p(point) * o(point)),
    py: sum((point) => p(point) * y(point)),
    oy: sum((point) => o(point) * y(point)),
    yy: sum((point) => y(point) ** 2),
  };
}

/** The two slopes from the centred 2 x 2 system, then the intercept; variances from the same inverse. */
function solve(points: readonly FitPoint[], sums: CentredSums): PrefillDecodeFit {
  const { meanP, meanO, pp, oo, po } = sums;
  const determinant = pp * oo - po * po;
  const prefill = (oo * sums.py - po * sums.oy) / determinant;
  const decode = (pp * sums.oy - po * sums.py) / determinant;
  const fixed = sums.meanY - prefill * meanP - decode * meanO;
  const residual = points.reduce((total, point) => {
    const off = point.e2eMs - fixed - prefill * point.promptTokens - decode * point.outputTokens;
    return total + (point.weight ?? 1) * off * off;
  }, 0);
  const degreesOfFreedom = points.length - 3;
  const variance = residual / degreesOfFreedom;
  const t = studentTQuantile((1 + CONFIDENCE) / 2, degreesOfFreedom);
  const within = (value: number, factor: number): FittedValue => {
    const halfWidth = t * Math.sqrt(variance * factor);
    return { value, lower: value - halfWidth, upper: value + halfWidth };
  };
  const ofMeans = (oo * meanP ** 2 - 2 * po * meanP * meanO + pp * meanO ** 2) / determinant;
  return {
    source: 'fitted',
    fixedMs: within(fixed, 1 / sums.weight + ofMeans),
    prefillMsPerToken: within(prefill, oo / determinant),
    decodeMsPerToken: within(decode, pp / determinant),
    points: points.length,
    degreesOfFreedom,
    rSquared: sums.yy > 0 ? 1 - residual / sums.yy : 1,
  };
}

function isOneSize(sizes: readonly number[]): boolean {
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  return most - least <= SAME_SIZE * most;
}

function none(reason: string): PrefillDecode {
  return { fit: null, reason };
}
