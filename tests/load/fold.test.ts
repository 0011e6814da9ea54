import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { DurationHistogram } from '../../src/core/measuring/histogram.ts';
import { ratioRange } from '../../src/core/measuring/length-ratios.ts';
import type { ShardOrder } from '../../src/core/measuring/shard.ts';
import type { Slo } from '../../src/core/spec/slo.ts';
import { ShardFold } from '../../src/load/fold.ts';
import { sample } from './a-sample.ts';
import { shardOrder } from './fake-endpoint.ts';

const order = (outputTokens: number): ShardOrder =>
  shardOrder('http://127.0.0.1:1', { workload: { promptTokens: 64, outputTokens } });

test('tokens and requests of the window are those that lie in it; percentiles are of what was sent in it', () => {
  const fold = new ShardFold(order(10));
  // One worker, back to back: requests of 100 ms each at 1000, 1100, ... 1900; window from 1200 to 1750.
  for (let index = 0; index < 10; index += 1) {
    const sentMs = 1_000 + index * 100;
    fold.enter(sentMs, sentMs);
    if (index === 7) fold.closeWindow(1_750);
    fold.leave(sentMs + 100);
    fold.add(sample({ sentMs, e2eMs: 100 }), 0);
    if (index === 1) fold.openWindow(1_200, 0);
  }
  const summary = fold.summarize(2_000, 'no', 5, null);
  expect(summary.steady).toMatchObject({ seconds: 0.55, requests: 5 });
  // Five and a half requests of ten tokens lie inside: 100 tokens/s, the true rate.
  expect(summary.steady?.outputTokens).toBeCloseTo(55);
  expect(summary.steady?.promptTokens).toBeCloseTo(55);
  expect(summary.whole).toMatchObject({ seconds: 1, requests: 10, outputTokens: 100, promptTokens: 100 });
  expect(summary.meanInFlight).toBeCloseTo(1);
  // Sent at 1200 is at the edge and outside; 1300 to 1900 are inside in this record.
  expect(DurationHistogram.parse(summary.e2e).count).toBe(5);
});

test('without enough answers inside, there is no window, its reason is told, and percentiles are of everything', () => {
  const fold = new ShardFold(order(10));
  fold.enter(0, 0);
  fold.leave(100);
  fold.add(sample({}), 0);
  const summary = fold.summarize(200, 'too few', 1, null);
  expect(summary.steady).toBeNull();
  expect(summary.steadyReason).toBe('too few');
  expect(DurationHistogram.parse(summary.e2e).count).toBe(1);
});

test('a failure is a count and an example, and never a latency or a token', () => {
  const fold = new ShardFold(order(10));
  fold.add(sample({ failure: 'throttle-queue', failureDetail: 'full', status: 429, e2eMs: 1 }), 0);
  fold.add(sample({ failure: 'throttle-queue', failureDetail: 'later', status: 429, e2eMs: 1 }), 0);
  fold.add(sample({ failure: 'reset', failureDetail: 'gone', status: null, e2eMs: 1 }), 0);
  fold.add(sample({ failure: 'canceled' }), 0);
  const summary = fold.summarize(0, 'no', 1, null);
  expect(summary).toMatchObject({
    attempted: 3,
    succeeded: 0,
    failures: { 'throttle-queue': 2, reset: 1 },
    failedStatusCodes: { '429': 2, none: 1 },
    failureExamples: { 'throttle-queue': 'full', reset: 'gone' },
    whole: { seconds: 0, requests: 0, outputTokens: 0, promptTokens: 0 },
    ttftReason: 'no-output',
    tokenSource: null,
    meanInFlight: 0,
  });
  expect(DurationHistogram.parse(summary.e2e).count).toBe(0);
});

const streamed = (gapMs: number) =>
  sample({
    ttftMs: 100,
    ttftReason: null,
    gapsMs: Array(39).fill(gapMs),
    e2eMs: 100 + 39 * gapMs,
    outputTokens: 40,
  });

test('TTFT, TPOT and gaps of a stream', () => {
  const fold = new ShardFold(order(40));
  fold.add(streamed(20), 0);
  const summary = fold.summarize(0, 'no', 1, null);
  const mean = (key: 'ttft' | 'tpot' | 'gaps' | 'e2e' | 'ntpot') =>
    DurationHistogram.parse(summary[key]).meanMs;
  expect(summary.ttftReason).toBeNull();
  expect([mean('ttft'), mean('tpot'), mean('gaps'), mean('e2e')]).toEqual([100, 20, 20, 880]);
  expect(mean('ntpot')).toBeCloseTo(22);
  expect(DurationHistogram.parse(summary.gaps).count).toBe(39);
  expect(summary.outputLengthAsAsked).toBe(1);
});

test('when most streams were held back, there is no TTFT, no TPOT and no gap, and the reason is told', () => {
  const fold = new ShardFold(order(40));
  for (const gapMs of [20, 0, 0]) fold.add(streamed(gapMs), 0);
  const summary = fold.summarize(0, 'no', 1, null);
  expect(summary.ttftReason).toBe('buffered');
  for (const key of ['ttft', 'tpot', 'gaps'] as const)
    expect(DurationHistogram.parse(summary[key]).count).toBe(0);
  expect(DurationHistogram.parse(summary.e2e).count).toBe(3);
});

test('when only a few were held back, the stream is real', () => {
  const fold = new ShardFold(order(40));
  for (const gapMs of [20, 20, 0]) fold.add(streamed(gapMs), 0);
  expect(fold.summarize(0, 'no', 1, null).ttftReason).toBeNull();
});

test('short streams that come at once keep their TTFT and may have been held back, unless an answer tells', () => {
  const short = (gapMs: number) =>
    sample({
      ttftMs: 400,
      ttftReason: null,
      gapsMs: Array(7).fill(gapMs),
      e2eMs: 400 + 7 * gapMs,
      outputTokens: 8,
    });
  const summaryOf = (...samples: ReturnType<typeof sample>[]) => {
    const fold = new ShardFold(order(8));
    for (const one of samples) fold.add(one, 0);
    return fold.summarize(0, 'no', 1, null);
  };
  const untold = summaryOf(short(0), short(0), short(3));
  expect(untold).toMatchObject({ ttftReason: null, mayBeBuffered: true });
  expect(DurationHistogram.parse(untold.ttft).count).toBe(3);
  // Real short streams, long answers that tell, and answers without a stream.
  for (const told of [
    [short(20), short(20), short(0)],
    [short(0), streamed(20)],
    [short(0), streamed(0)],
    [sample({})],
  ])
    expect(summaryOf(...told)).not.toHaveProperty('mayBeBuffered');
});

test('tokens of streams that were held back are spread over their time', () => {
  const fold = new ShardFold(order(40));
  fold.openWindow(0, 0);
  fold.closeWindow(500);
  // All content at 1000 ms: by arrival nothing is inside, by time half of it.
  fold.add(
    sample({
      sentMs: 0,
      ttftMs: 1_000,
      ttftReason: null,
      gapsMs: Array(39).fill(0),
      e2eMs: 1_000,
      outputTokens: 40,
    }),
    0,
  );
  expect(fold.summarize(1_000, 'no', 0, null).steady?.outputTokens).toBeCloseTo(20);
});

test('mixed sources of token counts are told', () => {
  const fold = new ShardFold(order(10));
  fold.add(sample({}), 0);
  fold.add(sample({ tokenSource: 'estimate' }), 0);
  expect(fold.summarize(0, 'no', 1, null).tokenSource).toBe('mixed');
});

test('two shards merge without loss: counts add and percentiles are of all', () => {
  const [fast, slow] = [new ShardFold(order(10)), new ShardFold(order(10))];
  for (let index = 0; index < 100; index += 1) {
    fast.add(sample({ e2eMs: 100 }), 0);
    slow.add(sample({ e2eMs: index < 90 ? 100 : 1_000 }), 0);
  }
  const merged = DurationHistogram.parse(fast.summarize(0, 'no', 1, null).e2e);
  merged.add(DurationHistogram.parse(slow.summarize(0, 'no', 1, null).e2e));
  expect(merged.count).toBe(200);
  expect(merged.quantileMs(0.94)).toBeCloseTo(100, 0);
  expect(merged.quantileMs(0.96)).toBeCloseTo(1_000, -1);
});

test('a fold of 10,000 requests keeps none of them: its memory is that of a fold of ten', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const fold = new ShardFold(order(40));
  const size = () => JSON.stringify(fold.summarize(0, 'no', 1, null)).length;
  const empty = size();
  const kept: WeakRef<object>[] = [];
  for (let index = 0; index < 10_000; index += 1) {
    const one = streamed(1 + (index % 50));
    kept.push(new WeakRef(one));
    fold.add(one, 0);
  }
  // A weak reference holds until the end of the turn.
  await setImmediate();
  collect();
  expect(fold.succeeded).toBe(10_000);
  expect(kept.filter((one) => one.deref() !== undefined).length).toBeLessThan(10);
  expect(size()).toBeLessThan(empty + 20_000);
});

/** Virtual time: connections with equal requests in a phase of their own, and a window that ends anywhere. */
function rateOfEqualRequests(
  connections: number,
  endMs: number,
  perRequestMs: number,
): ReturnType<ShardFold['summarize']> {
  const fold = new ShardFold(
    shardOrder('http://127.0.0.1:1', {
      connections,
      load: { mode: 'steady', minRequests: 1, maxSeconds: 60 },
    }),
  );
  const ends: { worker: number; endMs: number }[] = [];
  for (let worker = 0; worker < connections; worker += 1) {
    const phaseMs = (worker * perRequestMs * 0.25) / connections;
    for (let at = phaseMs + perRequestMs; at <= endMs; at += perRequestMs) ends.push({ worker, endMs: at });
  }
  ends.sort((one, other) => one.endMs - other.endMs);
  const seen = new Set<number>();
  for (const { worker, endMs: at } of ends) {
    // 100 tokens in the last 60 % of each request; the first 40 % are prefill, in which nothing comes.
    const ttftMs = perRequestMs * 0.4;
    const gapMs = (perRequestMs * 0.6) / 99;
    const gapsMs = Array.from({ length: 99 }, () => gapMs);
    fold.add(
      sample({
        sentMs: at - perRequestMs,
        ttftMs,
        ttftReason: null,
        e2eMs: perRequestMs,
        outputTokens: 100,
        gapsMs,
      }),
      worker,
    );
    if (!seen.has(worker)) {
      seen.add(worker);
      if (seen.size === connections) fold.openWindow(at, worker);
    }
  }
  fold.closeWindow(endMs);
  return fold.summarize(endMs, 'no', 1, null);
}

test.each([12_000, 12_400, 12_900, 13_500, 14_100])(
  'the rate of equal requests is their true one wherever the window ends (%i ms)',
  (endMs) => {
    const { steady } = rateOfEqualRequests(4, endMs, 2_333);
    expect(steady?.perSecond?.outputTokens).toBeCloseTo((4 * 100) / 2.333, 6);
    expect(steady?.perSecond?.requests).toBeCloseTo(4 / 2.333, 6);
  },
);

test('counting by seconds misses tokens where the window ends in the silence before the first of them', () => {
  const { steady } = rateOfEqualRequests(4, 12_600, 2_333);
  expect((steady?.outputTokens ?? 0) / (steady?.seconds ?? 1)).toBeLessThan(((4 * 100) / 2.333) * 0.97);
});

test('a connection without a second answer inside has no cycle, and no rate is made of cycles', () => {
  expect(rateOfEqualRequests(4, 3_200, 2_333).steady?.perSecond ?? null).toBeNull();
});

test('cached prompt tokens and echoes of good answers are added up; a usage without them tells nothing', () => {
  const fold = new ShardFold(order(8));
  for (const cachedPromptTokens of [10, null, 5])
    fold.add(sample({ cachedPromptTokens, flags: ['echo'] }), 0);
  fold.add(sample({ failure: 'reset', flags: [], cachedPromptTokens: null }), 0);
  expect(fold.summarize(1_000, 'no', 1, null)).toMatchObject({ cachedPromptTokens: 15, echoes: 3 });
  expect(new ShardFold(order(8)).summarize(1_000, 'no', 1, null).cachedPromptTokens).toBeNull();
});

const SLO: Slo = { attainment: 0.95, ttftMs: 150, tpotMs: 25, e2eMs: 1_000 };
const heldTo = (slo: Slo, change: Partial<ShardOrder> = {}) =>
  new ShardFold({ ...order(40), ...change, slo });

test('objectives are counted over what percentiles are of, failures are misses', () => {
  const fold = heldTo(SLO);
  fold.add({ ...streamed(20), sentMs: 0 }, 0);
  fold.openWindow(500, 0);
  fold.add({ ...streamed(20), sentMs: 600 }, 0);
  fold.add({ ...streamed(26), sentMs: 700 }, 0);
  fold.add(sample({ failure: 'reset', sentMs: 800, e2eMs: 1, outputTokens: 0 }), 0);
  fold.add(sample({ failure: 'canceled', sentMs: 900 }), 0);
  fold.closeWindow(2_000);
  // Sent inside, ended after it: it counts all the same.
  fold.add({ ...streamed(20), sentMs: 1_900 }, 0);
  fold.add({ ...streamed(20), sentMs: 2_001 }, 0);
  const { slo, e2e } = fold.summarize(3_000, 'no', 1, null);
  expect(slo).toEqual({ attempted: 4, succeeded: 3, met: 2, notEvaluable: 0, outputTokensMet: 80 });
  expect(DurationHistogram.parse(e2e).count).toBe(3);
  // Without enough answers inside, all are what they are of.
  expect(fold.summarize(3_000, 'no', 99, null).slo).toMatchObject({ attempted: 6, succeeded: 5, met: 4 });
  expect(new ShardFold(order(40)).summarize(0, 'no', 1, null).slo).toBeNull();
});

test('where streams were held back, their times to the first token decide nothing', () => {
  const fold = heldTo(SLO);
  for (let index = 0; index < 3; index += 1) fold.add(streamed(0), 0);
  const summary = fold.summarize(0, 'no', 1, null);
  expect(summary).toMatchObject({ ttftReason: 'buffered', slo: { met: 0, notEvaluable: 3 } });
  const onlyE2e = heldTo({ ...SLO, ttftMs: null, tpotMs: null });
  for (let index = 0; index < 3; index += 1) onlyE2e.add(streamed(0), 0);
  expect(onlyE2e.summarize(0, 'no', 1, null).slo).toMatchObject({ met: 3, notEvaluable: 0 });
});

test('where streams may have been held back, an objective of the time per token is judged by its bounds', () => {
  const slo = { ...SLO, ttftMs: 450 };
  const sloOf = (objectives: Slo, gapMs: number, ttftMs = 400) => {
    const fold = heldTo(objectives);
    const gapsMs = Array(7).fill(gapMs);
    const one = { ttftMs, ttftReason: null, gapsMs, e2eMs: ttftMs + 7 * gapMs, outputTokens: 8 };
    for (let index = 0; index < 3; index += 1) fold.add(sample(one), 0);
    return fold.summarize(0, 'no', 1, null).slo;
  };
  expect(sloOf(slo, 20)).toMatchObject({ met: 3, notEvaluable: 0 });
  expect(sloOf(slo, 0)).toMatchObject({ met: 0, notEvaluable: 3, outputTokensMet: 0 });
  // Eight tokens in 400 ms: not more than 58 ms for each but the first, whenever they were made.
  expect(sloOf({ ...slo, tpotMs: 58 }, 0)).toMatchObject({ met: 3, notEvaluable: 0 });
  // The first token came no earlier than it did, whoever held it back.
  expect(sloOf({ ...slo, tpotMs: null }, 0)).toMatchObject({ met: 3, notEvaluable: 0 });
  expect(sloOf(slo, 0, 500)).toMatchObject({ met: 0, notEvaluable: 0 });
});

test('the first answer token has a histogram of its own, of the answers that have one', () => {
  const fold = new ShardFold(order(40));
  fold.add({ ...streamed(20), ttftAnswerMs: 400 }, 0);
  fold.add({ ...streamed(20), ttftAnswerMs: null }, 0);
  const { ttftAnswer, ttft } = fold.summarize(0, 'no', 1, null);
  expect(ttftAnswer && DurationHistogram.parse(ttftAnswer)).toMatchObject({ count: 1, meanMs: 400 });
  expect(DurationHistogram.parse(ttft).count).toBe(2);
});

const openLoad: ShardOrder['load'] = {
  mode: 'open',
  arrivals: { kind: 'poisson', requestsPerSecond: 1 },
  minRequests: 1,
  maxSeconds: 60,
};

test('an open loop counts by when requests were to be sent, and what was never sent is a miss', () => {
  const fold = heldTo({ ...SLO, ttftMs: 150, tpotMs: null, e2eMs: null }, { load: openLoad, connections: 1 });
  fold.begin(0);
  const begin = (scheduledMs: number, sentMs: number) => {
    fold.arrive(scheduledMs, scheduledMs);
    fold.enter(sentMs, scheduledMs);
  };
  const end = (scheduledMs: number, sentMs: number) => {
    fold.leave(sentMs + 880);
    fold.add({ ...streamed(20), scheduledMs, sentMs }, 0);
  };
  const send = (scheduledMs: number, waitedMs: number) => {
    begin(scheduledMs, scheduledMs + waitedMs);
    end(scheduledMs, scheduledMs + waitedMs);
  };
  // To be sent before the window, sent inside it: it belongs to the time before.
  begin(900, 1_050);
  fold.openWindow(1_000, 0);
  end(900, 1_050);
  send(1_100, 0);
  send(1_200, 40);
  // TTFT of 100 ms, but 160 after it was wanted.
  send(1_300, 60);
  fold.arrive(1_400, 1_400);
  fold.drop(1_400, 1_500);
  fold.closeWindow(3_000);
  const summary = fold.summarize(4_000, 'no', 1, null);
  expect(summary.slo).toEqual({ attempted: 4, succeeded: 3, met: 2, notEvaluable: 0, outputTokensMet: 80 });
  expect(summary).toMatchObject({
    dropped: 1,
    offered: { arrivals: 4, sent: 3 },
    attempted: 4,
    succeeded: 4,
  });
  const of = (encoded = summary.response) => encoded && DurationHistogram.parse(encoded);
  expect(of()).toMatchObject({ count: 3 });
  expect(of()?.maxMs).toBeCloseTo(940, 0);
  expect(of(summary.responseTtft)?.maxMs).toBeCloseTo(160, 0);
  expect(of(summary.e2e)?.maxMs).toBeCloseTo(880, 0);
  // Rates of an open loop are counts by seconds: connections have no cycles there.
  expect(summary.steady).toMatchObject({ perSecond: null, seconds: 2 });
  // All arrivals count where there was no window.
  expect(fold.summarize(4_000, 'no', 99, null)).toMatchObject({
    offered: { arrivals: 5, sent: 4 },
    slo: { attempted: 5 },
  });
});

test('what waits for a connection is outstanding in the trace of an open loop, and not in flight', () => {
  const fold = new ShardFold({ ...order(40), load: openLoad });
  fold.begin(0);
  fold.arrive(0, 0);
  fold.enter(600, 0);
  fold.leave(1_000);
  fold.arrive(1_000, 1_000);
  fold.drop(1_000, 1_500);
  const { trace, meanInFlight } = fold.summarize(2_000, 'no', 1, null);
  expect(trace?.inFlightMs.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(1_500);
  expect(meanInFlight).toBeCloseTo(1);
});

test('what ended inside the window is told to the circuit breaker, and nothing else', () => {
  const fold = new ShardFold(order(10));
  fold.add(sample({ failure: 'reset', sentMs: 0, e2eMs: 10 }), 0);
  fold.openWindow(100, 0);
  fold.add(sample({ failure: 'reset', sentMs: 50, e2eMs: 100 }), 0);
  fold.add(sample({ sentMs: 50, e2eMs: 100 }), 0);
  fold.closeWindow(1_000);
  fold.add(sample({ failure: 'reset', sentMs: 950, e2eMs: 100 }), 0);
  expect(fold.endedInside).toEqual({ succeeded: 1, failures: new Map([['reset', 1]]), dropped: 0 });
});

test('bytes of failures count too, and those of the window are the part of a request that lies in it', () => {
  const fold = new ShardFold(order(10));
  fold.openWindow(100, 0);
  const bytes = { sentBytes: 100, receivedBytes: 1_000, e2eMs: 100 };
  fold.closeWindow(250);
  fold.add(sample({ ...bytes, sentMs: 100 }), 0);
  fold.add(sample({ ...bytes, sentMs: 200, failure: 'server-error', status: 500 }), 0);
  fold.add(sample({ ...bytes, sentMs: 900 }), 0);
  fold.add(sample({ ...bytes, sentMs: 100, failure: 'canceled' }), 0);
  expect(fold.summarize(1_000, 'no', 1, null).wire).toMatchObject({
    whole: { sent: 300, received: 3_000 },
    steady: { sent: 150, received: 1_500 },
  });
  expect(fold.summarize(1_000, 'no', 9, null).wire?.steady).toBeNull();
});

test('delays are those of good answers that were delayed; limits those of the last refusal', () => {
  const fold = new ShardFold(order(10));
  expect(fold.summarize(0, 'no', 1, null).wire).toMatchObject({ delays: null, rateLimit: {} });
  fold.add(sample({ bandwidthDelayMs: 40 }), 0);
  fold.add(sample({ bandwidthDelayMs: 0 }), 0);
  fold.add(sample({ bandwidthDelayMs: 9_000, failure: 'reset' }), 0);
  fold.add(sample({ failure: 'throttle-rate', rateLimit: { 'remaining-tokens': '0' } }), 0);
  fold.add(sample({ rateLimit: { 'remaining-tokens': '500' } }), 0);
  const { wire } = fold.summarize(0, 'no', 1, null);
  expect(wire?.rateLimit).toEqual({ 'remaining-tokens': '0' });
  const delays = DurationHistogram.parse(wire?.delays ?? { sumMs: 0, buckets: '' });
  expect([delays.count, delays.maxMs]).toEqual([1, expect.closeTo(40, 0)]);
});

test('lengths are held against what each request asked for; a prompt of the user’s own against nothing', () => {
  const fold = new ShardFold(order(10));
  fold.add(sample({ outputTokens: 5, outputTokensAsked: 20, promptTokens: 66, promptTokensAsked: 60 }), 0);
  fold.add(sample({ outputTokens: 10, promptTokens: null }), 0);
  fold.add(sample({ outputTokens: 1, failure: 'reset' }), 0);
  const { outputLengths, promptLengths } = fold.summarize(0, 'no', 1, null);
  expect(ratioRange(outputLengths ?? {})).toEqual({ count: 2, p5: 0.25, p95: 1 });
  expect(ratioRange(promptLengths ?? {})).toEqual({ count: 1, p5: 1.1, p95: 1.1 });
  const own = new ShardFold({ ...order(10), prompts: [{ prompt: 'Where is my order?' }] });
  own.add(sample({}), 0);
  own.add(sample({ unit: 'image', outputTokens: 0 }), 0);
  const told = own.summarize(0, 'no', 1, null);
  expect(told.promptLengths).toEqual({});
  expect(told.outputLengths).toEqual({ 200: 1 });
});
