/**
 * How far a figure may be off: intervals of a mean over repeats, of a percentile and of a share of requests. Pure.
 *
 * What cannot be told is null, never a zero or a NaN: there is no interval of one repeat, and no interval of a p99 of
 * fifty requests.
 */
import { betaQuantile, binomialCdf, studentTQuantile } from './distribution.ts';

/** A mean over repeats, with how sure of it one may be. */
export interface MeanInterval {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
  readonly halfWidth: number;
  /** Half-width as a share of the mean; null where the mean is zero. */
  readonly relativeHalfWidth: number | null;
  /** The level that the quantile was taken at, such as 0.95. */
  readonly confidence: number;
  readonly count: number;
  readonly standardError: number;
  /** Sample standard deviation as a share of the mean; null where the mean is zero. */
  readonly coefficientOfVariation: number | null;
  readonly degreesOfFreedom: number;
  /** All values are the same number, so the zero width says nothing about how sure they are. */
  readonly allEqual: boolean;
}

/** The level of every interval of ours that does not name another. */
export const CONFIDENCE = 0.95;

/**
 * Student's interval of the mean, `mean +- t(n - 1) * s / sqrt(n)`: right where the values are independent and about
 * normal, such as one throughput a repeat. Null below two values. Throws for a value that is not a number.
 */
export function meanInterval(
  values: readonly number[],
  confidence: number = CONFIDENCE,
): MeanInterval | null {
  if (!values.every(Number.isFinite))
    throw new RangeError(`Not all of these are numbers: ${values.join(', ')}.`);
  const [first] = values;
  if (first === undefined || values.length < 2) return null;
  const count = values.length;
  const allEqual = values.every((value) => value === first);
  const mean = allEqual ? first : values.reduce((sum, value) => sum + value, 0) / count;
  const squares = allEqual ? 0 : values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (count - 1));
  const standardError = deviation / Math.sqrt(count);
  const halfWidth = studentTQuantile((1 + confidence) / 2, count - 1) * standardError;
  return {
    mean,
    lower: mean - halfWidth,
    upper: mean + halfWidth,
    halfWidth,
    relativeHalfWidth: mean === 0 ? null : halfWidth / Math.abs(mean),
    confidence,
    count,
    standardError,
    coefficientOfVariation: mean === 0 ? null : deviation / Math.abs(mean),
    degreesOfFreedom: count - 1,
    allEqual,
  };
}

/** Values in ascending order, asked for by rank from 1 to `count`: a sorted list, or a histogram. */
export interface Ranked {
  readonly count: number;
  valueAt(rank: number): number;
}

export function rankedValues(ascending: readonly number[]): Ranked {
  return { count: ascending.length, valueAt: (rank) => ascending[rank - 1] as number };
}

/** Of a `DurationHistogram`, in milliseconds, as exact as its buckets: three digits. */
export function rankedDurations(histogram: {
  readonly count: number;
  quantileMs(quantile: number): number | null;
}): Ranked {
  const { count } = histogram;
  return { count, valueAt: (rank) => histogram.quantileMs(rank / count) as number };
}

/** What may be said of a percentile. */
export type PercentileInterval =
  | { readonly kind: 'two-sided'; readonly value: number; readonly lower: number; readonly upper: number }
  /** Enough to bound it from above at the same confidence, and not enough to bound it from both sides. */
  | { readonly kind: 'upper-bound'; readonly value: number; readonly lower: null; readonly upper: number }
  /** Not to be printed. */
  | { readonly kind: 'too-few'; readonly value: null; readonly count: number; readonly needed: number };

/**
 * The distribution-free interval of a percentile from order statistics (Conover, Practical Nonparametric Statistics,
 * section 3.2; David and Nagaraja, Order Statistics, section 7.1). With B values below the true percentile,
 * binomial(n, quantile), the l-th and u-th smallest value enclose it unless B < l or B >= u; l is the largest rank and
 * u the smallest for which each of the two has at most half of what the confidence leaves over. Where even the
 * largest value is no upper end of that kind, it may still be a one-sided bound. Values must be independent: requests
 * of one repeat are nearly so once the load is steady.
 */
export function percentileInterval(
  ranked: Ranked,
  quantile: number,
  confidence: number = CONFIDENCE,
): PercentileInterval {
  const { count } = ranked;
  const needed = leastCount(quantile, 'upper-bound', confidence);
  if (count < needed) return { kind: 'too-few', value: null, count, needed };
  const value = ranked.valueAt(Math.max(1, Math.ceil(quantile * count - ROUNDING)));
  const tail = (1 - confidence) / 2;
  const lowerRank = largestRank(count, (rank) => binomialCdf(rank - 1, count, quantile) <= tail);
  const upperRank = upperRankOf(count, quantile, tail);
  if (lowerRank !== null && upperRank !== null) {
    return {
      kind: 'two-sided',
      value,
      lower: ranked.valueAt(lowerRank),
      upper: ranked.valueAt(upperRank),
    };
  }
  const bound = upperRankOf(count, quantile, 1 - confidence);
  return { kind: 'upper-bound', value, lower: null, upper: ranked.valueAt(bound ?? count) };
}

/**
 * The fewest values for which a percentile has an interval: an upper bound exists from `quantile^n <= 1 - confidence`
 * on (59 for p95, 299 for p99), two sides from `quantile^n <= (1 - confidence) / 2` and the mirror of it (72 and 368).
 */
export function leastCount(
  quantile: number,
  kind: 'upper-bound' | 'two-sided',
  confidence: number = CONFIDENCE,
): number {
  const need = (share: number, left: number) =>
    Math.max(1, Math.ceil(Math.log(left) / Math.log(share) - ROUNDING));
  if (kind === 'upper-bound') return need(quantile, 1 - confidence);
  return Math.max(need(quantile, (1 - confidence) / 2), need(1 - quantile, (1 - confidence) / 2));
}

/** A share of requests with both ends of its exact interval. */
export interface ShareInterval {
  readonly share: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * The exact two-sided interval of a share (Clopper and Pearson, Biometrika 26, 1934), from beta quantiles. It errs
 * on the wide side. Null without a trial.
 */
export function shareInterval(
  met: number,
  attempted: number,
  confidence: number = CONFIDENCE,
): ShareInterval | null {
  if (attempted === 0) return null;
  const tail = (1 - confidence) / 2;
  return {
    share: met / attempted,
    lower: lowerShare(met, attempted, tail),
    upper: 1 - lowerShare(attempted - met, attempted, tail),
  };
}

/**
 * The share that is reached at the least, with one-sided confidence (Clopper-Pearson): the number to hold against an
 * SLO's attainment. `attempted` counts every request, since a failure is a miss. 59 of 59 show 95 %, 58 of 58 do not.
 */
export function shareLowerBound(
  met: number,
  attempted: number,
  confidence: number = CONFIDENCE,
): number | null {
  return attempted === 0 ? null : lowerShare(met, attempted, 1 - confidence);
}

/** Keeps `0.95 * 20` from becoming rank 20 by the last bit of a double. */
const ROUNDING = 1e-9;

function lowerShare(met: number, attempted: number, tail: number): number {
  if (!(met >= 0 && met <= attempted)) throw new RangeError(`${met} of ${attempted} is no share.`);
  return met === 0 ? 0 : betaQuantile(tail, met, attempted - met + 1);
}

/** The smallest rank u <= n with P(B >= u) <= tail. P(B >= u) falls with u, so the ranks below it all fail. */
function upperRankOf(count: number, quantile: number, tail: number): number | null {
  // P(B >= u) is the binomial of the complement, P(n - B <= n - u): a small tail without a subtraction.
  const isOut = (rank: number) => binomialCdf(count - rank, count, 1 - quantile) <= tail;
  const mirrored = largestRank(count, (rank) => isOut(count + 1 - rank));
  return mirrored === null ? null : count + 1 - mirrored;
}

/** The largest rank from 1 to `count` that holds, where holding ranks come first; null where none does. */
function largestRank(count: number, holds: (rank: number) => boolean): number | null {
  let [below, above] = [0, count + 1];
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (holds(middle)) below = middle;
    else above = middle;
  }
  return below === 0 ? null : below;
}
