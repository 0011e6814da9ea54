/** The load engine as a whole, for who composes the app. */

import type { ShardOrder } from '../core/shard.ts';
import { type ProbeOrder, type ProbeResult, probeRoute } from './probe.ts';
import { type RunningShard, startShard } from './shard-runner.ts';

export interface LoadEngine {
  startShard(order: ShardOrder): RunningShard;
  probeRoute(order: ProbeOrder): Promise<ProbeResult>;
}

export const loadEngine: LoadEngine = { startShard, probeRoute };
