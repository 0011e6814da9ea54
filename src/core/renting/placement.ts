/**
 * Where a run's endpoint goes. The placements of a target are tried in their order; where none has room, they are
 * tried again until the run's wait for capacity is over. Between attempts nothing is allocated, and no two attempts
 * share a name. Pure: the orchestration asks after each attempt what comes next.
 */
import type { Recourse } from './deploy-failure.ts';

/** An attempt that came to nothing, as the run's record keeps it. */
export interface TriedPlacement {
  /** From 1; part of the endpoint's name. */
  readonly attempt: number;
  readonly workspace: string;
  readonly region: string | null;
  readonly sku: string;
  readonly endpoint: string | null;
  /** The sentence that says what stood in the way. */
  readonly reason: string;
  readonly atMs: number;
}

/** What became of an attempt, as far as the next one depends on it. */
export interface AttemptOutcome {
  /** Index into the target's placements. */
  readonly placement: number;
  readonly recourse: Exclude<Recourse, 'none'>;
}

export type NextAttempt =
  | { readonly kind: 'try'; readonly attempt: number; readonly placement: number }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'give-up' };

/** A taken name or a canceled operation is bad luck once; three times in a row it is something else. */
export const AGAIN_AT_ONE_PLACE = 2;
/** Between two rounds through the placements. Capacity comes back in minutes at best, and each try makes an endpoint. */
export const PAUSE_BETWEEN_ROUNDS_POLLS = 12;
/** Names have room for three digits; four hours of rounds of two minutes are far fewer. */
export const MOST_ATTEMPTS = 200;

export interface AttemptQuestion {
  readonly placements: number;
  /** Every attempt so far, in order. */
  readonly outcomes: readonly AttemptOutcome[];
  /** Whether the pause before another round has just been waited out. */
  readonly paused: boolean;
  readonly nowMs: number;
  /** Until when another round may begin. */
  readonly waitUntilMs: number;
  readonly pauseSeconds: number;
}

export function nextAttempt(question: AttemptQuestion): NextAttempt {
  const { placements, outcomes, paused, nowMs, waitUntilMs, pauseSeconds } = question;
  const attempt = outcomes.length + 1;
  const last = outcomes.at(-1);
  if (last === undefined) return { kind: 'try', attempt, placement: 0 };
  if (attempt > MOST_ATTEMPTS) return { kind: 'give-up' };
  if (last.recourse === 'again' && sameInARow(outcomes) <= AGAIN_AT_ONE_PLACE)
    return { kind: 'try', attempt, placement: last.placement };
  if (last.placement + 1 < placements) return { kind: 'try', attempt, placement: last.placement + 1 };
  // Bad luck is not a lack of room, which is all that waiting is for.
  if (last.recourse === 'again') return { kind: 'give-up' };
  if (paused) return { kind: 'try', attempt, placement: 0 };
  if (nowMs + pauseSeconds * 1_000 > waitUntilMs) return { kind: 'give-up' };
  return { kind: 'wait', seconds: pauseSeconds };
}

/** How many of the last attempts were "again" at the same place. */
function sameInARow(outcomes: readonly AttemptOutcome[]): number {
  const last = outcomes.at(-1);
  const other = outcomes.findLastIndex(
    (one) => one.recourse !== 'again' || one.placement !== last?.placement,
  );
  return outcomes.length - 1 - other;
}

/**
 * Minutes that finding a place may take beyond one deployment: every other placement may use up a whole deployment and
 * its deletion, and so may each further round; rounds begin only while the wait lasts.
 */
export function placementMinutes(
  target: { readonly placements: readonly unknown[]; readonly waitForCapacityMinutes: number },
  deployMinutes: number,
  releaseMinutes: number,
): number {
  const attempt = deployMinutes + releaseMinutes;
  const others = (target.placements.length - 1) * attempt;
  return (
    others +
    (target.waitForCapacityMinutes === 0
      ? 0
      : target.waitForCapacityMinutes + target.placements.length * attempt)
  );
}

/** What was tried, for the sentence that ends a run which found no place; null where nothing was. */
export function describeTried(tried: readonly TriedPlacement[]): string | null {
  if (tried.length === 0) return null;
  const counts = new Map<string, number>();
  for (const { workspace, region, sku } of tried) {
    const place = `${sku} in ${workspace}${region === null ? '' : ` (${region})`}`;
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const places = [...counts].map(([place, times]) => (times === 1 ? place : `${place}, ${times} times`));
  return `Tried: ${places.join('; ')}.`;
}
