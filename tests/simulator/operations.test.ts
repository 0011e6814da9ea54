/** What lasts: here the test moves the clock of the control plane, and no test waits for it. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  deploymentBody,
  endpointBody,
  openWorkspace,
  type WorkspaceOfTest,
  workspacePath,
} from './a-workspace.ts';

/** Longer than any operation at speed 1. */
const LONG_ENOUGH_MS = 20_000;
const ENDPOINT = `${workspacePath}/onlineEndpoints/lasting`;
const DEPLOYMENT = `${ENDPOINT}/deployments/blue`;

let workspace: WorkspaceOfTest;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  workspace = await openWorkspace({ speed: 1 });
});
afterEach(async () => {
  await workspace.close();
  vi.useRealTimers();
});

test('a creation answers 201 with the address of its operation, which ends as Succeeded', async () => {
  const put = await workspace.arm('PUT', ENDPOINT, endpointBody());
  expect(put.status).toBe(201);
  expect(put.headers).toMatchObject({ server: 'foundry-bench-simulator', 'x-simulated': 'true' });
  expect(put.headers['x-ms-async-operation-timeout']).toMatch(/^PT/);
  expect(put.body.properties.provisioningState).toBe('Creating');
  expect(put.body.properties.scoringUri).toBeUndefined();
  const statusUrl = put.headers['azure-asyncoperation'] as string;
  expect(statusUrl).toMatch(`${workspace.simulator.baseUrl}/subscriptions/`);
  expect(put.body.properties.properties.AzureAsyncOperationUri).toBe(statusUrl);
  expect((await workspace.arm('GET', statusUrl)).body.status).toBe('InProgress');

  wait(900);
  expect((await workspace.arm('GET', statusUrl)).body.status).toBe('InProgress');
  wait(2200);
  expect((await workspace.arm('GET', statusUrl)).body.status).toBe('Succeeded');
  expect(await stateOf(ENDPOINT)).toBe('Succeeded');
});

test('endpoint and deployment together take 5 to 15 seconds', async () => {
  for (const name of ['one', 'two', 'three', 'four', 'five', 'six']) {
    const path = `${workspacePath}/onlineEndpoints/lasting-${name}`;
    await workspace.arm('PUT', path, endpointBody());
    const endpointSeconds = await secondsUntilReady(path);
    await workspace.arm('PUT', `${path}/deployments/blue`, deploymentBody());
    const seconds = endpointSeconds + (await secondsUntilReady(`${path}/deployments/blue`));
    expect(seconds).toBeGreaterThanOrEqual(4.9);
    expect(seconds).toBeLessThanOrEqual(15);
  }
});

test('a change of the instance count answers 202 with a Location that is 202 until the end', async () => {
  await deploy();
  const patch = await workspace.arm('PATCH', DEPLOYMENT, { sku: { name: 'Default', capacity: 2 } });
  expect(patch.status).toBe(202);
  expect(patch.headers['retry-after']).toBe('1');
  expect(patch.headers['x-ms-async-operation-timeout']).toMatch(/^PT/);
  expect(patch.body).toBe('');
  expect((await workspace.arm('GET', DEPLOYMENT)).body.properties.provisioningState).toBe('Scaling');
  const resultUrl = patch.headers.location as string;
  expect((await workspace.arm('GET', resultUrl)).status).toBe(202);
  wait(LONG_ENOUGH_MS);
  const result = await workspace.arm('GET', resultUrl);
  expect(result.status).toBe(200);
  expect(result.body.sku.capacity).toBe(2);
});

test('a deletion answers 202 until GET answers 404, which is the time in the books', async () => {
  await deploy();
  const remove = await workspace.arm('DELETE', ENDPOINT);
  expect(remove.status).toBe(202);
  expect(remove.headers['retry-after']).toBe('1');
  const resultUrl = remove.headers.location as string;
  expect(await stateOf(ENDPOINT)).toBe('Deleting');
  expect(await stateOf(DEPLOYMENT)).toBe('Deleting');
  expect((await workspace.arm('GET', resultUrl)).status).toBe(202);
  expect((await workspace.arm('DELETE', ENDPOINT)).headers.location).toBe(resultUrl);
  expect((await workspace.books()).endpoints[0].deletedAt).toBeNull();

  let goneAtMs = 0;
  for (let steps = 0; steps < 100 && goneAtMs === 0; steps += 1) {
    wait(100);
    if ((await workspace.arm('GET', ENDPOINT)).status === 404) goneAtMs = Date.now();
  }
  expect((await workspace.arm('GET', resultUrl)).status).toBe(204);
  expect((await workspace.arm('DELETE', ENDPOINT)).status).toBe(204);
  const deletedAtMs = Date.parse((await workspace.books()).endpoints[0].deletedAt);
  expect(goneAtMs - deletedAtMs).toBeGreaterThanOrEqual(0);
  expect(goneAtMs - deletedAtMs).toBeLessThanOrEqual(100);
});

test('a second change is refused while the first is under way', async () => {
  await workspace.arm('PUT', ENDPOINT, endpointBody());
  expect((await workspace.arm('PUT', ENDPOINT, endpointBody())).status).toBe(409);
  expect((await workspace.arm('PUT', DEPLOYMENT, deploymentBody())).status).toBe(409);
  wait(LONG_ENOUGH_MS);
  expect((await workspace.arm('PUT', DEPLOYMENT, deploymentBody())).status).toBe(201);
  expect((await workspace.arm('PUT', DEPLOYMENT, deploymentBody())).status).toBe(409);
});

test('nothing is deleted while a deployment is being created, and a creation alone is cut short', async () => {
  const { headers } = await workspace.arm('PUT', ENDPOINT, endpointBody());
  expect((await workspace.arm('DELETE', ENDPOINT)).status).toBe(202);
  expect((await workspace.arm('GET', headers['azure-asyncoperation'] as string)).body.status).toBe(
    'Canceled',
  );
  wait(LONG_ENOUGH_MS);

  await workspace.arm('PUT', ENDPOINT, endpointBody());
  wait(LONG_ENOUGH_MS);
  await workspace.arm('PUT', DEPLOYMENT, deploymentBody());
  for (const path of [DEPLOYMENT, ENDPOINT]) {
    const refusal = await workspace.arm('DELETE', path);
    expect(refusal.status).toBe(409);
    expect(refusal.body.error.code).toBe('Conflict');
  }
  wait(LONG_ENOUGH_MS);
  expect((await workspace.arm('DELETE', ENDPOINT)).status).toBe(202);
});

test('a deployment with traffic keeps being served; without, it can be deleted', async () => {
  await deploy();
  await workspace.arm('PUT', ENDPOINT, endpointBody({ blue: 100 }));
  wait(LONG_ENOUGH_MS);
  expect((await workspace.arm('DELETE', DEPLOYMENT)).status).toBe(400);
  await workspace.arm('PUT', ENDPOINT, endpointBody({ blue: 0 }));
  wait(LONG_ENOUGH_MS);
  expect((await workspace.arm('DELETE', DEPLOYMENT)).status).toBe(202);
  wait(LONG_ENOUGH_MS);
  expect((await workspace.arm('GET', DEPLOYMENT)).status).toBe(404);
});

test('GPU seconds are wall seconds x GPUs x instances, from the deployment to the end of the deletion', async () => {
  await workspace.arm('PUT', ENDPOINT, endpointBody());
  wait(LONG_ENOUGH_MS);
  const from = Date.now();
  await workspace.arm('PUT', DEPLOYMENT, deploymentBody({ sku: 'Standard_NC48ads_A100_v4', instances: 2 }));
  wait(60_000);
  const [alive] = (await workspace.books()).endpoints;
  expect(alive).toMatchObject({ sku: 'Standard_NC48ads_A100_v4', instances: 2 });
  expect(alive.gpuSeconds).toBeCloseTo(((Date.now() - from) / 1000) * 4, 0);

  await workspace.arm('DELETE', ENDPOINT);
  wait(1_000_000);
  const [gone] = (await workspace.books()).endpoints;
  expect(gone.gpuSeconds).toBeCloseTo(((Date.parse(gone.deletedAt) - from) / 1000) * 4, 0);
});

function wait(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

async function stateOf(path: string): Promise<string> {
  return (await workspace.arm('GET', path)).body.properties.provisioningState;
}

async function secondsUntilReady(path: string): Promise<number> {
  for (let seconds = 0; seconds < 30; seconds += 0.5) {
    if ((await stateOf(path)) === 'Succeeded') return seconds;
    wait(500);
  }
  throw new Error(`${path} was not ready in 30 seconds.`);
}

async function deploy(): Promise<void> {
  await workspace.arm('PUT', ENDPOINT, endpointBody());
  wait(LONG_ENOUGH_MS);
  await workspace.arm('PUT', DEPLOYMENT, deploymentBody());
  wait(LONG_ENOUGH_MS);
}
