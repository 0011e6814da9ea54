import { describe, expect, test } from 'vitest';
import type { CellOrder } from '../../../src/core/measuring/cell.ts';
import {
  type CellOutcome,
  evidenceOf,
  type MeasurePlan,
  mayHaveMoreShards,
  nextWave,
} from '../../../src/core/measuring/wave.ts';
import type { LoadModel } from '../../../src/core/spec/load-model.ts';

const START_MS = 1_000_000;

const closed = { loop: 'closed', arrival: 'constant', maxInFlight: null } as const;

function levels(...list: number[]): LoadModel {
  return { ...closed, walk: { kind: 'levels', levels: list } };
}

function aMeasurePlan(fields: Partial<MeasurePlan> = {}): MeasurePlan {
  return {
    workloads: [
      { promptTokens: 100, outputTokens: 10 },
      { promptTokens: 200, outputTokens: 20 },
    ],
    load: levels(1, 2, 4),
    slo: null,
    repeats: { least: 2, most: 2 },
    limits: { mode: 'steady', maxSeconds: 30, minRequests: 30, requestTimeoutSeconds: 180 },
    maxCells: 100,
    mostShards: 8,
    isolation: 'exclusive',
    seed: 42,
    deadlineMs: START_MS + 3_600_000,
    ...fields,
  };
}

const measured = (order: CellOrder, fields: Partial<CellOutcome> = {}): CellOutcome => ({
  workload: order.workload,
  loop: order.loop,
  level: order.level,
  repeat: order.repeat,
  attempt: order.attempt,
  shards: order.shards,
  status: 'measured',
  attempted: 30,
  failed: 0,
  outputTokensPerSecond: 100,
  aborted: false,
  slo: null,
  leftBusy: false,
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
    const { orders } = walk(aMeasurePlan({ load: levels(1, 2, 3, 4, 5, 6) }));
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
        load: levels(2_000, 1),
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
      load: levels(2),
      repeats: { least: 1, most: 1 },
      workloads: [{ promptTokens: 1, outputTokens: 1 }],
    });
    const { orders, stoppedBy } = walk(plan, (order) => measured(order, { status: 'again', attempted: 0 }));
    expect(orders.map((order) => order.attempt)).toEqual([1, 2, 3]);
    expect(stoppedBy).toBeNull();
  });

  test('an attempt that succeeds ends it', () => {
    const plan = aMeasurePlan({
      load: levels(2),
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
  const ramp = (fields: object = {}): LoadModel => ({
    ...closed,
    walk: { kind: 'ramp', ramp: { from: 1, to: 5, step: 1, failureThreshold: 0.2, ...fields } },
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
    const plan = aMeasurePlan({ load: ramp(range), repeats: { least: 1, most: 1 }, workloads: one });
    const { orders, stoppedBy } = walk(plan, failsFrom(failing));
    expect(levelsOf(orders)).toEqual(levels);
    expect(stoppedBy).toBeNull();
  });

  test('a failure rate at the threshold still holds', () => {
    const plan = aMeasurePlan({ load: ramp(), repeats: { least: 1, most: 1 }, workloads: one });
    expect(levelsOf(walk(plan, (order) => measured(order, { failed: 6 })).orders)).toEqual([1, 2, 3, 4, 5]);
    expect(
      levelsOf(walk(plan, (order) => measured(order, { failed: 7, level: order.level })).orders),
    ).toEqual([1]);
  });

  test('all repeats of a level decide together', () => {
    const plan = aMeasurePlan({ load: ramp(), repeats: { least: 2, most: 2 }, workloads: one });
    const { orders } = walk(plan, (order) =>
      measured(order, { failed: order.level === 2 && order.repeat === 1 ? 11 : 0 }),
    );
    expect(names(orders)).toHaveLength(10);
  });

  test('each workload has a walk of its own, in an order that the seed shuffles', () => {
    const workloads = Array.from({ length: 8 }, (_, index) => ({ promptTokens: index + 1, outputTokens: 1 }));
    const plan = aMeasurePlan({ load: ramp({ to: 2 }), repeats: { least: 1, most: 1 }, workloads });
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

describe('search', () => {
  const search = (fields: object = {}): LoadModel => ({
    ...closed,
    walk: { kind: 'search', max: 16, step: 1, maxRequestsPerLevel: 'auto', ...fields },
  });
  const slo = { attainment: 0.95, ttftMs: 500, tpotMs: null, e2eMs: null };
  const one = [{ promptTokens: 1, outputTokens: 1 }];
  const plan = (fields: Partial<MeasurePlan> = {}) =>
    aMeasurePlan({ load: search(), slo, workloads: one, ...fields });
  /** Up to a level all requests are good, above it half of them. */
  const goodUpTo = (level: number) => (order: CellOrder) => {
    const attempted = order.minRequests ?? 0;
    const met = order.level <= level ? attempted : Math.floor(attempted / 2);
    return measured(order, { slo: { attempted, met, notEvaluable: 0 } });
  };

  test('doubles, then halves, to the highest level that meets the objectives', () => {
    const { orders, stoppedBy } = walk(plan(), goodUpTo(6));
    expect([...new Set(levelsOf(orders))]).toEqual([1, 2, 4, 8, 6, 7]);
    expect(stoppedBy).toBeNull();
  });

  test('asks a level for as many requests as can show that it meets, 59 at the least', () => {
    const { orders } = walk(plan(), goodUpTo(6));
    expect(orders.every((order) => (order.minRequests ?? 0) >= 59 || order.repeat > 1)).toBe(true);
  });

  test('searches each workload for itself', () => {
    const { orders } = walk(aMeasurePlan({ load: search(), slo }), goodUpTo(2));
    expect(new Set(orders.map((order) => order.workload))).toEqual(new Set([0, 1]));
  });

  test('goes on with a level that gave fewer requests than were wanted, in a repeat of its own', () => {
    const { orders } = walk(plan({ load: search({ max: 1 }) }), (order) =>
      measured(order, { slo: { attempted: 30, met: 30, notEvaluable: 0 } }),
    );
    expect(orders.map((order) => order.repeat)).toEqual(orders.map((_, index) => index + 1));
    expect(orders.length).toBeGreaterThan(1);
  });

  test('leaves a level of which nothing can be judged after one repeat', () => {
    const { orders } = walk(plan(), (order) =>
      measured(order, { slo: { attempted: 100, met: 0, notEvaluable: 100 } }),
    );
    expect(levelsOf(orders)).toEqual([1]);
  });

  test('a repeat that never began closes its level instead of being asked for for ever', () => {
    const { orders } = walk(plan(), (order) => measured(order, { status: 'again', attempted: 0 }));
    expect(orders).toHaveLength(3);
  });

  test('pools the repeats of a level, and counts those only that were measured', () => {
    const order = walk(plan(), goodUpTo(1)).orders[0] as CellOrder;
    const counts = { attempted: 40, met: 38, notEvaluable: 0 };
    const evidence = evidenceOf([
      measured({ ...order, repeat: 1 }, { slo: counts }),
      measured({ ...order, repeat: 2 }, { slo: counts }),
      measured({ ...order, repeat: 3 }, { slo: counts, status: 'again' }),
    ]);
    expect(evidence).toEqual([{ level: 1, attempted: 80, met: 76, closed: false }]);
  });

  test('of rates walks over multiples of its step', () => {
    const load: LoadModel = {
      loop: 'rate',
      arrival: 'poisson',
      maxInFlight: 64,
      walk: { kind: 'search', max: 2, step: 0.25, maxRequestsPerLevel: 'auto' },
    };
    const { orders } = walk(plan({ load }), goodUpTo(1.25));
    expect([...new Set(levelsOf(orders))]).toEqual([0.25, 0.5, 1, 2, 1.5, 1.25]);
  });
});

describe('a client that was the limit', () => {
  const plan = aMeasurePlan({
    load: levels(8),
    repeats: { least: 3, most: 3 },
    workloads: [{ promptTokens: 1, outputTokens: 1 }],
  });

  test('its repeat is measured again on twice the shards, and so is what follows of that cell', () => {
    const { orders } = walk(plan, (order) =>
      measured(order, order.shards === 2 && order.repeat === 2 ? { status: 'client-limited' } : {}),
    );
    expect(orders.map((order) => [order.repeat, order.attempt, order.shards])).toEqual([
      [1, 1, 2],
      [2, 1, 2],
      [2, 2, 4],
      [3, 1, 4],
    ]);
  });

  test.each([
    ['one connection has no more shards to be had', 1, {}, false],
    ['eight connections have', 8, {}, true],
    ['not a second time', 8, { shards: 4 }, false],
    ['not in the last attempt', 8, { attempt: 3 }, false],
  ])('%s', (_, level, fields, expected) => {
    const order: CellOrder = {
      workload: 0,
      loop: 'closed',
      level,
      repeat: 1,
      attempt: 1,
      shards: level === 1 ? 1 : 2,
      minRequests: null,
      maxSeconds: 30,
      contaminated: false,
      ...fields,
    };
    expect(mayHaveMoreShards(plan, order)).toBe(expected);
  });
});

test('a machine without more cores has no more shards to give', () => {
  const plan = aMeasurePlan({ load: levels(8), mostShards: 2, repeats: { least: 1, most: 1 } });
  const { orders } = walk(plan, (order) => measured(order));
  expect(orders.every((order) => order.shards === 2 && !mayHaveMoreShards(plan, order))).toBe(true);
});

test('what comes after a measurement that left the endpoint busy is marked, and only that', () => {
  const { orders } = walk(aMeasurePlan({ load: levels(1) }), (order) =>
    measured(order, { leftBusy: order.workload === 0 && order.repeat === 1 }),
  );
  const after = orders.findIndex((order) => order.workload === 0 && order.repeat === 1) + 1;
  expect(orders.map((order) => order.contaminated)).toEqual(orders.map((_, index) => index === after));
});

describe('an open loop', () => {
  test('takes the connections of its bound in flight, whatever its rate', () => {
    const load: LoadModel = {
      loop: 'rate',
      arrival: 'poisson',
      maxInFlight: 200,
      walk: { kind: 'levels', levels: [0.5, 2] },
    };
    const { orders } = walk(aMeasurePlan({ load, repeats: { least: 1, most: 1 } }));
    expect(new Set(orders.map((order) => order.shards))).toEqual(new Set([2]));
    expect(orders.every((order) => order.loop === 'rate')).toBe(true);
  });

  test('a slow rate gets the time that its requests need to come', () => {
    const load: LoadModel = {
      loop: 'rate',
      arrival: 'constant',
      maxInFlight: 64,
      walk: { kind: 'levels', levels: [0.1] },
    };
    const limits = {
      mode: 'steady',
      maxSeconds: 'auto',
      minRequests: 30,
      requestTimeoutSeconds: 180,
    } as const;
    const { orders } = walk(aMeasurePlan({ load, limits, repeats: { least: 1, most: 1 } }));
    expect(orders[0]?.maxSeconds).toBeGreaterThan(300);
  });
});

describe('several endpoints', () => {
  const cellOf = (order: CellOrder) => `w${order.workload} c${order.level}`;

  test('measure each cell on each, side by side and never two cells on one', () => {
    const plan = aMeasurePlan({ endpoints: 2, repeats: { least: 4, most: 4 } });
    const { waves, orders } = walk(plan);
    for (const wave of waves) {
      expect(wave.map((order) => order.endpoint).toSorted()).toEqual([0, 1]);
      // The same cell on both at the same time: what drifts, drifts for both.
      expect(new Set(wave.map(cellOf)).size).toBe(1);
    }
    expect(orders).toHaveLength(2 * 3 * 4);
    expect(orders.every((order) => order.endpoint === (order.repeat - 1) % 2)).toBe(true);
  });

  test('take as many at once as a host has activities for', () => {
    const plan = aMeasurePlan({ endpoints: 8, load: levels(4), repeats: { least: 8, most: 8 } });
    const { waves } = walk(plan);
    for (const wave of waves)
      expect(wave.reduce((sum, { shards }) => sum + shards, 0)).toBeLessThanOrEqual(8);
    expect(waves[0]).toHaveLength(4);
  });

  test('do not crowd each other out: a repeat that found no room is tried again alone', () => {
    const plan = aMeasurePlan({ endpoints: 2 });
    const busy = (order: CellOrder) =>
      measured(order, { status: order.endpoint === 1 && order.attempt === 1 ? 'again' : 'measured' });
    const { waves } = walk(plan, busy);
    expect(
      waves.filter((wave) => wave.some(({ attempt }) => attempt > 1)).map((wave) => wave.length),
    ).toEqual(Array(6).fill(1));
    expect(waves.filter((wave) => wave.length === 2)).toHaveLength(6);
  });

  test('climb a ramp together, and a level is over when it was measured on each', () => {
    const load: LoadModel = {
      ...closed,
      walk: { kind: 'ramp', ramp: { from: 1, to: 3, step: 1, failureThreshold: 0.2 } },
    };
    const { waves } = walk(aMeasurePlan({ load, endpoints: 2 }));
    expect(waves.map((wave) => wave.map((order) => `c${order.level}e${order.endpoint}`).join(' '))).toEqual([
      ...['c1e0 c1e1', 'c2e0 c2e1', 'c3e0 c3e1'],
      ...['c1e0 c1e1', 'c2e0 c2e1', 'c3e0 c3e1'],
    ]);
  });

  test('are contaminated each by what was left on itself', () => {
    const plan = aMeasurePlan({ endpoints: 2 });
    const [first] = [nextWave(plan, [], START_MS)];
    const outcomes = first.kind === 'wave' ? first.cells.map((order) => measured(order)) : [];
    const left = outcomes.map((outcome) => ({ ...outcome, leftBusy: outcome.repeat === 1 }));
    const second = nextWave(plan, left, START_MS);
    expect(
      second.kind === 'wave' && second.cells.map(({ endpoint, contaminated }) => [endpoint, contaminated]),
    ).toEqual([
      [0, true],
      [1, false],
    ]);
  });
});

describe('several settings', () => {
  const under = (order: CellOrder) => measured(order, { settings: order.settings ?? 0 });

  test('are measured one after the other, each with all of its cells', () => {
    const { orders } = walk(aMeasurePlan({ settings: 3 }), under);
    expect(orders.map((order) => order.settings)).toEqual(
      [0, 1, 2].flatMap((index) => Array(12).fill(index)),
    );
    const first = names(orders.filter((order) => order.settings === 0));
    expect(names(orders.filter((order) => order.settings === 2))).toEqual(first);
  });

  test('have attempts and contamination of their own, and one bound of cells together', () => {
    const busy = (order: CellOrder) => measured(order, { settings: order.settings ?? 0, leftBusy: true });
    const { orders, stoppedBy } = walk(aMeasurePlan({ settings: 2, maxCells: 15 }), busy);
    expect(orders).toHaveLength(15);
    expect(orders[12]).toMatchObject({ settings: 1, attempt: 1, contaminated: false });
    expect(orders[13]).toMatchObject({ settings: 1, contaminated: true });
    expect(stoppedBy).toContain('limits.maxCells');
  });

  test('are nowhere where there is one', () => {
    expect(walk(aMeasurePlan()).orders.every((order) => !('settings' in order || 'endpoint' in order))).toBe(
      true,
    );
  });
});
