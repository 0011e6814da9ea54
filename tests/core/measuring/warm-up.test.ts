import { describe, expect, test } from 'vitest';
import { nextRound, type WarmUpLimits, type WarmUpRound } from '../../../src/core/measuring/warm-up.ts';

const LIMITS: WarmUpLimits = { topLevel: 16, budgetSeconds: 180, requestSeconds: 4 };

const round = (level: number, medianMs: number | null, seconds = 4): WarmUpRound => ({
  level,
  failed: 0,
  seconds,
  medianMs,
});

/** Warms up an endpoint that takes so long for a round; gives the rounds and how it ended. */
function warm(
  limits: WarmUpLimits,
  answer: (level: number, rounds: number) => { seconds: number; medianMs: number },
) {
  const rounds: WarmUpRound[] = [];
  for (let steps = 0; steps < 50; steps += 1) {
    const decision = nextRound(limits, rounds);
    if (decision.kind === 'done')
      return {
        levels: rounds.map((one) => one.level),
        seconds: rounds.reduce((s, r) => s + r.seconds, 0),
        ...decision,
      };
    rounds.push({ level: decision.level, failed: 0, ...answer(decision.level, rounds.length) });
  }
  throw new Error('The warm-up does not end.');
}

describe('a warm-up', () => {
  test('grows to the top level and ends once three medians there agree', () => {
    const ended = warm(LIMITS, () => ({ seconds: 4, medianMs: 25 }));
    expect(ended).toMatchObject({ levels: [4, 16, 16, 16], stable: true, reason: null });
  });

  test('goes on while the endpoint becomes faster', () => {
    const ended = warm(LIMITS, (_, rounds) => ({
      seconds: 4,
      medianMs: [80, 60, 50, 40, 30, 30.5, 29.9][rounds] ?? 30,
    }));
    expect(ended).toMatchObject({ levels: [4, 16, 16, 16, 16, 16, 16], stable: true });
  });

  test('ends unstable, and says how far apart, where the medians never agree', () => {
    const ended = warm(LIMITS, (_, rounds) => ({ seconds: 1, medianMs: rounds % 2 === 0 ? 20 : 30 }));
    expect(ended).toMatchObject({
      stable: false,
      reason: expect.stringMatching(/8 rounds of 16 requests.*50 % apart/),
    });
  });

  test('of one connection is three rounds of one request', () => {
    const ended = warm({ ...LIMITS, topLevel: 1 }, () => ({ seconds: 4, medianMs: 22 }));
    expect(ended.levels).toEqual([1, 1, 1]);
  });

  test('5 % apart is stable, 6 % is not', () => {
    const at = (last: number) =>
      nextRound({ ...LIMITS, topLevel: 4 }, [round(4, 100), round(4, 102), round(4, last)]);
    expect(at(105)).toMatchObject({ kind: 'done', stable: true });
    expect(at(106)).toEqual({ kind: 'round', level: 4 });
  });

  // 20 s a request, one after another, at 64 of them: a round at the top would take 21 minutes.
  test('of a serial endpoint ends within its budget, long before the top level', () => {
    const ended = warm({ ...LIMITS, topLevel: 64 }, (level) => ({
      seconds: 20 * level,
      medianMs: 20 * level,
    }));
    expect(ended.levels).toEqual([4]);
    expect(ended.seconds).toBeLessThan(180);
    expect(ended.reason).toMatch(/round of 16 requests may take 320 s/);
  });

  test('sends nothing where one request alone may take too long, and a single one where four may', () => {
    expect(nextRound({ ...LIMITS, requestSeconds: 200 }, [])).toMatchObject({ kind: 'done', stable: false });
    expect(nextRound({ ...LIMITS, requestSeconds: 60 }, [])).toEqual({ kind: 'round', level: 1 });
  });

  test('stops where nothing succeeds', () => {
    expect(nextRound(LIMITS, [round(4, null)])).toMatchObject({
      stable: false,
      reason: expect.stringMatching(/no request/),
    });
  });
});
