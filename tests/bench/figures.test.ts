import { expect, test } from 'vitest';
import type { ClientResult } from '../../bench/client-order.ts';
import {
  compareToTruth,
  eventRate,
  medianOf,
  memoryGrowth,
  quantileOf,
  requestRate,
  startSpreadMs,
} from '../../bench/figures.ts';
import { buildWrites, parseSchedulePath, type Schedule, writeSchedulePath } from '../../bench/schedule.ts';
import { writeTables } from '../../bench/table.ts';

test('a quantile is the value of its nearest rank, and of none it is not a number', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect([0.5, 0.99, 1].map((share) => quantileOf(hundred, share))).toEqual([50, 99, 100]);
  expect(quantileOf([7], 0.99)).toBe(7);
  expect(quantileOf([], 0.5)).toBeNaN();
});

test('a median is the middle one, or the mean of the two in the middle', () => {
  expect([medianOf([9, 1, 5]), medianOf([4, 1, 2, 3])]).toEqual([5, 2.5]);
});

test('a client is held against what the server did, not against the schedule', () => {
  // Sent at 100, read at 101, written at 150, 170 and 190; seen 1, 2 and 4 ms later.
  const records = [
    { id: 'm-0', receivedMs: 101, wroteMs: [150, 170, 190], latenessMs: [0, 1, 2] },
    { id: 'm-1', receivedMs: 101, wroteMs: [150], latenessMs: [50] },
  ];
  const stamps = [
    { id: 'm-0', sentMs: 100, contentMs: [151, 172, 194] },
    { id: 'm-9', sentMs: 100, contentMs: [151] },
  ];
  expect(compareToTruth(stamps, records, 1)).toEqual({
    requests: 1,
    lagP50Ms: 1,
    lagP99Ms: 1,
    everyLagP95Ms: 4,
    everyLagP99Ms: 4,
    // 51 ms by the client, 49 by the server.
    ttftErrorP50Ms: 2,
    ttftErrorP99Ms: 2,
    e2eErrorP99Ms: 94 - 89,
    itlP99ErrorShare: expect.closeTo(22 / 20 - 1, 9),
    serverLatenessP99Ms: 2,
  });
});

test('contents that were written together are held against their common write', () => {
  const records = [{ id: 'm-0', receivedMs: 0, wroteMs: [10, 20], latenessMs: [0, 0] }];
  const stamps = [{ id: 'm-0', sentMs: 0, contentMs: [11, 11, 23, 23] }];
  expect(compareToTruth(stamps, records, 2)).toMatchObject({ lagP99Ms: 1, everyLagP99Ms: 3 });
});

const result: ClientResult = {
  succeeded: 3,
  failed: 0,
  events: 6_000,
  wallMs: 2_000,
  cpuMs: 30,
  peakRssBytes: 1,
  stamps: [],
  memory: [],
};
const records = [5, 7, 9].map((receivedMs) => ({ id: 'm', receivedMs, wroteMs: [], latenessMs: [] }));

test('rates are per second, CPU is for a thousand requests or a million events', () => {
  expect(requestRate(result, records)).toEqual({ perSecond: 500, cpuMsPerUnits: 10_000 });
  expect(eventRate(result)).toEqual({ perSecond: 3_000, cpuMsPerUnits: 5_000 });
  expect(startSpreadMs(records)).toBe(4);
});

test('memory is what each further request has left behind, and is not told without both notes', () => {
  const notes = [
    { requests: 1_000, heldBytes: 5e6, rssBytes: 80e6 },
    { requests: 10_000, heldBytes: 5.9e6, rssBytes: 90e6 },
  ];
  expect(memoryGrowth(notes)).toEqual({
    heldFirstBytes: 5e6,
    heldLastBytes: 5.9e6,
    heldBytesPerRequest: 100,
    rssGrowthBytes: 10e6,
  });
  expect(memoryGrowth([]).heldBytesPerRequest).toBeNaN();
});

const schedules: readonly Schedule[] = [
  { kind: 'plain' },
  { kind: 'stream', tokens: 5, ttftMs: 4, gapMs: 1.5, tokensPerWrite: 2 },
];

test('an address says its schedule, and one that is none of ours is refused', () => {
  for (const schedule of schedules) expect(parseSchedulePath(writeSchedulePath(schedule))).toEqual(schedule);
  expect(() => parseSchedulePath('/v1/chat/completions?kind=stream&tokens=0')).toThrow('tokens=0');
});

test('a stream has a write for each group of tokens, and the last one ends it', () => {
  const { head, tokens } = buildWrites(schedules[1] as Schedule);
  expect(head.toString()).not.toContain(' token');
  const counts = tokens.map((write) => write.toString().split(' token').length - 1);
  expect(counts).toEqual([2, 2, 1]);
  expect(tokens.map((write) => write.toString().endsWith('0\r\n\r\n'))).toEqual([false, false, true]);
  expect(tokens.at(-1)?.toString()).toContain('[DONE]');
});

test('the table tells each figure and its ratio to the bare loop', () => {
  const row = {
    name: 'a row',
    kind: 'requests',
    schedule: { kind: 'plain' },
    connections: 1,
    requests: 1,
    warmUpRequests: 0,
    tls: false,
    place: 'own',
    clients: ['ours', 'undici'],
  } as const;
  const figures = { peakRssBytes: 150e6, serverBusyShare: 0.5 };
  const table = writeTables([
    {
      row,
      results: [
        {
          client: 'ours',
          succeeded: 1,
          failed: 0,
          figures: { ...figures, perSecond: 9_000, cpuMsPerUnits: 25 },
        },
        {
          client: 'undici',
          succeeded: 1,
          failed: 2,
          figures: { ...figures, perSecond: 10_000, cpuMsPerUnits: 20 },
        },
      ],
    },
  ]);
  expect(table).toContain('| ours | 9,000 (0.90) | 25.0 (1.25) | 150 | 50.0 % | 0 |');
  expect(table).toContain('| undici | 10,000 | 20.0 | 150 | 50.0 % | 2 |');
});
