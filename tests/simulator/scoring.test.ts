import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseOutputTokens } from '../../src/simulator/container.ts';
import { speedFactor } from '../../src/simulator/serving.ts';
import { countChatTokens, countTokens } from '../../src/simulator/tokens.ts';
import {
  type Deployed,
  deploymentBody,
  endpointBody,
  openWorkspace,
  post,
  type RawAnswer,
  scorePayload,
  until,
  type WorkspaceOfTest,
  workspacePath,
} from './a-workspace.ts';

let workspace: WorkspaceOfTest;
let shared: Deployed;
beforeAll(async () => {
  workspace = await openWorkspace();
  shared = await workspace.deploy('scoring', { maxConcurrent: 64 });
});
afterAll(() => workspace.close());

const chat = (parameters: Record<string, unknown> = {}) => ({
  messages: [{ role: 'user', content: 'Hello there' }],
  ...parameters,
});

test('/score answers with text, usage and a finish reason, and never streams', async () => {
  const answer = await post(
    shared.scoringUri,
    shared.key,
    scorePayload('Hello there', { max_new_tokens: 12, ignore_eos: true, stream: true }),
  );
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toContain('application/json');
  const { output, message, finish_reason, usage, model, id } = answer.body;
  expect(countTokens(output)).toBe(12);
  expect(message).toEqual({ role: 'assistant', content: output });
  expect(finish_reason).toBe('length');
  expect(usage).toEqual({
    prompt_tokens: countChatTokens(['Hello there']),
    completion_tokens: 12,
    total_tokens: countChatTokens(['Hello there']) + 12,
  });
  expect(model).toBe('Phi-4');
  expect(id).toMatch(/^chatcmpl-/);
});

test.each([
  [
    'a list under input_data',
    { input_data: ['Once upon a time'], params: { max_new_tokens: 4, ignore_eos: true } },
  ],
  [
    'a list under input_string',
    {
      input_data: { input_string: ['Once upon a time'], parameters: { max_new_tokens: 4, ignore_eos: true } },
    },
  ],
])('the older text form, %s, is answered with a list', async (_case, body) => {
  const answer = await post(shared.scoringUri, shared.key, body);
  expect(answer.status).toBe(200);
  expect(answer.body.output).toHaveLength(1);
  expect(countTokens(answer.body.output[0])).toBe(4);
  expect(answer.body.usage.prompt_tokens).toBe(countTokens('Once upon a time'));
});

test('a stream has the role first, a token in each chunk, the finish, the usage and [DONE]', async () => {
  const answer = await post(
    shared.chatUri,
    shared.key,
    chat({ max_tokens: 9, min_tokens: 9, stream: true, stream_options: { include_usage: true } }),
  );
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toContain('text/event-stream');
  const events = (answer.body as string)
    .split('\n\n')
    .filter(Boolean)
    .map((event) => event.replace(/^data: /, ''));
  expect(events.pop()).toBe('[DONE]');
  const chunks = events.map((event) => JSON.parse(event));
  expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '' });
  const contents = chunks.slice(1, 10).map((chunk) => chunk.choices[0].delta.content);
  expect(contents.map(countTokens)).toEqual(new Array(9).fill(1));
  expect(countTokens(contents.join(''))).toBe(9);
  expect(chunks[10].choices[0]).toMatchObject({ delta: {}, finish_reason: 'length' });
  expect(chunks[11]).toMatchObject({ choices: [], usage: { completion_tokens: 9 } });
  expect(chunks).toHaveLength(12);
  expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
});

test('without include_usage the stream has no usage chunk, and without stream the answer is whole', async () => {
  const streamed = await post(
    shared.chatUri,
    shared.key,
    chat({ max_tokens: 2, ignore_eos: true, stream: true }),
  );
  expect(streamed.body).not.toContain('usage');
  const whole = await post(shared.chatUri, shared.key, chat({ max_tokens: 2, ignore_eos: true }));
  expect(whole.body.object).toBe('chat.completion');
  expect(countTokens(whole.body.choices[0].message.content)).toBe(2);
  expect(whole.body.usage.completion_tokens).toBe(2);
});

test('tokens come one after the other, in the rhythm of the GPU', async () => {
  const sentAt = performance.now();
  const { body } = await request(shared.chatUri, {
    method: 'POST',
    headers: { authorization: `Bearer ${shared.key}` },
    body: JSON.stringify(chat({ max_tokens: 200, ignore_eos: true, stream: true })),
  });
  const arrivedAt: number[] = [];
  for await (const _chunk of body) arrivedAt.push(performance.now());
  // 0.9 s and a prefill to the first token, then 199 steps of 22 ms, all at a twentieth. A busy machine makes
  // chunks late and merges them; none may be early.
  expect((arrivedAt[0] ?? 0) - sentAt).toBeGreaterThan(45);
  expect((arrivedAt.at(-1) ?? 0) - sentAt).toBeGreaterThan((900 + 200 * 22) / 20 / 1.07);
  expect(arrivedAt.length).toBeGreaterThan(2);
});

test.each([
  ['the other bearer', 'wrong', 401],
  ['an empty bearer', '', 401],
])('%s is answered with 401', async (_case, key, status) => {
  expect((await post(shared.scoringUri, key, scorePayload('x'))).status).toBe(status);
});

test.each([
  ['no JSON', '/score', '{', '400'],
  ['no input_data', '/score', {}, '422'],
  ['no input_string', '/score', { input_data: {} }, '422'],
  ['no messages', '/v1/chat/completions', {}, '422'],
  ['a message without a role', '/v1/chat/completions', { messages: [{ content: 'x' }] }, '422'],
  [
    'an image',
    '/v1/chat/completions',
    { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
    '400',
  ],
  ['min_tokens above max_tokens', '/v1/chat/completions', chat({ min_tokens: 9, max_tokens: 3 }), '400'],
  ['more than the context', '/v1/chat/completions', chat({ max_tokens: 16_384 }), '400'],
  ['an unknown route', '/v2/other', chat(), '404'],
])('%s is answered with 424 and the container status in a header', async (_case, route, body, inner) => {
  const answer = await post(shared.scoringUri.replace('/score', route), shared.key, body);
  expect(answer.status).toBe(424);
  expect(answer.headers['ms-azureml-model-error-statuscode']).toBe(inner);
  expect(answer.headers['ms-azureml-model-error-reason']).toBeTruthy();
  expect(answer.body.message).toBeTruthy();
});

test('a body above 10 MB is answered with 413', async () => {
  expect((await post(shared.scoringUri, shared.key, scorePayload('x'.repeat(11 * 1024 * 1024)))).status).toBe(
    413,
  );
});

test('each answer has a request id of the server and echoes the client id, cut to 40 characters', async () => {
  const answer = await post(shared.scoringUri, shared.key, '{', {
    'x-ms-client-request-id': 'c'.repeat(50),
    'x-request-id': 'mine',
  });
  expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  expect(answer.headers['x-ms-client-request-id']).toBe('c'.repeat(40));
  expect(answer.headers).toMatchObject({ server: 'foundry-bench-simulator', 'x-simulated': 'true' });
});

test('without traffic only a pinned deployment answers, once it is ready', async () => {
  const endpoint = `${workspacePath}/onlineEndpoints/no-traffic`;
  await workspace.arm('PUT', endpoint, endpointBody());
  await until(
    async () => (await workspace.arm('GET', endpoint)).body.properties.provisioningState === 'Succeeded',
  );
  const { body } = await workspace.arm('POST', `${endpoint}/listKeys`);
  const uri = (await workspace.arm('GET', endpoint)).body.properties.scoringUri;
  const pinned = { 'azureml-model-deployment': 'blue' };
  const ask = (headers?: Record<string, string>) =>
    post(uri, body.secondaryKey, scorePayload('x', { max_tokens: 1 }), headers);

  expect((await ask(pinned)).status).toBe(404);
  await workspace.arm('PUT', `${endpoint}/deployments/blue`, deploymentBody());
  const { status, headers } = await ask(pinned);
  expect(status).toBe(424);
  expect(headers['ms-azureml-model-error-reason']).toBe('model_not_ready');
  expect(headers['ms-azureml-model-error-statuscode']).toBeUndefined();
  await until(async () => (await ask(pinned)).status === 200);
  expect((await ask()).status).toBe(404);
});

test('2 x 2 x 2 requests are taken in, four of them run, and the rest get 429 at once', async () => {
  const door = await workspace.deploy('door', { maxConcurrent: 2, instances: 2 });
  const ask = () => post(door.chatUri, door.key, chat({ max_tokens: 1500, ignore_eos: true }));
  const answers = await Promise.all(Array.from({ length: 20 }, ask));
  expect(count(answers, 200)).toBe(8);
  expect(count(answers, 429)).toBe(12);
  const rejected = answers.find(({ status }) => status === 429);
  expect(rejected?.headers['ms-azureml-model-error-reason']).toBe('too_many_pending_request');
  expect(rejected?.body).toBe('');
  const account = await accountOf('door');
  expect(account).toMatchObject({ requestsAdmitted: 8, requestsRejected: 12, maxInFlight: 8 });

  const { requests } = (await workspace.arm('GET', '/simulator/books/door/requests')).body;
  const served = requests
    .filter((entry: { status: number }) => entry.status === 200)
    .map((entry: { endedAtMs: number }) => entry.endedAtMs);
  // Two rounds of four: the waiting half ends later by about one answer.
  const [firstRound, secondRound] = [served.slice(0, 4), served.slice(4)];
  expect(Math.min(...secondRound) - Math.max(...firstRound)).toBeGreaterThan(
    Math.max(...firstRound) - Math.min(...firstRound),
  );
});

test('a client that goes away frees its place', async () => {
  const door = await workspace.deploy('leaving', { maxConcurrent: 1 });
  const endless = chat({ max_tokens: 15_000, ignore_eos: true });
  const leaving = new AbortController();
  const gone = [1, 2].map(() =>
    request(door.chatUri, {
      method: 'POST',
      headers: { authorization: `Bearer ${door.key}` },
      body: JSON.stringify(endless),
      signal: leaving.signal,
    }).catch(() => 'gone'),
  );
  const quick = () => post(door.chatUri, door.key, chat({ max_tokens: 1 }));
  await until(async () => (await accountOf('leaving')).requestsAdmitted === 2);
  expect((await quick()).status).toBe(429);
  leaving.abort();
  expect(await Promise.all(gone)).toEqual(['gone', 'gone']);
  await until(async () => (await quick()).status === 200);
  const { requests } = (await workspace.arm('GET', '/simulator/books/leaving/requests')).body;
  expect(count(requests, 499)).toBe(2);
});

test('a request that outlasts the timeout of its deployment gets 408, also in the queue', async () => {
  const slow = await workspace.deploy('slow', { maxConcurrent: 1, requestTimeout: 'PT0.5S' });
  const ask = () =>
    post(slow.scoringUri, slow.key, scorePayload('x', { max_tokens: 15_000, ignore_eos: true }));
  const answers = await Promise.all([ask(), ask()]);
  expect(answers.map(({ status }) => status)).toEqual([408, 408]);
});

test('the books show two clients overlapping, by their request ids and connections', async () => {
  const ask = (id: string) =>
    post(shared.chatUri, shared.key, chat({ max_tokens: 700, ignore_eos: true, stream: true }), {
      'x-ms-client-request-id': id,
    });
  await Promise.all([ask('shard-0'), ask('shard-1')]);
  const { requests } = (await workspace.arm('GET', '/simulator/books/scoring/requests')).body;
  const [a, b] = ['shard-0', 'shard-1'].map((id) =>
    requests.find((entry: { clientRequestId: string }) => entry.clientRequestId === id),
  );
  expect(a).toMatchObject({
    route: '/v1/chat/completions',
    status: 200,
    promptTokens: countChatTokens(['Hello there']),
    outputTokens: 700,
  });
  expect(a.startedAtMs).toBeLessThan(b.endedAtMs);
  expect(b.startedAtMs).toBeLessThan(a.endedAtMs);
  expect(a.connectionId).not.toBe(b.connectionId);
});

test('the books tell how late tokens were, and hold no key', async () => {
  await post(shared.chatUri, shared.key, chat({ max_tokens: 20, ignore_eos: true, stream: true }));
  const account = await accountOf('scoring');
  expect(account.lateness.count).toBeGreaterThanOrEqual(20);
  expect(account.lateness.p50Ms).toBeLessThanOrEqual(account.lateness.p99Ms);
  expect(account.lateness.p99Ms).toBeLessThanOrEqual(account.lateness.maxMs);
  expect(JSON.stringify(await workspace.books())).not.toContain(shared.key);
});

test('an answer ends by itself at or below its limit, the same each time, and lengths differ between prompts', () => {
  const prompt = (text: string) =>
    ({ text, ignoreEos: false, minTokens: 0 }) as Parameters<typeof chooseOutputTokens>[0];
  const lengths = Array.from({ length: 200 }, (_, index) =>
    chooseOutputTokens(prompt(`prompt ${index}`), 512, 1),
  );
  expect(Math.max(...lengths)).toBe(512);
  expect(new Set(lengths).size).toBeGreaterThan(100);
  expect(chooseOutputTokens(prompt('prompt 3'), 512, 1)).toBe(lengths[3]);
  expect(chooseOutputTokens({ ...prompt('prompt 3'), ignoreEos: true }, 512, 1)).toBe(512);
  expect(chooseOutputTokens({ ...prompt('prompt 3'), minTokens: 512 }, 512, 1)).toBe(512);
});

test('deployments draw speeds of two percent spread, the same for the same seed', () => {
  const draws = Array.from({ length: 500 }, (_, index) => speedFactor(1, `endpoint-${index}`, 'blue'));
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
  const deviation = Math.sqrt(draws.reduce((sum, draw) => sum + (draw - mean) ** 2, 0) / draws.length);
  expect(mean).toBeCloseTo(1, 2);
  expect(deviation).toBeGreaterThan(0.017);
  expect(deviation).toBeLessThan(0.023);
  expect(speedFactor(1, 'endpoint-7', 'blue')).toBe(draws[7]);
  expect(speedFactor(2, 'endpoint-7', 'blue')).not.toBe(draws[7]);
});

test('many streams at once all arrive whole', async () => {
  const wide = await workspace.deploy('wide', { maxConcurrent: 200 });
  const streams = Array.from({ length: 200 }, () =>
    post(wide.chatUri, wide.key, chat({ max_tokens: 30, ignore_eos: true, stream: true })),
  );
  for (const answer of await Promise.all(streams)) {
    expect((answer.body as string).match(/"content":" ?\w+"/g)).toHaveLength(30);
    expect(answer.body).toContain('[DONE]');
  }
});

async function accountOf(name: string) {
  return (await workspace.books()).endpoints.find((entry: { name: string }) => entry.name === name);
}

function count(answers: readonly Pick<RawAnswer, 'status'>[], status: number): number {
  return answers.filter((answer) => answer.status === status).length;
}
