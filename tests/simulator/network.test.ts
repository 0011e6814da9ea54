/** The limits of an endpoint's network: requests, connections, bytes in both directions, the size of a body. */
import { Agent } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rate } from '../../src/simulator/rate.ts';
import { type Deployed, openWorkspace, scorePayload, type WorkspaceOfTest } from './a-workspace.ts';
import { wireCall } from './raw-call.ts';

let workspace: WorkspaceOfTest;
beforeAll(async () => {
  workspace = await openWorkspace({ gpuSpeed: 1 });
});
afterAll(() => workspace.close());

const deploy = (name: string, faults: string) =>
  workspace.deploy(name, { maxConcurrent: 50, environment: { SIMULATOR_FAULTS: faults } });
/** A call that the container refuses at once: the network is all of its time. */
const ask = ({ scoringUri, key }: Deployed, agent?: Agent, text = '') =>
  wireCall(scoringUri, key, { text }, agent && { agent });

test('more requests in a second than the endpoint takes get 429, but not with the words of a full queue', async () => {
  const limited = await deploy('few-requests', 'fault-limit-requests.5');
  const agent = new Agent({ keepAlive: true });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(limited, agent)));
  agent.destroy();
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThanOrEqual(13);
  expect(refused.length).toBeLessThanOrEqual(15);
  expect(refused[0]?.text).toMatch(/rate limit/i);
  expect(refused[0]?.headers).not.toHaveProperty('ms-azureml-model-error-reason');
});

test('a connection too many is closed without an answer, and there is room again when another has gone', async () => {
  const limited = await deploy('few-connections', 'fault-limit-connections.3');
  const agents = Array.from({ length: 4 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const statuses: (number | null)[] = [];
  for (const agent of agents) statuses.push((await ask(limited, agent)).status);
  expect(statuses).toEqual([424, 424, 424, null]);
  agents[0]?.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await ask(limited, agents[3])).status).toBe(424);
  for (const agent of agents) agent.destroy();
});

test('a connection to one endpoint is none to another', async () => {
  const [one, other] = await Promise.all([
    deploy('one-connection', 'fault-limit-connections.1'),
    deploy('other-connection', 'fault-limit-connections.1'),
  ]);
  const [first, second] = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true })];
  expect((await ask(one, first)).status).toBe(424);
  expect((await ask(other, second)).status).toBe(424);
  first.destroy();
  second.destroy();
});

test('a body that is larger than the endpoint takes gets 413', async () => {
  const limited = await deploy('small-bodies', 'fault-limit-body.2');
  expect((await ask(limited, undefined, 'x'.repeat(2100))).status).toBe(413);
  expect((await ask(limited, undefined, 'x'.repeat(1000))).status).toBe(424);
});

test('a request over the bandwidth is delayed, and the trailers of its answer say by how much', async () => {
  const limited = await deploy('slow-upload', 'fault-limit-bandwidth.20');
  const body = { ...scorePayload('x'.repeat(30_000), { max_tokens: 1 }) };
  const answer = await wireCall(limited.scoringUri, limited.key, body);
  expect(answer.status).toBe(200);
  const delayMs = Number(answer.trailers['ms-azureml-bandwidth-request-delay-ms']);
  // 30 kB, of which one second's 20 are there at once.
  expect(delayMs).toBeGreaterThan(480);
  expect(delayMs).toBeLessThan(530);
  expect(answer.trailers).toHaveProperty('ms-azureml-bandwidth-response-delay-ms');
  expect(answer.headers).not.toHaveProperty('content-length');
});

test('a stream over the bandwidth comes late, whole and in order', async () => {
  const limited = await deploy('slow-download', 'fault-limit-bandwidth.4');
  const answer = await wireCall(limited.chatUri, limited.key, {
    messages: [{ role: 'user', content: 'x' }],
    max_tokens: 30,
    ignore_eos: true,
    stream: true,
  });
  const [plain] = await Promise.all([answer]);
  expect(plain.text.match(/"content":" ?\w+"/g)).toHaveLength(30);
  expect(plain.text.endsWith('data: [DONE]\n\n')).toBe(true);
  const expectedMs = (answer.bytes.length / 4000 - 1) * 1000;
  expect(expectedMs).toBeGreaterThan(500);
  expect(Number(answer.trailers['ms-azureml-bandwidth-response-delay-ms'])).toBeGreaterThan(0);
  expect(answer.arrivedAtMs.at(-1)).toBeGreaterThan(900 + expectedMs);
});

test('within the bandwidth there are no trailers', async () => {
  const plain = await deploy('wide-enough', '');
  const answer = await wireCall(plain.scoringUri, plain.key, scorePayload('x', { max_tokens: 1 }));
  expect(answer.status).toBe(200);
  expect(answer.trailers).toEqual({});
  expect(answer.headers).toHaveProperty('content-length');
});

test('a rate holds one second, fills evenly, and may go into debt', () => {
  const rate = new Rate(10);
  for (let taken = 0; taken < 10; taken += 1) expect(rate.tryTake(1, 0)).toBe(true);
  expect(rate.tryTake(1, 0)).toBe(false);
  expect(rate.tryTake(1, 99)).toBe(false);
  expect(rate.tryTake(1, 100)).toBe(true);
  expect(rate.take(5, 100)).toBe(500);
  expect(rate.take(5, 100)).toBe(1000);
  expect(rate.take(5, 10_000)).toBe(0);
  expect(rate.tryTake(6, 10_000)).toBe(false);
});
