/**
 * Whether one target is faster than another: one primary test for a pair, on the mean log ratio of their rates over
 * the cells that both measured. Pure.
 *
 * The unit of replication for a statement about a SKU is the deployment, because a deployment is one draw of a SKU
 * (another VM, another host) and repeats on one VM measure that VM. So with two deployments a side or more, or with a
 * spread known from history, each deployment is one value, and the test is Student's with pooled variance; below that,
 * each repeat is one value, the test is Welch's, and all that it can speak of is these deployments.
 *
 * Logarithms, because rates differ by factors: a mean of log ratios is the log of a typical ratio, and no cell with
 * large numbers outweighs the others. Deployments and repeats must be interleaved, which is what the runs do.
 */
import { writePercent } from '../figure.ts';
import { studentTCdf, studentTQuantile } from '../statistics/distribution.ts';
import { CONFIDENCE } from '../statistics/interval.ts';
import { meanOf, poolVariance, squaresOf } from '../statistics/moments.ts';

/** One deployment's rates: by cell, one number a repeat. A rate of zero is a repeat in which nothing succeeded. */
export interface DeploymentRates {
  readonly deployment: string;
  readonly cells: Readonly<Record<string, readonly number[]>>;
}

/** The spread between deployments of one SKU that earlier comparisons showed: of log rates, with its weight. */
export interface SpreadHistory {
  readonly variance: number;
  readonly degreesOfFreedom: number;
}

export interface PairOptions {
  /** Differences smaller than this share are of no use to anybody, 0.05 by default. */
  readonly threshold: number;
  readonly history: SpreadHistory | null;
}

export interface PairVerdict {
  /** Of the second side against the first. */
  readonly verdict: 'better' | 'worse' | 'no-difference-shown' | 'not-comparable';
  /** What the verdict speaks of: the SKUs (or settings), or the deployments that happened to be measured. */
  readonly scope: 'targets' | 'deployments';
  /** Rate of the second side by that of the first, over the matched cells; null where nothing is matched. */
  readonly ratio: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly pValue: number | null;
  /** Cells that both sides measured with at least one rate above zero in each deployment. */
  readonly matchedCells: readonly string[];
  /** The spread between deployments within a side, as a share; null with fewer than two a side. */
  readonly betweenDeployments: number | null;
  /** Cell by cell, with Holm's correction; secondary to the verdict. */
  readonly cells: readonly CellVerdict[];
  readonly sentence: string;
}

export interface CellVerdict {
  readonly cellId: string;
  readonly ratio: number;
  /** After Holm's correction over the matched cells; null with fewer than two repeats a side. */
  readonly pValue: number | null;
}

export const PRACTICAL_THRESHOLD = 0.05;
const LEAST_DEPLOYMENTS = 2;
/** One value has no spread. */
const LEAST_REPEATS = 2;

export function comparePair(
  first: readonly DeploymentRates[],
  second: readonly DeploymentRates[],
  { threshold, history }: PairOptions,
): PairVerdict {
  const matchedCells = first.length === 0 || second.length === 0 ? [] : matchCells([...first, ...second]);
  const nothing = {
    ratio: null,
    lower: null,
    upper: null,
    pValue: null,
    betweenDeployments: null,
    cells: [],
  };
  if (matchedCells.length === 0)
    return {
      ...nothing,
      verdict: 'not-comparable',
      scope: 'deployments',
      matchedCells,
      sentence: 'No cell succeeded on both sides, so there is nothing to compare.',
    };
  const scope =
    Math.min(first.length, second.length) >= LEAST_DEPLOYMENTS || history !== null
      ? 'targets'
      : 'deployments';
  const values = (side: readonly DeploymentRates[]) =>
    scope === 'targets'
      ? side.map((deployment) => meanOf(repeatMeans(deployment, matchedCells)))
      : side.flatMap((deployment) => repeatMeans(deployment, matchedCells));
  const test =
    scope === 'targets'
      ? pooledTest(values(first), values(second), history)
      : welchTest(values(first), values(second));
  const cells = compareCells(first, second, matchedCells);
  const betweenDeployments = spreadBetween(first, second, matchedCells);
  const ratio = Math.exp(meanOf(values(second)) - meanOf(values(first)));
  const idle = describeIdle([...first, ...second], matchedCells);
  if (test === null)
    return {
      ...nothing,
      verdict: 'no-difference-shown',
      scope,
      ratio,
      matchedCells,
      betweenDeployments,
      cells,
      sentence: `${explainNoTest(ratio, scope, values(first).length, values(second).length)}${idle}`,
    };
  const significant = test.pValue < 1 - CONFIDENCE;
  const large = Math.abs(Math.log(ratio)) >= Math.log(1 + threshold);
  const verdict = !significant || !large ? 'no-difference-shown' : ratio > 1 ? 'better' : 'worse';
  return {
    verdict,
    scope,
    ratio,
    lower: Math.exp(Math.log(ratio) - test.halfWidth),
    upper: Math.exp(Math.log(ratio) + test.halfWidth),
    pValue: test.pValue,
    matchedCells,
    betweenDeployments,
    cells,
    sentence: `${describe(verdict, scope, ratio, test, { significant, threshold })}${idle}`,
  };
}

/** Why a ratio has no test. */
function explainNoTest(ratio: number, scope: PairVerdict['scope'], first: number, second: number): string {
  const what = scope === 'targets' ? 'deployment' : 'repeat';
  return Math.min(first, second) < LEAST_REPEATS
    ? `A ratio of ${writePercent(ratio)} from one ${what} on a side: without a second one, nothing can be shown.`
    : `A ratio of ${writePercent(ratio)} from values that do not scatter at all: how far it may be off cannot be told.`;
}

/** A repeat in which nothing succeeded has no logarithm; that it is missing from the ratio is said. */
function describeIdle(all: readonly DeploymentRates[], matched: readonly string[]): string {
  const idle = all
    .flatMap(({ cells }) => matched.flatMap((cell) => cells[cell] ?? []))
    .filter((rate) => !(rate > 0)).length;
  if (idle === 0) return '';
  return ` ${idle} ${idle === 1 ? 'repeat' : 'repeats'} in which nothing succeeded ${idle === 1 ? 'is' : 'are'} not in it.`;
}

/** Cells in which every deployment has a rate above zero. */
function matchCells(all: readonly DeploymentRates[]): string[] {
  const [first] = all;
  if (first === undefined) return [];
  const measured = (deployment: DeploymentRates, cell: string) =>
    (deployment.cells[cell] ?? []).some((rate) => rate > 0);
  return Object.keys(first.cells).filter((cell) => all.every((deployment) => measured(deployment, cell)));
}

/**
 * One value a repeat: the mean log rate over the matched cells. Repeats go as far as the cell with the fewest, so that
 * each value has all cells in it.
 */
function repeatMeans({ cells }: DeploymentRates, matched: readonly string[]): number[] {
  const logs = matched.map((cell) => (cells[cell] ?? []).filter((rate) => rate > 0).map(Math.log));
  const repeats = Math.min(...logs.map((list) => list.length));
  return Array.from({ length: repeats }, (_, repeat) => meanOf(logs.map((list) => list[repeat] as number)));
}

interface TestResult {
  readonly pValue: number;
  /** Of the mean log ratio, at 95 %. */
  readonly halfWidth: number;
  readonly degreesOfFreedom: number;
}

/** Student's two-sample test; history adds its own squares and degrees of freedom to those at hand. */
function pooledTest(
  first: readonly number[],
  second: readonly number[],
  history: SpreadHistory | null,
): TestResult | null {
  const pooled = poolVariance([first, second], history);
  if (pooled === null) return null;
  const standardError = Math.sqrt(pooled.variance * (1 / first.length + 1 / second.length));
  return testOf(meanOf(second) - meanOf(first), standardError, pooled.degreesOfFreedom);
}

/** Welch (Biometrika 34, 1947), with Satterthwaite's degrees of freedom. */
function welchTest(first: readonly number[], second: readonly number[]): TestResult | null {
  if (Math.min(first.length, second.length) < LEAST_REPEATS) return null;
  const of = (values: readonly number[]) => squaresOf(values) / (values.length - 1) / values.length;
  const [one, other] = [of(first), of(second)];
  const degreesOfFreedom =
    one + other === 0
      ? first.length + second.length - 2
      : (one + other) ** 2 / (one ** 2 / (first.length - 1) + other ** 2 / (second.length - 1));
  return testOf(meanOf(second) - meanOf(first), Math.sqrt(one + other), degreesOfFreedom);
}

/** Values that are all equal show no spread at all, and so no certainty: their difference is not tested. */
function testOf(difference: number, standardError: number, degreesOfFreedom: number): TestResult | null {
  if (!(standardError > ALL_EQUAL)) return null;
  const t = Math.abs(difference) / standardError;
  return {
    pValue: 2 * (1 - studentTCdf(t, degreesOfFreedom)),
    halfWidth: studentTQuantile((1 + CONFIDENCE) / 2, degreesOfFreedom) * standardError,
    degreesOfFreedom,
  };
}

/** What rounding leaves of equal logarithms. */
const ALL_EQUAL = 1e-12;

/** Each matched cell by Welch's test on its repeats, whichever deployment they came from; Holm over the cells. */
function compareCells(
  first: readonly DeploymentRates[],
  second: readonly DeploymentRates[],
  matched: readonly string[],
): CellVerdict[] {
  const logs = (side: readonly DeploymentRates[], cell: string) =>
    side.flatMap(({ cells }) => (cells[cell] ?? []).filter((rate) => rate > 0).map(Math.log));
  const raw = matched.map((cell) => {
    const [one, other] = [logs(first, cell), logs(second, cell)];
    return {
      cellId: cell,
      ratio: Math.exp(meanOf(other) - meanOf(one)),
      pValue: welchTest(one, other)?.pValue ?? null,
    };
  });
  const corrected = holm(raw.map((cell) => cell.pValue));
  return raw.map((cell, index) => ({ ...cell, pValue: corrected[index] ?? null }));
}

/** Holm (Scandinavian Journal of Statistics 6, 1979): the k-th smallest of m is multiplied by m - k + 1, and never falls. */
export function holm(pValues: readonly (number | null)[]): (number | null)[] {
  const order = pValues
    .map((pValue, index) => ({ pValue, index }))
    .filter((one): one is { pValue: number; index: number } => one.pValue !== null)
    .toSorted((one, other) => one.pValue - other.pValue);
  const corrected: (number | null)[] = pValues.map(() => null);
  let highest = 0;
  order.forEach(({ pValue, index }, rank) => {
    highest = Math.max(highest, Math.min(1, pValue * (order.length - rank)));
    corrected[index] = highest;
  });
  return corrected;
}

/** Standard deviation between deployments of one side, pooled over both, as a share. */
function spreadBetween(
  first: readonly DeploymentRates[],
  second: readonly DeploymentRates[],
  matched: readonly string[],
): number | null {
  const means = (side: readonly DeploymentRates[]) =>
    side.map((deployment) => meanOf(repeatMeans(deployment, matched)));
  const pooled = poolVariance([means(first), means(second)]);
  return pooled === null ? null : Math.sqrt(pooled.variance);
}

/** Further below, the digits say nothing. */
function writeProbability(p: number): string {
  return p < 0.0001 ? '< 0.0001' : p.toPrecision(2);
}

function describe(
  verdict: PairVerdict['verdict'],
  scope: PairVerdict['scope'],
  ratio: number,
  test: TestResult,
  { significant, threshold }: { readonly significant: boolean; readonly threshold: number },
): string {
  const range = `${writePercent(ratio)} (${writePercent(ratio * Math.exp(-test.halfWidth))} to ${writePercent(ratio * Math.exp(test.halfWidth))}, p ${writeProbability(test.pValue)})`;
  const of =
    scope === 'targets'
      ? ''
      : ' This speaks of these deployments only: another VM of the same SKU may differ.';
  if (verdict === 'better') return `Faster: ${range} of the rate.${of}`;
  if (verdict === 'worse') return `Slower: ${range} of the rate.${of}`;
  return significant
    ? `A difference is shown, and it is below the ${threshold * 100} % that matter: ${range} of the rate.${of}`
    : `No difference shown: ${range} of the rate.${of}`;
}
