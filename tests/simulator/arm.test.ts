import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  deploymentBody,
  endpointBody,
  locationPath,
  NC24,
  openWorkspace,
  PHI_4,
  post,
  scorePayload,
  until,
  type WorkspaceOfTest,
  workspacePath,
} from './a-workspace.ts';

let workspace: WorkspaceOfTest;
beforeAll(async () => {
  workspace = await openWorkspace();
});
afterAll(() => workspace.close());

const endpointPath = (name: string) => `${workspacePath}/onlineEndpoints/${name}`;
const deploymentPath = (name: string, deployment = 'blue') =>
  `${endpointPath(name)}/deployments/${deployment}`;

test('the whole life of an endpoint, through the real SDK', async () => {
  const { client } = workspace;
  const { scoringUri, key } = await workspace.deploy('whole-life');

  const endpoint = await client.onlineEndpoints.get('rg', 'ws', 'whole-life');
  expect(endpoint.properties.provisioningState).toBe('Succeeded');
  expect(endpoint.properties.traffic).toEqual({ blue: 100 });
  expect(endpoint.identity?.type).toBe('SystemAssigned');
  expect(endpoint.identity?.principalId).toMatch(/^[0-9a-f-]{36}$/);
  expect(endpoint.systemData?.createdAt).toBeInstanceOf(Date);

  const deployment = await client.onlineDeployments.get('rg', 'ws', 'whole-life', 'blue');
  expect(deployment.sku?.capacity).toBe(1);
  expect(deployment.properties).toMatchObject({
    endpointComputeType: 'Managed',
    instanceType: NC24,
    model: PHI_4,
    provisioningState: 'Succeeded',
    scaleSettings: { scaleType: 'Default' },
    requestSettings: {
      requestTimeout: 'PT180S',
      maxConcurrentRequestsPerInstance: 4,
      maxQueueWait: 'PT0.5S',
    },
    livenessProbe: {
      initialDelay: 'PT10S',
      period: 'PT10S',
      timeout: 'PT2S',
      failureThreshold: 30,
      successThreshold: 1,
    },
  });
  const listed = [];
  for await (const entry of client.onlineDeployments.list('rg', 'ws', 'whole-life')) listed.push(entry.name);
  expect(listed).toEqual(['blue']);
  expect((await client.onlineDeployments.getLogs('rg', 'ws', 'whole-life', 'blue', {})).content).toContain(
    'Uvicorn',
  );
  expect((await client.workspaces.get('rg', 'ws')).location).toBe('eastus2');

  expect((await post(scoringUri, key, scorePayload('Hello', { max_tokens: 3 }))).status).toBe(200);

  await client.onlineEndpoints.beginDeleteAndWait('rg', 'ws', 'whole-life', { updateIntervalInMs: 20 });
  await expect(client.onlineEndpoints.get('rg', 'ws', 'whole-life')).rejects.toMatchObject({
    statusCode: 404,
    code: 'ResourceNotFound',
  });
  expect((await workspace.arm('GET', deploymentPath('whole-life'))).status).toBe(404);
  expect((await post(scoringUri, key, scorePayload('Hello'))).status).toBe(404);
  const account = (await workspace.books()).endpoints.find(
    (entry: { name: string }) => entry.name === 'whole-life',
  );
  expect(Date.parse(account.deletedAt)).toBeGreaterThan(Date.parse(account.createdAt));
});

test('tags can be changed, found and paged', async () => {
  for (const index of [1, 2, 3]) {
    await workspace.arm('PUT', endpointPath(`tagged-${index}`), {
      ...endpointBody(),
      tags: { group: 'g', index: `${index}` },
    });
  }
  const page = await workspace.arm(
    'GET',
    `${workspacePath}/onlineEndpoints?tags=group=g&count=2&orderBy=CreatedAtAsc`,
  );
  expect(page.body.value.map(nameOf)).toEqual(['tagged-1', 'tagged-2']);
  const rest = await workspace.arm('GET', page.body.nextLink);
  expect(rest.body.value.map(nameOf)).toEqual(['tagged-3']);
  expect(rest.body.nextLink).toBeUndefined();

  const names = [];
  for await (const entry of workspace.client.onlineEndpoints.list('rg', 'ws', {
    tags: 'group=g,index=2',
    count: 1,
  })) {
    names.push(entry.name);
  }
  expect(names).toEqual(['tagged-2']);
  await workspace.arm('PATCH', endpointPath('tagged-2'), { tags: { group: 'other' } });
  expect(
    (await workspace.arm('GET', `${workspacePath}/onlineEndpoints?tags=group=g`)).body.value,
  ).toHaveLength(2);
  expect(
    (await workspace.arm('GET', `${workspacePath.replace('/ws', '/other')}/onlineEndpoints`)).body.value,
  ).toEqual([]);
});

test.each([
  ['no token', 401, { authorization: '' }, '', 'GET', undefined],
  ['no api-version', 400, {}, '?api-version=', 'GET', undefined],
  ['no body', 400, {}, '', 'PUT', undefined],
  ['no location', 400, {}, '', 'PUT', { properties: { authMode: 'Key' } }],
  ['no authMode', 400, {}, '', 'PUT', { location: 'eastus2', properties: {} }],
  ['traffic of 50', 400, {}, '', 'PUT', endpointBody({ blue: 50 })],
  ['traffic on what does not exist', 400, {}, '', 'PUT', endpointBody({ blue: 100 })],
  ['a missing endpoint', 404, {}, '', 'GET', undefined],
])('%s: %i with an ARM error', async (_case, status, headers, query, method, body) => {
  const answer = await workspace.arm(method, `${endpointPath('never-made')}${query}`, body, headers);
  expect(answer.status).toBe(status);
  expect(answer.body.error).toEqual({ code: expect.any(String), message: expect.any(String) });
});

test.each(['a', 'ab', '1abc', 'a--b', 'a_b', 'ab-', 'a'.repeat(33)])(
  'the endpoint name %s is refused',
  async (name) => {
    expect((await workspace.arm('PUT', endpointPath(name), endpointBody())).status).toBe(400);
  },
);

test('an endpoint name is unique in its region, across workspaces', async () => {
  const elsewhere = endpointPath('one-name').replace('/ws/', '/ws2/');
  expect((await workspace.arm('PUT', endpointPath('one-name'), endpointBody())).status).toBe(201);
  expect((await workspace.arm('PUT', elsewhere, endpointBody())).status).toBe(409);
  expect((await workspace.arm('PUT', elsewhere, { ...endpointBody(), location: 'westeurope' })).status).toBe(
    201,
  );
});

test.each([
  ['an unknown SKU', { instanceType: 'Standard_NC80ads_H100_v5' }],
  ['a retired SKU', { instanceType: 'Standard_NC6s_v3' }],
  ['a model of another form', { model: 'Phi-4' }],
  ['no model', { model: undefined }],
  ['a timeout above 180 s', { requestSettings: { requestTimeout: 'PT300S' } }],
  ['a timeout that is no duration', { requestSettings: { requestTimeout: '90' } }],
  ['another compute type', { endpointComputeType: 'Kubernetes' }],
])('a deployment with %s is refused with 400', async (_case, properties) => {
  await workspace.arm('PUT', endpointPath('refusals'), endpointBody());
  await ready(endpointPath('refusals'));
  const body = deploymentBody();
  const answer = await workspace.arm('PUT', deploymentPath('refusals'), {
    ...body,
    properties: { ...body.properties, ...properties },
  });
  expect(answer.status).toBe(400);
  expect((await workspace.arm('GET', deploymentPath('refusals'))).status).toBe(404);
});

test.each([
  ['an unknown model version', { model: PHI_4.replace('/7', '/99') }, 'ResourceNotFound'],
  ['weights beyond the memory', { instanceType: 'Standard_NC4as_T4_v3' }, 'ResourceNotReady'],
])(
  'a deployment with %s is accepted, fails, is billed and can be deleted',
  async (_case, properties, code) => {
    const name = `fails-${code.toLowerCase()}`;
    await workspace.arm('PUT', endpointPath(name), endpointBody());
    await ready(endpointPath(name));
    const body = deploymentBody();
    const poller = workspace.client.onlineDeployments.beginCreateOrUpdateAndWait(
      'rg',
      'ws',
      name,
      'blue',
      { ...body, properties: { ...body.properties, ...properties } },
      { updateIntervalInMs: 20 },
    );
    await expect(poller).rejects.toThrow(code);
    expect((await workspace.arm('GET', deploymentPath(name))).body.properties.provisioningState).toBe(
      'Failed',
    );
    expect((await workspace.arm('POST', `${deploymentPath(name)}/getLogs`, {})).body.content).toContain(code);
    const account = (await workspace.books()).endpoints.find(
      (entry: { name: string }) => entry.name === name,
    );
    expect(account.gpuSeconds).toBeGreaterThan(0);
    await workspace.client.onlineEndpoints.beginDeleteAndWait('rg', 'ws', name, { updateIntervalInMs: 20 });
  },
);

test('usages count the cores that are rented, and a deployment beyond the limit is refused as quota', async () => {
  const before = await usageOf('standardNCADSH100v5Family');
  expect(before.limit).toBe(200);
  await workspace.arm('PUT', endpointPath('quota'), endpointBody());
  await ready(endpointPath('quota'));
  const order = (instances: number) => deploymentBody({ sku: 'Standard_NC80adis_H100_v5', instances });
  const tooMany = await workspace.arm('PUT', deploymentPath('quota'), order(3));
  expect(tooMany.status).toBe(400);
  expect(tooMany.body.error.code).toBe('OutOfQuota');
  expect((await workspace.arm('PUT', deploymentPath('quota'), order(2))).status).toBe(201);
  expect((await usageOf('standardNCADSH100v5Family')).currentValue).toBe(before.currentValue + 160);

  // Sizes without the exemption need a fifth more: 1 x NC64as needs the cores of 2, which is the whole limit.
  const t4 = deploymentBody({ sku: 'Standard_NC64as_T4_v3' });
  await workspace.arm('PUT', deploymentPath('quota', 'green'), {
    ...t4,
    properties: {
      ...t4.properties,
      model: PHI_4.replace('Phi-4', 'Phi-3-small-8k-instruct').replace('/7', '/6'),
    },
  });
  expect((await usageOf('standardNCASv3_T4Family')).currentValue).toBe(128);

  const sizes = await workspace.client.virtualMachineSizes.list('eastus2');
  const nc24 = sizes.value?.find((size) => size.name === NC24);
  expect(nc24).toMatchObject({ family: 'standardNCADSA100v4Family', vCPUs: 24, gpus: 1 });
  expect(
    nc24?.estimatedVMPrices?.values.find((price) => price.osType === 'Linux' && price.vmTier === 'Standard')
      ?.retailPrice,
  ).toBeCloseTo(3.67, 1);
});

test('tokens and keys belong to their modes', async () => {
  for (const [name, mode] of [
    ['by-token', 'AMLToken'],
    ['by-entra', 'AADToken'],
  ] as const) {
    await workspace.arm('PUT', endpointPath(name), endpointBody({}, mode));
    await ready(endpointPath(name));
    expect((await workspace.arm('POST', `${endpointPath(name)}/listKeys`)).status).toBe(400);
  }
  const token = await workspace.client.onlineEndpoints.getToken('rg', 'ws', 'by-token');
  expect(token.expiryTimeUtc).toBeGreaterThan(Date.now() / 1000);
  const uri = (name: string) => `${workspace.simulator.baseUrl}/endpoints/eastus2/${name}/score`;
  // Both get past the door and find no traffic behind it.
  expect((await post(uri('by-token'), token.accessToken ?? '', {})).status).toBe(404);
  expect((await post(uri('by-token'), `${token.expiryTimeUtc}.forged`, {})).status).toBe(401);
  expect((await post(uri('by-entra'), 'an.entra.token', {})).status).toBe(404);
});

async function ready(path: string): Promise<void> {
  await until(
    async () => (await workspace.arm('GET', path)).body.properties?.provisioningState === 'Succeeded',
  );
}

async function usageOf(family: string) {
  const { body } = await workspace.arm('GET', `${locationPath}/usages`);
  return body.value.find((row: { name: { value: string } }) => row.name.value === family);
}

function nameOf(entry: { name: string }): string {
  return entry.name;
}
