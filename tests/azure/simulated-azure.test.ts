import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AzureServices, createAzureServices } from '../../src/azure/clients.ts';
import { readConfig } from '../../src/config.ts';
import { leaseTags } from '../../src/core/renting/lease.ts';
import type { DeploymentOrder, EndpointOrder } from '../../src/services.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

/** Deployments take 5 to 13 s at speed 1; at 50 a whole life takes well below a second. */
const SPEED = 50;
/** How often a state is asked for before the test gives up: 100 times 50 ms. */
const READS = 100;

let simulator: Simulator;
let azure: AzureServices;

beforeAll(async () => {
  simulator = await startSimulator({ port: 0, speed: SPEED });
  const zero = '00000000-0000-0000-0000-000000000000';
  azure = createAzureServices(
    readConfig({
      INSTALLATION_ID: 'test',
      WORKSPACES: JSON.stringify({
        default: { subscriptionId: zero, resourceGroup: 'local', workspace: 'local' },
      }),
      TABLES_ENDPOINT: 'http://127.0.0.1:1/a',
      TABLES_ACCOUNT_NAME: 'a',
      TABLES_ACCOUNT_KEY: 'a2V5',
      ARM_ENDPOINT: simulator.baseUrl,
      PRICES_ENDPOINT: simulator.baseUrl,
    }),
  );
});
afterAll(() => simulator.stop());

const order = (name: string): EndpointOrder => ({
  workspace: 'default',
  name,
  auth: 'key',
  publicNetworkAccess: 'enabled',
  tags: leaseTags({ owner: 'test', runId: 'r1', expiresAtMs: 1_000 }),
});

const deployment = (endpoint: string): DeploymentOrder => ({
  workspace: 'default',
  endpoint,
  name: 'blue',
  model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
  sku: 'Standard_NC24ads_A100_v4',
  instances: 1,
  maxConcurrentRequestsPerInstance: 8,
  requestTimeoutSeconds: 180,
  environmentVariables: {},
  tags: {},
});

describe('an endpoint’s life against the simulator, through the real SDK', () => {
  it('is created, deployed, given traffic, called and deleted, and every start may be repeated', async () => {
    const { controlPlane } = azure;
    const name = 'life-a1';
    for (let n = 0; n < 3; n += 1) await controlPlane.startEndpoint(order(name));
    await until(
      async () => (await controlPlane.readEndpoint('default', name))?.provisioningState === 'Succeeded',
    );
    for (let n = 0; n < 3; n += 1) await controlPlane.startDeployment(deployment(name));
    await until(
      async () =>
        (await controlPlane.readDeployment('default', name, 'blue'))?.provisioningState === 'Succeeded',
    );
    expect(await controlPlane.readDeployment('default', name, 'blue')).toMatchObject({
      name: 'blue',
      maxConcurrentRequestsPerInstance: 8,
      requestTimeoutSeconds: 180,
      operation: expect.stringMatching(/^od:/),
      provisioningState: 'Succeeded',
      sku: 'Standard_NC24ads_A100_v4',
      instances: 1,
    });
    await until(() => succeeds(() => controlPlane.startTraffic('default', name, 'blue')));
    await until(
      async () => (await controlPlane.readEndpoint('default', name))?.provisioningState === 'Succeeded',
    );
    const endpoint = await controlPlane.readEndpoint('default', name);
    expect(endpoint).toMatchObject({ name, tags: order(name).tags, traffic: { blue: 100 }, simulated: true });
    expect(endpoint?.createdAtMs).toBeGreaterThan(0);
    expect(await controlPlane.readDeploymentLog('default', name, 'blue')).not.toBeNull();
    expect((await controlPlane.listEndpoints('default')).map((one) => [one.name, one.simulated])).toEqual([
      [name, true],
    ]);

    const authorization = await controlPlane.readAuthorization('default', name, 'key');
    expect(await scoreStatus(endpoint?.scoringUri ?? '', authorization)).toBe(200);
    expect(await scoreStatus(endpoint?.scoringUri ?? '', 'Bearer wrong')).toBe(401);

    expect(await controlPlane.startDelete('default', name)).toBe('deleting');
    await until(async () => (await controlPlane.readEndpoint('default', name)) === null);
    expect(await controlPlane.startDelete('default', name)).toBe('gone');
    expect(await controlPlane.readDeployment('default', name, 'blue')).toBeNull();
    expect(await aliveInBooks()).toEqual([]);
  });

  it('can be deleted while its deployment is still being created', async () => {
    const { controlPlane } = azure;
    const name = 'early-a1';
    await controlPlane.startEndpoint(order(name));
    await until(
      async () => (await controlPlane.readEndpoint('default', name))?.provisioningState === 'Succeeded',
    );
    await controlPlane.startDeployment(deployment(name));
    await until(() => succeeds(() => controlPlane.startDelete('default', name)));
    await until(async () => (await controlPlane.readEndpoint('default', name)) === null);
    expect(await aliveInBooks()).toEqual([]);
  });

  it('lists more endpoints than a page holds', async () => {
    const { controlPlane } = azure;
    const names = Array.from({ length: 23 }, (_, n) => `page-${n}-a1`);
    for (const name of names) await controlPlane.startEndpoint(order(name));
    const listed = await controlPlane.listEndpoints('default');
    expect(listed.map((endpoint) => endpoint.name).sort()).toEqual([...names].sort());
    for (const name of names) await until(() => succeeds(() => controlPlane.startDelete('default', name)));
    await until(async () => (await controlPlane.listEndpoints('default')).length === 0);
  });

  it('has an Entra endpoint whose keys nobody can read', async () => {
    const { controlPlane } = azure;
    await controlPlane.startEndpoint({ ...order('entra-a1'), auth: 'entra' });
    await until(
      async () => (await controlPlane.readEndpoint('default', 'entra-a1'))?.provisioningState === 'Succeeded',
    );
    expect(await controlPlane.readAuthorization('default', 'entra-a1', 'entra')).toMatch(/^Bearer \S+$/);
    const error = await controlPlane
      .readAuthorization('default', 'entra-a1', 'key')
      .catch((caught: unknown) => caught);
    expect(inspect(error)).toMatch(
      /^ControlPlaneError: Could not read the credential of the endpoint entra-a1/,
    );
    await until(() => succeeds(() => controlPlane.startDelete('default', 'entra-a1')));
    await until(async () => (await controlPlane.readEndpoint('default', 'entra-a1')) === null);
  });

  it('knows the region and the price of the SKU there', async () => {
    const region = await azure.controlPlane.readRegion('default');
    const { price, reason } = await azure.prices.quote('Standard_NC24ads_A100_v4', region);
    expect(reason).toBeNull();
    expect(price).toMatchObject({ region, source: 'retail' });
    expect(price?.perHourUsd).toBeCloseTo(3.67, 1);
    expect((await azure.prices.quote('Standard_Nothing', region)).price).toBeNull();
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let read = 0; read < READS; read += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`It did not become true in ${READS} reads: ${condition}`);
}

/** A conflict with what is in progress may be tried again, as steps do. */
async function succeeds(start: () => Promise<unknown>): Promise<boolean> {
  try {
    await start();
    return true;
  } catch (error) {
    if ((error as { retryable?: unknown }).retryable === true) return false;
    throw error;
  }
}

async function scoreStatus(scoringUri: string, authorization: string): Promise<number> {
  const response = await fetch(scoringUri, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({
      input_data: { input_string: [{ role: 'user', content: 'hello' }], parameters: { max_new_tokens: 1 } },
    }),
  });
  await response.arrayBuffer();
  return response.status;
}

async function aliveInBooks(): Promise<readonly unknown[]> {
  const response = await fetch(`${simulator.baseUrl}/simulator/books`);
  const books = (await response.json()) as {
    readonly endpoints: readonly { readonly deletedAt: string | null }[];
  };
  return books.endpoints.filter(
    (endpoint) => endpoint.deletedAt === null || Date.parse(endpoint.deletedAt) > Date.now(),
  );
}
