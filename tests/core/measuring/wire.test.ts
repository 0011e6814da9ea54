import { expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import type { ShardWire } from '../../../src/core/measuring/wire.ts';
import { buildReport } from '../../../src/core/report/report.ts';
import { A_MOMENT_MS, aCell, aHistogram, aRun, aShardSummary } from '../../support/builders.ts';

const aWire = (fields: Partial<ShardWire> = {}): ShardWire => ({
  whole: { sent: 24_000, received: 120_000 },
  steady: { sent: 20_000, received: 100_000 },
  delays: null,
  rateLimit: {},
  ...fields,
});
const wireOfRow = (...cells: Parameters<typeof aCell>[0][]) =>
  buildReport(aRun(), cells.map(aCell)).rows[0]?.wire;

test('rates of shards that ran together add up, over the window that they share', () => {
  const { wire } = mergeShards([aShardSummary({ wire: aWire() }), aShardSummary({ wire: aWire() })]);
  expect(wire).toMatchObject({ sentBytesPerSecond: 4_000, receivedBytesPerSecond: 20_000 });
});

test('without a window, the bytes of the whole count over the whole', () => {
  const unsteady = { steady: null, steadyReason: 'too few' };
  const { wire } = mergeShards([aShardSummary({ ...unsteady, wire: aWire({ steady: null }) })]);
  expect(wire).toMatchObject({ sentBytesPerSecond: 2_000, receivedBytesPerSecond: 10_000 });
});

test('a shard of a version that did not count leaves the sum unknown, and the row says null', () => {
  const summary = mergeShards([aShardSummary({ wire: aWire() }), aShardSummary()]);
  expect(summary.wire).toBeUndefined();
  expect(wireOfRow({ summary })).toBeNull();
});

test('a row has the mean of its repeats’ rates, and the delays of all of them', () => {
  const repeat = (repeat: number, fields: Partial<ShardWire>) => ({
    repeat,
    summary: mergeShards([aShardSummary({ wire: aWire(fields) })]),
  });
  expect(
    wireOfRow(
      repeat(1, { delays: aHistogram(100, 100) }),
      repeat(2, { steady: { sent: 40_000, received: 0 }, delays: aHistogram(100, 900, 900, 900) }),
      repeat(3, {}),
    ),
  ).toEqual({
    sentBytesPerSecond: expect.closeTo(8_000 / 3),
    receivedBytesPerSecond: expect.closeTo(20_000 / 3),
    // One connection, 1 + 512/5000 + 128 x 0.025 x (1 + 1/64) s a request of 512 x 4 and 128 x 250 bytes.
    predictedBytesPerSecond: expect.closeTo((512 * 4 + 128 * 250) / (1 + 0.1024 + 3.2 * (1 + 1 / 64))),
    delayedAnswers: 6,
    delayP50Ms: expect.closeTo(100, 0),
    rateLimit: {},
  });
});

test('limits are those of the last refusal, and without one the last that were told', () => {
  const shard = (endedAtMs: number, limit: string, refused: boolean) =>
    aShardSummary({
      endedAtMs: A_MOMENT_MS + endedAtMs,
      failures: refused ? { 'throttle-rate': 1 } : {},
      wire: aWire({ rateLimit: { 'remaining-tokens': limit } }),
    });
  const limitOf = (...shards: ReturnType<typeof shard>[]) => mergeShards(shards).wire?.rateLimit;
  expect(limitOf(shard(1, '7', false), shard(2, '8', false))).toEqual({ 'remaining-tokens': '8' });
  expect(limitOf(shard(1, '0', true), shard(2, '8', false))).toEqual({ 'remaining-tokens': '0' });
});
