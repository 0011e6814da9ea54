import { describe, expect, test } from 'vitest';
import type { CellOrder } from '../../src/core/cell.ts';
import { type CellOutcome, type MeasurePlan, nextWave } from '../../src/core/wave.ts';

const START_MS = 1_000_000;

function aMeasurePlan(fields: Partial<MeasurePlan> = {}): MeasurePlan {
  return {
    workloads: [
      { promptTokens: 100, outputTokens: 10 },
      { promptTokens: 200, outputTokens: 20 },
    ],
    concurrency: { levels: [1, 2, 4] },
    repeats: { least: 2, most: 2 },
    limits: { mode: 'steady', maxSeconds: 30, requestTimeoutSeconds: 180 },
    maxCells: 100,
    isolation: 'exclusive',
    seed: 42,
    deadlineMs: START_MS + 3_600_000,
    ...fields,
  };
}

const measured = (order: CellOrder, fields: Partial<CellOutcome> = {}): CellOutcome => ({
  workload: order.workload,
  level: order.level,
  repeat: order.repeat,
  attempt: order.attempt,
  status: 'measured',
  attempted: 30,
  failed: 0,
  outputTokensPerSecond: 100,
  aborted: false,
  ...fields,
});

/** Walks a plan to its end; every order comes out as `outcome` says. At most 1,000 waves, as a plan's cells. */
function walk(plan: MeasurePlan, outcome: (order: CellOrder) => CellOutcome = measured) {
  const outcomes: CellOutcome[] = [];
  const waves: (readonly CellOrder[])[] = [];
  for (let wave = 0; wave < 1_000; wave += 1) {
    const decision = nextWave(plan, outcomes, START_MS);
    if (decision.kind === 'done') return { waves, orders: waves.flat(), stoppedBy: decision.stoppedBy };
    waves.push(decision.cells);
    outcomes.push(...decision.cells.map(outcome));
  }
  throw new Error('The plan does not end.');
}

const names = (orders: readonly CellOrder[]) =>
  orders.map((order) => `w${order.workload} c${order.level} r${order.repeat}`);
const levelsOf = (orders: readonly CellOrder[]) => orders.map((order) => order.level);

describe('levels', () => {
  test('every repeat of every cell is measured once, one at a time', () => {
    const { waves, orders, stoppedBy } = walk(aMeasurePlan());
    expect(waves.every((wave) => wave.length === 1)).toBe(true);
    expect(new Set(names(orders)).size).toBe(12);
    expect(orders).toHaveLength(12);
    expect(stoppedBy).toBeNull();
  });

  test('all cells are measured once before any is measured again, each repeat in an order of its own', () => {
    const { orders } = walk(aMeasurePlan({ concurrency: { levels: [1, 2, 3, 4, 5, 6] } }));
    const [first, second] = [orders.slice(0, 12), orders.slice(12)];
    expect(first.every((order) => order.repeat === 1)).toBe(true);
    expect(second.every((order) => order.repeat === 2)).toBe(true);
    expect(levelsOf(first)).not.toEqual(levelsOf(second));
  });

  test('the order comes from the seed alone', () => {
    const order = (seed: number) => names(walk(aMeasurePlan({ seed })).orders);
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
  });

  test('under isolation "shared" cells are measured together, at most eight shards at once', () => {
    const { waves, orders } = walk(aMeasurePlan({ isolation: 'shared' }));
    expect(orders).toHaveLength(12);
    expect(new Set(names(orders)).size).toBe(12);
    const shards = waves.map((wave) => wave.reduce((sum, cell) => sum + (cell.level === 1 ? 1 : 2), 0));
    expect(Math.max(...shards)).toBeGreaterThan(2);
    expect(Math.max(...shards)).toBeLessThanOrEqual(8);
  });

  test('a cell with more shards than a wave may hold is still measured, alone', () => {
    const { waves } = walk(
      aMeasurePlan({
        isolation: 'shared',
        concurrency: { levels: [2_000, 1] },
        repeats: { least: 1, most: 1 },
        workloads: [{ promptTokens: 1, outputTokens: 1 }],
      }),
    );
    expect(waves.flat()).toHaveLength(2);
    expect(waves.find((wave) => wave.some((cell) => cell.level === 2_000))).toHaveLength(1);
  });
});

describe('another attempt', () => {
  test('a repeat whose shards missed each other is measured again at once, three times at most', () => {
    const plan = aMeasurePlan({
      concurrency: { levels: [2] },
      repeats: { least: 1, most: 1 },
      workloads: [{ promptTokens: 1, outputTokens: 1 }],
    });
    const { orders, stoppedBy } = walk(plan, (order) => measured(order, { status: 'again', attempted: 0 }));
    expect(orders.map((order) => order.attempt)).toEqual([1, 2, 3]);
    expect(stoppedBy).toBeNull();
  });

  test('an attempt that succeeds ends it', () => {
    const plan = aMeasurePlan({
      concurrency: { levels: [2] },
      repeats: { least: 1, most: 1 },
      workloads: [{ promptTokens: 1, outputTokens: 1 }],
    });
    const { orders } = walk(plan, (order) =>
      measured(order, order.attempt === 1 ? { status: 'again', attempted: 0 } : {}),
    );
    expect(orders.map((order) => order.attempt)).toEqual([1, 2]);
  });
});

describe('ramp', () => {
  const ramp = (fields: object = {}) => ({
    ramp: { from: 1, to: 5, step: 1, failureThreshold: 0.2, ...fields },
  });
  const one = [{ promptTokens: 1, outputTokens: 1 }];
  const failsFrom = (level: number) => (order: CellOrder) =>
    measured(order, { failed: order.level >= level ? 10 : 0 });

  test.each<[name: string, range: object, failing: number, levels: number[]]>([
    ['steps up to its end', {}, 99, [1, 2, 3, 4, 5]],
    ['stops at the first level that fails too often', {}, 3, [1, 2, 3]],
    ['steps down from a first level that fails, until one holds', { from: 4 }, 3, [4, 3, 2]],
    ['stops at level 1 when nothing holds', { from: 3 }, 1, [3, 2, 1]],
    ['takes its steps', { to: 8, step: 3 }, 99, [1, 4, 7]],
    ['ends below 1 without trying it', { from: 4, step: 3 }, 1, [4, 1]],
    ['of one level measures one level', { from: 2, to: 2 }, 99, [2]],
  ])('%s', (_, range, failing, levels) => {
    const plan = aMeasurePlan({ concurrency: ramp(range), repeats: { least: 1, most: 1 }, workloads: one });
    const { orders, stoppedBy } = walk(plan, failsFrom(failing));
    expect(levelsOf(orders)).toEqual(levels);
    expect(stoppedBy).toBeNull();
  });

  test('a failure rate at the threshold still holds', () => {
    const plan = aMeasurePlan({ concurrency: ramp(), repeats: { least: 1, most: 1 }, workloads: one });
    expect(levelsOf(walk(plan, (order) => measured(order, { failed: 6 })).orders)).toEqual([1, 2, 3, 4, 5]);
    expect(
      levelsOf(walk(plan, (order) => measured(order, { failed: 7, level: order.level })).orders),
    ).toEqual([1]);
  });

  test('all repeats of a level decide together', () => {
    const plan = aMeasurePlan({ concurrency: ramp(), repeats: { least: 2, most: 2 }, workloads: one });
    const { orders } = walk(plan, (order) =>
      measured(order, { failed: order.level === 2 && order.repeat === 1 ? 11 : 0 }),
    );
    expect(names(orders)).toHaveLength(10);
  });

  test('each workload has a walk of its own, in an order that the seed shuffles', () => {
    const workloads = Array.from({ length: 8 }, (_, index) => ({ promptTokens: index + 1, outputTokens: 1 }));
    const plan = aMeasurePlan({ concurrency: ramp({ to: 2 }), repeats: { least: 1, most: 1 }, workloads });
    const order = walk(plan).orders.filter((cell) => cell.level === 1);
    expect(new Set(order.map((cell) => cell.workload)).size).toBe(8);
    expect(order.map((cell) => cell.workload)).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('budgets', () => {
  test.each(['exclusive', 'shared'] as const)(
    'limits.maxCells stops %s measuring at its count, retries not counted',
    (isolation) => {
      const { orders, stoppedBy } = walk(aMeasurePlan({ maxCells: 5, isolation }), (order) =>
        measured(order, order.attempt === 1 ? { status: 'again', attempted: 0 } : {}),
      );
      expect(new Set(names(orders)).size).toBe(5);
      expect(stoppedBy).toBe('limits.maxCells: 5 measurements were made.');
    },
  );

  test('a budget that is exactly enough stops nothing', () => {
    expect(walk(aMeasurePlan({ maxCells: 12 })).stoppedBy).toBeNull();
  });

  test('a repeat is cut to the time that is left for its requests and their answers', () => {
    const decision = nextWave(aMeasurePlan({ deadlineMs: START_MS + 20_000 }), [], START_MS);
    const [cell] = decision.kind === 'wave' ? decision.cells : [];
    expect(cell?.maxSeconds).toBeGreaterThan(10);
    expect(cell?.maxSeconds).toBeLessThan(18);
  });

  test('a repeat is never longer than it may be', () => {
    const decision = nextWave(aMeasurePlan(), [], START_MS);
    expect(decision.kind === 'wave' && decision.cells[0]?.maxSeconds).toBe(30);
  });

  test('measuring ends when not even one request fits before the deadline', () => {
    expect(nextWave(aMeasurePlan({ deadlineMs: START_MS + 4_000 }), [], START_MS)).toEqual({
      kind: 'done',
      stoppedBy: 'limits: the time or the money for measuring was used up.',
    });
  });

  test('a refused credential ends measuring with its reason', () => {
    const { orders, stoppedBy } = walk(aMeasurePlan(), (order) =>
      measured(order, { failed: 30, aborted: true }),
    );
    expect(orders).toHaveLength(1);
    expect(stoppedBy).toContain('refused the credential');
  });
});
