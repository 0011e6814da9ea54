/**
 * What went over the wire, and what the endpoint's front door said of it: bytes each way, answers that it held back
 * for bandwidth, the limits that it named. Kept as sums and a histogram, so that shards and repeats merge without loss.
 */
import type { RequestFailure } from '../failure.ts';
import { DurationHistogram, type EncodedHistogram } from './histogram.ts';

export interface ByteCounts {
  readonly sent: number;
  readonly received: number;
}

/** Of the requests of one shard that have ended, failed ones included: their bytes use the endpoint's bandwidth too. */
export interface ShardWire {
  readonly whole: ByteCounts;
  /** Each request's bytes pro rata of its overlap with the steady window; null where there is none. */
  readonly steady: ByteCounts | null;
  /** What good answers were held back for, of those that were; null where none was. */
  readonly delays: EncodedHistogram | null;
  readonly rateLimit: RateLimit;
}

/**
 * `x-ratelimit-*` without that prefix, as the server wrote them: of the last request that was refused for its rate,
 * otherwise of the last that told any. Empty where none did.
 */
export type RateLimit = Readonly<Record<string, string>>;

/** The same of a repeat. */
export interface CellWire {
  /** Over the span of the repeat's rates; null where that has no length. */
  readonly sentBytesPerSecond: number | null;
  readonly receivedBytesPerSecond: number | null;
  readonly delays: EncodedHistogram | null;
  readonly rateLimit: RateLimit;
}

/** What a shard's summary tells here; `wire` is absent in rows of versions that did not count it. */
interface WithWire {
  readonly wire?: ShardWire;
  readonly steady: { readonly seconds: number } | null;
  readonly failures: Readonly<Partial<Record<RequestFailure, number>>>;
  readonly endedAtMs: number;
}

/** Shards of a repeat ran at the same time, so their rates add. Null where one of them did not count. */
export function mergeWire(
  shards: readonly WithWire[],
  span: 'steady-window' | 'whole',
  wholeSeconds: number,
): CellWire | null {
  const wires = shards.map((shard) => shard.wire).filter((wire) => wire !== undefined);
  if (wires.length < shards.length) return null;
  const perSecond = (count: keyof ByteCounts): number | null => {
    if (span === 'steady-window')
      return sum(shards, ({ wire, steady }) => (wire?.steady?.[count] ?? 0) / (steady?.seconds ?? 1));
    return wholeSeconds > 0 ? sum(wires, ({ whole }) => whole[count]) / wholeSeconds : null;
  };
  return {
    sentBytesPerSecond: perSecond('sent'),
    receivedBytesPerSecond: perSecond('received'),
    delays: mergeDelays(wires),
    rateLimit: lastRateLimit(shards),
  };
}

/** Null where nothing was delayed. */
export function mergeDelays(
  wires: readonly { readonly delays: EncodedHistogram | null }[],
): EncodedHistogram | null {
  const known = wires.map(({ delays }) => delays).filter((delays) => delays !== null);
  if (known.length === 0) return null;
  const merged = new DurationHistogram();
  for (const delays of known) merged.add(DurationHistogram.parse(delays));
  return merged.toJSON();
}

/** Of the one that ended last, among those that were refused where any was. */
export function lastRateLimit(
  list: readonly {
    readonly wire?: { readonly rateLimit: RateLimit } | null;
    readonly failures: WithWire['failures'];
    readonly endedAtMs: number;
  }[],
): RateLimit {
  const telling = list.filter(({ wire }) => Object.keys(wire?.rateLimit ?? {}).length > 0);
  const refused = telling.filter(({ failures }) => (failures['throttle-rate'] ?? 0) > 0);
  const [last] = (refused.length > 0 ? refused : telling).toSorted(
    (one, other) => other.endedAtMs - one.endedAtMs,
  );
  return last?.wire?.rateLimit ?? {};
}

function sum<T>(list: readonly T[], value: (item: T) => number): number {
  return list.reduce((total, item) => total + value(item), 0);
}
