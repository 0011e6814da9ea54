import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startLoadThread } from '../../src/load/load-thread.ts';

/** Lets 60 MB live, piece by piece as answers do, and counts how often its old objects were collected meanwhile. */
const HOLDS = `
  import { constants, PerformanceObserver } from 'node:perf_hooks';
  import { parentPort } from 'node:worker_threads';
  let collections = 0;
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries())
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections += 1;
  }).observe({ entryTypes: ['gc'] });
  const held = [];
  for (let piece = 0; piece < 60; piece += 1) {
    held.push(Array.from({ length: 16_384 }, () => ({ at: Math.random() + piece })));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  parentPort.postMessage({ collections, held: held.length });
`;

test('a load thread does not stop for its old objects while it measures', async () => {
  const thread = startLoadThread(new URL(`data:text/javascript,${encodeURIComponent(HOLDS)}`), null);
  const [told] = await once(thread, 'message');
  await thread.terminate();
  expect(told).toEqual({ collections: 0, held: 60 });
});
