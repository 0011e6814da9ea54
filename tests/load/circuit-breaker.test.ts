import { expect, test } from 'vitest';
import type { RequestFailure } from '../../src/core/failure.ts';
import { failureStop, staysUnsteady } from '../../src/load/circuit-breaker.ts';

function check(
  succeeded: number,
  failures: Partial<Record<RequestFailure, number>>,
  { connections = 4, minRequests = 30, dropped = 0 } = {},
): string | null {
  const counts = new Map(Object.entries(failures)) as Map<RequestFailure, number>;
  return failureStop({ succeeded, failures: counts, dropped }, connections, minRequests);
}

test.each([
  ['most fail', check(4, { 'server-error': 16 }), '80 % of 20 requests failed (server-error)'],
  ['half fail', check(10, { gateway: 10 }), '50 % of 20 requests failed (gateway)'],
  ['nothing succeeds', check(0, { 'throttle-queue': 20 }), '100 % of 20 requests failed (throttle-queue)'],
  [
    'the classes are told, the most frequent first',
    check(2, { reset: 5, 'client-timeout': 15 }),
    '91 % of 22 requests failed (client-timeout, reset)',
  ],
  [
    'most is never sent',
    check(12, { reset: 1 }, { dropped: 27 }),
    '70 % of 40 requests failed (reset, never sent)',
  ],
])('%s: it is stopped', (_, told, sentence) => {
  expect(told).toBe(sentence);
});

test.each([
  ['too few have ended', check(0, { 'server-error': 19 })],
  ['fewer than half fail', check(11, { 'server-error': 10 })],
  ['many connections have not ended twice', check(0, { 'server-error': 60 }, { connections: 32 })],
])('%s: it goes on', (_, told) => {
  expect(told).toBeNull();
});

test('a level beyond what is admitted goes on until those that are admitted give a mean', () => {
  expect(check(9, { 'throttle-queue': 91 })).toBeNull();
  expect(check(10, { 'throttle-queue': 90 })).toBe('90 % of 100 requests failed (throttle-queue)');
  expect(check(3, { 'throttle-queue': 90 }, { minRequests: 3 })).not.toBeNull();
  // With another failure beside it, refusals being fewer, nothing is to be measured.
  expect(check(3, { 'throttle-queue': 20, 'server-error': 40 })).not.toBeNull();
});

test.each([
  ['nothing fails', 100, 0, 0, false],
  ['one in fifty fails', 98, 2, 0, false],
  ['one in ten fails', 90, 10, 0, true],
  ['one in ten was never sent', 90, 0, 10, true],
])('a load of which %s is not waited for to become steady: %#', (_, succeeded, failed, dropped, expected) => {
  const failures = new Map(failed === 0 ? [] : [['throttle-queue' as const, failed]]);
  expect(staysUnsteady({ succeeded, failures, dropped })).toBe(expected);
});
