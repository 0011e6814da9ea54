/**
 * A target of several endpoints, by the real steps in the real order: they are deployed, warmed, measured, billed and
 * released side by side, and an attempt that cannot have all of them has none.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSteps } from '../../src/activities/steps.ts';
import type { CellOrder } from '../../src/core/measuring/cell.ts';
import { endpointName } from '../../src/core/renting/lease.ts';
import { accruedUsd, type RunRecord } from '../../src/core/run.ts';
import type { Measured, StepHandlers } from '../../src/orchestrations/steps.ts';
import { aSpec } from '../support/builders.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';
import { type PlayOptions, playRun } from '../support/scripted-run.ts';

const SKU = 'Standard_NC24ads_A100_v4';
const MEASURED: Measured = { cells: 2, canceled: false, aborted: false, stoppedBy: null, succeeded: 2 };

let real: RealServices;
let steps: StepHandlers;

beforeAll(async () => {
  const workspace = (name: string) => ({
    subscriptionId: '00000000-0000-0000-0000-000000000000',
    resourceGroup: 'local',
    workspace: name,
  });
  real = await openRealServices({
    WORKSPACES: JSON.stringify({ default: workspace('local'), europe: workspace('ws-westeurope') }),
  });
  steps = createSteps(real.services);
});

afterAll(async () => {
  await real.close();
});

async function play(
  { target = {}, ...options }: PlayOptions & { target?: object } = {},
  fields: object = {},
): Promise<{ run: RunRecord; steps: readonly string[] }> {
  const spec = aSpec({ target: { kind: 'managed', sku: SKU, endpoints: 2, ...target }, ...fields });
  const { id } = await real.aStoredRun({ spec });
  const played = await playRun(real, id, options);
  return { run: await read(id), steps: played.steps };
}

async function read(id: string): Promise<RunRecord> {
  const run = await real.services.stores.runs.read(id);
  if (run === null) throw new Error('The run is gone.');
  return run;
}

async function expectNothingLeft(): Promise<void> {
  expect(await real.alive()).toEqual([]);
  expect(await real.services.stores.leases.listOpen()).toEqual([]);
  const { entries } = await real.services.ledger.read();
  expect(entries.filter(({ state }) => state === 'holding')).toEqual([]);
}

async function rules(list: readonly object[]): Promise<void> {
  const answer = await fetch(`${real.simulatorUrl}/simulator/faults`, {
    method: 'PUT',
    body: JSON.stringify(list),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

const anOrder: CellOrder = {
  workload: 0,
  loop: 'closed',
  level: 1,
  repeat: 1,
  attempt: 1,
  shards: 1,
  minRequests: null,
  maxSeconds: 20,
  contaminated: false,
};

describe('several endpoints', () => {
  it('are deployed, warmed up and measured each for itself, billed together and all released', async () => {
    const during: { alive: readonly string[]; gpus: number; leases: number }[] = [];
    const { run } = await play(
      {
        instead: {
          warmUp: (input) => steps.warmUp(input as never),
          aggregate: (input) => steps.aggregate(input as never),
          measure: async (input) => {
            const { runId } = input as { runId: string };
            const { entries } = await real.services.ledger.read();
            during.push({
              alive: await real.alive(),
              gpus: entries.find((entry) => entry.runId === runId)?.gpus ?? 0,
              leases: (await real.services.stores.leases.listOpen()).length,
            });
            const orders = [0, 1].map((endpoint) => ({ ...anOrder, repeat: endpoint + 1, endpoint }));
            const shards = orders.map((order) => steps.measureCell({ runId, order, shard: 0 }));
            expect((await Promise.all(shards)).map(({ status }) => status)).toEqual(['measured', 'measured']);
            for (const order of orders) {
              const cell = { ...order, gaveUpReason: null, saveFailures: 0 };
              expect(await steps.saveCell({ runId, cell, cellsDone: 1 })).toEqual({ saved: true });
            }
            return MEASURED;
          },
        },
      },
      {
        workloads: [{ promptTokens: 64, outputTokens: 16 }],
        concurrency: { levels: [1] },
        measure: { mode: 'burst' },
      },
    );
    const names = [0, 1].map((index) => endpointName('test', run.id, 1, index));
    expect(run).toMatchObject({ state: 'completed', failure: null, spec: { measure: { repeats: 2 } } });
    expect(during).toEqual([{ alive: expect.arrayContaining(names), gpus: 2, leases: 2 }]);
    expect(run.endpoints?.map(({ name }) => name)).toEqual(names);
    expect(run.endpoint).toEqual(run.endpoints?.[0]);
    const uris = run.endpoints?.map(({ scoringUri }) => scoringUri);
    expect(new Set(uris).size).toBe(2);

    const [first, second] = [run.warmUp, run.furtherWarmUps?.[0] ?? null];
    for (const warmUp of [first, second]) expect(warmUp?.rounds?.length).toBeGreaterThan(0);
    expect(first?.route.url).not.toBe(second?.route.url);

    const cells = await real.services.stores.cells.list(run.id);
    expect(cells.map(({ provenance }) => provenance.endpoint)).toEqual(names);
    const report = await real.services.stores.reports.read(run.id);
    expect(report?.rows).toMatchObject([{ repeats: 2, deployments: names }]);
    expect(report?.rows[0]?.deploymentSpread).toBeGreaterThanOrEqual(0);

    expect(run.billing.endpoint).toBe(names[0]);
    expect(run.billing.earlier).toMatchObject([{ endpoint: names[1], untilMs: expect.any(Number) }]);
    const both = accruedUsd(run.billing, real.services.now()) ?? 0;
    const one = accruedUsd({ ...run.billing, earlier: [] }, real.services.now()) ?? 0;
    expect(both / one).toBeGreaterThan(1.5);
    expect(run.plan.boundUsd).toBeGreaterThan(both);
    await expectNothingLeft();
  }, 60_000);

  it('are all given back where one of them finds no room, and all tried at the next place', async () => {
    await rules([{ operation: 'PUT deployment', nth: 2, fault: 'deploy-outofcapacity' }]);
    const alive: number[] = [];
    const { run, steps: taken } = await play({
      target: { placements: ['default', 'europe'] },
      before: async (step) => {
        if (step === 'deployEndpoint') alive.push((await real.alive()).length);
      },
    });
    await rules([]);
    expect(run).toMatchObject({ state: 'completed', tried: [{ attempt: 1, workspace: 'default' }] });
    expect(run.endpoints).toMatchObject([
      { name: endpointName('test', run.id, 2, 0), workspace: 'europe', attempt: 2 },
      { name: endpointName('test', run.id, 2, 1), workspace: 'europe', attempt: 2 },
    ]);
    // Both of the first attempt are gone before the second begins.
    expect(alive).toEqual([0, 0]);
    expect(taken.indexOf('abandonAttempt')).toBeLessThan(taken.lastIndexOf('deployEndpoint'));
    // Four were rented, and each has an end.
    const billed = [run.billing, ...(run.billing.earlier ?? [])];
    expect(billed.map(({ endpoint }) => endpoint).toSorted()).toEqual(
      [1, 2]
        .flatMap((attempt) => [0, 1].map((index) => endpointName('test', run.id, attempt, index)))
        .toSorted(),
    );
    expect(billed.filter(({ untilMs }) => untilMs === null)).toEqual([]);
    await expectNothingLeft();
  }, 60_000);

  it('are made once however often the steps run, and released where a step dies in between', async () => {
    const spec = aSpec({ target: { kind: 'managed', sku: SKU, endpoints: 3 } });
    const { id: runId } = await real.aStoredRun({ spec });
    await steps.admitRun({ runId });
    await steps.startRun({ runId });
    const input = { runId, attempt: 1, placement: 0 };
    await Promise.all([steps.deployEndpoint(input), steps.deployEndpoint(input)]);
    await eventually(
      async () => (await steps.deployProgress({ ...input, stage: 'endpoint' })).state === 'ready',
    );
    await steps.deployModel(input);
    await steps.deployModel(input);
    const { billing } = await read(runId);
    expect([billing, ...(billing.earlier ?? [])].map(({ endpoint }) => endpoint)).toEqual(
      [0, 1, 2].map((index) => endpointName('test', runId, 1, index)),
    );
    expect((await real.alive()).length).toBe(3);
    await steps.releaseEndpoint({ runId });
    // What a run holds is held until its last endpoint is gone.
    let open = 3;
    await eventually(async () => {
      const { gone } = await steps.releaseProgress({ runId });
      open = (await real.services.stores.leases.listOpen()).length;
      const held = (await real.services.ledger.read()).entries.some(
        (entry) => entry.runId === runId && entry.state === 'holding',
      );
      if (open > 0) expect(held).toBe(true);
      return gone;
    });
    await steps.finishRun({ runId, ending: { state: 'canceled', failure: null, stoppedBy: null } });
    expect(open).toBe(0);
    await expectNothingLeft();
  }, 60_000);

  it('are kept together, and taken together when their time is over', async () => {
    const { reap } = await import('../../src/activities/reap.ts');
    const idle = {
      start: async () => {},
      startComparison: async () => {},
      isRunning: async () => false,
      isKnown: async () => true,
    };
    const { run } = await play({ target: { keepMinutes: 30 } });
    expect(run.endpoints?.map(({ keptUntilMs }) => typeof keptUntilMs)).toEqual(['number', 'number']);
    expect((await real.alive()).length).toBe(2);
    real.advance(31 * 60_000);
    await eventually(async () => {
      await reap(real.services, idle);
      return (await real.services.stores.leases.listOpen()).length === 0;
    });
    expect((await read(run.id)).billing).toMatchObject({
      untilMs: expect.any(Number),
      earlier: [{ untilMs: expect.any(Number) }],
    });
    await expectNothingLeft();
  }, 60_000);
});
