/** What every step of a run begins with: its record, whether it may go on, and a sign of life for the reaper. */
import { endpointsOfRun, isFinal, type RunRecord } from '../core/run.ts';
import type { Ending } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { noteEndpoint } from './step-event.ts';

export const CANCELED: Ending = { state: 'canceled', failure: null, stoppedBy: 'Canceled by the user.' };

export async function readRun(services: Services, runId: string): Promise<RunRecord> {
  const run = await services.stores.runs.read(runId);
  if (run === null) throw new Error(`The run ${runId} has no row; it was deleted while it ran.`);
  noteEndpoint(run.endpoint?.name ?? null);
  return run;
}

/** How the run ends where a step must not go on: it was canceled, or it is already being released. Null where it may. */
export function canceledOrOver(run: RunRecord): Ending | null {
  if (run.cancelRequestedAtMs !== null) return CANCELED;
  if (run.state !== 'releasing' && !isFinal(run.state)) return null;
  return {
    state: 'failed',
    failure: run.failure ?? {
      code: 'lost-orchestration',
      message: 'The run was already ended from outside, by the reaper.',
    },
    stoppedBy: run.stoppedBy,
  };
}

/** Heartbeats are written at most this often; the reaper looks for ones older than 15 minutes. */
const HEARTBEAT_EVERY_MS = 30_000;

/** A sign of life for each endpoint that the run has deployed. */
export async function renewLeases(services: Services, run: RunRecord): Promise<void> {
  if (run.spec.target.kind !== 'managed') return;
  for (const { name } of endpointsOfRun(run)) await renewLease(services, name);
}

/** Whether an endpoint of the run is kept, or could not be deleted: it is alive, and what it holds is not free. */
export async function holdsEndpoint(services: Services, run: RunRecord): Promise<boolean> {
  for (const { name } of endpointsOfRun(run)) {
    const lease = await services.stores.leases.read(name);
    if (lease !== null && lease.closedAtMs === null) return true;
  }
  return false;
}

export async function renewLease(services: Services, endpoint: string): Promise<void> {
  const nowMs = services.now();
  await services.stores.leases.change(endpoint, (lease) =>
    lease.closedAtMs !== null || nowMs - lease.heartbeatAtMs < HEARTBEAT_EVERY_MS
      ? null
      : { heartbeatAtMs: nowMs },
  );
}
