/**
 * The simulator's own account of what was rented and what was called, from which a client cannot hide: who claims
 * that nothing is left must agree with it. It holds no key.
 */

/** Endpoints the account remembers; beyond it, those deleted longest ago are dropped. */
const MAX_ENDPOINTS = 2000;
/** Requests remembered per endpoint, in memory only: enough for a long run, about 2 MB. */
const MAX_REQUESTS_PER_ENDPOINT = 10_000;
/** Endpoints whose requests are remembered, so that the bound above bounds the whole. */
const MAX_ENDPOINTS_WITH_REQUESTS = 50;

/** GPUs that were rented from one time to another; open while `toMs` is null. */
interface Rental {
  readonly deployment: string;
  readonly fromMs: number;
  toMs: number | null;
  readonly gpus: number;
}

/** Counts of lateness by bucket: bucket 0 is nothing, bucket n ends at 0.01 ms x 2^(n/8), so a step is 9 %. */
interface Lateness {
  readonly countByBucket: Record<string, number>;
  maxMs: number;
}

/** One endpoint's account, from its creation; another endpoint of the same name later has another account. */
export interface Account {
  readonly name: string;
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly workspace: string;
  readonly region: string;
  sku: string | null;
  instances: number;
  readonly createdAtMs: number;
  /** When GET begins to answer 404; it may lie ahead while a deletion is under way. */
  deletedAtMs: number | null;
  readonly rentals: Rental[];
  requestsAdmitted: number;
  requestsRejected: number;
  maxInFlight: number;
  readonly lateness: Lateness;
}

interface RequestRecord {
  readonly clientRequestId: string | null;
  /** The number of the connection it came by, counted from the simulator's start. */
  readonly connectionId: number;
  readonly route: string;
  readonly status: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export class Books {
  readonly accounts: Account[];
  readonly #requestsByName = new Map<string, RequestRecord[]>();

  constructor(accounts: Account[]) {
    this.accounts = accounts;
  }

  open(
    fields: Pick<Account, 'name' | 'subscription' | 'resourceGroup' | 'workspace' | 'region' | 'createdAtMs'>,
  ): Account {
    const account: Account = {
      ...fields,
      sku: null,
      instances: 0,
      deletedAtMs: null,
      rentals: [],
      requestsAdmitted: 0,
      requestsRejected: 0,
      maxInFlight: 0,
      lateness: { countByBucket: {}, maxMs: 0 },
    };
    this.accounts.push(account);
    if (this.accounts.length > MAX_ENDPOINTS) {
      const oldestGone = this.accounts.findIndex((entry) => entry.deletedAtMs !== null);
      if (oldestGone >= 0) this.accounts.splice(oldestGone, 1);
    }
    return account;
  }

  record(endpointName: string, request: RequestRecord): void {
    const name = endpointName.toLowerCase();
    const requests = this.#requestsByName.get(name) ?? [];
    // Taken out and put in again, so that the first name is the one that was called longest ago.
    this.#requestsByName.delete(name);
    this.#requestsByName.set(name, requests);
    requests.push(request);
    if (requests.length > MAX_REQUESTS_PER_ENDPOINT)
      requests.splice(0, requests.length - MAX_REQUESTS_PER_ENDPOINT);
    const [leastRecent] = this.#requestsByName.keys();
    if (this.#requestsByName.size > MAX_ENDPOINTS_WITH_REQUESTS && leastRecent !== undefined) {
      this.#requestsByName.delete(leastRecent);
    }
  }

  requestsOf(endpointName: string): readonly RequestRecord[] {
    return this.#requestsByName.get(endpointName.toLowerCase()) ?? [];
  }
}

/** Notes by how much a byte left later than the schedule had it. */
export function recordLateness(lateness: Lateness, lateMs: number): void {
  const bucket = lateMs <= 0.01 ? 0 : Math.ceil(8 * Math.log2(lateMs / 0.01));
  lateness.countByBucket[bucket] = (lateness.countByBucket[bucket] ?? 0) + 1;
  lateness.maxMs = Math.max(lateness.maxMs, lateMs);
}

/** An account as `/simulator/books` shows it. */
export function viewAccount(account: Account, nowMs: number) {
  const isGone = account.deletedAtMs !== null && account.deletedAtMs <= nowMs;
  return {
    name: account.name,
    subscription: account.subscription,
    resourceGroup: account.resourceGroup,
    workspace: account.workspace,
    region: account.region,
    sku: account.sku,
    instances: account.instances,
    createdAt: new Date(account.createdAtMs).toISOString(),
    deletedAt: isGone ? new Date(account.deletedAtMs ?? 0).toISOString() : null,
    gpuSeconds: gpuSeconds(account.rentals, nowMs),
    requestsAdmitted: account.requestsAdmitted,
    requestsRejected: account.requestsRejected,
    maxInFlight: account.maxInFlight,
    lateness: viewLateness(account.lateness),
  };
}

/** Wall seconds x GPUs of all instances, up to now. */
function gpuSeconds(rentals: readonly Rental[], nowMs: number): number {
  return rentals.reduce((sum, rental) => {
    const endMs = Math.min(rental.toMs ?? nowMs, nowMs);
    return sum + (Math.max(0, endMs - rental.fromMs) / 1000) * rental.gpus;
  }, 0);
}

function viewLateness(lateness: Lateness) {
  const buckets = Object.entries(lateness.countByBucket)
    .map(([bucket, count]) => ({ upToMs: bucketEndMs(Number(bucket)), count }))
    .sort((a, b) => a.upToMs - b.upToMs);
  const count = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const quantile = (share: number) => {
    let seen = 0;
    for (const bucket of buckets) {
      seen += bucket.count;
      if (seen >= share * count) return Math.min(bucket.upToMs, lateness.maxMs);
    }
    return null;
  };
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: count === 0 ? null : lateness.maxMs, count };
}

function bucketEndMs(bucket: number): number {
  return 0.01 * 2 ** (bucket / 8);
}
