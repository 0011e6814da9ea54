/**
 * When a burst's request that met a 429 is tried again: the origin's algorithm (concurrency_test.py), with its two
 * faults mended: an HTTP date in `Retry-After` is understood, and a long `Retry-After` does not lengthen later waits.
 */

/** The origin's first and longest wait. */
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 10_000;
/** The origin adds up to a second, so that refused requests do not come back together. */
const JITTER_MS = 1_000;
/** A server may ask for any wait; one longer than this would hold a cell longer than measuring it takes. */
const LONGEST_RETRY_AFTER_MS = 30_000;

export interface Backoff {
  /** How long to wait now. */
  readonly waitMs: number;
  /** What the next call gets as `delayMs`. */
  readonly delayMs: number;
}

/** The delay before any 429. */
export const INITIAL_DELAY_MS = FIRST_DELAY_MS;

/**
 * The wait before the next attempt. With the server's word: that, but at least the current delay. Without it:
 * `min(2 x delay + jitter, 10 s)`, which becomes the current delay. `share` (0 to 1) is the random part.
 */
export function nextBackoff(delayMs: number, retryAfterMs: number | null, share: number): Backoff {
  if (retryAfterMs !== null) {
    return { waitMs: Math.max(delayMs, Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS)), delayMs };
  }
  const grown = Math.min(delayMs * 2 + share * JITTER_MS, LONGEST_DELAY_MS);
  return { waitMs: grown, delayMs: grown };
}

/**
 * Milliseconds that a `Retry-After` header asks to wait: seconds or an HTTP date (RFC 9110, 10.2.3). Null where it
 * is absent or says neither; 0 where the date is past.
 */
export function parseRetryAfterMs(header: string | undefined, nowEpochMs: number): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  // Date.parse takes "-5" for a year; a date of HTTP always begins with the name of a day.
  const date = /^[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - nowEpochMs);
}
