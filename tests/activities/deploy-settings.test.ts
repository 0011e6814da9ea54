/**
 * Settings that are measured in turn, by the real steps: the deployment is sent again with the next ones, read back,
 * warmed up anew, and the rows say under which each cell was measured.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSteps } from '../../src/activities/steps.ts';
import type { CellOrder } from '../../src/core/measuring/cell.ts';
import type { RunRecord } from '../../src/core/run.ts';
import type { Measured, StepHandlers } from '../../src/orchestrations/steps.ts';
import { aRun, aSpec } from '../support/builders.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';
import { type PlayOptions, playRun } from '../support/scripted-run.ts';

const SETTINGS = [
  { maxConcurrentRequestsPerInstance: 1, requestTimeoutSeconds: 180 },
  { maxConcurrentRequestsPerInstance: 10, requestTimeoutSeconds: 60 },
];
const MEASURED: Measured = { cells: 2, canceled: false, aborted: false, stoppedBy: null, succeeded: 2 };

let real: RealServices;
let steps: StepHandlers;

beforeAll(async () => {
  real = await openRealServices();
  steps = createSteps(real.services);
});

afterAll(async () => {
  await real.close();
});

const anOrder: CellOrder = {
  workload: 0,
  loop: 'closed',
  level: 4,
  repeat: 1,
  settings: 0,
  attempt: 1,
  shards: 1,
  minRequests: null,
  maxSeconds: 20,
  contaminated: false,
};

/** A run of both settings; `measure` stands for its sub-orchestration. */
async function play(
  measure: (runId: string) => Promise<Measured>,
  { target = {}, warms = true }: { target?: object; warms?: boolean } = {},
): Promise<RunRecord> {
  const spec = aSpec({
    model: { name: 'Phi-4', version: '7' },
    target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4', requestSettings: SETTINGS, ...target },
    workloads: [{ promptTokens: 64, outputTokens: 16 }],
    concurrency: { levels: [4] },
    measure: { mode: 'burst' },
  });
  const { id } = await real.aStoredRun({ spec, plan: aRun({ spec }).plan });
  const options: PlayOptions = {
    instead: {
      warmUp: (input) => (warms ? steps.warmUp(input as never) : { state: 'ready' }),
      aggregate: (input) => steps.aggregate(input as never),
      measure: (input) => measure((input as { runId: string }).runId),
    },
  };
  await playRun(real, id, options);
  return read(id);
}

async function read(id: string): Promise<RunRecord> {
  const run = await real.services.stores.runs.read(id);
  if (run === null) throw new Error('The run is gone.');
  return run;
}

async function measureUnder(runId: string, settings: number): Promise<void> {
  const order = { ...anOrder, settings };
  expect(await steps.measureCell({ runId, order, shard: 0 })).toMatchObject({ status: 'measured' });
  const cell = { ...order, gaveUpReason: null, saveFailures: 0 };
  expect(await steps.saveCell({ runId, cell, cellsDone: settings + 1 })).toEqual({ saved: true });
}

async function deployed(run: RunRecord) {
  return Promise.all(
    (run.endpoints ?? (run.endpoint ? [run.endpoint] : [])).map(({ name }) =>
      real.services.controlPlane.readDeployment('default', name, 'bench'),
    ),
  );
}

describe('settings in turn', () => {
  it('are put into effect on each endpoint, warmed up again, and told in the rows', async () => {
    const run = await play(
      async (runId) => {
        await measureUnder(runId, 0);
        const before = await read(runId);
        expect(await deployed(before)).toMatchObject([SETTINGS[0], SETTINGS[0]]);
        // Twice at once, and again: one update each, as after a crash between sending and telling.
        await Promise.all([1, 2].map(() => steps.deploySettings({ runId, settings: 1 })));
        await eventually(async () => (await steps.deploySettings({ runId, settings: 1 })).state === 'ready');
        expect(await steps.deploySettings({ runId, settings: 1 })).toEqual({ state: 'ready' });
        const changed = await read(runId);
        expect(await deployed(changed)).toMatchObject([SETTINGS[1], SETTINGS[1]]);
        expect(changed.settings).toBe(1);
        for (const warmUp of [changed.warmUp, changed.furtherWarmUps?.[0]]) {
          expect(warmUp).toMatchObject({ rounds: [], route: { api: 'openai-chat' } });
          expect(warmUp?.stable).toBeUndefined();
        }
        await eventually(async () => (await steps.warmUp({ runId, attempt: 1 })).state === 'ready');
        const warm = await read(runId);
        // More at once than the settings before let in.
        expect(warm.warmUp?.rounds?.at(-1)?.level).toBe(4);
        expect(before.warmUp?.rounds?.at(-1)?.level).toBe(1);
        await measureUnder(runId, 1);
        return MEASURED;
      },
      { target: { endpoints: 2 } },
    );
    expect(run).toMatchObject({ state: 'completed', failure: null });
    const cells = await real.services.stores.cells.list(run.id);
    expect(cells.map(({ cellKey, cellId }) => [cellKey, cellId])).toEqual([
      ['m0-w000-c0004-r01', 'c4-p64-o16-m1'],
      ['m1-w000-c0004-r01', 'c4-p64-o16-m10'],
    ]);
    expect(cells.map(({ provenance }) => provenance)).toMatchObject(SETTINGS);
    const report = await real.services.stores.reports.read(run.id);
    expect(report?.rows.map(({ cellId, repeats }) => [cellId, repeats])).toEqual([
      ['c4-p64-o16-m1', 1],
      ['c4-p64-o16-m10', 1],
    ]);
    expect(await real.alive()).toEqual([]);
    expect(await real.services.stores.leases.listOpen()).toEqual([]);
  }, 60_000);

  it('are refused with what Azure said where the update fails, and the run keeps what it has', async () => {
    const run = await play(
      async (runId) => {
        await fetch(`${real.simulatorUrl}/simulator/faults`, {
          method: 'PUT',
          body: JSON.stringify([{ operation: 'PUT deployment', nth: 1, fault: 'deploy-outofquota' }]),
        });
        let answer = await steps.deploySettings({ runId, settings: 1 });
        await eventually(async () => {
          answer = await steps.deploySettings({ runId, settings: 1 });
          return answer.state !== 'waiting';
        });
        await fetch(`${real.simulatorUrl}/simulator/faults`, { method: 'PUT', body: '[]' });
        expect(answer).toMatchObject({
          state: 'ended',
          ending: { state: 'failed', failure: { message: expect.stringMatching(/OutOfQuota/) } },
        });
        const stoppedBy = answer.state === 'ended' ? (answer.ending.failure?.message ?? null) : null;
        return { ...MEASURED, stoppedBy };
      },
      { warms: false },
    );
    expect(run).toMatchObject({
      state: 'completed',
      stoppedBy: expect.stringMatching(/could not be changed/),
    });
    expect(await real.alive()).toEqual([]);
  }, 60_000);

  it('are changed no more where the run is canceled or its endpoint is gone', async () => {
    await play(
      async (runId) => {
        const { endpoint } = await read(runId);
        await real.services.stores.leases.change(endpoint?.name ?? '', () => ({ closedAtMs: 1 }));
        const gone = await steps.deploySettings({ runId, settings: 1 });
        expect(gone).toMatchObject({ state: 'ended', ending: { failure: { code: 'deploy-failed' } } });
        await real.services.stores.leases.change(endpoint?.name ?? '', () => ({ closedAtMs: null }));
        await real.services.stores.runs.change(runId, () => ({ cancelRequestedAtMs: 1 }));
        const canceled = await steps.deploySettings({ runId, settings: 1 });
        expect(canceled).toMatchObject({ state: 'ended', ending: { state: 'canceled' } });
        expect(await deployed(await read(runId))).toMatchObject([SETTINGS[0]]);
        return { ...MEASURED, canceled: true };
      },
      { warms: false },
    );
    expect(await real.alive()).toEqual([]);
  }, 60_000);
});
