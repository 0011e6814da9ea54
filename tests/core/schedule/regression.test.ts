import { describe, expect, test } from 'vitest';
import { checkRegression, type PastRun, REGRESSION_DEFAULTS } from '../../../src/core/schedule/regression.ts';

function run(
  id: string,
  atMs: number,
  rates: Readonly<Record<string, readonly number[]>>,
  fields: Partial<PastRun> = {},
): PastRun {
  return {
    id,
    atMs,
    good: true,
    deployments: [{ deployment: id, cells: rates }],
    ...fields,
  };
}

const PAST = [
  run('one', 1, { c1: [100, 101], c4: [300, 301] }),
  run('two', 2, { c1: [102, 101], c4: [304, 303] }),
  run('three', 3, { c1: [99, 100], c4: [298, 299] }),
];

const check = (current: PastRun, history = PAST, options = REGRESSION_DEFAULTS) =>
  checkRegression(history, current, options);

describe('the check of a scheduled run', () => {
  test('sees a fall that redeploying does not explain', () => {
    const verdict = check(run('new', 4, { c1: [80, 81], c4: [240, 241] }));
    expect(verdict).toMatchObject({ verdict: 'regression', baseline: 'three', runs: 3 });
    expect(verdict.ratio).toBeCloseTo(0.805, 2);
    expect(verdict.sentence).toMatch(/^Regression: 80\.\d % of the rate of three; a new deployment/);
  });

  test('calls what lies within other deployments of the same no change', () => {
    expect(check(run('new', 4, { c1: [96, 97], c4: [290, 289] }))).toMatchObject({
      verdict: 'no-change-shown',
    });
  });

  test('sees an improvement', () => {
    expect(check(run('new', 4, { c1: [130, 131], c4: [390, 391] }))).toMatchObject({
      verdict: 'improvement',
    });
  });

  test('is careful where past runs lie far apart', () => {
    const wide = [90, 120, 100, 75, 110].map((rate, index) => run(`r${index}`, index, { c1: [rate, rate] }));
    expect(check(run('new', 9, { c1: [88, 88] }), wide)).toMatchObject({
      verdict: 'no-change-shown',
      baseline: 'r4',
    });
  });

  test('holds a run against the pinned one, and the last good one otherwise', () => {
    const history = [...PAST, run('bad', 4, { c1: [50], c4: [150] }, { good: false })];
    const current = run('new', 5, { c1: [100], c4: [300] });
    expect(check(current, history).baseline).toBe('three');
    const pinned = { ...REGRESSION_DEFAULTS, baseline: { pinned: 'one' } };
    expect(check(current, history, pinned).baseline).toBe('one');
    const missing = { ...REGRESSION_DEFAULTS, baseline: { pinned: 'nowhere' } };
    expect(check(current, history, missing)).toMatchObject({ verdict: 'not-comparable', baseline: null });
  });

  test('counts a cell that carries nothing any more as a regression', () => {
    const verdict = check(run('new', 4, { c1: [100, 101], c4: [0, 0] }));
    expect(verdict).toMatchObject({ verdict: 'regression', ratio: null });
    expect(verdict.sentence).toContain('c4 carried load in three and nothing now');
    expect(check({ ...PAST[0], id: 'new', atMs: 4, deployments: [] } as PastRun).verdict).toBe('regression');
  });

  test('has nothing to say of the first run', () => {
    expect(check(run('new', 1, { c1: [100] }), [])).toMatchObject({
      verdict: 'not-comparable',
      baseline: null,
    });
    const idle = [run('idle', 1, { c1: [0] })];
    expect(check(run('new', 2, { c1: [100] }), idle)).toMatchObject({
      verdict: 'not-comparable',
      baseline: 'idle',
    });
  });

  test('calls a sure change below the threshold none', () => {
    const steady = Array.from({ length: 40 }, (_, index) =>
      run(`r${index}`, index, { c1: [100 + (index % 2) * 0.1] }),
    );
    const verdict = check(run('new', 99, { c1: [96.5] }), steady);
    expect(verdict.verdict).toBe('no-change-shown');
    expect(verdict.sentence).toContain('below the 5 %');
  });

  test('is surer with two deployments a run than with one', () => {
    const two = (id: string, atMs: number, one: number, other: number): PastRun => ({
      id,
      atMs,
      good: true,
      deployments: [one, other].map((rate, index) => ({
        deployment: `${id}-${index}`,
        cells: { c1: [rate] },
      })),
    });
    const pair = check(two('new', 3, 90, 91), [two('a', 1, 100, 101), two('b', 2, 101, 100)]);
    const single = check(run('new', 3, { c1: [90] }), [
      run('a', 1, { c1: [100] }),
      run('b', 2, { c1: [101] }),
    ]);
    expect((pair.upper ?? 9) - (pair.lower ?? 0)).toBeLessThan((single.upper ?? 9) - (single.lower ?? 0));
  });
});
