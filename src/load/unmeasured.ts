/**
 * Load that nobody measures with, such as a warm-up's, in the thread that asks for it: a thread of its own takes
 * longer to start and to get hot than such a load takes, while a rented GPU waits.
 */
import type { ShardOrder, ShardSummary } from '../core/measuring/shard.ts';
import { ShardLoop } from './loop.ts';

export interface UnmeasuredLoad {
  /** Times are as true as this thread is idle: good enough to see whether an endpoint still changes. */
  readonly summary: Promise<ShardSummary>;
  /** Abandons everything in flight. */
  cancel(): void;
}

export function sendUnmeasured(order: ShardOrder): UnmeasuredLoad {
  const loop = new ShardLoop(order, () => {});
  return { summary: loop.run(), cancel: () => loop.cancel() };
}
