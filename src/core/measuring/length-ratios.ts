/**
 * How long things came out against how long they were asked for, as counts by ratio. Counts add over shards and
 * repeats, and their number is bounded: ratios are told apart in steps of half a percent, which is less than prompts
 * are calibrated to, and what is longer than four times is counted as four times.
 */

/** Counts by the ratio in steps of `1 / STEPS`; 200 is as long as asked. */
export type LengthRatios = Readonly<Record<string, number>>;

/** Which ratio 5 % and 95 % of the requests do not exceed (nearest rank, of the requests that were sent). */
export interface RatioRange {
  readonly count: number;
  readonly p5: number;
  readonly p95: number;
}

const STEPS = 200;
const LONGEST = 4;

export class LengthRatioTally {
  readonly #counts = new Map<number, number>();

  add(length: number, asked: number): void {
    if (asked <= 0) return;
    const step = Math.round(Math.min(LONGEST, length / asked) * STEPS);
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + 1);
  }

  toJSON(): LengthRatios {
    return Object.fromEntries(this.#counts);
  }
}

/** Null where nothing was counted. */
export function ratioRange(ratios: LengthRatios): RatioRange | null {
  const steps = Object.entries(ratios)
    .map(([step, count]) => ({ ratio: Number(step) / STEPS, count }))
    .sort((one, other) => one.ratio - other.ratio);
  const count = steps.reduce((sum, one) => sum + one.count, 0);
  if (count === 0) return null;
  const at = (quantile: number): number => {
    let seen = 0;
    for (const one of steps) {
      seen += one.count;
      if (seen >= quantile * count) return one.ratio;
    }
    return steps.at(-1)?.ratio ?? 0;
  };
  return { count, p5: at(0.05), p95: at(0.95) };
}
