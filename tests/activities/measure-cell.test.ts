/** Shards of a repeat meet through their rows, begin and stop together, and tell what kept them from being measured. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSteps } from '../../src/activities/steps.ts';
import { type CellOrder, shardCount } from '../../src/core/measuring/cell.ts';
import { buildReport } from '../../src/core/report/report.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { sample } from '../../src/http/contract/sample.ts';
import { getSamples } from '../../src/http/samples.ts';
import { createConnectionBudget } from '../../src/load/connection-budget.ts';
import type { StepHandlers } from '../../src/orchestrations/steps.ts';
import type { Orchestrations, Services, ShardStore } from '../../src/services.ts';
import { aSpec } from '../support/builders.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;
let run: RunRecord;
let steps: StepHandlers;

const orderOf = (level: number, repeat = 1, attempt = 1): CellOrder => ({
  workload: 0,
  loop: 'closed',
  level,
  repeat,
  attempt,
  shards: shardCount(level),
  minRequests: null,
  maxSeconds: 20,
  contaminated: false,
});

/** One run with a deployment that answers, for all tests here. */
beforeAll(async () => {
  real = await openRealServices();
  const spec = aSpec({
    workloads: [{ promptTokens: 64, outputTokens: 32 }],
    concurrency: { levels: [1, 2, 4] },
    measure: { mode: 'steady', repeats: 2, minRequests: 4, keepSamples: true },
  });
  run = await real.aStoredRun({ spec });
  steps = createSteps(real.services);
  const { id: runId } = run;
  await steps.startRun({ runId });
  await steps.deployEndpoint({ runId });
  await eventually(async () => (await steps.deployProgress({ runId, stage: 'endpoint' })).state === 'ready');
  await steps.deployModel({ runId });
  await eventually(
    async () => (await steps.deployProgress({ runId, stage: 'deployment' })).state === 'ready',
  );
  await steps.deployTraffic({ runId });
  await eventually(async () => (await steps.deployProgress({ runId, stage: 'traffic' })).state === 'ready');
  await eventually(async () => (await steps.warmUp({ runId, attempt: 1 })).state === 'ready');
});

afterAll(async () => {
  await real.close();
});

const rowsOf = (cellKey: string, attempt = 1) =>
  real.services.stores.shards.list({ runId: run.id, cellKey, attempt });

/** The services, with a part of the store of shards as the tables would not have it by themselves. */
const withShards = (shards: Partial<ShardStore>): Services => ({
  ...real.services,
  stores: { ...real.services.stores, shards: { ...real.services.stores.shards, ...shards } },
});

describe('measureCell', () => {
  it('begins both shards at one moment, stops them together, and leaves rows that merge into a cell and a report', async () => {
    const order = orderOf(4);
    const [first, second] = await Promise.all([
      steps.measureCell({ runId: run.id, order, shard: 0 }),
      delay(700).then(() => steps.measureCell({ runId: run.id, order, shard: 1 })),
    ]);
    expect(first).toMatchObject({ status: 'measured', failed: 0, aborted: false, message: null });
    expect(second?.status).toBe('measured');
    const rows = await rowsOf('w000-c0004-r01');
    const [one, other] = rows.map((row) => row.summary);
    if (one == null || other == null) throw new Error('Both shards must have a summary.');
    // They began together though one arrived 700 ms after the other, and ended within a request of each other.
    const requestMs = 400;
    expect(Math.abs(one.startedAtMs - other.startedAtMs)).toBeLessThan(requestMs);
    expect(one.endedAtMs).toBeGreaterThan(other.startedAtMs);
    expect(one.steady).not.toBeNull();

    const cell = { ...order, gaveUpReason: null, saveFailures: 0 };
    expect(await steps.saveCell({ runId: run.id, cell, cellsDone: 1 })).toEqual({ saved: true });
    expect(await steps.saveCell({ runId: run.id, cell, cellsDone: 1 })).toEqual({ saved: true });
    const cells = await real.services.stores.cells.list(run.id);
    expect(cells).toHaveLength(1);
    expect(cells[0]?.summary).toMatchObject({
      shards: 2,
      connections: 4,
      attempted: one.attempted + other.attempted,
    });
    // Half of the load is no measurement of the cell, whatever has become of the other half's row.
    const half = createSteps(
      withShards({
        list: async (group) =>
          (await real.services.stores.shards.list(group)).map((row) =>
            row.shard === 1 ? { ...row, status: 'late', summary: null } : row,
          ),
      }),
    );
    expect(await half.saveCell({ runId: run.id, cell, cellsDone: 1 })).toEqual({ saved: false });
    expect(await real.services.stores.cells.list(run.id)).toEqual(cells);

    await steps.aggregate({ runId: run.id, stoppedBy: 'Only one cell was asked for.' });
    const stored = await real.services.stores.reports.read(run.id);
    const now = await real.services.stores.runs.read(run.id);
    if (now === null) throw new Error('The run is gone.');
    expect(stored).toEqual(buildReport(now, cells));
    expect(stored?.rows[0]?.provenance).toMatchObject({ simulated: true, sku: 'Standard_NC24ads_A100_v4' });
  });

  it('keeps the samples of both shards where the spec asks for it, and gives them as the lines of a cell', async () => {
    const [row] = (await real.services.stores.reports.read(run.id))?.rows ?? [];
    expect(row?.keptSamples).toBe(row?.attempted);
    const ask = (query: Record<string, string>) =>
      getSamples({
        request: {
          params: { id: run.id },
          query: new URLSearchParams(query),
          headers: new Headers(),
          text: async () => '',
        },
        services: real.services,
        orchestrations: {} as Orchestrations,
      });
    const answer = await ask({ cell: 'c4-p64-o32' });
    const lines = answer.body.trimEnd().split('\n');
    expect(lines).toHaveLength(row?.attempted ?? 0);
    const samples = lines.map((line) => sample.parse(JSON.parse(line)));
    // As the rows say, and each request once: both shards are in it.
    expect(new Set(samples.map(({ requestId }) => requestId)).size).toBe(samples.length);
    expect(new Set(samples.map(({ requestId }) => requestId.replace(/-\d+$/, ''))).size).toBe(2);
    expect(Math.max(...samples.map(({ e2eMs }) => e2eMs))).toBeCloseTo(row?.e2eMs.max ?? 0, -2);
    await expect(ask({ cell: 'c1-p64-o32' })).rejects.toMatchObject({ status: 404 });
    await expect(ask({})).rejects.toMatchObject({ status: 400 });
  });

  it('is late, and loads nothing, where its sibling does not come within a minute', async () => {
    let aheadMs = 0; // Only this shard's clock: the load engine keeps to the real one.
    const alone = createSteps({ ...real.services, now: () => Date.now() + aheadMs });
    const outcome = alone.measureCell({ runId: run.id, order: orderOf(2), shard: 0 });
    await eventually(async () => (await rowsOf('w000-c0002-r01')).length === 1);
    aheadMs = 61_000;
    expect(await outcome).toMatchObject({ status: 'late', startedAtMs: null, attempted: 0 });
    expect((await rowsOf('w000-c0002-r01'))[0]?.status).toBe('late');
  });

  it('tells again what it has measured, without a request, where a crash has lost its answer', async () => {
    const order = orderOf(2, 2);
    const both = () => Promise.all([0, 1].map((shard) => steps.measureCell({ runId: run.id, order, shard })));
    const first = await both();
    const rows = await rowsOf('w000-c0002-r02');
    expect(await both()).toEqual(first);
    expect(await rowsOf('w000-c0002-r02')).toEqual(rows);
  });

  it('keeps what it has measured where the tables are away at its end', async () => {
    let away = 0;
    const { loadEngine } = real.services;
    const patient = createSteps({
      ...withShards({
        change: async (...asked) => {
          if (away === 0) return real.services.stores.shards.change(...asked);
          away -= 1;
          throw new Error('The tables are away.');
        },
      }),
      loadEngine: {
        ...loadEngine,
        startShard: (...order) => {
          const running = loadEngine.startShard(...order);
          void running.summary.then(() => {
            away = 1;
          });
          return running;
        },
      },
    });
    const order = orderOf(1, 7);
    expect(await patient.measureCell({ runId: run.id, order, shard: 0 })).toMatchObject({
      status: 'measured',
    });
    expect(away).toBe(0);
    expect(await rowsOf('w000-c0001-r07')).toMatchObject([{ status: 'measured' }]);
  });

  it('is late where its sibling was measured with another activity, which a crash has started again', async () => {
    const [row] = await rowsOf('w000-c0002-r02');
    if (row === undefined) throw new Error('A test before has measured both shards.');
    await real.services.stores.shards.save({ ...row, cellKey: 'w000-c0002-r03' });
    const late = await steps.measureCell({ runId: run.id, order: orderOf(2, 3), shard: 1 });
    expect(late).toMatchObject({ status: 'late' });
  });

  it('leaves what was measured alone as a late duplicate, and tells it', async () => {
    const order = orderOf(1, 4);
    const first = await steps.measureCell({ runId: run.id, order, shard: 0 });
    const rows = await rowsOf('w000-c0001-r04');
    expect(rows).toMatchObject([{ status: 'measured' }]);
    // It looks before the other one is done, and arrives after.
    let looks = 0;
    const duplicate = createSteps(
      withShards({
        list: async (group) => {
          looks += 1;
          return looks === 1 ? [] : real.services.stores.shards.list(group);
        },
      }),
    );
    expect(await duplicate.measureCell({ runId: run.id, order, shard: 0 })).toEqual(first);
    expect(await rowsOf('w000-c0001-r04')).toEqual(rows);
  });

  it('waits for its turn, until each shard before it is over, whatever has come of it', async () => {
    const after = { cellKey: 'w000-c0004-r09', attempt: 1, shards: 2, withinSeconds: 60 };
    const before = { runId: run.id, ...after, arrivedAtMs: 0, satisfiedAtMs: null, summary: null };
    const { shards } = real.services.stores;
    let isOver = false;
    const outcome = steps.measureCell({ runId: run.id, order: { ...orderOf(1, 9), after }, shard: 0 });
    void outcome.then(() => {
      isOver = true;
    });
    await shards.save({ ...before, shard: 0, status: 'late' });
    await shards.save({ ...before, shard: 1, status: 'arrived' });
    await delay(1_500);
    expect({ isOver, rows: await rowsOf('w000-c0001-r09') }).toEqual({ isOver: false, rows: [] });
    await shards.save({ ...before, shard: 1, status: 'measured' });
    expect(await outcome).toMatchObject({ status: 'measured', failed: 0 });
  });

  it('is late where what it follows hangs, and does not load the endpoint beside it', async () => {
    let aheadMs = 0;
    const patient = createSteps({ ...real.services, now: () => Date.now() + aheadMs });
    const after = { cellKey: 'w000-c0004-r08', attempt: 1, shards: 2, withinSeconds: 600 };
    const outcome = patient.measureCell({ runId: run.id, order: { ...orderOf(1, 8), after }, shard: 0 });
    await delay(100);
    aheadMs = 601_000;
    expect(await outcome).toMatchObject({ status: 'late', attempted: 0 });
    expect(await rowsOf('w000-c0001-r08')).toMatchObject([{ status: 'late' }]);
  });

  it('is busy where this process has no room for its connections', async () => {
    const connections = createConnectionBudget(4);
    const free = await connections.admit(3, 0);
    const crowded = createSteps({ ...real.services, connections });
    expect(await crowded.measureCell({ runId: run.id, order: orderOf(4, 2), shard: 0 })).toMatchObject({
      status: 'busy',
    });
    // Whoever waits for it learns that it will not come.
    expect(await rowsOf('w000-c0004-r02')).toMatchObject([{ shard: 0, status: 'late' }]);
    free?.();
  });

  it('tells what kept it from being measured instead of throwing', async () => {
    const broken = createSteps({
      ...real.services,
      controlPlane: {
        ...real.services.controlPlane,
        readAuthorization: async () => Promise.reject(new Error('No keys today.')),
      },
    });
    expect(await broken.measureCell({ runId: run.id, order: orderOf(1), shard: 0 })).toMatchObject({
      status: 'failed',
      message: 'No keys today.',
    });
  });

  it('stops within seconds of a cancel, while it loads and while it waits', async () => {
    const long = { ...orderOf(1, 2), maxSeconds: 600 };
    const endless = await real.aStoredRun({
      spec: aSpec({
        workloads: [{ promptTokens: 64, outputTokens: 32 }],
        measure: { mode: 'steady', minRequests: 10_000 },
      }),
      warmUp: (await real.services.stores.runs.read(run.id))?.warmUp ?? null,
      endpoint: (await real.services.stores.runs.read(run.id))?.endpoint ?? null,
      state: 'measuring',
    });
    const loading = steps.measureCell({ runId: endless.id, order: long, shard: 0 });
    const waiting = steps.measureCell({ runId: endless.id, order: { ...long, level: 4 }, shard: 1 });
    await eventually(
      async () => (await real.services.stores.runs.read(endless.id))?.progress.current !== null,
    );
    await real.services.stores.runs.change(endless.id, () => ({ cancelRequestedAtMs: real.services.now() }));
    expect((await loading).status).toBe('canceled');
    expect((await waiting).status).toBe('canceled');
  });
});
