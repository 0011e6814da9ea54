/** What a shard asks for, request by request, as a server on a socket receives it. */
import { afterEach, expect, test } from 'vitest';
import type { Sample } from '../../src/core/measuring/sample.ts';
import type { ShardOrder } from '../../src/core/measuring/shard.ts';
import { askOf } from '../../src/core/requests/ask.ts';
import { requestLengths } from '../../src/core/requests/lengths.ts';
import { ShardLoop } from '../../src/load/loop.ts';
import {
  answerJson,
  type FakeEndpoint,
  scoreAnswer,
  scoreRoute,
  shardOrder,
  startFake,
} from './fake-endpoint.ts';

const open: FakeEndpoint[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((fake) => fake.close()));
});

/** Answers as long as it is told to be. */
async function load(change: Partial<ShardOrder>) {
  const fake = await startFake(({ body }, response) =>
    answerJson(response, scoreAnswer(JSON.parse(body).input_data.parameters.max_tokens)),
  );
  open.push(fake);
  const order = shardOrder(fake.origin, {
    route: scoreRoute(fake.origin),
    load: { mode: 'count', requests: 12, maxSeconds: 20 },
    ...change,
  });
  const samples: Sample[] = [];
  const loop = new ShardLoop(
    order,
    () => {},
    () => {},
    (sample) => {
      samples.push(sample);
    },
  );
  const summary = await loop.run();
  const bodies = fake.received
    .toSorted((one, other) => indexOf(one.headers) - indexOf(other.headers))
    .map(({ body }) => JSON.parse(body).input_data);
  return { summary, bodies, samples, order };
}

function indexOf(headers: FakeEndpoint['received'][number]['headers']): number {
  return Number(String(headers['x-ms-client-request-id']).split('-').at(-1));
}

test('each request asks for the lengths that its index draws, in all the spellings, and answers of that length are as asked', async () => {
  const workload = { promptTokens: 200, promptTokensP95: 800, outputTokens: 20, outputTokensP95: 90 };
  const { summary, bodies, samples, order } = await load({ workload });
  expect(bodies).toHaveLength(12);
  for (const [index, { input_string: messages, parameters }] of bodies.entries()) {
    const { promptTokens, outputTokens } = requestLengths(workload, order.seed, index);
    expect(parameters).toMatchObject({
      max_tokens: outputTokens,
      min_tokens: outputTokens,
      max_new_tokens: outputTokens,
    });
    expect(messages[0].content).toHaveLength(promptTokens * order.charactersPerToken);
  }
  expect(new Set(bodies.map((body) => body.parameters.max_tokens)).size).toBeGreaterThan(6);
  expect(summary.outputLengthAsAsked).toBe(12);
  expect(samples.every((sample) => sample.outputTokens === sample.outputTokensAsked)).toBe(true);
});

test('a request set is sent in its order, texts and conversations as they are, each with its length', async () => {
  const messages = [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'Why "so"?' },
  ];
  const prompts = [
    { prompt: 'First', outputTokens: 3 },
    { prompt: messages },
    { prompt: 'Third', outputTokens: 5 },
  ];
  const { summary, bodies } = await load({ prompts, connections: 2 });
  const asked = bodies.map((body) => [body.input_string, body.parameters.max_tokens]);
  const user = (content: string) => [{ role: 'user', content }];
  const round = [
    [user('First'), 3],
    [messages, 8],
    [user('Third'), 5],
  ];
  expect(asked).toEqual([...round, ...round, ...round, ...round]);
  expect(summary.outputLengthAsAsked).toBe(12);
});

test('a shared prefix is the same in all prompts, and what follows it new in each', async () => {
  const workload = { promptTokens: 100, outputTokens: 4, sharedPrefixTokens: 60 };
  const { bodies } = await load({ workload });
  const texts: string[] = bodies.map((body) => body.input_string[0].content);
  expect(new Set(texts.map((text) => text.slice(0, 240))).size).toBe(1);
  expect(new Set(texts.map((text) => text.slice(240, 250))).size).toBe(12);
  expect(texts.every((text) => text.length === 400)).toBe(true);
  // Without one, the first word already differs.
  const own = askOf(
    { workload: { promptTokens: 100, outputTokens: 4 }, charactersPerToken: 4, templateTokens: 0, seed: 42 },
    0,
  );
  expect(own.prompt.slice(0, 10)).not.toBe(texts[0]?.slice(0, 10));
});

test('where the server tells no usage, prompts count with the length that each asked for', async () => {
  const fake = await startFake((_, response) => answerJson(response, '{"output":"word"}'));
  open.push(fake);
  const prompts = [{ prompt: 'x'.repeat(40) }, { prompt: 'x'.repeat(80) }];
  const order = shardOrder(fake.origin, {
    route: scoreRoute(fake.origin),
    prompts,
    load: { mode: 'count', requests: 2, maxSeconds: 20 },
  });
  const summary = await new ShardLoop(order, () => {}).run();
  expect(summary.whole.promptTokens).toBe(30);
});
