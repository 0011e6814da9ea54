import { expect, test } from 'vitest';
import { Batch, type Sequence } from '../../src/simulator/batch.ts';
import type { InstanceTimes } from '../../src/simulator/gpu.ts';

/** Easy figures: a prefill of 10 ms, a step of 1 ms and 1 ms more per stream. */
const TIMES: InstanceTimes = {
  fixedMs: 0,
  prefillMs: () => 10,
  stepMs: (sequences) => 1 + sequences,
  slownessAt: () => 1,
  maxSequences: 2,
  kvCapacityTokens: 1000,
};

test('one stream gets its first token after the prefill and the others a step apart', () => {
  const { batch, times } = track([{ arrivesAtMs: 100, outputTokens: 4 }]);
  batch.advanceTo(1000);
  expect(times[0]).toEqual([110, 112, 114, 116]);
  expect(batch.nextAtMs()).toBeUndefined();
});

test('the schedule does not depend on when it is asked', () => {
  const requests = [
    { arrivesAtMs: 0, outputTokens: 20 },
    { arrivesAtMs: 15, outputTokens: 5 },
    { arrivesAtMs: 16, outputTokens: 7 },
  ];
  const punctual = track(requests);
  for (let now = 0; now < 200; now += 0.5) punctual.batch.advanceTo(now);
  const late = track(requests);
  late.batch.advanceTo(37);
  late.batch.advanceTo(200);
  expect(late.times).toEqual(punctual.times);
});

test('decoding pauses while a prompt is read, then both move a step at a time', () => {
  const { batch, times } = track([
    { arrivesAtMs: 0, outputTokens: 4 },
    { arrivesAtMs: 11, outputTokens: 2 },
  ]);
  batch.advanceTo(1000);
  // Step until 12; the second prompt until 22; then a step of 3 ms for two; then one is alone.
  expect(times[0]).toEqual([10, 12, 25, 27]);
  expect(times[1]).toEqual([22, 25]);
});

test('a request waits at the engine while as many as it can hold are running', () => {
  const { batch, times } = track([
    { arrivesAtMs: 0, outputTokens: 50 },
    { arrivesAtMs: 0, outputTokens: 3 },
    { arrivesAtMs: 0, outputTokens: 3 },
  ]);
  batch.advanceTo(1000);
  expect(times[2]?.[0]).toBeGreaterThan(times[1]?.[2] ?? Number.POSITIVE_INFINITY);
});

test('a request waits while the memory for its tokens is taken, and runs in the end', () => {
  const { batch, times } = track([
    { arrivesAtMs: 0, outputTokens: 100, promptTokens: 800 },
    { arrivesAtMs: 0, outputTokens: 10, promptTokens: 200 },
  ]);
  batch.advanceTo(1000);
  expect(times[1]?.[0]).toBeGreaterThan(times[0]?.at(-1) ?? Number.POSITIVE_INFINITY);
  expect(times[1]).toHaveLength(10);
});

test('a stream that is taken out gets no token more, and the others go faster', () => {
  const { batch, sequences, times } = track([
    { arrivesAtMs: 0, outputTokens: 100 },
    { arrivesAtMs: 0, outputTokens: 100 },
  ]);
  batch.advanceTo(30);
  const seen = times[1]?.length;
  batch.remove(sequences[1] as Sequence);
  batch.advanceTo(1000);
  expect(times[1]).toHaveLength(seen ?? -1);
  expect(times[0]).toHaveLength(100);
  expect((times[0]?.[99] ?? 0) - (times[0]?.[98] ?? 0)).toBe(2);
});

test('one that is taken out while its prompt is read emits nothing', () => {
  const { batch, sequences, times } = track([{ arrivesAtMs: 0, outputTokens: 3 }]);
  batch.advanceTo(5);
  batch.remove(sequences[0] as Sequence);
  batch.advanceTo(100);
  expect(times[0]).toEqual([]);
  expect(batch.nextAtMs()).toBeUndefined();
});

function track(requests: { arrivesAtMs: number; outputTokens: number; promptTokens?: number }[]) {
  const batch = new Batch(TIMES);
  const times: number[][] = requests.map(() => []);
  const sequences = requests.map(
    (request, index): Sequence => ({
      promptTokens: 10,
      ...request,
      onToken: (scheduledAtMs) => times[index]?.push(scheduledAtMs),
    }),
  );
  for (const sequence of sequences) batch.add(sequence);
  return { batch, sequences, times };
}
