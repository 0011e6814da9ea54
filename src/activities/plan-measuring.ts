/** What the measuring orchestration needs of its spec, and no more: it crosses durable history. */
import { availableParallelism } from 'node:os';
import { MOST_SHARDS } from '../core/measuring/cell.ts';
import { repeatPlanOf } from '../core/measuring/repeats.ts';
import { loadModelOf } from '../core/spec/load-model.ts';
import { endpointCount, repeatLimits } from '../core/spec/plan.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { readRun } from './run-step.ts';

export function planMeasuringStep(services: Services): Pick<StepHandlers, 'planMeasuring'> {
  return {
    planMeasuring: async ({ runId, measureDeadlineMs }) => {
      const { spec, plan } = await readRun(services, runId);
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
        ...(endpoints > 1 && { endpoints }),
        ...(plan.settings && { settings: plan.settings.length }),
        seed: spec.seed,
        deadlineMs: measureDeadlineMs,
      };
    },
  };
}
