import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { drainAfter, timeIdleRequest } from '../../src/load/drain.ts';
import { startShard } from '../../src/load/shard-runner.ts';
import { type Answerer, answerJson, SECRET, scoreAnswer, scoreRoute, shardOrder } from './fake-endpoint.ts';
import { openFake } from './open-fake.ts';

const IDLE_MS = 20;
const forEver = new AbortController().signal;

/** A server that works on what was abandoned: each answer takes `IDLE_MS`, and as long as it is busy besides. */
function busyFor(ms: number): { answer: Answerer; begin: () => void } {
  let untilMs = 0;
  return {
    begin: () => {
      untilMs = performance.now() + ms;
    },
    answer: async (_, response) => {
      await delay(IDLE_MS + Math.max(0, untilMs - performance.now()) / 2);
      answerJson(response, scoreAnswer(8));
    },
  };
}

function order(origin: string, idleMs: number | null, change: object = {}) {
  return shardOrder(origin, {
    route: scoreRoute(origin),
    drain: idleMs === null ? null : { idleMs },
    ...change,
  });
}

test('after a time-out one small request at a time is sent until the endpoint is idle, and not longer', async () => {
  const server = busyFor(600);
  const fake = await openFake(server.answer);
  const idleMs = (await timeIdleRequest(order(fake.origin, null))).idleMs ?? 0;
  expect(idleMs).toBeGreaterThanOrEqual(IDLE_MS - 1);
  const before = fake.received.length;
  server.begin();
  const told = await drainAfter(order(fake.origin, idleMs), { 'client-timeout': 1 }, forEver);
  expect(told).toMatchObject({ leftBusy: false, drained: { idle: true } });
  expect(told.drained?.seconds).toBeGreaterThan(0.3);
  expect(told.drained?.requests).toBe(fake.received.length - before);
  expect(told.drained?.requests).toBeGreaterThanOrEqual(2);
  expect(fake.maxInFlight()).toBe(1);
  for (const { headers } of fake.received) {
    expect(headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(headers['x-ms-client-request-id']).toMatch(/^drain-/);
  }
});

test('a drain ends with the time that a request may take, and says that the endpoint is not idle', async () => {
  const fake = await openFake((_, response) => answerJson(response, 'Too many pending requests', 429));
  const began = performance.now();
  const told = await drainAfter(
    order(fake.origin, IDLE_MS, { requestTimeoutMs: 700 }),
    { 'throttle-queue': 5 },
    forEver,
  );
  expect(told).toMatchObject({ leftBusy: true, drained: { idle: false } });
  expect(performance.now() - began).toBeGreaterThanOrEqual(650);
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(fake.received.length).toBeGreaterThanOrEqual(2);
});

test('an endpoint that does not answer at all is given up after the same time', async () => {
  const fake = await openFake(() => {});
  const told = await drainAfter(
    order(fake.origin, IDLE_MS, { requestTimeoutMs: 400 }),
    { 'deadline-server': 1 },
    forEver,
  );
  expect(told).toMatchObject({ leftBusy: true, drained: { idle: false, requests: 1 } });
});

test('a drain never outlasts a cancel', async () => {
  const fake = await openFake(() => {});
  const stop = new AbortController();
  const draining = drainAfter(
    order(fake.origin, IDLE_MS, { requestTimeoutMs: 60_000 }),
    { 'client-timeout': 1 },
    stop.signal,
  );
  while (fake.received.length < 1) await delay(5);
  const began = performance.now();
  stop.abort();
  expect(await draining).toMatchObject({ leftBusy: true, drained: { idle: false } });
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(await drainAfter(order(fake.origin, IDLE_MS), { reset: 1 }, stop.signal)).toMatchObject({
    drained: null,
  });
  expect(fake.received).toHaveLength(1);
});

test.each([
  ['no failure', {}, false],
  ['failures that leave nothing at work', { 'bad-request': 3, connect: 1, 'masked-error': 2 }, false],
  ['a refusal, which was never begun', { 'throttle-queue': 9 }, false],
  ['a time-out here', { 'client-timeout': 1 }, true],
  ['a time-out there', { 'deadline-server': 1 }, true],
])('without an order to drain nothing is sent: %s', async (_, failures, leftBusy) => {
  const fake = await openFake((_received, response) => answerJson(response, scoreAnswer(8)));
  expect(await drainAfter(order(fake.origin, null), failures, forEver)).toEqual({ drained: null, leftBusy });
  expect(fake.received).toHaveLength(0);
});

test('without a failure nothing is sent, whatever the order says', async () => {
  const fake = await openFake((_, response) => answerJson(response, scoreAnswer(8)));
  expect(await drainAfter(order(fake.origin, 1), { 'bad-request': 2 }, forEver)).toEqual({
    drained: null,
    leftBusy: false,
  });
  expect(fake.received).toHaveLength(0);
});

test('a shard drains after its last answer, and its own figures are as if it had not', async () => {
  let answered = 0;
  const fake = await openFake(async ({ headers }, response) => {
    const drains = String(headers['x-ms-client-request-id']).startsWith('drain-');
    answered += 1;
    // The third request is abandoned by the front door; two requests later the server is idle.
    if (!drains && answered === 3) return answerJson(response, 'timeout', 408);
    await delay(drains && answered < 8 ? 300 : 5);
    answerJson(response, scoreAnswer(8));
  });
  const shard = startShard(
    order(fake.origin, 5, { load: { mode: 'count', requests: 6, maxSeconds: 20 }, connections: 2 }),
  );
  const summary = await shard.summary;
  expect(summary).toMatchObject({
    attempted: 6,
    succeeded: 5,
    failures: { 'deadline-server': 1 },
    drained: { requests: 2, idle: true },
    leftBusy: false,
  });
  expect(fake.received).toHaveLength(8);
  // Neither in the load's time nor in what the client says of itself.
  expect(summary.whole.seconds).toBeLessThan((summary.drained?.seconds ?? 0) + 0.2);
  expect(summary.client?.watchedSeconds).toBeLessThan(
    summary.whole.seconds + (summary.drained?.seconds ?? 0),
  );
});

test('a shard that is canceled while it drains ends at once with its summary', async () => {
  const fake = await openFake(({ index }, response) => {
    if (index === 0) answerJson(response, 'timeout', 408);
  });
  const shard = startShard(
    order(fake.origin, 5, {
      load: { mode: 'count', requests: 1, maxSeconds: 20 },
      connections: 1,
      requestTimeoutMs: 60_000,
    }),
  );
  while (fake.received.length < 2) await delay(10);
  const began = performance.now();
  shard.cancel();
  expect(await shard.summary).toMatchObject({ attempted: 1, leftBusy: true, drained: { idle: false } });
  expect(performance.now() - began).toBeLessThan(5_000);
});
