/** The first step of a run: out of the queue, with its clock running. */

import { mayMove } from '../core/run.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { canceledOrOver, readRun } from './run-step.ts';

export function startRunStep(services: Services): Pick<StepHandlers, 'startRun'> {
  return {
    startRun: async ({ runId }) => {
      const queued = await readRun(services, runId);
      const { kind } = queued.spec.target;
      // While the endpoint is made there is nothing to measure, and the GPU that would wait for it is not there yet.
      void services.loadEngine.measureClientFloor();
      const ending = canceledOrOver(queued);
      const run =
        ending !== null
          ? queued
          : await services.stores.runs.change(runId, (now) => {
              const state = kind === 'managed' ? 'provisioning' : 'warming';
              return {
                startedAtMs: now.startedAtMs ?? services.now(),
                ...(mayMove(now.state, state) ? { state } : {}),
              };
            });
      return {
        kind,
        pollSeconds: services.settings.pollSeconds,
        measureDeadlineMs: (run.startedAtMs ?? services.now()) + run.plan.measureMinutes * 60_000,
        ending,
      };
    },
  };
}
