/** The calls about endpoints: what this installation has alive, and deleting what a run has left behind. */
import { type AliveEndpoint, listAliveEndpoints } from '../activities/alive-endpoints.ts';
import { deleteLeak } from '../activities/reap.ts';
import { releaseLease } from '../activities/release.ts';
import type { Lease } from '../core/renting/lease.ts';
import { isFinal } from '../core/run.ts';
import type { Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson } from './answer.ts';
import { notFound, Problem } from './problem.ts';
import { isoTimeOrNull } from './run-view.ts';

/** What `GET /api/endpoints` says of one. */
export interface ListedEndpoint extends Omit<AliveEndpoint, 'createdAtMs' | 'expiresAtMs' | 'keptUntilMs'> {
  readonly createdAt: string | null;
  readonly expiresAt: string | null;
  /** Until when its user keeps it for further runs. */
  readonly keptUntil: string | null;
}

export interface EndpointList {
  readonly endpoints: readonly ListedEndpoint[];
  /** What could not be looked at: where this is not empty, more may be alive. */
  readonly troubles: readonly string[];
}

/** `GET /api/endpoints`: everything of this installation that is alive, by lease and by tag, and what could not be told. */
export async function listEndpoints({ services }: ApiCall): Promise<ApiAnswer> {
  const { endpoints, troubles } = await listAliveEndpoints(services);
  return answerJson(200, { endpoints: endpoints.map(viewEndpoint), troubles });
}

/** `DELETE /api/endpoints/{name}`: only what is ours by lease or by tags, and only where its run is over. */
export async function deleteEndpoint({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { name } = request.params;
  const wellFormed = name !== undefined && /^[A-Za-z0-9-]{3,32}$/.test(name);
  const lease = wellFormed ? await services.stores.leases.read(name) : null;
  if (lease !== null && lease.closedAtMs === null) return deleteLeased(services, lease);
  const deleted = wellFormed ? await deleteLeak(services, name) : null;
  if (deleted === null) throw notFound('An endpoint of that name that belongs to this installation');
  return answerJson(202, { name, ...deleted });
}

async function deleteLeased(services: Services, lease: Lease): Promise<ApiAnswer> {
  const run = await services.stores.runs.read(lease.runId);
  if (run !== null && !isFinal(run.state)) {
    throw new Problem(
      409,
      'In use',
      `The run ${run.id} is using this endpoint; cancel the run, which deletes it.`,
    );
  }
  const { gone, error } = await releaseLease(services, lease);
  return answerJson(202, { name: lease.endpoint, gone, error });
}

function viewEndpoint({ createdAtMs, expiresAtMs, keptUntilMs, ...endpoint }: AliveEndpoint): ListedEndpoint {
  return {
    ...endpoint,
    keptUntil: isoTimeOrNull(keptUntilMs),
    createdAt: isoTimeOrNull(createdAtMs),
    expiresAt: isoTimeOrNull(expiresAtMs),
  };
}
