/** The load engine as a whole, for who composes the app. */

import type { ClientFloor } from '../core/measuring/client-floor.ts';
import type { ShardOrder } from '../core/measuring/shard.ts';
import { type Calibrated, type CalibrateOrder, calibratePrompt } from './calibrate.ts';
import { measureClientFloor } from './client-floor.ts';
import { type DrainTarget, type IdleTime, timeIdleRequest } from './drain.ts';
import { type ProbeOrder, type ProbeResult, probeRoute } from './probe.ts';
import { type RunningShard, startShard, type TakeSamples } from './shard-runner.ts';
import { sendUnmeasured, type UnmeasuredLoad } from './unmeasured.ts';

export interface LoadEngine {
  startShard(order: ShardOrder, takeSamples?: TakeSamples | null): RunningShard;
  probeRoute(order: ProbeOrder): Promise<ProbeResult>;
  calibratePrompt(order: CalibrateOrder): Promise<Calibrated>;
  sendUnmeasured(order: ShardOrder): UnmeasuredLoad;
  timeIdleRequest(target: DrainTarget): Promise<IdleTime>;
  /** Takes about 3 s at the first call of a process and nothing later; to be awaited before anything is measured. */
  measureClientFloor(): Promise<ClientFloor | null>;
}

export const loadEngine: LoadEngine = {
  startShard,
  probeRoute,
  calibratePrompt,
  sendUnmeasured,
  timeIdleRequest,
  measureClientFloor,
};
