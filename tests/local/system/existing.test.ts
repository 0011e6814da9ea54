/** The origin's second script on an endpoint that exists: its command line, translated, with the key in a setting. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation } from '../../support/installation.ts';
import { eventually } from '../../support/real-services.ts';

const ZERO = '00000000-0000-0000-0000-000000000000';
const NAME = 'somebody-elses';

let installation: Installation;
let scoringUri: string;
let key: string;

/** An endpoint that somebody made without us, and a host whose settings hold its key. */
beforeAll(async () => {
  const env: Record<string, string> = {};
  installation = await openInstallation(env);
  const endpoint = `onlineEndpoints/${NAME}`;
  await arm('PUT', endpoint, { location: 'eastus2', properties: { authMode: 'Key' } });
  await untilSucceeded(endpoint);
  await arm('PUT', `${endpoint}/deployments/blue`, {
    location: 'eastus2',
    sku: { name: 'Default', capacity: 1 },
    properties: {
      endpointComputeType: 'Managed',
      instanceType: 'Standard_NC24ads_A100_v4',
      model: 'azureml://registries/AzureML/models/Phi-4/versions/7',
      requestSettings: { requestTimeout: 'PT180S', maxConcurrentRequestsPerInstance: 2 },
    },
  });
  await untilSucceeded(`${endpoint}/deployments/blue`);
  await arm('PUT', endpoint, {
    location: 'eastus2',
    properties: { authMode: 'Key', traffic: { blue: 100 } },
  });
  await untilSucceeded(endpoint);
  scoringUri = (await arm('GET', endpoint)).properties.scoringUri;
  key = (await arm('POST', `${endpoint}/listKeys`)).primaryKey;
  env.SCORING_KEY_THEIRS = key;
  await installation.killHost(); // The cloud goes on, as Azure would: its address stays.
  await installation.startHost();
}, 120_000);

afterAll(async () => {
  await installation.close();
});

describe('an endpoint that exists', () => {
  it('is ramped in bursts until too much fails, within its budget, and neither deleted nor billed', async () => {
    const spec = {
      target: { kind: 'existing', scoringUri, auth: { kind: 'setting', name: 'SCORING_KEY_THEIRS' } },
      api: 'score',
      workloads: { promptTokens: [64, 128], outputTokens: [16, 32] },
      concurrency: { ramp: { from: 1, to: 10 } },
      measure: { mode: 'burst' },
      limits: { maxCells: 6 },
    };
    const { id } = (await installation.post('/api/runs', spec)).json;
    const { run, states } = await installation.watch(
      id,
      (one) => ['completed', 'failed', 'canceled'].includes(one.state),
      120,
    );
    expect(run).toMatchObject({ state: 'completed', failure: null, progress: { cellsDone: 6 } });
    expect(states).not.toContain('provisioning');
    expect(run.stoppedBy).toContain('maxCells');
    const { rows } = (await installation.get(`/api/runs/${id}/results`)).json;
    expect(rows).toHaveLength(6);
    expect(rows.every((row: { ttftReason: string }) => row.ttftReason === 'not-streamed')).toBe(true);
    expect(run.cost).toMatchObject({ pricePerHourUsd: null, accruedUsd: null });
    expect(JSON.stringify(run)).not.toContain(key);

    const book = (await installation.books()).endpoints.find((one) => one.name === NAME);
    expect(book?.deletedAt).toBeNull();
    expect((await installation.get('/api/endpoints')).json.endpoints).toEqual([]);
    const deleted = await fetch(`${installation.url}/api/endpoints/${NAME}`, { method: 'DELETE' });
    expect(deleted.status).toBe(404); // It carries no lease of ours.
  }, 180_000);

  it('is refused with a sentence where the setting does not exist', async () => {
    const spec = {
      target: { kind: 'existing', scoringUri, auth: { kind: 'setting', name: 'SCORING_KEY_NONE' } },
    };
    const answer = await installation.post('/api/runs', spec);
    expect(answer.status).toBe(400);
    expect(answer.json.faults).toMatchObject([
      { path: 'target.auth.name', message: expect.stringContaining('SCORING_KEY_NONE') },
    ]);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: ARM's answers, of which the test reads a few fields.
async function arm(method: string, path: string, body?: unknown): Promise<any> {
  const base = `${installation.simulatorUrl}/subscriptions/${ZERO}/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local`;
  const answer = await fetch(`${base}/${path}?api-version=2024-04-01`, {
    method,
    headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function untilSucceeded(path: string): Promise<void> {
  await eventually(async () => (await arm('GET', path)).properties.provisioningState === 'Succeeded');
}
