import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DurationHistogram } from '../../../src/core/measuring/histogram.ts';

const of = (...values: readonly number[]) => {
  const histogram = new DurationHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
};

/** Milliseconds to three significant digits: 0.1 % on either side, or the microsecond that is the unit. */
const near = (value: number) => [Math.max(0, value * 0.999 - 0.001), value * 1.001 + 0.001] as const;

describe('an empty histogram', () => {
  test('has no mean, no percentile and no maximum', () => {
    const empty = DurationHistogram.parse(of().toJSON());
    expect([empty.count, empty.meanMs, empty.quantileMs(0.5), empty.maxMs]).toEqual([0, null, null, null]);
  });
});

describe('durations', () => {
  test('one sample is every percentile and the mean', () => {
    const one = of(123.456);
    expect(one.meanMs).toBe(123.456);
    for (const quantile of [0, 0.5, 0.95, 0.99, 1]) {
      const [low, high] = near(123.456);
      expect(one.quantileMs(quantile)).toBeGreaterThanOrEqual(low);
      expect(one.quantileMs(quantile)).toBeLessThanOrEqual(high);
    }
  });

  test('percentiles are those of the sorted list, to three digits', () => {
    const values = Array.from({ length: 1_000 }, (_, index) => index + 1);
    const histogram = of(...values);
    for (const [quantile, expected] of [
      [0.5, 500],
      [0.95, 950],
      [0.99, 990],
      [1, 1_000],
    ] as const) {
      const [low, high] = near(expected);
      expect(histogram.quantileMs(quantile)).toBeGreaterThanOrEqual(low);
      expect(histogram.quantileMs(quantile)).toBeLessThanOrEqual(high);
    }
    expect(histogram.meanMs).toBe(500.5);
  });

  test('what is out of range is kept at its edge and breaks nothing', () => {
    const histogram = of(-1, 0, 7_200_000);
    expect(histogram.count).toBe(3);
    expect(histogram.quantileMs(0)).toBe(0);
    expect(histogram.maxMs).toBeGreaterThan(3_590_000);
    expect(histogram.maxMs).toBeLessThan(3_610_000);
  });

  test('merging two histograms is recording into one, whatever went through JSON between', () => {
    const lists = fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }), { maxLength: 40 });
    fc.assert(
      fc.property(lists, lists, (some, others) => {
        const merged = DurationHistogram.parse(JSON.parse(JSON.stringify(of(...some).toJSON())));
        merged.add(DurationHistogram.parse(JSON.parse(JSON.stringify(of(...others).toJSON()))));
        const together = of(...some, ...others);
        expect(merged.count).toBe(together.count);
        for (const quantile of [0.5, 0.95, 0.99])
          expect(merged.quantileMs(quantile)).toBe(together.quantileMs(quantile));
        if (together.meanMs === null || together.maxMs === null) return;
        expect(merged.meanMs).toBeCloseTo(together.meanMs, 6);
        // The stored form knows the maximum to three digits only.
        const [low, high] = near(together.maxMs);
        expect(merged.maxMs).toBeGreaterThanOrEqual(low);
        expect(merged.maxMs).toBeLessThanOrEqual(high);
      }),
      { numRuns: 50 },
    );
  });
});
