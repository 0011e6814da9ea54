/** Starting a run: out of the queue, with its clock running. */
import { mayMove, type RunRecord } from '../core/run.ts';
import type { BenchmarkSpec } from '../core/spec/spec.ts';
import type { EndpointTarget, Target } from '../core/spec/target.ts';
import type { Ending, StartedRun, StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { readExistingEndpoint } from './read-endpoint.ts';
import { canceledOrOver, readRun } from './run-step.ts';

/** An endpoint that another run has kept is left this long before the reaper takes it: a last answer and its saving. */
const BEFORE_REAPED_MS = 5 * 60_000;

export function startRunStep(services: Services): Pick<StepHandlers, 'startRun'> {
  return {
    startRun: async ({ runId }) => {
      const queued = await readRun(services, runId);
      const target = queued.spec.target as Target;
      const { kind } = target;
      // While the endpoint is made there is nothing to measure, and the GPU that would wait for it is not there yet.
      void services.loadEngine.measureClientFloor();
      let ending = canceledOrOver(queued);
      let run = queued;
      if (ending === null) {
        run = await services.stores.runs.change(runId, (now) => {
          const state = kind === 'managed' ? 'provisioning' : 'warming';
          return {
            startedAtMs: now.startedAtMs ?? services.now(),
            queuedBecause: null,
            ...(mayMove(now.state, state) ? { state } : {}),
          };
        });
        if (target.kind === 'endpoint') ending = await findEndpoint(services, run, target);
      }
      const started: StartedRun = {
        kind,
        pollSeconds: services.settings.pollSeconds,
        placements: target.kind === 'managed' ? target.placements.length : 0,
        waitForCapacityMinutes: target.kind === 'managed' ? target.waitForCapacityMinutes : 0,
        measureDeadlineMs: await measureDeadlineMs(services, run, target),
        ending,
      };
      return started;
    },
  };
}

/** Reads the endpoint that the run shall measure; gives the ending where there is none that answers. */
async function findEndpoint(
  services: Services,
  run: RunRecord,
  target: EndpointTarget,
): Promise<Ending | null> {
  const answer = await readExistingEndpoint(services, target);
  if (!answer.ok) {
    const failure = { code: 'deploy-failed' as const, message: answer.message };
    return { state: 'failed', failure, stoppedBy: null };
  }
  const { endpoint, target: found } = answer.value;
  const spec = { ...run.spec, target: found } as unknown as BenchmarkSpec;
  await services.stores.runs.change(run.id, () => ({ endpoint, spec }));
  return null;
}

/** The plan's own, and before the end of an endpoint that is only kept for a while. */
async function measureDeadlineMs(services: Services, run: RunRecord, target: Target): Promise<number> {
  const planned = (run.startedAtMs ?? services.now()) + run.plan.measureMinutes * 60_000;
  if (target.kind !== 'endpoint') return planned;
  const lease = await services.stores.leases.read(target.name);
  if (lease === null || lease.closedAtMs !== null) return planned;
  return Math.min(planned, (lease.keptUntilMs ?? lease.expiresAtMs) - BEFORE_REAPED_MS);
}
