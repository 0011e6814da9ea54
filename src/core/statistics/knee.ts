/** Where throughput stops growing with concurrency, told only where the intervals show it. Pure. */
import { studentTQuantile } from './distribution.ts';
import { CONFIDENCE, type MeanInterval } from './interval.ts';

export interface KneePoint {
  readonly level: number;
  /** Of the level's repeats, such as output tokens/s; null below two repeats. */
  readonly throughput: MeanInterval | null;
}

export type Knee =
  /** Throughput is shown to grow up to `level` and not worth speaking of to `next`. */
  | { readonly kind: 'at'; readonly level: number; readonly next: number; readonly sentence: string }
  /** It stops growing somewhere from `from` to `to`; the intervals do not tell where. */
  | { readonly kind: 'between'; readonly from: number; readonly to: number; readonly sentence: string }
  | { readonly kind: 'not-shown'; readonly sentence: string };

/** A connection more is worth its latency while it adds this share of what the first connections add each. */
const WORTH = 0.1;

/**
 * The knee by marginal gain: from one level to the next, each added connection adds
 * `(X(c2) - X(c1)) / (c2 - c1)`; that is compared with 10 % of `X(c0) / c0` at the lowest level. A step grows or is
 * flat when the 95 % interval of the difference (Welch) lies on one side of zero. The knee is the level before the
 * first flat step, if throughput grows up to it and does not grow again. Kneedle (Satopaa et al., ICDCS workshops
 * 2011) was not taken because it finds a knee in every curve, also in noise.
 */
export function findKnee(points: readonly KneePoint[]): Knee {
  const ascending = points.toSorted((one, other) => one.level - other.level);
  const [first] = ascending;
  if (first === undefined || ascending.length < 3) return notShown('A knee needs at least three levels.');
  const unknown = ascending.find((point) => point.throughput === null);
  if (unknown !== undefined) {
    return notShown(`Level ${unknown.level} has fewer than two repeats, so its gain has no interval.`);
  }
  const stopped = firstFlat(first, ascending);
  if (stopped === null) {
    return notShown(
      steps(first, ascending).every((step) => step.kind === 'grows')
        ? `Throughput still grows at the highest level, ${ascending.at(-1)?.level}.`
        : 'The repeats lie too far apart to tell where throughput stops growing.',
    );
  }
  const grownAgain = steps(first, ascending.slice(stopped.end)).find((step) => step.kind === 'grows');
  if (grownAgain !== undefined) {
    return notShown(`Throughput stands still and grows again up to level ${grownAgain.to}: no single knee.`);
  }
  const [from, last, next] = [stopped.grown, stopped.end - 1, stopped.end].map(
    (index) => (ascending[index] as KneePoint).level,
  ) as [number, number, number];
  if (from === last) {
    return {
      kind: 'at',
      level: from,
      next,
      sentence: `Throughput grows up to ${from} in flight; from there to ${next} each added connection adds less than 10 % of what the first did.`,
    };
  }
  return {
    kind: 'between',
    from,
    to: last,
    sentence: `Throughput stops growing between ${from} and ${last} in flight; the repeats do not tell where.`,
  };
}

/**
 * The index up to which throughput is shown to grow, and of the first level from which it is shown not to: by the
 * step to it, or, where single steps cannot be told, by the whole way from the last level that was shown to grow.
 */
function firstFlat(first: KneePoint, ascending: readonly KneePoint[]): { grown: number; end: number } | null {
  let grown = 0;
  for (let end = 1; end < ascending.length; end += 1) {
    const point = ascending[end] as KneePoint;
    const step = stepOf(first, ascending[end - 1] as KneePoint, point);
    const way = stepOf(first, ascending[grown] as KneePoint, point);
    if (step.kind === 'flat' || way.kind === 'flat') return { grown, end };
    if (way.kind === 'grows') grown = end;
  }
  return null;
}

function steps(first: KneePoint, ascending: readonly KneePoint[]): Step[] {
  return ascending.slice(1).map((point, index) => stepOf(first, ascending[index] as KneePoint, point));
}

interface Step {
  readonly from: number;
  readonly to: number;
  readonly kind: 'grows' | 'flat' | 'unclear';
}

/** Whether a step's gain a connection lies above or below the worthwhile share of the first level's. */
function stepOf(first: KneePoint, from: KneePoint, to: KneePoint): Step {
  const width = to.level - from.level;
  // All throughputs are known here. The gain less the threshold is a sum of means, each with its factor.
  const factors = new Map<MeanInterval, number>();
  const count = (point: KneePoint, factor: number) => {
    const interval = point.throughput as MeanInterval;
    factors.set(interval, (factors.get(interval) ?? 0) + factor);
  };
  count(to, 1 / width);
  count(from, -1 / width);
  count(first, -WORTH / first.level);
  let [excess, variance, welch] = [0, 0, 0];
  for (const [interval, factor] of factors) {
    const part = (factor * interval.standardError) ** 2;
    excess += factor * interval.mean;
    variance += part;
    welch += part ** 2 / interval.degreesOfFreedom;
  }
  const halfWidth =
    variance === 0 ? 0 : studentTQuantile((1 + CONFIDENCE) / 2, variance ** 2 / welch) * Math.sqrt(variance);
  const kind = excess - halfWidth > 0 ? 'grows' : excess + halfWidth < 0 ? 'flat' : 'unclear';
  return { from: from.level, to: to.level, kind };
}

function notShown(sentence: string): Knee {
  return { kind: 'not-shown', sentence };
}
