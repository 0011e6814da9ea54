import { expect, test } from 'vitest';
import { decideRepeats, repeatsInterval } from '../../../src/core/measuring/repeats.ts';

const LOOKING = { least: 3, most: 5 };

test.each([
  ['none yet', [], 'more', 'at least 3'],
  ['two that agree', [100, 100.1], 'more', '2 of at least 3'],
  // s/mean 1 %: half-width 6.965 * 0.01 / sqrt 3 = 4.0 %.
  ['three that agree', [99, 100, 101], 'enough', 'within 4 %'],
  // 1.5 %: 6.0 % at 98 %. At 95 % it would be 3.7 %, and a careless rule would stop.
  ['three that agree less', [98.5, 100, 101.5], 'more', 'within 6 %'],
  ['three that are equal', [100, 100, 100], 'enough', 'within 0 %'],
  ['three of which one gave nothing', [100, null, 101], 'more', '2 of at least 3'],
  ['as many as allowed, and narrow with the last', [97.5, 102.5, 97.5, 102.5, 100], 'enough', 'within 4.2 %'],
  ['as many as allowed', [80, 100, 120, 90, 110], 'stop', '5 repeats were measured; the interval is within'],
  [
    'as many as allowed, none with a figure',
    [null, null, null, null, null],
    'stop',
    'too few for an interval',
  ],
  ['figures around zero', [0, 0, 0], 'more', 'without a width'],
] as const)('%s', (_, settled, decision, reason) => {
  const decided = decideRepeats(LOOKING, settled);
  expect(decided.decision).toBe(decision);
  expect(decided.reason).toContain(reason);
});

test('a plan without looks is never stopped early and keeps the plain 95 %', () => {
  const fixed = { least: 3, most: 3 };
  expect(decideRepeats(fixed, [100, 100.1]).decision).toBe('more');
  expect(decideRepeats(fixed, [99, 100, 101])).toMatchObject({
    decision: 'stop',
    interval: { confidence: 0.95 },
  });
  expect(decideRepeats({ least: 1, most: 1 }, [100])).toMatchObject({ decision: 'stop', interval: null });
});

test('a plan that looks reports the stricter interval, wherever it ends', () => {
  for (const settled of [
    [99, 100],
    [99, 100, 101],
    [90, 100, 110, 120, 80],
  ]) {
    expect(repeatsInterval(LOOKING, settled)?.confidence).toBe(0.98);
  }
  expect(repeatsInterval(LOOKING, [99, 100, 101])?.relativeHalfWidth).toBeCloseTo(0.0402, 4);
});

test('repeats that differ by more than a tenth are flagged', () => {
  expect(decideRepeats(LOOKING, [90, 100, 110]).noisy).toBe(false); // Exactly 10 %.
  expect(decideRepeats(LOOKING, [89, 100, 111]).noisy).toBe(true);
  expect(decideRepeats(LOOKING, [100]).noisy).toBe(false);
});

test('a plan that the intervals were not shown for is refused', () => {
  expect(() => decideRepeats({ least: 2, most: 5 }, [])).toThrow('from 3 to 20');
  expect(() => decideRepeats({ least: 3, most: 21 }, [])).toThrow('from 3 to 20');
  expect(() => decideRepeats({ least: 4, most: 3 }, [])).toThrow('At least 4 and at most 3');
});
