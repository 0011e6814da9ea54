import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ArrivalQueue, type Arrived, type Recipient } from '../../src/load/arrival-queue.ts';

function recorder(name: string, taken: string[]): Recipient {
  return { take: (arrived: Arrived, arrivedMs: number) => taken.push(`${name}:${arrived}:${arrivedMs}`) };
}

test('what arrives waits until the sockets are read, and is then taken in its order with its own moment', async () => {
  const taken: string[] = [];
  const queue = new ArrivalQueue();
  const [a, b] = [recorder('a', taken), recorder('b', taken)];
  queue.add(a, Buffer.from('1'), 10);
  queue.add(b, Buffer.from('2'), 11);
  queue.add(a, null, 12);
  expect(taken).toEqual([]);
  for (let turns = 0; turns < 50 && taken.length < 3; turns += 1) await turn();
  expect(taken).toEqual(['a:1:10', 'b:2:11', 'a:null:12']);
});

test('long parsing lets the sockets be read in between, and nothing is lost or overtaken', async () => {
  const taken: number[] = [];
  const queue = new ArrivalQueue();
  const slow: Recipient = {
    take: (_, arrivedMs) => {
      const untilMs = performance.now() + 0.3;
      while (performance.now() < untilMs);
      taken.push(arrivedMs);
    },
  };
  for (let index = 0; index < 10; index += 1) queue.add(slow, Buffer.from('x'), index);
  await turn();
  const inFirstTurn = taken.length;
  expect(inFirstTurn).toBeLessThan(10);
  queue.add(slow, Buffer.from('x'), 10);
  for (let turns = 0; turns < 50 && taken.length < 11; turns += 1) await turn();
  expect(taken).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('more than 4 MB are not kept waiting', () => {
  const taken: string[] = [];
  const queue = new ArrivalQueue();
  const megabyte = Buffer.alloc(1024 * 1024);
  const counter: Recipient = { take: () => taken.push('x') };
  for (let count = 0; count < 5; count += 1) queue.add(counter, megabyte, count);
  expect(taken).toHaveLength(5);
});
