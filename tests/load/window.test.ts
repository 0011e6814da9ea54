import { expect, test } from 'vitest';
import { isBuffered, isShortAtOnce, shareInside, tokensByArrival } from '../../src/load/window.ts';
import { sample } from './a-sample.ts';

test('tokens of an answer that does not stream are spread over its time', () => {
  const at = (beginMs: number, endMs: number | null) =>
    shareInside(sample({ sentMs: 1_000, e2eMs: 100 }), { beginMs, endMs });
  expect(at(0, null)).toBe(1);
  expect(at(1_025, null)).toBe(0.75);
  expect(at(1_025, 1_075)).toBe(0.5);
  expect(at(0, 1_010)).toBe(0.1);
  expect(at(1_100, null)).toBe(0);
  expect(at(0, 900)).toBe(0);
});

test('tokens of a stream are counted by when their chunks arrived', () => {
  // Four events at 1010, 1020, 1020 and 1050, of eight tokens in all.
  const streamed = sample({ sentMs: 1_000, ttftMs: 10, gapsMs: [10, 0, 30], e2eMs: 50, outputTokens: 8 });
  const at = (beginMs: number, endMs: number | null) => tokensByArrival(streamed, { beginMs, endMs });
  expect(at(0, null)).toBe(8);
  expect(at(1_010, null)).toBe(6);
  expect(at(1_015, 1_020)).toBe(4);
  expect(at(1_049, 1_050)).toBe(2);
  expect(at(1_050, null)).toBe(0);
  expect(tokensByArrival(sample({}), { beginMs: 0, endMs: null })).toBeNull();
});

test('cutting time into windows neither loses nor doubles a token', () => {
  const streamed = sample({ sentMs: 3, ttftMs: 4, gapsMs: [5, 5, 0, 7, 1], e2eMs: 22, outputTokens: 30 });
  const cuts = [0, 7, 8, 12, 17, 20, 25, 99];
  let byArrival = 0;
  let share = 0;
  for (let cut = 1; cut < cuts.length; cut += 1) {
    const span = { beginMs: cuts[cut - 1] ?? 0, endMs: cuts[cut] ?? 0 };
    byArrival += tokensByArrival(streamed, span) ?? 0;
    share += shareInside(streamed, span);
  }
  expect(byArrival).toBeCloseTo(30);
  expect(share).toBeCloseTo(1);
});

test('a stream whose content all comes at once was held back; few tokens cannot tell', () => {
  const at = (ttftMs: number, e2eMs: number, outputTokens = 64) =>
    isBuffered(sample({ ttftMs, e2eMs, outputTokens }));
  expect(at(985, 1_000)).toBe(true);
  expect(at(975, 1_000)).toBe(false);
  expect(at(4_910, 5_000)).toBe(true);
  expect(at(4_890, 5_000)).toBe(false);
  expect(at(1_000, 1_000)).toBe(true);
  expect(at(985, 1_000, 31)).toBeNull();
  expect(isBuffered(sample({ outputTokens: 64 }))).toBeNull();
});

test('a stream too short to tell came at once, or in pieces, which a real one only does', () => {
  const at = (e2eMs: number, outputTokens: number) =>
    isShortAtOnce(sample({ ttftMs: 1_000, e2eMs, outputTokens }));
  expect(at(1_019, 31)).toBe(true);
  expect(at(1_020, 31)).toBe(false);
  // Long enough for a verdict; and one token, which comes at once in any case.
  expect(at(1_000, 32)).toBeNull();
  expect(at(1_000, 1)).toBeNull();
  expect(isShortAtOnce(sample({ outputTokens: 8 }))).toBeNull();
});
