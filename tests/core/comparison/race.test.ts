import { describe, expect, test } from 'vitest';
import {
  nextOfRace,
  type RaceCandidate,
  type RacePlan,
  totalRace,
} from '../../../src/core/comparison/race.ts';

const PLAN: RacePlan = { rounds: 10, attainment: null, spread: null };

function candidate(
  label: string,
  costs: readonly (number | null)[],
  fields: Partial<RaceCandidate> = {},
): RaceCandidate {
  return { label, state: 'racing', costs, deployments: 1, objectives: null, ...fields };
}

const cheap = candidate('cheap', [1, 1.01, 0.99]);
const dear = candidate('dear', [2, 2.02, 1.98]);

function dropsOf(...candidates: readonly RaceCandidate[]): string[] {
  return nextOfRace(PLAN, candidates).dropped.map(({ label }) => label);
}

describe('a race', () => {
  test('measures every candidate in the first round', () => {
    expect(nextOfRace(PLAN, [candidate('a', []), candidate('b', [])])).toEqual({
      kind: 'round',
      round: 1,
      candidates: ['a', 'b'],
      dropped: [],
    });
  });

  test('drops nobody before the second round, however dear', () => {
    expect(dropsOf(candidate('a', [1]), candidate('b', [100]), candidate('c', [1.1]))).toEqual([]);
    const objectives = [{ attempted: 500, met: 0, notEvaluable: 0 }];
    const missing = candidate('b', [null], { objectives });
    expect(nextOfRace({ ...PLAN, attainment: 0.95 }, [candidate('a', [1]), missing]).dropped).toEqual([]);
  });

  test('drops in the second round what is dearer by far', () => {
    const step = nextOfRace(PLAN, [
      candidate('a', [1, 1.01]),
      candidate('b', [100, 101]),
      candidate('c', [1.02, 1.03]),
    ]);
    expect(step).toMatchObject({ kind: 'round', round: 3, candidates: ['a', 'c'] });
    expect(step.dropped).toMatchObject([{ label: 'b', round: 2, reason: 'dearer', against: 'a' }]);
    expect(step.dropped[0]?.dearerBy).toBeCloseTo(99, 0);
  });

  test('tells by how much and with what spread', () => {
    const [drop] = nextOfRace(PLAN, [cheap, dear, candidate('other', [1.01, 1.02, 1])]).dropped;
    expect(drop?.sentence).toMatch(
      /^"dear" was dropped after round 3: .*100 % more than on "cheap", at least .*assumed spread of 2 %/,
    );
    expect(drop?.dearerAtLeast).toBeLessThan(drop?.dearerBy ?? 0);
  });

  test('never drops on a margin that deployments of one SKU have between them', () => {
    const near = candidate('near', [1.05, 1.06, 1.04]);
    expect(dropsOf(candidate('a', [1, 1.0001, 1]), near)).toEqual([]);
    const wide = { ...PLAN, spread: { variance: 0.5 ** 2, degreesOfFreedom: 30 } };
    expect(nextOfRace(wide, [cheap, dear]).dropped).toEqual([]);
  });

  test('does not drop a candidate that has caught up by its latest round', () => {
    const steady = candidate('steady', Array(10).fill(1));
    const plan = { ...PLAN, rounds: 20 };
    const dropsWith = (latest: number) =>
      nextOfRace(plan, [steady, candidate('late', [...Array(9).fill(1.3), latest])]).dropped.length;
    expect([dropsWith(1.3), dropsWith(1.05)]).toEqual([1, 0]);
  });

  test('ends when one is left, and says who stayed when all rounds are measured', () => {
    expect(nextOfRace(PLAN, [cheap, dear])).toMatchObject({
      kind: 'over',
      dropped: [{ label: 'dear' }],
      sentence: 'After round 3 of 10 only "cheap" is left.',
    });
    const tied = [candidate('a', Array(10).fill(1)), candidate('b', Array(10).fill(1.001))];
    expect(nextOfRace(PLAN, tied)).toMatchObject({
      kind: 'over',
      sentence: expect.stringContaining('"a", "b" stayed'),
    });
  });

  test('drops nobody after the last round, where there is nothing left to save', () => {
    expect(nextOfRace({ ...PLAN, rounds: 3 }, [cheap, dear])).toMatchObject({ kind: 'over', dropped: [] });
    expect(nextOfRace({ ...PLAN, rounds: 4 }, [cheap, dear]).dropped).toHaveLength(1);
  });

  test('does not ask again about who is out', () => {
    const step = nextOfRace(PLAN, [
      cheap,
      candidate('gone', [5], { state: 'out' }),
      candidate('c', [1, 1, 1]),
    ]);
    expect(step).toMatchObject({ kind: 'round', round: 4, candidates: ['cheap', 'c'], dropped: [] });
    expect(nextOfRace(PLAN, [candidate('gone', [], { state: 'out' })])).toMatchObject({ kind: 'over' });
  });

  test('drops who misses the objectives at every level, and not who cannot be judged', () => {
    const plan = { ...PLAN, attainment: 0.95 };
    const misses = [
      { attempted: 200, met: 50, notEvaluable: 0 },
      { attempted: 200, met: 120, notEvaluable: 0 },
    ];
    const unknown = [{ attempted: 200, met: 0, notEvaluable: 200 }];
    const step = nextOfRace(plan, [
      candidate('good', [1, 1], { objectives: [{ attempted: 200, met: 199, notEvaluable: 0 }] }),
      candidate('missing', [null, null], { objectives: misses }),
      candidate('one level', [1, 1], {
        objectives: [...misses, { attempted: 60, met: 60, notEvaluable: 0 }],
      }),
      candidate('unknown', [null, null], { objectives: unknown }),
    ]);
    expect(step.dropped).toMatchObject([{ label: 'missing', reason: 'misses-objectives', against: null }]);
    expect(step.dropped[0]?.sentence).toContain('95 % must');
  });

  test('leaves no winner where all miss', () => {
    const objectives = [{ attempted: 200, met: 10, notEvaluable: 0 }];
    const step = nextOfRace({ ...PLAN, attainment: 0.95 }, [
      candidate('a', [null, null], { objectives }),
      candidate('b', [null, null], { objectives }),
    ]);
    expect(step).toMatchObject({ kind: 'over', sentence: expect.stringContaining('No candidate is left') });
  });
});

test('a race tells what it spent and what measuring in full would have cost', () => {
  const bill = { hourlyUsd: 3.6, gpus: 2, aroundSeconds: 600 };
  const { spent, inFull } = totalRace(10, [
    { ...bill, label: 'a', roundSeconds: Array(10).fill(100) },
    { ...bill, label: 'b', roundSeconds: [100, 140] },
  ]);
  expect(spent).toEqual({ gpuHours: expect.closeTo((2 * (1600 + 840)) / 3600), usd: expect.closeTo(2.44) });
  expect(inFull.usd).toBeCloseTo(1.6 + 1.8);
  expect(totalRace(10, [{ ...bill, label: 'a', hourlyUsd: null, roundSeconds: [1] }]).spent.usd).toBeNull();
});
