/**
 * Ends runs that nobody runs any more and that have no endpoint left for the reaper to find them by: their
 * orchestration was lost before the lease was opened or after it was closed, or could not write its last step.
 */
import { HEARTBEAT_LIMIT_MS } from '../core/renting/lease.ts';
import { isFinal, RUN_STATES, type RunRecord } from '../core/run.ts';
import type { Orchestrations, Services } from '../services.ts';
import { settleRun } from './admit.ts';

/** Runs under way are as many as GPUs; what a pass leaves over, the next one takes. */
const RUNS_PER_PASS = 200;
const LOST =
  'No orchestration runs it any more, as after a loss of the durable history, and no endpoint of it is left. What was saved until then is kept.';

export async function endLostRuns(services: Services, orchestrations: Orchestrations): Promise<void> {
  for (const state of RUN_STATES.filter((one) => !isFinal(one))) {
    const { runs } = await services.stores.runs.list({ state, limit: RUNS_PER_PASS });
    for (const run of runs) {
      if (services.now() - (run.startedAtMs ?? run.createdAtMs) <= HEARTBEAT_LIMIT_MS) continue;
      if (await orchestrations.isRunning(run.id)) continue;
      // One that the engine does not know is started instead, by the same pass or by its comparison.
      if (state === 'queued' && !(await orchestrations.isKnown(run.id))) continue;
      // Its lease is what ends it, once the endpoint is gone.
      if (await holdsLease(services, run)) continue;
      await endLostRun(services, run.id);
    }
  }
}

/** Writes the final state of a run that nobody runs any more, and gives back what it held. */
export async function endLostRun(services: Services, runId: string): Promise<void> {
  const ended = await services.stores.runs.change(runId, (found) =>
    isFinal(found.state)
      ? null
      : {
          state: 'failed',
          endedAtMs: services.now(),
          failure: { code: 'lost-orchestration', message: LOST },
          progress: { ...found.progress, current: null, etaSeconds: null },
        },
  );
  await settleRun(services, ended);
}

async function holdsLease(services: Services, run: RunRecord): Promise<boolean> {
  const names = [run.endpoint?.name ?? null, ...(run.tried ?? []).map(({ endpoint }) => endpoint)];
  for (const name of new Set(names)) {
    const lease = name === null ? null : await services.stores.leases.read(name);
    if (lease !== null && lease.closedAtMs === null) return true;
  }
  return false;
}
