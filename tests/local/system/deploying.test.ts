/**
 * Endpoints that live on or lose their keys, and what is refused before there is one, through the HTTP interface on real
 * processes; nothing is left in the simulator's books. What goes wrong by itself is in `faults.test.ts`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, type RunJson, smallSpec } from '../../support/installation.ts';
import { eventually } from '../../support/real-services.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation({ SIMULATOR_SPEED: '20' });
}, 60_000);

afterAll(async () => {
  await installation.close();
});

const isOver = (run: RunJson) => ['completed', 'failed', 'canceled'].includes(run.state);
const sku = 'Standard_NC24ads_A100_v4';
/** One cell of a few seconds: measuring is not what these runs are about. */
const spec = (target: object = {}) =>
  smallSpec({
    target: { kind: 'managed', sku, ...target },
    workloads: [{ promptTokens: 64, outputTokens: 16 }],
    concurrency: { levels: [1] },
  });

async function start(body: object): Promise<string> {
  const answer = await installation.post('/api/runs', body);
  expect(answer.json).toMatchObject({ id: expect.any(String) });
  return answer.json.id;
}

async function expectNothingLeft(): Promise<void> {
  const alive = (await installation.books()).endpoints.filter(({ deletedAt }) => deletedAt === null);
  expect(alive).toEqual([]);
  expect((await installation.get('/api/endpoints')).json.endpoints).toEqual([]);
}

describe('an endpoint that is kept', () => {
  it('outlives its run, is measured by another, and goes at a word', async () => {
    const kept = await installation.watch(await start(spec({ keepMinutes: 30 })), isOver, 60);
    expect(kept.run).toMatchObject({ state: 'completed', endpoint: { keptUntil: expect.any(String) } });
    expect(kept.states).not.toContain('releasing');
    const { name } = kept.run.endpoint;
    expect((await installation.get('/api/endpoints')).json.endpoints).toMatchObject([
      { name, leaked: false },
    ]);

    const again = { ...spec(), model: null, target: { kind: 'endpoint', name } };
    const { run, states } = await installation.watch(await start(again), isOver, 60);
    expect(run).toMatchObject({ state: 'completed', failure: null, endpoint: { name, sku, instances: 1 } });
    expect(states).not.toContain('provisioning');
    const { rows } = (await installation.get(`/api/runs/${run.id}/results`)).json;
    expect(rows).toMatchObject([{ provenance: { endpoint: name, sku, instances: 1 } }]);
    expect((await installation.books()).endpoints.find((one) => one.name === name)?.deletedAt).toBeNull();

    const remove = () => fetch(`${installation.url}/api/endpoints/${name}`, { method: 'DELETE' });
    expect((await remove()).status).toBe(202);
    await eventually(async () => {
      await remove();
      return (await installation.get('/api/endpoints')).json.endpoints.length === 0;
    });
    await expectNothingLeft();
    const { json } = await installation.get(`/api/runs/${kept.run.id}`);
    expect(json.cost.accruedUsd).toBeLessThanOrEqual(json.cost.boundUsd);
  }, 120_000);
});

describe('a key that dies in the middle', () => {
  /** One cell that lasts its ten seconds, whatever it gets. */
  const cell = {
    workloads: [{ promptTokens: 64, outputTokens: 16 }],
    concurrency: { levels: [2] },
    measure: { mode: 'steady', repeats: 1, minRequests: 2_000, maxSeconds: 10 },
  };

  it('is fetched anew once, and the interrupted cell is measured again', async () => {
    const id = await start(smallSpec(cell));
    const { run: measuring } = await installation.watch(
      id,
      (one) => one.progress.current !== null && one.state === 'measuring',
      60,
    );
    await delay(3_000);
    await regenerateKeys(measuring.endpoint.name);
    const { run } = await installation.watch(id, isOver, 90);
    expect(run).toMatchObject({ state: 'completed', failure: null, progress: { cellsDone: 1 } });
    const { rows } = (await installation.get(`/api/runs/${id}/results`)).json;
    expect(rows.map((row: { failures: object }) => row.failures)).toEqual([{}]);
    await expectNothingLeft();
  }, 120_000);

  it('and never comes back ends the run after a bounded number of calls', async () => {
    const body = smallSpec({ ...cell, model: { name: 'Phi-4-fault-keys-die.8', version: '7' } });
    const { run } = await installation.watch(await start(body), isOver, 90);
    expect(run).toMatchObject({
      state: 'failed',
      failure: { code: 'measure-failed', message: expect.stringContaining('credential') },
    });
    await expectNothingLeft();
  }, 120_000);
});

describe('what is refused before anything exists', () => {
  it.each([
    [
      'an endpoint that does not exist',
      { target: { kind: 'endpoint', name: 'nowhere' } },
      'target.name',
      /no endpoint nowhere/,
    ],
    [
      'more GPUs than the app may have',
      spec({ sku: 'Standard_ND96asr_v4', instances: 50 }),
      'target.instances',
      /MAX_GPUS_ALIVE/,
    ],
    [
      'a token for a stranger',
      { target: { kind: 'existing', scoringUri: 'http://127.0.0.1:9/', auth: { kind: 'entra' } } },
      'target.auth',
      /only sent to Azure/,
    ],
  ])('%s', async (_, body, path, message) => {
    for (const call of ['/api/plans', '/api/runs']) {
      const answer = await installation.post(call, body);
      expect(answer.status).toBe(400);
      const faults = answer.json.faults.filter((one: { path: string }) => one.path === path);
      expect(faults.map((one: { message: string }) => one.message).join(' ')).toMatch(message);
    }
    await expectNothingLeft();
  });
});

async function regenerateKeys(endpoint: string): Promise<void> {
  const workspace =
    '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local';
  for (const keyType of ['Primary', 'Secondary']) {
    const answer = await fetch(
      `${installation.simulatorUrl}${workspace}/onlineEndpoints/${endpoint}/regenerateKeys?api-version=2024-10-01`,
      {
        method: 'POST',
        headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
        body: JSON.stringify({ keyType }),
      },
    );
    expect(answer.status).toBe(202);
  }
}
