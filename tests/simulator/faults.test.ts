/** Faults that names and rules ask for, over the wire and through the real SDK. */
import { readFileSync } from 'node:fs';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DEPLOYMENT_FAULTS } from '../../src/simulator/deployment-fault.ts';
import { CALL_FAULTS } from '../../src/simulator/fault-plan.ts';
import {
  deploymentBody,
  endpointBody,
  locationPath,
  openWorkspace,
  phi4With,
  until,
  type WorkspaceOfTest,
  workspacePath,
} from './a-workspace.ts';

const POLL = { updateIntervalInMs: 20 };

let workspace: WorkspaceOfTest;
beforeAll(async () => {
  workspace = await openWorkspace({ quota: { standardNCADSA100v4Family: -1 } });
});
afterEach(() => workspace.rule());
afterAll(() => workspace.close());

test('a deployment fails by each code, and its log and operation say why', async () => {
  const endpoint = await workspace.createEndpoint('each-code');
  const deployments = DEPLOYMENT_FAULTS.map((word, index) => ({
    word,
    path: `${endpoint}/deployments/one-${index}`,
  }));
  const outcomes = await Promise.all(
    deployments.map(async ({ word, path }) => {
      const put = await workspace.arm('PUT', path, deploymentBody({ model: phi4With(word) }));
      expect(put.status).toBe(201);
      const operation = put.headers['azure-asyncoperation'] as string;
      await until(async () => (await workspace.arm('GET', operation)).body.status === 'Failed');
      expect(await stateOf(path)).toBe('Failed');
      const { error } = (await workspace.arm('GET', operation)).body;
      const log = (await workspace.arm('POST', `${path}/getLogs`, { tail: 5 })).body.content;
      expect(log).toContain(error.message);
      return [word, error.code];
    }),
  );
  expect(Object.fromEntries(outcomes)).toMatchObject({
    'deploy-outofquota': 'OutOfQuota',
    'deploy-outofcapacity': 'OutOfQuota',
    'deploy-imagebuildfailure': 'ImageBuildFailure',
    'deploy-imagepull': 'BadArgument',
    'deploy-badargument': 'BadArgument',
    'deploy-resourcenotready': 'ResourceNotReady',
    'deploy-containercrash': 'ResourceNotReady',
    'deploy-resourcenotfound': 'ResourceNotFound',
    'deploy-networknotready': 'WorkspaceManagedNetworkNotReady',
    'deploy-operationcanceled': 'OperationCanceled',
    'deploy-secretsinjectionerror': 'SecretsInjectionError',
    'deploy-internalservererror': 'InternalServerError',
  });
  await workspace.client.onlineEndpoints.beginDeleteAndWait('rg', 'ws', 'each-code', POLL);
  expect(await isGoneFromBooks('each-code')).toBe(true);
});

test('a crash stands in the container’s log, and not in that of the download', async () => {
  const endpoint = await workspace.createEndpoint('crash-log');
  const path = `${endpoint}/deployments/blue`;
  await workspace.arm('PUT', path, deploymentBody({ model: phi4With('deploy-containercrash') }));
  await until(async () => (await stateOf(path)) === 'Failed');
  const log = async (containerType: string) =>
    (await workspace.arm('POST', `${path}/getLogs`, { containerType })).body.content;
  expect(await log('InferenceServer')).toContain('CUDA out of memory');
  expect(await log('StorageInitializer')).not.toContain('CUDA out of memory');
});

test('a deployment’s environment may ask for a fault, and has it in every call of the deployment', async () => {
  const endpoint = await workspace.createEndpoint('by-variable');
  const path = `${endpoint}/deployments/blue`;
  const body = deploymentBody();
  const environmentVariables = { SIMULATOR_FAULTS: 'fault-deploy-imagepull fault-arm-503.1' };
  const put = () =>
    workspace.arm('PUT', path, { ...body, properties: { ...body.properties, environmentVariables } });
  expect([(await put()).status, (await put()).status]).toEqual([503, 201]);
  expect((await workspace.arm('GET', path)).status).toBe(503);
  await until(async () => (await stateOf(path)) === 'Failed');
});

test('a number limits a fault to the first deployments of its model', async () => {
  const body = deploymentBody({ model: phi4With('deploy-outofcapacity.1') });
  const states = [];
  for (const name of ['first-try', 'second-try']) {
    const path = `${await workspace.createEndpoint(name)}/deployments/blue`;
    await workspace.arm('PUT', path, body);
    await until(async () => (await stateOf(path)) !== 'Creating');
    states.push(await stateOf(path));
  }
  expect(states).toEqual(['Failed', 'Succeeded']);
});

test('the SDK hears of a failed deployment, and then of a failed deletion, after which it is still billed', async () => {
  const { client } = workspace;
  await workspace.createEndpoint('fails-twice');
  const model = phi4With('deploy-outofquota', 'delete-fail.1');
  await expect(
    client.onlineDeployments.beginCreateOrUpdateAndWait(
      'rg',
      'ws',
      'fails-twice',
      'blue',
      deploymentBody({ model }),
      POLL,
    ),
  ).rejects.toThrow('OutOfQuota');
  await expect(client.onlineEndpoints.beginDeleteAndWait('rg', 'ws', 'fails-twice', POLL)).rejects.toThrow(
    /higher priority/,
  );
  expect(await stateOf(`${workspacePath}/onlineEndpoints/fails-twice`)).toBe('Failed');
  expect(await isGoneFromBooks('fails-twice')).toBe(false);
  const { gpuSeconds } = await accountOf('fails-twice');
  await until(async () => (await accountOf('fails-twice')).gpuSeconds > gpuSeconds);
  await client.onlineEndpoints.beginDeleteAndWait('rg', 'ws', 'fails-twice', POLL);
  expect(await isGoneFromBooks('fails-twice')).toBe(true);
});

test('a deletion is refused as often as its name asks for, and a change as still updating', async () => {
  const endpoint = await workspace.createEndpoint('is-busy');
  const path = `${endpoint}/deployments/blue`;
  const body = deploymentBody({ model: phi4With('delete-busy.2', 'put-updating.1') });
  expect((await workspace.arm('PUT', path, body)).body.error).toMatchObject({
    code: 'Conflict',
    message: expect.stringContaining('updating'),
  });
  expect((await workspace.arm('PUT', path, body)).status).toBe(201);
  await until(async () => (await stateOf(path)) === 'Succeeded');
  const statuses = [];
  for (let n = 0; n < 2; n += 1)
    statuses.push((await workspace.arm('PUT', endpoint, endpointBody({ blue: 100 }))).status);
  expect(statuses).toEqual([409, 200]);
  await until(async () => (await stateOf(endpoint)) === 'Succeeded');
  for (let n = 0; n < 3; n += 1) statuses.push((await workspace.arm('DELETE', endpoint)).status);
  expect(statuses.slice(2)).toEqual([409, 409, 202]);
});

test('a stuck deployment stays as it is, and can be deleted with its endpoint or by itself', async () => {
  for (const what of ['endpoint', 'deployment']) {
    const endpoint = await workspace.createEndpoint(`stuck-${what}`);
    const path = `${endpoint}/deployments/blue`;
    await workspace.arm('PUT', path, deploymentBody({ model: phi4With('deploy-stuck') }));
    await new Promise((resolve) => setTimeout(resolve, 400)); // no other deployment takes more than 200 ms at this speed
    expect(await stateOf(path)).toBe('Creating');
    const target = what === 'endpoint' ? endpoint : path;
    expect((await workspace.arm('DELETE', target)).status).toBe(202);
    await until(async () => (await workspace.arm('GET', target)).status === 404);
  }
});

test('an endpoint whose creation fails can be deleted', async () => {
  const path = `${workspacePath}/onlineEndpoints/x-fault-endpoint-fail`;
  expect((await workspace.arm('PUT', path, endpointBody())).status).toBe(201);
  await until(async () => (await stateOf(path)) === 'Failed');
  await workspace.client.onlineEndpoints.beginDeleteAndWait('rg', 'ws', 'x-fault-endpoint-fail', POLL);
  expect(await isGoneFromBooks('x-fault-endpoint-fail')).toBe(true);
});

test('what runs may be another size and other instances than were asked for, and the books know', async () => {
  const endpoint = await workspace.createEndpoint('not-as-asked');
  const path = `${endpoint}/deployments/blue`;
  const body = deploymentBody({ model: phi4With('sku-other', 'instances-other.3') });
  const put = await workspace.arm('PUT', path, body);
  expect(put.body.properties.instanceType).toBe('Standard_NC48ads_A100_v4');
  expect(put.body.sku.capacity).toBe(3);
  expect(await accountOf('not-as-asked')).toMatchObject({ sku: 'Standard_NC48ads_A100_v4', instances: 3 });
});

test.each([
  ['arm-401', 401, 'ExpiredAuthenticationToken'],
  ['arm-403', 403, 'AuthorizationFailed'],
  ['arm-404', 404, 'ResourceNotFound'],
  ['arm-409', 409, 'Conflict'],
  ['arm-429', 429, 'SubscriptionRequestsThrottled'],
  ['arm-500', 500, 'InternalServerError'],
  ['arm-503', 503, 'ServiceUnavailable'],
  ['arm-504', 504, 'GatewayTimeout'],
])('%s answers %i the first time for each operation, and then no more', async (word, status, code) => {
  const path = `${workspacePath}/onlineEndpoints/x-fault-${word}`;
  const first = await workspace.arm('PUT', path, endpointBody());
  expect([first.status, first.body.error.code]).toEqual([status, code]);
  expect(first.headers['x-ms-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  expect(first.headers['retry-after']).toBe(status === 429 || status === 503 ? '0' : undefined);
  if (status === 401) expect(first.headers['www-authenticate']).toContain('invalid_token');
  expect((await workspace.arm('PUT', path, endpointBody())).status).toBe(201);
  expect((await workspace.arm('GET', path)).status).toBe(status);
  expect((await workspace.arm('GET', path)).status).toBe(200);
});

test('a call may be cut off before or after it was done, or never be answered', async () => {
  const path = (fault: string) => `${workspacePath}/onlineEndpoints/x-fault-${fault}`;
  await expect(workspace.arm('PUT', path('arm-reset'), endpointBody())).rejects.toThrow();
  expect(await existsInBooks('x-fault-arm-reset')).toBe(false);
  await expect(workspace.arm('PUT', path('arm-lost'), endpointBody())).rejects.toThrow();
  expect(await existsInBooks('x-fault-arm-lost')).toBe(true);

  const { baseUrl } = workspace.simulator;
  const held = request(`${baseUrl}${path('arm-timeout')}?api-version=x`, {
    headers: { authorization: 'Bearer any' },
    headersTimeout: 150,
  });
  await expect(held).rejects.toThrow('Headers Timeout');
  expect((await workspace.arm('GET', path('arm-timeout'))).status).toBe(404);
});

test('the SDK gets over throttled and broken calls by itself', async () => {
  const model = phi4With('arm-429.2', 'arm-503.1');
  await workspace.createEndpoint('gets-over');
  const deployment = await workspace.client.onlineDeployments.beginCreateOrUpdateAndWait(
    'rg',
    'ws',
    'gets-over',
    'blue',
    deploymentBody({ model }),
    POLL,
  );
  expect(deployment.properties.provisioningState).toBe('Succeeded');
});

test('a rule lets one call fail, whatever the names, and is forgotten when it is deleted', async () => {
  const { baseUrl } = workspace.simulator;
  const rules = [
    { operation: 'PUT endpoint', resource: 'ruled*', nth: 2, fault: 'arm-500' },
    { operation: 'PUT deployment', resource: 'ruled-1/blue', nth: 1, fault: 'deploy-outofcapacity' },
    { operation: 'GET usages', fault: 'arm-403' },
    { operation: 'GET prices', fault: 'arm-503' },
  ];
  expect((await workspace.rule(...rules)).body.rules).toMatchObject(rules);
  const endpoint = await workspace.createEndpoint('ruled-1');
  expect((await workspace.arm('PUT', endpoint.replace('-1', '-2'), endpointBody())).status).toBe(500);
  const path = `${endpoint}/deployments/blue`;
  const states = [];
  for (let n = 0; n < 2; n += 1) {
    await workspace.arm('PUT', path, deploymentBody());
    await until(async () => /Failed|Succeeded/.test(await stateOf(path)));
    states.push(await stateOf(path));
  }
  expect(states).toEqual(['Failed', 'Succeeded']);
  const usages = () => workspace.arm('GET', `${locationPath}/usages`);
  const prices = async () => (await request(`${baseUrl}/api/retail/prices`)).statusCode;
  expect([(await usages()).status, await prices()]).toEqual([403, 503]);

  const listed = await request(`${baseUrl}/simulator/faults`);
  expect(await listed.body.json()).toMatchObject({
    rules: rules.map((rule) => ({ ...rule, matched: expect.any(Number) })),
  });
  expect((await request(`${baseUrl}/simulator/faults`, { method: 'DELETE' })).statusCode).toBe(200);
  expect([(await usages()).status, await prices()]).toEqual([200, 200]);
  expect((await workspace.rule({ nth: 1 })).status).toBe(400);
});

test('with chaos the same calls fail again, and a deployment still comes about', async () => {
  const statuses = async () => {
    const chaotic = await openWorkspace({ chaos: { percent: 30, seed: 5 } });
    const call = async () => {
      try {
        return (await chaotic.arm('GET', `${locationPath}/usages`)).status;
      } catch {
        return 'reset';
      }
    };
    const seen = [];
    for (let n = 0; n < 30; n += 1) seen.push(await call());
    await until(async () => {
      try {
        return (
          (await chaotic.arm('PUT', `${workspacePath}/onlineEndpoints/chaotic`, endpointBody())).status < 300
        );
      } catch {
        return false;
      }
    });
    await chaotic.close();
    return seen;
  };
  const first = await statuses();
  expect(await statuses()).toEqual(first);
  expect(new Set(first).size).toBeGreaterThan(2);
  expect(first.filter((status) => status === 200).length).toBeGreaterThan(12);
});

test('README tells every word', () => {
  const readme = readFileSync(new URL('../../src/simulator/README.md', import.meta.url), 'utf8');
  const others = [
    'deploy-stuck',
    'deploy-slow',
    'endpoint-fail',
    'sku-other',
    'instances-other',
    'put-updating',
    'delete-busy',
    'delete-slow',
    'delete-fail',
    'keys-rotate',
    'keys-die',
    'workspace-missing',
    'group-missing',
  ];
  const missing = [...DEPLOYMENT_FAULTS, ...CALL_FAULTS, ...others].filter(
    (word) => !readme.includes(`\`${word}`),
  );
  expect(missing).toEqual([]);
});

async function stateOf(path: string): Promise<string> {
  return (await workspace.arm('GET', path)).body.properties?.provisioningState ?? 'absent';
}

async function accountOf(name: string) {
  return (await workspace.books()).endpoints.find((entry: { name: string }) => entry.name === name);
}

async function existsInBooks(name: string): Promise<boolean> {
  return (await accountOf(name)) !== undefined;
}

async function isGoneFromBooks(name: string): Promise<boolean> {
  return (await accountOf(name)).deletedAt !== null;
}
