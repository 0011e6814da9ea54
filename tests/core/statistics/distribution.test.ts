import { expect, test } from 'vitest';
import {
  betaCdf,
  betaQuantile,
  binomialCdf,
  normalQuantile,
  studentTCdf,
  studentTQuantile,
} from '../../../src/core/statistics/distribution.ts';

/** Critical values of the common t table, rounded to three digits as textbooks print them: df, then p. */
const PRINTED: readonly (readonly [number, number, number, number])[] = [
  [1, 6.314, 12.706, 63.657],
  [2, 2.92, 4.303, 9.925],
  [3, 2.353, 3.182, 5.841],
  [4, 2.132, 2.776, 4.604],
  [5, 2.015, 2.571, 4.032],
  [6, 1.943, 2.447, 3.707],
  [7, 1.895, 2.365, 3.499],
  [8, 1.86, 2.306, 3.355],
  [9, 1.833, 2.262, 3.25],
  [10, 1.812, 2.228, 3.169],
  [11, 1.796, 2.201, 3.106],
  [12, 1.782, 2.179, 3.055],
  [13, 1.771, 2.16, 3.012],
  [14, 1.761, 2.145, 2.977],
  [15, 1.753, 2.131, 2.947],
  [16, 1.746, 2.12, 2.921],
  [17, 1.74, 2.11, 2.898],
  [18, 1.734, 2.101, 2.878],
  [19, 1.729, 2.093, 2.861],
  [20, 1.725, 2.086, 2.845],
  [21, 1.721, 2.08, 2.831],
  [22, 1.717, 2.074, 2.819],
  [23, 1.714, 2.069, 2.807],
  [24, 1.711, 2.064, 2.797],
  [25, 1.708, 2.06, 2.787],
  [26, 1.706, 2.056, 2.779],
  [27, 1.703, 2.052, 2.771],
  [28, 1.701, 2.048, 2.763],
  [29, 1.699, 2.045, 2.756],
  [30, 1.697, 2.042, 2.75],
  [40, 1.684, 2.021, 2.704],
  [60, 1.671, 2, 2.66],
  [120, 1.658, 1.98, 2.617],
  [Number.POSITIVE_INFINITY, 1.645, 1.96, 2.576],
];

test.each(PRINTED)('t quantiles of %d degrees of freedom are the printed ones', (df, t95, t975, t995) => {
  expect(round3(studentTQuantile(0.95, df))).toBe(t95);
  expect(round3(studentTQuantile(0.975, df))).toBe(t975);
  expect(round3(studentTQuantile(0.995, df))).toBe(t995);
});

/** Found with 30 digits as the root of the incomplete beta (mpmath). */
const MANY_DIGITS: readonly (readonly [number, number, number])[] = [
  [0.5, 0.975, 164.557673480489],
  [1.5, 0.975, 6.01666310442793],
  [2.7, 0.99, 4.96983204922128],
  [4.31, 0.975, 2.69943403591958],
  [5, 0.975, 2.570581836],
  [17.6, 0.995, 2.88605835446019],
  [3, 0.9999, 22.2037422732042],
  [1000, 0.975, 1.96233908082641],
  [100_000.5, 0.975, 1.95998770741599],
];

test.each(MANY_DIGITS)('the t quantile of %d degrees of freedom at %d has nine digits right', (df, p, t) => {
  expect(Math.abs(studentTQuantile(p, df) / t - 1)).toBeLessThan(1e-9);
  expect(studentTQuantile(1 - p, df)).toBeCloseTo(-studentTQuantile(p, df), 6);
});

test.each([1e-9, 0.001, 0.2, 0.5, 0.6, 0.9, 0.975, 0.9999])(
  'one and two degrees of freedom agree with their closed forms at %d',
  (p) => {
    const one = -1 / Math.tan(Math.PI * p);
    const two = (2 * p - 1) / Math.sqrt(2 * p * (1 - p));
    expect(Math.abs(studentTQuantile(p, 1) - one)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(one)));
    expect(Math.abs(studentTQuantile(p, 2) - two)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(two)));
  },
);

test.each([
  [0.5, 0],
  [0.6, 0.2533471031358],
  [0.95, 1.64485362695147],
  [0.975, 1.95996398454005],
  [0.995, 2.5758293035489],
  [0.999999, 4.7534243088229],
  [1e-9, -5.99780701500769],
  [0.00135, -2.99997699270339],
] as const)('the normal quantile at %d is %d', (p, z) => {
  expect(Math.abs(normalQuantile(p) - z)).toBeLessThan(1e-9);
});

test('distribution and quantile undo each other', () => {
  for (const df of [1, 2.5, 9, 40, 1e5, Number.POSITIVE_INFINITY]) {
    for (const t of [-30, -2, -0.1, 0, 0.7, 2.9, 3.1]) {
      const p = studentTCdf(t, df);
      if (p > 0 && p < 1) expect(studentTQuantile(p, df)).toBeCloseTo(t, 6);
    }
  }
});

test.each([
  [0, 10, 0.5, 0.0009765625],
  [3, 10, 0.3, 0.6496107184],
  [57, 60, 0.95, 0.582564231339833],
  [950, 1000, 0.96, 0.0663058712313477],
  [99_000, 100_000, 0.99, 0.504268687972112],
  [-1, 10, 0.5, 0],
  [10, 10, 0.5, 1],
] as const)('at most %d of %d trials at %d', (k, n, p, share) => {
  expect(Math.abs(binomialCdf(k, n, p) - share)).toBeLessThan(1e-9);
});

test('the beta distribution holds at its ends, in closed forms and with many trials', () => {
  expect(betaCdf(0, 2, 3)).toBe(0);
  expect(betaCdf(1, 2, 3)).toBe(1);
  expect(betaCdf(0.3, 1, 1)).toBeCloseTo(0.3, 12);
  expect(betaCdf(0.3, 4, 1)).toBeCloseTo(0.3 ** 4, 12);
  expect(betaCdf(0.5, 7e6, 7e6)).toBeCloseTo(0.5, 6);
  expect(betaQuantile(0.05, 59, 1)).toBeCloseTo(0.05 ** (1 / 59), 12);
  expect(betaQuantile(0.025, 8, 3)).toBeCloseTo(0.4439045376923585, 10);
  expect(betaQuantile(0.05, 950, 51)).toBeCloseTo(0.9371365964876203, 10);
});

test('what is no probability and no degree of freedom is refused', () => {
  for (const p of [0, 1, -0.1, Number.NaN]) expect(() => studentTQuantile(p, 3)).toThrow('between 0 and 1');
  expect(() => studentTQuantile(0.9, 0)).toThrow('above 0');
  expect(() => betaCdf(0.5, 0, 1)).toThrow('above 0');
});

function round3(value: number): number {
  return Math.round(value * 1000) / 1000;
}
