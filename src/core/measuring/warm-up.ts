/**
 * How an endpoint is warmed up before it is measured: rounds of requests at the top level, until the time per token
 * stays the same. A new deployment compiles, captures graphs and opens connections while it answers its first
 * requests; what it does then is no measurement. Pure: which round comes next, or that it is over and why.
 */

/** Rounds in a row whose medians must agree, and how far they may lie apart. */
const STABLE_ROUNDS = 3;
const STABLE_SHARE = 0.05;
/** At the top level; what is not stable by then is not about to be. */
const MOST_ROUNDS = 8;
/**
 * Levels grow by this: an endpoint that answers one request after another takes so many times as long for each step,
 * which shows before the top level would cost an hour of a GPU.
 */
const LEVEL_GROWTH = 4;

/** A load of `level` requests at once, each with a prompt of its own, and what it came to. */
export interface WarmUpRound {
  readonly level: number;
  readonly failed: number;
  readonly seconds: number;
  /** Of the times per output token, or per request where there are none; null where nothing succeeded. */
  readonly medianMs: number | null;
}

export interface WarmUpLimits {
  /** Requests in flight that will be measured at the most. */
  readonly topLevel: number;
  /** What all rounds together may take. */
  readonly budgetSeconds: number;
  /** What one request is expected to take, before any was sent. */
  readonly requestSeconds: number;
}

export type WarmUpDecision =
  | { readonly kind: 'round'; readonly level: number }
  | { readonly kind: 'done'; readonly stable: true; readonly reason: null }
  | { readonly kind: 'done'; readonly stable: false; readonly reason: string };

export function nextRound(limits: WarmUpLimits, rounds: readonly WarmUpRound[]): WarmUpDecision {
  const { topLevel, budgetSeconds } = limits;
  const last = rounds.at(-1);
  if (last !== undefined && last.medianMs === null)
    return unstable(`no request of a warm-up round at concurrency ${last.level} succeeded`);
  const spread = spreadOfLast(rounds, topLevel);
  if (spread !== null && spread <= STABLE_SHARE) return { kind: 'done', stable: true, reason: null };
  const atTop = rounds.filter((round) => round.level === topLevel).length;
  if (atTop >= MOST_ROUNDS && spread !== null)
    return unstable(
      `after ${atTop} rounds of ${topLevel} requests the last ${STABLE_ROUNDS} medians still lie ${percent(spread)} apart`,
    );
  const leftSeconds = budgetSeconds - rounds.reduce((sum, round) => sum + round.seconds, 0);
  const level = nextLevel(limits, last, leftSeconds);
  const seconds = predictSeconds(limits, last, level);
  if (seconds <= leftSeconds) return { kind: 'round', level };
  return unstable(
    last === undefined
      ? `one request is expected to take ${Math.ceil(seconds)} s, more than the ${Math.floor(budgetSeconds)} s that a warm-up may take`
      : `a round of ${level} requests may take ${Math.ceil(seconds)} s, as the last of ${last.level} took ${last.seconds.toFixed(1)} s; ${Math.max(0, Math.floor(leftSeconds))} of ${Math.floor(budgetSeconds)} s were left`,
  );
}

function unstable(reason: string): WarmUpDecision {
  return { kind: 'done', stable: false, reason };
}

/** (highest - lowest) / lowest of the last medians at the top level; null before there are enough. */
function spreadOfLast(rounds: readonly WarmUpRound[], topLevel: number): number | null {
  const medians = rounds
    .slice(-STABLE_ROUNDS)
    .filter((round) => round.level === topLevel)
    .map((round) => round.medianMs)
    .filter((median) => median !== null);
  if (medians.length < STABLE_ROUNDS) return null;
  const lowest = Math.min(...medians);
  return lowest <= 0 ? 0 : (Math.max(...medians) - lowest) / lowest;
}

function nextLevel(
  { topLevel, requestSeconds }: WarmUpLimits,
  last: WarmUpRound | undefined,
  leftSeconds: number,
) {
  if (last !== undefined) return Math.min(topLevel, last.level * LEVEL_GROWTH);
  const first = Math.min(topLevel, LEVEL_GROWTH);
  return first * requestSeconds <= leftSeconds ? first : 1;
}

/** As long as the last round at that level, or as if requests were answered one after another. */
function predictSeconds({ requestSeconds }: WarmUpLimits, last: WarmUpRound | undefined, level: number) {
  return last === undefined ? level * requestSeconds : (last.seconds * level) / last.level;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
