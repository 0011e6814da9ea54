/** What the measuring orchestration needs of its spec, and no more: it crosses durable history. */
import { repeatLimits } from '../core/plan.ts';
import { repeatPlanOf } from '../core/repeats.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { readRun } from './run-step.ts';

export function planMeasuringStep(services: Services): Pick<StepHandlers, 'planMeasuring'> {
  return {
    planMeasuring: async ({ runId, measureDeadlineMs }) => {
      const { spec } = await readRun(services, runId);
      return {
        workloads: spec.workloads,
        concurrency: spec.concurrency,
        repeats: repeatPlanOf(spec.measure.repeats),
        limits: repeatLimits(spec),
        maxCells: spec.limits.maxCells,
        isolation: spec.isolation,
        seed: spec.seed,
        deadlineMs: measureDeadlineMs,
      };
    },
  };
}
