/** The load engine as a whole, for who composes the app. */

import type { ClientFloor } from '../core/client-floor.ts';
import type { ShardOrder } from '../core/shard.ts';
import { measureClientFloor } from './client-floor.ts';
import { type ProbeOrder, type ProbeResult, probeRoute } from './probe.ts';
import { type RunningShard, startShard } from './shard-runner.ts';

export interface LoadEngine {
  startShard(order: ShardOrder): RunningShard;
  probeRoute(order: ProbeOrder): Promise<ProbeResult>;
  /** Takes about 3 s at the first call of a process and nothing later; to be awaited before anything is measured. */
  measureClientFloor(): Promise<ClientFloor | null>;
}

export const loadEngine: LoadEngine = { startShard, probeRoute, measureClientFloor };
