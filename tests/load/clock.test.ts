import { expect, test } from 'vitest';
import { epochToMonotonicMs, monotonicMs, monotonicToEpochMs } from '../../src/load/clock.ts';

test('the clock is that of process.hrtime, which all threads and processes of a machine share', () => {
  // Whatever interrupts between two readings only adds: the closest of many shows how far the clocks are apart.
  const apart = Array.from({ length: 200 }, () => {
    const before = monotonicMs();
    const hrtime = Number(process.hrtime.bigint()) / 1e6;
    return Math.max(before - hrtime, hrtime - monotonicMs(), 0);
  });
  expect(Math.min(...apart)).toBeLessThan(0.05);
  expect(Math.abs(monotonicMs() - Number(process.hrtime.bigint()) / 1e6)).toBeLessThan(50);
});

test('a wall-clock moment and back is the same moment', () => {
  const epochMs = Date.now() + 5_000;
  expect(Math.abs(monotonicToEpochMs(epochToMonotonicMs(epochMs)) - epochMs)).toBeLessThan(50);
});
