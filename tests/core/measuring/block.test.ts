/** A run that is measured in blocks is measured as one that is looked at as a whole, and each block is small. */
import { describe, expect, test } from 'vitest';
import { addOutcomes, MEASUREMENTS_PER_BLOCK, nextBlock } from '../../../src/core/measuring/block.ts';
import { type CellOrder, cellKey } from '../../../src/core/measuring/cell.ts';
import { type CellOutcome, type MeasurePlan, nextWave } from '../../../src/core/measuring/wave.ts';
import type { LoadModel } from '../../../src/core/spec/load-model.ts';

const START_MS = 1_000_000;
/** More waves and blocks than any plan here has. */
const MOST = 3_000;

const closed = { loop: 'closed', arrival: 'constant', maxInFlight: null } as const;
const list = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const levels = (count: number): LoadModel => ({ ...closed, walk: { kind: 'levels', levels: list(count) } });

function aPlan(fields: Partial<MeasurePlan> = {}): MeasurePlan {
  return {
    workloads: list(8).map((one) => ({ promptTokens: 100 * one, outputTokens: 10 })),
    load: levels(16),
    slo: null,
    repeats: { least: 2, most: 2 },
    limits: { mode: 'steady', maxSeconds: 30, minRequests: 30, requestTimeoutSeconds: 180 },
    maxCells: 10_000,
    mostShards: 8,
    isolation: 'exclusive',
    seed: 42,
    deadlineMs: START_MS + 365 * 24 * 3_600_000,
    ...fields,
  };
}

/** What comes of an order, in a way that makes plans take their turns: some fail, some differ, some must be repeated. */
function outcomeOf(order: CellOrder): CellOutcome {
  const draw = (order.workload * 31 + order.level * 17 + order.repeat * 7 + order.attempt * 3) % 23;
  const status = draw === 0 ? 'again' : draw === 1 && order.shards === 2 ? 'client-limited' : 'measured';
  const { workload, loop, level, repeat, settings, attempt, shards } = order;
  return {
    workload,
    loop,
    level,
    repeat,
    ...(settings !== undefined && { settings }),
    attempt,
    shards,
    status,
    attempted: 300,
    failed: level > 11 ? 200 : 0,
    outputTokensPerSecond: 100 + (draw > 15 ? 20 : 0) * (repeat % 2),
    aborted: false,
    slo: { attempted: 300, met: level > 9 ? 100 : 300, notEvaluable: 0 },
    leftBusy: draw % 5 === 0,
  };
}

interface Walk {
  readonly orders: readonly string[];
  readonly stoppedBy: string | null;
  readonly blocks: readonly { readonly measurements: number; readonly past: number }[];
}

const nameOf = ({ attempt, shards, contaminated, ...order }: CellOrder) =>
  `${cellKey(order)}-a${attempt}-s${shards}${contaminated ? '-after-work' : ''}`;

function walkWhole(plan: MeasurePlan): Walk {
  const orders: string[] = [];
  let outcomes: readonly CellOutcome[] = [];
  for (let waves = 0; waves < MOST; waves += 1) {
    const decision = nextWave(plan, outcomes, START_MS);
    if (decision.kind === 'done') return { orders, stoppedBy: decision.stoppedBy, blocks: [] };
    orders.push(...decision.cells.map(nameOf));
    for (const cell of decision.cells) outcomes = addOutcomes(outcomes, [outcomeOf(cell)]);
  }
  throw new Error('The plan does not end.');
}

function walkBlocks(plan: MeasurePlan): Walk {
  const orders: string[] = [];
  const blocks: { measurements: number; past: number }[] = [];
  let all: readonly CellOutcome[] = [];
  while (blocks.length < MOST) {
    const block = nextBlock(plan, all, START_MS);
    if (block.kind === 'done') return { orders, stoppedBy: block.stoppedBy, blocks };
    let mine: readonly CellOutcome[] = [];
    for (let waves = 0; mine.length < MEASUREMENTS_PER_BLOCK; waves += 1) {
      const decision = nextWave(block.plan, addOutcomes(block.past, mine), START_MS);
      if (decision.kind === 'done') break;
      if (waves > MOST) throw new Error('The block does not end.');
      orders.push(...decision.cells.map(nameOf));
      for (const cell of decision.cells) mine = addOutcomes(mine, [outcomeOf(cell)]);
    }
    blocks.push({ measurements: mine.length, past: block.past.length });
    all = addOutcomes(all, mine);
  }
  throw new Error('The plan does not end.');
}

const slo = { attainment: 0.95, ttftMs: 500, tpotMs: null, e2eMs: null };
const search = { kind: 'search', max: 64, step: 1, maxRequestsPerLevel: 'auto' } as const;
const ramp = { kind: 'ramp', ramp: { from: 1, to: 16, step: 1, failureThreshold: 0.2 } } as const;

describe('blocks', () => {
  test.each<[string, Partial<MeasurePlan>]>([
    ['levels', {}],
    ['levels with as many repeats as each cell needs', { load: levels(5), repeats: { least: 3, most: 6 } }],
    ['levels under several settings', { settings: 2 }],
    ['levels up to limits.maxCells', { maxCells: 137 }],
    ['a ramp', { load: { ...closed, walk: ramp } }],
    ['a search', { load: { ...closed, walk: search }, slo }],
  ])('measure %s in the same order as the whole, with the same attempts, shards and marks', (_, fields) => {
    const whole = walkWhole(aPlan(fields));
    const { blocks, ...inBlocks } = walkBlocks(aPlan(fields));
    expect(inBlocks.orders).toEqual(whole.orders);
    expect(inBlocks.stoppedBy).toBe(whole.stoppedBy);
    expect(blocks.length).toBeGreaterThan(1);
    expect(Math.max(...blocks.map(({ measurements }) => measurements))).toBeLessThanOrEqual(
      MEASUREMENTS_PER_BLOCK,
    );
  });

  test('use every endpoint, and measure each repeat once on its own', () => {
    const plan = aPlan({ endpoints: 2, repeats: { least: 4, most: 4 } });
    const { orders } = walkBlocks(plan);
    expect(new Set(orders.map((name) => name.slice(0, 14)))).toEqual(
      new Set(walkWhole(plan).orders.map((name) => name.slice(0, 14))),
    );
    const block = nextBlock(plan, [], START_MS);
    const repeats = block.kind === 'block' ? (block.plan.part?.repeats ?? []) : [];
    expect(repeats.filter(({ repeat }) => repeat % 2 === 0)).toHaveLength(repeats.length / 2);
  });

  test('are shown no more of the past when there is more of it', () => {
    const plan = aPlan({ workloads: list(60).map((one) => ({ promptTokens: one, outputTokens: 10 })) });
    const { blocks, orders } = walkBlocks(plan);
    expect(orders.length).toBeGreaterThan(1_900);
    expect(Math.max(...blocks.map(({ past }) => past))).toBeLessThan(30);
  });

  test('leave out what the time does not hold any more, and end where it holds nothing', () => {
    const workloads = [
      { promptTokens: 100, outputTokens: 20_000 },
      { promptTokens: 100, outputTokens: 10 },
    ];
    const plan = aPlan({ workloads, deadlineMs: START_MS + 60_000 });
    const block = nextBlock(plan, [], START_MS);
    const chosen = block.kind === 'block' ? (block.plan.part?.repeats ?? []) : [];
    expect(new Set(chosen.map(({ workload }) => workload))).toEqual(new Set([1]));
    expect(nextBlock(plan, [], plan.deadlineMs)).toMatchObject({
      kind: 'done',
      stoppedBy: /^limits: the time/,
    });
  });
});

describe('repeats in a row', () => {
  const inARow = (fields: Partial<MeasurePlan> = {}, outcomes: readonly CellOutcome[] = []) => {
    const decision = nextWave(aPlan({ inARow: 4, load: levels(4), ...fields }), outcomes, START_MS);
    return decision.kind === 'wave' ? decision.cells : [];
  };

  test('each wait for the one before, within one round and as many as there is room for', () => {
    const cells = inARow();
    expect(cells).toHaveLength(4);
    expect(cells.map(({ after }) => after?.cellKey)).toEqual([
      undefined,
      ...cells.slice(0, 3).map((cell) => cellKey(cell)),
    ]);
    expect(new Set(cells.map(({ repeat }) => repeat)).size).toBe(1);
    const waits = cells.map(({ after }) => after?.withinSeconds ?? 0);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    // The next round waits: what this one comes to may end a cell, or a race.
    expect(inARow({ workloads: [{ promptTokens: 100, outputTokens: 10 }], load: levels(3) })).toHaveLength(3);
    // Eight shards at the most: a level of 512 has four of them.
    expect(inARow({ load: { ...closed, walk: { kind: 'levels', levels: [512] } } })).toHaveLength(2);
    expect(inARow({ maxCells: 3 })).toHaveLength(3);
  });

  test('are none where the next level follows from the answers, or something is tried again', () => {
    expect(inARow({ load: { ...closed, walk: ramp } })).toHaveLength(1);
    expect(inARow({ load: { ...closed, walk: search }, slo })).toHaveLength(1);
    const [first] = inARow();
    if (first === undefined) throw new Error('There is a first repeat.');
    const again = inARow({}, [{ ...outcomeOf(first), status: 'again' }]);
    expect(again).toMatchObject([{ level: first.level, attempt: 2 }]);
    const longer = {
      mode: 'steady',
      maxSeconds: 1_500,
      minRequests: 30,
      requestTimeoutSeconds: 180,
    } as const;
    expect(inARow({ limits: longer })).toHaveLength(1);
  });

  test('end before the deadline, even if each takes as long as it may', () => {
    const cells = inARow({ deadlineMs: START_MS + 600_000 });
    expect(cells.length).toBeGreaterThan(1);
    expect(cells.length).toBeLessThan(4);
  });
});
