/**
 * How much two deployments of one SKU differ: the standard deviation of log rates between deployments, as comparisons
 * that are over showed it, for those that come after.
 */
import { writePercent } from '../figure.ts';
import { meanOf, poolVariance } from '../statistics/moments.ts';
import type { DeploymentRates, SpreadHistory } from './pair-test.ts';

/**
 * What is taken until deployments of the installation's own have shown it: 2 %. It is a guess, nobody has published the
 * figure for Azure's GPU sizes, and it is named as one wherever a conclusion leans on it.
 */
export const ASSUMED_SPREAD = 0.02;

/**
 * What targets that were measured show together. Those that are the same, and measured in the same way, are draws of one
 * SKU, whenever they were deployed: each such side of two deployments or more brings its squares and one degree of
 * freedom less than it has deployments. Null while there is no such side.
 */
export function spreadOf(
  measured: readonly { readonly sameAs: string; readonly deployments: readonly DeploymentRates[] }[],
): SpreadHistory | null {
  const sides = Map.groupBy(measured, ({ sameAs }) => sameAs);
  return poolVariance(
    [...sides.values()].map((side) => deploymentMeans(side.flatMap(({ deployments }) => deployments))),
  );
}

/** What verdicts know of earlier deployments, as a sentence. */
export function describeSpread(history: SpreadHistory | null): string {
  return history === null
    ? `Earlier comparisons do not tell well enough how much deployments of one SKU differ: verdicts rest on the deployments of this one alone, and a race takes ${writePercent(ASSUMED_SPREAD)}.`
    : `Verdicts count in how much deployments of one SKU differed in earlier comparisons: ${writePercent(Math.sqrt(history.variance))}, with ${history.degreesOfFreedom} degrees of freedom.`;
}

/** Of each deployment the mean over the cells that all have, each cell by the mean of its repeats' log rates. */
function deploymentMeans(side: readonly DeploymentRates[]): number[] {
  const [first] = side;
  if (first === undefined) return [];
  const logs = ({ cells }: DeploymentRates, cell: string) =>
    (cells[cell] ?? []).filter((rate) => rate > 0).map(Math.log);
  const common = Object.keys(first.cells).filter((cell) => side.every((one) => logs(one, cell).length > 0));
  if (common.length === 0) return [];
  return side.map((one) => meanOf(common.map((cell) => meanOf(logs(one, cell)))));
}
