import { describe, expect, test } from 'vitest';
import {
  evidenceAbove,
  evidenceBelow,
  judgeLevel,
  type LevelEvidence,
  leastRequestsPerLevel,
  nextOfSearch,
  type SearchPlan,
} from '../../../src/core/measuring/search.ts';

const PLAN: SearchPlan = { max: 64, step: 1, attainment: 0.95, maxRequestsPerLevel: 600 };

const meets = (level: number): LevelEvidence => ({ level, attempted: 200, met: 200 });
const misses = (level: number): LevelEvidence => ({ level, attempted: 60, met: 20 });

describe('the way of a search', () => {
  test.each([
    ['begins at the lowest level', [], 1],
    ['doubles while levels meet', [meets(1), meets(2), meets(4)], 8],
    ['halves once one does not', [meets(1), meets(2), meets(4), misses(8)], 6],
    ['goes up in the bracket', [meets(1), meets(2), meets(4), misses(8), meets(6)], 7],
    ['goes down in the bracket', [meets(1), meets(2), meets(4), misses(8), misses(6)], 5],
    ['stays at a level that is not decided', [meets(1), { level: 2, attempted: 100, met: 98 }], 2],
    ['does not mind the order of the evidence', [misses(4), meets(2), meets(1)], 3],
  ] as const)('%s', (_, evidence, level) => {
    expect(nextOfSearch(PLAN, evidence)).toMatchObject({ kind: 'measure', level });
  });

  test.each([
    ['the highest of all', [1, 2, 4, 8, 16, 32, 64].map(meets), 64, null],
    ['none', [misses(1)], null, 1],
    ['one below a level that misses', [meets(1), meets(2), misses(4), misses(3)], 2, 3],
    [
      'one below a level that is closed',
      [meets(1), { level: 2, attempted: 10, met: 10, closed: true }],
      1,
      2,
    ],
  ] as const)('answers %s', (_, evidence, level, above) => {
    const answer = nextOfSearch(PLAN, evidence);
    expect(answer).toMatchObject({ kind: 'answer', level });
    expect(answer.kind === 'answer' && (answer.above?.level ?? null)).toBe(above);
  });

  test('says what is shown, with its numbers', () => {
    expect(nextOfSearch(PLAN, [meets(1), misses(2)]).sentence).toMatch(
      /^Level 1 meets the SLO: at least 97\.\d % of requests \(200 of 200\); level 2 misses it \(20 of 60\)\.$/,
    );
    expect(nextOfSearch(PLAN, [misses(1)]).sentence).toContain('No level is shown to meet the SLO with 95 %');
    const closed = nextOfSearch(PLAN, [meets(1), { level: 2, attempted: 9, met: 9, closed: true }]);
    expect(closed.sentence).toContain('level 2 is not shown to meet it (9 of 9)');
  });

  test('a highest level that is no power of two is reached, and rates go in steps', () => {
    const plan = { ...PLAN, max: 50 };
    expect(nextOfSearch(plan, [1, 2, 4, 8, 16, 32].map(meets))).toMatchObject({ level: 50 });
    expect(nextOfSearch(plan, [1, 2, 4, 8, 16, 32, 50].map(meets))).toMatchObject({
      kind: 'answer',
      level: 50,
    });
    const rates = { ...PLAN, max: 0.3, step: 0.1 };
    const [first, second] = [nextOfSearch(rates, []), nextOfSearch(rates, [meets(0.1)])];
    expect(first).toMatchObject({ level: 0.1 });
    expect(second).toMatchObject({ level: 0.2 });
    expect(nextOfSearch(rates, [meets(0.1), meets(0.2)])).toMatchObject({ kind: 'measure', level: 3 * 0.1 });
  });

  test('asks for as many requests as can decide, and never for more than the bound leaves', () => {
    const first = nextOfSearch(PLAN, []);
    const least = leastRequestsPerLevel(PLAN);
    expect(first).toMatchObject({ kind: 'measure', requests: least });
    expect(least).toBeGreaterThanOrEqual(59);
    expect(nextOfSearch(PLAN, [{ level: 1, attempted: least, met: least }])).toMatchObject({ level: 2 });
    expect(nextOfSearch(PLAN, [{ level: 1, attempted: least - 1, met: least - 1 }])).toMatchObject({
      level: 1,
      requests: 30,
    });
  });

  test('gives a level up once all that the bound leaves could not show it', () => {
    const plan = { ...PLAN, maxRequestsPerLevel: 200 };
    expect(nextOfSearch(plan, [{ level: 1, attempted: 60, met: 56 }])).toMatchObject({
      kind: 'answer',
      level: null,
      above: { level: 1, verdict: 'not-shown' },
    });
    expect(nextOfSearch(PLAN, [{ level: 1, attempted: 60, met: 56 }])).toMatchObject({
      kind: 'measure',
      level: 1,
    });
  });

  test('a plan that cannot be searched is refused with the number it needs', () => {
    expect(() => nextOfSearch({ ...PLAN, maxRequestsPerLevel: 59 }, [])).toThrow(
      /at least \d+ requests a level/,
    );
    expect(() => nextOfSearch({ ...PLAN, attainment: 1 }, [])).toThrow('between 0.5 and 0.999');
    expect(() => nextOfSearch({ ...PLAN, max: 0 }, [])).toThrow('1 to 4096 levels');
    expect(() => nextOfSearch({ ...PLAN, step: 0.01 }, [])).toThrow('1 to 4096 levels');
    expect(() => nextOfSearch(PLAN, [{ level: 1, attempted: 1, met: 2 }])).toThrow('no share');
  });
});

describe('the evidence', () => {
  test('is what the formula gives by hand', () => {
    // Of one met request: half of 1/0.95, half of the mean of p/0.95 for p from 0.95 to 1.
    expect(Math.exp(evidenceAbove(1, 1, 0.95))).toBeCloseTo((1 / 0.95 + 0.975 / 0.95) / 2, 12);
    // Of one missed: no half for "all meet"; the mean of (1-p)/0.05 is one half.
    expect(Math.exp(evidenceAbove(0, 1, 0.95))).toBeCloseTo(0.25, 12);
    expect(evidenceAbove(0, 0, 0.95)).toBeCloseTo(0, 12);
    expect(evidenceBelow(3, 10, 0.4)).toBeCloseTo(evidenceAbove(7, 10, 0.6), 12);
  });

  test('never grows in the mean where the share is just the attainment', () => {
    // E of (met, attempted) must be the mean of what the next request makes of it: the martingale itself.
    for (const [met, attempted] of [
      [0, 0],
      [10, 10],
      [40, 45],
      [950, 1000],
      [0, 5],
    ] as const) {
      const value = (more: number) => Math.exp(evidenceAbove(met + more, attempted + 1, 0.95));
      const now = Math.exp(evidenceAbove(met, attempted, 0.95));
      expect((0.95 * value(1) + 0.05 * value(0)) / now).toBeCloseTo(1, 9);
    }
  });

  test('takes 68 requests without a miss to show 95 %, and its bounds say the same as its verdict', () => {
    const judge = (met: number, attempted: number) => judgeLevel(PLAN, { level: 1, met, attempted }, 0.05);
    expect(judge(67, 67).verdict).toBe('open');
    expect(judge(68, 68).verdict).toBe('meets');
    expect(judge(68, 68).lowerBound).toBeGreaterThanOrEqual(0.95);
    expect(judge(67, 67).lowerBound).toBeLessThan(0.95);
    expect(judge(0, 4).verdict).toBe('misses');
    expect(judge(0, 4).upperBound).toBeLessThan(0.95);
    for (const [met, attempted] of [
      [150, 150],
      [148, 150],
      [140, 150],
      [100, 150],
      [0, 30],
    ] as const) {
      const { verdict, lowerBound, upperBound } = judge(met, attempted);
      expect(lowerBound).toBeLessThanOrEqual(met / attempted);
      expect(upperBound).toBeGreaterThanOrEqual(met / attempted);
      expect(verdict === 'meets').toBe(lowerBound >= 0.95);
      expect(verdict === 'misses').toBe(upperBound < 0.95);
    }
  });
});
