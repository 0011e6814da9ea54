/** What a sample tells beyond times and tokens, through the real request engine. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { parsePayloadTemplate } from '../../src/core/requests/payload.ts';
import { probeRoute, sendOnce } from '../../src/load/probe.ts';
import {
  answerJson,
  answerStream,
  beginStream,
  done,
  event,
  finish,
  goodStream,
  role,
  scoreAnswer,
  targetOrder,
  usage,
} from './fake-endpoint.ts';
import { openFake } from './open-fake.ts';

test('an ordinary answer has no flags, no limits, no delay, and begins with its own first token', async () => {
  const fake = await openFake((_, response) => answerStream(response, goodStream(8)));
  const sample = await sendOnce(targetOrder(fake.origin), 8, 'a prompt', 0);
  expect(sample).toMatchObject({
    unit: 'token',
    outputUnits: 8,
    cachedPromptTokens: null,
    flags: [],
    rateLimit: {},
    bandwidthDelayMs: null,
    ttftAnswerMs: sample.ttftMs,
  });
});

test('the first token of the answer comes after the reasoning, by the server’s own clock', async () => {
  let answerMs = 0;
  const fake = await openFake(async (received, response) => {
    beginStream(response);
    for (let index = 0; index < 5; index += 1) {
      response.write(event({ reasoning: ` thought${index}` }));
      await delay(20);
    }
    answerMs = performance.now() - received.atMs;
    response.end(event({ content: ' word' }) + finish + usage(6) + done);
  });
  const sample = await sendOnce(targetOrder(fake.origin), 8, 'a prompt', 0);
  expect(sample.ttftAnswerMs).toBeGreaterThanOrEqual(answerMs);
  expect(sample.ttftMs).toBeLessThan(answerMs);
  const thinking = await openFake((_, response) =>
    answerStream(response, role + event({ reasoning: ' thought' }) + finish + usage(1) + done),
  );
  expect(await sendOnce(targetOrder(thinking.origin), 8, 'a prompt', 0)).toMatchObject({
    failure: null,
    ttftAnswerMs: null,
  });
});

test('rate limits, cached tokens and delays for bandwidth are kept, of failures too', async () => {
  const fake = await openFake(({ index }, response) => {
    response.writeHead(index === 0 ? 200 : 429, {
      'content-type': 'application/json',
      'x-ratelimit-remaining-tokens': '9000',
      trailer: 'ms-azureml-bandwidth-response-delay-ms',
    });
    const answer = JSON.parse(scoreAnswer(8)) as { usage: object };
    answer.usage = { ...answer.usage, prompt_tokens_details: { cached_tokens: 32 } };
    response.write(JSON.stringify(answer));
    response.addTrailers({ 'ms-azureml-bandwidth-response-delay-ms': '125' });
    response.end();
  });
  const order = targetOrder(fake.origin, {
    route: { api: 'score', url: `${fake.origin}/score`, stream: false },
  });
  const told = { rateLimit: { 'remaining-tokens': '9000' }, bandwidthDelayMs: 125 };
  expect(await sendOnce(order, 8, 'p', 0)).toMatchObject({ failure: null, cachedPromptTokens: 32, ...told });
  expect(await sendOnce(order, 8, 'p', 1)).toMatchObject({
    failure: 'throttle-rate',
    outputUnits: 0,
    ...told,
  });
});

test('bytes are those of the wire: the request as it was written, the answer with its head and its framing', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
  const body = scoreAnswer(8);
  const answer = `${head}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  let arrivedBytes = 0;
  server.on('connection', (socket) => {
    socket.on('data', (bytes) => {
      arrivedBytes += bytes.length;
      if (bytes.toString().endsWith('}')) socket.write(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const route = { api: 'score', url: `${origin}/score`, stream: false } as const;
    const sample = await sendOnce(targetOrder(origin, { route }), 8, 'a prompt', 0);
    expect(sample).toMatchObject({ failure: null, sentBytes: arrivedBytes, receivedBytes: answer.length });
    expect(arrivedBytes).toBeGreaterThan(100);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
  // Nobody listens there any more, so nothing went over any wire.
  expect(await sendOnce(targetOrder(origin), 8, 'a prompt', 1)).toMatchObject({
    failure: 'connect',
    sentBytes: 0,
    receivedBytes: 0,
  });
});

test('an echo is flagged and not counted; nothing but an echo is a failure', async () => {
  const fake = await openFake(({ index, body }, response) => {
    const [prompt = ''] = (JSON.parse(body) as { input_data: string[] }).input_data;
    answerJson(response, JSON.stringify([index === 0 ? `${prompt} ${'word '.repeat(8)}` : prompt]));
  });
  const order = targetOrder(fake.origin, {
    route: { api: 'score-text', url: `${fake.origin}/score`, stream: false },
  });
  const prompt = '0-abc: Every quiet river followed another garden.';
  expect(await sendOnce(order, 8, prompt, 0)).toMatchObject({
    failure: null,
    flags: ['echo'],
    tokenSource: 'estimate',
    outputTokens: 10,
  });
  expect(await sendOnce(order, 8, prompt, 1)).toMatchObject({ failure: 'echo-only', outputTokens: 0 });
});

test('a model that makes no tokens is counted in its own unit', async () => {
  const fake = await openFake((_, response) => answerJson(response, '[{"text":" hello"}]'));
  const order = targetOrder(fake.origin, {
    route: { api: 'whisper', url: `${fake.origin}/score`, stream: false },
  });
  expect(await sendOnce(order, 8, 'p', 0)).toMatchObject({
    failure: null,
    unit: 'audio-second',
    outputUnits: 5,
    outputTokens: 0,
    tokenSource: 'units',
  });
});

test('a template of the user’s own is probed and measured like any family', async () => {
  const parsed = parsePayloadTemplate({
    path: '/predict',
    body: { inputs: '{{prompt}}', n: '{{outputTokens}}' },
    answer: { text: [['generated']] },
    usage: { outputTokens: [['made']], promptTokens: [['read']] },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const fake = await openFake(({ body }, response) => {
    const { inputs } = JSON.parse(body) as { inputs: string };
    answerJson(
      response,
      JSON.stringify({ generated: ' word', made: 8, read: Math.round(inputs.length / 5) }),
    );
  });
  const result = await probeRoute({
    scoringUri: `${fake.origin}/score`,
    authorization: null,
    headers: {},
    api: 'raw',
    template: parsed.value,
    outputTokens: 8,
    requestTimeoutMs: 5_000,
    requestIdPrefix: 'x',
    seed: 1,
  });
  expect(result).toMatchObject({
    ok: true,
    route: { api: 'raw', url: `${fake.origin}/predict`, stream: false },
  });
  if (result.ok) expect(result.charactersPerToken).toBeCloseTo(5, 0);
  expect(JSON.parse(fake.received[0]?.body ?? '')).toMatchObject({ n: 8 });
});
