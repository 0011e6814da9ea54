/**
 * What the reaper deletes, worked out from what it sees: the endpoints that the workspaces list, and the open leases
 * where the tables answer. An endpoint without our tool tag and this installation's owner tag is never among it.
 */
import { isOurs, LEASE_TAGS, type Lease, reapReason } from './lease.ts';

/** An endpoint as a workspace lists it. */
export interface SeenEndpoint {
  readonly name: string;
  readonly workspace: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAtMs: number | null;
}

export interface ReapTarget {
  readonly endpoint: string;
  readonly workspace: string;
  /** Completes "was deleted, because ...". */
  readonly reason: string;
  /** The open lease that ends with it; null where none covers it, or where the tables do not answer. */
  readonly lease: Lease | null;
}

export interface ReapView {
  readonly nowMs: number;
  readonly owner: string;
  /** Everything that the workspaces list, whoever it belongs to. */
  readonly endpoints: readonly SeenEndpoint[];
  /**
   * Every open lease, read *after* the endpoints were listed; null where the tables do not answer. The order matters:
   * a lease is written before its endpoint is created, so whatever was listed has a lease that this list shows, unless
   * it is a leak. The other way round a new endpoint would look like one.
   */
  readonly openLeases: readonly Lease[] | null;
  /** Runs whose orchestration is alive, among those of silent leases. */
  readonly aliveRuns: ReadonlySet<string>;
}

/**
 * Longest life of an endpoint whose `expires` tag is missing or is no time, from its creation: a day is the most that a
 * run may ask for (`limits.maxMinutes`), and its release may take an hour more.
 */
export const UNDATED_LIFE_MS = 25 * 3_600_000;

/** What must go now. What could not be deleted last time comes last, so that it cannot keep the rest waiting. */
export function chooseReapTargets(view: ReapView): readonly ReapTarget[] {
  const ours = view.endpoints.filter(({ tags }) => isOurs(tags, view.owner));
  if (view.openLeases === null) return ours.flatMap((endpoint) => targetByTags(endpoint, view.nowMs));
  const leased = new Set(view.openLeases.map(({ endpoint }) => endpoint));
  const leaks = ours.filter(({ name }) => !leased.has(name)).map(leakOf);
  const ended = view.openLeases.flatMap((lease) => targetByLease(lease, view));
  return [...leaks, ...ended].sort((one, other) => Number(hasFailed(one)) - Number(hasFailed(other)));
}

/** Open leases whose run is silent: whether its orchestration is alive decides over them, and over no other. */
export function silentLeases(leases: readonly Lease[], nowMs: number): readonly Lease[] {
  return leases.filter(
    (lease) => reapReason(lease, nowMs, true) === null && reapReason(lease, nowMs, false) !== null,
  );
}

/** When an endpoint's own tags say that it ends; null where nothing dates it. */
export function readExpiryMs({ tags, createdAtMs }: Omit<SeenEndpoint, 'name' | 'workspace'>): number | null {
  const tagged = Date.parse(tags[LEASE_TAGS.expires] ?? '');
  if (!Number.isNaN(tagged)) return tagged;
  return createdAtMs === null ? null : createdAtMs + UNDATED_LIFE_MS;
}

function targetByTags(endpoint: SeenEndpoint, nowMs: number): readonly ReapTarget[] {
  const expiresAtMs = readExpiryMs(endpoint);
  if (expiresAtMs !== null && nowMs <= expiresAtMs) return [];
  const reason =
    expiresAtMs === null
      ? 'nothing says until when it may live'
      : `its time ended at ${new Date(expiresAtMs).toISOString()}`;
  return [{ endpoint: endpoint.name, workspace: endpoint.workspace, reason, lease: null }];
}

function leakOf({ name, workspace }: SeenEndpoint): ReapTarget {
  return { endpoint: name, workspace, reason: 'no open lease covers it', lease: null };
}

function targetByLease(lease: Lease, { nowMs, aliveRuns }: ReapView): readonly ReapTarget[] {
  const reason = reapReason(lease, nowMs, aliveRuns.has(lease.runId));
  return reason === null ? [] : [{ endpoint: lease.endpoint, workspace: lease.workspace, reason, lease }];
}

function hasFailed({ lease }: ReapTarget): boolean {
  return lease !== null && lease.releaseError !== null;
}
