import { expect, test } from 'vitest';
import { Admission, type Ticket } from '../../src/simulator/admission.ts';

test.each([
  [1, 1, 1, 2],
  [1, 2, 2, 4],
  [4, 3, 12, 24],
])(
  '%i at once on %i instances: %i run, %i are in the system, the next is turned away',
  (each, instances, run, inside) => {
    const { enter, started } = open(each, instances);
    const entered = Array.from({ length: inside + 3 }, () => enter().admitted);
    expect(entered.filter(Boolean)).toHaveLength(inside);
    expect(entered.indexOf(false)).toBe(inside);
    expect(started).toHaveLength(run);
  },
);

test('the longest waiting one starts when a running one leaves, at that time', () => {
  const { admission, enter, started } = open(1, 1);
  const [first, second] = [enter(), enter()];
  admission.leave(first.ticket, 42);
  expect(started).toEqual([
    { ticket: first.ticket, instance: 0, atMs: 0 },
    { ticket: second.ticket, instance: 0, atMs: 42 },
  ]);
  expect(enter().admitted).toBe(true);
});

test('one that leaves the queue makes room and starts nobody', () => {
  const { admission, enter, started } = open(1, 1);
  enter();
  const waiting = enter();
  expect(enter().admitted).toBe(false);
  admission.leave(waiting.ticket, 1);
  expect(enter().admitted).toBe(true);
  expect(started).toHaveLength(1);
});

test('requests go to the instance that has least to do', () => {
  const { admission, enter, started } = open(2, 3);
  const tickets = Array.from({ length: 6 }, () => enter().ticket);
  expect(started.map(({ instance }) => instance)).toEqual([0, 1, 2, 0, 1, 2]);
  admission.leave(tickets[4] as Ticket, 0);
  enter();
  expect(started.at(-1)?.instance).toBe(1);
});

function open(each: number, instances: number) {
  const admission = new Admission(each, instances);
  const started: { ticket: Ticket; instance: number; atMs: number }[] = [];
  const enter = () => {
    const ticket: Ticket = { onStart: (instance, atMs) => started.push({ ticket, instance, atMs }) };
    return { ticket, admitted: admission.enter(ticket, 0) };
  };
  return { admission, enter, started };
}
