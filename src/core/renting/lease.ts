/**
 * A lease says that an endpoint exists because of us, since when and until when at the most. Its row is written
 * before the endpoint is created and closed only after GET says 404: an endpoint without an open lease, or past it,
 * is a leak, and whoever sees it deletes it.
 */
import { createHash } from 'node:crypto';

/** Tags on every endpoint we create, so that a reaper with nothing but ARM can tell ours and when it is over. */
export const LEASE_TAGS = {
  tool: 'foundry-bench-tool',
  owner: 'foundry-bench-owner',
  run: 'foundry-bench-run',
  expires: 'foundry-bench-expires',
} as const;

export const TOOL_NAME = 'foundry-bench';

export interface Lease {
  /** The endpoint's name, which is never reused. */
  readonly endpoint: string;
  readonly workspace: string;
  /** The ARM id that the workspace's name stood for when the endpoint was created; absent in leases of older versions. */
  readonly workspaceId?: string | null;
  readonly runId: string;
  /** The installation that created it; another one in the same workspace is never touched. */
  readonly owner: string;
  readonly attempt: number;
  readonly createdAtMs: number;
  /** The run's own bound; past it the endpoint is deleted whatever its run says. */
  readonly expiresAtMs: number;
  /** Renewed by each step of the run. */
  readonly heartbeatAtMs: number;
  readonly closedAtMs: number | null;
  /**
   * Set where its run is over and the user wants the endpoint for further runs: it is nobody's leak until then, and
   * the reaper deletes it past that. Null or absent where it goes with its run.
   */
  readonly keptUntilMs?: number | null;
  readonly sku: string;
  readonly instances: number;
  readonly pricePerHourUsd: number | null;
  /** Why the last attempt to delete it failed; null where none did. */
  readonly releaseError: string | null;
}

/**
 * A run whose steps are silent for this long, and whose orchestration does not run, is lost. Steps are heard of every 20 s;
 * with a pass of the reaper every five minutes, what a lost run rents is given back within 15.
 */
export const HEARTBEAT_LIMIT_MS = 9 * 60_000;

export function leaseTags(lease: Pick<Lease, 'owner' | 'runId' | 'expiresAtMs'>): Record<string, string> {
  return {
    [LEASE_TAGS.tool]: TOOL_NAME,
    [LEASE_TAGS.owner]: lease.owner,
    [LEASE_TAGS.run]: lease.runId,
    [LEASE_TAGS.expires]: new Date(lease.expiresAtMs).toISOString(),
  };
}

/** Whether an endpoint with these tags was created by this installation of this tool. */
export function isOurs(tags: Readonly<Record<string, string>>, owner: string): boolean {
  return tags[LEASE_TAGS.tool] === TOOL_NAME && tags[LEASE_TAGS.owner] === owner;
}

/**
 * The name of a run's endpoint: deterministic, so that a step that runs twice makes one endpoint; unique in the
 * region, since Azure ML makes it a DNS label; 3 to 32 characters, letters, digits and single dashes; with the
 * attempt number, because a name is never used again. A run of several endpoints numbers those beside its first.
 */
export function endpointName(owner: string, runId: string, attempt: number, index = 0): string {
  if (!Number.isInteger(attempt) || attempt < 1 || attempt > 999)
    throw new Error(`An endpoint's name holds an attempt from 1 to 999, not ${attempt}.`);
  const digest = createHash('sha256').update(`${owner}\n${runId}`).digest('hex').slice(0, 16);
  return `fb-${digest}-a${attempt}${index === 0 ? '' : `e${index + 1}`}`;
}

/**
 * The lease of an endpoint that outlives its run: kept so long, and never longer than the expiry that its tags say, by
 * which a watchdog that knows nothing else deletes it.
 */
export function keepLease(lease: Lease, keepMinutes: number, nowMs: number): Partial<Lease> {
  const keptUntilMs = Math.min(nowMs + keepMinutes * 60_000, lease.expiresAtMs);
  return { keptUntilMs, heartbeatAtMs: nowMs };
}

/** Whether the reaper must delete the endpoint of an open lease now, and why. */
export function reapReason(lease: Lease, nowMs: number, orchestrationRuns: boolean): string | null {
  if (lease.closedAtMs !== null) return null;
  const keptUntilMs = lease.keptUntilMs ?? null;
  if (keptUntilMs !== null && nowMs > keptUntilMs) return 'the time for which it was kept is over';
  if (nowMs > lease.expiresAtMs) return 'its lease has expired';
  if (keptUntilMs !== null) return null;
  if (!orchestrationRuns && nowMs - lease.heartbeatAtMs > HEARTBEAT_LIMIT_MS) {
    return 'its run has been silent for nine minutes and no orchestration runs it';
  }
  return null;
}
