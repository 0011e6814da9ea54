/**
 * How much two deployments of one SKU differ: the standard deviation of log rates between deployments. A comparison
 * adds what its own deployments showed to what earlier ones did, and the next one starts from there.
 */
import type { DeploymentRates, SpreadHistory } from './pair-test.ts';

/**
 * What is taken until deployments of the installation's own have shown it: 2 %. It is a guess, nobody has published the
 * figure for Azure's GPU sizes, and it is named as one wherever a conclusion leans on it.
 */
export const ASSUMED_SPREAD = 0.02;

/**
 * History with the deployments of one more comparison added: each side of two deployments or more brings its squares
 * and one degree of freedom less than it has deployments. Null while there is nothing.
 */
export function addSpread(
  history: SpreadHistory | null,
  sides: readonly (readonly DeploymentRates[])[],
): SpreadHistory | null {
  let squares = (history?.variance ?? 0) * (history?.degreesOfFreedom ?? 0);
  let degreesOfFreedom = history?.degreesOfFreedom ?? 0;
  for (const side of sides) {
    const means = deploymentMeans(side);
    if (means.length < 2) continue;
    const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
    squares += means.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    degreesOfFreedom += means.length - 1;
  }
  return degreesOfFreedom === 0 ? null : { variance: squares / degreesOfFreedom, degreesOfFreedom };
}

/** Of each deployment the mean over the cells that all have, each cell by the mean of its repeats' log rates. */
function deploymentMeans(side: readonly DeploymentRates[]): number[] {
  const [first] = side;
  if (first === undefined) return [];
  const logs = ({ cells }: DeploymentRates, cell: string) =>
    (cells[cell] ?? []).filter((rate) => rate > 0).map(Math.log);
  const common = Object.keys(first.cells).filter((cell) => side.every((one) => logs(one, cell).length > 0));
  if (common.length === 0) return [];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return side.map((one) => mean(common.map((cell) => mean(logs(one, cell)))));
}
