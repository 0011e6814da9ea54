/**
 * The load engine without its threads: the same loop, requests and classification, on the world's clock. A thread
 * takes longer to start and to get hot than the few requests of a simulated cell take.
 */

import type { LoadEngine } from '../../src/load/engine.ts';
import { loadEngine } from '../../src/load/engine.ts';
import { ShardLoop } from '../../src/load/loop.ts';
import type { WorldClock } from './world-clock.ts';

export function createInThreadLoad(clock: WorldClock): LoadEngine {
  return {
    ...loadEngine,
    // What a client can tell apart is nobody's question here, and takes seconds to measure.
    measureClientFloor: async () => null,
    startShard(order) {
      const ready = Promise.withResolvers<void>();
      const satisfied = Promise.withResolvers<void>();
      const loop = new ShardLoop(order, satisfied.resolve, ready.resolve);
      const summary = loop.run();
      summary
        .catch(() => {})
        .finally(() => {
          ready.resolve();
          satisfied.resolve();
        });
      return {
        ready: ready.promise,
        satisfied: satisfied.promise,
        startAt: (epochMs) => loop.startAt(clock.toMachineMs(epochMs)),
        stopAt: (epochMs) => loop.stopAt(clock.toMachineMs(epochMs)),
        progress: () => loop.progress,
        cancel: () => loop.cancel(),
        summary,
        threadId: () => null,
      };
    },
  };
}
