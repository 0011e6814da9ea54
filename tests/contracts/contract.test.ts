/**
 * Everything that our control plane sends and that the simulator answers, held against Azure's published types: the
 * whole life of an endpoint goes through a relay, and each exchange is checked, none passed over.
 */
import { AzureMachineLearningWorkspaces } from '@azure/arm-machinelearning';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArmLocations } from '../../src/azure/arm-locations.ts';
import { createCatalog } from '../../src/azure/catalog.ts';
import { createControlPlane } from '../../src/azure/control-plane.ts';
import { leaseTags } from '../../src/core/renting/lease.ts';
import { type ControlPlane, ControlPlaneError } from '../../src/services.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { checkExchange, OPERATIONS, PUBLISHED_TYPES } from './operations.ts';
import { type Exchange, type RecordingRelay, startRecordingRelay } from './recording-relay.ts';

/** Deployments take 5 to 13 s at speed 1; at 50 a whole life takes well below a second. */
const SPEED = 50;
const POLL_MS = 20;
/** Reads of a state before the test gives up: 200 times 20 ms. */
const READS = 200;
const SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
const PHI_4 = { registry: 'azureml', name: 'Phi-4', version: '7' };
const DEPLOYMENT_FAULTS = [
  'outofquota',
  'outofcapacity',
  'imagebuildfailure',
  'badargument',
  'resourcenotready',
  'resourcenotfound',
  'networknotready',
  'operationcanceled',
  'secretsinjectionerror',
  'internalservererror',
];
const CREDENTIAL = { getToken: async () => ({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }) };

let simulator: Simulator;
let relay: RecordingRelay;
let controlPlane: ControlPlane;

beforeAll(async () => {
  simulator = await startSimulator({ port: 0, speed: SPEED });
  relay = await startRecordingRelay(simulator.baseUrl);
  controlPlane = createControlPlane(settings(), CREDENTIAL);
});
afterAll(async () => {
  await relay.close();
  await simulator.stop();
});

describe('our control plane against the simulator', () => {
  it('keeps to Azure’s types from the first read to the 404', async () => {
    const from = relay.exchanges.length;
    await runLifeOfOurs('life-a1');
    const seen = expectNoFaults(from);
    expect([...seen].sort()).toEqual(
      [
        'delete an endpoint',
        'list deployments',
        'list endpoints',
        'list keys',
        'poll a location',
        'poll an operation',
        'put a deployment',
        'put an endpoint',
        'read a deployment',
        'read an endpoint',
        'read the log',
        'read the workspace',
      ].sort(),
    );
  });

  it('keeps to them where something is refused or fails', async () => {
    const from = relay.exchanges.length;
    await runFailuresOfOurs();
    expectNoFaults(from);
    const statuses = new Set(relay.exchanges.slice(from).map((exchange) => exchange.status));
    expect([...statuses]).toEqual(expect.arrayContaining([400, 404, 409]));
    expect(relay.exchanges.slice(from).some((exchange) => /"status":"Failed"/.test(exchange.body))).toBe(
      true,
    );
  });
});

describe('our reads of quota, sizes and the catalog', () => {
  it('keep to Azure’s types', async () => {
    const from = relay.exchanges.length;
    const locations = createArmLocations(settings(), CREDENTIAL);
    expect((await locations.listUsages(SUBSCRIPTION, 'eastus2')).length).toBeGreaterThan(0);
    expect((await locations.listSizePrices('eastus2')).length).toBeGreaterThan(0);
    const catalog = createCatalog({ registryEndpoint: relay.baseUrl }, CREDENTIAL);
    for (const registry of ['azureml', 'azureml-meta', 'HuggingFace']) {
      const { entries } = (await catalog.search(registry, '')).value;
      expect(entries.length).toBeGreaterThan(0);
      for (const { name } of entries) await catalog.readModel(registry, name, 'latest');
    }
    await expect(catalog.readModel('azureml', 'No-Such-Model', '1')).rejects.toThrow();
    await expect(catalog.readModel('no-such-registry', 'Phi-4', '1')).rejects.toThrow();
    expect([...expectNoFaults(from)].sort()).toEqual([
      'discover a registry',
      'list VM sizes',
      'list models of a catalog',
      'list usages',
      'read a model of a catalog',
      'read a version in a catalog',
    ]);
  });
});

describe.each(['2022-10-01', '2024-10-01'])('the simulator in api-version %s', (apiVersion) => {
  it('answers the calls that our control plane does not make as Azure’s types have them', async () => {
    const from = relay.exchanges.length;
    await runLifeThroughSdk(connect(apiVersion), `sdk-${apiVersion}`);
    const seen = expectNoFaults(from);
    const versions = relay.exchanges.slice(from).map(({ url }) => url.searchParams.get('api-version'));
    expect(new Set(versions)).toEqual(new Set([apiVersion]));
    // 2022-10-01 of the workspace is not among the published types that we keep, and this SDK has no registries.
    const all = OPERATIONS.map(({ name }) => name).filter(
      (name) => !/the workspace|catalog|registry$/.test(name),
    );
    expect([...seen].sort()).toEqual(all.sort());
  });
});

describe('the simulator’s faults', () => {
  it.each(['401', '403', '404', '409', '429', '500', '503', '504'])(
    'word a refusal with %s as ARM does',
    async (status) => {
      const from = relay.exchanges.length;
      const path = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/local/onlineEndpoints/fault-arm-${status}`;
      const response = await fetch(`${relay.baseUrl}${path}?api-version=2024-10-01`, {
        method: 'PUT',
        headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
        body: '{"location":"eastus2","properties":{"authMode":"Key"}}',
      });
      await response.arrayBuffer();
      expect(response.status).toBe(Number(status));
      expectNoFaults(from);
    },
  );

  it('tell of failed deployments and refused changes in Azure’s types', async () => {
    const from = relay.exchanges.length;
    const { onlineEndpoints: endpoints, onlineDeployments: deployments } = connect('2024-10-01');
    const wait = { updateIntervalInMs: POLL_MS };
    const body = { location: 'eastus2', properties: { authMode: 'Key' } };
    const scope = ['rg', 'local', 'faults'] as const;
    await endpoints.beginCreateOrUpdateAndWait(...scope, body, wait);
    for (const fault of DEPLOYMENT_FAULTS) {
      const model = `azureml://registries/azureml/models/Phi-4-fault-deploy-${fault}/versions/7`;
      await expect(
        deployments.beginCreateOrUpdateAndWait(...scope, fault, deploymentBody(model), wait),
        fault,
      ).rejects.toThrow();
      await deployments.get(...scope, fault);
      await deployments.getLogs(...scope, fault, { containerType: 'InferenceServer' });
      await deployments.beginDeleteAndWait(...scope, fault, wait);
    }
    await endpoints.beginDeleteAndWait(...scope, wait);
    for (const fault of ['endpoint-fail', 'delete-fail']) {
      const names = ['rg', 'local', `fault-${fault}`] as const;
      await endpoints.beginCreateOrUpdateAndWait(...names, body, wait).catch(() => undefined);
      await endpoints.get(...names);
      await endpoints.beginDeleteAndWait(...names, wait).catch(() => undefined);
      await endpoints.beginDeleteAndWait(...names, wait);
    }
    for (const fault of ['put-updating', 'delete-busy']) {
      const names = ['rg', 'local', `fault-${fault}`] as const;
      await endpoints.beginCreateOrUpdateAndWait(...names, body, wait);
      await endpoints.beginCreateOrUpdateAndWait(...names, body, wait).catch(() => undefined);
      await endpoints.beginDeleteAndWait(...names, wait).catch(() => undefined);
      if (fault === 'delete-busy') await endpoints.beginDeleteAndWait(...names, wait);
    }
    expectNoFaults(from);
    const statuses = relay.exchanges.slice(from).map((exchange) => exchange.status);
    expect(statuses.filter((status) => status === 409).length).toBeGreaterThanOrEqual(2);
  });
});

describe('a registry through ARM and through its catalog', () => {
  it('answers with the published types, page by page', async () => {
    const from = relay.exchanges.length;
    const discovered = (await readJson(
      '/registrymanagement/v1.0/registries/contoso-models/discovery?api-version=v1.0',
    )) as { readonly subscriptionId: string; readonly resourceGroup: string };
    const path = `/subscriptions/${discovered.subscriptionId}/resourceGroups/${discovered.resourceGroup}/providers/Microsoft.MachineLearningServices/registries/contoso-models/models`;
    for (const [where, version] of [
      ['', '2024-10-01'],
      ['/mferp/managementfrontend', '2021-10-01-dataplanepreview'],
    ]) {
      const list = await readJson(`${where}${path}?api-version=${version}`);
      const [model] = (list as { readonly value: readonly { readonly name: string }[] }).value;
      const versions = await readJson(`${where}${path}/${model?.name}/versions?api-version=${version}`);
      const [newest] = (versions as { readonly value: readonly { readonly name: string }[] }).value;
      await readJson(`${where}${path}/${model?.name}?api-version=${version}`);
      await readJson(`${where}${path}/${model?.name}/versions/${newest?.name}?api-version=${version}`);
    }
    expect(expectNoFaults(from).size).toBe(9);
  });
});

describe('the types', () => {
  it('were held against every call that they describe', () => {
    const made = new Set(relay.exchanges.map((exchange) => checkExchange(exchange).operation));
    expect(OPERATIONS.map(({ name }) => name).filter((name) => !made.has(name))).toEqual([]);
  });

  it('hold every call on endpoints in the versions in use', () => {
    const calls = relay.exchanges.filter(({ url }) => /\/onlineEndpoints/i.test(url.pathname));
    const ours = [...new Set(calls.map(({ url }) => url.searchParams.get('api-version')))];
    expect(ours.toSorted()).toEqual(['2022-10-01', '2024-10-01']);
    for (const version of ours) {
      for (const type of ['', '/deployments', '/listKeys', '/token', '/deployments/getLogs']) {
        const name = `Microsoft.MachineLearningServices/workspaces/onlineEndpoints${type}@${version}`;
        expect(PUBLISHED_TYPES[name]?.response, name).toBeDefined();
      }
    }
  });

  const recorded = (changes: Partial<Exchange> & { readonly path: string; readonly version?: string }) => ({
    method: 'GET',
    url: new URL(`http://x${changes.path}?api-version=${changes.version ?? '2024-10-01'}`),
    requestBody: '',
    status: 200,
    headers: {},
    body: '',
    ...changes,
  });
  const workspace = `/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w`;
  const endpoint = { location: 'eastus2', properties: { authMode: 'Key' } };

  it.each([
    ['an unknown call', recorded({ path: `${workspace}/jobs` }), /no such call/],
    [
      'a version without a schema',
      recorded({ path: `${workspace}/onlineEndpoints/e`, version: '2024-04-01', body: '{}' }),
      /no published schema .* 2024-04-01/,
    ],
    [
      'a request that says more than Azure takes',
      recorded({
        path: `${workspace}/onlineEndpoints/e`,
        method: 'PUT',
        requestBody: JSON.stringify({ ...endpoint, properties: { authMode: 'Key', scoringUri: 'x' } }),
        headers: { 'azure-asyncoperation': 'x', 'x-ms-async-operation-timeout': 'PT1H' },
        body: JSON.stringify(endpoint),
      }),
      /request\.properties\.scoringUri is not known to Azure/,
    ],
    [
      'an answer that says more than Azure gives',
      recorded({
        path: `${workspace}/onlineEndpoints/e`,
        body: JSON.stringify({ ...endpoint, state: 'up' }),
      }),
      /response\.state is not known to Azure/,
    ],
    [
      'an error that is not worded as ARM words it',
      recorded({ path: `${workspace}/onlineEndpoints/e`, status: 404, body: '{"message":"no"}' }),
      /response\.error is missing/,
    ],
    [
      'a status that Azure does not give',
      recorded({ path: `${workspace}/onlineEndpoints/e`, status: 206, body: '{}' }),
      /does not answer 206/,
    ],
    [
      'an operation without its headers',
      recorded({ path: `${workspace}/onlineEndpoints/e`, method: 'DELETE', status: 202 }),
      /header location is missing/,
    ],
  ])('refuse %s', (_, exchange, fault) => {
    expect(checkExchange(exchange).faults.join('\n')).toMatch(fault);
  });
});

function settings() {
  const workspace = { subscriptionId: SUBSCRIPTION, resourceGroup: 'rg', workspace: 'local' };
  return { armEndpoint: relay.baseUrl, workspaces: { default: workspace } };
}

/** Checks each exchange since; gives the names of the calls that were made. */
function expectNoFaults(from: number): ReadonlySet<string | null> {
  const verdicts = relay.exchanges.slice(from).map(checkExchange);
  expect(verdicts.flatMap(({ faults }) => faults)).toEqual([]);
  return new Set(verdicts.map(({ operation }) => operation));
}

const endpointOrder = (name: string) => ({
  workspace: 'default',
  name,
  auth: 'key' as const,
  tags: leaseTags({ owner: 'test', runId: 'r1', expiresAtMs: 1_000 }),
  publicNetworkAccess: 'enabled' as const,
});

const deploymentOrder = (endpoint: string, model = PHI_4) => ({
  workspace: 'default',
  endpoint,
  name: 'blue',
  model,
  sku: 'Standard_NC24ads_A100_v4',
  instances: 1,
  maxConcurrentRequestsPerInstance: 8,
  requestTimeoutSeconds: 180,
  environmentVariables: { A: '1' },
  tags: {},
});

async function runLifeOfOurs(name: string): Promise<void> {
  await createEndpoint(name);
  await controlPlane.startDeployment(deploymentOrder(name));
  await until(() => isDeployed(name, 'Succeeded'));
  await controlPlane.startTraffic('default', name, 'blue');
  await until(async () => (await readState(name)) === 'Succeeded');
  expect(await controlPlane.readDeploymentLog('default', name, 'blue')).not.toBeNull();
  expect(await controlPlane.readAuthorization('default', name, 'key')).toMatch(/^Bearer ./);
  expect(await controlPlane.listDeployments('default', name)).toEqual(['blue']);
  expect(await controlPlane.listEndpoints('default')).toHaveLength(1);
  await remove(name);
}

async function runFailuresOfOurs(): Promise<void> {
  await createEndpoint('fail-a1');
  const entra = {
    ...endpointOrder('entra-a1'),
    auth: 'entra' as const,
    publicNetworkAccess: 'disabled' as const,
  };
  await controlPlane.startEndpoint(entra);
  await until(async () => (await readState('entra-a1')) === 'Succeeded');
  await refused(controlPlane.readAuthorization('default', 'entra-a1', 'key'));
  await refused(controlPlane.startDeployment({ ...deploymentOrder('fail-a1'), instances: 40 }));
  await refused(controlPlane.startDeployment({ ...deploymentOrder('fail-a1'), sku: 'Standard_None' }));
  await refused(controlPlane.startEndpoint(endpointOrder('x')));
  await refused(controlPlane.startDeployment(deploymentOrder('missing-a1')));
  await controlPlane.startDeployment(deploymentOrder('fail-a1', { ...PHI_4, name: 'No-Such-Model' }));
  await until(() => isDeployed('fail-a1', 'Failed'));
  const { operation } = (await controlPlane.readDeployment('default', 'fail-a1', 'blue')) ?? {};
  expect(await controlPlane.readOperationFailure('default', operation ?? '')).not.toBeNull();
  await controlPlane.readDeploymentLog('default', 'fail-a1', 'blue');
  await createEndpoint('busy-fault-delete-busy');
  await refused(controlPlane.startDelete('default', 'busy-fault-delete-busy'));
  for (const name of ['busy-fault-delete-busy', 'fail-a1', 'entra-a1']) await remove(name);
}

const deploymentBody = (model: string) => ({
  location: 'eastus2',
  sku: { name: 'Default', capacity: 1 },
  properties: {
    endpointComputeType: 'Managed' as const,
    instanceType: 'Standard_NC24ads_A100_v4',
    model,
  },
});

/** The calls of the SDK that our control plane does not make, and those that it does in another version. */
async function runLifeThroughSdk(client: AzureMachineLearningWorkspaces, name: string): Promise<void> {
  const scope = ['rg', 'local', name] as const;
  const wait = { updateIntervalInMs: POLL_MS };
  const { onlineEndpoints: endpoints, onlineDeployments: deployments } = client;
  const body = { location: 'eastus2', properties: { authMode: 'Key', description: 'of a test' } };
  await endpoints.beginCreateOrUpdateAndWait(...scope, body, wait);
  await endpoints.beginUpdateAndWait(...scope, { tags: { a: 'b' } }, wait);
  const model = 'azureml://registries/azureml/models/Phi-4/versions/7';
  await deployments.beginCreateOrUpdateAndWait(...scope, 'blue', deploymentBody(model), wait);
  await deployments.beginUpdateAndWait(...scope, 'blue', { tags: { c: 'd' } }, wait);
  await deployments.beginUpdateAndWait(...scope, 'blue', { sku: { capacity: 2 } }, wait);
  expect((await deployments.get(...scope, 'blue')).sku?.capacity).toBe(2);
  expect(await drain(deployments.list(...scope))).toBe(1);
  await deployments.getLogs(...scope, 'blue', { containerType: 'StorageInitializer', tail: 5 });
  await endpoints.beginCreateOrUpdateAndWait(
    ...scope,
    { ...body, properties: { ...body.properties, traffic: { blue: 100 } } },
    wait,
  );
  const { primaryKey } = await endpoints.listKeys(...scope);
  await endpoints.beginRegenerateKeysAndWait(...scope, { keyType: 'Primary' }, wait);
  expect((await endpoints.listKeys(...scope)).primaryKey).not.toBe(primaryKey);
  const token = `${name}-t`;
  await endpoints.beginCreateOrUpdateAndWait(
    'rg',
    'local',
    token,
    { location: 'eastus2', properties: { authMode: 'AMLToken' } },
    wait,
  );
  expect((await endpoints.getToken('rg', 'local', token)).accessToken).toBeTypeOf('string');
  expect(await drain(endpoints.list('rg', 'local', { count: 1 }))).toBe(2);
  await drain(client.usages.list('eastus2'));
  await client.virtualMachineSizes.list('eastus2');
  await endpoints.beginCreateOrUpdateAndWait(...scope, body, wait);
  await deployments.beginDeleteAndWait(...scope, 'blue', wait);
  await endpoints.get(...scope);
  await endpoints.beginDeleteAndWait(...scope, wait);
  await endpoints.beginDeleteAndWait('rg', 'local', token, wait);
}

/** The real SDK over http, whose own policy refuses to send a token that way. */
function connect(apiVersion: string): AzureMachineLearningWorkspaces {
  const client = new AzureMachineLearningWorkspaces(CREDENTIAL, SUBSCRIPTION, {
    endpoint: relay.baseUrl,
    $host: relay.baseUrl,
    apiVersion,
  });
  client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  client.pipeline.addPolicy(
    {
      name: 'sign on http',
      sendRequest(outgoing, next) {
        outgoing.allowInsecureConnection = true;
        outgoing.headers.set('authorization', 'Bearer any');
        return next(outgoing);
      },
    },
    { phase: 'Sign' },
  );
  return client;
}

async function readJson(path: string): Promise<unknown> {
  const response = await fetch(`${relay.baseUrl}${path}`, { headers: { authorization: 'Bearer any' } });
  expect(response.status).toBe(200);
  return response.json();
}

async function createEndpoint(name: string): Promise<void> {
  await controlPlane.startEndpoint(endpointOrder(name));
  await until(async () => (await readState(name)) === 'Succeeded');
}

async function remove(name: string): Promise<void> {
  await controlPlane.startDelete('default', name);
  await until(async () => (await readState(name)) === undefined);
}

async function readState(name: string): Promise<string | undefined> {
  return (await controlPlane.readEndpoint('default', name))?.provisioningState;
}

async function isDeployed(endpoint: string, state: string): Promise<boolean> {
  return (await controlPlane.readDeployment('default', endpoint, 'blue'))?.provisioningState === state;
}

async function refused(call: Promise<unknown>): Promise<void> {
  await expect(call).rejects.toBeInstanceOf(ControlPlaneError);
}

async function drain(pages: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of pages) count += 1;
  return count;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let read = 0; read < READS; read += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`It did not become true in ${READS} reads: ${condition}`);
}
