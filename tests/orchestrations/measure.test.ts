/** The measuring loop: shards in parallel, saving beside the next wave, repeats measured anew where shards miss each other. */
import { describe, expect, it } from 'vitest';
import { type CellOrder, cellKey } from '../../src/core/measuring/cell.ts';
import type { MeasurePlan } from '../../src/core/measuring/wave.ts';
import type { LoadModel } from '../../src/core/spec/load-model.ts';
import { MEASURE_BLOCK, measure } from '../../src/orchestrations/measure.ts';
import { measureBlock } from '../../src/orchestrations/measure-block.ts';
import type { Measured, ShardOutcome, UnsavedCell } from '../../src/orchestrations/steps.ts';
import { runToItsEnd, type Script } from '../support/scripted-orchestration.ts';

function levels(...list: number[]): LoadModel {
  return { loop: 'closed', arrival: 'constant', maxInFlight: null, walk: { kind: 'levels', levels: list } };
}

const plan: MeasurePlan = {
  workloads: [{ promptTokens: 64, outputTokens: 16 }],
  load: levels(1, 2, 4),
  slo: null,
  repeats: { least: 1, most: 1 },
  limits: { mode: 'steady', maxSeconds: 10, minRequests: 30, requestTimeoutSeconds: 180 },
  maxCells: 100,
  mostShards: 8,
  isolation: 'exclusive',
  seed: 1,
  deadlineMs: Date.UTC(2027, 0, 1),
};

const good: ShardOutcome = {
  status: 'measured',
  startedAtMs: 1_000,
  attempted: 10,
  failed: 0,
  outputTokensPerSecond: 100,
  aborted: false,
  clientValid: true,
  slo: null,
  leftBusy: false,
  message: null,
};

interface Saved {
  readonly cell: Pick<UnsavedCell, 'level' | 'gaveUpReason' | 'contaminated'>;
  readonly cellsDone: number;
}

interface Order {
  readonly order: CellOrder;
  readonly shard: number;
}

function check(
  changes: {
    plan?: Partial<MeasurePlan>;
    measureCell?: (input: Order, call: number) => ShardOutcome;
    saveCell?: (call: number) => { saved: boolean };
  } = {},
) {
  const script: Script = (name, input, call) => {
    if (name === 'planMeasuring') return { ...plan, ...changes.plan };
    if (name === 'measureCell') return changes.measureCell?.(input as Order, call) ?? good;
    if (name === 'saveCell') return changes.saveCell?.(call) ?? { saved: true };
    throw new Error(`Unexpected step ${name}.`);
  };
  const children = { [MEASURE_BLOCK]: measureBlock } as never;
  const run = runToItsEnd(measure as never, { runId: 'r1', measureDeadlineMs: 0 }, script, children);
  const of = (name: string) =>
    run.calls.filter((call) => call.name === name).map((call) => call.input as Order & Saved);
  return { ...run, result: run.result as Measured, measured: of('measureCell'), saved: of('saveCell') };
}

describe('measure', () => {
  it('measures each cell once, by two shards from concurrency 2 on, and saves each once', () => {
    const { measured, saved, result } = check();
    expect(measured.map(({ order, shard }) => `${order.level}/${shard}`).sort()).toEqual([
      '1/0',
      '2/0',
      '2/1',
      '4/0',
      '4/1',
    ]);
    expect(saved.map(({ cell }) => cell.level).sort()).toEqual([1, 2, 4]);
    expect(result).toEqual({ cells: 3, canceled: false, aborted: false, stoppedBy: null, succeeded: 50 });
  });

  it('saves a wave beside the next one and not before it', () => {
    const names = check().calls.map((call) => call.name);
    const firstSave = names.indexOf('saveCell');
    expect(names.slice(0, firstSave).filter((name) => name === 'measureCell').length).toBeGreaterThan(1);
  });

  it('measures a repeat anew as a whole when a shard is late, and gives it up with its reason after three attempts', () => {
    const once = check({
      measureCell: (input) =>
        input.order.level === 2 && input.shard === 1 && input.order.attempt === 1
          ? { ...good, status: 'late', startedAtMs: null }
          : good,
    });
    expect(
      once.measured
        .filter(({ order }) => order.level === 2)
        .map(({ order, shard }) => `${order.attempt}/${shard}`),
    ).toEqual(['1/0', '1/1', '2/0', '2/1']);
    expect(once.result.cells).toBe(3);

    const never = check({
      measureCell: (input) =>
        input.order.level === 2 ? { ...good, status: 'busy', startedAtMs: null } : good,
    });
    expect(never.measured.filter(({ order }) => order.level === 2)).toHaveLength(6);
    expect(never.saved.find(({ cell }) => cell.level === 2)?.cell.gaveUpReason).toContain(
      'MAX_CONNECTIONS_PER_INSTANCE',
    );
    expect(never.result.cells).toBe(2);
  });

  it('measures anew what began more than a second apart: those shards did not load the endpoint together', () => {
    const { measured } = check({
      measureCell: (input) =>
        input.order.level === 4 && input.order.attempt === 1
          ? { ...good, startedAtMs: 1_000 + 2_000 * input.shard }
          : good,
    });
    expect(measured.filter(({ order }) => order.level === 4)).toHaveLength(4);
  });

  it('tries a save that fails again beside later waves and at the end, and loses no measurement for it', () => {
    const { result, saved } = check({ saveCell: (call) => ({ saved: call > 2 }) });
    expect(result).toMatchObject({ cells: 3, stoppedBy: null });
    expect(saved).toHaveLength(5);
    const never = check({ saveCell: () => ({ saved: false }) });
    expect(never.result.cells).toBe(3);
    expect(never.saved.length).toBeLessThanOrEqual(15);
  });

  it('measures a repeat whose client was the limit again on twice the shards, and saves it once', () => {
    const { measured, saved, result } = check({
      measureCell: (input) => ({ ...good, clientValid: input.order.level !== 4 || input.order.shards > 2 }),
    });
    const ofFour = measured.filter(({ order }) => order.level === 4);
    expect(ofFour.map(({ order, shard }) => `${order.attempt}/${shard}`)).toEqual([
      '1/0',
      '1/1',
      '2/0',
      '2/1',
      '2/2',
      '2/3',
    ]);
    expect(saved.filter(({ cell }) => cell.level === 4)).toHaveLength(1);
    expect(result.cells).toBe(3);
  });

  it('keeps what a client that stays the limit has measured: its row says so', () => {
    const { saved, result } = check({ measureCell: () => ({ ...good, clientValid: false }) });
    expect(result.cells).toBe(3);
    expect(saved).toHaveLength(3);
    expect(saved.every(({ cell }) => cell.gaveUpReason === null)).toBe(true);
  });

  it('adds up what its shards kept of the objectives, and marks what follows a measurement that left work behind', () => {
    const slo = { attainment: 0.95, ttftMs: 500, tpotMs: null, e2eMs: null };
    const walk = { kind: 'search', max: 2, step: 1, maxRequestsPerLevel: 'auto' } as const;
    const { measured } = check({
      plan: { slo, load: { ...levels(1), walk } },
      measureCell: (input) => ({
        ...good,
        leftBusy: input.order.level === 1,
        slo: { attempted: 150, met: input.order.level === 1 || input.shard === 0 ? 150 : 0, notEvaluable: 0 },
      }),
    });
    expect(measured.map(({ order }) => order.level)).toEqual([1, 2, 2]);
    expect(measured.map(({ order }) => order.contaminated)).toEqual([false, true, true]);
  });

  it('stops at a cancel and drops the cell that was cut off', () => {
    const { result, saved } = check({
      measureCell: (_, call) => (call > 2 ? { ...good, status: 'canceled' } : good),
    });
    expect(result.canceled).toBe(true);
    expect(saved.length).toBe(result.cells);
    expect(result.cells).toBeLessThan(3);
  });

  it('stops where the credential is refused', () => {
    const { result } = check({ measureCell: () => ({ ...good, failed: 10, aborted: true }) });
    expect(result).toMatchObject({ aborted: true, cells: 1, succeeded: expect.any(Number) });
    expect(result.stoppedBy).toContain('credential');
  });

  it('stops repeating a cell once its interval is narrow, and goes on where the repeats differ', () => {
    const repeats = { least: 3, most: 6 };
    const steady = check({ plan: { repeats, load: levels(1) } });
    expect(steady.measured).toHaveLength(3);
    const noisy = check({
      plan: { repeats, load: levels(1) },
      measureCell: (input) => ({ ...good, outputTokensPerSecond: 100 + 40 * (input.order.repeat % 2) }),
    });
    expect(noisy.measured).toHaveLength(6);
  });

  it('measures in a row what needs no answer before, and marks what followed work that was left behind', () => {
    const { measured, saved, calls } = check({
      plan: { inARow: 4, load: levels(1, 2, 4, 8, 16) },
      measureCell: (input) => ({ ...good, leftBusy: input.order.level === 4 }),
    });
    expect(calls.filter(({ name }) => name === 'measureCell')).toHaveLength(9);
    const first = measured.slice(0, 7).map(({ order }) => order);
    expect(first.filter(({ after }) => after === undefined).length).toBeLessThanOrEqual(2);
    const follower = measured.find(({ order }) => order.after?.cellKey.includes('c0004'))?.order;
    if (follower === undefined) throw new Error('Nothing followed level 4; the seed puts it in the middle.');
    const contaminated = saved.filter(({ cell }) => cell.contaminated).map(({ cell }) => cell.level);
    expect(contaminated).toEqual([follower.level]);
  });

  it('measures block after block, each with a history of its own, and loses and repeats nothing between them', () => {
    const { measured, saved, histories, calls, result } = check({
      plan: {
        workloads: Array.from({ length: 18 }, (_, index) => ({ promptTokens: 64 + index, outputTokens: 16 })),
        load: levels(...Array.from({ length: 20 }, (_, index) => index + 1)),
        repeats: { least: 3, most: 3 },
        maxCells: 1_050,
      },
    });
    const repeats = measured.filter(({ shard }) => shard === 0).map(({ order }) => cellKey(order));
    expect(new Set(repeats).size).toBe(1_050);
    expect(repeats).toHaveLength(1_050);
    expect(saved).toHaveLength(1_050);
    expect(result).toMatchObject({
      cells: 1_050,
      stoppedBy: 'limits.maxCells: 1050 measurements were made.',
    });
    const blocks = calls.filter(({ name }) => name === MEASURE_BLOCK).map(({ input }) => input);
    expect({ histories, blocks: blocks.length }).toEqual({ histories: 11, blocks: 11 });
    const done = saved.map(({ cellsDone }) => cellsDone);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(done.at(-1)).toBe(1_050);
    // A block is shown no more of the past, however long it is.
    const shown = blocks.map((block) => JSON.stringify(block).length);
    expect(Math.max(...shown)).toBeLessThan(1.2 * (shown[1] ?? 0));
  });
});
