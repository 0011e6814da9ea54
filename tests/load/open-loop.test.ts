/** The open loop of the real engine against a real server. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DurationHistogram, type EncodedHistogram } from '../../src/core/measuring/histogram.ts';
import type { Sample } from '../../src/core/measuring/sample.ts';
import type { Arrivals, OpenLoad, ShardOrder, ShardSummary } from '../../src/core/measuring/shard.ts';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import { ShardLoop } from '../../src/load/loop.ts';
import { type Answerer, answerJson, scoreAnswer, scoreRoute, shardOrder } from './fake-endpoint.ts';
import { openFake } from './open-fake.ts';

/** Answers after so many milliseconds, any number of requests at once. */
const after =
  (ms: number): Answerer =>
  async (_, response) => {
    await delay(ms);
    answerJson(response, scoreAnswer(8));
  };

/** Answers one request at a time. */
function oneAtATime(ms: number): Answerer {
  let last = Promise.resolve();
  return (_, response) => {
    last = last.then(async () => {
      await delay(ms);
      answerJson(response, scoreAnswer(8));
    });
  };
}

interface Case extends Omit<Partial<ShardOrder>, 'load'> {
  readonly arrivals: Arrivals;
  readonly minRequests?: number;
  readonly maxSeconds?: number;
}

function open(
  origin: string,
  { arrivals, minRequests = 1_000, maxSeconds = 20, ...change }: Case,
): { loop: ShardLoop; samples: { sample: Sample; dueMs: number }[]; satisfied: Promise<void> } {
  const load: OpenLoad = { mode: 'open', arrivals, minRequests, maxSeconds };
  const samples: { sample: Sample; dueMs: number }[] = [];
  const satisfied = Promise.withResolvers<void>();
  const loop = new ShardLoop(
    shardOrder(origin, { route: scoreRoute(origin), connections: 8, ...change, load }),
    satisfied.resolve,
    () => {},
    (sample, dueMs) => {
      samples.push({ sample, dueMs });
    },
  );
  return { loop, samples, satisfied: satisfied.promise };
}

const trace = (...atSeconds: number[]): Arrivals => ({ kind: 'trace', atSeconds });
const evenly = (count: number, everySeconds: number) =>
  trace(...Array.from({ length: count }, (_, index) => index * everySeconds));

function read(encoded: EncodedHistogram | undefined): DurationHistogram {
  if (encoded === undefined) throw new Error('The summary has no such histogram.');
  return DurationHistogram.parse(encoded);
}

function check(summary: ShardSummary): void {
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  const failed = Object.values(summary.failures).reduce((sum, count) => sum + count, 0);
  expect(summary.attempted).toBe(summary.succeeded + failed);
  expect(read(summary.response).count).toBe(read(summary.e2e).count);
  expect(read(summary.response).meanMs ?? 0).toBeGreaterThanOrEqual(read(summary.e2e).meanMs ?? 0);
}

test('requests are sent when their time comes and never before, whether others are answered or not', async () => {
  const fake = await openFake(after(300));
  const atSeconds = [0.05, 0.1, 0.1, 0.15, 0.3, 0.32];
  const { loop, samples } = open(fake.origin, { arrivals: trace(...atSeconds) });
  const summary = await loop.run();
  check(summary);
  expect(summary).toMatchObject({
    attempted: 6,
    succeeded: 6,
    dropped: 0,
    offered: { arrivals: 6, sent: 6 },
  });
  expect(fake.maxInFlight()).toBeGreaterThanOrEqual(4);
  const scheduled = samples.map(({ sample }) => sample.scheduledMs).sort((one, other) => one - other);
  const apart = scheduled.map((ms) => ms - (scheduled[0] ?? 0));
  atSeconds.forEach((seconds, index) => {
    expect(apart[index]).toBeCloseTo((seconds - 0.05) * 1_000, 3);
  });
  for (const { sample, dueMs } of samples) {
    expect(sample.sentMs).toBeGreaterThanOrEqual(sample.scheduledMs);
    expect(dueMs).toBe(sample.scheduledMs);
  }
});

test('request number n is the n-th to come, so that prompts of a trace stay with their times', async () => {
  const fake = await openFake(after(60));
  const { loop, samples } = open(fake.origin, { arrivals: evenly(12, 0.02), connections: 2 });
  await loop.run();
  const inOrder = samples
    .map(({ sample }) => sample)
    .sort((one, other) => one.scheduledMs - other.scheduledMs)
    .map(({ requestId }) => requestId);
  expect(inOrder).toEqual(Array.from({ length: 12 }, (_, index) => `test-${index}`));
});

test('waiting for a slow server is in the response time, not in E2E, and not the client’s delay', async () => {
  const fake = await openFake(after(100));
  // Eight at once on two connections: the last waits for three answers.
  const { loop, samples } = open(fake.origin, { arrivals: trace(...Array(8).fill(0.05)), connections: 2 });
  const summary = await loop.run();
  check(summary);
  expect(summary).toMatchObject({ succeeded: 8, dropped: 0 });
  expect(fake.maxInFlight()).toBe(2);
  expect(read(summary.response).maxMs).toBeGreaterThan(395);
  expect(read(summary.e2e).quantileMs(0.5)).toBeLessThan(200);
  // The client could send each as soon as a connection was free.
  const late = samples.map(({ sample, dueMs }) => sample.sentMs - dueMs);
  const waited = samples.map(({ sample }) => sample.sentMs - sample.scheduledMs);
  expect(Math.max(...waited)).toBeGreaterThan(295);
  expect(Math.max(...late)).toBeLessThan(Math.max(...waited) / 2);
});

test('beyond the backlog requests are never sent, and count as misses of the objectives', async () => {
  const fake = await openFake(after(100));
  const slo = { attainment: 0.9, ttftMs: null, tpotMs: null, e2eMs: 60_000 };
  const { loop } = open(fake.origin, { arrivals: trace(...Array(40).fill(0.05)), connections: 2, slo });
  const summary = await loop.run();
  check(summary);
  // Two in flight, and sixteen that may wait.
  expect(summary).toMatchObject({
    attempted: 18,
    dropped: 22,
    offered: { arrivals: 40, sent: 18 },
    slo: { attempted: 40, succeeded: 18, met: 18, notEvaluable: 0, outputTokensMet: 144 },
  });
  expect(fake.received).toHaveLength(18);
});

test('who has waited longer than a request may take is not sent any more', async () => {
  const fake = await openFake(oneAtATime(150));
  const { loop } = open(fake.origin, {
    arrivals: trace(...Array(8).fill(0.05)),
    connections: 1,
    requestTimeoutMs: 320,
  });
  const summary = await loop.run();
  check(summary);
  expect(summary.dropped).toBeGreaterThanOrEqual(4);
  expect(summary.attempted + (summary.dropped ?? 0)).toBe(8);
});

test('a server that keeps up is steady: the rate is that of the arrivals, and it ends when it is stopped', async () => {
  const fake = await openFake(after(50));
  const { loop, satisfied } = open(fake.origin, {
    arrivals: { kind: 'constant', requestsPerSecond: 40, offsetSeconds: 0 },
    minRequests: 30,
  });
  const running = loop.run();
  await satisfied;
  loop.stopAt(Date.now() + 200);
  const summary = await running;
  check(summary);
  const merged = mergeShards([summary]);
  expect(merged.rates).toMatchObject({ span: 'steady-window', reason: null });
  expect(merged.rates.requestsPerSecond).toBeGreaterThan(34);
  expect(merged.rates.requestsPerSecond).toBeLessThan(46);
  expect(merged).toMatchObject({ dropped: 0, failed: 0 });
  expect(merged.offered?.sent).toBe(merged.offered?.arrivals);
  // The warm-in is not in the window.
  expect(merged.offered?.arrivals).toBeLessThan(summary.attempted);
});

test('a server that can not keep up is told so, in the row and on time', async () => {
  const fake = await openFake(oneAtATime(50));
  const { loop, satisfied } = open(fake.origin, {
    arrivals: { kind: 'poisson', requestsPerSecond: 30 },
    connections: 64,
    minRequests: 20,
    maxSeconds: 3,
  });
  const summary = await loop.run();
  await satisfied;
  check(summary);
  expect(mergeShards([summary]).rates).toMatchObject({
    span: 'whole',
    reason: expect.stringContaining('did not keep up'),
  });
  // Outstanding requests are bounded by the connections, as was asked for.
  expect(summary.maxInFlight).toBeLessThanOrEqual(64);
});

test('cancel ends an open loop at once; what waits is not counted as dropped', async () => {
  const fake = await openFake(() => {});
  const { loop } = open(fake.origin, { arrivals: evenly(100, 0.01), connections: 2 });
  const running = loop.run();
  while (fake.received.length < 2) await delay(10);
  await delay(50);
  loop.cancel();
  const summary = await running;
  expect(summary).toMatchObject({ attempted: 0, dropped: 0 });
  expect(fake.received).toHaveLength(2);
});

test('a closed port is a load of failures, told in time', async () => {
  const { loop } = open('http://127.0.0.1:1', { arrivals: evenly(10, 0.01) });
  const summary = await loop.run();
  check(summary);
  expect(summary).toMatchObject({ attempted: 10, succeeded: 0, failures: { connect: 10 } });
});

test('more arrivals at one moment than a loop may send without reading are all sent', async () => {
  const fake = await openFake(after(1));
  const { loop } = open(fake.origin, { arrivals: trace(...Array(200).fill(0)), connections: 200 });
  const summary = await loop.run();
  check(summary);
  expect(summary).toMatchObject({ attempted: 200, succeeded: 200, dropped: 0 });
});
