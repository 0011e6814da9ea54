/**
 * When the requests of an open loop are to be sent. Pure: the same seed gives the same moments.
 *
 * Several shards make one load: independent Poisson processes add up to one of their summed rate, constant ones are
 * put out of step by their offsets, and a trace is dealt out.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { Arrivals } from '../measuring/shard.ts';

/**
 * Gives the moments one by one, in seconds from the start and ascending; null where there are no more, which only a
 * trace comes to. Gaps of a Poisson process are exponential: `-ln(1 - u) / rate`, u uniform from 0 to below 1.
 */
export function arrivalMoments(arrivals: Arrivals, seed: number): () => number | null {
  switch (arrivals.kind) {
    case 'poisson': {
      const generator = xoroshiro128plus(seed);
      let atSeconds = 0;
      return () => {
        atSeconds -= Math.log1p(-uniformFloat64(generator)) / arrivals.requestsPerSecond;
        return atSeconds;
      };
    }
    case 'constant': {
      // By multiplying: gaps that are added up would drift by their rounding.
      let sent = 0;
      return () => arrivals.offsetSeconds + sent++ / arrivals.requestsPerSecond;
    }
    case 'trace': {
      let next = 0;
      return () => arrivals.atSeconds[next++] ?? null;
    }
  }
}
