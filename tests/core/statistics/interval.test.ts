import { expect, test } from 'vitest';
import { DurationHistogram } from '../../../src/core/measuring/histogram.ts';
import { binomialCdf } from '../../../src/core/statistics/distribution.ts';
import {
  leastCount,
  meanInterval,
  percentileInterval,
  rankedDurations,
  rankedValues,
  shareInterval,
  shareLowerBound,
} from '../../../src/core/statistics/interval.ts';

test('the interval of a mean is the one worked out by hand', () => {
  // 10, 12, 14: mean 12, s 2, standard error 2/sqrt 3, t(2) at 97.5 % 4.302652730.
  const interval = meanInterval([10, 12, 14]);
  expect(interval?.mean).toBe(12);
  expect(interval?.standardError).toBeCloseTo(1.154700538, 9);
  expect(interval?.halfWidth).toBeCloseTo(4.968275424, 7);
  expect(interval?.lower).toBeCloseTo(7.031724576, 7);
  expect(interval?.relativeHalfWidth).toBeCloseTo(0.414022952, 8);
  expect(interval?.coefficientOfVariation).toBeCloseTo(1 / 6, 12);
  expect(interval).toMatchObject({ count: 3, degreesOfFreedom: 2, confidence: 0.95, allEqual: false });
});

test('there is no interval of one value or none', () => {
  expect(meanInterval([])).toBeNull();
  expect(meanInterval([42])).toBeNull();
});

test('equal values give a width of zero that is marked', () => {
  // Three times 0.1 is not 0.3 in doubles; the mean must be the value all the same.
  expect(meanInterval([0.1, 0.1, 0.1])).toMatchObject({
    mean: 0.1,
    lower: 0.1,
    upper: 0.1,
    halfWidth: 0,
    relativeHalfWidth: 0,
    coefficientOfVariation: 0,
    allEqual: true,
  });
  expect(meanInterval([0, 0])).toMatchObject({
    mean: 0,
    relativeHalfWidth: null,
    coefficientOfVariation: null,
  });
});

test('a value that is no number is a bug and not a figure', () => {
  expect(() => meanInterval([1, Number.NaN])).toThrow('numbers');
  expect(() => meanInterval([1, Number.POSITIVE_INFINITY])).toThrow('numbers');
});

test.each([
  [0.95, 'upper-bound', 59],
  [0.99, 'upper-bound', 299],
  [0.95, 'two-sided', 72],
  // 0.99^367 is 0.02501, a hair above 2.5 %; 368 is the first that holds.
  [0.99, 'two-sided', 368],
  [0.5, 'two-sided', 6],
  [0.9, 'upper-bound', 29],
  [0.05, 'two-sided', 72],
] as const)('p%d needs for a %s at least %d values', (quantile, kind, needed) => {
  expect(leastCount(quantile, kind)).toBe(needed);
  // The definition itself, at the number and one below it.
  const left = kind === 'upper-bound' ? 0.05 : 0.025;
  const edge = Math.max(quantile, kind === 'two-sided' ? 1 - quantile : 0);
  expect(edge ** needed).toBeLessThanOrEqual(left);
  expect(edge ** (needed - 1)).toBeGreaterThan(left);
});

test.each([
  [58, 0.95, 'too-few', null, null],
  [59, 0.95, 'upper-bound', null, 59],
  [71, 0.95, 'upper-bound', null, 71],
  [72, 0.95, 'two-sided', 64, 72],
  [298, 0.99, 'too-few', null, null],
  [299, 0.99, 'upper-bound', null, 299],
  [368, 0.99, 'two-sided', 360, 368],
  // Tabled: ranks of the median of 20 at 95 % (Conover, table A3: 6 and 15).
  [20, 0.5, 'two-sided', 6, 15],
] as const)('%d values and quantile %d: %s', (count, quantile, kind, lower, upper) => {
  const interval = percentileInterval(rankedValues(ranks(count)), quantile);
  expect(interval.kind).toBe(kind);
  if (interval.kind === 'too-few') expect(interval).toMatchObject({ value: null, needed: count + 1 });
  else expect(interval).toMatchObject({ lower, upper });
});

test('the ranks cover a percentile as often as is claimed, and one rank closer does not', () => {
  for (const [count, quantile] of [
    [20, 0.5],
    [72, 0.95],
    [100, 0.9],
    [368, 0.99],
    [1_000, 0.95],
    [10_000, 0.99],
  ] as const) {
    const interval = percentileInterval(rankedValues(ranks(count)), quantile);
    const [lower, upper] = [
      Number(interval.kind !== 'too-few' && interval.lower),
      Number(interval.kind !== 'too-few' && interval.upper),
    ];
    const below = (rank: number) => binomialCdf(rank - 1, count, quantile); // P(B < rank)
    expect(below(upper) - below(lower)).toBeGreaterThanOrEqual(0.95);
    expect(below(lower)).toBeLessThanOrEqual(0.025);
    expect(below(lower + 1)).toBeGreaterThan(0.025);
    expect(1 - below(upper)).toBeLessThanOrEqual(0.025 + 1e-12);
    expect(1 - below(upper - 1)).toBeGreaterThan(0.025);
  }
});

test('a histogram gives the same ranks as the values in it', () => {
  const histogram = new DurationHistogram();
  for (const ms of ranks(500)) histogram.record(ms);
  const fromHistogram = percentileInterval(rankedDurations(histogram), 0.95);
  const fromValues = percentileInterval(rankedValues(ranks(500)), 0.95);
  for (const key of ['value', 'lower', 'upper'] as const) {
    const exact = (fromValues as Record<string, unknown>)[key] as number;
    // Buckets are three digits wide.
    expect(Math.abs(((fromHistogram as Record<string, unknown>)[key] as number) / exact - 1)).toBeLessThan(
      0.001,
    );
  }
});

test.each([
  // Clopper-Pearson as tabled: 8 of 10 is 0.4439 to 0.9748.
  [8, 10, 0.443904537692, 0.974789273673],
  [0, 10, 0, 0.308497110781],
  [10, 10, 0.691502889219, 1],
] as const)('%d of %d has an exact interval', (met, attempted, lower, upper) => {
  const interval = shareInterval(met, attempted);
  expect(interval?.lower).toBeCloseTo(lower, 8);
  expect(interval?.upper).toBeCloseTo(upper, 8);
});

test('95 % is shown by 59 of 59 and by no fewer', () => {
  expect(shareLowerBound(59, 59)).toBeGreaterThanOrEqual(0.95);
  expect(shareLowerBound(58, 58)).toBeLessThan(0.95);
  // With one miss it takes 93 (0.95^93 + 93 * 0.05 * 0.95^92 < 0.05).
  expect(shareLowerBound(92, 93)).toBeGreaterThanOrEqual(0.95);
  expect(shareLowerBound(91, 92)).toBeLessThan(0.95);
  expect(shareLowerBound(0, 10)).toBe(0);
});

test('no request at all shows nothing, and more met than attempted is a bug', () => {
  expect(shareInterval(0, 0)).toBeNull();
  expect(shareLowerBound(0, 0)).toBeNull();
  expect(() => shareLowerBound(3, 2)).toThrow('no share');
});

function ranks(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
