import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createControlPlane } from '../../src/azure/control-plane.ts';
import { createCredential } from '../../src/azure/credential.ts';
import { leaseTags } from '../../src/core/renting/lease.ts';
import type { ControlPlane, DeploymentOrder, EndpointOrder } from '../../src/services.ts';

const WORKSPACE =
  '/subscriptions/s1/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws';
const ENDPOINT = `${WORKSPACE}/onlineEndpoints/ep-a1`;
const DEPLOYMENT = `${ENDPOINT}/deployments/blue`;
const KEY = 'primary-s3cret-key';

interface Call {
  readonly method: string;
  readonly path: string;
  readonly apiVersion: string | null;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown> | null;
}

type Respond = (answer: ServerResponse, call: Call) => void;

/** What ARM shall answer, by `METHOD path`; everything else is 404 ResourceNotFound. */
let responses: Map<string, Respond>;
let calls: Call[];
let origin: string;
let closeServer: () => Promise<void>;
let controlPlane: ControlPlane;

beforeEach(async () => {
  calls = [];
  responses = new Map([[`GET ${WORKSPACE}`, json(200, { location: 'East US 2', properties: {} })]]);
  const server = createServer(async (incoming, answer) => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const url = new URL(incoming.url ?? '/', 'http://arm');
    const call = {
      method: incoming.method ?? '',
      path: url.pathname,
      apiVersion: url.searchParams.get('api-version'),
      authorization: incoming.headers.authorization,
      body: text === '' ? null : JSON.parse(text),
    };
    calls.push(call);
    (responses.get(`${call.method} ${call.path}`) ?? armError(404, 'ResourceNotFound', 'not found'))(
      answer,
      call,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  closeServer = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const config = {
    armEndpoint: origin,
    identityClientId: null,
    workspaces: { default: { subscriptionId: 's1', resourceGroup: 'rg', workspace: 'ws' } },
  };
  controlPlane = createControlPlane(config, createCredential(config));
});
afterEach(() => closeServer());

const endpointOrder: EndpointOrder = {
  workspace: 'default',
  name: 'ep-a1',
  auth: 'key',
  publicNetworkAccess: 'enabled',
  tags: leaseTags({ owner: 'me', runId: 'r1', expiresAtMs: 0 }),
};

const deploymentOrder: DeploymentOrder = {
  workspace: 'default',
  endpoint: 'ep-a1',
  name: 'blue',
  model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
  sku: 'Standard_NC24ads_A100_v4',
  instances: 2,
  maxConcurrentRequestsPerInstance: 64,
  requestTimeoutSeconds: 180,
  environmentVariables: { WORKER_COUNT: '2' },
  tags: { a: 'b' },
};

const endpointBody = (state: string, more: object = {}) => ({
  name: 'ep-a1',
  id: ENDPOINT,
  location: 'eastus2',
  kind: 'Managed',
  tags: endpointOrder.tags,
  identity: { type: 'SystemAssigned', principalId: 'p1', tenantId: 't1' },
  systemData: { createdAt: '2026-11-01T00:00:00Z' },
  properties: { authMode: 'Key', provisioningState: state, traffic: {}, description: 'mine', ...more },
});

const deploymentBody = (more: object = {}) => ({
  name: 'blue',
  location: 'eastus2',
  sku: { name: 'Default', capacity: 2 },
  properties: {
    endpointComputeType: 'Managed',
    provisioningState: 'Creating',
    instanceType: 'standard_nc24ads_a100_v4',
    model: 'azureml://registries/azureml/models/Phi-4/versions/7',
    ...more,
  },
});

describe('starting an endpoint', () => {
  it('sends one PUT with tags and identity, polls once and returns while it is being created', async () => {
    acceptPut(ENDPOINT, 'InProgress');
    await controlPlane.startEndpoint(endpointOrder);
    expect(sent()).toEqual([`GET ${ENDPOINT}`, `GET ${WORKSPACE}`, `PUT ${ENDPOINT}`, 'GET /operations/1']);
    expect(calls[2]?.body).toEqual({
      location: 'eastus2',
      kind: 'Managed',
      identity: { type: 'SystemAssigned' },
      tags: endpointOrder.tags,
      properties: { authMode: 'Key', publicNetworkAccess: 'Enabled', traffic: {} },
    });
    for (const call of calls) {
      expect(call.apiVersion).toBe('2024-10-01');
      expect(call.authorization).toBe('Bearer local-simulator-token');
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(calls).toHaveLength(4);
  });

  it('sends none where its own endpoint is there already, whatever its expiry says', async () => {
    responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Creating')));
    await controlPlane.startEndpoint({
      ...endpointOrder,
      tags: leaseTags({ owner: 'me', runId: 'r1', expiresAtMs: 9_999 }),
    });
    expect(sent()).toEqual([`GET ${ENDPOINT}`]);
  });

  it('leaves an endpoint alone that another run or installation created', async () => {
    responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Succeeded')));
    for (const tags of [
      leaseTags({ owner: 'me', runId: 'r2', expiresAtMs: 0 }),
      leaseTags({ owner: 'you', runId: 'r1', expiresAtMs: 0 }),
    ]) {
      await expect(controlPlane.startEndpoint({ ...endpointOrder, tags })).rejects.toMatchObject({
        code: 'NameTaken',
        retryable: false,
      });
    }
    expect(sent().some((call) => call.startsWith('PUT'))).toBe(false);
  });

  it('does not go on with one that is being deleted', async () => {
    responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Deleting')));
    await expect(controlPlane.startEndpoint(endpointOrder)).rejects.toMatchObject({
      code: 'BeingDeleted',
      retryable: false,
    });
  });

  it('may be closed to public networks, and asks for Entra', async () => {
    acceptPut(ENDPOINT, 'InProgress');
    await controlPlane.startEndpoint({ ...endpointOrder, auth: 'entra', publicNetworkAccess: 'disabled' });
    expect(calls.find((call) => call.method === 'PUT')?.body).toMatchObject({
      properties: { authMode: 'AADToken', publicNetworkAccess: 'Disabled' },
    });
  });

  it('gives the id of its operation, from the answer or from the endpoint that is there', async () => {
    const operation = `${origin}/subscriptions/s1/mfeOperationsStatus/oe:0a1b?api-version=1&t=secret`;
    responses.set(
      `PUT ${ENDPOINT}`,
      json(201, endpointBody('Creating'), { 'azure-asyncoperation': operation }),
    );
    responses.set('GET /subscriptions/s1/mfeOperationsStatus/oe:0a1b', json(200, { status: 'InProgress' }));
    expect(await controlPlane.startEndpoint(endpointOrder)).toBe('oe:0a1b');
    const there = endpointBody('Creating', { properties: { AzureAsyncOperationUri: operation } });
    responses.set(`GET ${ENDPOINT}`, json(200, there));
    expect(await controlPlane.startEndpoint(endpointOrder)).toBe('oe:0a1b');
  });

  it('asks for a token anew where one is refused, once', async () => {
    responses.set(`GET ${ENDPOINT}`, (answer, call) => {
      responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Succeeded')));
      armError(401, 'ExpiredAuthenticationToken', 'expired')(answer, call);
    });
    expect((await controlPlane.readEndpoint('default', 'ep-a1'))?.provisioningState).toBe('Succeeded');
    calls.length = 0;
    responses.set(`GET ${ENDPOINT}`, armError(401, 'ExpiredAuthenticationToken', 'expired'));
    await expect(controlPlane.readEndpoint('default', 'ep-a1')).rejects.toMatchObject({ retryable: true });
    expect(sent()).toEqual([`GET ${ENDPOINT}`, `GET ${ENDPOINT}`]);
  });

  it.each([
    [409, 'Conflict', 'Endpoint is updating'],
    [400, 'BadRequest', 'The endpoint is currently updating; try again later'],
  ])('may be tried again where something is still under way (%s)', async (status, code, message) => {
    responses.set(`PUT ${ENDPOINT}`, armError(status, code, message));
    await expect(controlPlane.startEndpoint(endpointOrder)).rejects.toMatchObject({ code, retryable: true });
  });

  it('takes a conflict for started where its own endpoint is there afterwards, and tells it otherwise', async () => {
    responses.set(`PUT ${ENDPOINT}`, (answer) => {
      responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Creating')));
      armError(409, 'Conflict', 'in progress')(answer, nobody);
    });
    await controlPlane.startEndpoint(endpointOrder);
    responses.delete(`GET ${ENDPOINT}`);
    responses.set(`PUT ${ENDPOINT}`, armError(409, 'Conflict', 'name in use'));
    // The name is another workspace's, since this one does not have it.
    await expect(controlPlane.startEndpoint(endpointOrder)).rejects.toMatchObject({
      code: 'NameTaken',
      status: 409,
      retryable: false,
    });
  });

  it('has started when the PUT was accepted and only the poll fails', async () => {
    acceptPut(ENDPOINT, 'InProgress');
    responses.set('GET /operations/1', armError(403, 'Forbidden', 'no'));
    await controlPlane.startEndpoint(endpointOrder);
  });

  it('tells why, when the first poll says that it failed', async () => {
    acceptPut(ENDPOINT, 'Failed', { code: 'OutOfQuota', message: 'no cores' });
    await expect(controlPlane.startEndpoint(endpointOrder)).rejects.toMatchObject({
      code: 'OutOfQuota',
      retryable: false,
    });
  });

  it('never follows a poll address to a stranger with its token', async () => {
    let asked = 0;
    const stranger = createServer((_incoming, answer) => {
      asked += 1;
      answer.end('{"status":"InProgress"}');
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const elsewhere = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/operations/1?api-version=1`;
    responses.set(
      `PUT ${ENDPOINT}`,
      json(201, endpointBody('Creating'), { 'azure-asyncoperation': elsewhere }),
    );
    await controlPlane.startEndpoint(endpointOrder);
    responses.set(`GET ${ENDPOINT}`, (answer) => answer.writeHead(307, { location: elsewhere }).end());
    await controlPlane.readEndpoint('default', 'ep-a1').catch(() => null);
    responses.set(`GET ${WORKSPACE}/onlineEndpoints`, json(200, { value: [], nextLink: elsewhere }));
    await expect(controlPlane.listEndpoints('default')).rejects.toThrow('was not followed');
    expect(asked).toBe(0);
    await new Promise((resolve) => stranger.close(resolve));
  });
});

describe('starting a deployment', () => {
  it('sends model, SKU, instances, request settings and probes as ARM wants them', async () => {
    acceptPut(DEPLOYMENT, 'InProgress');
    await controlPlane.startDeployment(deploymentOrder);
    const put = calls.find((call) => call.method === 'PUT');
    expect(put?.path).toBe(DEPLOYMENT);
    expect(put?.body).toEqual({
      location: 'eastus2',
      tags: { a: 'b' },
      sku: { name: 'Default', capacity: 2 },
      properties: {
        endpointComputeType: 'Managed',
        model: 'azureml://registries/AzureML/models/Phi-4/versions/7',
        instanceType: 'Standard_NC24ads_A100_v4',
        appInsightsEnabled: false,
        environmentVariables: { WORKER_COUNT: '2' },
        requestSettings: { requestTimeout: 'PT180S', maxConcurrentRequestsPerInstance: 64 },
        livenessProbe: {
          initialDelay: 'PT600S',
          period: 'PT10S',
          timeout: 'PT2S',
          failureThreshold: 30,
          successThreshold: 1,
        },
        readinessProbe: {
          initialDelay: 'PT10S',
          period: 'PT10S',
          timeout: 'PT2S',
          failureThreshold: 30,
          successThreshold: 1,
        },
        scaleSettings: { scaleType: 'Default' },
      },
    });
  });

  it('finds its own there, and leaves one alone that differs', async () => {
    responses.set(`GET ${DEPLOYMENT}`, json(200, deploymentBody()));
    await controlPlane.startDeployment(deploymentOrder);
    for (const other of [
      { instances: 1 },
      { sku: 'Standard_NC48ads_A100_v4' },
      { model: { ...deploymentOrder.model, version: '8' } },
    ]) {
      await expect(controlPlane.startDeployment({ ...deploymentOrder, ...other })).rejects.toMatchObject({
        code: 'NameTaken',
      });
    }
    expect(sent().some((call) => call.startsWith('PUT'))).toBe(false);
  });

  it('takes a conflict for started where the same deployment is there afterwards', async () => {
    responses.set(`PUT ${DEPLOYMENT}`, (answer) => {
      responses.set(`GET ${DEPLOYMENT}`, json(200, deploymentBody()));
      armError(409, 'Conflict', 'in progress')(answer, nobody);
    });
    await controlPlane.startDeployment(deploymentOrder);
  });

  it('tells a refusal for quota and one for capacity apart', async () => {
    responses.set(
      `PUT ${DEPLOYMENT}`,
      armError(400, 'OutOfQuota', 'Not enough quota available for Standard_NC24ads_A100_v4'),
    );
    await expect(controlPlane.startDeployment(deploymentOrder)).rejects.toMatchObject({ code: 'OutOfQuota' });
    responses.set(`PUT ${DEPLOYMENT}`, armError(400, 'OutOfQuota', 'The region has no capacity'));
    await expect(controlPlane.startDeployment(deploymentOrder)).rejects.toMatchObject({
      code: 'OutOfCapacity',
    });
  });

  it('reads what ARM says about it, and null where it or its endpoint is missing', async () => {
    expect(await controlPlane.readDeployment('default', 'ep-a1', 'blue')).toBeNull();
    responses.set(`GET ${DEPLOYMENT}`, armError(404, 'ParentResourceNotFound', 'no endpoint'));
    expect(await controlPlane.readDeployment('default', 'ep-a1', 'blue')).toBeNull();
    const details = {
      provisioningState: 'Failed',
      environmentId: '/environments/vllm/versions/3',
      requestSettings: { requestTimeout: 'PT1M30S', maxConcurrentRequestsPerInstance: 7 },
      properties: { AzureAsyncOperationUri: `${origin}/mfeOperationsStatus/od:1?api-version=1` },
    };
    responses.set(`GET ${DEPLOYMENT}`, json(200, deploymentBody(details)));
    expect(await controlPlane.readDeployment('default', 'ep-a1', 'blue')).toEqual({
      name: 'blue',
      provisioningState: 'Failed',
      sku: 'standard_nc24ads_a100_v4',
      instances: 2,
      model: 'azureml://registries/azureml/models/Phi-4/versions/7',
      image: '/environments/vllm/versions/3',
      maxConcurrentRequestsPerInstance: 7,
      requestTimeoutSeconds: 90,
      operation: 'od:1',
    });
  });

  it('lists the deployments of an endpoint, none of a missing one', async () => {
    expect(await controlPlane.listDeployments('default', 'ep-a1')).toEqual([]);
    responses.set(
      `GET ${ENDPOINT}/deployments`,
      json(200, { value: [deploymentBody(), { ...deploymentBody(), name: 'green' }] }),
    );
    expect(await controlPlane.listDeployments('default', 'ep-a1')).toEqual(['blue', 'green']);
  });

  it.each([
    [
      'its own words',
      { code: 'OutOfQuota', message: 'no cores' },
      { code: 'OutOfQuota', message: 'no cores' },
    ],
    [
      'words within a general code',
      { code: 'UserError', message: 'x', details: [{ code: 'ResourceNotReady', message: 'crashed' }] },
      { code: 'ResourceNotReady', message: 'crashed' },
    ],
    ['no words', undefined, { code: 'Failed', message: '' }],
  ])('reads why an operation failed: %s', async (_, error, told) => {
    const path =
      '/subscriptions/s1/providers/Microsoft.MachineLearningServices/locations/eastus2/mfeOperationsStatus/od:1';
    // The colon stands escaped in the path, as in any segment.
    responses.set(
      `GET ${path.replace(':', '%3A')}`,
      json(200, { status: 'Failed', ...(error && { error }) }),
    );
    expect(await controlPlane.readOperationFailure('default', 'od:1')).toEqual(told);
    expect(await controlPlane.readOperationFailure('default', 'od:2')).toBeNull();
  });

  it('reads the last characters of its log', async () => {
    expect(await controlPlane.readDeploymentLog('default', 'ep-a1', 'blue')).toBeNull();
    responses.set(
      `POST ${DEPLOYMENT}/getLogs`,
      json(200, { content: `${'x'.repeat(9_000)} CUDA out of memory\n` }),
    );
    const log = await controlPlane.readDeploymentLog('default', 'ep-a1', 'blue');
    expect(log).toHaveLength(4_000);
    expect(log).toMatch(/CUDA out of memory$/);
    expect(calls.at(-1)?.body).toEqual({ containerType: 'InferenceServer', tail: 50 });
    responses.set(`POST ${DEPLOYMENT}/getLogs`, (answer, call) =>
      json(200, { content: call.body?.containerType === 'StorageInitializer' ? 'no access' : '' })(
        answer,
        call,
      ),
    );
    expect(await controlPlane.readDeploymentLog('default', 'ep-a1', 'blue')).toBe('no access');
    responses.set(`POST ${DEPLOYMENT}/getLogs`, json(200, { content: '' }));
    expect(await controlPlane.readDeploymentLog('default', 'ep-a1', 'blue')).toBeNull();
  });
});

describe('starting traffic', () => {
  it('sends the whole endpoint again with its tags and identity, the deployment in lower case', async () => {
    responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Succeeded')));
    acceptPut(ENDPOINT, 'InProgress');
    await controlPlane.startTraffic('default', 'ep-a1', 'Blue');
    expect(calls.find((call) => call.method === 'PUT')?.body).toEqual({
      location: 'eastus2',
      kind: 'Managed',
      tags: endpointOrder.tags,
      identity: { type: 'SystemAssigned' },
      properties: { authMode: 'Key', description: 'mine', traffic: { blue: 100 } },
    });
  });

  it('sends nothing where it flows already, and refuses a missing endpoint', async () => {
    await expect(controlPlane.startTraffic('default', 'ep-a1', 'blue')).rejects.toMatchObject({
      code: 'EndpointMissing',
    });
    responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Updating', { traffic: { blue: 100 } })));
    await controlPlane.startTraffic('default', 'ep-a1', 'blue');
    expect(sent().some((call) => call.startsWith('PUT'))).toBe(false);
  });
});

describe('reading endpoints', () => {
  it('gives state, address, tags, traffic and age, and whether a simulator answered', async () => {
    responses.set(
      `GET ${ENDPOINT}`,
      json(200, endpointBody('Succeeded', { scoringUri: 'https://x/score', traffic: { blue: 100 } })),
    );
    expect(await controlPlane.readEndpoint('default', 'ep-a1')).toEqual({
      name: 'ep-a1',
      provisioningState: 'Succeeded',
      scoringUri: 'https://x/score',
      tags: endpointOrder.tags,
      traffic: { blue: 100 },
      createdAtMs: Date.parse('2026-11-01T00:00:00Z'),
      auth: 'key',
      publicNetworkAccess: 'enabled',
      operation: null,
      simulated: false,
    });
    for (const [authMode, auth] of [
      ['AADToken', 'entra'],
      ['AMLToken', 'aml-token'],
      ['New', null],
    ]) {
      responses.set(
        `GET ${ENDPOINT}`,
        json(200, endpointBody('Succeeded', { authMode, publicNetworkAccess: 'Disabled' })),
      );
      const state = await controlPlane.readEndpoint('default', 'ep-a1');
      expect(state).toMatchObject({ auth, publicNetworkAccess: 'disabled' });
    }
    responses.set(`GET ${ENDPOINT}`, json(200, endpointBody('Succeeded'), { 'x-simulated': 'true' }));
    expect((await controlPlane.readEndpoint('default', 'ep-a1'))?.simulated).toBe(true);
  });

  it('is null for a missing endpoint, but an error where what is missing is the workspace', async () => {
    expect(await controlPlane.readEndpoint('default', 'ep-a1')).toBeNull();
    for (const code of ['ParentResourceNotFound', 'ResourceGroupNotFound', 'SubscriptionNotFound']) {
      responses.set(`GET ${ENDPOINT}`, armError(404, code, 'missing'));
      await expect(controlPlane.readEndpoint('default', 'ep-a1')).rejects.toMatchObject({
        code,
        status: 404,
      });
      responses.set(`DELETE ${ENDPOINT}`, armError(404, code, 'missing'));
      await expect(controlPlane.startDelete('default', 'ep-a1')).rejects.toMatchObject({ code, status: 404 });
    }
  });

  it('lists every page, and refuses a list without end', async () => {
    const list = `${WORKSPACE}/onlineEndpoints`;
    responses.set(
      `GET ${list}`,
      json(200, { value: [endpointBody('Failed')], nextLink: `${origin}/more?api-version=x` }),
    );
    responses.set('GET /more', json(200, { value: [endpointBody('Creating')] }));
    const states = (await controlPlane.listEndpoints('default')).map(
      (endpoint) => endpoint.provisioningState,
    );
    expect(states).toEqual(['Failed', 'Creating']);
    const many = Array.from({ length: 100 }, () => endpointBody('Creating'));
    responses.set('GET /more', json(200, { value: many, nextLink: `${origin}/more?api-version=x` }));
    await expect(controlPlane.listEndpoints('default')).rejects.toMatchObject({ code: 'ListTooLong' });
  });

  it('asks for the region once, and again after a failure', async () => {
    const right = responses.get(`GET ${WORKSPACE}`) as Respond;
    responses.set(`GET ${WORKSPACE}`, armError(403, 'AuthorizationFailed', 'no'));
    await expect(controlPlane.readRegion('default')).rejects.toMatchObject({ code: 'AuthorizationFailed' });
    responses.set(`GET ${WORKSPACE}`, right);
    expect(
      await Promise.all([controlPlane.readRegion('default'), controlPlane.readRegion('default')]),
    ).toEqual(['eastus2', 'eastus2']);
    expect(calls).toHaveLength(2);
  });

  it('names the workspaces it knows', async () => {
    for (const name of ['other', 'constructor', '__proto__']) {
      await expect(controlPlane.readRegion(name)).rejects.toThrow(
        `no workspace "${name}"; they know default`,
      );
    }
  });
});

describe('deleting an endpoint', () => {
  it('is gone where ARM says 404 or 204, deleting where it says 202', async () => {
    expect(await controlPlane.startDelete('default', 'ep-a1')).toBe('gone');
    responses.set(`DELETE ${ENDPOINT}`, (answer) => answer.writeHead(204).end());
    expect(await controlPlane.startDelete('default', 'ep-a1')).toBe('gone');
    acceptDelete();
    responses.set('GET /operations/1', (answer) =>
      answer.writeHead(202, { location: `${origin}/operations/1` }).end(),
    );
    expect(await controlPlane.startDelete('default', 'ep-a1')).toBe('deleting');
    responses.set('GET /operations/1', armError(503, 'ServerTimeout', 'poll'));
    expect(await controlPlane.startDelete('default', 'ep-a1')).toBe('deleting');
  });

  it.each([
    ['a conflict', armError(409, 'Conflict', 'busy'), 'Conflict'],
    [
      'a cancel by another operation',
      armError(400, 'OperationCanceled', 'canceled by another operation'),
      'OperationCanceled',
    ],
    [
      'an expired token',
      armError(401, 'ExpiredAuthenticationToken', 'expired'),
      'ExpiredAuthenticationToken',
    ],
  ])('may be tried again after %s', async (_name, respond, code) => {
    responses.set(`DELETE ${ENDPOINT}`, respond);
    await expect(controlPlane.startDelete('default', 'ep-a1')).rejects.toMatchObject({
      code,
      retryable: true,
    });
  });

  it('may be tried again when its operation failed', async () => {
    responses.set(`DELETE ${ENDPOINT}`, (answer) =>
      answer.writeHead(202, { 'azure-asyncoperation': `${origin}/operations/1` }).end(),
    );
    responses.set(
      'GET /operations/1',
      json(200, { status: 'Failed', error: { code: 'BadArgument', message: 'x' } }),
    );
    await expect(controlPlane.startDelete('default', 'ep-a1')).rejects.toMatchObject({
      code: 'BadArgument',
      retryable: true,
    });
  });

  it('may be tried again when nobody answers', async () => {
    await closeServer();
    await expect(controlPlane.startDelete('default', 'ep-a1')).rejects.toMatchObject({
      status: null,
      retryable: true,
    });
    closeServer = async () => {};
  });
});

describe('the credential of an endpoint', () => {
  const listKeys = `POST ${ENDPOINT}/listKeys`;

  it('is the primary key, read anew each time, or an Entra token', async () => {
    responses.set(listKeys, json(200, { primaryKey: KEY, secondaryKey: 'second' }));
    expect(await controlPlane.readAuthorization('default', 'ep-a1', 'key')).toBe(`Bearer ${KEY}`);
    responses.set(listKeys, json(200, { primaryKey: 'other' }));
    expect(await controlPlane.readAuthorization('default', 'ep-a1', 'key')).toBe('Bearer other');
    expect(await controlPlane.readAuthorization('default', 'ep-a1', 'entra')).toBe(
      'Bearer local-simulator-token',
    );
    responses.set(`POST ${ENDPOINT}/token`, json(200, { accessToken: 'aml', expiryTimeUtc: 1 }));
    expect(await controlPlane.readAuthorization('default', 'ep-a1', 'aml-token')).toBe('Bearer aml');
  });

  it('is in no error', async () => {
    const broken: Respond[] = [
      (answer) => answer.writeHead(200, { 'content-type': 'application/json' }).end(`{"primaryKey":"${KEY}"`),
      json(200, { secondaryKey: KEY }),
      json(400, { primaryKey: KEY, error: { code: 'Bad', message: 'no' } }),
    ];
    for (const respond of broken) {
      responses.set(listKeys, respond);
      const error = await controlPlane
        .readAuthorization('default', 'ep-a1', 'key')
        .catch((caught: unknown) => caught);
      expect(String(error)).toContain('Could not read the credential of the endpoint ep-a1');
      const everything = inspect(error, { depth: 20, showHidden: true });
      expect(everything).not.toContain(KEY);
      expect(everything).not.toContain('local-simulator-token');
    }
  });
});

const nobody: Call = { method: '', path: '', apiVersion: null, authorization: undefined, body: null };

function sent(): string[] {
  return calls.map((call) => `${call.method} ${call.path}`);
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Respond {
  return (answer) =>
    answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function armError(status: number, code: string, message: string): Respond {
  // Without the header the SDK would wait a second before it tries a 503 again.
  return json(status, { error: { code, message } }, { 'retry-after-ms': '1' });
}

/** ARM accepts a PUT with 201 and an operation, which a poll finds in the given state. */
function acceptPut(path: string, status: string, error?: object): void {
  responses.set(`PUT ${path}`, (answer, call) => {
    json(
      201,
      {
        ...call.body,
        properties: { ...(call.body?.properties as object), provisioningState: 'Creating' },
      },
      {
        'azure-asyncoperation': `${origin}/operations/1?api-version=1`,
      },
    )(answer, call);
  });
  responses.set('GET /operations/1', json(200, { status, ...(error !== undefined && { error }) }));
}

function acceptDelete(): void {
  responses.set(`DELETE ${ENDPOINT}`, (answer) =>
    answer.writeHead(202, { location: `${origin}/operations/1` }).end(),
  );
}
