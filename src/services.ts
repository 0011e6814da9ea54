/**
 * What activities and handlers may ask of the world, as types. `main.ts` gives them the real parts; a test may give
 * them others. Nothing here imports an SDK.
 */
import type { Lease } from './core/lease.ts';
import type { PriceQuote } from './core/price.ts';
import type { CellRecord, Report } from './core/report.ts';
import type { RunRecord, RunState } from './core/run.ts';
import type { ShardSummary } from './core/shard.ts';
import type { ConnectionBudget } from './load/connection-budget.ts';
import type { LoadEngine } from './load/engine.ts';

export interface Services {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly settings: ServiceSettings;
  readonly stores: Stores;
  readonly controlPlane: ControlPlane;
  readonly prices: PriceBook;
  readonly loadEngine: LoadEngine;
  readonly connections: ConnectionBudget;
  readonly scoringAddresses: ScoringAddresses;
}

/** The settings that steps and handlers need; read from the environment in `config.ts` only. */
export interface ServiceSettings {
  /** This installation's name on everything it creates. */
  readonly owner: string;
  readonly workspaces: readonly string[];
  /** How often a step asks ARM whether something is ready. */
  readonly pollSeconds: number;
  /** Factors that the simulator runs under, for rows and banner; null against Azure. */
  readonly simulatorGpuSpeed: number | null;
  readonly region: string | null;
  readonly appVersion: string;
}

export interface Stores {
  readonly runs: RunStore;
  readonly cells: CellStore;
  readonly shards: ShardStore;
  readonly reports: ReportStore;
  readonly leases: LeaseStore;
  readonly keys: IdempotencyStore;
}

export interface RunStore {
  /** Writes the record unless the id exists; who inserted is who starts the orchestration. */
  insert(run: RunRecord): Promise<'inserted' | 'exists'>;
  read(id: string): Promise<RunRecord | null>;
  /**
   * Read, change, write back under the etag, tried again when another writer was faster (bounded). The change gets
   * the newest record and gives the fields to set, or null to leave it. Gives the record as it is afterwards.
   * Throws where the run does not exist.
   */
  change(id: string, change: (run: RunRecord) => Partial<RunRecord> | null): Promise<RunRecord>;
  /** Newest first. */
  list(
    filter: RunFilter,
  ): Promise<{ readonly runs: readonly RunRecord[]; readonly continuation: string | null }>;
}

export interface RunFilter {
  readonly state?: RunState;
  readonly model?: string;
  readonly sku?: string;
  /** 1 to 200. */
  readonly limit: number;
  readonly continuation?: string;
}

/** A continuation token that was not made by `RunStore.list`. */
export class InvalidContinuation extends Error {
  constructor() {
    super('is not a continuation token of this list; leave it out to begin at the newest run');
    this.name = 'InvalidContinuation';
  }
}

export interface CellStore {
  save(cell: CellRecord): Promise<void>;
  /** All cells of a run in the order of workload, level, repeat. At most 1,000 (the spec's bound). */
  list(runId: string): Promise<readonly CellRecord[]>;
}

/** The rendezvous of a repeat's shards, and what each of them measured. */
export interface ShardStore {
  save(row: ShardRow): Promise<void>;
  /** All shards of one attempt at one repeat of a cell. */
  list(key: ShardGroup): Promise<readonly ShardRow[]>;
}

export interface ShardGroup {
  readonly runId: string;
  /** `w003-c0016-r01`, see core/cell.ts. */
  readonly cellKey: string;
  readonly attempt: number;
}

export interface ShardRow extends ShardGroup {
  readonly shard: number;
  readonly shards: number;
  readonly arrivedAtMs: number;
  /** When this shard had what it needs; null until then. */
  readonly satisfiedAtMs: number | null;
  readonly status: 'arrived' | 'measured' | 'late' | 'canceled';
  readonly summary: ShardSummary | null;
}

export interface ReportStore {
  save(report: Report): Promise<void>;
  read(runId: string): Promise<Report | null>;
}

export interface LeaseStore {
  /** Writes the lease unless one of that endpoint name exists (a step that runs twice). */
  open(lease: Lease): Promise<'opened' | 'exists'>;
  read(endpoint: string): Promise<Lease | null>;
  /** Like RunStore.change. */
  change(endpoint: string, change: (lease: Lease) => Partial<Lease> | null): Promise<Lease>;
  /** Every lease that is not closed. */
  listOpen(): Promise<readonly Lease[]>;
}

export interface IdempotencyStore {
  /** Insert-only: gives what stands there now, whoever wrote it. */
  claim(keyHash: string, claim: IdempotencyClaim): Promise<IdempotencyClaim>;
}

export interface IdempotencyClaim {
  readonly runId: string;
  readonly bodyHash: string;
}

/**
 * Azure ML's control plane, as far as we use it. `workspace` is the name under which the settings know one. Every
 * call is bounded in time; "not found" is null, every other refusal is a ControlPlaneError.
 */
export interface ControlPlane {
  /** The workspace's region, such as `eastus2`. */
  readRegion(workspace: string): Promise<string>;
  /** Starts creating the endpoint, or finds it there. Does not wait. */
  startEndpoint(order: EndpointOrder): Promise<void>;
  /** Starts creating the deployment, or finds it there. Does not wait. */
  startDeployment(order: DeploymentOrder): Promise<void>;
  /** Starts sending all traffic to the deployment. Does not wait. */
  startTraffic(workspace: string, endpoint: string, deployment: string): Promise<void>;
  readEndpoint(workspace: string, endpoint: string): Promise<EndpointState | null>;
  readDeployment(workspace: string, endpoint: string, deployment: string): Promise<DeploymentState | null>;
  /** The last lines of the container's log, for a failure's message; null where there are none. */
  readDeploymentLog(workspace: string, endpoint: string, deployment: string): Promise<string | null>;
  /** Starts deleting the endpoint with all its deployments. `gone` where it does not exist any more. */
  startDelete(workspace: string, endpoint: string): Promise<'gone' | 'deleting'>;
  listEndpoints(workspace: string): Promise<readonly EndpointState[]>;
  /** The value of the `authorization` header for the endpoint, fetched anew at each call and never kept. */
  readAuthorization(workspace: string, endpoint: string, auth: 'key' | 'entra'): Promise<string>;
}

export interface EndpointOrder {
  readonly workspace: string;
  readonly name: string;
  readonly auth: 'key' | 'entra';
  readonly tags: Readonly<Record<string, string>>;
}

export interface DeploymentOrder {
  readonly workspace: string;
  readonly endpoint: string;
  readonly name: string;
  readonly model: { readonly registry: string; readonly name: string; readonly version: string };
  readonly sku: string;
  readonly instances: number;
  readonly maxConcurrentRequestsPerInstance: number;
  readonly requestTimeoutSeconds: number;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

export interface EndpointState {
  readonly name: string;
  /** ARM's word: Creating, Updating, Deleting, Succeeded, Failed, Canceled. */
  readonly provisioningState: string;
  readonly scoringUri: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly traffic: Readonly<Record<string, number>>;
  readonly createdAtMs: number | null;
  /** True where the answer came from the simulator. */
  readonly simulated: boolean;
}

export interface DeploymentState {
  readonly name: string;
  readonly provisioningState: string;
  readonly sku: string | null;
  readonly instances: number | null;
}

/** A refusal of the control plane, as a sentence with what was tried. */
export class ControlPlaneError extends Error {
  readonly code: string;
  /** HTTP status, or null where no answer came. */
  readonly status: number | null;
  /** Whether the same call may succeed later: throttled, busy, in progress, unreachable. */
  readonly retryable: boolean;

  constructor(
    message: string,
    options: { code: string; status: number | null; retryable: boolean; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.name = 'ControlPlaneError';
    this.code = options.code;
    this.status = options.status;
    this.retryable = options.retryable;
  }
}

export interface PriceBook {
  /** The Linux pay-as-you-go price of a SKU in a region; never throws for a price that cannot be had. */
  quote(sku: string, region: string): Promise<PriceQuote>;
}

/** Which addresses of the user's own a run may call (`target.kind: "existing"`). */
export interface ScoringAddresses {
  /** The sentence that refuses the address, or null where it may be called. */
  refuse(scoringUri: string): string | null;
  /** The `authorization` header for a target of the user's own; null sends none. Throws a sentence where a setting is missing. */
  authorization(
    auth:
      | { readonly kind: 'setting'; readonly name: string }
      | { readonly kind: 'entra' }
      | { readonly kind: 'none' },
  ): Promise<string | null>;
}

/** The durable engine, as far as handlers and the reaper steer it. Bound anew to each invocation. */
export interface Orchestrations {
  /** Starts the run's orchestration under the run's id; does nothing where it is running. */
  start(runId: string): Promise<void>;
  /** Whether the run's orchestration is pending, running or suspended. */
  isRunning(runId: string): Promise<boolean>;
  /** Whether the engine has an instance of that id, in whatever state. */
  isKnown(runId: string): Promise<boolean>;
}
