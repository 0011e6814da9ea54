/**
 * The distributions that intervals are made of: Student's t, the normal, the beta and the binomial. Pure.
 *
 * Everything rests on one function, the regularised incomplete beta, by its continued fraction (Press et al.,
 * Numerical Recipes, 3rd edition, section 6.4), and quantiles are found by halving: slower than a closed
 * approximation, right to about twelve digits wherever it is called, and short enough to be read. The packages that
 * offer the same bring 26 MB in 227 packages, or no types.
 */

/**
 * P(T <= t) of Student's t with `degreesOfFreedom` > 0, which need not be whole; Infinity is the normal.
 * Abramowitz and Stegun 26.7.1: P(|T| > t) = I_x(df/2, 1/2) with x = df / (df + t^2).
 */
export function studentTCdf(t: number, degreesOfFreedom: number): number {
  const tail = studentTTail(Math.abs(t), degreesOfFreedom);
  return t > 0 ? 1 - tail : tail;
}

/** The t below which the share `probability` (between 0 and 1) of Student's t lies; Infinity gives the normal's. */
export function studentTQuantile(probability: number, degreesOfFreedom: number): number {
  requireShare(probability);
  if (!(degreesOfFreedom > 0))
    throw new RangeError(`Degrees of freedom must be above 0: ${degreesOfFreedom}.`);
  if (probability < 0.5) return -upperTQuantile(probability, degreesOfFreedom);
  return upperTQuantile(1 - probability, degreesOfFreedom);
}

/** The z below which the share `probability` (between 0 and 1) of the standard normal lies. */
export function normalQuantile(probability: number): number {
  return studentTQuantile(probability, Number.POSITIVE_INFINITY);
}

/** P(B <= successes) of `trials` independent trials that succeed with `probability`: I_(1-p)(n - k, k + 1). */
export function binomialCdf(successes: number, trials: number, probability: number): number {
  if (successes < 0) return 0;
  if (successes >= trials) return 1;
  return betaCdf(1 - probability, trials - successes, successes + 1);
}

/** The regularised incomplete beta I_x(a, b): P(X <= x) of a beta distribution with `a`, `b` > 0. */
export function betaCdf(x: number, a: number, b: number): number {
  return betaCdfOf(x, 1 - x, a, b);
}

/** The x below which the share `probability` (0 to 1) of a beta distribution with `a`, `b` > 0 lies. */
export function betaQuantile(probability: number, a: number, b: number): number {
  return halve(0, 1, (x) => betaCdf(x, a, b) < probability);
}

/** ln B(a, b), the logarithm of the complete beta function, for `a`, `b` > 0. */
export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/**
 * The point between `low` and `high` at which `isBelow` turns from true to false, to the last bit that can be told.
 * `isBelow` must turn once.
 */
export function halve(low: number, high: number, isBelow: (value: number) => boolean): number {
  let [below, above] = [low, high];
  for (let turn = 0; turn < MAX_HALVINGS; turn += 1) {
    const middle = (below + above) / 2;
    if (middle <= below || middle >= above) break;
    if (isBelow(middle)) below = middle;
    else above = middle;
  }
  return (below + above) / 2;
}

/** Halvings after which two doubles between 0 and 1e300 are neighbours: 53 bits, and 1,075 for the exponent. */
const MAX_HALVINGS = 1_200;
/** The fraction needs about the root of its larger parameter; 10,000 turns hold a hundred million requests. */
const MAX_FRACTION_TURNS = 10_000;
const FRACTION_PRECISION = 1e-16;
/** Stands in for a zero denominator in Lentz's method. */
const TINY = 1e-300;

function upperTQuantile(tail: number, degreesOfFreedom: number): number {
  if (tail === 0.5) return 0;
  let high = 1;
  while (studentTTail(high, degreesOfFreedom) > tail && high < 1e300) high *= 2;
  return halve(0, high, (t) => studentTTail(t, degreesOfFreedom) > tail);
}

/** P(T > t) for t >= 0, exact in its relative error far out in the tail too. */
function studentTTail(t: number, degreesOfFreedom: number): number {
  if (degreesOfFreedom === Number.POSITIVE_INFINITY) return normalTail(t);
  const square = t * t;
  if (square === Number.POSITIVE_INFINITY) return 0;
  const sum = degreesOfFreedom + square;
  return betaCdfOf(degreesOfFreedom / sum, square / sum, degreesOfFreedom / 2, 0.5) / 2;
}

/**
 * P(Z > z) for z >= 0. Near the middle Marsaglia's series 1/2 - phi(z) (z + z^3/3 + z^5/(3*5) + ...), further out the
 * continued fraction phi(z) / (z + 1/(z + 2/(z + ...))) (Abramowitz and Stegun 26.2.11 and 26.2.14).
 */
function normalTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let [sum, term] = [z, z];
    for (let odd = 3; term > sum * FRACTION_PRECISION; odd += 2) {
      term *= (z * z) / odd;
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = z;
  for (let turn = 200; turn >= 1; turn -= 1) fraction = z + turn / fraction;
  return density / fraction;
}

/** With x and 1 - x both given, so that neither loses digits to the subtraction. */
function betaCdfOf(x: number, oneMinusX: number, a: number, b: number): number {
  if (!(a > 0 && b > 0)) throw new RangeError(`A beta distribution needs parameters above 0: ${a}, ${b}.`);
  if (x <= 0) return 0;
  if (oneMinusX <= 0) return 1;
  const front = Math.exp(a * Math.log(x) + b * Math.log(oneMinusX) - logBeta(a, b));
  // The fraction converges fast on this side of the mean; the other side is the complement.
  if (x < (a + 1) / (a + b + 2)) return (front * betaFraction(x, a, b)) / a;
  return 1 - (front * betaFraction(oneMinusX, b, a)) / b;
}

/** The continued fraction of the incomplete beta by Lentz's method, two of its steps a turn. */
function betaFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let turn = 1; turn <= MAX_FRACTION_TURNS; turn += 1) {
    const even = (turn * (b - turn) * x) / ((a + 2 * turn - 1) * (a + 2 * turn));
    const odd = (-(a + turn) * (a + b + turn) * x) / ((a + 2 * turn) * (a + 2 * turn + 1));
    let change = 1;
    for (const step of [even, odd]) {
      d = 1 / awayFromZero(1 + step * d);
      c = awayFromZero(1 + step / c);
      change = c * d;
      fraction *= change;
    }
    if (Math.abs(change - 1) <= 2 * FRACTION_PRECISION) return fraction;
  }
  throw new Error(`The incomplete beta of ${x}, ${a}, ${b} did not converge.`);
}

function awayFromZero(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}

/** ln of the gamma function for x > 0, by Lanczos' approximation with g = 7 and nine coefficients (Godfrey). */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1;
  const series = LANCZOS.reduce((sum, coefficient, index) =>
    index === 0 ? coefficient : sum + coefficient / (shifted + index),
  );
  const base = shifted + 7.5;
  return Math.log(Math.sqrt(2 * Math.PI) * series) + (shifted + 0.5) * Math.log(base) - base;
}

const LANCZOS: readonly number[] = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

function requireShare(probability: number): void {
  if (!(probability > 0 && probability < 1)) {
    throw new RangeError(`A probability must lie between 0 and 1: ${probability}.`);
  }
}
