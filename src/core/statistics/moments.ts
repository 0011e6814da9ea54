/** Sums, means, squares about them, and the variance that several groups of values show together. Pure. */

/** A variance and how much stands behind it. */
export interface Variance {
  readonly variance: number;
  readonly degreesOfFreedom: number;
}

/** Not a number where there are no values. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The middle of the values, or half-way between the two in the middle; null where there are none. */
export function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1];
  const high = sorted[Math.floor(middle)];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** Null where one is unknown: a sum of the others would be too low. */
export function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length < values.length ? null : known.reduce((sum, value) => sum + value, 0);
}

/** Weighted squares about the weighted mean; every value weighs 1 where nothing else is said. */
export function squaresOf(values: readonly number[], weight: (index: number) => number = () => 1): number {
  const total = values.reduce((sum, _, index) => sum + weight(index), 0);
  const mean = values.reduce((sum, value, index) => sum + weight(index) * value, 0) / total;
  return values.reduce((sum, value, index) => sum + weight(index) * (value - mean) ** 2, 0);
}

/**
 * The variance within groups whose means may differ, added to what was known before: each group brings its squares and
 * one degree of freedom less than it has values. Null where no group has two and nothing was known.
 */
export function poolVariance(
  groups: readonly (readonly number[])[],
  before: Variance | null = null,
): Variance | null {
  let squares = (before?.variance ?? 0) * (before?.degreesOfFreedom ?? 0);
  let degreesOfFreedom = before?.degreesOfFreedom ?? 0;
  for (const values of groups) {
    if (values.length < 2) continue;
    squares += squaresOf(values);
    degreesOfFreedom += values.length - 1;
  }
  return degreesOfFreedom === 0 ? null : { variance: squares / degreesOfFreedom, degreesOfFreedom };
}
