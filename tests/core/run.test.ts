import { describe, expect, test } from 'vitest';
import {
  accruedUsd,
  type Billing,
  isFinal,
  mayMove,
  newRunId,
  RUN_ID_PATTERN,
  RUN_STATES,
  type RunState,
} from '../../src/core/run.ts';
import { A_MOMENT_MS } from '../support/builders.ts';

describe('the states of a run', () => {
  test('completed, failed and canceled are final, no other is', () => {
    expect(RUN_STATES.filter(isFinal)).toEqual(['completed', 'failed', 'canceled']);
  });

  test('a run moves forward only, and never out of a final state', () => {
    for (const from of RUN_STATES) {
      for (const to of RUN_STATES) {
        const forward = RUN_STATES.indexOf(to) >= RUN_STATES.indexOf(from);
        expect(mayMove(from, to), `${from} to ${to}`).toBe(forward && !isFinal(from));
      }
    }
  });

  test.each<[RunState, RunState, boolean]>([
    ['queued', 'measuring', true],
    ['measuring', 'measuring', true],
    ['releasing', 'measuring', false],
    ['provisioning', 'failed', true],
    ['completed', 'failed', false],
    ['completed', 'completed', false],
  ])('%s to %s: %s', (from, to, allowed) => {
    expect(mayMove(from, to)).toBe(allowed);
  });
});

describe('the id of a run', () => {
  test('sorts newer runs first', () => {
    const moments = [0, 1, 1_000, A_MOMENT_MS, A_MOMENT_MS + 1, Date.UTC(2100, 0)];
    const ids = moments.map((moment) => newRunId(moment, '00000000'));
    expect(ids.toSorted()).toEqual(ids.toReversed());
    for (const id of ids) expect(id).toMatch(RUN_ID_PATTERN);
  });

  test.each(['', '0123abc', '0123ABCD', '0123abcde', "0123abc'"])(
    'needs eight random hex digits, not %j',
    (digits) => {
      expect(() => newRunId(A_MOMENT_MS, digits)).toThrow('eight random hex digits');
    },
  );
});

describe('what a run has cost', () => {
  const billing: Billing = {
    pricePerHourUsd: 3,
    priceReason: null,
    instances: 2,
    fromMs: A_MOMENT_MS,
    untilMs: null,
  };
  const hour = 3_600_000;

  test.each<[name: string, fields: Partial<Billing>, nowMs: number, usd: number | null]>([
    ['an hour of two instances', {}, A_MOMENT_MS + hour, 6],
    ['it ends with the confirmed delete', { untilMs: A_MOMENT_MS + hour / 2 }, A_MOMENT_MS + 9 * hour, 3],
    ['nothing before anything was rented', { fromMs: null }, A_MOMENT_MS, 0],
    ['unknown without a price', { pricePerHourUsd: null }, A_MOMENT_MS + hour, null],
    [
      'unknown without a price, also before anything was rented',
      { pricePerHourUsd: null, fromMs: null },
      A_MOMENT_MS,
      null,
    ],
    ['never negative when a clock goes back', {}, A_MOMENT_MS - hour, 0],
  ])('%s', (_, fields, nowMs, usd) => {
    expect(accruedUsd({ ...billing, ...fields }, nowMs)).toBe(usd);
  });
});
