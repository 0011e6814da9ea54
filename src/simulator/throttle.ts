/**
 * Resource Manager's limits of calls: a bucket of tokens per subscription and kind of call, as documented in "Throttling
 * Azure Resource Manager requests" (per principal there; here everybody is one). What is left stands in a header.
 */

/** Tokens that a full bucket holds, and those that come back each second. */
const LIMITS = {
  reads: { size: 250, perSecond: 25 },
  writes: { size: 200, perSecond: 10 },
  deletes: { size: 200, perSecond: 10 },
} as const;
/** Buckets kept; beyond it, the one that was used longest ago is forgotten, which fills it. */
const MAX_BUCKETS = 300;

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

interface Taken {
  /** The header that tells what is left, as `[name, value]`. */
  readonly header: readonly [string, string];
  /** Seconds to wait where the bucket was empty; 0 where the call was within the limit. */
  readonly waitSeconds: number;
}

export class Throttle {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes a token for one call by this method in that subscription. */
  take(subscription: string, method: string, nowMs: number): Taken {
    const kind = method === 'GET' ? 'reads' : method === 'DELETE' ? 'deletes' : 'writes';
    const { size, perSecond } = LIMITS[kind];
    const key = `${kind} ${subscription.toLowerCase()}`;
    const before = this.#buckets.get(key) ?? { tokens: size, filledAtMs: nowMs };
    const refilled = before.tokens + (Math.max(0, nowMs - before.filledAtMs) / 1000) * perSecond;
    const available = Math.min(size, refilled);
    const bucket = { tokens: Math.max(0, available - 1), filledAtMs: nowMs };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_BUCKETS && oldest !== undefined) this.#buckets.delete(oldest);
    return {
      header: [`x-ms-ratelimit-remaining-subscription-${kind}`, String(Math.floor(bucket.tokens))],
      waitSeconds: available >= 1 ? 0 : Math.ceil((1 - available) / perSecond),
    };
  }
}
