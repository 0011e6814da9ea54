/** A check of the bookkeeping: three figures counted apart must agree by Little's law. Pure. */

export interface LittleCheck {
  /** Requests/s x mean E2E / mean in flight: 1 where the three agree. */
  readonly ratio: number;
  readonly agrees: boolean;
  /** What to think of it where it does not agree. */
  readonly sentence: string | null;
}

/** In a window of at least three answers a connection, edges move the ratio by less than this. */
const TOLERANCE = 0.05;

/**
 * L = lambda W (Little, Operations Research 9, 1961), as `X * mean(E2E) / mean in flight`, within 0.95 to 1.05. It
 * says something because the three come from counters of their own: rate from completions, E2E from samples, in
 * flight from a gauge. Null where one of them is absent or nothing was in flight.
 */
export function checkLittlesLaw(window: {
  readonly requestsPerSecond: number | null;
  readonly meanE2eMs: number | null;
  readonly meanInFlight: number | null;
}): LittleCheck | null {
  const { requestsPerSecond, meanE2eMs, meanInFlight } = window;
  if (requestsPerSecond === null || meanE2eMs === null || meanInFlight === null || meanInFlight <= 0)
    return null;
  const explained = (requestsPerSecond * meanE2eMs) / 1000;
  const ratio = explained / meanInFlight;
  const agrees = ratio >= 1 - TOLERANCE && ratio <= 1 + TOLERANCE;
  const sentence = agrees
    ? null
    : `Rate x latency makes ${explained.toFixed(2)} requests in flight, but ${meanInFlight.toFixed(2)} were counted: failed requests, retries or the window are not accounted for, so do not trust these figures.`;
  return { ratio, agrees, sentence };
}
