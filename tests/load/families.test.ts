/** Payload families and broken streams through the real request engine, against a real server. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RequestFailure } from '../../src/core/failure.ts';
import { DurationHistogram } from '../../src/core/measuring/histogram.ts';
import type { Sample } from '../../src/core/measuring/sample.ts';
import type { ShardSummary } from '../../src/core/measuring/shard.ts';
import { PAYLOAD_FAMILIES, type PayloadFamilyName } from '../../src/core/requests/payload-families.ts';
import { ShardLoop } from '../../src/load/loop.ts';
import { familyUrl, readPath } from '../../src/load/payload-family.ts';
import { sendOnce } from '../../src/load/probe.ts';
import {
  type Answerer,
  answerJson,
  answerStream,
  beginStream,
  done,
  event,
  finish,
  role,
  scoreAnswer,
  scoreRoute,
  shardOrder,
  targetOrder,
  tokens,
  usage,
} from './fake-endpoint.ts';
import { openFake } from './open-fake.ts';

async function ask(
  name: PayloadFamilyName,
  answer: unknown,
  status = 200,
): Promise<{ sample: Sample; body: unknown }> {
  const fake = await openFake((_, response) => answerJson(response, JSON.stringify(answer), status));
  const url = familyUrl(`${fake.origin}/score`, PAYLOAD_FAMILIES[name]);
  // A route of this version names two families; the engine finds any.
  const route = { api: name as 'score', url, stream: false };
  const sample = await sendOnce(targetOrder(fake.origin, { route }), 8, '0-abc: What is this?', 0);
  expect(fake.received[0]?.path).toBe(PAYLOAD_FAMILIES[name].path);
  return { sample, body: JSON.parse(fake.received[0]?.body ?? '') };
}

const chatAnswer = {
  choices: [{ message: { role: 'assistant', content: ' word' }, finish_reason: 'length' }],
};

/** What a server answers when it is well and, with 200, when it is not. */
const answers: Readonly<
  Record<PayloadFamilyName, readonly [good: unknown, bad: unknown, failure: RequestFailure]>
> = {
  'openai-chat': [chatAnswer, { error: { message: 'boom' } }, 'masked-error'],
  'openai-chat-blocking': [chatAnswer, {}, 'masked-error'],
  'azure-inference': [
    chatAnswer,
    { choices: [{ message: {}, finish_reason: 'content_filter' }] },
    'content-filter',
  ],
  score: [{ output: ' word' }, { output: null, error: { status_code: 500, body: 'x' } }, 'masked-error'],
  'score-text': [[' word'], [''], 'empty-output'],
  'score-snowflake': [[{ '0': ' word' }], [{ '0': '' }], 'empty-output'],
  'score-vision': [{ output: ' word' }, { output: '' }, 'empty-output'],
  'score-vision-two-images': [{ output: ' word' }, {}, 'masked-error'],
  swin: [[[{ label: 'tabby', score: 0.9 }]], [[]], 'malformed-answer'],
  whisper: [[{ text: '' }], { error: 'no ffmpeg' }, 'masked-error'],
  'sdxl-refiner': [[{ generated_image: 'iVBORw==' }], [{ generated_image: null }], 'empty-output'],
  triton: [{ outputs: [{ name: 'text_output', data: [' word'] }] }, { outputs: [] }, 'malformed-answer'],
  muse: [{ results: [{ image: 'iVBORw==', actions: [], tokens: [] }] }, { results: [] }, 'malformed-answer'],
};

for (const [name, [good, bad, failure]] of Object.entries(answers)) {
  test(`${name}: a good answer is a success, and a bad one of 200 is not`, async () => {
    expect((await ask(name as PayloadFamilyName, good)).sample).toMatchObject({
      failure: null,
      status: 200,
      ttftMs: null,
      ttftReason: 'not-streamed',
    });
    expect((await ask(name as PayloadFamilyName, bad)).sample).toMatchObject({
      failure,
      status: 200,
      outputTokens: 0,
      ttftMs: null,
    });
  });
}

test('a request of 365 kB with ten frames arrives whole', async () => {
  const { body } = await ask('muse', answers.muse[0]);
  expect(readPath(body, ['input_data', 'context'])).toHaveLength(10);
});

/** The answers that are broken after a good beginning, with what of their words must be in the sample. */
const broken: readonly (readonly [string, string[], words: string])[] = [
  [
    'an error object before any token',
    [role, 'data: {"error":{"message":"engine is dead","code":500}}\n\n', done],
    'engine is dead',
  ],
  [
    'an error object after 8 of 32 tokens and then [DONE]',
    [role, ...tokens(8), 'data: {"error":{"message":"out of blocks"}}\n\n', done],
    'out of blocks',
  ],
  [
    'a named event with a plain text',
    [role, ...tokens(8), 'event: error\ndata: worker went away\n\n'],
    'worker went away',
  ],
  [
    'finish_reason error with an error that is text',
    [role, ...tokens(8), event({}, { finish_reason: 'error', error: 'request was preempted' }), done],
    'request was preempted',
  ],
];

/** A good answer over some time, which says in every event that nothing is wrong. */
const answerWell: Answerer = async (_, response) => {
  const events = [...tokens(32), finish, usage(32), done].map((text) =>
    text.replace('"id"', '"error":null,"id"'),
  );
  beginStream(response);
  for (let from = 0; from < events.length; from += 4) {
    response.write(events.slice(from, from + 4).join(''));
    await delay(8);
  }
  response.end();
};

/** Of twenty requests, those that a server breaks: two of each kind, never two in a row. Null for the others. */
function brokenKind(index: number): number | null {
  const place = [1, 3].indexOf(index % 5);
  return place < 0 ? null : Math.floor((Math.floor(index / 5) * 2 + place) / 2);
}

async function loadOnce(
  answer: Answerer,
  change: Parameters<typeof shardOrder>[1] = {},
): Promise<ShardSummary> {
  const fake = await openFake(answer);
  const order = shardOrder(fake.origin, {
    connections: 1,
    workload: { promptTokens: 64, outputTokens: 32 },
    load: { mode: 'count', requests: 20, maxSeconds: 50 },
    ...change,
    ...(change.route === undefined ? {} : { route: scoreRoute(fake.origin) }),
  });
  const summary = await new ShardLoop(order, () => {}).run();
  expect(fake.received).toHaveLength(20);
  return summary;
}

test('of 20 streams with 8 broken ones, 12 are measured and 8 are failures with the server’s words', async () => {
  const summary = await loadOnce(async (received, response) => {
    const kind = brokenKind(received.index);
    if (kind === null) return answerWell(received, response);
    beginStream(response);
    for (const text of broken[kind]?.[1] ?? []) {
      response.write(text);
      // What is broken is quick and slow by turns: neither may be seen in a time.
      if (received.index % 2 === 1) await delay(10);
    }
    response.end();
  });
  expect(summary).toMatchObject({
    attempted: 20,
    succeeded: 12,
    failures: { 'masked-error': 8 },
    failedStatusCodes: { '200': 8 },
    failureExamples: { 'masked-error': 'engine is dead' },
    whole: { requests: 12, outputTokens: 12 * 32, promptTokens: 12 * 40 },
  });
  for (const key of ['e2e', 'ttft', 'tpot'] as const) {
    expect(DurationHistogram.parse(summary[key]).count).toBe(12);
  }
  expect(DurationHistogram.parse(summary.gaps).count).toBe(12 * 31);
});

test.each(broken)(
  '%s is a masked error in the sample, without tokens or a first token',
  async (_, events, words) => {
    const fake = await openFake((_received, response) => answerStream(response, events.join('')));
    const sample = await sendOnce(targetOrder(fake.origin), 32, 'a prompt', 0);
    expect(sample).toMatchObject({
      failure: 'masked-error',
      failureDetail: words,
      status: 200,
      outputTokens: 0,
      ttftMs: null,
      ttftReason: 'no-output',
      gapsMs: [],
    });
  },
);

test('of 20 answers of /score with 8 masked failures, 12 are measured and 8 are failures', async () => {
  const masked = [
    {},
    { output: null, error: { status_code: 500, body: 'engine is dead' } },
    { output: null, error: 'engine is dead' },
    {
      output: ' word word',
      finish_reason: 'error',
      error: 'engine is dead',
      usage: { completion_tokens: 2 },
    },
  ];
  const summary = await loadOnce(
    ({ index }, response) => {
      const kind = brokenKind(index);
      answerJson(response, kind === null ? scoreAnswer(32) : JSON.stringify(masked[kind]));
    },
    { route: scoreRoute('') },
  );
  expect(summary).toMatchObject({
    attempted: 20,
    succeeded: 12,
    failures: { 'masked-error': 8 },
    whole: { requests: 12, outputTokens: 12 * 32 },
  });
  expect(DurationHistogram.parse(summary.e2e).count).toBe(12);
});

const both = (text: string) => ({ reasoning: text, reasoning_content: text });

/** Forty deltas of a model that reasons, and which of them is the first of the answer. */
const reasoners: readonly (readonly [string, (index: number) => object, firstAnswer: number | null])[] = [
  ['reasoning only', (index) => ({ reasoning: ` thought${index}` }), null],
  ['reasoning_content only', (index) => ({ reasoning_content: ` thought${index}`, content: null }), null],
  [
    '30 deltas of reasoning and 10 of content',
    (index) => (index < 30 ? { reasoning: ` thought${index}` } : { content: ` word${index}` }),
    30,
  ],
  ['empty content beside reasoning', (index) => ({ content: '', reasoning: ` thought${index}` }), null],
  ['both spellings with the same text', (index) => both(` thought${index}`), null],
  ['both spellings with the same text each time', () => both(' hm'), null],
];

test.each(reasoners)('%s: 40 tokens from the first delta to the last', async (_, delta) => {
  const wroteMs: number[] = [];
  const fake = await openFake(async (received, response) => {
    beginStream(response);
    response.write(role);
    for (let index = 0; index < 40; index += 1) {
      await delay(20);
      wroteMs.push(performance.now() - received.atMs);
      response.write(event(delta(index)));
    }
    response.end(finish + usage(40) + done);
  });
  const sample = await sendOnce(targetOrder(fake.origin), 40, 'a prompt', 0);
  expect(sample).toMatchObject({ failure: null, outputTokens: 40, tokenSource: 'usage' });
  expect(sample.gapsMs).toHaveLength(39);
  // By the server's own clock: the first write, and the mean time between two.
  const [firstMs = 0] = wroteMs;
  const lastMs = wroteMs.at(-1) ?? 0;
  const tpotMs = (sample.e2eMs - (sample.ttftMs ?? 0)) / 39;
  const servedMs = (lastMs - firstMs) / 39;
  expect(sample.ttftMs).toBeGreaterThanOrEqual(firstMs);
  expect(sample.ttftMs).toBeLessThan(wroteMs[20] ?? 0);
  expect(tpotMs).toBeGreaterThan(servedMs * 0.7);
  expect(tpotMs).toBeLessThan(servedMs * 1.3);
});

test('an answer of /score that only reasons is output', async () => {
  const answer = {
    output: '',
    message: { role: 'assistant', content: null, reasoning_content: ' thought'.repeat(5) },
    finish_reason: 'length',
    usage: { prompt_tokens: 40, completion_tokens: 8 },
  };
  expect((await ask('score', answer)).sample).toMatchObject({
    failure: null,
    outputTokens: 8,
    tokenSource: 'usage',
  });
});

const refusals: readonly (readonly [
  string,
  number,
  Record<string, string>,
  string,
  RequestFailure,
  words: string,
])[] = [
  ['a full queue', 429, {}, 'Too many pending requests', 'throttle-queue', '429: Too many pending requests'],
  [
    'a rate limit',
    429,
    { 'x-ratelimit-remaining-requests': '0' },
    'Too many requests',
    'throttle-rate',
    '429: Too many requests',
  ],
  ['a timeout of the endpoint', 408, {}, '', 'deadline-server', '408'],
  [
    'a container that failed',
    424,
    { 'ms-azureml-model-error-statuscode': '500', 'ms-azureml-model-error-reason': 'model_error' },
    '{"message":"CUDA out of memory"}',
    'model-error',
    '424: inner 500: model_error: CUDA out of memory',
  ],
  [
    'a container for which the prompt is too long',
    424,
    { 'ms-azureml-model-error-statuscode': '400' },
    `{"object":"error","message":"This model's maximum context length is 4096 tokens."}`,
    'context-window',
    "424: inner 400: This model's maximum context length is 4096 tokens.",
  ],
  [
    'the wrapper’s proxy',
    502,
    {},
    '{"error":"Downstream unavailable"}',
    'gateway',
    '502: Downstream unavailable',
  ],
  [
    'a page of the front door',
    503,
    { 'content-type': 'text/html' },
    '<html><head><title>Service unavailable</title></head><body><p>Try again.</p></body></html>',
    'gateway',
    '503: Service unavailable Try again.',
  ],
  [
    'a page that says 200',
    200,
    { 'content-type': 'text/html' },
    '<!DOCTYPE html><title>Sign in to your account</title>',
    'malformed-answer',
    'The answer is a page: Sign in to your account',
  ],
];

test.each(refusals)('%s is told apart, with its words', async (_, status, headers, body, failure, words) => {
  const fake = await openFake((_received, response) => answerJson(response, body, status, headers));
  const sample = await sendOnce(
    targetOrder(fake.origin, { route: scoreRoute(fake.origin) }),
    8,
    'a prompt',
    0,
  );
  expect(sample).toMatchObject({ failure, failureDetail: words, status, outputTokens: 0 });
});
