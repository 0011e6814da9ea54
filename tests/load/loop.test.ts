import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DurationHistogram } from '../../src/core/measuring/histogram.ts';
import type { ShardOrder, ShardSummary } from '../../src/core/measuring/shard.ts';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import { ShardLoop } from '../../src/load/loop.ts';
import {
  type Answerer,
  answerJson,
  answerStream,
  beginStream,
  event,
  finish,
  goodStream,
  SECRET,
  shardOrder,
  startFake,
  usage,
} from './fake-endpoint.ts';
import { openFake } from './open-fake.ts';

/** Streams 8 tokens over some time. */
const stream: Answerer = async (_, response) => {
  beginStream(response);
  for (let token = 0; token < 8; token += 1) {
    response.write(event({ content: ` word${token}` }));
    await delay(4);
  }
  response.end(`${finish + usage(8)}data: [DONE]\n\n`);
};

/** The loop as the thread runs it, here without a thread. */
function startLoop(order: ShardOrder) {
  let onSatisfied = () => {};
  const satisfied = new Promise<void>((resolve) => {
    onSatisfied = resolve;
  });
  const loop = new ShardLoop(order, () => onSatisfied());
  return {
    satisfied,
    progress: () => loop.progress,
    stopAt: (epochMs: number) => loop.stopAt(epochMs),
    cancel: () => loop.cancel(),
    summary: loop.run(),
  };
}

function check(summary: ShardSummary): void {
  expect(JSON.stringify(summary)).not.toContain(SECRET);
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  const failed = Object.values(summary.failures).reduce((sum, count) => sum + count, 0);
  expect(summary.attempted).toBe(summary.succeeded + failed);
  expect(Object.values(summary.failedStatusCodes).reduce((sum, count) => sum + count, 0)).toBe(failed);
}

const countOf = (summary: ShardSummary, key: 'e2e' | 'ttft' | 'tpot' | 'gaps') =>
  DurationHistogram.parse(summary[key]).count;

test('every prompt of a shard is its own, and another seed gives others', async () => {
  const fake = await openFake((_, response) => answerStream(response, goodStream(8)));
  const load = { mode: 'count', requests: 20, maxSeconds: 20 } as const;
  const summaries = await Promise.all(
    [1, 2].map((seed) => startLoop(shardOrder(fake.origin, { seed, load })).summary),
  );
  for (const summary of summaries) check(summary);
  const firstWords = fake.received.map(({ body }) => JSON.parse(body).messages[0].content.split(' ')[0]);
  expect(new Set(firstWords).size).toBe(40);
  const ids = fake.received.map(({ headers }) => headers['x-ms-client-request-id']);
  expect(new Set(ids)).toEqual(new Set(Array.from({ length: 20 }, (_, index) => `test-${index}`)));
});

test('count sends exactly that many requests and nothing else', async () => {
  const fake = await openFake(stream);
  for (const [requests, connections] of [
    [7, 3],
    [2, 4],
  ] as const) {
    const before = fake.received.length;
    const summary = await startLoop(
      shardOrder(fake.origin, { connections, load: { mode: 'count', requests, maxSeconds: 20 } }),
    ).summary;
    check(summary);
    expect(summary).toMatchObject({ attempted: requests, succeeded: requests, steady: null });
    expect(fake.received.length - before).toBe(requests);
    expect(summary.steadyReason).toContain('number of requests');
  }
});

test('a shard that is never stopped ends by its maxSeconds, with the reason where it had too few answers', async () => {
  const fake = await openFake(stream);
  const shard = startLoop(
    shardOrder(fake.origin, { load: { mode: 'steady', minRequests: 5_000, maxSeconds: 0.5 } }),
  );
  await shard.satisfied;
  const summary = await shard.summary;
  check(summary);
  expect(summary.steady).toBeNull();
  expect(summary.steadyReason).toContain('too few answers');
  expect(summary.succeeded).toBeGreaterThan(0);
  expect(countOf(summary, 'e2e')).toBe(summary.succeeded);
});

test('shards with a common start begin there together, and connections are open before without a request', async () => {
  const fake = await openFake(stream);
  const startAtMs = Date.now() + 1_500;
  const shards = [1, 2].map((seed) =>
    startLoop(shardOrder(fake.origin, { seed, startAtMs, load: { mode: 'burst', maxRetries: 0 } })),
  );
  while (fake.connections() < 4 && Date.now() < startAtMs) await delay(10);
  expect(Date.now()).toBeLessThan(startAtMs);
  expect(fake.received).toHaveLength(0);
  const summaries = await Promise.all(shards.map((shard) => shard.summary));
  for (const summary of summaries) {
    check(summary);
    expect(summary.startedAtMs).toBeGreaterThanOrEqual(startAtMs - 2);
  }
  expect(fake.connections()).toBe(4);
  expect(fake.maxInFlight()).toBe(4);
});

test('cancel before the start ends a shard that has sent nothing', async () => {
  const fake = await openFake(stream);
  const shard = startLoop(shardOrder(fake.origin, { startAtMs: Date.now() + 60_000 }));
  shard.cancel();
  const summary = await shard.summary;
  check(summary);
  expect(summary).toMatchObject({
    attempted: 0,
    meanInFlight: 0,
    whole: { seconds: 0, requests: 0, outputTokens: 0, promptTokens: 0 },
  });
  expect(fake.received).toHaveLength(0);
});

test('after stopAt what is in flight is answered and counted', async () => {
  const fake = await openFake(async (_, response) => {
    await delay(200);
    answerStream(response, goodStream(8));
  });
  const shard = startLoop(shardOrder(fake.origin));
  while (fake.received.length < 2) await delay(10);
  shard.stopAt(Date.now());
  const summary = await shard.summary;
  check(summary);
  expect(summary).toMatchObject({ attempted: 2, succeeded: 2, steady: null });
});

test('failures are counted, and a failing worker does not hammer the endpoint', async () => {
  const fake = await openFake((_, response) => answerJson(response, '{"error":"boom"}', 500));
  const shard = startLoop(
    shardOrder(fake.origin, { load: { mode: 'steady', minRequests: 6, maxSeconds: 1 } }),
  );
  const summary = await shard.summary;
  check(summary);
  // 100, 200, 400, ... ms of pause: at most four or five a worker in a second.
  expect(summary.attempted).toBeGreaterThanOrEqual(2);
  expect(summary.attempted).toBeLessThanOrEqual(10);
  expect(summary).toMatchObject({
    succeeded: 0,
    failures: { 'server-error': summary.attempted },
    failedStatusCodes: { '500': summary.attempted },
  });
  expect(summary.failureExamples['server-error']).toBe('500: boom');
  expect(shard.progress().failed).toBe(summary.attempted);
});

test('a closed port is a shard of failures, not an error', async () => {
  const fake = await startFake(stream);
  await fake.close();
  const shard = startLoop(
    shardOrder(fake.origin, { load: { mode: 'steady', minRequests: 6, maxSeconds: 0.3 } }),
  );
  const summary = await shard.summary;
  check(summary);
  expect(summary.failures.connect).toBe(summary.attempted);
  expect(summary.attempted).toBeGreaterThanOrEqual(2);
});

test('a refused credential stops the shard after a few requests', async () => {
  const fake = await openFake((_, response) => answerJson(response, '{"error":"key"}', 401));
  const shard = startLoop(
    shardOrder(fake.origin, { load: { mode: 'steady', minRequests: 6, maxSeconds: 60 } }),
  );
  const summary = await shard.summary;
  check(summary);
  expect(summary.abortedBy).toBe('auth');
  expect(summary.attempted).toBeLessThanOrEqual(5);
  expect(summary.steadyReason).toContain('auth');
});

test('a refused prompt stops the shard and its level, and does not speak for other cells', async () => {
  const fake = await openFake((_, response) =>
    answerJson(response, '{"error":"maximum context length is 4096 tokens"}', 400),
  );
  const summary = await startLoop(
    shardOrder(fake.origin, { load: { mode: 'steady', minRequests: 6, maxSeconds: 60 } }),
  ).summary;
  check(summary);
  expect(summary.abortedBy).toBeNull();
  expect(summary.attempted).toBeLessThanOrEqual(5);
  expect(summary.steadyReason).toContain('failed as context-window');
});

test('a level of which most fails is stopped early, with its failures and why', async () => {
  const fake = await openFake(({ index }, response) =>
    index % 3 === 0 ? answerStream(response, goodStream(8)) : answerJson(response, 'boom', 500),
  );
  const shard = startLoop(
    shardOrder(fake.origin, { connections: 8, load: { mode: 'steady', minRequests: 500, maxSeconds: 60 } }),
  );
  await shard.satisfied;
  const summary = await shard.summary;
  check(summary);
  expect(summary.steady).toBeNull();
  expect(summary.steadyReason).toMatch(/^stopped early: \d\d % of \d+ requests failed \(server-error\)$/);
  expect(summary).toMatchObject({ abortedBy: null, failedStatusCodes: { 500: expect.any(Number) } });
  expect(summary.attempted).toBeLessThan(60);
  expect(summary.succeeded).toBeGreaterThan(0);
});

test('a level beyond what is admitted is measured until it has a mean of those that are, and then stopped', async () => {
  let inside = 0;
  const fake = await openFake(async (_, response) => {
    if (inside >= 2) return answerJson(response, 'Too many pending requests', 429);
    inside += 1;
    await delay(300);
    inside -= 1;
    answerStream(response, goodStream(8));
  });
  const summary = await startLoop(
    shardOrder(fake.origin, {
      connections: 12,
      load: { mode: 'steady', minRequests: 5_000, maxSeconds: 60 },
    }),
  ).summary;
  check(summary);
  // The refused ones ask again about once a second each, ten of them; the two that are admitted answer seven times.
  expect(summary.steadyReason).toMatch(/^stopped early: \d\d % of \d+ requests failed \(throttle-queue\)$/);
  expect(summary.succeeded).toBeGreaterThanOrEqual(10);
  expect(summary.failedStatusCodes['429']).toBeGreaterThan(10);
});

test('a number of requests that was asked for is sent even where each is refused', async () => {
  const fake = await openFake((_, response) => answerJson(response, '{"error":"key"}', 401));
  const load = { mode: 'count', requests: 6, maxSeconds: 20 } as const;
  const summary = await startLoop(shardOrder(fake.origin, { load })).summary;
  check(summary);
  expect(summary).toMatchObject({ attempted: 6, failures: { auth: 6 }, abortedBy: null });
});

test('one failure between good answers is not in the latencies and does not stop a worker', async () => {
  const fake = await openFake(({ index }, response) =>
    index % 5 === 4
      ? answerStream(response, `${event({ content: 'x' })}data: {"error":{"message":"boom"}}\n\n`)
      : answerStream(response, goodStream(8)),
  );
  const summary = await startLoop(
    shardOrder(fake.origin, { load: { mode: 'count', requests: 20, maxSeconds: 20 } }),
  ).summary;
  check(summary);
  expect(summary).toMatchObject({
    succeeded: 16,
    failures: { 'masked-error': 4 },
    whole: { requests: 16, outputTokens: 128 },
  });
  expect(countOf(summary, 'e2e')).toBe(16);
  expect(countOf(summary, 'ttft')).toBe(16);
});

test('a burst sends every request at once, tries a 429 again as it is told, and its wall time has the waits', async () => {
  const seen = new Map<string, number>();
  const fake = await openFake((received, response) => {
    const id = String(received.headers['x-ms-client-request-id']);
    const attempt = (seen.get(id) ?? 0) + 1;
    seen.set(id, attempt);
    if (id === 'test-1' && attempt === 1) answerJson(response, '', 429, { 'retry-after': '1' });
    else if (id === 'test-2' && attempt === 1)
      answerJson(response, '', 429, { 'retry-after': new Date(Date.now() + 2_000).toUTCString() });
    else answerStream(response, goodStream(8));
  });
  const shard = startLoop(
    shardOrder(fake.origin, { connections: 4, load: { mode: 'burst', maxRetries: 5 } }),
  );
  const summary = await shard.summary;
  check(summary);
  expect(summary).toMatchObject({ attempted: 4, succeeded: 4, retries: 2, failures: {}, steady: null });
  expect(summary.steadyReason).toContain('burst');
  expect(fake.received).toHaveLength(6);
  expect(summary.whole.seconds).toBeGreaterThan(0.95);
  // The wait is in the wall time and not in any latency.
  expect(DurationHistogram.parse(summary.e2e).maxMs).toBeLessThan(900);
  expect(countOf(summary, 'e2e')).toBe(4);
  // The body of a second attempt is that of the first.
  const bodies = fake.received
    .filter(({ headers }) => headers['x-ms-client-request-id'] === 'test-1')
    .map(({ body }) => body);
  expect(bodies[0]).toBe(bodies[1]);
});

test('a burst gives up on a 429 after its retries, and does not try other failures again', async () => {
  const fake = await openFake(({ headers }, response) =>
    headers['x-ms-client-request-id'] === 'test-0'
      ? answerJson(response, 'too many pending requests', 429)
      : answerJson(response, '', 500),
  );
  const summary = await startLoop(shardOrder(fake.origin, { load: { mode: 'burst', maxRetries: 1 } }))
    .summary;
  check(summary);
  expect(summary).toMatchObject({
    attempted: 2,
    succeeded: 0,
    retries: 1,
    failures: { 'throttle-queue': 1, 'server-error': 1 },
    failedStatusCodes: { '429': 1, '500': 1 },
  });
  expect(fake.received).toHaveLength(3);
});

test('a cancel ends a burst that waits for its next attempt', async () => {
  const fake = await openFake((_, response) => answerJson(response, '', 429, { 'retry-after': '30' }));
  const shard = startLoop(shardOrder(fake.origin, { load: { mode: 'burst', maxRetries: 5 } }));
  while (fake.received.length < 2) await delay(10);
  await delay(50);
  shard.cancel();
  const summary = await shard.summary;
  check(summary);
  expect(summary).toMatchObject({ attempted: 2, retries: 0, failures: { 'throttle-queue': 2 } });
});

test('a connection that the server closed while idle is opened anew and is no failure', async () => {
  const fake = await openFake((_, response) => {
    response.setHeader('connection', 'close');
    answerStream(response, goodStream(8));
  });
  const summary = await startLoop(
    shardOrder(fake.origin, { load: { mode: 'count', requests: 10, maxSeconds: 20 } }),
  ).summary;
  check(summary);
  expect(summary).toMatchObject({ succeeded: 10, failures: {} });
  expect(fake.connections()).toBe(10);
});

test('a shard whose answers grow slower is not satisfied by their number, and says which gate it fails', async () => {
  const begunMs = Date.now();
  const fake = await openFake(async (_, response) => {
    // Each answer takes a fortieth of the time that the server has run: slower and slower.
    await delay(10 + (Date.now() - begunMs) / 40);
    answerStream(response, goodStream(8));
  });
  const shard = startLoop(
    shardOrder(fake.origin, { connections: 1, load: { mode: 'steady', minRequests: 5, maxSeconds: 3 } }),
  );
  const summary = await shard.summary;
  check(summary);
  expect((summary.endedAtMs - summary.startedAtMs) / 1000).toBeGreaterThan(2.5);
  expect(mergeShards([summary]).rates).toMatchObject({
    span: 'whole',
    // On a busy machine this client itself may leave its only connection idle for longer than a gate allows.
    reason: expect.stringMatching(/per output token|were in flight/),
  });
});
