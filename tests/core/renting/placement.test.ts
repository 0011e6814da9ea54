/** Which place is tried next, and when a run gives up looking for one. */
import { describe, expect, it } from 'vitest';
import {
  type AttemptOutcome,
  type AttemptQuestion,
  describeTried,
  MOST_ATTEMPTS,
  nextAttempt,
  placementMinutes,
} from '../../../src/core/renting/placement.ts';

const none = (placement: number): AttemptOutcome => ({ placement, recourse: 'elsewhere' });
const again = (placement: number): AttemptOutcome => ({ placement, recourse: 'again' });

const check = (outcomes: readonly AttemptOutcome[], fields: Partial<AttemptQuestion> = {}) =>
  nextAttempt({
    placements: 2,
    outcomes,
    paused: false,
    nowMs: 0,
    waitUntilMs: 0,
    pauseSeconds: 120,
    ...fields,
  });
const first = (attempt: number) => ({ kind: 'try', attempt, placement: 0 });
const second = (attempt: number) => ({ kind: 'try', attempt, placement: 1 });

describe('the next attempt', () => {
  it.each<[string, ReturnType<typeof check>, object]>([
    ['begins with the first place', check([]), first(1)],
    ['goes to the next place where one has no room', check([none(0)]), second(2)],
    ['ends where none has, and nobody waits', check([none(0), none(1)]), { kind: 'give-up' }],
    [
      'waits while it may',
      check([none(0), none(1)], { waitUntilMs: 600_000 }),
      { kind: 'wait', seconds: 120 },
    ],
    [
      'begins another round after the pause',
      check([none(0), none(1)], { waitUntilMs: 600_000, paused: true }),
      first(3),
    ],
    ['goes on in the second round', check([none(0), none(1), none(0)], { waitUntilMs: 600_000 }), second(4)],
    [
      'ends where the pause would outlast the wait',
      check([none(0), none(1)], { nowMs: 590_000, waitUntilMs: 600_000 }),
      { kind: 'give-up' },
    ],
    ['stays where it was bad luck', check([again(0)]), first(2)],
    ['stays twice', check([again(0), again(0)]), first(3)],
    ['goes on after bad luck three times', check([again(0), again(0), again(0)]), second(4)],
    ['counts bad luck per place', check([again(0), again(0), again(0), again(1)]), second(5)],
    [
      'waits for room and not for luck',
      check([none(0), again(1), again(1), again(1)], { waitUntilMs: 600_000 }),
      { kind: 'give-up' },
    ],
  ])('%s', (_, next, wanted) => {
    expect(next).toEqual(wanted);
  });

  it('never goes beyond its bound', () => {
    const outcomes = Array.from({ length: MOST_ATTEMPTS }, (_, index) => none(index % 2));
    expect(check(outcomes, { waitUntilMs: 1e12 }).kind).toBe('give-up');
  });
});

it('bounds the minutes that looking for a place may take', () => {
  const minutes = (placements: number, wait: number) =>
    placementMinutes({ placements: new Array(placements).fill(0), waitForCapacityMinutes: wait }, 60, 20);
  expect([minutes(1, 0), minutes(3, 0), minutes(1, 30), minutes(2, 30)]).toEqual([0, 160, 110, 270]);
});

it('says what was tried, each place once', () => {
  const tried = { attempt: 1, sku: 'S', endpoint: null, reason: '', atMs: 0 };
  expect(
    describeTried([
      { ...tried, workspace: 'a', region: 'eastus2' },
      { ...tried, workspace: 'b', region: null },
      { ...tried, workspace: 'a', region: 'eastus2' },
    ]),
  ).toBe('Tried: S in a (eastus2), 2 times; S in b.');
  expect(describeTried([])).toBeNull();
});
