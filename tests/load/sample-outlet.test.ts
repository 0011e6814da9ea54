import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Sample } from '../../src/core/measuring/sample.ts';
import { SampleOutlet } from '../../src/load/sample-outlet.ts';
import { sample } from './a-sample.ts';

function open() {
  const sent: (readonly Sample[])[] = [];
  return { sent, outlet: new SampleOutlet((batch) => sent.push(batch)) };
}

test('samples go out in batches, none is lost, and the last ones are not kept for long', async () => {
  const { sent, outlet } = open();
  for (let index = 0; index < 150; index += 1) void outlet.push(sample({ requestId: String(index) }));
  expect(sent.map((batch) => batch.length)).toEqual([64, 64]);
  await expect.poll(() => sent.length).toBe(3);
  expect(sent.flat().map(({ requestId }) => requestId)).toEqual(
    Array.from({ length: 150 }, (_, index) => String(index)),
  );
});

test('long answers make small batches', () => {
  const { sent, outlet } = open();
  for (let index = 0; index < 4; index += 1) void outlet.push(sample({ gapsMs: Array(5_000).fill(1) }));
  expect(sent.map((batch) => batch.length)).toEqual([2, 2]);
});

test('who fills it waits for the other side, and goes on when it has taken a batch', async () => {
  const { sent, outlet } = open();
  let pushed = 0;
  const fill = (async () => {
    for (; pushed < 2_000; pushed += 1) await outlet.push(sample({}));
  })();
  await wait(20);
  expect(pushed).toBe(8 * 64 - 1);
  outlet.acknowledge();
  await wait(20);
  expect(pushed).toBe(9 * 64 - 1);
  outlet.release();
  await fill;
  outlet.flush();
  expect(sent.flat()).toHaveLength(2_000);
});
