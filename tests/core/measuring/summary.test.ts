import { describe, expect, test } from 'vitest';
import { DurationHistogram } from '../../../src/core/measuring/histogram.ts';
import type { SliceTrace } from '../../../src/core/measuring/slices.ts';
import { addCounts, mergeHistograms, mergeShards, oneOf } from '../../../src/core/measuring/summary.ts';
import {
  A_MOMENT_MS,
  aFailedShardSummary,
  aHistogram,
  aShardSummary,
  aWindow,
} from '../../support/builders.ts';

describe('the shards of a repeat', () => {
  test('counts add, and the repeat lasts from the first send to the last answer', () => {
    const summary = mergeShards([
      aShardSummary({
        connections: 3,
        attempted: 30,
        succeeded: 28,
        failures: { reset: 1, auth: 1 },
        failedStatusCodes: { none: 1, 401: 1 },
        retries: 2,
      }),
      aShardSummary({
        connections: 2,
        startedAtMs: A_MOMENT_MS - 500,
        endedAtMs: A_MOMENT_MS + 20_000,
        attempted: 20,
        succeeded: 19,
        failures: { reset: 1 },
        failedStatusCodes: { none: 1 },
        retries: 1,
      }),
    ]);
    expect(summary).toMatchObject({
      shards: 2,
      connections: 5,
      startedAtMs: A_MOMENT_MS - 500,
      endedAtMs: A_MOMENT_MS + 20_000,
      attempted: 50,
      succeeded: 47,
      failed: 3,
      failures: { reset: 2, auth: 1 },
      failedStatusCodes: { none: 2, 401: 1 },
      retries: 3,
    });
  });

  test('percentiles come from merged histograms and are never averaged', () => {
    const summary = mergeShards([
      aShardSummary({ e2e: aHistogram(...Array(90).fill(100)) }),
      aShardSummary({ e2e: aHistogram(...Array(10).fill(1_000)) }),
    ]);
    const e2e = DurationHistogram.parse(summary.histograms.e2e);
    expect(e2e.count).toBe(100);
    expect(e2e.quantileMs(0.5)).toBeCloseTo(100, 0);
    expect(e2e.quantileMs(0.95)).toBeCloseTo(1_000, -1);
    expect(e2e.meanMs).toBe(190);
  });

  test('rates of steady windows add, each over its own seconds', () => {
    const { rates } = mergeShards([
      aShardSummary({
        steady: aWindow({ seconds: 10, requests: 20, outputTokens: 1_000, promptTokens: 100 }),
      }),
      aShardSummary({ steady: aWindow({ seconds: 5, requests: 5, outputTokens: 500, promptTokens: 50 }) }),
    ]);
    expect(rates).toEqual({
      span: 'steady-window',
      reason: null,
      seconds: 10,
      requestsPerSecond: 3,
      outputTokensPerSecond: 200,
      outputUnitsPerSecond: 200,
      promptTokensPerSecond: 20,
      goodputRequestsPerSecond: null,
      goodputTokensPerSecond: null,
    });
  });

  test('goodput is the throughput times the share of good answers that met, over the same requests', () => {
    const slo = { attempted: 12, succeeded: 10, met: 6, notEvaluable: 1, outputTokensMet: 600 };
    const steady = aWindow({ seconds: 10, requests: 20, outputTokens: 2_000 });
    const merged = mergeShards([aShardSummary({ steady, slo }), aShardSummary({ steady, slo })]);
    expect(merged.slo).toEqual({
      attempted: 24,
      succeeded: 20,
      met: 12,
      notEvaluable: 2,
      outputTokensMet: 1_200,
    });
    // 4 requests/s of which 12 in 20 met, with 100 tokens each.
    expect(merged.rates.goodputRequestsPerSecond).toBeCloseTo(2.4);
    expect(merged.rates.goodputTokensPerSecond).toBeCloseTo(240);
    const none = { ...slo, met: 0, notEvaluable: 10, outputTokensMet: 0 };
    expect(mergeShards([aShardSummary({ slo: none })]).rates.goodputRequestsPerSecond).toBeNull();
    expect(mergeShards([aFailedShardSummary({ slo: { ...slo, succeeded: 0, met: 0 } })]).rates).toMatchObject(
      {
        goodputRequestsPerSecond: null,
        goodputTokensPerSecond: null,
      },
    );
    expect(mergeShards([aShardSummary()])).toMatchObject({ slo: null, dropped: 0, offered: null });
  });

  test('histograms that older rows or closed loops do not have are absent, and read as empty', () => {
    const old = mergeShards([aShardSummary(), aShardSummary({ ttftAnswer: aHistogram(400) })]);
    expect(Object.keys(old.histograms).sort()).toEqual(['e2e', 'gaps', 'ntpot', 'tpot', 'ttft']);
    expect(mergeHistograms([old.histograms.response, undefined]).count).toBe(0);
    const open = {
      response: aHistogram(500, 900),
      responseTtft: aHistogram(200),
      ttftAnswer: aHistogram(400),
    };
    const merged = mergeShards([aShardSummary(open), aShardSummary(open)]);
    expect(mergeHistograms([merged.histograms.response]).count).toBe(4);
    expect(mergeHistograms([merged.histograms.ttftAnswer]).meanMs).toBe(400);
  });

  test('an open loop is steady by its own gates: what was to be sent in the window was sent', () => {
    const slices = Array.from({ length: 20 }, (_, slice) => slice);
    const trace: SliceTrace = {
      connections: 64,
      sliceMs: 1_000,
      window: { beginMs: 0, endMs: 20_000 },
      // A third of the time nothing is outstanding, and never all connections are busy.
      inFlightMs: slices.map((slice) => (slice % 3) * 500),
      completions: slices.map(() => 2),
      e2eMs: slices.map(() => 1_000),
      outputTokens: slices.map(() => 200),
    };
    const shard = (sent: number) =>
      aShardSummary({ trace, offered: { arrivals: 40, sent }, dropped: 40 - sent });
    expect(mergeShards([shard(40), shard(40)])).toMatchObject({
      rates: { span: 'steady-window' },
      offered: { arrivals: 80, sent: 80 },
      dropped: 0,
    });
    expect(mergeShards([shard(40), shard(30)])).toMatchObject({
      rates: { span: 'whole', reason: expect.stringContaining('10 were not') },
      dropped: 10,
    });
  });

  test('an endpoint that one shard has seen idle is idle for all; otherwise each tells what it left behind', () => {
    const idle = { seconds: 3, requests: 2, idle: true };
    expect(mergeShards([aShardSummary(), aShardSummary()])).toMatchObject({ drained: null, leftBusy: false });
    expect(mergeShards([aShardSummary(), aShardSummary({ leftBusy: true })])).toMatchObject({
      leftBusy: true,
    });
    expect(mergeShards([aShardSummary({ drained: idle }), aShardSummary({ leftBusy: true })])).toMatchObject({
      drained: idle,
      leftBusy: false,
    });
    expect(
      mergeShards([aShardSummary({ drained: { ...idle, idle: false }, leftBusy: true }), aShardSummary()]),
    ).toMatchObject({ leftBusy: true });
  });

  test('rates over whole cycles are taken where a shard has them', () => {
    const perSecond = { requests: 4, outputTokens: 210, outputUnits: 210, promptTokens: 21 };
    const { rates } = mergeShards([
      aShardSummary({ steady: aWindow({ seconds: 10, outputTokens: 2_000, perSecond }) }),
      aShardSummary({ steady: aWindow({ seconds: 10, outputTokens: 1_000 }) }),
    ]);
    expect(rates.outputTokensPerSecond).toBe(310);
  });

  test('a model that makes no tokens has a rate in its own unit and none of tokens', () => {
    const images = aWindow({ seconds: 10, requests: 20, outputTokens: 0, outputUnits: 20 });
    const { rates, unit } = mergeShards([aShardSummary({ unit: 'image', steady: images })]);
    expect(unit).toBe('image');
    expect(rates).toMatchObject({ outputTokensPerSecond: null, outputUnitsPerSecond: 2 });
  });

  test('a window in which the load drifts is not steady: the whole counts, and the gate that failed is told', () => {
    // Ten slices of a second, each with ten answers whose time per token rises from 10 to 19 ms.
    const slices = Array.from({ length: 10 }, (_, slice) => slice);
    const trace = (drift: number): SliceTrace => ({
      connections: 1,
      sliceMs: 1_000,
      window: { beginMs: 0, endMs: 10_000 },
      inFlightMs: slices.map(() => 1_000),
      completions: slices.map(() => 10),
      e2eMs: slices.map((slice) => 10 * 100 * (10 + drift * slice)),
      outputTokens: slices.map(() => 10 * 100),
    });
    const drifting = mergeShards([aShardSummary({ trace: trace(1) })]);
    expect(drifting.rates).toMatchObject({
      span: 'whole',
      reason: expect.stringContaining('per output token'),
    });
    expect(mergeShards([aShardSummary({ trace: trace(0) })]).rates.span).toBe('steady-window');
  });

  test('one shard without a window makes the whole repeat count, from the first send to the last answer', () => {
    const { rates } = mergeShards([
      aShardSummary({ whole: aWindow({ requests: 20, outputTokens: 1_200 }) }),
      aShardSummary({
        whole: aWindow({ requests: 4, outputTokens: 600 }),
        steady: null,
        steadyReason: 'Too few.',
        endedAtMs: A_MOMENT_MS + 20_000,
      }),
    ]);
    expect(rates).toMatchObject({
      span: 'whole',
      reason: 'Too few.',
      seconds: 20,
      requestsPerSecond: 1.2,
      outputTokensPerSecond: 90,
    });
  });

  test('a window of no time is none', () => {
    const { rates } = mergeShards([aShardSummary({ steady: aWindow({ seconds: 0 }) })]);
    expect(rates).toMatchObject({ span: 'whole', reason: 'No steady window was reached.' });
  });

  test('no success means no rate, no mean and no fidelity, but every class of failure', () => {
    const summary = mergeShards([
      aFailedShardSummary(),
      aFailedShardSummary({ failures: { auth: 20 }, failedStatusCodes: { 401: 20 } }),
    ]);
    expect(summary).toMatchObject({
      succeeded: 0,
      failed: 40,
      promptTokensMean: null,
      outputTokensMean: null,
      outputLengthFidelity: null,
      tokenSource: null,
      shardSpread: null,
      failures: { 'server-error': 20, auth: 20 },
    });
    expect(summary.rates).toMatchObject({
      requestsPerSecond: null,
      outputTokensPerSecond: null,
      promptTokensPerSecond: null,
    });
  });

  // A window in which every request failed gives 0 and not null, which then stands as a throughput of 0 in the report.
  test('no success means no rate, in a steady window too', () => {
    const nothing = aWindow({ requests: 0, outputTokens: 0, promptTokens: 0 });
    const { rates } = mergeShards([aFailedShardSummary({ steady: nothing, steadyReason: null })]);
    expect(rates.outputTokensPerSecond).toBeNull();
  });

  test('a burst that took no time has no rate', () => {
    const { rates } = mergeShards([aShardSummary({ steady: null, endedAtMs: A_MOMENT_MS })]);
    expect(rates.requestsPerSecond).toBeNull();
  });

  test('a shard without any answer says nothing of the TTFT of one that has them', () => {
    const none = aFailedShardSummary({ ttftReason: 'no-output' });
    expect(mergeShards([none, aShardSummary()]).ttftReason).toBeNull();
    expect(mergeShards([none, aShardSummary({ ttftReason: 'buffered' })]).ttftReason).toBe('buffered');
    expect(mergeShards([none, none]).ttftReason).toBe('no-output');
  });

  test('a shard that could tell a real stream tells it for one that could not', () => {
    const untold = aShardSummary({ mayBeBuffered: true });
    const none = aFailedShardSummary({ ttftReason: 'no-output' });
    expect(mergeShards([untold, none]).mayBeBuffered).toBe(true);
    expect(mergeShards([untold, aShardSummary()])).not.toHaveProperty('mayBeBuffered');
    expect(mergeShards([none])).not.toHaveProperty('mayBeBuffered');
  });

  test('the spread of the shards compares their rates per connection', () => {
    const shard = (connections: number, outputTokens: number) =>
      aShardSummary({ connections, steady: aWindow({ seconds: 10, outputTokens }) });
    expect(mergeShards([shard(1, 1_000)]).shardSpread).toBeNull();
    expect(mergeShards([shard(1, 1_000), shard(2, 2_000)]).shardSpread).toBe(0);
    expect(mergeShards([shard(1, 900), shard(1, 1_100)]).shardSpread).toBeCloseTo(0.2, 10);
  });

  test('two sources of token counts are told as mixed', () => {
    expect(mergeShards([aShardSummary(), aShardSummary({ tokenSource: 'estimate' })]).tokenSource).toBe(
      'mixed',
    );
    expect(mergeShards([aShardSummary(), aShardSummary({ tokenSource: null })]).tokenSource).toBe('usage');
  });

  test('no shard is a bug of the caller', () => {
    expect(() => mergeShards([])).toThrow('without a shard');
  });

  test('a summary survives JSON', () => {
    const summary = mergeShards([aShardSummary(), aFailedShardSummary()]);
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });
});

test.each<[counts: Record<string, number>[], sum: Record<string, number>]>([
  [[], {}],
  [[{}, {}], {}],
  [[{ a: 1 }, { a: 2, b: 3 }], { a: 3, b: 3 }],
])('counts %j add to %j', (counts, sum) => {
  expect(addCounts(counts)).toEqual(sum);
});

test.each<[values: ('a' | 'b' | 'mixed' | null)[], one: string | null]>([
  [[], null],
  [[null, null], null],
  [['a', null, 'a'], 'a'],
  [['a', 'b'], 'mixed'],
  [['a', 'mixed'], 'mixed'],
])('of %j the one value is %j', (values, one) => {
  expect(oneOf(values)).toBe(one);
});
