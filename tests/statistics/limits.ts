/** How many seeds a simulation runs, and what a count over them shows of the true share. */
import { shareLowerBound } from '../../src/core/statistics/interval.ts';

/** Every simulation of a claim runs seeds 1 to this. */
export const SEEDS = 2_000;

/**
 * Seeds that go the whole way, from single requests to a verdict: milliseconds a repeat, so by default only some do.
 * `STATISTICS_SEEDS=2000 npx vitest run tests/statistics` sends all.
 */
export const WHOLE_WAY_SEEDS = Number(process.env.STATISTICS_SEEDS ?? 50);
/** 50 repeats a seed, of up to 0.1 s each on a machine with other work. */
export const WHOLE_WAY_TIMEOUT_MS = 60_000 + WHOLE_WAY_SEEDS * 50 * 100;

/** The most that the true share may be, one-sided at 95 % (Clopper and Pearson). */
export function upperLimit(count: number, seeds = SEEDS): number {
  return 1 - (shareLowerBound(seeds - count, seeds) ?? 0);
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
