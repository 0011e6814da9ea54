import { describe, expect, test } from 'vitest';
import type { Arrivals } from '../../../src/core/measuring/shard.ts';
import { arrivalMoments } from '../../../src/core/requests/arrivals.ts';

function take(arrivals: Arrivals, count: number, seed = 7): number[] {
  const next = arrivalMoments(arrivals, seed);
  return Array.from({ length: count }, () => next() ?? Number.NaN);
}

const gapsOf = (moments: readonly number[]) =>
  moments.map((moment, index) => moment - (moments[index - 1] ?? 0));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('Poisson arrivals', () => {
  const gaps = gapsOf(take({ kind: 'poisson', requestsPerSecond: 4 }, 20_000));

  test('come at their rate, with gaps as spread as an exponential has them and without memory', () => {
    expect(mean(gaps)).toBeCloseTo(0.25, 2);
    const variance = mean(gaps.map((gap) => (gap - 0.25) ** 2));
    // Of an exponential the standard deviation is the mean, and 1 - 1/e of the gaps are shorter than it.
    expect(Math.sqrt(variance)).toBeCloseTo(0.25, 2);
    expect(gaps.filter((gap) => gap < 0.25).length / gaps.length).toBeCloseTo(1 - 1 / Math.E, 2);
    const neighbours = mean(gaps.slice(1).map((gap, index) => (gap - 0.25) * ((gaps[index] ?? 0) - 0.25)));
    expect(Math.abs(neighbours / variance)).toBeLessThan(0.03);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
  });

  test('are the same for the same seed and others for another', () => {
    const load = { kind: 'poisson', requestsPerSecond: 4 } as const;
    expect(take(load, 50, 1)).toEqual(take(load, 50, 1));
    expect(take(load, 50, 1)).not.toEqual(take(load, 50, 2));
  });

  test('of two shards make one Poisson load of the summed rate', () => {
    const shards = [1, 2].flatMap((seed) =>
      take({ kind: 'poisson', requestsPerSecond: 2 }, 12_000, seed).filter((moment) => moment < 5_000),
    );
    const merged = gapsOf(shards.sort((one, other) => one - other));
    expect(mean(merged)).toBeCloseTo(0.25, 2);
    expect(merged.filter((gap) => gap < 0.25).length / merged.length).toBeCloseTo(1 - 1 / Math.E, 2);
  });
});

test('constant arrivals are evenly spaced for ever, and offsets put shards out of step', () => {
  const late = take({ kind: 'constant', requestsPerSecond: 0.3, offsetSeconds: 0 }, 1_000_001).at(-1);
  expect(late).toBeCloseTo(1_000_000 / 0.3, 6);
  const shards = [0, 0.25].flatMap((offsetSeconds) =>
    take({ kind: 'constant', requestsPerSecond: 2, offsetSeconds }, 4),
  );
  expect(shards.sort((one, other) => one - other)).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]);
});

test('a trace is told as it is, and then it is over', () => {
  const next = arrivalMoments({ kind: 'trace', atSeconds: [0, 0.5, 0.5, 9] }, 1);
  expect([next(), next(), next(), next(), next(), next()]).toEqual([0, 0.5, 0.5, 9, null, null]);
});
