/**
 * Clients that are not ours, at the wire. The exchanges were recorded from Microsoft's Python SDK (azure-ai-ml 1.4.0
 * on Python 3.11) and from `requests` 2.28, driven by the two scripts of the document that this project was made from;
 * they are sent here as those clients send them, in their order, with their headers and their bodies to the byte.
 * What is expected of an answer is what those clients read from it.
 */
import { Agent, request as send } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { until } from './a-workspace.ts';

const SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
const WORKSPACE = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg-admin-2776_ai/providers/Microsoft.MachineLearningServices/workspaces/admin-0046`;
const READS_WORKSPACES = 'api-version=2022-10-01-preview';
const SPEAKS = 'api-version=2022-02-01-preview';
/** A poll every 20 ms, at most ten seconds long. */
const POLL_MS = 20;
const MOST_POLLS = 500;
const ISO_DURATION = /^PT(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?$/;

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape.
  readonly body: any;
}

/** The SDK keeps one session, so its calls share connections. */
const session = new Agent({ keepAlive: true });
let simulator: Simulator;
beforeAll(async () => {
  // Slow enough that calls sent together are in flight together on a busy machine too.
  simulator = await startSimulator({ port: 0, speed: 50, gpuSpeed: 5 });
});
afterAll(async () => {
  session.destroy();
  await simulator.stop();
});

describe('the Python SDK', () => {
  it('deploys as the first script has it, and reads all that it needs', async () => {
    const name = 'custom-endpoint-1795578042';
    const endpoint = `${WORKSPACE}/onlineEndpoints/${name}`;
    const deployment = `${endpoint}/deployments/custom-deployment`;

    await readWorkspace();
    const created = await putAndWait(endpoint, endpointJson());
    expect(created.name).toBe(name);
    expect(created.properties.authMode.toLowerCase()).toBe('key');
    expect(created.properties.provisioningState).toBe('Succeeded');
    expect(created.properties.scoringUri).toMatch(/\/score$/);

    // The SDK asks whether the endpoint is there, and where the workspace is, before it deploys.
    expect((await sdk('GET', endpoint)).status).toBe(200);
    await readWorkspace();
    const deployed = await putAndWait(deployment, deploymentJson('Phi-3-medium-4k-instruct', '6'));
    expectDeploymentAsSdkReadsIt(deployed, name, 'custom-deployment');
    expect(deployed.properties.provisioningState).toBe('Succeeded');

    await readWorkspace();
    await putAndWait(endpoint, endpointJson('{"custom-deployment": 100}'));

    const read = await sdk('GET', endpoint);
    expect(read.body.properties.traffic).toEqual({ 'custom-deployment': 100 });
    const deployments = await sdk('GET', `${endpoint}/deployments`);
    expect(deployments.body.value).toHaveLength(1);
    expectDeploymentAsSdkReadsIt(deployments.body.value[0], name, 'custom-deployment');

    expect((await sdk('GET', endpoint)).body.properties.authMode.toLowerCase()).toBe('key');
    const keys = await sdk('POST', `${endpoint}/listKeys`);
    expect(keys.status).toBe(200);
    expect(keys.body.primaryKey).toBeTypeOf('string');
    expect(keys.body.secondaryKey).toBeTypeOf('string');

    const score = await postAsRequests(read.body.properties.scoringUri, keys.body.primaryKey, 50);
    expect(score.status).toBe(200);
    expect(score.body.output.split(' ').length).toBeGreaterThan(1);
    await deleteAndWait(endpoint);
  });

  it('gets every setting back that it sent, durations in its own spelling', async () => {
    const endpoint = `${WORKSPACE}/onlineEndpoints/settings`;
    const deployment = `${endpoint}/deployments/blue`;
    await putAndWait(endpoint, endpointJson());
    const { properties } = await putAndWait(
      deployment,
      '{"tags": {}, "location": "eastus2", "properties": {"environmentVariables": {"A": "1"}, "properties": {}, "appInsightsEnabled": true, "endpointComputeType": "Managed", "instanceType": "Standard_NC24ads_A100_v4", "livenessProbe": {"initialDelay": "PT10M"}, "model": "azureml://registries/AzureML/models/Phi-4/versions/7", "privateNetworkConnection": false, "requestSettings": {"maxConcurrentRequestsPerInstance": 4, "maxQueueWait": "PT0.5S", "requestTimeout": "PT1M30S"}}, "sku": {"name": "Default", "capacity": 1}}',
    );
    expect(properties).toMatchObject({
      environmentVariables: { A: '1' },
      appInsightsEnabled: true,
      requestSettings: {
        maxConcurrentRequestsPerInstance: 4,
        maxQueueWait: 'PT0.5S',
        requestTimeout: 'PT1M30S',
      },
      livenessProbe: { initialDelay: 'PT10M', period: 'PT10S', failureThreshold: 30 },
    });
    // A property of that preview alone is understood, and not given to clients of versions that do not have it.
    expect(properties.egressPublicNetworkAccess).toBe('Enabled');
    expect(properties).not.toHaveProperty('privateNetworkConnection');

    // It scales by sending the whole deployment again.
    const scaled = await putAndWait(deployment, deploymentJson('Phi-4', '7', 2));
    expect(scaled.sku.capacity).toBe(2);
    await deleteAndWait(endpoint);
  });

  it('hears why a deployment failed, and why one was refused', async () => {
    const endpoint = `${WORKSPACE}/onlineEndpoints/refused`;
    await putAndWait(endpoint, endpointJson());
    const failed = await waitAsSdk(
      await sdk('PUT', `${endpoint}/deployments/bad`, deploymentJson('Nope', '1')),
    );
    expect(failed).toMatchObject({ status: 'Failed', error: { code: 'ResourceNotFound' } });
    expect(failed.error.message).toMatch(/Nope/);

    // The size that the first script offers and Azure does not have.
    const refused = await sdk(
      'PUT',
      `${endpoint}/deployments/bad-size`,
      deploymentJson('Phi-4', '7').replace('Standard_NC24ads_A100_v4', 'Standard_NC80ads_H100_v5'),
    );
    expect(refused.status).toBe(400);
    expect(refused.body.error.code).toBeTypeOf('string');
    expect(refused.body.error.message).toMatch(/Standard_NC80ads_H100_v5/);
    const missing = await sdk('GET', `${WORKSPACE}/onlineEndpoints/nothere`);
    expect([missing.status, missing.body.error.code]).toEqual([404, 'ResourceNotFound']);
    await deleteAndWait(endpoint);
  });

  it('takes the traffic away, deletes the deployment, then the endpoint, and may delete it again', async () => {
    const endpoint = `${WORKSPACE}/onlineEndpoints/parting`;
    await putAndWait(endpoint, endpointJson());
    await putAndWait(`${endpoint}/deployments/blue`, deploymentJson('Phi-4', '7'));
    await putAndWait(endpoint, endpointJson('{"blue": 100}'));
    const refused = await sdk('DELETE', `${endpoint}/deployments/blue`);
    expect(refused.status).toBe(400);
    // It strips shares of zero: a deployment without traffic is one that is not named.
    await putAndWait(endpoint, endpointJson('{}'));
    await deleteAndWait(`${endpoint}/deployments/blue`);
    expect((await sdk('GET', `${endpoint}/deployments`)).body.value).toEqual([]);
    await deleteAndWait(endpoint);
    expect((await sdk('GET', endpoint)).status).toBe(404);
    expect((await sdk('DELETE', endpoint)).status).toBe(204);
  });

  it('reads the log, and the token of an endpoint that has no keys', async () => {
    const endpoint = `${WORKSPACE}/onlineEndpoints/tokens`;
    await putAndWait(endpoint, endpointJson().replace('"Key"', '"AMLToken"'));
    await putAndWait(`${endpoint}/deployments/blue`, deploymentJson('Phi-4', '7'));
    const log = await sdk('POST', `${endpoint}/deployments/blue/getLogs`, '{"tail": 50}');
    expect(log.body.content).toMatch(/Phi-4/);
    const token = await sdk('POST', `${endpoint}/token`);
    expect(token.status).toBe(200);
    expect(token.body.accessToken).toBeTypeOf('string');
    expect(token.body.tokenType).toBe('Bearer');
    for (const time of [token.body.expiryTimeUtc, token.body.refreshAfterTimeUtc])
      expect(Number.isInteger(time)).toBe(true);
    await deleteAndWait(endpoint);
  });

  it('renews a key by sending the old one along', async () => {
    const endpoint = `${WORKSPACE}/onlineEndpoints/renewed`;
    await putAndWait(endpoint, endpointJson());
    const before = await sdk('POST', `${endpoint}/listKeys`);
    const renewed = await sdk(
      'POST',
      `${endpoint}/regenerateKeys`,
      `{"keyType": "Primary", "keyValue": "${before.body.primaryKey}"}`,
    );
    expect([200, 202]).toContain(renewed.status);
    if (renewed.status === 202) await waitAtLocation(renewed);
    const after = await sdk('POST', `${endpoint}/listKeys`);
    expect(after.body.primaryKey).not.toBe(before.body.primaryKey);
    expect(after.body.secondaryKey).toBe(before.body.secondaryKey);
    await deleteAndWait(endpoint);
  });

  it('sends no token over http, so behind a proxy with TLS every address that it follows has TLS', async () => {
    const endpoint = `${WORKSPACE}/onlineEndpoints/behind`;
    const proxied = { host: 'management.test', 'x-forwarded-proto': 'https' };
    const put = await sdk('PUT', endpoint, endpointJson(), proxied);
    expect(put.headers['azure-asyncoperation']).toMatch(/^https:\/\/management\.test\/subscriptions\//);
    await until(async () => (await sdk('GET', endpoint)).body.properties.provisioningState === 'Succeeded');
    const remove = await sdk('DELETE', endpoint, undefined, proxied);
    expect(remove.headers.location).toMatch(/^https:\/\/management\.test\/subscriptions\//);
    await until(async () => (await sdk('GET', endpoint)).status === 404);
  });
});

describe('the second script, which loads /score with `requests`', () => {
  it('meets the admission limit of a deployment with default settings, and reads what it counts', async () => {
    const endpoint = `${WORKSPACE}/onlineEndpoints/loaded`;
    await putAndWait(endpoint, endpointJson());
    await putAndWait(`${endpoint}/deployments/custom-deployment`, deploymentJson('Phi-4', '7'));
    const { properties } = await putAndWait(endpoint, endpointJson('{"custom-deployment": 100}'));
    const key = (await sdk('POST', `${endpoint}/listKeys`)).body.primaryKey;

    const alone = await postAsRequests(properties.scoringUri, key, 64);
    expect([alone.status, alone.reason]).toEqual([200, 'OK']);
    expect(alone.headers['content-type']).toMatch(/^application\/json/);
    expect(alone.body.output).toBeTypeOf('string');

    const together = await Promise.all(
      Array.from({ length: 4 }, () => postAsRequests(properties.scoringUri, key, 64)),
    );
    // One runs, one waits, the rest are turned away: 2 x maxConcurrentRequestsPerInstance, which is 1.
    expect(together.map(({ status }) => status).toSorted()).toEqual([200, 200, 429, 429]);
    for (const { reason, headers } of together.filter(({ status }) => status === 429)) {
      expect(reason).toBe('Too Many Requests');
      // The script takes it for a number of seconds where it is there.
      expect(Number(headers['retry-after'] ?? 0)).toBeGreaterThanOrEqual(0);
    }
    const wrong = await postAsRequests(properties.scoringUri, 'wrong', 64);
    expect(wrong.status).toBe(401);
    await deleteAndWait(endpoint);
  });
});

/** `GET` of the workspace, which tells the SDK the region that it then writes into every body. */
async function readWorkspace(): Promise<void> {
  const { status, body } = await exchange('GET', `${WORKSPACE}?${READS_WORKSPACES}`, sdkHeaders());
  expect(status).toBe(200);
  expect(body.location).toBe('eastus2');
  expect(body.id).toMatch(/\/resourceGroups\/rg-admin-2776_ai\/.*\/workspaces\/admin-0046$/);
  expect(body.identity.type).toBe('SystemAssigned');
}

// biome-ignore lint/suspicious/noExplicitAny: the parts that the SDK dereferences are asserted one by one.
function expectDeploymentAsSdkReadsIt(deployment: any, endpoint: string, name: string): void {
  expect(deployment.id).toMatch(new RegExp(`/onlineEndpoints/${endpoint}/deployments/${name}$`));
  expect(deployment.sku.capacity).toBe(1);
  const { properties } = deployment;
  expect(properties.endpointComputeType).toBe('Managed');
  expect(properties.scaleSettings.scaleType).toBe('Default');
  expect(properties.requestSettings.maxConcurrentRequestsPerInstance).toBe(1);
  expect(properties.requestSettings.requestTimeout).toMatch(ISO_DURATION);
  expect(properties.requestSettings.maxQueueWait).toMatch(ISO_DURATION);
  for (const probe of [properties.livenessProbe, properties.readinessProbe]) {
    for (const duration of [probe.initialDelay, probe.period, probe.timeout])
      expect(duration).toMatch(ISO_DURATION);
    for (const threshold of [probe.failureThreshold, probe.successThreshold])
      expect(Number.isInteger(threshold)).toBe(true);
  }
  expect(properties.environmentVariables).toEqual({});
  expect(properties.instanceType).toBe('Standard_NC24ads_A100_v4');
  expect(properties.model).toMatch(/^azureml:\/\/registries\/AzureML\/models\//);
}

function endpointJson(traffic = '{}'): string {
  return `{"tags": {}, "location": "eastus2", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key", "description": "Custom Model Endpoint", "properties": {}, "mirrorTraffic": {}, "traffic": ${traffic}}}`;
}

function deploymentJson(model: string, version: string, instances = 1): string {
  return `{"tags": {}, "location": "eastus2", "properties": {"environmentVariables": {}, "properties": {}, "appInsightsEnabled": false, "endpointComputeType": "Managed", "instanceType": "Standard_NC24ads_A100_v4", "model": "azureml://registries/AzureML/models/${model}/versions/${version}", "privateNetworkConnection": false}, "sku": {"name": "Default", "capacity": ${instances}}}`;
}

/** PUT, then the address in `Azure-AsyncOperation` until the end, then the resource: as azure-core waits. */
// biome-ignore lint/suspicious/noExplicitAny: the resource, on whose shape tests assert.
async function putAndWait(path: string, body: string): Promise<any> {
  const put = await sdk('PUT', path, body);
  expect([put.status, put.body.error]).toEqual([expect.toBeOneOf([200, 201]), undefined]);
  expect((await waitAsSdk(put)).status).toBe('Succeeded');
  const read = await sdk('GET', path);
  expect(read.status).toBe(200);
  return read.body;
}

// biome-ignore lint/suspicious/noExplicitAny: the operation, on whose shape tests assert.
async function waitAsSdk(started: Answer): Promise<any> {
  const address = new URL(String(started.headers['azure-asyncoperation']));
  expect(address.search).toBe(`?${SPEAKS}`);
  for (let poll = 0; poll < MOST_POLLS; poll += 1) {
    const { status, body, headers } = await exchange('GET', address.pathname + address.search, {
      ...sdkHeaders(),
      accept: '*/*',
    });
    expect(status).toBe(200);
    expect(body.status).toBeTypeOf('string');
    if (['succeeded', 'failed', 'canceled'].includes(body.status.toLowerCase())) return body;
    expect(headers['retry-after']).toMatch(/^\d+$/);
    await delay(POLL_MS);
  }
  throw new Error(`The operation did not end within ${MOST_POLLS} polls.`);
}

async function deleteAndWait(path: string): Promise<void> {
  const started = await sdk('DELETE', path);
  expect(started.status).toBe(202);
  await waitAtLocation(started);
}

/** The address in `Location` answers 202 until the end. */
async function waitAtLocation(started: Answer): Promise<void> {
  const address = new URL(String(started.headers.location));
  for (let poll = 0; poll < MOST_POLLS; poll += 1) {
    const { status } = await exchange('GET', address.pathname + address.search, {
      ...sdkHeaders(),
      accept: '*/*',
    });
    if (status !== 202) {
      expect([200, 204]).toContain(status);
      return;
    }
    await delay(POLL_MS);
  }
  throw new Error(`The operation did not end within ${MOST_POLLS} polls.`);
}

function sdk(
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const isEmpty = body === undefined && method !== 'GET';
  return exchange(
    method,
    `${path}?${SPEAKS}`,
    {
      ...sdkHeaders(),
      ...(body !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      }),
      ...(isEmpty && { 'content-length': '0' }),
      ...headers,
    },
    body,
  );
}

function sdkHeaders(): Readonly<Record<string, string>> {
  return {
    'user-agent':
      'azure-ai-ml/1.4.0 azsdk-python-mgmt-machinelearningservices/0.1.0 Python/3.11.2 (Linux-x86_64-with-glibc2.36)',
    'accept-encoding': 'gzip, deflate',
    accept: 'application/json',
    connection: 'keep-alive',
    'x-ms-client-request-id': 'fd6bc4ce-e881-11f1-8691-02fc00000001',
    authorization: 'Bearer any',
  };
}

/** One call of the second script: a connection of its own, and its payload as Python writes JSON. */
function postAsRequests(scoringUri: string, key: string, tokens: number): Promise<Answer> {
  const content = Array.from({ length: 10 }, () => 'Sample input prompt with token size.').join(' ');
  const body = `{"input_data": {"input_string": [{"role": "user", "content": "${content}"}], "parameters": {"temperature": 0.7, "top_p": 1, "max_new_tokens": ${tokens}}}}`;
  return exchange(
    'POST',
    new URL(scoringUri).pathname,
    {
      'user-agent': 'python-requests/2.28.1',
      'accept-encoding': 'gzip, deflate',
      accept: '*/*',
      connection: 'keep-alive',
      'content-type': 'application/json',
      authorization: `Bearer ${key}`,
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
    false,
  );
}

function exchange(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body = '',
  agent: Agent | false = session,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = send(
      { host: '127.0.0.1', port: simulator.port, method, path, headers, agent },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: incoming.statusCode ?? 0,
            reason: incoming.statusMessage ?? '',
            headers: incoming.headers,
            body: text === '' ? null : JSON.parse(text),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
