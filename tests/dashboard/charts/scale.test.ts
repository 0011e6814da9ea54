import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { levelScale, linearScale, logScale } from '../../../src/dashboard/charts/scale.ts';

const positive = fc.double({ min: 1e-3, max: 1e9, noNaN: true });
const RANGE = [0, 100] as const;

describe('scales', () => {
  it.each<[number[], number[]]>([
    [[703], [0, 200, 400, 600, 800]],
    [[0.08], [0, 0.02, 0.04, 0.06, 0.08]],
    [[0], [0, 1]],
    [[1], [0, 0.2, 0.4, 0.6, 0.8, 1]],
  ])('a linear one over %j has the ticks %j', (values, ticks) => {
    expect(linearScale(values, RANGE).ticks).toEqual(ticks);
  });

  it('a linear one goes from zero and holds every value, with few ticks', () => {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1 }), (values) => {
        const { at, ticks } = linearScale(values, RANGE);
        expect(at(0)).toBe(0);
        expect(Math.max(...values.map(at))).toBeLessThanOrEqual(100 + 1e-6);
        expect(ticks.length).toBeLessThanOrEqual(7);
      }),
    );
  });

  it('one by ratio holds every value, and equal ratios are equal distances', () => {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1 }), (values) => {
        const { at } = logScale(values, RANGE);
        for (const value of values) {
          expect(at(value)).toBeGreaterThanOrEqual(-1e-6);
          expect(at(value)).toBeLessThanOrEqual(100 + 1e-6);
        }
        expect(at(20) - at(10)).toBeCloseTo(at(8) - at(4), 6);
      }),
    );
  });

  it('levels that double are evenly spaced, levels that step are too, and one level is in the middle', () => {
    const doubled = levelScale([1, 2, 4, 8], RANGE);
    expect(doubled.at(4) - doubled.at(2)).toBeCloseTo(doubled.at(8) - doubled.at(4), 9);
    const stepped = levelScale([1, 2, 3, 4], RANGE);
    expect(stepped.at(3) - stepped.at(2)).toBeCloseTo(stepped.at(4) - stepped.at(3), 9);
    expect(levelScale([16], RANGE).at(16)).toBe(50);
  });
});
