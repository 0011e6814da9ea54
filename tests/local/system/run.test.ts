/** The main job, end to end, on real processes: deploy, sweep, aggregate, delete; and what must be absent afterwards. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation();
});

afterAll(async () => {
  await installation.close();
});

describe('a run', () => {
  it('passes through its states in order, measures every cell, and leaves no endpoint and no key behind', async () => {
    const started = await installation.post('/api/runs', smallSpec());
    expect(started.status).toBe(202);
    expect(started.headers.location).toBe(started.json.links.self);
    expect(started.headers['retry-after']).toMatch(/^\d+$/);
    const { id } = started.json;

    const { run: measuring } = await installation.watch(id, (run) => run.state === 'measuring', 60);
    const key = await readKey(measuring.endpoint.name);
    expect(key.length).toBeGreaterThan(10);

    const { run, states } = await installation.watch(
      id,
      (one) => ['completed', 'failed', 'canceled'].includes(one.state),
      120,
    );
    expect(run.failure).toBeNull();
    expect(['measuring', ...states]).toEqual(expect.arrayContaining(['measuring', 'completed']));
    expect(isInOrder(states)).toBe(true);
    expect(run.progress).toMatchObject({ cellsDone: 6, cellsPlanned: 6, current: null });
    expect(run.cost.accruedUsd).toBeGreaterThan(0);
    expect(run.cost.accruedUsd).toBeLessThan(run.cost.boundUsd);

    const { json: report } = await installation.get(`/api/runs/${id}/results`);
    expect(report.partial).toBe(false);
    expect(report.rows.map((row: { cellId: string }) => row.cellId)).toEqual([
      'c1-p64-o16',
      'c2-p64-o16',
      'c4-p64-o16',
      'c1-p128-o32',
      'c2-p128-o32',
      'c4-p128-o32',
    ]);
    for (const row of report.rows) {
      expect(row).toMatchObject({
        failed: 0,
        outputLengthFidelity: 1,
        tokenSource: 'usage',
        shards: row.level === 1 ? 1 : 2,
      });
      expect(row.provenance).toMatchObject({
        sku: 'Standard_NC24ads_A100_v4',
        instances: 1,
        route: 'openai-chat',
        streamed: true,
        simulated: true,
        simulatorGpuSpeed: 10,
      });
      expect(row.outputTokensPerSecond).toBeGreaterThan(0);
      expect(row.ttftMs.p50).toBeLessThan(row.e2eMs.p50);
      expect(row.promptTokensMean / row.workload.promptTokens).toBeCloseTo(1, 1);
    }
    expect(report.simulated).toBe(true);

    const csv = await installation.get(`/api/runs/${id}/results?format=csv`);
    expect(csv.text.split('\n')[0]).toMatch(
      /^concurrency,prompt_size,response_size,successful_requests,failed_requests,avg_latency,avg_ttft,throughput,total_execution_time,error_status_codes,/,
    );
    expect(csv.text.trim().split('\n')).toHaveLength(7);
    expect((await installation.get(`/api/runs/${id}/results?format=md`)).text).toContain('| ');

    const books = await installation.books();
    expect(books.endpoints).toHaveLength(1);
    expect(books.endpoints[0]).toMatchObject({
      name: run.endpoint.name,
      sku: 'Standard_NC24ads_A100_v4',
      requestsRejected: 0,
    });
    expect(books.endpoints[0]?.deletedAt).not.toBeNull();
    expect((await installation.get('/api/endpoints')).json).toEqual({ endpoints: [], troubles: [] });

    await expectShardsToOverlap(run.endpoint.name);
    await installation.stopHost(); // With no run alive the cloud ends too, and saves what it holds.
    for (const [file, text] of filesOf(installation.state)) {
      expect(text.includes(key), `${file} holds the endpoint's key`).toBe(false);
    }
    expect(installation.output()).not.toContain(key);
    await installation.startHost();
    expect((await installation.get(`/api/runs/${id}`)).json.state).toBe('completed');
  }, 240_000);

  it('cancels in the middle of a cell: the endpoint is gone, finished cells are kept', async () => {
    const spec = smallSpec({
      workloads: [{ promptTokens: 64, outputTokens: 64 }],
      concurrency: { levels: [1, 2] },
      measure: { mode: 'steady', repeats: 10, minRequests: 30, maxSeconds: 60 },
    });
    const { id } = (await installation.post('/api/runs', spec)).json;
    await installation.watch(id, (run) => run.state === 'measuring' && run.progress.cellsDone >= 1, 90);
    const canceled = await installation.post(`/api/runs/${id}/cancel`);
    expect(canceled.status).toBe(202);
    const { run } = await installation.watch(
      id,
      (one) => ['completed', 'failed', 'canceled'].includes(one.state),
      60,
    );
    expect(run.state).toBe('canceled');
    const { json: report } = await installation.get(`/api/runs/${id}/results`);
    expect(report.partial).toBe(false);
    expect(report.rows.length).toBeGreaterThan(0);
    expect(
      (await installation.books()).endpoints.find((one) => one.name === run.endpoint.name)?.deletedAt,
    ).not.toBeNull();
    expect((await installation.post(`/api/runs/${id}/cancel`)).status).toBe(202); // It was canceled, and stays so.
  }, 240_000);

  it('measures in bursts over /score, and says that a route that does not stream has no TTFT', async () => {
    const spec = smallSpec({
      api: 'score',
      workloads: [{ promptTokens: 64, outputTokens: 16 }],
      concurrency: { levels: [1, 4] },
      measure: { mode: 'burst' },
      target: {
        kind: 'managed',
        sku: 'Standard_NC24ads_A100_v4',
        requestSettings: { maxConcurrentRequestsPerInstance: 1 },
      },
    });
    const { id } = (await installation.post('/api/runs', spec)).json;
    const { run } = await installation.watch(
      id,
      (one) => ['completed', 'failed', 'canceled'].includes(one.state),
      120,
    );
    expect(run.state).toBe('completed');
    const { rows } = (await installation.get(`/api/runs/${id}/results`)).json;
    expect(rows).toHaveLength(2);
    for (const row of rows)
      expect(row).toMatchObject({ ttftReason: 'not-streamed', steady: false, attempted: row.level });
    // Two are admitted at once; the others are told 429 and try again, as the origin did.
    expect(rows[1].retries).toBeGreaterThan(0);
    const book = (await installation.books()).endpoints.find((one) => one.name === run.endpoint.name);
    expect(book?.requestsRejected).toBeGreaterThan(0);
    expect(book?.deletedAt).not.toBeNull();
  }, 240_000);

  it('starts once for twenty equal calls with one idempotency key, and refuses the key with another spec', async () => {
    const before = (await installation.books()).endpoints.length;
    const spec = smallSpec({
      workloads: [{ promptTokens: 64, outputTokens: 16 }],
      concurrency: { levels: [1] },
    });
    const calls = await Promise.all(
      Array.from({ length: 20 }, () =>
        installation.post('/api/runs', spec, { 'idempotency-key': 'one-key' }),
      ),
    );
    expect(new Set(calls.map((call) => `${call.status} ${call.json.id}`)).size).toBe(1);
    const { id } = calls[0]?.json ?? {};
    const other = await installation.post(
      '/api/runs',
      { ...spec, seed: 1 },
      { 'idempotency-key': 'one-key' },
    );
    expect(other.status).toBe(409);
    await installation.watch(id, (run) => run.state === 'completed', 120);
    const again = await installation.post('/api/runs', spec, { 'idempotency-key': 'one-key' });
    expect(again).toMatchObject({ status: 202, json: { id, state: 'completed' } });
    expect((await installation.books()).endpoints).toHaveLength(before + 1);
  }, 240_000);

  it('accepts the second command line of the origin, translated, and stops by its budget', async () => {
    const sizes = [64, 128, 1024, 2048, 4096];
    const spec = {
      model: { name: 'Phi-4', version: '7' },
      target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
      workloads: { promptTokens: sizes, outputTokens: sizes },
      concurrency: { ramp: { from: 1, to: 10 } },
      limits: { maxCells: 100 },
    };
    const plan = await installation.post('/api/plans', spec);
    expect(plan.status).toBe(200);
    expect(plan.json.plan).toMatchObject({ cellsPlanned: 100, boundMinutes: 260 });
    expect(plan.json.cells).toHaveLength(250);

    const shortened = { ...spec, measure: { mode: 'burst' }, limits: { maxCells: 3 } };
    const { id } = (await installation.post('/api/runs', shortened)).json;
    const { run } = await installation.watch(
      id,
      (one) => ['completed', 'failed', 'canceled'].includes(one.state),
      200,
    );
    expect(run.state).toBe('completed');
    expect(run.stoppedBy).toContain('maxCells');
    const { rows } = (await installation.get(`/api/runs/${id}/results`)).json;
    expect(rows.map((row: { level: number }) => row.level)).toEqual([1, 2, 3]);
  }, 300_000);

  it('stops measuring when its minutes are over, and still releases within its bound', async () => {
    const spec = smallSpec({
      measure: { mode: 'steady', repeats: 20, minRequests: 10_000, maxSeconds: 1_500 },
      limits: { maxMinutes: 3.1 },
    });
    const plan = await installation.post('/api/plans', spec);
    expect(plan.status).toBe(200);
    expect(plan.json.plan.measureMinutes).toBeLessThan(3.1);
    const tooLittle = await installation.post('/api/plans', smallSpec({ limits: { maxMinutes: 2 } }));
    expect(tooLittle.status).toBe(400);
    expect(tooLittle.json.faults[0]).toMatchObject({ path: 'limits.maxMinutes' });
  });
});

async function readKey(endpoint: string): Promise<string> {
  const zero = '00000000-0000-0000-0000-000000000000';
  const address = `${installation.simulatorUrl}/subscriptions/${zero}/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local/onlineEndpoints/${endpoint}/listKeys?api-version=2024-04-01`;
  const answer = await fetch(address, { method: 'POST', headers: { authorization: 'Bearer any' } });
  return ((await answer.json()) as { primaryKey: string }).primaryKey;
}

function isInOrder(states: readonly string[]): boolean {
  const order = ['queued', 'provisioning', 'warming', 'measuring', 'releasing', 'completed'];
  const places = states.map((state) => order.indexOf(state));
  return places.every((place, index) => place >= 0 && (index === 0 || place > (places[index - 1] ?? -1)));
}

/** Two shards of a cell have ids that differ in their shard only; their requests must lie side by side in time. */
async function expectShardsToOverlap(endpoint: string): Promise<void> {
  const { json } = await installation.get(
    `${installation.simulatorUrl}/simulator/books/${endpoint}/requests`,
  );
  const requests: { clientRequestId: string; startedAtMs: number; endedAtMs: number }[] =
    json.requests ?? json;
  const ofShard = (shard: number) =>
    requests.filter((one) => new RegExp(`-\\d+-4-1-1-${shard}-\\d+$`).test(one.clientRequestId ?? ''));
  const [first, second] = [ofShard(0), ofShard(1)];
  expect(first.length).toBeGreaterThan(0);
  expect(second.length).toBeGreaterThan(0);
  const overlapping = first.some((one) =>
    second.some((other) => one.startedAtMs < other.endedAtMs && other.startedAtMs < one.endedAtMs),
  );
  expect(overlapping).toBe(true);
}

/** Every file below the folder with its bytes as text: history, tables, simulator's books, logs. */
function filesOf(folder: string): [string, string][] {
  return (
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      // The simulator is Azure here: it must keep the keys that it checks.
      .filter((entry) => entry.name !== 'simulator.json')
      .map((entry) => path.join(entry.parentPath, entry.name))
      .map((file) => [file, readFileSync(file, 'latin1')])
  );
}
