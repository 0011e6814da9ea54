/** A scenario in which nothing goes wrong, and one thing that may. */
import type { Crash, Scenario } from './scenario.ts';

/** Two levels and two workloads, so that cells are saved beside others that are measured, and shards meet. */
export function calmScenario(changes: Partial<Scenario> = {}): Scenario {
  return {
    seed: 1,
    speed: 4,
    spec: {
      model: { name: 'Phi-4', version: '7' },
      target: {
        kind: 'managed',
        sku: 'Standard_NC24ads_A100_v4',
        requestSettings: { requestTimeoutSeconds: 1 },
      },
      workloads: [
        { promptTokens: 32, outputTokens: 4 },
        { promptTokens: 48, outputTokens: 4 },
      ],
      concurrency: { levels: [1, 2] },
      measure: { mode: 'burst', repeats: 1 },
    },
    armFaults: [],
    tableFaults: [],
    tableRestarts: [],
    scalesOut: false,
    happenings: [],
    crashes: [],
    lateDuplicates: [],
    ...changes,
  };
}

export function crashAt(commit: number, changes: Partial<Crash> = {}): Crash {
  return { commit, when: 'before', lingers: false, downMinutes: 0, purged: false, ...changes };
}
