/** Between two settings: what was measured is saved, the deployment is updated and warmed, and every wait has its end. */
import { describe, expect, it } from 'vitest';
import type { CellOrder } from '../../src/core/measuring/cell.ts';
import type { MeasurePlan } from '../../src/core/measuring/wave.ts';
import { STAGE_MINUTES } from '../../src/core/spec/plan.ts';
import { MEASURE_BLOCK, measure } from '../../src/orchestrations/measure.ts';
import { measureBlock } from '../../src/orchestrations/measure-block.ts';
import type { Measured, ShardOutcome } from '../../src/orchestrations/steps.ts';
import { runToItsEnd, type Script } from '../support/scripted-orchestration.ts';

const START_MS = Date.UTC(2026, 0, 1);

const plan: MeasurePlan = {
  workloads: [{ promptTokens: 64, outputTokens: 16 }],
  load: {
    loop: 'closed',
    arrival: 'constant',
    maxInFlight: null,
    walk: { kind: 'levels', levels: [1, 2] },
  },
  slo: null,
  repeats: { least: 1, most: 1 },
  limits: { mode: 'steady', maxSeconds: 10, minRequests: 30, requestTimeoutSeconds: 180 },
  maxCells: 1_000,
  mostShards: 8,
  isolation: 'exclusive',
  settings: 2,
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

function check(
  answers: { deploySettings?: (call: number) => unknown; warmUp?: (call: number) => unknown } = {},
  changes: Partial<MeasurePlan> = {},
) {
  const script: Script = (name, _, call) => {
    if (name === 'planMeasuring') return { ...plan, ...changes };
    if (name === 'measureCell') return good;
    if (name === 'saveCell') return { saved: true };
    if (name === 'deploySettings') return answers.deploySettings?.(call) ?? { state: 'ready' };
    if (name === 'warmUp') return answers.warmUp?.(call) ?? { state: 'ready' };
    throw new Error(`Unexpected step ${name}.`);
  };
  const blocks = { [MEASURE_BLOCK]: measureBlock } as never;
  const run = runToItsEnd(measure as never, { runId: 'r1', measureDeadlineMs: 0 }, script, blocks);
  const names = run.calls.map(({ name }) => name);
  const orders = run.calls
    .filter(({ name }) => name === 'measureCell')
    .map((call) => (call.input as { order: CellOrder }).order);
  return { ...run, names, orders, result: run.result as Measured };
}

const failed = {
  state: 'failed',
  failure: { code: 'deploy-failed', message: 'OutOfQuota.' },
  stoppedBy: null,
};

describe('settings in turn', () => {
  it('are changed once between their cells, which are saved before', () => {
    const { names, orders, result, calls } = check({
      deploySettings: (call) => ({ state: call < 4 ? 'waiting' : 'ready' }),
      warmUp: (call) => ({ state: call < 3 ? 'waiting' : 'ready' }),
    });
    expect(orders.map((order) => order.settings)).toEqual([0, 0, 0, 1, 1, 1]);
    const change = names.indexOf('deploySettings');
    expect(names.slice(0, change).filter((name) => name === 'saveCell')).toHaveLength(2);
    expect(names.slice(change, change + 7)).toEqual([
      ...Array(4).fill('deploySettings'),
      ...Array(3).fill('warmUp'),
    ]);
    expect(calls[change]?.input).toEqual({ runId: 'r1', settings: 1 });
    expect(names.lastIndexOf('deploySettings')).toBe(change + 3);
    expect(result).toMatchObject({ cells: 4, canceled: false, stoppedBy: null });
  });

  it.each([
    ['cannot be changed', { deploySettings: () => ({ state: 'ended', ending: failed }) }],
    ['do not answer', { warmUp: () => ({ state: 'ended', ending: failed }) }],
  ])('that %s end measuring, and what was measured before is kept', (_, answers) => {
    const { result, orders } = check(answers);
    expect(result).toMatchObject({ cells: 2, canceled: false, stoppedBy: 'OutOfQuota.' });
    expect(orders.every((order) => order.settings === 0)).toBe(true);
  });

  it('see a cancel', () => {
    const canceled = { state: 'canceled', failure: null, stoppedBy: 'Canceled by the user.' };
    const { result } = check({ deploySettings: () => ({ state: 'ended', ending: canceled }) });
    expect(result).toMatchObject({ canceled: true, cells: 2 });
  });

  it('that never take effect are given up after the time of a deployment, with fewer than 200 questions', () => {
    const { result, names, elapsedMs } = check({ deploySettings: () => ({ state: 'waiting' }) });
    expect(result.stoppedBy).toContain(`within ${STAGE_MINUTES.deployment} minutes`);
    expect(elapsedMs).toBeLessThan((STAGE_MINUTES.deployment + 2) * 60_000);
    expect(names.filter((name) => name === 'deploySettings').length).toBeLessThan(200);
  });

  it('never outlast the budget', () => {
    const { result, elapsedMs } = check(
      { deploySettings: () => ({ state: 'waiting' }) },
      { deadlineMs: START_MS + 5 * 60_000 },
    );
    expect(result.stoppedBy).toMatch(/^limits: .*settings were changed/);
    expect(elapsedMs).toBeLessThan(6 * 60_000);
  });

  it('are remembered from block to block, and where the history starts anew in the middle of them', () => {
    const levels = Array.from({ length: 600 }, (_, index) => index + 1);
    const load = { ...plan.load, walk: { kind: 'levels' as const, levels } };
    const { names, histories, result } = check({}, { load, maxCells: 2_000 });
    expect(histories).toBeGreaterThan(10);
    expect(names.filter((name) => name === 'deploySettings')).toHaveLength(1);
    expect(result.cells).toBe(1_200);
  });
});
