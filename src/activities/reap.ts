/**
 * The reaper: what a run's own release did not do. It goes through the open leases and deletes the endpoint of each
 * that is past its expiry, or whose run has been silent while no orchestration runs it; then the run's row says so.
 * It starts runs too whose start was cut off between the row and the orchestration.
 */
import { type Lease, reapReason } from '../core/lease.ts';
import { isFinal } from '../core/run.ts';
import type { Orchestrations, Services } from '../services.ts';
import { releaseLease } from './release.ts';

export interface Reaped {
  readonly endpoint: string;
  readonly reason: string;
  readonly gone: boolean;
  readonly error: string | null;
}

/** A queued run without an orchestration is started by the reaper after this long: its start was cut off. */
const QUEUED_GRACE_MS = 60_000;
const QUEUED_RUNS_PER_REAP = 50;

export async function reap(services: Services, orchestrations: Orchestrations): Promise<readonly Reaped[]> {
  const reaped: Reaped[] = [];
  for (const lease of await services.stores.leases.listOpen()) {
    const reason = reapReason(lease, services.now(), await orchestrations.isRunning(lease.runId));
    if (reason === null) continue;
    const { gone, error } = await releaseLease(services, lease);
    await endRunOf(services, lease, reason, gone);
    reaped.push({ endpoint: lease.endpoint, reason, gone, error });
  }
  await startForgottenRuns(services, orchestrations);
  return reaped;
}

async function endRunOf(services: Services, lease: Lease, reason: string, gone: boolean): Promise<void> {
  await services.stores.runs.change(lease.runId, (run) => {
    if (isFinal(run.state)) return null;
    // Steps that are still alive see this state and stop; the final state waits for the endpoint to be gone.
    if (!gone) return { state: 'releasing' };
    return {
      state: 'failed',
      endedAtMs: services.now(),
      failure: {
        code: 'lost-orchestration',
        message: `The reaper deleted the endpoint, because ${reason}. What was saved until then is kept.`,
      },
    };
  });
}

async function startForgottenRuns(services: Services, orchestrations: Orchestrations): Promise<void> {
  const { runs } = await services.stores.runs.list({ state: 'queued', limit: QUEUED_RUNS_PER_REAP });
  for (const run of runs) {
    if (services.now() - run.createdAtMs < QUEUED_GRACE_MS) continue;
    if (!(await orchestrations.isKnown(run.id))) await orchestrations.start(run.id);
  }
}
