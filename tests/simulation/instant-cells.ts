/** The measuring of a run whose cells take no time: what is left is what the orchestrations themselves cost. */
import type { MeasurePlan } from '../../src/core/measuring/wave.ts';
import { MEASURE } from '../../src/orchestrations/benchmark.ts';
import type { Measured, ShardOutcome } from '../../src/orchestrations/steps.ts';
import { type EngineRun, runOnEngine } from './engine-run.ts';

export interface InstantRun extends EngineRun {
  readonly output: Measured;
}

const LEVELS = 25;
const REPEATS = 4;

export const GOOD_SHARD: ShardOutcome = {
  status: 'measured',
  startedAtMs: 1_000,
  attempted: 30,
  failed: 0,
  outputTokensPerSecond: 123.456,
  aborted: false,
  clientValid: true,
  slo: null,
  leftBusy: false,
  message: null,
};

/** So many cells times repeats, a multiple of a hundred: workloads by 25 levels by four repeats. */
export function planOfCells(cells: number, changes: Partial<MeasurePlan> = {}): MeasurePlan {
  const levels = Array.from({ length: LEVELS }, (_, index) => index + 1);
  return {
    workloads: Array.from({ length: Math.ceil(cells / (LEVELS * REPEATS)) }, (_, index) => ({
      promptTokens: 64 + index,
      outputTokens: 16,
    })),
    load: { loop: 'closed', arrival: 'constant', maxInFlight: null, walk: { kind: 'levels', levels } },
    slo: null,
    repeats: { least: REPEATS, most: REPEATS },
    limits: { mode: 'steady', maxSeconds: 10, minRequests: 30, requestTimeoutSeconds: 180 },
    maxCells: cells,
    mostShards: 2,
    isolation: 'exclusive',
    seed: 1,
    deadlineMs: Date.UTC(2100, 0, 1),
    ...changes,
  };
}

export async function measureInstantCells(plan: MeasurePlan): Promise<InstantRun> {
  const run = await runOnEngine({
    name: MEASURE,
    input: { runId: 'r1', measureDeadlineMs: plan.deadlineMs },
    step: (name) => {
      if (name === 'planMeasuring') return plan;
      if (name === 'measureCell') return GOOD_SHARD;
      if (name === 'saveCell') return { saved: true };
      throw new Error(`Measuring does not call the step ${name}.`);
    },
  });
  return { ...run, output: run.output as Measured };
}
