/**
 * Races in virtual time: five candidates, ten rounds, repeats that scatter by 5 %, seeds 1 to 2,000. How often the
 * true winner is dropped, and what a race spends of the full comparison. Provisioning costs half of the measuring time.
 */
import { expect, test } from 'vitest';
import type { SpreadHistory } from '../../src/core/comparison/pair-test.ts';
import { nextOfRace, type RaceCandidate, totalRace } from '../../src/core/comparison/race.ts';
import { judgeRace } from '../../src/core/comparison/race-judge.ts';
import { normalDraws } from './draws.ts';
import { percent, SEEDS, upperLimit, WHOLE_WAY_SEEDS, WHOLE_WAY_TIMEOUT_MS } from './limits.ts';
import { machineTimes, virtualCell } from './virtual-cell.ts';

const ROUNDS = 10;
const VARIATION = 0.05;
const ROUND_SECONDS = 60;
/** Half of what ten rounds take. */
const PROVISION_SECONDS = (ROUNDS * ROUND_SECONDS) / 2;

interface Field {
  /** Cost of each candidate by that of the cheapest, which comes first. */
  readonly costs: readonly number[];
  /** True spread between deployments, as a share. */
  readonly spread?: number;
  readonly history?: SpreadHistory;
  /** By how much the winner is dearer in its first rounds. */
  readonly slowStart?: readonly number[];
  /** Of one round, by candidate, where they differ. */
  readonly variations?: readonly number[];
}

function race(field: Field, seed: number) {
  const normal = normalDraws(seed, JSON.stringify(field));
  const { spread = 0, history = null, slowStart = [], variations = [] } = field;
  const levels = field.costs.map((cost) => cost * Math.exp(spread * normal()));
  let candidates: RaceCandidate[] = levels.map((_, index) => ({
    label: `t${index}`,
    state: 'racing',
    costs: [],
    deployments: 1,
    objectives: null,
  }));
  const plan = { rounds: ROUNDS, attainment: null, spread: history };
  for (let turn = 0; turn <= ROUNDS; turn += 1) {
    const step = nextOfRace(plan, candidates);
    const out = new Set(step.dropped.map(({ label }) => label));
    candidates = candidates.map((one) => (out.has(one.label) ? { ...one, state: 'out' } : one));
    if (step.kind === 'over') break;
    candidates = candidates.map((one, index) => {
      if (one.state === 'out') return one;
      const slow = index === 0 ? (slowStart[one.costs.length] ?? 1) : 1;
      const cost = (levels[index] ?? 1) * slow * Math.exp((variations[index] ?? VARIATION) * normal());
      return { ...one, costs: [...one.costs, cost] };
    });
  }
  const { spent, inFull } = totalRace(
    ROUNDS,
    candidates.map(({ label, costs }) => ({
      label,
      hourlyUsd: 1,
      gpus: 1,
      aroundSeconds: PROVISION_SECONDS,
      roundSeconds: costs.map(() => ROUND_SECONDS),
    })),
  );
  return { winnerDropped: candidates[0]?.state === 'out', spent, inFull };
}

function raceMany(name: string, field: Field) {
  let [dropped, spentUsd, fullUsd] = [0, 0, 0];
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { winnerDropped, spent, inFull } = race(field, seed);
    if (winnerDropped) dropped += 1;
    spentUsd += spent.usd ?? 0;
    fullUsd += inFull.usd ?? 0;
  }
  const share = spentUsd / fullUsd;
  console.log(
    `race, ${name}: winner dropped in ${dropped} of ${SEEDS}, at most ${percent(upperLimit(dropped))}; spends ${percent(share)} of the full comparison`,
  );
  return { dropped, share };
}

const behind = (gap: number) => [1, 1 + gap, 1 + gap, 1 + gap, 1 + gap];
const steps = (gap: number) => [0, 1, 2, 3, 4].map((step) => (1 + gap) ** step);
/** Of twenty earlier pairs of deployments. */
const known = (spread: number): SpreadHistory => ({ variance: spread ** 2, degreesOfFreedom: 20 });

test.each<[string, Field]>([
  ['all others 5 % behind', { costs: behind(0.05) }],
  ['all others 10 % behind', { costs: behind(0.1) }],
  ['all others 20 % behind', { costs: behind(0.2) }],
  ['each 5 % behind the one before', { costs: steps(0.05) }],
  ['near ties of 0.5 %', { costs: steps(0.005) }],
  ['ties', { costs: behind(0) }],
  ['ties, spread 2 % as assumed', { costs: behind(0), spread: 0.02 }],
  ['20 % behind, spread 2 % as assumed', { costs: behind(0.2), spread: 0.02 }],
  ['5 % behind, spread 3 % while 2 % is assumed', { costs: behind(0.05), spread: 0.03 }],
  ['ties, spread 3 % known from history', { costs: behind(0), spread: 0.03, history: known(0.03) }],
  ['10 % behind, winner 30 % and 10 % dearer at first', { costs: behind(0.1), slowStart: [1.3, 1.1] }],
  ['10 % behind, winner 20 % dearer in two rounds', { costs: behind(0.1), slowStart: [1.2, 1.2] }],
  ['5 % behind, winner 20 % dearer in two rounds', { costs: behind(0.05), slowStart: [1.2, 1.2] }],
  [
    'ties, winner scatters by 10 % and the others by 2 %',
    { costs: behind(0), variations: [0.1, 0.02, 0.02, 0.02, 0.02] },
  ],
])('the winner of a race is hardly ever dropped: %s', (name, field) => {
  expect(upperLimit(raceMany(name, field).dropped)).toBeLessThanOrEqual(0.05);
});

test(
  'from single requests on, through rows, a field 20 % behind is dropped and the winner is not',
  () => {
    const seeds = Math.ceil(WHOLE_WAY_SEEDS / 5);
    let [winnerDropped, dropped] = [0, 0];
    for (let seed = 1; seed <= seeds; seed += 1) {
      const drops = raceFromRequests(seed);
      if (drops.includes('t0')) winnerDropped += 1;
      dropped += drops.length;
    }
    console.log(
      `race from single requests on, others 20 % behind: winner dropped in ${winnerDropped} of ${seeds}, ${dropped} of ${4 * seeds} others dropped`,
    );
    expect(winnerDropped).toBe(0);
    expect(dropped / (4 * seeds)).toBeGreaterThan(0.9);
  },
  WHOLE_WAY_TIMEOUT_MS,
);

/** Labels that are dropped when each round is a repeat of one cell on a machine of the simulator's. */
function raceFromRequests(seed: number): string[] {
  const normal = normalDraws(seed, 'race from requests');
  const entries = behind(0.2).map((cost, index) => ({
    label: `t${index}`,
    hourlyUsd: cost,
    over: true,
    cellsPerRound: 1,
    cells: Array.from({ length: ROUNDS }, (_, round) =>
      virtualCell(
        { level: 1, repeat: round + 1, endpoint: `t${index}` },
        machineTimes(Math.exp(VARIATION * normal())),
        normal,
      ),
    ),
  }));
  const plan = { rounds: ROUNDS, attainment: null, spread: null };
  return judgeRace(plan, entries, 'throughput').drops.map(({ label }) => label);
}

test('at a gap of 20 % a race spends at most 65 % of the full comparison', () => {
  expect(raceMany('others 20 % behind', { costs: behind(0.2) }).share).toBeLessThanOrEqual(0.65);
  expect(raceMany('each 20 % behind the one before', { costs: steps(0.2) }).share).toBeLessThanOrEqual(0.65);
});
