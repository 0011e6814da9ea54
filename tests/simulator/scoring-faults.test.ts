/** Each fault of a scoring call as its client sees it on the wire. */
import { Agent } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Deployed, openWorkspace, phi4With, scorePayload, type WorkspaceOfTest } from './a-workspace.ts';
import { bytesOfCall, dataOf, type WireAnswer, wireCall } from './raw-call.ts';

const TOKENS = 12;
const PROMPT = 'Tell me of the sea';

let workspace: WorkspaceOfTest;
let deployed: Deployed;
/** With time for an answer that is large. */
let patient: Deployed;
beforeAll(async () => {
  workspace = await openWorkspace({ gpuSpeed: 100 });
  deployed = await workspace.deploy('faults', { maxConcurrent: 8, requestTimeout: 'PT0.6S' });
  patient = await workspace.deploy('patient');
});
afterEach(() => workspace.rule());
afterAll(() => workspace.close());

const length = { max_tokens: TOKENS, ignore_eos: true };
const fail = (fault: string, nth?: string) =>
  workspace.rule({ operation: 'score', fault: `score-${fault}`, nth });
const chat = { messages: [{ role: 'user', content: PROMPT }], ...length, stream: true };
const askStream = (options = {}, { chatUri, key } = deployed): Promise<WireAnswer> =>
  wireCall(chatUri, key, { ...chat, stream_options: { include_usage: true } }, options);
const askScore = (options = {}, { scoringUri, key } = deployed): Promise<WireAnswer> =>
  wireCall(scoringUri, key, scorePayload(PROMPT, length), options);
const wordsOf = (text: string) => text.match(/"content":" ?\w+"/g)?.length ?? 0;

test.each([
  ['401', 401, {}],
  ['403', 403, {}],
  ['404', 404, {}],
  ['413', 413, {}],
  ['429', 429, { 'ms-azureml-model-error-reason': 'too_many_pending_request' }],
  ['429-after-7', 429, { 'retry-after': '7' }],
  ['429-rate', 429, {}],
  ['500', 500, {}],
  ['502', 502, { 'content-type': 'text/html' }],
  ['503', 503, { 'content-type': 'text/plain' }],
  ['504', 504, { 'content-type': 'text/plain' }],
])('the front door answers %s', async (fault, status, headers) => {
  await fail(fault);
  for (const answer of [await askStream(), await askScore()]) {
    expect(answer).toMatchObject({ status, complete: true, error: null });
    expect(answer.headers).toMatchObject(headers);
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test('a 429 may say when to come again as a date, or not at all, and a quota tells its limits', async () => {
  await fail('429-date-30');
  const { headers } = await askScore();
  const inMs = Date.parse(headers['retry-after'] ?? '') - Date.now();
  expect(inMs).toBeGreaterThan(5_000);
  expect(inMs).toBeLessThanOrEqual(30_000);
  await fail('429');
  expect((await askScore()).headers['retry-after']).toBeUndefined();
  await fail('429-tokens-9');
  const quota = await askScore();
  expect(quota.headers).toMatchObject({
    'retry-after': '9',
    'retry-after-ms': '9000',
    'x-ratelimit-limit-tokens': '30000',
    'x-ratelimit-remaining-tokens': '0',
  });
  expect(quota.text).toMatch(/token rate limit/);
});

test.each([
  ['400', 'BadRequestError'],
  ['404', 'NotFoundError'],
  ['408', 'BadRequestError'],
  ['422', 'BadRequestError'],
  ['429', 'BadRequestError'],
  ['500', 'InternalServerError'],
  ['503', 'InternalServerError'],
  ['504', 'InternalServerError'],
])(
  'a container that answers %s reaches the client as 424 with that status in a header',
  async (inner, type) => {
    await fail(`424-${inner}`);
    for (const answer of [await askStream(), await askScore()]) {
      expect(answer.status).toBe(424);
      expect(answer.headers).toMatchObject({
        'ms-azureml-model-error-statuscode': inner,
        'ms-azureml-model-error-reason': 'model_error',
      });
      expect(JSON.parse(answer.text)).toMatchObject({ object: 'error', type, code: Number(inner) });
    }
  },
);

test('a proxy without its engine is a 424 in its own words, a crashed container one without a status', async () => {
  await fail('424-502');
  const proxy = await askScore();
  expect(proxy.headers['ms-azureml-model-error-statuscode']).toBe('502');
  expect(JSON.parse(proxy.text)).toEqual({ error: 'Downstream unavailable' });
  await fail('424');
  const crashed = await askScore();
  expect(crashed).toMatchObject({ status: 424, text: '' });
  expect(crashed.headers['ms-azureml-model-error-reason']).toBe('model_not_ready');
  expect(crashed.headers).not.toHaveProperty('ms-azureml-model-error-statuscode');
});

test('a prompt that is too long and one that is filtered are told as the engine and the filter do', async () => {
  await fail('context');
  expect((await askScore()).text).toMatch(/maximum context length is 16384 tokens/);
  await fail('filter');
  const filtered = await askScore();
  expect(filtered.headers['ms-azureml-model-error-statuscode']).toBe('400');
  expect(filtered.text).toMatch(/content management policy/);
});

test('an error may come under a good status, as the public image has it', async () => {
  await fail('masked');
  const masked = await askScore();
  expect(masked.status).toBe(200);
  expect(JSON.parse(masked.text)).toMatchObject({ output: null, error: { status_code: 500 } });
  const stream = await askStream();
  expect(stream.status).toBe(200);
  expect(dataOf(stream.text).map((data) => data.slice(0, 9))).toEqual(['{"error":', '[DONE]']);
  await fail('masked-empty');
  expect(await askScore()).toMatchObject({ status: 200, text: '{}' });
});

test('a stream may break off with an error after some tokens, plainly or as a named event', async () => {
  await fail('error-5');
  const plain = await askStream();
  expect(wordsOf(plain.text)).toBe(5);
  expect(JSON.parse(dataOf(plain.text).at(-2) ?? '')).toMatchObject({ error: { code: 500 } });
  expect(dataOf(plain.text).at(-1)).toBe('[DONE]');
  await fail('error-event-5');
  const named = await askStream();
  expect(wordsOf(named.text)).toBe(5);
  expect(named.text).toMatch(/\n\nevent: error\ndata: EngineDeadError[^\n]*\n\n$/);
  const whole = JSON.parse((await askScore()).text);
  expect(whole.error).toMatch(/EngineDeadError/);
});

test('an answer may end for the reason "error", with all of its tokens before', async () => {
  await fail('finish-error');
  const stream = await askStream();
  expect(wordsOf(stream.text)).toBe(TOKENS);
  expect(JSON.parse(dataOf(stream.text).at(-2) ?? '')).toMatchObject({
    choices: [{ finish_reason: 'error' }],
    error: expect.stringContaining('EngineDeadError'),
  });
  expect(JSON.parse((await askScore()).text)).toMatchObject({
    finish_reason: 'error',
    error: expect.stringContaining('EngineDeadError'),
  });
});

test('an answer may be empty, and good for all that', async () => {
  await fail('empty');
  expect(JSON.parse((await askScore()).text)).toMatchObject({ output: '', finish_reason: 'stop' });
  const stream = await askStream();
  expect(wordsOf(stream.text)).toBe(0);
  expect(stream.text).toContain('"finish_reason":"stop"');
  expect(stream.text).toContain('"completion_tokens":1');
});

test('an answer may repeat the prompt', async () => {
  await fail('echo');
  expect(JSON.parse((await askScore()).text).output.startsWith(`${PROMPT} `)).toBe(true);
  expect((await askStream()).text).toContain(`"content":"${PROMPT} `);
});

test('a connection may be reset before the answer and in its middle', async () => {
  await fail('reset');
  expect(await askScore()).toMatchObject({ status: null, error: 'ECONNRESET' });
  await fail('reset-5');
  const stream = await askStream();
  expect(stream).toMatchObject({ status: 200, complete: false, error: 'ECONNRESET' });
  expect(wordsOf(stream.text)).toBe(5);
});

test('a stream may end without its mark, and a whole answer in its middle', async () => {
  await fail('truncated-5');
  const stream = await askStream();
  expect(stream).toMatchObject({ status: 200, complete: true });
  expect(wordsOf(stream.text)).toBe(5);
  expect(stream.text).not.toContain('[DONE]');
  const whole = await askScore();
  expect(whole).toMatchObject({ status: 200, complete: true });
  expect(() => JSON.parse(whole.text)).toThrow();
});

test('a stream may stall until the timeout of the deployment cuts it', async () => {
  await fail('stall-5');
  const stream = await askStream();
  expect(stream).toMatchObject({ status: 200, complete: false });
  expect(wordsOf(stream.text)).toBe(5);
  expect(await askScore()).toMatchObject({ status: 408, complete: true });
});

test('a call may never be answered, and gets 408 at its timeout', async () => {
  await fail('408');
  for (const answer of [await askStream(), await askScore()])
    expect(answer).toMatchObject({ status: 408, complete: true });
});

test('an answer may go on until the timeout, and its place is free again after that', async () => {
  await fail('endless');
  for (const answer of [await askStream(), await askScore()]) {
    expect(answer).toMatchObject({ status: 200, complete: false });
    expect(answer.bytes.length).toBeGreaterThan(30);
  }
  await workspace.rule();
  expect((await askStream()).text).toContain('[DONE]');
});

test.each(['huge-20', 'bomb-20'])('an answer may have too many bytes: %s', async (fault) => {
  await fail(fault);
  for (const isStream of [true, false]) {
    const answer = await (isStream ? askStream : askScore)({ maxBytes: 1e9 }, patient);
    expect([answer.status, answer.complete, answer.error]).toEqual([200, true, null]);
    const isBomb = fault.startsWith('bomb');
    expect(answer.headers['content-encoding']).toBe(isBomb ? 'gzip' : undefined);
    if (isBomb) expect(answer.bytes.length).toBeLessThan(100_000);
    const body = isBomb ? gunzipSync(answer.bytes) : answer.bytes;
    expect(body.length).toBeGreaterThan(20e6);
  }
});

test('without a number a huge answer has a thousand MB, and a client that leaves ends it', async () => {
  await fail('huge');
  const answer = await askScore({ maxBytes: 30e6 }, patient);
  expect(answer.bytes.length).toBeGreaterThan(30e6 - 1);
  await workspace.rule();
  expect((await askScore({}, patient)).status).toBe(200);
});

test('a text may hold bytes that are not UTF-8', async () => {
  await fail('utf8');
  for (const answer of [await askStream(), await askScore()]) {
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(answer.bytes)).toThrow();
  }
  expect((await askStream()).text).toContain('[DONE]');
});

test('a content-length may promise more than comes, or less', async () => {
  await fail('length-more');
  for (const answer of [await askStream(), await askScore()]) {
    expect(answer).toMatchObject({ status: 200, complete: false, error: 'ECONNRESET' });
    expect(Number(answer.headers['content-length'])).toBe(answer.bytes.length + 40);
  }
  await fail('length-less');
  const bytes = await bytesOfCall(deployed.scoringUri, deployed.key, scorePayload(PROMPT, length));
  const [head = '', body = ''] = bytes.split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  expect(JSON.parse(body)).toHaveProperty('output');
  expect(/content-length: (\d+)/.exec(head)?.[1]).toBe(String(body.length - 40));
});

test('an answer may come byte by byte, and is the same', async () => {
  const good = await askScore();
  await fail('dribble');
  const dribbled = await askScore();
  expect(JSON.parse(dribbled.text).output).toBe(JSON.parse(good.text).output);
  expect(dribbled.arrivedAtMs.length).toBeGreaterThan(good.arrivedAtMs.length + 20);
  expect(dataOf((await askStream()).text).at(-1)).toBe('[DONE]');
});

test('a redirect may point at the metadata address', async () => {
  await fail('redirect');
  const answer = await askScore();
  expect(answer.status).toBe(307);
  expect(answer.headers.location).toMatch(/^http:\/\/169\.254\.169\.254\/metadata\//);
});

test('a fault that does not exist is told, not passed over', async () => {
  await fail('429-sometimes');
  const answer = await askScore();
  expect(answer.status).toBe(400);
  expect(answer.text).toMatch(/fault-score-429-sometimes is no fault/);
});

test('a number after a dot lets a fault hit each so-manieth call, from a name or a variable', async () => {
  const agent = new Agent({ keepAlive: true });
  const settings = [
    { model: phi4With('score-503.3') },
    { environment: { SIMULATOR_FAULTS: 'fault-score-503.3' } },
  ];
  for (const [index, setting] of settings.entries()) {
    const { scoringUri, key } = await workspace.deploy(`each-third-${index}`, setting);
    const statuses: (number | null)[] = [];
    for (let call = 0; call < 7; call += 1) {
      statuses.push(
        (await wireCall(scoringUri, key, scorePayload('x', { max_tokens: 1 }), { agent })).status,
      );
    }
    expect(statuses).toEqual([200, 200, 503, 200, 200, 503, 200]);
  }
  agent.destroy();
});

test('a deployment may mask what its container refuses', async () => {
  const { scoringUri, chatUri, key } = await workspace.deploy('masks', { model: phi4With('masked-errors') });
  expect(await wireCall(scoringUri, key, {})).toMatchObject({ status: 200, text: '{}' });
  const tooLong = await wireCall(scoringUri, key, scorePayload('x', { max_tokens: 20_000 }));
  expect(tooLong.status).toBe(200);
  expect(JSON.parse(tooLong.text)).toMatchObject({ output: null, error: { status_code: 400 } });
  expect((await wireCall(chatUri, key, {})).status).toBe(424);
});

test('what fails leaves its place: after every fault as many calls run as before', async () => {
  for (const fault of ['reset-3', 'error-3', 'truncated-3', '424-500', 'length-less', 'stall-3']) {
    await fail(fault);
    await Promise.all(Array.from({ length: 16 }, () => askStream()));
  }
  await workspace.rule();
  const answers = await Promise.all(Array.from({ length: 16 }, () => askStream()));
  expect(answers.map(({ status }) => status)).toEqual(new Array(16).fill(200));
});
