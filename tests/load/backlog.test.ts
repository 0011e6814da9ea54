import { expect, test } from 'vitest';
import { Backlog } from '../../src/load/backlog.ts';

const at = (scheduledMs: number) => ({ index: scheduledMs, scheduledMs });

test('requests wait in the order in which they came', () => {
  const backlog = new Backlog(1, 1_000);
  for (const ms of [1, 2, 3]) expect(backlog.add(at(ms))).toBe(true);
  expect(backlog.take(10)).toEqual({ next: at(1), tooLate: [] });
  expect(backlog.take(10)).toEqual({ next: at(2), tooLate: [] });
  expect(backlog.clear()).toEqual([at(3)]);
  expect(backlog.take(10)).toEqual({ next: null, tooLate: [] });
});

test.each([
  [1, 16],
  [64, 64],
])('before %i connections %i may wait, and no more', (connections, places) => {
  const backlog = new Backlog(connections, 1_000);
  const taken = Array.from({ length: places + 5 }, (_, index) => backlog.add(at(index)));
  expect(taken.filter((one) => one)).toHaveLength(places);
  backlog.take(0);
  expect(backlog.add(at(999))).toBe(true);
});

test('who has waited longer than a request may take is not sent any more', () => {
  const backlog = new Backlog(1, 100);
  for (const ms of [0, 50, 150, 180]) backlog.add(at(ms));
  expect(backlog.take(200)).toEqual({ next: at(150), tooLate: [at(0), at(50)] });
  expect(backlog.take(1_000)).toEqual({ next: null, tooLate: [at(180)] });
});
