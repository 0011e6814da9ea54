import { expect, test } from 'vitest';
import { type ProbeOrder, probeRoute } from '../../src/load/probe.ts';
import {
  type Answerer,
  answerJson,
  answerStream,
  goodStream,
  type Received,
  SECRET,
  scoreAnswer,
  tokens,
} from './fake-endpoint.ts';
import { openFake } from './open-fake.ts';

async function probe(answer: Answerer, change: Partial<ProbeOrder> = {}, path = '/score') {
  const fake = await openFake(answer);
  const result = await probeRoute({
    scoringUri: `${fake.origin}${path}`,
    authorization: `Bearer ${SECRET}`,
    headers: {},
    api: 'auto',
    outputTokens: 8,
    requestTimeoutMs: 5_000,
    requestIdPrefix: 'probe',
    seed: 42,
    ...change,
  });
  expect(JSON.stringify(result)).not.toContain(SECRET);
  const asked = fake.received.map((one) => `${one.path}${isStream(one) ? ' stream' : ''}`);
  return { result, asked, origin: fake.origin, fake };
}

function isStream({ body }: Received): boolean {
  return JSON.parse(body).stream === true;
}

/** The prompt tokens of a server with 9 tokens of template and 4.6 characters a token. */
function countTokens({ body }: Received): number {
  const parsed = JSON.parse(body);
  const messages = parsed.messages ?? parsed.input_data.input_string;
  return 9 + Math.round(messages[0].content.length / 4.6);
}

const refuse: Answerer = (_, response) => answerJson(response, '{"detail":"Not Found"}', 404);

test('the streamed chat route wins where it answers, and two prompts of different length calibrate it', async () => {
  const { result, asked, origin } = await probe((received, response) => {
    const usage = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: countTokens(received), completion_tokens: 8 } })}\n\n`;
    answerStream(response, `${tokens(8).join('') + usage}data: [DONE]\n\n`);
  });
  expect(asked).toEqual(Array(2).fill('/v1/chat/completions stream'));
  expect(result).toMatchObject({
    ok: true,
    route: { api: 'openai-chat', url: `${origin}/v1/chat/completions`, stream: true },
    requests: 2,
    calibrated: true,
  });
  if (!result.ok) return;
  expect(result.charactersPerToken).toBeGreaterThan(4.55);
  expect(result.charactersPerToken).toBeLessThan(4.65);
  expect(Math.abs(result.templateTokens - 9)).toBeLessThan(1.5);
  expect(result.samples.map((sample) => sample.failure)).toEqual([null, null]);
});

test('a chat route that refuses streams is asked without one', async () => {
  const { result, asked } = await probe((received, response) => {
    if (isStream(received)) answerJson(response, '{"error":"stream is not supported"}', 400);
    else
      answerJson(
        response,
        JSON.stringify({
          choices: [{ message: { content: 'x' } }],
          usage: { prompt_tokens: countTokens(received), completion_tokens: 8 },
        }),
      );
  });
  // The refusal may be of the forced length too, so the stream is asked for once more without it.
  expect(asked).toEqual([
    '/v1/chat/completions stream',
    '/v1/chat/completions stream',
    '/v1/chat/completions',
    '/v1/chat/completions',
  ]);
  expect(result).toMatchObject({ ok: true, route: { api: 'openai-chat', stream: false }, calibrated: true });
});

test('where there is no chat route, /score is asked', async () => {
  const { result, asked, origin } = await probe((received, response) =>
    received.path === '/score'
      ? answerJson(response, scoreAnswer(8, countTokens(received)))
      : refuse(received, response),
  );
  expect(asked).toEqual(['/v1/chat/completions stream', '/score', '/score']);
  expect(result).toMatchObject({
    ok: true,
    route: { api: 'score', url: `${origin}/score`, stream: false },
    calibrated: true,
  });
});

test('an api that is named is the only one asked', async () => {
  const { asked } = await probe(
    (received, response) => answerJson(response, scoreAnswer(8, countTokens(received))),
    { api: 'score' },
  );
  expect(asked).toEqual(['/score', '/score']);
});

const addresses: readonly (readonly [string, ProbeOrder['api'], string])[] = [
  ['/score', 'openai-chat', '/v1/chat/completions'],
  ['/v1/chat/completions', 'openai-chat', '/v1/chat/completions'],
  ['/v1/chat/completions', 'score', '/score'],
  ['/api/projects/x/score?version=1', 'openai-chat', '/api/projects/x/v1/chat/completions?version=1'],
  ['/', 'score', '/score'],
  ['/custom/path', 'openai-chat', '/custom/path'],
];

for (const [path, api, expected] of addresses) {
  test(`${api} at ${path} is asked at ${expected}`, async () => {
    const { asked } = await probe((_, response) => answerStream(response, goodStream(8)), { api }, path);
    expect(asked[0]?.replace(' stream', '')).toBe(expected);
  });
}

test('without usage, the usual values stand in and say so', async () => {
  const { result } = await probe((_, response) => answerJson(response, '{"output":"text"}'), {
    api: 'score',
  });
  expect(result).toMatchObject({ ok: true, charactersPerToken: 4, templateTokens: 0, calibrated: false });
});

test('a usage that no vocabulary explains is not believed', async () => {
  const { result } = await probe((_, response) => answerJson(response, scoreAnswer(8, 40)), { api: 'score' });
  expect(result).toMatchObject({ ok: true, charactersPerToken: 4, calibrated: false });
});

const moments: readonly (readonly [number, string])[] = [
  [401, 'auth'],
  [429, 'throttle-queue'],
  [503, 'gateway'],
  [408, 'deadline-server'],
];

for (const [status, failure] of moments) {
  test(`${status} says nothing about the route and goes to the caller at once`, async () => {
    const { result, asked } = await probe((_, response) =>
      answerJson(response, '{"error":"not now"}', status),
    );
    expect(asked).toHaveLength(1);
    expect(result).toMatchObject({ ok: false, failure });
    if (!result.ok) expect(result.message).toContain('not now');
  });
}

test('a stall goes to the caller as a timeout', async () => {
  const { result, asked } = await probe(() => {}, { requestTimeoutMs: 100 });
  expect(asked).toHaveLength(1);
  expect(result).toMatchObject({ ok: false, failure: 'client-timeout' });
});

test('where no route answers, the message names each and what it said', async () => {
  const { result, asked } = await probe((received, response) =>
    received.path === '/score' ? answerJson(response, '{}') : refuse(received, response),
  );
  expect(asked).toEqual(['/v1/chat/completions stream', '/score']);
  expect(result).toMatchObject({ ok: false, failure: 'masked-error' });
  if (!result.ok)
    expect(result.message).toMatch(/\/v1\/chat\/completions with a stream: .*Not Found.*\/score: .*\{\}/);
});

test('a server that refuses to be told the length of an answer is asked without it, and the route says so', async () => {
  const { result, asked, fake } = await probe(
    ({ body }, response) => {
      if (/ignore_eos|min_tokens/.test(body))
        answerJson(response, '{"error":{"message":"extra fields"}}', 400);
      else answerJson(response, scoreAnswer(8));
    },
    { api: 'score' },
  );
  expect(result).toMatchObject({ ok: true, route: { api: 'score', freeLength: true } });
  expect(asked).toHaveLength(3);
  expect(fake.received.at(-1)?.body).toContain('"max_new_tokens":8');
});

test('a refusal of something else stays a refusal, after one more try without the length', async () => {
  const { result, asked } = await probe(
    (_, response) => answerJson(response, '{"error":{"message":"no such field: messages"}}', 422),
    { api: 'score' },
  );
  expect(result).toMatchObject({ ok: false, failure: 'bad-request' });
  expect(asked).toHaveLength(2);
});
