import { setTimeout as delay } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { DurationHistogram } from '../../src/core/measuring/histogram.ts';
import type { Sample } from '../../src/core/measuring/sample.ts';
import type { ShardSummary } from '../../src/core/measuring/shard.ts';
import { startShard } from '../../src/load/shard-runner.ts';
import {
  type Answerer,
  answerJson,
  answerStream,
  beginStream,
  event,
  type FakeEndpoint,
  finish,
  goodStream,
  SECRET,
  scoreAnswer,
  scoreRoute,
  shardOrder,
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

const score: Answerer = async (_, response) => {
  await delay(30);
  answerJson(response, scoreAnswer(8));
};

function check(summary: ShardSummary): void {
  expect(JSON.stringify(summary)).not.toContain(SECRET);
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  const failed = Object.values(summary.failures).reduce((sum, count) => sum + count, 0);
  expect(summary.attempted).toBe(summary.succeeded + failed);
  expect(Object.values(summary.failedStatusCodes).reduce((sum, count) => sum + count, 0)).toBe(failed);
}

const countOf = (summary: ShardSummary, key: 'e2e' | 'ttft' | 'tpot' | 'gaps') =>
  DurationHistogram.parse(summary[key]).count;

test('a steady shard is satisfied, goes on until it is stopped, and tells its window', async () => {
  const fake = await openFake(stream);
  const shard = startShard(shardOrder(fake.origin, { connections: 3 }));
  await shard.satisfied;
  const then = fake.received.length;
  await delay(150);
  expect(fake.received.length).toBeGreaterThan(then);
  shard.stopAt(Date.now());
  const summary = await shard.summary;
  check(summary);
  const after = fake.received.length;
  await delay(80);
  expect(fake.received.length).toBe(after);
  expect(summary.attempted).toBe(after);
  expect(summary).toMatchObject({
    connections: 3,
    failures: {},
    steadyReason: null,
    ttftReason: null,
    tokenSource: 'usage',
    retries: 0,
    abortedBy: null,
  });
  expect(summary.succeeded).toBe(after);
  expect(summary.outputLengthAsAsked).toBe(after);
  const steady = summary.steady;
  expect(steady?.requests).toBeGreaterThanOrEqual(6);
  expect(steady?.requests).toBeLessThanOrEqual(summary.succeeded - 3);
  expect(steady?.seconds).toBeLessThan(summary.whole.seconds);
  // Tokens in the window are those of about as many requests as ended in it, give or take what was cut at its edges.
  expect(Math.abs((steady?.outputTokens ?? 0) / 8 - (steady?.requests ?? 0))).toBeLessThanOrEqual(3);
  // All three were in flight nearly all the time, and never more.
  expect(summary.maxInFlight).toBe(3);
  expect(summary.meanInFlight).toBeGreaterThan(2);
  expect(summary.meanInFlight).toBeLessThanOrEqual(3);
  expect(countOf(summary, 'ttft')).toBe(countOf(summary, 'e2e'));
  expect(countOf(summary, 'gaps')).toBe(countOf(summary, 'e2e') * 7);
  expect(fake.maxInFlight()).toBe(3);
  expect(fake.connections()).toBe(3);
});

test('a shard runs in a thread of its own, which is gone afterwards', async () => {
  const fake = await openFake(score);
  const shard = startShard(
    shardOrder(fake.origin, {
      route: scoreRoute(fake.origin),
      load: { mode: 'count', requests: 4, maxSeconds: 20 },
    }),
  );
  await shard.summary;
  expect(shard.threadId()).not.toBeNull();
  expect(shard.threadId()).not.toBe(threadId);
  expect(process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length).toBeLessThan(2);
});

test('a route without a stream gives throughput and E2E, and no TTFT with its reason', async () => {
  const fake = await openFake(score);
  const shard = startShard(shardOrder(fake.origin, { route: scoreRoute(fake.origin) }));
  await shard.satisfied;
  shard.stopAt(Date.now());
  const summary = await shard.summary;
  check(summary);
  expect(summary.ttftReason).toBe('not-streamed');
  expect(countOf(summary, 'ttft') + countOf(summary, 'tpot') + countOf(summary, 'gaps')).toBe(0);
  expect(countOf(summary, 'e2e')).toBeGreaterThan(0);
  // Two connections, 8 tokens each 30 ms or more: never faster than the server.
  const rate = (summary.steady?.outputTokens ?? 0) / (summary.steady?.seconds ?? 1);
  expect(rate).toBeGreaterThan(0);
  expect(rate).toBeLessThan((2 * 8) / 0.029);
});

test('cancel abandons what is in flight at once, and what was abandoned is not counted', async () => {
  let asked = 0;
  const fake = await openFake((_received, response) => {
    asked += 1;
    if (asked <= 2) answerStream(response, goodStream(8));
    else beginStream(response);
  });
  const shard = startShard(shardOrder(fake.origin, { requestTimeoutMs: 60_000 }));
  while (fake.received.length < 4) await delay(10);
  const before = performance.now();
  shard.cancel();
  const summary = await shard.summary;
  expect(performance.now() - before).toBeLessThan(5_000);
  check(summary);
  expect(summary).toMatchObject({ attempted: 2, succeeded: 2, failures: {} });
  expect(summary.steadyReason).toContain('canceled');
  await shard.satisfied;
});

test('an order that cannot be run rejects with a sentence', async () => {
  const order = shardOrder('http://127.0.0.1:1', {
    route: { api: 'score', url: 'not an address', stream: false },
  });
  const shard = startShard(order);
  await expect(shard.summary).rejects.toThrow(
    /^The load thread of a shard with 2 connections broke: Invalid URL/,
  );
  await shard.satisfied;
});

test('a shard that waits to be told opens its connections, sends nothing, and begins at the moment it is told', async () => {
  const fake = await openFake(stream);
  const shard = startShard(
    shardOrder(fake.origin, {
      connections: 3,
      startAtMs: 'when-told',
      load: { mode: 'count', requests: 3, maxSeconds: 30 },
    }),
  );
  await shard.ready;
  // The server may see a connection a moment after the client has opened it.
  await expect.poll(fake.connections).toBe(3);
  expect(fake.received).toHaveLength(0);
  const startAtMs = Date.now() + 200;
  shard.startAt(startAtMs);
  const summary = await shard.summary;
  expect(summary.succeeded).toBe(3);
  expect(summary.startedAtMs).toBeGreaterThanOrEqual(startAtMs - 2);
  check(summary);
});

test('a shard that is canceled while it waits to be told ends without a request', async () => {
  const fake = await openFake(stream);
  const shard = startShard(shardOrder(fake.origin, { startAtMs: 'when-told' }));
  await shard.ready;
  shard.cancel();
  expect(await shard.summary).toMatchObject({ attempted: 0, succeeded: 0 });
  expect(fake.received).toHaveLength(0);
});

test('a shard tells how its thread was, and how many content events it read', async () => {
  const fake = await openFake(stream);
  const summary = await startShard(
    shardOrder(fake.origin, { connections: 3, load: { mode: 'count', requests: 9, maxSeconds: 30 } }),
  ).summary;
  check(summary);
  expect(summary.contentEvents).toBe(72);
  const { client } = summary;
  expect(client?.roundTripMs).toBeGreaterThan(0);
  expect(client?.sendDelayP99Ms).toBeGreaterThan(0);
  // A histogram's percentile is the upper end of a bucket of three digits.
  expect(client?.loopLagMaxMs).toBeGreaterThan((client?.loopLagP99Ms ?? Number.NaN) * 0.99);
  expect(client?.watchedSeconds).toBeGreaterThan(0.09);
  expect(client?.busyShare).toBeGreaterThan(0);
  expect(client?.busyShare).toBeLessThanOrEqual(1);
});

/** Eight batches of at most 64 samples may be under way; after them every worker waits, and no more requests come. */
async function untilHeldUp(fake: FakeEndpoint): Promise<number> {
  for (let seen = -1; ; ) {
    if (seen > 0 && seen === fake.received.length) return seen;
    seen = fake.received.length;
    await delay(500);
  }
}

test('samples come out in full before the summary, and a slow taker holds the load up', async () => {
  const fake = await openFake((_, response) => answerStream(response, goodStream(8)));
  const taken: Sample[] = [];
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const shard = startShard(
    shardOrder(fake.origin, { connections: 4, load: { mode: 'count', requests: 900, maxSeconds: 60 } }),
    async (samples) => {
      await opened;
      await delay(20);
      taken.push(...samples);
    },
  );
  expect(await untilHeldUp(fake)).toBeLessThan(700);
  open();
  const summary = await shard.summary;
  check(summary);
  expect(summary.succeeded).toBe(900);
  expect(taken).toHaveLength(900);
  expect(new Set(taken.map(({ requestId }) => requestId)).size).toBe(900);
  expect(summary.client?.sendDelayP99Ms).toBeGreaterThan(0);
}, 60_000);

test('a shard whose samples nobody takes can be canceled', async () => {
  const fake = await openFake((_, response) => answerStream(response, goodStream(8)));
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const shard = startShard(
    shardOrder(fake.origin, { connections: 4, load: { mode: 'count', requests: 100_000, maxSeconds: 60 } }),
    () => opened,
  );
  await untilHeldUp(fake);
  shard.cancel();
  const { progress } = shard;
  await delay(300);
  const after = fake.received.length;
  await delay(300);
  expect(fake.received.length).toBe(after);
  open();
  expect((await shard.summary).attempted).toBeLessThanOrEqual(after);
  expect(progress().failed).toBe(0);
});
