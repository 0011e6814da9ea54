/**
 * Releasing: the endpoint is deleted, and counts as gone only when GET says 404. Every refusal is told and tried
 * again by the orchestration within its bound; past that the reaper goes on, from the same lease.
 */

import { endpointName, isOurs, keepLease, type Lease } from '../core/renting/lease.ts';
import { holdUntil } from '../core/renting/ledger.ts';
import {
  changeEndpointOf,
  endBilling,
  endpointsOfRun,
  isFinal,
  mayMove,
  type RunRecord,
} from '../core/run.ts';
import type { ReleaseProgress, StepHandlers } from '../orchestrations/steps.ts';
import { ControlPlaneError, type Services } from '../services.ts';
import { settleRun } from './admit.ts';
import { readRun } from './run-step.ts';

export function releaseSteps(
  services: Services,
): Pick<StepHandlers, 'keepEndpoint' | 'releaseEndpoint' | 'releaseProgress'> {
  return {
    keepEndpoint: async ({ runId }) => ({ kept: await keepEndpoint(services, runId) }),
    releaseEndpoint: async ({ runId }) => {
      const run = await readRun(services, runId);
      if (run.spec.target.kind === 'managed') {
        await services.stores.runs.change(runId, (now) =>
          mayMove(now.state, 'releasing') ? { state: 'releasing' } : null,
        );
      }
      return releaseOfRun(services, run);
    },
    releaseProgress: async ({ runId }) => releaseOfRun(services, await readRun(services, runId)),
  };
}

/**
 * Leaves the endpoint to its lease, for further runs: the lease stays open and the endpoint is billed until the reaper,
 * or whoever calls DELETE, ends both. False where there is nothing to keep, so that the run's release goes on.
 */
async function keepEndpoint(services: Services, runId: string): Promise<boolean> {
  const run = await readRun(services, runId);
  const { target } = run.spec;
  if (target.kind !== 'managed' || target.keepMinutes === 0 || run.endpoint === null) return false;
  if (run.cancelRequestedAtMs !== null) return false;
  let untilMs = 0;
  for (const { name } of endpointsOfRun(run)) {
    const keptUntilMs = await keepOne(services, runId, name, target.keepMinutes);
    // What cannot be kept is over; with it goes all of the run, as its release has it.
    if (keptUntilMs === null) return false;
    untilMs = Math.max(untilMs, keptUntilMs);
  }
  await services.ledger.change((ledger) => holdUntil(ledger, runId, untilMs + REAP_MS));
  return true;
}

/** Until when the endpoint is kept; null where its lease is closed. */
async function keepOne(
  services: Services,
  runId: string,
  name: string,
  keepMinutes: number,
): Promise<number | null> {
  const lease = await services.stores.leases.change(name, (found) =>
    found.closedAtMs !== null || (found.keptUntilMs ?? null) !== null
      ? null
      : keepLease(found, keepMinutes, services.now()),
  );
  const keptUntilMs = lease.keptUntilMs ?? null;
  if (lease.closedAtMs !== null || keptUntilMs === null) return null;
  await services.stores.runs.change(runId, (run) => changeEndpointOf(run, name, { keptUntilMs }));
  return keptUntilMs;
}

/** The reaper comes every five minutes, and a deletion takes up to ten. */
const REAP_MS = 15 * 60_000;

/** Every endpoint that a run has made, those of attempts that came to nothing among them, and none that it found there. */
async function releaseOfRun(services: Services, run: RunRecord): Promise<ReleaseProgress> {
  if (run.spec.target.kind !== 'managed') return { gone: true, error: null };
  const { endpoints } = run.spec.target;
  const tried = (run.tried ?? []).flatMap(({ attempt, endpoint }) =>
    endpoint === null && endpoints === 1
      ? []
      : Array.from({ length: endpoints }, (_, index) =>
          endpointName(services.settings.owner, run.id, attempt, index),
        ),
  );
  return releaseByName(services, [...new Set([...tried, ...endpointsOfRun(run).map(({ name }) => name)])]);
}

/** Releases, side by side, whichever of these endpoints have an open lease. */
export async function releaseByName(services: Services, names: readonly string[]): Promise<ReleaseProgress> {
  const released = await Promise.allSettled(
    names.map(async (name): Promise<ReleaseProgress> => {
      const lease = await services.stores.leases.read(name);
      if (lease === null || lease.closedAtMs !== null) return { gone: true, error: null };
      return releaseLease(services, lease);
    }),
  );
  let progress: ReleaseProgress = { gone: true, error: null };
  for (const one of released) {
    // Asked again, and each of the others has been asked by now.
    if (one.status === 'rejected') throw one.reason;
    progress = { gone: progress.gone && one.value.gone, error: one.value.error ?? progress.error };
  }
  return progress;
}

/** A name may change hands; what carries other tags is somebody else's. */
export function notOurs(endpoint: string): string {
  return `The endpoint ${endpoint} does not carry this installation's tags any more, so it is left alone; if it is yours, delete it by hand.`;
}

/** Deletes the endpoint of an open lease, or finds it gone and closes the lease. May be called again and again. */
export async function releaseLease(services: Services, lease: Lease): Promise<ReleaseProgress> {
  const { controlPlane, stores, now, settings } = services;
  // Looked for in another workspace it would be found gone, and go on costing.
  const meant = lease.workspaceId ?? null;
  if (meant !== null && meant !== settings.workspaceIdOf(lease.workspace)) {
    const releaseError = `The endpoint ${lease.endpoint} was created in ${meant}, which the settings no longer name "${lease.workspace}"; give WORKSPACES that name back, so that it can be deleted.`;
    await stores.leases.change(lease.endpoint, () => ({ releaseError }));
    return { gone: false, error: releaseError };
  }
  try {
    const look = () => controlPlane.readEndpoint(lease.workspace, lease.endpoint);
    // One 404 may be that of a replica that lags behind, and closing the lease ends every safeguard but the tags.
    const state = (await look()) ?? (await look());
    if (state !== null && !isOurs(state.tags, settings.owner)) {
      const releaseError = notOurs(lease.endpoint);
      await stores.leases.change(lease.endpoint, () => ({ releaseError }));
      return { gone: false, error: releaseError };
    }
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
  // A lease may outlive its run's row; that its endpoint is gone is true all the same.
  if ((await stores.runs.read(lease.runId)) === null) return { gone: true, error: null };
  const run = await stores.runs.change(lease.runId, (found) => {
    const billing = endBilling(found.billing, lease.endpoint, closed.closedAtMs ?? now());
    return billing === null ? null : { billing };
  });
  // A run that is still deploying goes on with another attempt, and holds what it holds.
  if (run.state === 'releasing' || isFinal(run.state)) await settleRun(services, run);
  return { gone: true, error: null };
}
