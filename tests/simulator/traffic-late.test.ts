/** What ARM says is there and the data plane does not know yet. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  openWorkspace,
  phi4With,
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

test('new traffic may not be known for a while: 404 without it, while a pinned call is served', async () => {
  const { scoringUri, key } = await workspace.deploy('late', { model: phi4With('traffic-late.1') });
  const ask = (headers = {}) => post(scoringUri, key, scorePayload('x', { max_tokens: 1 }), headers);
  expect((await ask()).status).toBe(404);
  expect((await ask({ 'azureml-model-deployment': 'blue' })).status).toBe(200);
  await until(async () => (await ask()).status === 200);
});

test('a deployment may not be ready for a while after ARM says that it is', async () => {
  const { scoringUri, key } = await workspace.deploy('unready', { model: phi4With('ready-late.1') });
  const ask = () => post(scoringUri, key, scorePayload('x', { max_tokens: 1 }));
  const early = await ask();
  expect(early.status).toBe(424);
  expect(early.headers['ms-azureml-model-error-reason']).toBe('model_not_ready');
  await until(async () => (await ask()).status === 200);
});

test('a deployment that is being scaled goes on serving', async () => {
  const { scoringUri, key } = await workspace.deploy('scaled');
  const { status } = await workspace.arm(
    'PATCH',
    `${workspacePath}/onlineEndpoints/scaled/deployments/blue`,
    {
      sku: { name: 'Default', capacity: 2 },
    },
  );
  expect(status).toBe(202);
  expect((await post(scoringUri, key, scorePayload('x', { max_tokens: 1 }))).status).toBe(200);
});

test('a key that is made anew is refused at once, and the new one is good', async () => {
  const { scoringUri, key } = await workspace.deploy('new-key');
  const ask = (bearer: string) => post(scoringUri, bearer, scorePayload('x', { max_tokens: 1 }));
  expect((await ask(key)).status).toBe(200);
  const endpoint = `${workspacePath}/onlineEndpoints/new-key`;
  await workspace.arm('POST', `${endpoint}/regenerateKeys`, { keyType: 'Primary' });
  await until(async () => (await workspace.arm('POST', `${endpoint}/listKeys`)).body.primaryKey !== key);
  expect((await ask(key)).status).toBe(401);
  const { primaryKey } = (await workspace.arm('POST', `${endpoint}/listKeys`)).body;
  expect((await ask(primaryKey)).status).toBe(200);
});
