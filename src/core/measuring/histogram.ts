/**
 * Durations as mergeable histograms, so that a cell measured by several shards has true percentiles: shards are
 * merged, percentiles are never averaged. HdrHistogram keeps three significant digits from one microsecond to one
 * hour; what is recorded is milliseconds, what is stored inside is whole microseconds.
 */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';

const HIGHEST_MICROSECONDS = 3_600_000_000; // One hour: twenty times the longest request timeout of Azure ML (180 s).

export class DurationHistogram {
  readonly #histogram: Histogram;
  #sumMs = 0;

  constructor(histogram: Histogram = emptyHistogram(), sumMs = 0) {
    this.#histogram = histogram;
    this.#sumMs = sumMs;
  }

  record(ms: number): void {
    const bounded = Math.min(HIGHEST_MICROSECONDS / 1000, Math.max(0, ms));
    this.#histogram.recordValue(Math.round(bounded * 1000));
    this.#sumMs += bounded;
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** The arithmetic mean in milliseconds, from the exact sum and not from the buckets; null without a value. */
  get meanMs(): number | null {
    return this.count === 0 ? null : this.#sumMs / this.count;
  }

  /** The value in milliseconds below which the share `quantile` (0 to 1) lies; null without a value. */
  quantileMs(quantile: number): number | null {
    return this.count === 0 ? null : this.#histogram.getValueAtPercentile(quantile * 100) / 1000;
  }

  /** About the mean, over all values (not n - 1); as fine as the buckets. Null without a value. */
  get standardDeviationMs(): number | null {
    return this.count === 0 ? null : this.#histogram.stdDeviation / 1000;
  }

  get maxMs(): number | null {
    return this.count === 0 ? null : this.#histogram.maxValue / 1000;
  }

  add(other: DurationHistogram): void {
    this.#histogram.add(other.#histogram);
    this.#sumMs += other.#sumMs;
  }

  toJSON(): EncodedHistogram {
    return { sumMs: this.#sumMs, buckets: encodeIntoCompressedBase64(this.#histogram) };
  }

  static parse(encoded: EncodedHistogram): DurationHistogram {
    return new DurationHistogram(decodeFromCompressedBase64(encoded.buckets, 32, false), encoded.sumMs);
  }
}

/** A histogram as it crosses threads and is stored: the compressed HdrHistogram in base64, and the exact sum. */
export interface EncodedHistogram {
  readonly sumMs: number;
  readonly buckets: string;
}

function emptyHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_MICROSECONDS,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}
