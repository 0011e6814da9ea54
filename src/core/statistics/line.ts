/** A straight line through points by least squares, with how sure its slope is. Pure. */

export interface LinePoint {
  readonly x: number;
  readonly y: number;
  /** In proportion to how much the point may count, such as the answers it is a mean of; 1 where absent. */
  readonly weight?: number;
}

export interface Line {
  readonly intercept: number;
  readonly slope: number;
  /** Null where the line goes through every point because there are only two. */
  readonly slopeStandardError: number | null;
  readonly degreesOfFreedom: number;
  /** Share of the spread of y that the line explains; null where y does not vary. */
  readonly rSquared: number | null;
}

/**
 * Weighted least squares: slope = Sxy / Sxx about the weighted means, its standard error sqrt(RSS / (n - 2) / Sxx)
 * (Draper and Smith, Applied Regression Analysis, sections 1.2, 1.4 and 9.2). Null where all points have one x.
 */
export function fitLine(points: readonly LinePoint[]): Line | null {
  const weightOf = (point: LinePoint) => point.weight ?? 1;
  const sum = (value: (point: LinePoint) => number) =>
    points.reduce((total, point) => total + weightOf(point) * value(point), 0);
  const total = sum(() => 1);
  if (!(total > 0)) return null;
  const meanX = sum((point) => point.x) / total;
  const meanY = sum((point) => point.y) / total;
  const xx = sum((point) => (point.x - meanX) ** 2);
  const xy = sum((point) => (point.x - meanX) * (point.y - meanY));
  const yy = sum((point) => (point.y - meanY) ** 2);
  if (points.every((point) => point.x === points[0]?.x) || xx <= 0) return null;
  const slope = xy / xx;
  const intercept = meanY - slope * meanX;
  const residual = sum((point) => (point.y - intercept - slope * point.x) ** 2);
  const degreesOfFreedom = points.length - 2;
  return {
    intercept,
    slope,
    slopeStandardError: degreesOfFreedom > 0 ? Math.sqrt(residual / degreesOfFreedom / xx) : null,
    degreesOfFreedom,
    rSquared: points.every((point) => point.y === points[0]?.y) || yy <= 0 ? null : 1 - residual / yy,
  };
}
