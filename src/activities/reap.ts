/**
 * The reaper: what a run's own release did not do. It looks at the tags in each workspace and at the open leases, and
 * deletes what `core/renting/reap.ts` chooses of them; then the run's row says so. It starts runs too whose start was cut off
 * between the row and the orchestration. Where the tables do not answer it goes by the tags alone, which is all that
 * the watchdog ever has.
 *
 * A pass ends within its bounds, and whatever fails in it is told and keeps nothing else from being deleted.
 */
import { messageOf } from '../core/failure.ts';
import { isOurs, type Lease } from '../core/renting/lease.ts';
import { chooseReapTargets, type ReapTarget, silentLeases } from '../core/renting/reap.ts';
import { isFinal, type RunRecord } from '../core/run.ts';
import { STAGE_MINUTES } from '../core/spec/plan.ts';
import type { ReleaseProgress } from '../orchestrations/steps.ts';
import type { Orchestrations, Services, WatchdogServices } from '../services.ts';
import { settleRun } from './admit.ts';
import { leaseCostUsd } from './alive-endpoints.ts';
import { endLostComparisons } from './end-lost-comparisons.ts';
import { endLostRuns } from './end-lost-runs.ts';
import { listEndpoints } from './list-endpoints.ts';
import { notOurs, releaseLease } from './release.ts';
import { holdsEndpoint } from './run-step.ts';
import { startForgottenRuns } from './start-forgotten-runs.ts';

export interface Reaped {
  readonly endpoint: string;
  readonly workspace: string;
  readonly reason: string;
  /** GET says 404. */
  readonly gone: boolean;
  /** Why it could not be deleted; null where the deletion is under way or done. */
  readonly error: string | null;
  /** Dollars so far; null where they are unknown. */
  readonly costUsd: number | null;
}

export interface Reaping {
  readonly reaped: readonly Reaped[];
  /** What could not be looked at or done in this pass. */
  readonly troubles: readonly string[];
}

/** A pass begins no further deletion after four minutes: the timer fires every five. */
const PASS_MS = 4 * 60_000;
/** Listing is one call of the control plane, which gives up after a minute by itself. */
const LISTING_MS = 65_000;
/** Azure ML allows 100 endpoints in a region and subscription; what a pass leaves over, the next one takes. */
const TARGETS_PER_PASS = 200;
/** Deletions at a time in each workspace: one that hangs for its minute must not use up the pass. */
const DELETIONS_AT_ONCE = 5;

export async function reap(services: Services, orchestrations: Orchestrations): Promise<Reaping> {
  const deadlineMs = services.now() + PASS_MS;
  const troubles: string[] = [];
  const listing = await listEndpoints(services, LISTING_MS);
  troubles.push(...listing.troubles);
  const openLeases = await services.stores.leases.listOpen().catch((error: unknown) => {
    troubles.push(`The leases cannot be read, so this pass went by the tags alone: ${messageOf(error)}`);
    return null;
  });
  const aliveRuns = await findAliveRuns(services, orchestrations, openLeases ?? [], troubles);
  const targets = chooseReapTargets({
    nowMs: services.now(),
    owner: services.settings.owner,
    endpoints: listing.endpoints,
    openLeases,
    aliveRuns,
  });
  const reaped = await removeAll(services, targets, deadlineMs, troubles, (target) =>
    target.lease === null ? removeEndpoint(services, target) : endLease(services, target, target.lease),
  );
  if (openLeases !== null) {
    await startForgottenRuns(services, orchestrations).catch((error: unknown) =>
      troubles.push(`Queued runs could not be looked at: ${messageOf(error)}`),
    );
    await endLostRuns(services, orchestrations).catch((error: unknown) =>
      troubles.push(`Runs under way could not be looked at: ${messageOf(error)}`),
    );
    // After the runs: a comparison ends when none of its runs is left.
    await endLostComparisons(services, orchestrations).catch((error: unknown) =>
      troubles.push(`Comparisons under way could not be looked at: ${messageOf(error)}`),
    );
  }
  return { reaped: await Promise.all(reaped.map((one) => withCost(services, one, targets))), troubles };
}

/** The watchdog's pass: what is past its `expires` tag, by nothing but ARM. */
export async function reapByTags(services: WatchdogServices): Promise<Reaping> {
  const deadlineMs = services.now() + PASS_MS;
  const { endpoints, troubles: untold } = await listEndpoints(services, LISTING_MS);
  const troubles = [...untold];
  const targets = chooseReapTargets({
    nowMs: services.now(),
    owner: services.settings.owner,
    endpoints,
    openLeases: null,
    aliveRuns: new Set(),
  });
  const reaped = await removeAll(services, targets, deadlineMs, troubles, (target) =>
    removeEndpoint(services, target),
  );
  return { reaped: reaped.map((one) => ({ ...one, costUsd: null })), troubles };
}

/**
 * Deletes an endpoint of this installation that no open lease covers, by its name; null where no workspace lists one.
 * The leases are read after the workspaces, as always (see ReapView.openLeases).
 */
export async function deleteLeak(services: Services, name: string): Promise<ReleaseProgress | null> {
  const { endpoints, troubles } = await listEndpoints(services, LISTING_MS);
  const found = endpoints.find((one) => one.name === name && isOurs(one.tags, services.settings.owner));
  if (found === undefined) return troubles.length === 0 ? null : { gone: false, error: troubles.join(' ') };
  const lease = await services.stores.leases.read(name);
  if (lease !== null && lease.closedAtMs === null) return null;
  return removeEndpoint(services, { workspace: found.workspace, endpoint: name });
}

/** One line for the log about an endpoint that was reaped, or that should have been. */
export function describeReaped({ endpoint, workspace, reason, gone, error, costUsd }: Reaped): string {
  const what = `The endpoint ${endpoint} in the workspace ${workspace}`;
  const cost = costUsd === null ? '' : ` It has cost $${costUsd.toFixed(2)} so far.`;
  if (gone) return `${what} is gone; the reaper deleted it, because ${reason}.${cost}`;
  if (error === null) return `${what} is being deleted by the reaper, because ${reason}.${cost}`;
  return `${what} is alive and billed, and the reaper could not delete it, though ${reason}: ${error}${cost}`;
}

/** Runs of silent leases whose orchestration is alive. One that cannot be told counts as alive: its expiry stands anyway. */
async function findAliveRuns(
  services: Services,
  orchestrations: Orchestrations,
  leases: readonly Lease[],
  troubles: string[],
): Promise<ReadonlySet<string>> {
  const silent = silentLeases(leases, services.now());
  // Those that are too many to ask about count as alive until the next pass.
  const alive = new Set(silent.slice(TARGETS_PER_PASS).map(({ runId }) => runId));
  for (const { runId, endpoint } of silent.slice(0, TARGETS_PER_PASS)) {
    try {
      if (await orchestrations.isRunning(runId)) alive.add(runId);
    } catch (error) {
      alive.add(runId);
      troubles.push(
        `Whether the run of the endpoint ${endpoint} is alive could not be told, so it is left until it expires: ${messageOf(error)}`,
      );
    }
  }
  return alive;
}

/** Deletes the targets, workspaces side by side, until the pass is over. */
async function removeAll(
  services: WatchdogServices,
  targets: readonly ReapTarget[],
  deadlineMs: number,
  troubles: string[],
  remove: (target: ReapTarget) => Promise<ReleaseProgress>,
): Promise<Omit<Reaped, 'costUsd'>[]> {
  const taken = targets.slice(0, TARGETS_PER_PASS);
  const queues = new Map<string, ReapTarget[]>();
  for (const target of taken) queues.set(target.workspace, [...(queues.get(target.workspace) ?? []), target]);
  const reaped: Omit<Reaped, 'costUsd'>[] = [];

  async function work(queue: ReapTarget[]): Promise<void> {
    while (services.now() < deadlineMs) {
      const target = queue.shift();
      if (target === undefined) return;
      const { endpoint, workspace, reason } = target;
      const outcome = await remove(target).catch((error: unknown) => ({
        gone: false,
        error: messageOf(error),
      }));
      reaped.push({ endpoint, workspace, reason, ...outcome });
    }
  }
  await Promise.all(
    [...queues.values()].flatMap((queue) => Array.from({ length: DELETIONS_AT_ONCE }, () => work(queue))),
  );
  const left = targets.length - reaped.length;
  if (left > 0)
    troubles.push(`${left} endpoints that must go were not reached in this pass; the next goes on.`);
  return reaped;
}

/** Deletes an endpoint that no lease covers. Its tags are read again: between list and delete a name may change hands. */
async function removeEndpoint(
  { controlPlane, settings }: WatchdogServices,
  { workspace, endpoint }: Pick<ReapTarget, 'workspace' | 'endpoint'>,
): Promise<ReleaseProgress> {
  const state = await controlPlane.readEndpoint(workspace, endpoint);
  if (state === null) return { gone: true, error: null };
  if (!isOurs(state.tags, settings.owner)) return { gone: false, error: notOurs(endpoint) };
  if (state.provisioningState !== 'Deleting') await controlPlane.startDelete(workspace, endpoint);
  return { gone: false, error: null };
}

async function endLease(services: Services, target: ReapTarget, lease: Lease): Promise<ReleaseProgress> {
  const progress = await releaseLease(services, lease).catch((error: unknown) =>
    goneAllTheSame(services, lease, error),
  );
  await endRunOf(services, lease, target.reason, progress);
  return progress;
}

/** The row of its run may be lost; the lease is closed before that is missed. */
async function goneAllTheSame(services: Services, lease: Lease, error: unknown): Promise<ReleaseProgress> {
  const after = await services.stores.leases.read(lease.endpoint);
  if (after === null || after.closedAtMs === null) throw error;
  return { gone: true, error: null };
}

/** The lease's run learns of it. That a run has no row any more is no reason to keep its endpoint. */
async function endRunOf(
  services: Services,
  lease: Lease,
  reason: string,
  { gone, error }: ReleaseProgress,
): Promise<void> {
  const before = await services.stores.runs.read(lease.runId);
  if (before === null) return;
  // Of several endpoints, the last one ends the run.
  const isHeld = await holdsEndpoint(services, before);
  const run = await services.stores.runs.change(lease.runId, (found) => {
    if (isFinal(found.state)) return null;
    // Steps that are still alive see this state and stop; the final state waits for the endpoint to be gone.
    if (!gone || isHeld)
      return error === null || services.now() < giveUpMs(found)
        ? { state: 'releasing' }
        : leaked(services, lease, error);
    return {
      state: 'failed',
      endedAtMs: services.now(),
      failure: {
        code: 'lost-orchestration',
        message: `The reaper deleted the endpoint, because ${reason}. What was saved until then is kept.`,
      },
    };
  });
  if (gone && isFinal(run.state)) await settleRun(services, run);
}

/** When a run whose endpoint cannot be deleted says so and waits no longer; the reaper goes on by the lease. */
function giveUpMs({ startedAtMs, createdAtMs, plan }: RunRecord): number {
  return (startedAtMs ?? createdAtMs) + (plan.boundMinutes + STAGE_MINUTES.release) * 60_000;
}

function leaked(services: Services, lease: Lease, error: string): Partial<RunRecord> {
  const message = `The endpoint ${lease.endpoint} could not be deleted until now and may still cost money; the reaper goes on trying. ${error}`;
  return {
    state: 'failed',
    endedAtMs: services.now(),
    failure: { code: 'leaked-endpoint', message },
  };
}

async function withCost(
  services: Services,
  reaped: Omit<Reaped, 'costUsd'>,
  targets: readonly ReapTarget[],
): Promise<Reaped> {
  const lease = targets.find(({ endpoint }) => endpoint === reaped.endpoint)?.lease ?? null;
  return { ...reaped, costUsd: lease === null ? null : await leaseCostUsd(services, lease) };
}
