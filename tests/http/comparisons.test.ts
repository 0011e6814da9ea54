/** The calls about comparisons, on real tables and with the simulator's catalog, quota and prices. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comparisonSteps } from '../../src/activities/compare.ts';
import { answerCall } from '../../src/http/answer.ts';
import { ROUTES } from '../../src/http/routes.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;
/** Comparisons whose orchestration was started, in order. */
const started: string[] = [];

beforeAll(async () => {
  real = await openRealServices();
});

afterAll(() => real.close());

interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
}

async function call(method: string, path: string, id: string | null, asked: Asked = {}) {
  const route = ROUTES.find((one) => one.method === method && one.route === path);
  if (route === undefined) throw new Error(`No route ${method} ${path}.`);
  const logged: unknown[] = [];
  const answer = await answerCall(
    route.handler,
    {
      request: {
        params: id === null ? {} : { id },
        query: new URLSearchParams(asked.query),
        headers: new Headers({ 'content-type': 'application/json', ...asked.headers }),
        text: async () => JSON.stringify(asked.body ?? {}),
      },
      services: real.services,
      orchestrations: {
        start: async () => undefined,
        startComparison: async (comparisonId) => void started.push(comparisonId),
        isRunning: async () => false,
        isKnown: async () => true,
      },
    },
    (_message, error) => logged.push(error),
  );
  expect(logged).toEqual([]);
  const { status, headers, body: text } = answer;
  const isJson = headers['content-type']?.includes('json') ?? false;
  return { status, headers, text, json: isJson ? JSON.parse(text) : null };
}

const start = (body: unknown, headers: Record<string, string> = {}) =>
  call('POST', 'api/comparisons', null, { body, headers });
const list = (query = '') => call('GET', 'api/comparisons', null, { query });
const look = (id: string) => call('GET', 'api/comparisons/{id}', id);
const results = (id: string, query = '') => call('GET', 'api/comparisons/{id}/results', id, { query });
const cancel = (id: string) => call('POST', 'api/comparisons/{id}/cancel', id);

const target = { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' };
const A_BODY = {
  base: { model: { name: 'Phi-4', version: '7' }, concurrency: { levels: [1] } },
  targets: [
    { label: 'one', target },
    { label: 'two', target: { ...target, instances: 2 } },
  ],
};

const stored = async () => (await real.services.stores.comparisons.list({ limit: 200 })).comparisons;

describe('a comparison that is started', () => {
  it('is answered with where it is and what it may cost, and shown before its first step', async () => {
    const answer = await start(A_BODY);
    const { id, links, plan } = answer.json;
    expect(answer).toMatchObject({ status: 202, json: { state: 'queued' } });
    expect(answer.headers).toMatchObject({ location: `/api/comparisons/${id}`, 'retry-after': '5' });
    expect(links).toEqual({
      self: `/api/comparisons/${id}`,
      results: `/api/comparisons/${id}/results`,
      cancel: `/api/comparisons/${id}/cancel`,
    });
    expect(plan.targets.map(({ label }: { label: string }) => label)).toEqual(['one', 'two']);
    expect(plan.boundUsd).toBeGreaterThan(0);
    expect(started).toEqual([id]);

    const view = await look(id);
    expect(view.headers['retry-after']).toBe('5');
    expect(view.json).toMatchObject({
      state: 'queued',
      strategy: 'full',
      cost: { boundUsd: plan.boundUsd, accruedUsd: 0 },
      progress: { targetsDone: 0, targetsPlanned: 2, cellsDone: 0, cellsPlanned: 10 },
      targets: ['one', 'two'].map((label) => ({ label, state: 'waiting', runId: null, failure: null })),
    });
    expect([...view.json.order].sort()).toEqual(['one', 'two']);
    expect((await results(id)).json).toMatchObject({
      comparisonId: id,
      partial: true,
      pairs: expect.any(Array),
    });
  });

  it('with a key is the same one each time, also when it is asked twice at once', async () => {
    const before = started.length;
    const key = { 'idempotency-key': 'monday' };
    const both = await Promise.all([start(A_BODY, key), start(A_BODY, key)]);
    // A default that is written out asks for the same thing.
    const again = await start({ ...A_BODY, threshold: 0.05, strategy: 'full' }, key);
    const ids = [...both, again].map(({ status, json }) => [status, json.id]);
    expect(new Set(ids.map(String)).size).toBe(1);
    expect(ids[0]?.[0]).toBe(202);
    expect(started.slice(before)).toEqual([both[0].json.id]);

    const other = await start({ ...A_BODY, seed: 7 }, key);
    expect(other).toMatchObject({ status: 409, json: { detail: expect.stringContaining(both[0].json.id) } });
    expect(await start(A_BODY, { 'idempotency-key': 'two words' })).toMatchObject({
      status: 400,
      json: { faults: [{ path: 'Idempotency-Key' }] },
    });
    expect(started).toHaveLength(before + 1);
  });

  it('with faults is refused with all of them at once, and nothing is stored or started', async () => {
    const before = [(await stored()).length, started.length];
    const { status, json } = await start({
      base: { ...A_BODY.base, workloads: [], target },
      targets: [
        { label: 'same', target: { ...target, sku: 'Standard_NC1' } },
        { label: 'SAME', target: { ...target, instances: 0 }, limits: { maxUsd: 1 } },
      ],
      maxParallel: 99,
      threshold: -1,
      name: 'mine',
    });
    expect(status).toBe(400);
    expect(json.faults.map(({ path }: { path: string }) => path).sort()).toEqual([
      'base.target',
      'base.workloads',
      'maxParallel',
      'name',
      'targets[0].target.sku',
      'targets[1].label',
      'targets[1].limits',
      'targets[1].target.instances',
      'threshold',
    ]);
    // What only the catalog and the settings know is told of every target, too.
    const { json: unknown } = await start({
      ...A_BODY,
      targets: [
        { label: 'no such version', target, model: { name: 'Phi-4', version: '99' } },
        { label: 'no such workspace', target: { ...target, workspace: 'nowhere' } },
      ],
    });
    expect(unknown.faults.map(({ path }: { path: string }) => path).sort()).toEqual([
      'targets[0].model.version',
      'targets[1].target.workspace',
    ]);
    expect([(await stored()).length, started.length]).toEqual(before);
  });
});

describe('a comparison that is canceled', () => {
  it('keeps the moment of the first cancel, stops the runs it has, and starts no further target', async () => {
    const { id } = (await start({ ...A_BODY, maxParallel: 1 })).json;
    const steps = comparisonSteps(real.services);
    expect(await steps.startComparison({ comparisonId: id })).toMatchObject({ lanes: 1 });
    const { runId } = await steps.nextTarget({ comparisonId: id, lane: 0, turn: 0 });
    expect((await look(id)).json.targets.map(({ state }: { state: string }) => state).sort()).toEqual([
      'queued',
      'waiting',
    ]);

    const first = await cancel(id);
    expect(first).toMatchObject({ status: 202, json: { id, state: 'running' } });
    real.advance(5_000);
    const second = await cancel(id);
    expect(second.status).toBe(202);
    expect(second.json.cancelRequestedAt).toBe(first.json.cancelRequestedAt);
    expect((await real.services.stores.runs.read(runId ?? ''))?.cancelRequestedAtMs).not.toBeNull();
    expect(await steps.nextTarget({ comparisonId: id, lane: 0, turn: 1 })).toEqual({ runId: null });

    await real.services.stores.runs.change(runId ?? '', () => ({ state: 'canceled' }));
    await steps.finishComparison({ comparisonId: id, failure: null });
    const view = await look(id);
    expect(view.json).toMatchObject({ state: 'canceled', failure: null, progress: { targetsDone: 1 } });
    expect(view.headers['retry-after']).toBeUndefined();
    expect(view.json.targets.map(({ failure }: { failure: string }) => failure).sort()).toEqual([
      'It was not started, because the comparison was canceled.',
      'Its run was canceled.',
    ]);
    // A client whose answer was lost asks again, and is told the same.
    const late = await cancel(id);
    expect(late).toMatchObject({ status: 202, json: { state: 'canceled' } });
    expect(late.json.cancelRequestedAt).toBe(first.json.cancelRequestedAt);
    expect((await results(id)).json).toMatchObject({ partial: false });
  });

  it('but is over by itself is told so, and keeps its state', async () => {
    const { id } = (await start(A_BODY)).json;
    await comparisonSteps(real.services).finishComparison({ comparisonId: id, failure: null });
    expect(await cancel(id)).toMatchObject({
      status: 409,
      json: { detail: 'The comparison is failed; there is nothing to cancel.' },
    });
    expect((await look(id)).json).toMatchObject({
      state: 'failed',
      cancelRequestedAt: null,
      failure: { code: 'nothing-succeeded' },
    });
  });
});

describe('the results of a comparison', () => {
  it('come as a file in the format that is asked for, and in no other', async () => {
    const { id } = (await start(A_BODY)).json;
    const csv = await results(id, 'format=csv');
    expect(csv.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${id}.csv"`,
    });
    expect(csv.text.split(',').slice(0, 4)).toEqual(['target', 'failure', 'workload', 'cell_id']);
    const md = await results(id, 'format=md');
    expect(md.headers['content-type']).toBe('text/markdown; charset=utf-8');
    expect(md.headers['content-disposition']).toContain(`${id}.md`);
    for (const query of ['format=xml', 'format=toString', 'page=2'])
      expect((await results(id, query)).status).toBe(400);
  });
});

describe('the list of comparisons', () => {
  it('gives all of them in pages, the newest first, and those of a state alone', async () => {
    const all = (await stored()).map(({ id }) => id);
    expect(all.length).toBeGreaterThan(2);
    expect(all).toEqual(all.toSorted());
    const seen: string[] = [];
    let query = 'limit=2';
    for (let pages = 0; pages <= all.length; pages += 1) {
      const { json } = await list(query);
      expect(json.comparisons.length).toBeLessThanOrEqual(2);
      seen.push(...json.comparisons.map(({ id }: { id: string }) => id));
      if (json.continuation === null) break;
      query = `limit=2&continuation=${encodeURIComponent(json.continuation)}`;
    }
    expect(seen).toEqual(all);

    const { json } = await list('state=canceled');
    expect(json.comparisons).toHaveLength(1);
    expect(json.comparisons[0]).toMatchObject({ state: 'canceled', labels: ['one', 'two'] });
    expect((await list('state=running')).json).toEqual({ comparisons: [], continuation: null });
  });

  it.each([
    ['limit=0&state=measuring', ['limit', 'state']],
    ['limit=201', ['limit']],
    ['continuation=rubbish', ['continuation']],
    ['sku=Standard_NC24ads_A100_v4', ['sku']],
  ])('asked with %s is refused with the parameters that are wrong', async (query, paths) => {
    const { status, json } = await list(query);
    expect(status).toBe(400);
    expect(json.faults.map(({ path }: { path: string }) => path)).toEqual(paths);
  });
});

describe('a comparison that there is not', () => {
  it.each([
    ['c251606390031150-62c36ff6', 'an id that was never given'],
    ['r251606390031150-62c36ff6', "a run's id"],
    ['../runs', 'no id at all'],
  ])('%s (%s) is 404 in every call', async (id) => {
    for (const answer of [await look(id), await results(id), await cancel(id)])
      expect(answer).toMatchObject({
        status: 404,
        json: { detail: expect.stringContaining('A comparison of that id') },
      });
  });
});
