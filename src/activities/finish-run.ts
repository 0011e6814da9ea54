/** The last step of a run: its final state, written once, after the release was confirmed or given up. */
import { isFinal } from '../core/run.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';

export function finishRunStep(services: Services): Pick<StepHandlers, 'finishRun'> {
  return {
    finishRun: async ({ runId, ending }) => {
      await services.stores.runs.change(runId, (run) =>
        isFinal(run.state)
          ? null
          : {
              state: ending.state,
              failure: ending.failure,
              stoppedBy: ending.stoppedBy ?? run.stoppedBy,
              endedAtMs: services.now(),
              progress: { ...run.progress, current: null, etaSeconds: null },
            },
      );
      return {};
    },
  };
}
