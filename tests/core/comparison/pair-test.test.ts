import { describe, expect, test } from 'vitest';
import { comparePair, type DeploymentRates, holm } from '../../../src/core/comparison/pair-test.ts';

const OPTIONS = { threshold: 0.05, history: null };

function deployment(name: string, ...cells: readonly (readonly number[])[]): DeploymentRates {
  return {
    deployment: name,
    cells: Object.fromEntries(cells.map((rates, index) => [`c${index + 1}`, rates])),
  };
}

const slow = [deployment('a', [100, 101], [400, 402]), deployment('b', [101, 102], [401, 405])];
const fast = [deployment('c', [120, 121], [480, 482]), deployment('d', [121, 122], [481, 485])];

describe('the primary test of a pair', () => {
  test('names the targets with two deployments a side, and the second side is better where it is faster', () => {
    const { verdict, scope, ratio, lower, upper, matchedCells } = comparePair(slow, fast, OPTIONS);
    expect({ verdict, scope, matchedCells }).toEqual({
      verdict: 'better',
      scope: 'targets',
      matchedCells: ['c1', 'c2'],
    });
    expect(ratio).toBeCloseTo(1.199, 2);
    expect(lower).toBeGreaterThan(1.1);
    expect(upper).toBeLessThan(1.3);
    expect(comparePair(fast, slow, OPTIONS).verdict).toBe('worse');
  });

  test('speaks of the deployments at hand with one a side', () => {
    const { verdict, scope, sentence } = comparePair(slow.slice(0, 1), fast.slice(0, 1), OPTIONS);
    expect({ verdict, scope }).toEqual({ verdict: 'better', scope: 'deployments' });
    expect(sentence).toContain('these deployments only');
  });

  test('lets the spread of history speak for one deployment a side', () => {
    const known = { variance: 0.02 ** 2, degreesOfFreedom: 20 };
    const wide = { variance: 0.1 ** 2, degreesOfFreedom: 20 };
    const of = (history: typeof known) =>
      comparePair(slow.slice(0, 1), fast.slice(0, 1), { threshold: 0.05, history });
    expect(of(known)).toMatchObject({ verdict: 'better', scope: 'targets' });
    expect(of(wide)).toMatchObject({ verdict: 'no-difference-shown', scope: 'targets' });
  });

  test('calls a sure difference below the threshold no difference that matters', () => {
    const near = [deployment('c', [102.5, 103.5], [410, 412]), deployment('d', [103.5, 104.5], [411, 415])];
    const { verdict, pValue, sentence } = comparePair(slow, near, OPTIONS);
    expect(verdict).toBe('no-difference-shown');
    expect(pValue).toBeLessThan(0.05);
    expect(sentence).toContain('below the 5 %');
  });

  test.each<[string, DeploymentRates[], DeploymentRates[], string]>([
    ['one repeat a side', [deployment('a', [100])], [deployment('b', [200])], 'from one repeat'],
    [
      'values without any scatter',
      [deployment('a', [100, 100])],
      [deployment('b', [200, 200])],
      'do not scatter at all',
    ],
  ])('shows nothing with %s', (_, first, second, reason) => {
    const result = comparePair(first, second, OPTIONS);
    expect(result).toMatchObject({
      verdict: 'no-difference-shown',
      ratio: expect.closeTo(2),
      pValue: null,
      lower: null,
    });
    expect(result.sentence).toContain(reason);
  });

  test.each<[string, DeploymentRates[], DeploymentRates[]]>([
    ['an empty side', [], fast],
    ['no cell in common', [deployment('a', [100, 101])], [{ deployment: 'b', cells: { c9: [1, 2] } }]],
    ['a side that carried nothing', [deployment('a', [0, 0])], [deployment('b', [100, 101])]],
  ])('is not comparable with %s', (_, first, second) => {
    const result = comparePair(first, second, OPTIONS);
    expect(result).toMatchObject({ verdict: 'not-comparable', ratio: null, pValue: null, matchedCells: [] });
  });

  test('says how many repeats in which nothing succeeded are missing', () => {
    const failing = [deployment('c', [120, 0], [480, 482]), deployment('d', [121, 122], [481, 485])];
    expect(comparePair(slow, failing, OPTIONS).sentence).toContain('1 repeat in which nothing succeeded');
  });
});

test('Holm multiplies the smallest by their number, never falls, and leaves what is unknown', () => {
  expect(holm([0.04, 0.01, null, 0.03])).toEqual([0.06, 0.03, null, 0.06]);
  expect(holm([0.6, 0.9])).toEqual([1, 1]);
});
