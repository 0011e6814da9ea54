import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { RequestFailure } from '../../src/core/failure.ts';
import type { Sample } from '../../src/core/measuring/sample.ts';
import { sendOnce } from '../../src/load/probe.ts';
import type { TargetOrder } from '../../src/load/request.ts';
import {
  type Answerer,
  answerJson,
  answerStream,
  beginStream,
  done,
  event,
  type FakeEndpoint,
  finish,
  goodStream,
  role,
  SECRET,
  scoreAnswer,
  scoreRoute,
  targetOrder,
  tokens,
  trickle,
  usage,
} from './fake-endpoint.ts';
import { openFake } from './open-fake.ts';

async function askOnce(
  answer: Answerer,
  change: Partial<TargetOrder> = {},
): Promise<{ sample: Sample; fake: FakeEndpoint }> {
  const fake = await openFake(answer);
  const sample = await sendOnce(targetOrder(fake.origin, change), 8, 'a prompt', 0);
  expect(JSON.stringify(sample)).not.toContain(SECRET);
  return { sample, fake };
}

const good = {
  failure: null,
  failureDetail: null,
  outputTokens: 8,
  promptTokens: 40,
  tokenSource: 'usage',
  status: 200,
};

const framings: readonly (readonly [string, Answerer])[] = [
  ['in one piece', (_, response) => answerStream(response, goodStream(8))],
  ['with CRLF', (_, response) => answerStream(response, goodStream(8).replaceAll('\n', '\r\n'))],
  ['with a BOM and comments', (_, response) => answerStream(response, `\uFEFF: ping\n\n${goodStream(8)}`)],
  ['without its last blank line', (_, response) => answerStream(response, goodStream(8).trimEnd())],
  ['without [DONE]', (_, response) => answerStream(response, goodStream(8).replace(done, ''))],
  ['without a finish reason', (_, response) => answerStream(response, goodStream(8).replace(finish, ''))],
  [
    'byte by byte, with empty deltas between',
    async (_, response) => {
      beginStream(response);
      await trickle(response, tokens(8).join(event({ content: '' })) + usage(8) + done);
      response.end();
    },
  ],
  [
    'and then cut after [DONE]',
    (_, response) => {
      beginStream(response);
      response.write(goodStream(8), () => response.destroy());
    },
  ],
];

for (const [name, answer] of framings) {
  test(`a stream that comes ${name} is a success with every content event`, async () => {
    const { sample } = await askOnce(answer);
    expect(sample).toMatchObject(good);
    expect(sample.gapsMs).toHaveLength(7);
  });
}

test('TTFT is the first content and E2E the last, by the server’s own clock; role, usage and the end do not count', async () => {
  const wrote: Record<string, number> = {};
  const { sample } = await askOnce(async (received, response) => {
    const mark = (name: string) => {
      wrote[name] = performance.now() - received.atMs;
    };
    beginStream(response);
    response.write(role);
    await delay(60);
    mark('first');
    response.write(event({ content: 'a' }));
    await delay(60);
    mark('last');
    response.write(event({ content: 'b' }));
    await delay(60);
    mark('end');
    response.end(finish + usage(2) + done);
  });
  const { first = 0, last = 0, end = 0 } = wrote;
  expect(sample.ttftMs).toBeGreaterThanOrEqual(first);
  expect(sample.ttftMs).toBeLessThan((first + last) / 2 + 10);
  expect(sample.e2eMs).toBeGreaterThanOrEqual(last);
  expect(sample.e2eMs).toBeLessThan(end);
  expect(sample.gapsMs).toHaveLength(1);
  expect((sample.ttftMs ?? 0) + (sample.gapsMs[0] ?? 0)).toBeCloseTo(sample.e2eMs, 6);
});

test('several events in one read have gaps of zero between them', async () => {
  const { sample } = await askOnce((_, response) => answerStream(response, goodStream(8)));
  expect(sample.gapsMs.filter((gap) => gap === 0).length).toBeGreaterThanOrEqual(6);
});

test('an answer of /score has no TTFT, and E2E is the complete body', async () => {
  let wroteMs = 0;
  const fake = await openFake(async (received, response) => {
    const text = scoreAnswer(8);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
    response.write(text.slice(0, 10));
    await delay(50);
    wroteMs = performance.now() - received.atMs;
    response.end(text.slice(10));
  });
  const sample = await sendOnce(
    targetOrder(fake.origin, { route: scoreRoute(fake.origin) }),
    8,
    'a "prompt"',
    3,
  );
  expect(sample).toMatchObject({
    ...good,
    ttftMs: null,
    ttftReason: 'not-streamed',
    gapsMs: [],
    requestId: 'test-3',
  });
  expect(sample.e2eMs).toBeGreaterThanOrEqual(wroteMs);
  expect(JSON.parse(fake.received[0]?.body ?? '')).toEqual({
    input_data: {
      input_string: [{ role: 'user', content: 'a "prompt"' }],
      parameters: {
        max_new_tokens: 8,
        max_tokens: 8,
        min_tokens: 8,
        ignore_eos: true,
        temperature: 0,
        do_sample: false,
      },
    },
  });
});

test('a chat request asks for exactly the wanted tokens, streamed with usage, under the key and its own id', async () => {
  const headers = { 'azureml-model-deployment': 'blue' };
  const { fake } = await askOnce((_, response) => answerStream(response, goodStream(8)), { headers });
  const [received] = fake.received;
  expect(received?.path).toBe('/v1/chat/completions');
  expect(JSON.parse(received?.body ?? '')).toEqual({
    messages: [{ role: 'user', content: 'a prompt' }],
    max_tokens: 8,
    min_tokens: 8,
    ignore_eos: true,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  expect(received?.headers).toMatchObject({
    authorization: `Bearer ${SECRET}`,
    'azureml-model-deployment': 'blue',
    'accept-encoding': 'identity',
    'content-type': 'application/json',
    'x-ms-client-request-id': 'test-0',
  });
});

test('a long id prefix gives way to the index within the 40 characters that Azure ML keeps', async () => {
  const { sample, fake } = await askOnce((_, response) => answerStream(response, goodStream(8)), {
    requestIdPrefix: 'p'.repeat(60),
  });
  expect(sample.requestId).toBe(`${'p'.repeat(38)}-0`);
  expect(fake.received[0]?.headers['x-ms-client-request-id']).toBe(sample.requestId);
});

test('a stream that was asked for and comes as one JSON answer is a success without TTFT', async () => {
  const body = {
    choices: [{ message: { content: 'text' }, finish_reason: 'length' }],
    usage: { prompt_tokens: 40, completion_tokens: 8 },
  };
  const { sample } = await askOnce((_, response) => answerJson(response, JSON.stringify(body)));
  expect(sample).toMatchObject({ ...good, ttftMs: null, ttftReason: 'not-streamed' });
});

test('without usage the output is estimated from the text, and says so', async () => {
  const { sample } = await askOnce((_, response) => answerStream(response, tokens(8).join('') + done));
  // " word0" to " word7": 48 characters at four a token.
  expect(sample).toMatchObject({
    failure: null,
    outputTokens: 12,
    tokenSource: 'estimate',
    promptTokens: null,
  });
});

const faults: readonly (readonly [string, RequestFailure, Answerer])[] = [
  [
    'a reset before any byte',
    'reset',
    (_, response) => {
      response.socket?.resetAndDestroy();
    },
  ],
  [
    'a reset after five tokens',
    'reset',
    (_, response) => {
      beginStream(response);
      response.write(tokens(5).join(''), () => setTimeout(() => response.socket?.resetAndDestroy(), 20));
    },
  ],
  [
    'a connection closed after five tokens',
    'reset',
    (_, response) => {
      beginStream(response);
      response.write(tokens(5).join(''), () => setTimeout(() => response.destroy(), 20));
    },
  ],
  [
    'a body shorter than it says',
    'reset',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
      response.write('{"output"', () => setTimeout(() => response.destroy(), 20));
    },
  ],
  [
    'a stream that ends without an end',
    'truncated-stream',
    (_, response) => answerStream(response, tokens(5).join('')),
  ],
  [
    'a stream of nothing but its frame',
    'empty-output',
    (_, response) => answerStream(response, role + finish + done),
  ],
  ['an empty body', 'empty-output', (_, response) => answerJson(response, '')],
  ['204', 'empty-output', (_, response) => answerJson(response, '', 204)],
  ['a redirect', 'redirect', (_, response) => answerJson(response, '', 307, { location: '/elsewhere' })],
  [
    'an error in the stream',
    'masked-error',
    (_, response) =>
      answerStream(response, `${tokens(3).join('')}data: {"error":{"message":"boom"}}\n\n${done}`),
  ],
  [
    'an error in the stream, which is then cut',
    'masked-error',
    (_, response) => {
      beginStream(response);
      response.write('data: {"error":{"message":"boom"}}\n\n', () =>
        setTimeout(() => response.destroy(), 20),
      );
    },
  ],
  [
    '424 with an inner status',
    'bad-request',
    (_, response) => answerJson(response, '', 424, { 'ms-azureml-model-error-statuscode': '400' }),
  ],
  ['a page in place of JSON', 'malformed-answer', (_, response) => answerJson(response, '<html>')],
  [
    'a refusal that echoes the key',
    'auth',
    (received, response) =>
      answerJson(response, JSON.stringify({ error: `no such key: ${received.headers.authorization}` }), 401),
  ],
  [
    'a compressed answer though identity was asked for',
    'malformed-answer',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      response.end(gzipSync(goodStream(8)));
    },
  ],
];

for (const [name, failure, answer] of faults) {
  test(`${name} is ${failure}: no tokens, no TTFT`, async () => {
    const { sample, fake } = await askOnce(answer);
    expect(sample).toMatchObject({
      failure,
      outputTokens: 0,
      ttftMs: null,
      ttftReason: 'no-output',
      gapsMs: [],
    });
    expect(sample.failureDetail).not.toBe('');
    expect(fake.received).toHaveLength(1);
  });
}

test('a stall after some tokens is a client timeout over the whole exchange', async () => {
  const answer: Answerer = async (_, response) => {
    beginStream(response);
    for (let tick = 0; tick < 40 && !response.destroyed; tick += 1) {
      response.write(': still there\n\n');
      await delay(25);
    }
  };
  const { sample } = await askOnce(answer, { requestTimeoutMs: 150 });
  expect(sample).toMatchObject({ failure: 'client-timeout', status: 200, ttftMs: null });
  expect(sample.e2eMs).toBeGreaterThanOrEqual(140);
});

test('a never-ending answer is cut at 32 MB and not kept', async () => {
  const block = `data: ${'x'.repeat(1024 * 1024)}`;
  const answer: Answerer = async (_, response) => {
    beginStream(response);
    for (let block64 = 0; block64 < 64 && !response.destroyed; block64 += 1) {
      await new Promise((resolve) => response.write(block, resolve));
    }
  };
  const { sample } = await askOnce(answer);
  expect(sample.failure).toBe('oversized');
});

test('a closed port is a failure to connect, another protocol one of TLS, no such name one of DNS', async () => {
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
  const closed = await sendOnce(targetOrder(`http://127.0.0.1:${port}`), 8, 'a prompt', 0);
  expect(closed).toMatchObject({ failure: 'connect', status: null });
  const fake = await openFake(() => {});
  const plain = await sendOnce(targetOrder(fake.origin.replace('http:', 'https:')), 8, 'a prompt', 0);
  expect(plain).toMatchObject({ failure: 'tls', status: null });
  const nowhere = await sendOnce(targetOrder('http://no-such-host.invalid'), 8, 'a prompt', 0);
  expect(nowhere).toMatchObject({ failure: 'dns', status: null });
});
