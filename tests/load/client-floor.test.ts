import { expect, test } from 'vitest';
import { measureClientFloor } from '../../src/load/client-floor.ts';

test('the floor of a process is measured once, with every stamp after the write that it is of', async () => {
  const first = measureClientFloor();
  expect(measureClientFloor()).toBe(first);
  const floor = await first;
  expect(floor).toMatchObject({ connections: 16 });
  // A second of 16 streams at a hundred events a second each; a busy machine makes a part of them.
  expect(floor?.events).toBeGreaterThan(200);
  expect(floor?.events).toBeLessThanOrEqual(1_800);
  expect(floor?.readLagP50Ms).toBeGreaterThan(0);
  expect(floor?.readLagP99Ms).toBeGreaterThanOrEqual(floor?.readLagP50Ms ?? 0);
  expect(floor?.requestsPerSecond).toBeGreaterThan(50);
  expect(floor?.requestP50Ms).toBeGreaterThan(0);
});
