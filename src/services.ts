/**
 * What activities and handlers may ask of the world, as types. `main.ts` gives them the real parts; a test may give
 * them others. Nothing here imports an SDK.
 */

import type { ComparisonRecord } from './core/comparison/comparison-record.ts';
import type { ComparisonReport } from './core/comparison/comparison-report.ts';
import type { GpuMinute } from './core/measuring/gpu-use.ts';
import type { ShardSummary } from './core/measuring/shard.ts';
import type { CatalogEntry, CatalogModel } from './core/renting/catalog.ts';
import type { Lease } from './core/renting/lease.ts';
import type { Ceilings, Ledger } from './core/renting/ledger.ts';
import type { PriceQuote } from './core/renting/price.ts';
import type { QuotaAnswer } from './core/renting/quota.ts';
import type { CellRecord, Report } from './core/report/report.ts';
import type { RequestLine, RequestSet, RequestSetDescription } from './core/requests/request-set.ts';
import type { EndpointAuth, RunRecord, RunState } from './core/run.ts';
import type { WebhookOrder } from './core/schedule/schedule.ts';
import type { HistoryEntry, ScheduleRecord } from './core/schedule/schedule-record.ts';
import type { ConnectionBudget } from './load/connection-budget.ts';
import type { LoadEngine } from './load/engine.ts';

export interface Services {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly settings: ServiceSettings;
  readonly stores: Stores;
  readonly ledger: LedgerStore;
  readonly controlPlane: ControlPlane;
  readonly prices: PriceBook;
  readonly quota: QuotaBook;
  readonly catalog: Catalog;
  readonly gpuMetrics: GpuMetrics;
  readonly loadEngine: LoadEngine;
  readonly connections: ConnectionBudget;
  readonly scoringAddresses: ScoringAddresses;
  readonly webhooks: Webhooks;
}

/** What the watchdog has: nothing but ARM. Every `Services` is one too. */
export interface WatchdogServices {
  readonly now: () => number;
  readonly settings: Pick<ServiceSettings, 'owner' | 'workspaces'>;
  readonly controlPlane: Pick<ControlPlane, 'listEndpoints' | 'readEndpoint' | 'startDelete'>;
}

/** The settings that steps and handlers need; read from the environment in `config.ts` only. */
export interface ServiceSettings {
  /** This installation's name on everything it creates. */
  readonly owner: string;
  readonly workspaces: readonly string[];
  /** The subscription of a workspace of the settings, for what is counted per subscription. */
  readonly subscriptionOf: (workspace: string) => string;
  /** Its ARM id in small letters, since a name of the settings may come to mean another; null where they know no such name. */
  readonly workspaceIdOf: (workspace: string) => string | null;
  /** What the app may rent in all, whatever a spec asks for. */
  readonly ceilings: Ceilings;
  /** How often a step asks ARM whether something is ready. */
  readonly pollSeconds: number;
  /** Factors that the simulator runs under, for rows and banner; null against Azure. */
  readonly simulatorGpuSpeed: number | null;
  readonly region: string | null;
  /** Whether activities may run on several machines, as on Azure. */
  readonly scalesOut: boolean;
  /** The schedule `default`, as the settings define it; null where they define none. */
  readonly defaultSchedule: {
    readonly schedule: string;
    readonly spec: Readonly<Record<string, unknown>>;
  } | null;
  readonly appVersion: string;
}

export interface Stores {
  readonly runs: RunStore;
  readonly cells: CellStore;
  readonly shards: ShardStore;
  readonly reports: ReportStore;
  readonly leases: LeaseStore;
  readonly keys: IdempotencyStore;
  readonly requestSets: RequestSetStore;
  readonly samples: SampleStore;
  readonly beats: BeatStore;
  /** Why a fresh run or comparison is too long to be kept, as what it "must" be; null where it is not. Asks nobody. */
  readonly tooLong: (record: object) => string | null;
  readonly comparisons: ComparisonStore;
  readonly comparisonReports: ComparisonReportStore;
  readonly schedules: ScheduleStore;
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

/** The last word of each timer, for whoever asks whether it is alive. */
export interface BeatStore {
  save(beat: Beat): Promise<void>;
  list(): Promise<readonly Beat[]>;
}

export interface Beat {
  /** The timer's name. */
  readonly timer: string;
  readonly atMs: number;
  /** Of the beat before, which tells how often it comes; null at its first. */
  readonly previousAtMs: number | null;
  /** What it could not do in that pass. */
  readonly troubles: number;
}

/** The rendezvous of a repeat's shards, and what each of them measured. */
export interface ShardStore {
  /** Saves it in place of what was there, but for a row that says `measured`: that is final. Gives the row as it then is. */
  save(row: ShardRow): Promise<ShardRow>;
  /** Changes the row of a shard that has arrived, with the same exception. Throws where there is none. */
  change(key: ShardKey, change: (row: ShardRow) => Partial<ShardRow>): Promise<ShardRow>;
  /** All shards of one attempt at one repeat of a cell. */
  list(key: ShardGroup): Promise<readonly ShardRow[]>;
}

export interface ShardGroup {
  readonly runId: string;
  /** `w003-c0016-r01`, see core/measuring/cell.ts. */
  readonly cellKey: string;
  readonly attempt: number;
}

export interface ShardKey extends ShardGroup {
  readonly shard: number;
}

export interface ShardRow extends ShardKey {
  readonly shards: number;
  readonly arrivedAtMs: number;
  /** When this shard had what it needs; null until then. */
  readonly satisfiedAtMs: number | null;
  readonly status: 'arrived' | 'measured' | 'late' | 'canceled';
  readonly summary: ShardSummary | null;
}

/** Samples that a spec asks to keep, as lines of JSON. */
export interface SampleStore {
  /** Stores a shard's lines in place of what an earlier try had stored of it. */
  save(group: ShardGroup, shard: number, lines: readonly string[]): Promise<void>;
  /** The lines of a repeat in the order of its so many shards, until `mostBytes` of them are read. */
  read(group: ShardGroup, shards: number, mostBytes: number): Promise<readonly string[]>;
}

export interface ReportStore {
  save(report: Report): Promise<void>;
  read(runId: string): Promise<Report | null>;
}

export interface ComparisonStore {
  /** Like RunStore.insert. */
  insert(comparison: ComparisonRecord): Promise<'inserted' | 'exists'>;
  read(id: string): Promise<ComparisonRecord | null>;
  /** Like RunStore.change. */
  change(
    id: string,
    change: (comparison: ComparisonRecord) => Partial<ComparisonRecord> | null,
  ): Promise<ComparisonRecord>;
  /** Newest first. */
  list(filter: ComparisonFilter): Promise<{
    readonly comparisons: readonly ComparisonRecord[];
    readonly continuation: string | null;
  }>;
}

export interface ComparisonFilter {
  readonly state?: ComparisonRecord['state'];
  /** 1 to 200. */
  readonly limit: number;
  readonly continuation?: string;
}

export interface ComparisonReportStore {
  save(id: string, report: ComparisonReport): Promise<void>;
  read(id: string): Promise<ComparisonReport | null>;
}

export interface ScheduleStore {
  read(name: string): Promise<ScheduleRecord | null>;
  /** Writes what `make` gives for the record that is there, or for null; again where another writer was faster. */
  put(name: string, make: (existing: ScheduleRecord | null) => ScheduleRecord): Promise<ScheduleRecord>;
  /** Like RunStore.change. */
  change(
    name: string,
    change: (schedule: ScheduleRecord) => Partial<ScheduleRecord> | null,
  ): Promise<ScheduleRecord>;
  /** All of them by name. */
  list(): Promise<readonly ScheduleRecord[]>;
  /** Deletes the schedule and its history; whether there was one. */
  remove(name: string): Promise<boolean>;
  saveHistory(entry: HistoryEntry): Promise<void>;
  /** Newest first. */
  listHistory(name: string): Promise<readonly HistoryEntry[]>;
  removeHistory(entry: HistoryEntry): Promise<void>;
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

/** The user's own requests, by name. A set is there whole or not at all. */
export interface RequestSetStore {
  /** Stores the set under the name, in place of what was there. */
  save(name: string, set: RequestSet): Promise<StoredRequestSet>;
  /** What is known of the set; null where there is none of that name. */
  describe(name: string): Promise<StoredRequestSet | null>;
  /** The set's lines in their order; null where there is none of that name. */
  read(
    name: string,
  ): Promise<{ readonly stored: StoredRequestSet; readonly lines: readonly RequestLine[] } | null>;
  /** All sets by name. */
  list(): Promise<readonly StoredRequestSet[]>;
  /** Whether there was one to delete. */
  remove(name: string): Promise<boolean>;
}

export interface StoredRequestSet extends RequestSetDescription {
  readonly name: string;
  readonly storedAtMs: number;
}

/** One set more than an installation may have. */
export class TooManyRequestSets extends Error {
  constructor(most: number) {
    super(`There are ${most} request sets already, as many as may be kept; delete one that is not needed.`);
    this.name = 'TooManyRequestSets';
  }
}

/** Who may rent now and who waits, as one row; see core/renting/ledger.ts. */
export interface LedgerStore {
  read(): Promise<Ledger>;
  /** Like RunStore.change; the row is made at its first use. */
  change(change: (ledger: Ledger) => Partial<Ledger> | null): Promise<Ledger>;
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
  /** Starts creating the endpoint, or finds it there. Does not wait. Gives the operation's id, null where none is told. */
  startEndpoint(order: EndpointOrder): Promise<string | null>;
  /** Starts creating the deployment, or finds it there. Does not wait. Gives the operation's id as well. */
  startDeployment(order: DeploymentOrder): Promise<string | null>;
  /** Starts sending the deployment, which is there, with other settings. Does not wait. Gives the operation's id as well. */
  updateDeployment(order: DeploymentOrder): Promise<string | null>;
  /** Starts sending all traffic to the deployment. Does not wait. Gives the operation's id as well. */
  startTraffic(workspace: string, endpoint: string, deployment: string): Promise<string | null>;
  /** Why an operation failed, in ARM's words; null where it has not, or where ARM has forgotten it. */
  readOperationFailure(workspace: string, operation: string): Promise<OperationFailure | null>;
  readEndpoint(workspace: string, endpoint: string): Promise<EndpointState | null>;
  readDeployment(workspace: string, endpoint: string, deployment: string): Promise<DeploymentState | null>;
  /** The names of an endpoint's deployments; none where the endpoint does not exist. */
  listDeployments(workspace: string, endpoint: string): Promise<readonly string[]>;
  /** The last lines of the container's log, for a failure's message; null where there are none. */
  readDeploymentLog(workspace: string, endpoint: string, deployment: string): Promise<string | null>;
  /** Starts deleting the endpoint with all its deployments. `gone` where it does not exist any more. */
  startDelete(workspace: string, endpoint: string): Promise<'gone' | 'deleting'>;
  listEndpoints(workspace: string): Promise<readonly EndpointState[]>;
  /** The value of the `authorization` header for the endpoint, fetched anew at each call and never kept. */
  readAuthorization(workspace: string, endpoint: string, auth: EndpointAuth): Promise<string>;
}

/** What an operation of ARM's says of its failure. */
export interface OperationFailure {
  readonly code: string;
  readonly message: string;
}

export interface EndpointOrder {
  readonly workspace: string;
  readonly name: string;
  readonly auth: 'key' | 'entra';
  readonly publicNetworkAccess: 'enabled' | 'disabled';
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
  /** How it is asked; null where ARM names a way that is not known here. */
  readonly auth: EndpointAuth | null;
  readonly publicNetworkAccess: 'enabled' | 'disabled';
  /** The id of the operation that worked on it last; null where ARM does not tell. */
  readonly operation: string | null;
  /** True where the answer came from the simulator. */
  readonly simulated: boolean;
}

export interface DeploymentState {
  readonly name: string;
  readonly provisioningState: string;
  readonly sku: string | null;
  readonly instances: number | null;
  /** `azureml://registries/...`, or the ARM id of a model of the workspace. */
  readonly model: string | null;
  /** The ARM id of the environment; null for catalog models, which bring their own. */
  readonly image: string | null;
  readonly maxConcurrentRequestsPerInstance: number | null;
  readonly requestTimeoutSeconds: number | null;
  /** The id of the operation that worked on it last; null where ARM does not tell. */
  readonly operation: string | null;
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

export interface QuotaBook {
  /** The usages of a workspace's subscription in a region; never throws for what cannot be had. A minute old at the most. */
  read(workspace: string, region: string): Promise<QuotaAnswer>;
}

/** What Azure Monitor tells of a deployment's GPUs. */
export interface GpuMetrics {
  /**
   * One minute after the other, from the one that holds `fromMs` to the one that holds `toMs`, those that are known by
   * now. Never throws and ends within 10 s; the reason says why there is nothing.
   */
  readUtilisation(
    of: { readonly workspace: string; readonly endpoint: string; readonly deployment: string },
    span: { readonly fromMs: number; readonly toMs: number },
  ): Promise<{ readonly minutes: readonly GpuMinute[]; readonly reason: string | null }>;
}

/** What was read a while ago. */
export interface Aged<Value> {
  readonly value: Value;
  /** Epoch milliseconds. */
  readonly readAtMs: number;
}

/** The model catalog: any registry, public or your own. Every refusal is a CatalogError. */
export interface Catalog {
  /** The models of a registry whose names contain the words (any capitals), by name; an hour old at the most. */
  search(registry: string, words: string): Promise<Aged<CatalogList>>;
  /** One version of a model, or its newest for `latest`; an hour old at the most. */
  readModel(registry: string, name: string, version: string): Promise<Aged<CatalogModel>>;
}

export interface CatalogList {
  readonly entries: readonly CatalogEntry[];
  /** False where the registry has more models than are read, so that some may be missing. */
  readonly complete: boolean;
}

/** Why the catalog gave no answer, as a sentence with what to do. */
export class CatalogError extends Error {
  /** `not-found`: registry, model or version does not exist, or is not shown to this identity. */
  readonly code: 'not-found' | 'refused' | 'unreachable';

  constructor(code: CatalogError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CatalogError';
    this.code = code;
  }
}

/** Whether an address of the user's own may be called. */
export interface AddressGate {
  /** The sentence that refuses the address as it is spelled, or null. */
  refuse(address: string): string | null;
  /** Resolves the host and checks everything it resolves to; gives the address to connect to. Never throws. */
  resolve(address: string): Promise<ResolvedAddress>;
}

/** Which addresses of the user's own a run may call (`target.kind: "existing"`). */
export interface ScoringAddresses extends AddressGate {
  /** The sentence that refuses to send such a credential there, or null. */
  refuseAuth(auth: ScoringAuth, scoringUri: string): string | null;
  /**
   * The `authorization` header for a target of the user's own; null sends none. Throws a sentence where there is none
   * to send. Where it goes matters for an Entra token alone, whose audience follows from the host.
   */
  authorization(auth: ScoringAuth, scoringUri?: string): Promise<string | null>;
}

/** Sends what a schedule's webhook is told. */
export interface Webhooks extends AddressGate {
  /** The sentence that says why the named setting cannot sign, or null. */
  refuseSecret(secretSetting: string): string | null;
  /** One attempt to post the JSON text, signed. Never throws, follows no redirect, and ends in bounded time. */
  post(webhook: WebhookOrder, message: WebhookMessage): Promise<WebhookOutcome>;
}

export interface WebhookMessage {
  readonly id: string;
  readonly event: string;
  readonly body: string;
}

export interface WebhookOutcome {
  /** Why it was not taken; null where it was. Holds neither the address nor the secret. */
  readonly error: string | null;
  /** Another attempt would fail the same way. */
  readonly hopeless: boolean;
}

export type ScoringAuth =
  | { readonly kind: 'setting'; readonly name: string }
  | { readonly kind: 'entra' }
  | { readonly kind: 'none' };

export type ResolvedAddress =
  | { readonly kind: 'resolved'; readonly address: string }
  /** `unresolved` may be the moment's, or an endpoint that is gone; `refused` is for good. */
  | { readonly kind: 'unresolved' | 'refused'; readonly reason: string };

/** The durable engine, as far as handlers and the reaper steer it. Bound anew to each invocation. */
export interface Orchestrations {
  /** Starts the run's orchestration under the run's id; does nothing where it is running. */
  start(runId: string): Promise<void>;
  /** The same for a comparison. */
  startComparison(comparisonId: string): Promise<void>;
  /** Whether the run's orchestration is pending, running or suspended. */
  isRunning(runId: string): Promise<boolean>;
  /** Whether the engine has an instance of that id, in whatever state. */
  isKnown(runId: string): Promise<boolean>;
}
