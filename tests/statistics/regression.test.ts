/**
 * The regression check of a schedule in virtual time: 2,000 schedules whose every run is a deployment of its own. How
 * often redeploying alone is taken for a regression, and how often a true one is seen.
 */
import { expect, test } from 'vitest';
import { checkRegression, type PastRun, REGRESSION_DEFAULTS } from '../../src/core/schedule/regression.ts';
import { normalDraws } from './draws.ts';
import { percent, SEEDS, upperLimit } from './limits.ts';

const REPEATS = 5;
const REPEAT_VARIATION = 0.02;

function drawRun(id: number, factor: number, spread: number, normal: () => number): PastRun {
  const machine = factor * Math.exp(spread * normal());
  const rates = () => Array.from({ length: REPEATS }, () => machine * Math.exp(REPEAT_VARIATION * normal()));
  const cells = Object.fromEntries(
    [40, 150].map((rate, cell) => [`c${cell}`, rates().map((one) => rate * one)]),
  );
  return { id: `run-${id}`, atMs: id, good: true, deployments: [{ deployment: `d${id}`, cells }] };
}

/** Equal runs, then one whose rate is `factor` of theirs; each but the first is checked. */
function watch(runs: number, factor: number, spread: number, seed: number) {
  const normal = normalDraws(seed, `${runs}/${factor}/${spread}`);
  const history: PastRun[] = [];
  let [alarms, checks] = [0, 0];
  for (let id = 1; id <= runs; id += 1) {
    const run = drawRun(id, 1, spread, normal);
    const isAlarm = checkRegression(history, run, REGRESSION_DEFAULTS).verdict === 'regression';
    if (id > 1) checks += 1;
    if (isAlarm) alarms += 1;
    history.push({ ...run, good: !isAlarm });
  }
  const last = drawRun(runs + 1, factor, spread, normal);
  return {
    alarms,
    checks,
    seen: checkRegression(history, last, REGRESSION_DEFAULTS).verdict === 'regression',
  };
}

test.each([0, 0.02, 0.03])(
  'redeploying is taken for a regression in at most one check in twenty (spread %d)',
  (spread) => {
    let [alarms, checks] = [0, 0];
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const watched = watch(6, 1, spread, seed);
      alarms += watched.alarms;
      checks += watched.checks;
    }
    console.log(
      `redeployed, spread ${percent(spread)}: ${alarms} of ${checks} checks call a regression, at most ${percent(upperLimit(alarms, checks))}`,
    );
    expect(upperLimit(alarms, checks)).toBeLessThanOrEqual(0.05);
  },
);

test('a loss of a fifth is seen from the second run on', () => {
  const shares = [1, 2, 5, 10].map((runs) => {
    let seen = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) if (watch(runs, 0.8, 0.02, seed).seen) seen += 1;
    console.log(`a loss of 20 % after ${runs} equal runs, spread 2 %: seen in ${seen} of ${SEEDS}`);
    return seen / SEEDS;
  });
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(0.9);
});
