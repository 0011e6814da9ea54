import { expect, test } from 'vitest';
import { nextBackoff, parseRetryAfterMs } from '../../src/load/retry.ts';

test('without Retry-After the delay doubles with jitter, up to ten seconds', () => {
  const waits: number[] = [];
  let delayMs = 1_000;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const backoff = nextBackoff(delayMs, null, 0.5);
    delayMs = backoff.delayMs;
    waits.push(backoff.waitMs);
  }
  expect(waits).toEqual([2_500, 5_500, 10_000, 10_000, 10_000]);
});

test('Retry-After holds where it is longer than the delay, is bounded, and does not lengthen later waits', () => {
  expect(nextBackoff(1_000, 4_000, 0.9)).toEqual({ waitMs: 4_000, delayMs: 1_000 });
  expect(nextBackoff(1_000, 0, 0.9)).toEqual({ waitMs: 1_000, delayMs: 1_000 });
  expect(nextBackoff(1_000, 86_400_000, 0.9)).toEqual({ waitMs: 30_000, delayMs: 1_000 });
});

const now = Date.parse('Mon, 05 Oct 2026 10:00:00 GMT');
const headers: readonly (readonly [string | undefined, number | null])[] = [
  ['3', 3_000],
  [' 0.5 ', 500],
  ['Mon, 05 Oct 2026 10:00:07 GMT', 7_000],
  ['Monday, 05-Oct-26 10:00:07 GMT', 7_000],
  ['Mon, 05 Oct 2026 09:00:00 GMT', 0],
  ['-5', null],
  ['soon', null],
  ['', null],
  [undefined, null],
];

for (const [header, ms] of headers) {
  test(`Retry-After ${header} asks for ${ms} ms`, () => {
    expect(parseRetryAfterMs(header, now)).toBe(ms);
  });
}
