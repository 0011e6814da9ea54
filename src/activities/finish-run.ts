/** The last step of a run: its final state, written once, after the release was confirmed, given up or handed over. */

import type { RunRecord } from '../core/run.ts';
import { isFinal } from '../core/run.ts';
import type { Target } from '../core/spec/target.ts';
import type { Ending, StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { settleRun } from './admit.ts';

export function finishRunStep(services: Services): Pick<StepHandlers, 'finishRun'> {
  return {
    finishRun: async ({ runId, ending }) => {
      const ended = await services.stores.runs.change(runId, (run) =>
        isFinal(run.state)
          ? null
          : {
              state: ending.state,
              failure: failureOf(run, ending),
              stoppedBy: ending.stoppedBy ?? run.stoppedBy,
              endedAtMs: services.now(),
              queuedBecause: null,
              progress: { ...run.progress, current: null, etaSeconds: null },
            },
      );
      await settleRun(services, ended);
      return {};
    },
  };
}

/** What only the run's record knows of why an ending came. */
function failureOf({ spec, queuedBecause }: RunRecord, { failure }: Ending): Ending['failure'] {
  if (failure === null) return null;
  const target: Target = spec.target;
  const isPrivate = target.kind === 'managed' && target.publicNetworkAccess === 'disabled';
  if (failure.code === 'warm-up-failed' && isPrivate)
    return { ...failure, message: `${failure.message} ${PRIVATE_ENDPOINT}` };
  if (failure.code === 'deploy-failed' && queuedBecause)
    return { ...failure, message: `${failure.message} ${queuedBecause}` };
  return failure;
}

const PRIVATE_ENDPOINT =
  'The endpoint was made with target.publicNetworkAccess "disabled", so only what is in a network with a private endpoint of the workspace reaches it; give this app a virtual network integration with one, or enable public access.';
