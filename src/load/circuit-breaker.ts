/**
 * When a level is stopped early because most of what is asked of it fails: a rented GPU is not kept for requests that
 * fail. Pure. The level still has its row, with its classes of failure and its status codes; the run goes on.
 */
import type { RequestFailure } from '../core/failure.ts';

/** Half of the requests: whatever the other half does, no one would rent it. */
const FAILED_SHARE = 0.5;
/** A share of 20 is known to about a fifth; two rounds of the connections, so that one bad moment is not all. */
const LEAST_ENDED = 20;
const ENDED_PER_CONNECTION = 2;
/**
 * Where a level asks for more than is admitted, refusals are its steady state, and those that are admitted are to be
 * measured: so many good answers give a mean, where there are any at all.
 */
const LEAST_GOOD = 10;

/** A connection whose request failed pauses, so of a load with more failures fewer are in flight than a gate asks. */
const STEADY_FAILED_SHARE = 0.05;

/** What ended inside the window. */
export interface EndedRequests {
  readonly succeeded: number;
  readonly failures: ReadonlyMap<RequestFailure, number>;
  /** Of an open loop, requests that were never sent. */
  readonly dropped: number;
}

/** Whether more time would not make the load steady: so much of it fails that its connections pause. */
export function staysUnsteady({ succeeded, failures, dropped }: EndedRequests): boolean {
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0) + dropped;
  return failed > STEADY_FAILED_SHARE * (succeeded + failed);
}

/** Why to stop, as `64 % of 40 requests failed (throttle-queue)`; null where there is no reason. */
export function failureStop(
  { succeeded, failures, dropped }: EndedRequests,
  connections: number,
  minRequests: number,
): string | null {
  // What is asked after each answer, and of most loads says no.
  if (failures.size === 0 && dropped === 0) return null;
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0) + dropped;
  const ended = succeeded + failed;
  if (ended < Math.max(LEAST_ENDED, ENDED_PER_CONNECTION * connections)) return null;
  if (failed < FAILED_SHARE * ended) return null;
  const refused = (failures.get('throttle-queue') ?? 0) + (failures.get('throttle-rate') ?? 0) + dropped;
  if (2 * refused > failed && succeeded > 0 && succeeded < Math.min(LEAST_GOOD, minRequests)) return null;
  const classes = [...failures].sort(([, one], [, other]) => other - one).map(([failure]) => failure);
  const names = [...classes, ...(dropped > 0 ? ['never sent'] : [])].slice(0, 3).join(', ');
  return `${Math.round((failed / ended) * 100)} % of ${ended} requests failed (${names})`;
}
