import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { openWorkspace, post, scorePayload, until, workspacePath } from './a-workspace.ts';

let folder: string;
let stateFile: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'simulator-'));
  stateFile = path.join(folder, 'deep', 'state.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('resources, keys and books outlive a restart', async () => {
  const first = await openWorkspace({ stateFile });
  const { scoringUri, key } = await first.deploy('lasting');
  await post(scoringUri, key, scorePayload('x', { max_tokens: 2, ignore_eos: true }));
  const before = await first.books();
  await first.close();
  expect(statSync(stateFile).mode & 0o777).toBe(0o600);
  expect(readFileSync(stateFile, 'utf8')).not.toContain(key);

  const second = await openWorkspace({ stateFile });
  const endpoint = await second.client.onlineEndpoints.get('rg', 'ws', 'lasting');
  expect(endpoint.properties.scoringUri).toMatch(second.simulator.baseUrl);
  expect((await second.client.onlineEndpoints.listKeys('rg', 'ws', 'lasting')).primaryKey).toBe(key);
  expect(
    (await post(endpoint.properties.scoringUri ?? '', key, scorePayload('x', { max_tokens: 1 }))).status,
  ).toBe(200);
  const after = await second.books();
  expect(after.startedAt).toBe(before.startedAt);
  expect(after.endpoints).toHaveLength(1);
  expect(after.endpoints[0]).toMatchObject({
    name: 'lasting',
    requestsAdmitted: 2,
    createdAt: before.endpoints[0].createdAt,
  });
  await second.client.onlineEndpoints.beginDeleteAndWait('rg', 'ws', 'lasting', { updateIntervalInMs: 20 });
  await second.close();

  const third = await openWorkspace({ stateFile });
  expect((await third.books()).endpoints[0].deletedAt).not.toBeNull();
  await third.close();
});

test('what faults have struck, keys made anew and offers accepted outlive a restart too', async () => {
  const limited = `${workspacePath}/onlineEndpoints/x-fault-arm-429`;
  const offers = `${workspacePath}/marketplaceSubscriptions`;
  const modelId = 'azureml://registries/azureml-nvidia/models/Llama-3.1-Nemotron-Nano-8B-v1-NIM-microservice';
  const first = await openWorkspace({ stateFile });
  expect((await first.arm('GET', limited)).status).toBe(429);
  await first.arm('PUT', `${offers}/nim`, { properties: { modelId } });
  await first.createEndpoint('renewed');
  const { onlineEndpoints } = first.client;
  const before = await onlineEndpoints.listKeys('rg', 'ws', 'renewed');
  await onlineEndpoints.beginRegenerateKeysAndWait('rg', 'ws', 'renewed', { keyType: 'Primary' });
  const after = await onlineEndpoints.listKeys('rg', 'ws', 'renewed');
  expect(after.primaryKey).not.toBe(before.primaryKey);
  expect(after.secondaryKey).toBe(before.secondaryKey);
  await first.close();
  for (const key of [before.primaryKey, after.primaryKey])
    expect(readFileSync(stateFile, 'utf8')).not.toContain(key);

  const second = await openWorkspace({ stateFile });
  expect((await second.arm('GET', limited)).status).toBe(404);
  expect((await second.arm('GET', offers)).body.value).toHaveLength(1);
  const { primaryKey } = await second.client.onlineEndpoints.listKeys('rg', 'ws', 'renewed');
  expect(primaryKey).toBe(after.primaryKey);
  const uri = `${second.simulator.baseUrl}/endpoints/eastus2/renewed/score`;
  expect((await post(uri, before.primaryKey ?? '', scorePayload('x'))).status).toBe(401);
  expect((await post(uri, primaryKey ?? '', scorePayload('x'))).status).toBe(404);
  await second.close();
});

test('an operation goes on while the simulator is down', async () => {
  const endpoint = `${workspacePath}/onlineEndpoints/meanwhile`;
  const first = await openWorkspace({ stateFile });
  const put = await first.arm('PUT', endpoint, { location: 'eastus2', properties: { authMode: 'Key' } });
  await first.close();
  const second = await openWorkspace({ stateFile });
  const { pathname, search } = new URL(put.headers['azure-asyncoperation'] as string);
  await until(async () => (await second.arm('GET', pathname + search)).body.status === 'Succeeded');
  expect((await second.arm('GET', endpoint)).body.properties.provisioningState).toBe('Succeeded');
  await second.close();
});

test('what a change did is in the file before its answer is', async () => {
  const workspace = await openWorkspace({ stateFile });
  await workspace.arm('PUT', `${workspacePath}/onlineEndpoints/written`, {
    location: 'eastus2',
    properties: { authMode: 'Key' },
  });
  expect(readFileSync(stateFile, 'utf8')).toContain('written');
  await workspace.close();
});

test('a state file that is not ours stops the start with a sentence', async () => {
  stateFile = path.join(folder, 'state.json');
  writeFileSync(stateFile, '{"version": 99}');
  await expect(startSimulator({ port: 0, stateFile })).rejects.toThrow(/state file .* cannot be read/);
});

test('a port that is taken stops the start', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  await expect(startSimulator({ port: (other.address() as AddressInfo).port })).rejects.toThrow('EADDRINUSE');
  await new Promise((resolve) => other.close(resolve));
});

test('stop ends at once, with a stream under way and connections kept alive', async () => {
  const workspace = await openWorkspace({ gpuSpeed: 1 });
  const { chatUri, key } = await workspace.deploy('open');
  const stream = request(chatUri, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({
      messages: [{ role: 'user', content: 'x' }],
      max_tokens: 5000,
      ignore_eos: true,
      stream: true,
    }),
  }).then(async ({ body }) => body.text());
  stream.catch(() => {});
  await until(async () => (await workspace.books()).endpoints[0].requestsAdmitted === 1);
  await workspace.close();
  await expect(stream).rejects.toThrow();
});

test('links lead back through the proxy by which the client came', async () => {
  const workspace = await openWorkspace();
  const put = await workspace.arm(
    'PUT',
    `${workspacePath}/onlineEndpoints/proxied`,
    { location: 'eastus2', properties: { authMode: 'Key' } },
    { host: 'localhost:9' },
  );
  expect(put.headers['azure-asyncoperation']).toMatch(/^http:\/\/localhost:9\//);
  await workspace.close();
});
