import { expect, test } from 'vitest';
import { fitLine } from '../../../src/core/statistics/line.ts';

test('a line through five points is the one worked out by hand', () => {
  // x 1..5, y 2 4 5 4 5: Sxx 10, Sxy 6, Syy 6; slope 0.6, intercept 2.2, RSS 2.4, error sqrt(0.8 / 10).
  const line = fitLine([2, 4, 5, 4, 5].map((y, index) => ({ x: index + 1, y })));
  expect(line?.slope).toBeCloseTo(0.6, 12);
  expect(line?.intercept).toBeCloseTo(2.2, 12);
  expect(line?.slopeStandardError).toBeCloseTo(Math.sqrt(0.08), 12);
  expect(line?.rSquared).toBeCloseTo(0.6, 12);
  expect(line?.degreesOfFreedom).toBe(3);
});

test('a weight of two is a point that is there twice', () => {
  const weighted = fitLine([
    { x: 0, y: 1, weight: 2 },
    { x: 1, y: 3 },
    { x: 4, y: 2 },
  ]);
  const twice = fitLine([
    { x: 0, y: 1 },
    { x: 0, y: 1 },
    { x: 1, y: 3 },
    { x: 4, y: 2 },
  ]);
  expect(weighted?.slope).toBeCloseTo(twice?.slope ?? Number.NaN, 12);
  expect(weighted?.rSquared).toBeCloseTo(twice?.rSquared ?? Number.NaN, 12);
});

test('what cannot be told is null', () => {
  expect(fitLine([])).toBeNull();
  expect(fitLine([{ x: 1, y: 2 }])).toBeNull();
  expect(
    fitLine([
      { x: 0.1, y: 1 },
      { x: 0.1, y: 2 },
      { x: 0.1, y: 3 },
    ]),
  ).toBeNull();
  expect(
    fitLine([
      { x: 1, y: 2 },
      { x: 2, y: 4 },
    ]),
  ).toMatchObject({ slope: 2, slopeStandardError: null });
  expect(
    fitLine([
      { x: 1, y: 0.1 },
      { x: 2, y: 0.1 },
      { x: 4, y: 0.1 },
    ])?.rSquared,
  ).toBeNull();
});
