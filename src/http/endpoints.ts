/** The calls about endpoints: what this installation has alive, and deleting what a run has left behind. */
import { releaseLease } from '../activities/release.ts';
import type { Lease } from '../core/lease.ts';
import { isFinal } from '../core/run.ts';
import type { Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson } from './answer.ts';
import { notFound, Problem } from './problem.ts';
import { isoTime } from './run-view.ts';

/** `GET /api/endpoints`: every endpoint with an open lease, and whether its run has left it behind. */
export async function listEndpoints({ services }: ApiCall): Promise<ApiAnswer> {
  const leases = await services.stores.leases.listOpen();
  return answerJson(200, { endpoints: await Promise.all(leases.map((lease) => viewLease(services, lease))) });
}

/** `DELETE /api/endpoints/{name}`: only what carries an open lease of ours, and only where its run is over. */
export async function deleteEndpoint({ request, services }: ApiCall): Promise<ApiAnswer> {
  const { name } = request.params;
  const lease =
    name !== undefined && /^[A-Za-z0-9-]{3,32}$/.test(name) ? await services.stores.leases.read(name) : null;
  if (lease === null || lease.closedAtMs !== null)
    throw notFound('An endpoint of that name with an open lease of this installation');
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

async function viewLease(services: Services, lease: Lease) {
  const run = await services.stores.runs.read(lease.runId);
  const from = run?.billing.fromMs ?? lease.createdAtMs;
  const hours = (services.now() - from) / 3_600_000;
  return {
    name: lease.endpoint,
    workspace: lease.workspace,
    runId: lease.runId,
    sku: lease.sku,
    instances: lease.instances,
    createdAt: isoTime(lease.createdAtMs),
    expiresAt: isoTime(lease.expiresAtMs),
    costUsd: lease.pricePerHourUsd === null ? null : hours * lease.pricePerHourUsd * lease.instances,
    leaked: run === null || isFinal(run.state),
    releaseError: lease.releaseError,
  };
}
