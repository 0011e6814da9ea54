/**
 * What the primary test of a comparison claims, over seeded comparisons in virtual time: false alarms between equal
 * targets, and the power to see a true 10 %. Counts and exact limits are printed.
 *
 * Two ways to a repeat's rate. The whole way goes from single requests through the load engine's window and fold, the
 * summary and the rows; it takes tens of milliseconds a repeat, so by default it is walked for `WHOLE_WAY_SEEDS`
 * comparisons (`STATISTICS_SEEDS=2000` walks it for all). The short way takes the rate that the same machine gives
 * with the same scatter; the first test shows that the two agree. Seeds 1 to 2,000 go the short way.
 */
import { expect, test } from 'vitest';
import {
  comparePair,
  type DeploymentRates,
  PRACTICAL_THRESHOLD,
} from '../../src/core/comparison/pair-test.ts';
import { deploymentRates } from '../../src/core/comparison/target-rates.ts';
import { shareLowerBound } from '../../src/core/statistics/interval.ts';
import { normalDraws } from './draws.ts';
import { percent, SEEDS, upperLimit, WHOLE_WAY_SEEDS, WHOLE_WAY_TIMEOUT_MS } from './limits.ts';
import { answerMs, machineTimes, virtualCell, WORKLOAD } from './virtual-cell.ts';

const OPTIONS = { threshold: PRACTICAL_THRESHOLD, history: null };
const LEVELS = [1, 2, 4];

interface Scenario {
  readonly deployments: number;
  readonly repeats: number;
  /** Of one repeat of one cell, as a share. */
  readonly repeatVariation: number;
  readonly betweenVariation: number;
  /** Rate of the second side by that of the first. */
  readonly truth: number;
}

interface DrawnRepeat {
  readonly level: number;
  readonly repeat: number;
  readonly endpoint: string;
  /** Of the machine in this repeat, by the usual one. */
  readonly speed: number;
}

/** Repeats are dealt over the deployments of a side; three cells, as a small plan has. */
function drawSide(scenario: Scenario, side: string, normal: () => number): DrawnRepeat[] {
  const factor = side === 'second' ? scenario.truth : 1;
  return Array.from({ length: scenario.deployments }, (_, index) => {
    const machine = factor * Math.exp(scenario.betweenVariation * normal());
    const repeats = Math.ceil((scenario.repeats - index) / scenario.deployments);
    return LEVELS.flatMap((level) =>
      Array.from({ length: repeats }, (_, turn) => ({
        level,
        repeat: turn * scenario.deployments + index + 1,
        endpoint: `${side}-${index}`,
        speed: machine * Math.exp(scenario.repeatVariation * normal()),
      })),
    );
  }).flat();
}

/** Output tokens per second in the long run: connections x tokens by the time of an answer. */
const USUAL_RATES = new Map(
  LEVELS.map((level) => [level, (level * WORKLOAD.outputTokens * 1000) / answerMs(machineTimes(1), level)]),
);

function shortWay(repeats: readonly DrawnRepeat[]): DeploymentRates[] {
  return [...Map.groupBy(repeats, ({ endpoint }) => endpoint)].map(([deployment, own]) => ({
    deployment,
    cells: Object.fromEntries(
      [...Map.groupBy(own, ({ level }) => level)].map(([level, cells]) => [
        `c${level}`,
        cells.map(({ speed }) => (USUAL_RATES.get(level) ?? 0) * speed),
      ]),
    ),
  }));
}

function wholeWay(repeats: readonly DrawnRepeat[], normal: () => number): DeploymentRates[] {
  const rows = repeats.map((one) => virtualCell(one, machineTimes(one.speed), normal));
  return deploymentRates(rows, 'throughput');
}

function verdictsOf(scenario: Scenario, way: typeof wholeWay, seeds: number) {
  let [better, worse, named] = [0, 0, 0];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const normal = normalDraws(seed, JSON.stringify(scenario));
    const [first, second] = [drawSide(scenario, 'first', normal), drawSide(scenario, 'second', normal)];
    const { verdict, scope } = comparePair(way(first, normal), way(second, normal), OPTIONS);
    if (verdict === 'better') better += 1;
    if (verdict === 'worse') worse += 1;
    if ((verdict === 'better' || verdict === 'worse') && scope === 'targets') named += 1;
  }
  return { better, worse, named };
}

const EQUAL = { deployments: 2, repeats: 6, repeatVariation: 0.02, truth: 1 };

test('the whole way from single requests to rates gives the rate of the machine, as the short way has it', () => {
  const normal = normalDraws(1, 'ways');
  const repeats = drawSide({ ...EQUAL, betweenVariation: 0.02 }, 'first', normal);
  const whole = new Map(wholeWay(repeats, normal).map((one) => [one.deployment, one.cells]));
  const off = shortWay(repeats).flatMap(({ deployment, cells }) =>
    Object.entries(cells).flatMap(([cell, rates]) => {
      const same = whole.get(deployment)?.[`${cell}-p${WORKLOAD.promptTokens}-o${WORKLOAD.outputTokens}`];
      return rates.map((rate, repeat) => (same?.[repeat] ?? 0) / rate - 1);
    }),
  );
  console.log(
    `whole way by short way: ${off.length} repeats, off by at most ${percent(Math.max(...off.map(Math.abs)))}`,
  );
  // Thirty answers that scatter by 3 % have a mean that scatters by 0.5 %.
  expect(Math.max(...off.map(Math.abs))).toBeLessThan(0.025);
});

test.each([0, 0.02, 0.03])(
  'equal targets on two deployments a side are told apart in at most 5 % of comparisons (spread %d)',
  (betweenVariation) => {
    const { better, worse } = verdictsOf({ ...EQUAL, betweenVariation }, shortWay, SEEDS);
    const alarms = better + worse;
    console.log(
      `false alarms, spread between deployments ${percent(betweenVariation)}: ${alarms} of ${SEEDS}, at most ${percent(upperLimit(alarms))}`,
    );
    expect(upperLimit(alarms)).toBeLessThanOrEqual(0.05);
  },
);

test(
  'through the whole way, equal targets are no more often told apart than chance allows',
  () => {
    const scenario = { ...EQUAL, betweenVariation: 0.02 };
    const { better, worse } = verdictsOf(scenario, wholeWay, WHOLE_WAY_SEEDS);
    const alarms = better + worse;
    const lower = shareLowerBound(alarms, WHOLE_WAY_SEEDS) ?? 0;
    console.log(
      `false alarms from single requests on, spread 2.00 %: ${alarms} of ${WHOLE_WAY_SEEDS}, at most ${percent(upperLimit(alarms, WHOLE_WAY_SEEDS))}`,
    );
    expect(lower).toBeLessThanOrEqual(0.05);
    if (WHOLE_WAY_SEEDS >= SEEDS) expect(upperLimit(alarms, WHOLE_WAY_SEEDS)).toBeLessThanOrEqual(0.05);
  },
  WHOLE_WAY_TIMEOUT_MS,
);

test('with one deployment a side no verdict ever speaks of the SKUs', () => {
  for (const betweenVariation of [0, 0.02, 0.03]) {
    const scenario = { ...EQUAL, deployments: 1, repeats: 5, betweenVariation };
    const { better, worse, named } = verdictsOf(scenario, shortWay, SEEDS);
    console.log(
      `one deployment a side, spread ${percent(betweenVariation)}: ${named} of ${SEEDS} name the SKUs; ${better + worse} tell the two deployments apart`,
    );
    expect(named).toBe(0);
  }
});

test('a true 10 % is seen: nine times in ten at a repeat variation of 2 %, five repeats and equal machines', () => {
  const rows: string[] = [];
  let asked = 0;
  for (const betweenVariation of [0, 0.02]) {
    for (const repeatVariation of [0.01, 0.02, 0.03, 0.05]) {
      const cells = [3, 5, 10].map((repeats) => {
        const scenario = { deployments: 2, repeats, repeatVariation, betweenVariation, truth: 1.1 };
        const { better } = verdictsOf(scenario, shortWay, SEEDS);
        if (betweenVariation === 0 && repeatVariation === 0.02 && repeats === 5) asked = better / SEEDS;
        return `${percent(better / SEEDS)} (at least ${percent(shareLowerBound(better, SEEDS) ?? 0)})`;
      });
      rows.push(`| ${percent(betweenVariation)} | ${percent(repeatVariation)} | ${cells.join(' | ')} |`);
    }
  }
  console.log(
    [
      'power for a true 10 %, two deployments a side, three cells:',
      '| between deployments | repeat CV | 3 repeats | 5 | 10 |',
      '|---|---|---|---|---|',
      ...rows,
    ].join('\n'),
  );
  expect(asked).toBeGreaterThanOrEqual(0.9);
});
