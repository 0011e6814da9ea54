/** Faults that come with time: here the test moves the clock of the control plane. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  deploymentBody,
  endpointBody,
  openWorkspace,
  phi4With,
  post,
  type WorkspaceOfTest,
  workspacePath,
} from './a-workspace.ts';

/** Longer than any operation at speed 50. */
const LONG_ENOUGH_MS = 1000;
const ENDPOINT = `${workspacePath}/onlineEndpoints/timely`;
const DEPLOYMENT = `${ENDPOINT}/deployments/blue`;

let workspace: WorkspaceOfTest;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  workspace = await openWorkspace();
});
afterEach(async () => {
  await workspace.close();
  vi.useRealTimers();
});

test('a slow deletion takes the seconds of its name, at any speed, and is billed for them', async () => {
  await deploy(phi4With('delete-slow.30'));
  const before = (await workspace.books()).endpoints[0].gpuSeconds;
  const { headers } = await workspace.arm('DELETE', ENDPOINT);
  wait(29_000);
  expect((await workspace.arm('GET', ENDPOINT)).body.properties.provisioningState).toBe('Deleting');
  expect((await workspace.arm('GET', headers.location as string)).status).toBe(202);
  wait(1100);
  expect((await workspace.arm('GET', ENDPOINT)).status).toBe(404);
  expect((await workspace.books()).endpoints[0].gpuSeconds - before).toBeGreaterThan(29);
});

test('a slow deployment takes the seconds of its name', async () => {
  await deploy(phi4With('deploy-slow.40'));
  wait(38_000);
  expect((await workspace.arm('GET', DEPLOYMENT)).body.properties.provisioningState).toBe('Creating');
  wait(1100);
  expect((await workspace.arm('GET', DEPLOYMENT)).body.properties.provisioningState).toBe('Succeeded');
});

test('a stuck deployment fails at the limit that its operation was given', async () => {
  await deploy(phi4With('deploy-stuck'));
  wait(89 * 60_000);
  expect((await workspace.arm('GET', DEPLOYMENT)).body.properties.provisioningState).toBe('Creating');
  wait(60_000);
  expect((await workspace.arm('GET', DEPLOYMENT)).body.properties.provisioningState).toBe('Failed');
});

test('keys become others some seconds after readiness; the old ones are refused then', async () => {
  await deploy(phi4With('keys-rotate.20'));
  const old = await keys();
  expect(await scoreStatus(old.primaryKey)).not.toBe(401);
  wait(21_000);
  expect(await scoreStatus(old.primaryKey)).toBe(401);
  const next = await keys();
  expect(next.primaryKey).not.toBe(old.primaryKey);
  expect(next.secondaryKey).not.toBe(old.secondaryKey);
  expect(await scoreStatus(next.primaryKey)).not.toBe(401);
  // An update of the deployment brings the old ones not back.
  await workspace.arm('PUT', DEPLOYMENT, deploymentBody({ model: phi4With('keys-rotate.20') }));
  wait(LONG_ENOUGH_MS);
  expect(await keys()).toEqual(next);
});

test('keys die for good', async () => {
  await deploy(phi4With('keys-die.5'));
  expect(await scoreStatus((await keys()).primaryKey)).not.toBe(401);
  wait(6000);
  const { primaryKey, secondaryKey } = await keys();
  expect([await scoreStatus(primaryKey), await scoreStatus(secondaryKey)]).toEqual([401, 401]);
});

function wait(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

async function deploy(model: string): Promise<void> {
  await workspace.arm('PUT', ENDPOINT, endpointBody());
  wait(LONG_ENOUGH_MS);
  await workspace.arm('PUT', DEPLOYMENT, deploymentBody({ model }));
  wait(LONG_ENOUGH_MS);
}

async function keys(): Promise<{ primaryKey: string; secondaryKey: string }> {
  return (await workspace.arm('POST', `${ENDPOINT}/listKeys`)).body;
}

async function scoreStatus(key: string): Promise<number> {
  return (await post(`${workspace.simulator.baseUrl}/endpoints/eastus2/timely/score`, key, {})).status;
}
