/**
 * Keeps the first samples of a shard while it is measured, and stores them when it has been: nothing is written while
 * bytes are stamped. What the memory of it may be is a share of the cell's bound.
 */
import { writeLogLine } from '../core/log-line.ts';
import type { CellOrder } from '../core/measuring/cell.ts';
import type { Sample } from '../core/measuring/sample.ts';
import { writeSampleLine } from '../core/measuring/sample-line.ts';
import { describeError } from '../core/redact.ts';
import { mostRepeats } from '../core/spec/plan.ts';
import type { BenchmarkSpec } from '../core/spec/spec.ts';
import { SPEC_BOUNDS } from '../core/spec/spec-bounds.ts';
import type { Services, ShardGroup } from '../services.ts';

export interface SampleShare {
  readonly samples: number;
  readonly bytes: number;
}

/** What one shard of one repeat may keep, so that a cell stays within its bound. */
export function sampleShare(spec: BenchmarkSpec, { shards }: Pick<CellOrder, 'shards'>): SampleShare {
  const parts = mostRepeats(spec) * shards;
  return {
    samples: Math.max(1, Math.floor(SPEC_BOUNDS.keptSamples / parts)),
    bytes: Math.floor(SPEC_BOUNDS.keptSampleBytes / parts),
  };
}

export class SampleKeeper {
  readonly #share: SampleShare;
  readonly #lines: string[] = [];
  #bytes = 0;
  #full = false;

  constructor(share: SampleShare) {
    this.#share = share;
  }

  async take(samples: readonly Sample[]): Promise<void> {
    for (const sample of samples) {
      if (this.#full) return;
      const line = writeSampleLine(sample);
      this.#bytes += Buffer.byteLength(line) + 1;
      this.#full = this.#lines.length >= this.#share.samples || this.#bytes > this.#share.bytes;
      if (!this.#full) this.#lines.push(line);
    }
  }

  /** How many are stored; 0 where the tables do not take them, which is no reason to lose the measurement. */
  async store(services: Services, group: ShardGroup, shard: number): Promise<number> {
    try {
      await services.stores.samples.save(group, shard, this.#lines);
      return this.#lines.length;
    } catch (error) {
      console.warn(writeLogLine('samples-not-kept', { ...group, shard, error: describeError(error) }));
      return 0;
    }
  }
}
