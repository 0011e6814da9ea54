/** What workspaces, models' cards and limits of calls do to ARM calls. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  deploymentBody,
  endpointBody,
  locationPath,
  openWorkspace,
  SUBSCRIPTION,
  type WorkspaceOfTest,
  workspacePath,
} from './a-workspace.ts';

const NIM =
  'azureml://registries/azureml-nvidia/models/Llama-3.1-Nemotron-Nano-8B-v1-NIM-microservice/versions/2';

let workspace: WorkspaceOfTest;
beforeAll(async () => {
  workspace = await openWorkspace();
});
afterAll(() => workspace.close());

test.each([
  ['ws', 'eastus2', 'Default'],
  ['bench-westeurope', 'westeurope', 'Default'],
  ['hub-one', 'eastus2', 'Hub'],
  ['project-one-swedencentral', 'swedencentral', 'Project'],
])('the workspace %s is in %s and of the kind %s', async (name, location, kind) => {
  const { body } = await workspace.arm('GET', workspacePath.replace(/\/ws$/, `/${name}`));
  expect(body).toMatchObject({ name, location, kind });
});

test('a workspace or resource group that is to be missing has nothing in it', async () => {
  const missing = workspacePath.replace(/\/ws$/, '/fault-workspace-missing');
  for (const path of [missing, `${missing}/onlineEndpoints`, `${missing}/onlineEndpoints/one`]) {
    const { status, body } = await workspace.arm('GET', path);
    expect([status, body.error.code]).toEqual([404, 'ResourceNotFound']);
  }
  expect((await workspace.arm('PUT', `${missing}/onlineEndpoints/one`, endpointBody())).status).toBe(404);
  const { body } = await workspace.arm('GET', workspacePath.replace('/rg/', '/fault-group-missing/'));
  expect(body.error.code).toBe('ResourceGroupNotFound');
});

test('a retired model is refused, and a size that its model does not allow, with those that it does', async () => {
  const endpoint = await workspace.createEndpoint('by-card');
  const put = (settings: { model: string; sku?: string }) =>
    workspace.arm('PUT', `${endpoint}/deployments/blue`, deploymentBody(settings));
  const retired = await put({
    model: 'azureml://registries/azureml/models/Phi-3.5-mini-instruct/versions/6',
  });
  expect(retired.status).toBe(400);
  expect(retired.body.error.message).toMatch('retired on 2025-08-30');
  const mistral = 'azureml://registries/azureml/models/Mistral-7B-Instruct-v0.3/versions/2';
  const tooSmall = await put({ model: mistral, sku: 'Standard_NC16as_T4_v3' });
  expect(tooSmall.status).toBe(400);
  expect(tooSmall.body.error.message).toMatch(/Supported instance types: .*Standard_NC24ads_A100_v4/);
  expect((await put({ model: mistral })).status).toBe(201);
});

test('a partner’s model waits for its offer to be accepted, once for the subscription', async () => {
  const endpoint = await workspace.createEndpoint('partner');
  const put = () => workspace.arm('PUT', `${endpoint}/deployments/blue`, deploymentBody({ model: NIM }));
  const refusal = await put();
  expect([refusal.status, refusal.body.error.code]).toEqual([400, 'MarketplaceSubscriptionRequired']);

  const offers = `${workspacePath.replace(/\/ws$/, '/another')}/marketplaceSubscriptions`;
  const modelId = NIM.replace(/\/versions.*/, '');
  expect(
    (await workspace.arm('PUT', `${offers}/nim`, { properties: { modelId: modelId.replace('NIM', 'X') } }))
      .status,
  ).toBe(400);
  const accepted = await workspace.arm('PUT', `${offers}/nim`, { properties: { modelId } });
  expect(accepted.body.properties).toMatchObject({ modelId, marketplaceSubscriptionStatus: 'Subscribed' });
  expect((await workspace.arm('GET', offers)).body.value).toEqual([accepted.body]);
  expect((await put()).status).toBe(201);
  expect((await workspace.arm('DELETE', `${offers}/nim`)).status).toBe(200);
  expect((await workspace.arm('GET', `${offers}/nim`)).status).toBe(404);
});

test('what is left of the limits stands in a header, and they are enforced on request', async () => {
  const limited = await openWorkspace({ throttled: true });
  const left = (headers: Record<string, unknown>, kind: string) =>
    Number(headers[`x-ms-ratelimit-remaining-subscription-${kind}`]);
  const usages = await limited.arm('GET', `${locationPath}/usages`);
  expect(left(usages.headers, 'reads')).toBe(249);
  const put = await limited.arm('PUT', `${workspacePath}/onlineEndpoints/counted`, endpointBody());
  expect(left(put.headers, 'writes')).toBe(199);
  expect(
    left((await limited.arm('DELETE', `${workspacePath}/onlineEndpoints/nobody`)).headers, 'deletes'),
  ).toBe(199);

  const refused = await firstRefusal(() => limited.arm('DELETE', `${workspacePath}/onlineEndpoints/nobody`));
  expect(refused.body.error.code).toBe('SubscriptionRequestsThrottled');
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  const elsewhere = workspacePath.replace(SUBSCRIPTION, 'another');
  expect((await limited.arm('DELETE', `${elsewhere}/onlineEndpoints/nobody`)).status).toBe(204);
  await limited.close();
});

async function firstRefusal(call: () => ReturnType<WorkspaceOfTest['arm']>) {
  // Two hundred calls are allowed at once, and ten more each second.
  for (let round = 0; round < 20; round += 1) {
    const answers = await Promise.all(Array.from({ length: 100 }, call));
    const refused = answers.find(({ status }) => status === 429);
    if (refused !== undefined) return refused;
  }
  throw new Error('No call was refused.');
}
