import { describe, expect, test } from 'vitest';
import {
  judgeSample,
  metShareOfSucceeded,
  poolSlo,
  type Slo,
  type SloCounts,
} from '../../../src/core/spec/slo.ts';
import { sample } from '../../load/a-sample.ts';

const slo = (clauses: Partial<Slo>): Slo => ({
  attainment: 0.95,
  ttftMs: null,
  tpotMs: null,
  e2eMs: null,
  ...clauses,
});
/** TTFT 100 ms, TPOT 20 ms, E2E 280 ms. */
const streamed = sample({ ttftMs: 100, e2eMs: 280, outputTokens: 10 });
const plain = sample({ e2eMs: 280 });

describe('one request', () => {
  test.each([
    ['keeps all clauses', streamed, slo({ ttftMs: 100, tpotMs: 20, e2eMs: 280 }), 'met'],
    ['breaks one of three', streamed, slo({ ttftMs: 99, tpotMs: 50, e2eMs: 900 }), 'missed'],
    ['is slow per token', streamed, slo({ tpotMs: 19.9 }), 'missed'],
    ['failed', { ...streamed, failure: 'reset' as const }, slo({ e2eMs: 900 }), 'missed'],
    ['lacks the metric of a clause', plain, slo({ ttftMs: 500, e2eMs: 900 }), 'not-evaluable'],
    ['lacks one metric and breaks another clause', plain, slo({ ttftMs: 500, e2eMs: 200 }), 'missed'],
    [
      'has one token, and so no time per token',
      { ...streamed, outputTokens: 1 },
      slo({ tpotMs: 9 }),
      'not-evaluable',
    ],
  ] as const)('%s', (_, one, objectives, verdict) => {
    expect(judgeSample(one, objectives, false)).toBe(verdict);
  });

  test('of an open loop counts from when it was to be sent', () => {
    const late = { ...streamed, scheduledMs: 1_000, sentMs: 1_050 };
    const objectives = slo({ ttftMs: 120, e2eMs: 300 });
    expect(judgeSample(late, objectives, false)).toBe('met');
    expect(judgeSample(late, objectives, true)).toBe('missed');
    // Its time per token is the server's alone.
    expect(judgeSample(late, slo({ tpotMs: 20 }), true)).toBe('met');
  });
});

const counts = (change: Partial<SloCounts>): SloCounts => ({
  attempted: 10,
  succeeded: 8,
  met: 6,
  notEvaluable: 0,
  outputTokensMet: 60,
  ...change,
});

test('counts add up; what was held against nothing adds nothing', () => {
  expect(poolSlo([counts({}), null, undefined, counts({ met: 1, outputTokensMet: 5 })])).toEqual({
    attempted: 20,
    succeeded: 16,
    met: 7,
    notEvaluable: 0,
    outputTokensMet: 65,
  });
  expect(poolSlo([null, undefined])).toBeNull();
});

test('the share of good answers that met is unknown where none was good or none could be judged', () => {
  expect(metShareOfSucceeded(counts({}))).toBe(0.75);
  expect(metShareOfSucceeded(counts({ succeeded: 0, met: 0 }))).toBeNull();
  expect(metShareOfSucceeded(counts({ met: 0, notEvaluable: 8 }))).toBeNull();
  expect(metShareOfSucceeded(counts({ met: 0 }))).toBe(0);
});
