import { expect, test } from 'vitest';
import { mergeTraces } from '../../../src/core/measuring/slices.ts';
import { judgeSteady } from '../../../src/core/measuring/steady.ts';
import { normalDraws } from '../../statistics/draws.ts';
import { runVirtualLoad, type VirtualLoad } from '../../statistics/virtual-load.ts';

/** A steady load of two seconds a request with 5 % of noise; each case changes what it is about. */
function load(change: Partial<VirtualLoad> = {}, seed = 1): VirtualLoad {
  const draw = normalDraws(seed, 'steady');
  return {
    connections: 4,
    seconds: 60,
    outputTokens: 100,
    serviceMs: () => 2_000 * Math.exp(0.05 * draw()),
    ...change,
  };
}

test.each([
  ['noisy and staggered', load()],
  ['one connection', load({ connections: 1, seconds: 120 })],
  ['exactly equal requests', load({ serviceMs: () => 2_000 })],
  ['equal requests that all answer at once', load({ serviceMs: () => 2_000, together: true })],
  ['64 connections', load({ connections: 64 })],
  ['fast requests', load({ serviceMs: () => 20, seconds: 2 })],
  ['a short idle between requests', load({ idleMs: 50 })],
] as const)('a steady load is steady: %s', (_, steady) => {
  const verdict = judgeSteady(runVirtualLoad(steady));
  expect(verdict.failed).toEqual([]);
  expect(verdict.steady).toBe(true);
  expect(verdict.completions).toBeGreaterThanOrEqual(Math.max(30, 3 * steady.connections));
});

const drifting = (share: number) => {
  const draw = normalDraws(7, 'drift');
  return (sentMs: number) => 2_000 * (1 + (share * sentMs) / 60_000) * Math.exp(0.02 * draw());
};

test.each([
  ['too short', load({ seconds: 12 }), ['completions'], '30 are needed at 4 connections'],
  [
    'too few for so many connections',
    load({ connections: 32, seconds: 6 }),
    ['completions'],
    '96 are needed',
  ],
  ['idle between requests', load({ idleMs: 300 }), ['in-flight'], 'did not keep them busy'],
  ['slower by half', load({ serviceMs: drifting(0.5) }), ['halves', 'trend'], 'longer in the second half'],
  [
    'faster by a third',
    load({ serviceMs: drifting(-0.35) }),
    ['halves', 'trend'],
    'shorter in the second half',
  ],
  // The halves differ by about 6 % only; the slope tells.
  ['slowly slower', load({ serviceMs: drifting(0.12) }), ['trend'], 'rises by'],
  ['slowly faster', load({ serviceMs: drifting(-0.12) }), ['trend'], 'falls by'],
] as const)('a load that is %s fails just that gate', (_, unsteady, gates, sentence) => {
  const verdict = judgeSteady(runVirtualLoad(unsteady));
  expect(verdict.steady).toBe(false);
  expect(verdict.failed.map((failed) => failed.gate)).toEqual(gates);
  expect(verdict.failed.map((failed) => failed.sentence).join(' ')).toContain(sentence);
});

test('a drift of one percent over the window is not worth a gate, however sure it is', () => {
  const verdict = judgeSteady(
    runVirtualLoad(load({ serviceMs: (sentMs) => 200 * (1 + (0.01 * sentMs) / 60_000) })),
  );
  expect(verdict.trend?.shown).toBe(true);
  expect(verdict.steady).toBe(true);
});

test('without a window, nothing is judged and the reason is told', () => {
  const none = judgeSteady(runVirtualLoad(load({ seconds: 1 })));
  expect(none).toMatchObject({
    steady: false,
    fullShare: null,
    halvesDiffer: null,
    trend: null,
    completions: 0,
  });
  expect(none.failed[0]?.sentence).toContain('first answer');
  const short = judgeSteady(runVirtualLoad(load({ seconds: 2.8, serviceMs: () => 1_500 })));
  expect(short.failed.map((failed) => failed.gate)).toEqual(['window']);
  expect(short.failed[0]?.sentence).toContain('shorter than two slices');
});

test('answers that all failed are no trend and no halves', () => {
  const trace = runVirtualLoad(load());
  const silent = {
    ...trace,
    completions: trace.completions.map(() => 0),
    outputTokens: trace.outputTokens.map(() => 0),
  };
  expect(judgeSteady(silent).failed.map((failed) => failed.gate)).toEqual(['completions', 'halves', 'trend']);
});

test('two shards are judged as the one load that they are', () => {
  const [one, other] = [runVirtualLoad(load({ seconds: 20 })), runVirtualLoad(load({ seconds: 20 }, 2))];
  const whole = judgeSteady(mergeTraces([one, other]));
  expect(whole.steady).toBe(true);
  expect(whole.completions).toBeLessThanOrEqual(
    judgeSteady(one).completions + judgeSteady(other).completions,
  );
  const idle = runVirtualLoad(load({ idleMs: 400 }, 2));
  expect(
    judgeSteady(mergeTraces([runVirtualLoad(load()), idle])).failed.map((failed) => failed.gate),
  ).toEqual(['in-flight']);
});

test('of 300 steady repeats no more than 3 % are called unsteady', () => {
  let unsteady = 0;
  for (let seed = 0; seed < 300; seed += 1) {
    const draw = normalDraws(seed, 'many');
    const connections = [1, 4, 16][seed % 3] as number;
    const trace = runVirtualLoad(
      load({ connections, seconds: 90, serviceMs: () => 2_000 * Math.exp(0.1 * draw()) }),
    );
    if (!judgeSteady(trace).steady) unsteady += 1;
  }
  console.log(`steady repeats called unsteady: ${unsteady} of 300`);
  expect(unsteady).toBeLessThanOrEqual(9);
});
