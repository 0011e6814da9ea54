/**
 * What this installation has alive and what it has cost so far: by the open leases, and by the tags in each workspace,
 * so that an endpoint whose lease was lost is seen too. Either side may fail to answer; the other is shown then, and a
 * sentence says what is missing.
 */
import { messageOf } from '../core/failure.ts';
import { isOurs, LEASE_TAGS, type Lease } from '../core/renting/lease.ts';
import { readExpiryMs } from '../core/renting/reap.ts';
import { isFinal, type RunRecord } from '../core/run.ts';
import type { Services } from '../services.ts';
import { type ListedEndpoint, listEndpoints } from './list-endpoints.ts';

export interface AliveEndpoint {
  readonly name: string;
  readonly workspace: string;
  /** Null where neither a lease nor a tag names it. */
  readonly runId: string | null;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly createdAtMs: number | null;
  readonly expiresAtMs: number | null;
  /** ARM's word; null where its workspace did not list it, as before the endpoint is created. */
  readonly provisioningState: string | null;
  /** Dollars so far; null where price, SKU or age is unknown. */
  readonly costUsd: number | null;
  /** Until when its user keeps it for further runs; null where it goes with its run. */
  readonly keptUntilMs: number | null;
  /** Alive without anybody who will end it but the reaper: no open lease, past it, or its run is over and did not keep it. */
  readonly leaked: boolean;
  readonly releaseError: string | null;
}

export interface AliveEndpoints {
  readonly endpoints: readonly AliveEndpoint[];
  /** What could not be looked at. */
  readonly troubles: readonly string[];
}

/** Whoever asks waits for the answer; a workspace that takes longer is named as missing. */
const LISTING_MS = 10_000;

/** Never throws: who wants to know what is billed must get what can be known. */
export async function listAliveEndpoints(services: Services): Promise<AliveEndpoints> {
  // The workspaces first, then the leases: see ReapView.openLeases.
  const { endpoints, troubles } = await listEndpoints(services, LISTING_MS);
  const leases = await readOpenLeases(services);
  const listed = new Map(
    endpoints
      .filter(({ tags }) => isOurs(tags, services.settings.owner))
      .map((endpoint) => [endpoint.name, endpoint]),
  );
  const leased = new Set(leases.open.map(({ endpoint }) => endpoint));
  const unleased = [...listed.values()].filter(({ name }) => !leased.has(name));
  return {
    endpoints: await Promise.all([
      ...leases.open.map((lease) => viewLeased(services, lease, listed.get(lease.endpoint) ?? null)),
      ...unleased.map((endpoint) => viewUnleased(services, endpoint, leases.trouble === null)),
    ]),
    troubles: leases.trouble === null ? troubles : [...troubles, leases.trouble],
  };
}

/** Dollars that a leased endpoint has cost so far; null where its price is unknown. */
export async function leaseCostUsd(services: Services, lease: Lease): Promise<number | null> {
  return costOfLease(services, lease, await readRunIfPossible(services, lease.runId));
}

async function readOpenLeases(
  services: Services,
): Promise<{ readonly open: readonly Lease[]; readonly trouble: string | null }> {
  try {
    return { open: await services.stores.leases.listOpen(), trouble: null };
  } catch (error) {
    const told = messageOf(error);
    return {
      open: [],
      trouble: `The leases cannot be read, so endpoints are told by their tags alone: ${told}`,
    };
  }
}

async function viewLeased(
  services: Services,
  lease: Lease,
  listed: ListedEndpoint | null,
): Promise<AliveEndpoint> {
  const run = await readRunIfPossible(services, lease.runId);
  const keptUntilMs = lease.keptUntilMs ?? null;
  const isOver = keptUntilMs === null && (run === null || isFinal(run.state));
  return {
    name: lease.endpoint,
    workspace: lease.workspace,
    runId: lease.runId,
    sku: lease.sku,
    instances: lease.instances,
    createdAtMs: lease.createdAtMs,
    expiresAtMs: lease.expiresAtMs,
    provisioningState: listed?.provisioningState ?? null,
    costUsd: costOfLease(services, lease, run),
    keptUntilMs,
    leaked: isOver || services.now() > Math.min(lease.expiresAtMs, keptUntilMs ?? lease.expiresAtMs),
    releaseError: lease.releaseError,
  };
}

/** Without a lease it is a leak; where the leases cannot be read, only what is past its own tag surely is one. */
async function viewUnleased(
  services: Services,
  endpoint: ListedEndpoint,
  leasesRead: boolean,
): Promise<AliveEndpoint> {
  const runId = endpoint.tags[LEASE_TAGS.run] ?? null;
  const expiresAtMs = readExpiryMs(endpoint);
  const deployed = await readDeployed(services, endpoint, runId);
  return {
    name: endpoint.name,
    workspace: endpoint.workspace,
    runId,
    sku: deployed?.sku ?? null,
    instances: deployed?.instances ?? null,
    createdAtMs: endpoint.createdAtMs,
    expiresAtMs,
    provisioningState: endpoint.provisioningState,
    costUsd:
      deployed === null || endpoint.createdAtMs === null
        ? null
        : costSince(services, endpoint.createdAtMs, deployed),
    keptUntilMs: null,
    leaked: leasesRead || (expiresAtMs !== null && services.now() > expiresAtMs),
    releaseError: null,
  };
}

interface Deployed {
  readonly sku: string;
  readonly instances: number;
  readonly pricePerHourUsd: number | null;
}

/** What runs behind an endpoint without a lease: as its run's row has it, otherwise as ARM and the price list do. */
async function readDeployed(
  services: Services,
  endpoint: ListedEndpoint,
  runId: string | null,
): Promise<Deployed | null> {
  const run = runId === null ? null : await readRunIfPossible(services, runId);
  const sku = run?.endpoint?.sku ?? run?.spec.target.sku ?? null;
  if (run !== null && sku !== null)
    return { sku, instances: run.billing.instances, pricePerHourUsd: run.billing.pricePerHourUsd };
  try {
    const { controlPlane, prices } = services;
    const [deployment] = await controlPlane.listDeployments(endpoint.workspace, endpoint.name);
    if (deployment === undefined) return null;
    const state = await controlPlane.readDeployment(endpoint.workspace, endpoint.name, deployment);
    if (state === null || state.sku === null || state.instances === null) return null;
    const { price } = await prices.quote(state.sku, await controlPlane.readRegion(endpoint.workspace));
    return { sku: state.sku, instances: state.instances, pricePerHourUsd: price?.perHourUsd ?? null };
  } catch {
    return null; // That it is alive is the news; what it is made of is not worth losing it.
  }
}

async function readRunIfPossible(services: Services, runId: string): Promise<RunRecord | null> {
  try {
    return await services.stores.runs.read(runId);
  } catch {
    return null; // The tables' trouble is told once, by the leases.
  }
}

/** From when its run was billed for it; without a run that knows, from the lease on, which is never too little. */
function costOfLease(services: Services, lease: Lease, run: RunRecord | null): number | null {
  const billing = run?.billing;
  const isCurrent = (billing?.endpoint ?? lease.endpoint) === lease.endpoint;
  const billed = isCurrent ? billing : billing?.earlier?.find(({ endpoint }) => endpoint === lease.endpoint);
  return costSince(services, billed?.fromMs ?? lease.createdAtMs, lease);
}

function costSince(
  services: Services,
  fromMs: number,
  { pricePerHourUsd, instances }: Pick<Deployed, 'pricePerHourUsd' | 'instances'>,
): number | null {
  if (pricePerHourUsd === null) return null;
  return (Math.max(0, services.now() - fromMs) / 3_600_000) * pricePerHourUsd * instances;
}
