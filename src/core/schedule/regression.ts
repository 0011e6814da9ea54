/**
 * Whether a scheduled run is worse than its baseline by more than redeploying explains. Each past run was a deployment
 * of its own, so past runs scatter as deployments do; the new one is held against the baseline by a prediction
 * interval of that scatter, and not by the scatter of repeats on one machine. Pure.
 */
import { ASSUMED_SPREAD } from '../comparison/deployment-spread.ts';
import { type DeploymentRates, PRACTICAL_THRESHOLD } from '../comparison/pair-test.ts';
import { writePercent } from '../figure.ts';
import { studentTQuantile } from '../statistics/distribution.ts';
import { CONFIDENCE } from '../statistics/interval.ts';
import { meanOf, poolVariance, squaresOf, type Variance } from '../statistics/moments.ts';

/** A run of a schedule's target, as its history keeps it. */
export interface PastRun {
  readonly id: string;
  readonly atMs: number;
  /** It completed, and was no regression itself. */
  readonly good: boolean;
  /** One entry a deployment; empty where nothing was measured. */
  readonly deployments: readonly DeploymentRates[];
}

export interface RegressionOptions {
  /** The newest good run, or the pinned one of that id. */
  readonly baseline: 'last-good' | { readonly pinned: string };
  readonly threshold: number;
}

export interface RegressionVerdict {
  readonly verdict: 'regression' | 'improvement' | 'no-change-shown' | 'not-comparable';
  readonly baseline: string | null;
  /** Rate by the baseline's over the cells that both have; null where there is none. */
  readonly ratio: number | null;
  /** Where a new deployment of the same target would come out, in 95 of 100 cases. */
  readonly lower: number | null;
  readonly upper: number | null;
  /** Past runs that tell the scatter. */
  readonly runs: number;
  readonly sentence: string;
}

/**
 * `ASSUMED_SPREAD` counts as much as this many degrees of freedom: from the second run on something can be said, and a
 * year of weekly runs outweighs it.
 */
const ASSUMED_DEGREES_OF_FREEDOM = 4;

export const REGRESSION_DEFAULTS: RegressionOptions = {
  baseline: 'last-good',
  threshold: PRACTICAL_THRESHOLD,
};

/**
 * The verdict on `current`. `history` is in any order and holds runs of the same target, settings, route, model and
 * image only; what is not comparable is for the caller to leave out. A cell that the baseline measured and the current
 * run did not carry is a regression in itself.
 */
export function checkRegression(
  history: readonly PastRun[],
  current: Pick<PastRun, 'deployments'>,
  { baseline: wanted, threshold }: RegressionOptions,
): RegressionVerdict {
  const good = history.filter((run) => run.good && run.deployments.length > 0);
  const newestFirst = good.toSorted((one, other) => other.atMs - one.atMs);
  const baseline = wanted === 'last-good' ? newestFirst[0] : history.find((run) => run.id === wanted.pinned);
  const nothing = { ratio: null, lower: null, upper: null, runs: good.length };
  if (baseline === undefined || baseline.deployments.length === 0) {
    const sentence =
      wanted === 'last-good'
        ? 'There is no good run before this one to hold it against.'
        : `The pinned baseline ${wanted.pinned} is not in the history, or measured nothing.`;
    return { ...nothing, verdict: 'not-comparable', baseline: null, sentence };
  }
  const cells = cellsOf(baseline);
  if (cells.length === 0) {
    const sentence = `${baseline.id}, the baseline, carried no cell on all of its deployments.`;
    return { ...nothing, verdict: 'not-comparable', baseline: baseline.id, sentence };
  }
  const lost = cells.filter((cell) => !carries(current, cell));
  if (lost.length > 0) {
    return {
      ...nothing,
      verdict: 'regression',
      baseline: baseline.id,
      sentence: `Regression: ${lost.slice(0, 5).join(', ')}${lost.length > 5 ? ' and more' : ''} carried load in ${baseline.id} and nothing now.`,
    };
  }
  const difference = meanOf(valuesOf(current, cells)) - meanOf(valuesOf(baseline, cells));
  const { variance, degreesOfFreedom } = spreadOf(newestFirst, cells);
  const deployments = 1 / current.deployments.length + 1 / baseline.deployments.length;
  const halfWidth =
    studentTQuantile((1 + CONFIDENCE) / 2, degreesOfFreedom) * Math.sqrt(variance * deployments);
  const matters = Math.abs(difference) >= Math.log(1 + threshold);
  const outside = Math.abs(difference) > halfWidth;
  const verdict = !(matters && outside) ? 'no-change-shown' : difference < 0 ? 'regression' : 'improvement';
  const [ratio, lower, upper] = [Math.exp(difference), Math.exp(-halfWidth), Math.exp(halfWidth)];
  const range = `${writePercent(ratio)} of the rate of ${baseline.id}; a new deployment of the same lies between ${writePercent(lower)} and ${writePercent(upper)} (${good.length} good ${good.length === 1 ? 'run' : 'runs'} before)`;
  const words = {
    regression: 'Regression',
    improvement: 'Improvement',
    'no-change-shown': outside ? `A change below the ${threshold * 100} % that matter` : 'No change shown',
  };
  return {
    verdict,
    baseline: baseline.id,
    ratio,
    lower,
    upper,
    runs: good.length,
    sentence: `${words[verdict]}: ${range}.`,
  };
}

/**
 * Variance of one deployment's mean log rate. Runs count with the deployments that they had; those of one run count
 * too, since they are draws as well. The assumed spread stands beside them with its weight.
 */
function spreadOf(runs: readonly PastRun[], cells: readonly string[]): Variance {
  const values = runs
    .filter((run) => cells.every((cell) => carries(run, cell)))
    .map((run) => valuesOf(run, cells));
  const assumed = { variance: ASSUMED_SPREAD ** 2, degreesOfFreedom: ASSUMED_DEGREES_OF_FREEDOM };
  const within = poolVariance(values, assumed) ?? assumed;
  if (values.length < 2) return within;
  // The mean of n deployments scatters by 1 / n of their variance.
  const between = squaresOf(values.map(meanOf), (index) => values[index]?.length ?? 1);
  const degreesOfFreedom = within.degreesOfFreedom + values.length - 1;
  return {
    variance: (within.variance * within.degreesOfFreedom + between) / degreesOfFreedom,
    degreesOfFreedom,
  };
}

/** Cells that every deployment of the run carried. */
function cellsOf(run: Pick<PastRun, 'deployments'>): string[] {
  const [first] = run.deployments;
  return first === undefined ? [] : Object.keys(first.cells).filter((cell) => carries(run, cell));
}

function carries({ deployments }: Pick<PastRun, 'deployments'>, cell: string): boolean {
  return (
    deployments.length > 0 && deployments.every(({ cells }) => (cells[cell] ?? []).some((rate) => rate > 0))
  );
}

/** Of each deployment the mean log rate over the cells. */
function valuesOf({ deployments }: Pick<PastRun, 'deployments'>, cells: readonly string[]): number[] {
  return deployments.map((deployment) =>
    meanOf(
      cells.map((cell) => meanOf((deployment.cells[cell] ?? []).filter((rate) => rate > 0).map(Math.log))),
    ),
  );
}
