import { expect, test } from 'vitest';
import { checkLittlesLaw } from '../../../src/core/measuring/littles-law.ts';

test.each([
  ['four connections of 2 s', 2, 2_000, 4, 1, true],
  ['just inside below', 1.9, 2_000, 4, 0.95, true],
  ['just inside above', 2.1, 2_000, 4, 1.05, true],
  // The origin's retries: 47.7 s for two requests whose latencies were told as 17.4 and 16.0 s, two in flight.
  ['failed attempts that are not in the latency', 2 / 47.7, 16_700, 2, 0.35, false],
  ['answers counted twice', 4, 2_000, 4, 2, false],
] as const)('%s', (_, requestsPerSecond, meanE2eMs, meanInFlight, ratio, agrees) => {
  const check = checkLittlesLaw({ requestsPerSecond, meanE2eMs, meanInFlight });
  expect(check?.ratio).toBeCloseTo(ratio, 2);
  expect(check?.agrees).toBe(agrees);
  expect(check?.sentence === null).toBe(agrees);
});

test('what is absent cannot be checked', () => {
  const whole = { requestsPerSecond: 2, meanE2eMs: 2_000, meanInFlight: 4 };
  for (const key of ['requestsPerSecond', 'meanE2eMs', 'meanInFlight'] as const) {
    expect(checkLittlesLaw({ ...whole, [key]: null })).toBeNull();
  }
  expect(checkLittlesLaw({ ...whole, meanInFlight: 0 })).toBeNull();
});
