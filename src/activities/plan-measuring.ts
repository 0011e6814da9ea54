/** What the measuring orchestration needs of its spec, and no more: it crosses durable history. */
import { availableParallelism } from 'node:os';
import { MOST_SHARDS } from '../core/measuring/cell.ts';
import { repeatPlanOf } from '../core/measuring/repeats.ts';
import { mostInARow } from '../core/measuring/wave.ts';
import { moneyDeadlineMs } from '../core/renting/money-deadline.ts';
import { loadModelOf } from '../core/spec/load-model.ts';
import { endpointCount, repeatLimits } from '../core/spec/plan.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { readRun } from './run-step.ts';

export function planMeasuringStep(services: Services): Pick<StepHandlers, 'planMeasuring'> {
  return {
    planMeasuring: async ({ runId, measureDeadlineMs }) => {
      const run = await readRun(services, runId);
      const { spec, plan } = run;
      const endpoints = endpointCount(spec);
      return {
        workloads: spec.workloads,
        load: loadModelOf(spec),
        slo: spec.slo,
        repeats: repeatPlanOf(spec.measure.repeats),
        limits: repeatLimits(spec),
        maxCells: spec.limits.maxCells,
        mostShards: services.settings.scalesOut ? MOST_SHARDS : Math.min(MOST_SHARDS, availableParallelism()),
        isolation: spec.isolation,
        // Where host and tables are on one machine no message is under way for long.
        ...(services.settings.scalesOut && { inARow: mostInARow(await countRuns(services)) }),
        ...(endpoints > 1 && { endpoints }),
        ...(plan.settings && { settings: plan.settings.length }),
        seed: spec.seed,
        deadlineMs: Math.min(
          measureDeadlineMs,
          moneyDeadlineMs(run, services.now()) ?? Number.POSITIVE_INFINITY,
        ),
      };
    },
  };
}

/** Runs that rent something now. */
async function countRuns({ ledger }: Services): Promise<number> {
  return (await ledger.read()).entries.filter(({ state }) => state === 'holding').length;
}
