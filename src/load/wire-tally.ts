/** Sums up what the requests of a shard moved over the wire, and what the front door said of it. */
import { DurationHistogram } from '../core/measuring/histogram.ts';
import type { Sample } from '../core/measuring/sample.ts';
import type { RateLimit, ShardWire } from '../core/measuring/wire.ts';

export class WireTally {
  readonly #whole = { sent: 0, received: 0 };
  readonly #steady = { sent: 0, received: 0 };
  /** Most endpoints delay nothing: its memory is taken with the first delay. */
  #delays: DurationHistogram | null = null;
  #rateLimit: RateLimit = {};
  #refused = false;

  /** `shareInside` is the share of the request's time that lies in the window, see window.ts. */
  add(sample: Sample, shareInside: number): void {
    const { sentBytes, receivedBytes, bandwidthDelayMs, rateLimit } = sample;
    this.#whole.sent += sentBytes;
    this.#whole.received += receivedBytes;
    this.#steady.sent += sentBytes * shareInside;
    this.#steady.received += receivedBytes * shareInside;
    if (sample.failure === null && bandwidthDelayMs !== null && bandwidthDelayMs > 0) {
      this.#delays ??= new DurationHistogram();
      this.#delays.record(bandwidthDelayMs);
    }
    const isRefused = sample.failure === 'throttle-rate';
    if (Object.keys(rateLimit).length === 0 || (this.#refused && !isRefused)) return;
    this.#rateLimit = rateLimit;
    this.#refused = isRefused;
  }

  summarize(isSteady: boolean): ShardWire {
    return {
      whole: { ...this.#whole },
      steady: isSteady ? { ...this.#steady } : null,
      delays: this.#delays?.toJSON() ?? null,
      rateLimit: this.#rateLimit,
    };
  }
}
