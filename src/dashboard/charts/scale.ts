/** From values to places on an axis. Pure. */

export interface Scale {
  /** The place of a value, in pixels. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** From zero to a round number at or above the largest value. */
export function linearScale(values: readonly number[], [from, to]: readonly [number, number]): Scale {
  const largest = Math.max(0, ...values);
  const step = niceStep(largest > 0 ? largest / TICKS : 1);
  const count = Math.max(1, Math.ceil(largest / step - 1e-9));
  const top = count * step;
  const ticks = Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
  return { at: (value) => from + (value / top) * (to - from), ticks };
}

/** Steps that an axis has about. */
const TICKS = 5;

/** 1, 2 or 5 times a power of ten, at or above the raw step. */
function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((one) => one * power >= raw * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** Equal ratios are equal distances; ends at powers of ten, or at 2 and 5 times one. Values must be above zero. */
export function logScale(values: readonly number[], [from, to]: readonly [number, number]): Scale {
  const low = roundDown(Math.min(...values));
  const high = Math.max(roundUp(Math.max(...values)), low * 2);
  const span = Math.log(high / low);
  const ticks = decades(low, high);
  return { at: (value) => from + (Math.log(value / low) / span) * (to - from), ticks };
}

function roundDown(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([5, 2, 1].find((factor) => factor * power <= value * (1 + 1e-9)) ?? 1) * power;
}

function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((factor) => factor * power >= value * (1 - 1e-9)) ?? 10) * power;
}

/** 1, 2 and 5 of each decade where they are few, else the powers of ten. */
function decades(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const factors = last - first > 3 ? [1] : [1, 2, 5];
  const all = Array.from({ length: last - first + 1 }, (_, index) => first + index).flatMap((exponent) =>
    factors.map((factor) => Number((factor * 10 ** exponent).toPrecision(12))),
  );
  return all.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
}

/** The levels that were measured, as they were spread: equal ratios apart where they double, else evenly by value. */
export function levelScale(levels: readonly number[], [from, to]: readonly [number, number]): Scale {
  const ticks = [...new Set(levels)].sort((one, other) => one - other);
  const low = ticks[0] ?? 0;
  const high = ticks.at(-1) ?? 1;
  if (low === high) return { at: () => (from + to) / 2, ticks };
  const inset = (to - from) * INSET;
  const place = (share: number) => from + inset + share * (to - from - 2 * inset);
  if (low > 0 && high / low >= LEAST_LOG_RATIO)
    return { at: (value) => place(Math.log(value / low) / Math.log(high / low)), ticks };
  return { at: (value) => place((value - low) / (high - low)), ticks };
}

/** Room at the ends of an axis of levels, so that a mark does not sit on the frame. */
const INSET = 0.03;
/** From 1 to 8 on, levels are nearly always doubled. */
const LEAST_LOG_RATIO = 8;
