import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import {
  type ClientEvidence,
  type ClientHealth,
  judgeClient,
  mergeClientHealth,
} from '../../src/core/measuring/client-health.ts';
import { ClientWatch } from '../../src/load/client-watch.ts';
import { heatThread } from '../../src/load/heat-thread.ts';
import { sample } from './a-sample.ts';

const GOOD: ClientHealth = {
  watchedSeconds: 10,
  loopLagP99Ms: 1,
  loopLagMaxMs: 2,
  busyShare: 0.1,
  cpuSeconds: 1,
  gcPauseMs: 10,
  gcLongestMs: 2,
  sendDelayMeanMs: 0.1,
  sendDelayP99Ms: 0.4,
  roundTripMs: 20,
};

const EVIDENCE: ClientEvidence = {
  client: GOOD,
  closedLoop: true,
  connections: 16,
  meanInFlight: 15.9,
  steadySeconds: 10,
  failed: 0,
  ttftP50Ms: 100,
  e2eP50Ms: 1_000,
  e2eMeanMs: 1_000,
};

interface Case {
  readonly when: string;
  readonly evidence?: Partial<ClientEvidence>;
  readonly client?: Partial<ClientHealth>;
  readonly valid: boolean | null;
  /** What its one sentence is to tell. */
  readonly words?: RegExp;
}

test.each<Case>([
  { when: 'everything is in order', valid: true },
  { when: 'the loop is late by just what is allowed', client: { loopLagP99Ms: 5 }, valid: true },
  {
    when: 'the loop is late by more',
    client: { loopLagP99Ms: 5.1 },
    valid: false,
    words: /5\.1 ms.*5\.0 ms are allowed/,
  },
  { when: 'a long TTFT allows more', client: { loopLagP99Ms: 9 }, evidence: { ttftP50Ms: 500 }, valid: true },
  {
    when: 'a long E2E does not where there is a TTFT',
    client: { loopLagP99Ms: 9 },
    valid: false,
    words: /loop/,
  },
  {
    when: 'a long E2E does where nothing streams',
    client: { loopLagP99Ms: 9 },
    evidence: { ttftP50Ms: null },
    valid: true,
  },
  { when: 'nothing succeeded', evidence: { ttftP50Ms: null, e2eP50Ms: null, e2eMeanMs: null }, valid: true },
  {
    when: 'too little was in flight',
    evidence: { meanInFlight: 15.1 },
    valid: false,
    words: /Only 15\.1 of 16/,
  },
  { when: 'just enough was in flight', evidence: { meanInFlight: 15.2 }, valid: true },
  { when: 'pauses after failures explain it', evidence: { meanInFlight: 12, failed: 40 }, valid: true },
  {
    when: 'failures explain a part of it only',
    evidence: { meanInFlight: 12, failed: 3 },
    valid: false,
    words: /flight/,
  },
  {
    when: 'there is no steady window to judge it in',
    evidence: { meanInFlight: 3, steadySeconds: null },
    valid: true,
  },
  {
    when: 'the loop is open',
    evidence: { meanInFlight: 3, closedLoop: false },
    client: { sendDelayMeanMs: 500 },
    valid: true,
  },
  {
    when: 'connections were idle too long',
    client: { sendDelayMeanMs: 60 },
    valid: false,
    words: /60\.0 ms late/,
  },
  { when: 'they were idle for just less', client: { sendDelayMeanMs: 52 }, valid: true },
  {
    when: 'requests are so short that a timer is much',
    client: { sendDelayMeanMs: 0.9 },
    evidence: { e2eMeanMs: 2 },
    valid: true,
  },
  { when: 'it was too short to tell', client: { watchedSeconds: 0.4, loopLagP99Ms: 100 }, valid: null },
  { when: 'a thread told nothing', evidence: { client: null }, valid: null },
])('a measurement is $valid when $when', ({ evidence, client, valid, words }) => {
  const verdict = judgeClient({ ...EVIDENCE, client: { ...GOOD, ...client }, ...evidence });
  expect(verdict.valid).toBe(valid);
  expect(verdict.faults).toHaveLength(words === undefined ? 0 : 1);
  if (words !== undefined) expect(verdict.faults[0]).toMatch(words);
});

test('every fault is told', () => {
  const client = { ...GOOD, loopLagP99Ms: 50, sendDelayMeanMs: 500 };
  expect(judgeClient({ ...EVIDENCE, client, meanInFlight: 8 }).faults).toHaveLength(3);
});

test('several threads are as good as the worst of them, and what adds up is added', () => {
  const other = { ...GOOD, loopLagP99Ms: 7, cpuSeconds: 2, sendDelayMeanMs: null, roundTripMs: 5 };
  expect(mergeClientHealth([GOOD, other])).toEqual({
    ...GOOD,
    loopLagP99Ms: 7,
    cpuSeconds: 3,
    gcPauseMs: 20,
    roundTripMs: 5,
  });
  expect(mergeClientHealth([GOOD, { ...GOOD, cpuSeconds: null }])?.cpuSeconds).toBeNull();
  expect(mergeClientHealth([{ ...GOOD, roundTripMs: null }])?.roundTripMs).toBeNull();
});

test('threads of which one told nothing are not known', () => {
  expect(mergeClientHealth([GOOD, undefined])).toBeNull();
  expect(mergeClientHealth([])).toBeNull();
});

let watch: ClientWatch | null = null;
afterEach(() => watch?.close());

/** Keeps the event loop from anything else. */
function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

test('a loop that stood still is late by as long, and as often as something would have been due meanwhile', async () => {
  watch = new ClientWatch();
  // Long enough that one value of many would not be the 99th percentile.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  block(200);
  await turn();
  const health = watch.read(null);
  expect(health.loopLagMaxMs).toBeGreaterThan(180);
  // Forty values are from that one stop.
  expect(health.loopLagP99Ms).toBeGreaterThan(150);
  expect(health.busyShare).toBeGreaterThan(0.1);
  expect(health.watchedSeconds).toBeGreaterThan(1.1);
  expect(health.cpuSeconds).toBeGreaterThan(0.05);
});

test('a stop that has not ended yet is seen too', () => {
  watch = new ClientWatch();
  block(60);
  expect(watch.read(null).loopLagMaxMs).toBeGreaterThan(50);
});

test('what came before it began anew is forgotten', () => {
  watch = new ClientWatch();
  block(60);
  watch.note(sample({ sentMs: 70 }), 0);
  watch.begin();
  expect(watch.read(null)).toMatchObject({ sendDelayMeanMs: null, sendDelayP99Ms: null });
  expect(watch.read(null).loopLagMaxMs).toBeLessThan(50);
});

test('send delays are of all requests, content events of the good streams', () => {
  watch = new ClientWatch();
  watch.note(sample({ scheduledMs: 100, sentMs: 102, ttftMs: 5, gapsMs: [1, 1] }), 100);
  watch.note(sample({ scheduledMs: 100, sentMs: 106, failure: 'reset' }), 100);
  // It had waited for a connection until 200, which is not this client's delay.
  watch.note(sample({ scheduledMs: 100, sentMs: 201 }), 200);
  const health = watch.read(3);
  expect(health.sendDelayMeanMs).toBeCloseTo(3);
  expect(health.sendDelayP99Ms).toBeCloseTo(6, 1);
  expect(health.roundTripMs).toBe(3);
  expect(watch.contentEvents).toBe(3);
});

test('pauses of the garbage collector are added up', async () => {
  watch = new ClientWatch();
  const kept: object[][] = [];
  for (let round = 0; round < 60; round += 1) {
    kept.push(Array.from({ length: 20_000 }, (_, index) => ({ index })));
    if (kept.length > 10) kept.shift();
    await turn();
  }
  const { gcPauseMs, gcLongestMs } = watch.read(null);
  expect(gcPauseMs).toBeGreaterThan(0);
  expect(gcLongestMs).toBeGreaterThan(0);
  expect(gcPauseMs).toBeGreaterThanOrEqual(gcLongestMs);
});

test('a thread is made hot by answers that the engine reads as good, and nothing of it stays', async () => {
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
  const before = sockets();
  expect(await heatThread(1, true)).toBe(192);
  expect(await heatThread(16, false)).toBe(96 + 128);
  await expect.poll(sockets).toBeLessThanOrEqual(before);
});
