/** A managed endpoint that exists, as ARM tells it: what is measured of it, and when a run cannot. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseDeployment, readExistingEndpoint } from '../../src/activities/read-endpoint.ts';
import { createSteps } from '../../src/activities/steps.ts';
import { readScoringTarget } from '../../src/activities/target.ts';
import type { RunRecord } from '../../src/core/run.ts';
import type { EndpointTarget } from '../../src/core/spec/target.ts';
import { aLease } from '../support/builders.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';

const ZERO = '00000000-0000-0000-0000-000000000000';
let real: RealServices;

const target = (fields: Partial<EndpointTarget> = {}): EndpointTarget => ({
  kind: 'endpoint',
  workspace: 'default',
  name: 'theirs-1',
  deployment: null,
  sku: null,
  instances: null,
  maxConcurrentRequestsPerInstance: null,
  requestTimeoutSeconds: 180,
  pricePerHourUsd: null,
  ...fields,
});

/** Somebody's endpoint, made without us: one deployment with traffic, one without. */
beforeAll(async () => {
  real = await openRealServices();
  const endpoint = 'onlineEndpoints/theirs-1';
  await arm('PUT', endpoint, { location: 'eastus2', properties: { authMode: 'Key' } });
  await untilSucceeded(endpoint);
  for (const [name, capacity] of [
    ['blue', 2],
    ['green', 1],
  ] as const) {
    await arm('PUT', `${endpoint}/deployments/${name}`, {
      location: 'eastus2',
      sku: { name: 'Default', capacity },
      properties: {
        endpointComputeType: 'Managed',
        instanceType: 'Standard_NC24ads_A100_v4',
        model: 'azureml://registries/azureml/models/Phi-4/versions/7',
        requestSettings: { requestTimeout: 'PT90S', maxConcurrentRequestsPerInstance: 5 },
      },
    });
    await untilSucceeded(`${endpoint}/deployments/${name}`);
  }
  await arm('PUT', endpoint, {
    location: 'eastus2',
    properties: { authMode: 'Key', traffic: { blue: 100 } },
  });
  await untilSucceeded(endpoint);
});

afterAll(async () => {
  await real.close();
});

describe('an endpoint that exists', () => {
  it('is what ARM says: the deployment with traffic, its machines, settings and model', async () => {
    expect(await readExistingEndpoint(real.services, target())).toMatchObject({
      ok: true,
      value: {
        endpoint: {
          name: 'theirs-1',
          deployment: 'blue',
          sku: 'Standard_NC24ads_A100_v4',
          instances: 2,
          region: 'eastus2',
          auth: 'key',
          simulated: true,
          model: expect.stringContaining('Phi-4'),
        },
        target: {
          deployment: 'blue',
          instances: 2,
          maxConcurrentRequestsPerInstance: 5,
          requestTimeoutSeconds: 90,
        },
      },
    });
    expect(
      await readExistingEndpoint(real.services, target({ deployment: 'green', instances: 1 })),
    ).toMatchObject({
      ok: true,
      value: { endpoint: { deployment: 'green', instances: 1 } },
    });
  });

  it.each<[Partial<EndpointTarget>, string, RegExp]>([
    [{ name: 'nowhere' }, 'name', /no endpoint nowhere/],
    [{ deployment: 'red' }, 'deployment', /no deployment red; it has blue, green/],
    [{ sku: 'Standard_NC48ads_A100_v4' }, 'sku', /runs on Standard_NC24ads_A100_v4/],
    [{ instances: 3 }, 'instances', /has 2 instances/],
    [{ workspace: 'elsewhere' }, 'workspace', /no workspace "elsewhere"/],
  ])('cannot be measured as %j', async (fields, field, message) => {
    expect(await readExistingEndpoint(real.services, target(fields))).toMatchObject({
      ok: false,
      field,
      message: expect.stringMatching(message),
    });
  });

  it('is asked with its key at the address that ARM tells, and its deployment is pinned', async () => {
    const run = await startedRun();
    expect(await readScoringTarget(real.services, run)).toMatchObject({
      scoringUri: expect.stringContaining('/theirs-1/score'),
      connectAddress: null,
      authorization: expect.stringMatching(/^Bearer .{10}/),
      headers: { 'azureml-model-deployment': 'blue' },
    });
  });

  it('is not released by the run that measured it', async () => {
    const run = await startedRun();
    expect(await createSteps(real.services).releaseEndpoint({ runId: run.id })).toEqual({
      gone: true,
      error: null,
    });
    expect(await real.alive()).toEqual(['theirs-1']);
  });

  it('that another run has kept is measured until five minutes before it goes', async () => {
    const keptUntilMs = real.services.now() + 20 * 60_000;
    await real.services.stores.leases.open(aLease({ endpoint: 'theirs-1', keptUntilMs }));
    const { id } = await aStoredRun();
    const started = await createSteps(real.services).startRun({ runId: id });
    expect(started).toMatchObject({
      kind: 'endpoint',
      ending: null,
      measureDeadlineMs: keptUntilMs - 5 * 60_000,
    });
  });
});

it.each<[string | null, readonly string[], Record<string, number>, string | null]>([
  [null, ['a', 'b'], { a: 20, b: 80 }, 'b'],
  [null, ['Blue'], { blue: 100 }, 'Blue'],
  [null, ['a'], {}, 'a'],
  [null, ['a', 'b'], {}, null],
  [null, [], {}, null],
  ['A', ['a', 'b'], { b: 100 }, 'a'],
  ['c', ['a', 'b'], { b: 100 }, null],
])('of %j among %j with traffic %j, %j is chosen', (named, deployments, traffic, chosen) => {
  expect(chooseDeployment(named, deployments, traffic)).toBe(chosen);
});

function aStoredRun(): Promise<RunRecord> {
  return real.aStoredRun().then(async ({ id }) =>
    real.services.stores.runs.change(id, ({ spec }) => ({
      spec: { ...spec, target: target() } as RunRecord['spec'],
    })),
  );
}

async function startedRun(): Promise<RunRecord> {
  const { id } = await aStoredRun();
  expect((await createSteps(real.services).startRun({ runId: id })).ending).toBeNull();
  const run = await real.services.stores.runs.read(id);
  if (run === null) throw new Error('The run is gone.');
  return run;
}

async function untilSucceeded(path: string): Promise<void> {
  await eventually(async () => (await arm('GET', path)).properties.provisioningState === 'Succeeded');
}

// biome-ignore lint/suspicious/noExplicitAny: ARM's answers, of which the test reads a few fields.
async function arm(method: string, path: string, body?: unknown): Promise<any> {
  const base = `${real.simulatorUrl}/subscriptions/${ZERO}/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local`;
  const answer = await fetch(`${base}/${path}?api-version=2024-10-01`, {
    method,
    headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
