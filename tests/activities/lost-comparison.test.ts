/** A comparison whose durable history is lost: its runs and its row come to an end that says so, on real tables. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { reap } from '../../src/activities/reap.ts';
import { createSteps } from '../../src/activities/steps.ts';
import { type ComparisonRecord, laneId, startedRunIds } from '../../src/core/comparison/comparison-record.ts';
import type { RunRecord } from '../../src/core/run.ts';
import type { ApiRequest } from '../../src/http/answer.ts';
import { createComparison, getComparisonResults } from '../../src/http/comparisons.ts';
import type { Orchestrations } from '../../src/services.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;
let id: string;
/** Ids of orchestrations that are alive; whatever else the engine knew once is lost. */
const alive = new Set<string>();
/** Ids of those that it still knows, and that do not run any more. */
const dead = new Set<string>();
const started: string[] = [];

const engine: Orchestrations = {
  start: async (runId) => void started.push(runId),
  startComparison: async (comparisonId) => void started.push(comparisonId),
  isRunning: async (one) => alive.has(one),
  isKnown: async (one) => alive.has(one) || dead.has(one),
};

const SPEC = {
  base: {
    model: { name: 'Phi-4', version: '7' },
    workloads: [{ promptTokens: 64, outputTokens: 16 }],
    concurrency: { levels: [1] },
  },
  targets: ['Standard_NC24ads_A100_v4', 'Standard_NC48ads_A100_v4', 'Standard_NC40ads_H100_v5'].map(
    (sku) => ({
      label: sku,
      target: { kind: 'managed', sku },
    }),
  ),
  maxParallel: 2,
};

beforeAll(async () => {
  real = await openRealServices();
});

afterAll(async () => {
  await real.close();
});

/** Three targets in two lanes: the first is measured to its end, the second has its GPUs and is not started yet. */
beforeEach(async () => {
  alive.clear();
  dead.clear();
  const answer = await createComparison({
    services: real.services,
    request: aRequest({}, SPEC),
    orchestrations: engine,
  });
  id = (JSON.parse(answer.body) as { id: string }).id;
  const steps = createSteps(real.services);
  await steps.startComparison({ comparisonId: id });
  const first = await steps.nextTarget({ comparisonId: id, lane: 0, turn: 0 });
  await real.services.stores.runs.change(first.runId ?? '', () => ({ state: 'completed' }));
  const second = await steps.nextTarget({ comparisonId: id, lane: 1, turn: 0 });
  expect(await steps.admitRun({ runId: second.runId ?? '' })).toMatchObject({ state: 'admitted' });
  started.length = 0;
});

it('ends, with the runs that were still queued, in a sentence and with the report of what was measured', async () => {
  expect((await runsOf()).map((run) => run?.state)).toEqual(expect.arrayContaining(['completed', 'queued']));
  real.advance(8 * 60_000);
  await reap(real.services, engine);
  expect((await readComparison()).state).toBe('running');

  real.advance(2 * 60_000);
  const { troubles } = await reap(real.services, engine);
  expect(troubles).toEqual([]);
  const states = (await runsOf()).map((run) => run?.failure?.code ?? run?.state ?? 'not started');
  expect(states.sort()).toEqual(['completed', 'lost-orchestration', 'not started']);
  const record = await readComparison();
  expect(record).toMatchObject({ state: 'failed', failure: { code: 'lost-orchestration' } });
  expect(record.failure?.message).toMatch(/1 of its 3 targets were measured/);
  expect(record.endedAtMs).not.toBeNull();
  expect(started).toEqual([]);
  // Its GPUs are free for others again.
  await real.services.ledger.change((ledger) => {
    expect(ledger.entries.filter(({ state }) => state === 'holding')).toEqual([]);
    return null;
  });
  const request = aRequest({ id });
  const results = await getComparisonResults({ services: real.services, request, orchestrations: engine });
  expect(JSON.parse(results.body)).toMatchObject({ partial: false });
  expect(results.body).toContain('It was not started.');
});

it('waits for the runs that the reaper has still to end', async () => {
  const measuring = await aQueuedRun();
  await real.services.stores.runs.change(measuring, () => ({
    state: 'measuring',
    startedAtMs: real.services.now(),
  }));
  alive.add(measuring);
  real.advance(10 * 60_000);
  await reap(real.services, engine);
  expect((await readComparison()).state).toBe('running');
  alive.delete(measuring);
  await reap(real.services, engine);
  expect((await readComparison()).state).toBe('failed');
});

it('ends too where its orchestration broke before it began, and is started where it never had one', async () => {
  await real.services.stores.comparisons.change(id, () => ({ state: 'queued', startedAtMs: null }));
  real.advance(10 * 60_000);
  await reap(real.services, engine);
  expect((await readComparison()).state).toBe('queued');
  expect(started).toContain(id);
  dead.add(id);
  await reap(real.services, engine);
  expect(await readComparison()).toMatchObject({
    state: 'failed',
    failure: { code: 'lost-orchestration' },
  });
});

it('is left alone while one of its lanes goes on', async () => {
  alive.add(laneId(id, 1));
  real.advance(60 * 60_000);
  await reap(real.services, engine);
  expect((await readComparison()).state).toBe('running');
});

async function readComparison(): Promise<ComparisonRecord> {
  const record = await real.services.stores.comparisons.read(id);
  if (record === null) throw new Error('The comparison has no row.');
  return record;
}

async function runsOf(): Promise<(RunRecord | null)[]> {
  const ids = startedRunIds(await readComparison());
  return Promise.all(ids.map((one) => (one === null ? null : real.services.stores.runs.read(one))));
}

async function aQueuedRun(): Promise<string> {
  return (await runsOf()).find((run) => run?.state === 'queued')?.id ?? '';
}

function aRequest(params: Record<string, string>, body?: unknown): ApiRequest {
  return {
    params,
    query: new URLSearchParams(),
    headers: new Headers({ 'content-type': 'application/json' }),
    text: async () => JSON.stringify(body ?? {}),
  };
}
