/**
 * Releasing: the endpoint is deleted, and counts as gone only when GET says 404. Every refusal is told and tried
 * again by the orchestration within its bound; past that the reaper goes on, from the same lease.
 */

import type { Lease } from '../core/lease.ts';
import { mayMove } from '../core/run.ts';
import type { ReleaseProgress, StepHandlers } from '../orchestrations/steps.ts';
import { ControlPlaneError, type Services } from '../services.ts';
import { readRun } from './run-step.ts';

export function releaseSteps(services: Services): Pick<StepHandlers, 'releaseEndpoint' | 'releaseProgress'> {
  return {
    releaseEndpoint: async ({ runId }) => {
      const run = await readRun(services, runId);
      if (run.spec.target.kind === 'managed') {
        await services.stores.runs.change(runId, (now) =>
          mayMove(now.state, 'releasing') ? { state: 'releasing' } : null,
        );
      }
      return releaseOfRun(services, run.endpoint?.name ?? null);
    },
    releaseProgress: async ({ runId }) =>
      releaseOfRun(services, (await readRun(services, runId)).endpoint?.name ?? null),
  };
}

async function releaseOfRun(services: Services, endpoint: string | null): Promise<ReleaseProgress> {
  const lease = endpoint === null ? null : await services.stores.leases.read(endpoint);
  if (lease === null || lease.closedAtMs !== null) return { gone: true, error: null };
  return releaseLease(services, lease);
}

/** Deletes the endpoint of an open lease, or finds it gone and closes the lease. May be called again and again. */
export async function releaseLease(services: Services, lease: Lease): Promise<ReleaseProgress> {
  const { controlPlane, stores, now } = services;
  try {
    const state = await controlPlane.readEndpoint(lease.workspace, lease.endpoint);
    if (state !== null) {
      if (state.provisioningState !== 'Deleting')
        await controlPlane.startDelete(lease.workspace, lease.endpoint);
      await stores.leases.change(lease.endpoint, (found) =>
        found.releaseError === null ? null : { releaseError: null },
      );
      return { gone: false, error: null };
    }
  } catch (error) {
    if (!(error instanceof ControlPlaneError)) throw error;
    const releaseError = error.message.slice(0, 500);
    await stores.leases.change(lease.endpoint, () => ({ releaseError }));
    return { gone: false, error: releaseError };
  }
  const closed = await stores.leases.change(lease.endpoint, (found) =>
    found.closedAtMs === null ? { closedAtMs: now(), releaseError: null } : null,
  );
  await stores.runs.change(lease.runId, (run) =>
    run.billing.fromMs === null || run.billing.untilMs !== null
      ? null
      : { billing: { ...run.billing, untilMs: closed.closedAtMs } },
  );
  return { gone: true, error: null };
}
