/**
 * A run: one benchmark of one deployment. The record is what the `runs` table holds and what `GET /api/runs/{id}`
 * is made of; only the steps of the run's own orchestration move its state.
 */

import type { RunFailure } from './failure.ts';
import type { Route } from './measuring/shard.ts';
import type { WarmUpRound } from './measuring/warm-up.ts';
import type { TriedPlacement } from './renting/placement.ts';
import type { PromptCalibration } from './requests/calibration.ts';
import { type Plan, requestTimeoutSeconds } from './spec/plan.ts';
import type { ServingSettings } from './spec/settings.ts';
import type { BenchmarkSpec } from './spec/spec.ts';

/** How a run ends, and a comparison; nothing happens to it any more then. */
export const FINAL_STATES = ['completed', 'failed', 'canceled'] as const;

export type FinalState = (typeof FINAL_STATES)[number];

/** In the order in which a run that deploys passes through them. */
export const RUN_STATES = [
  'queued',
  'provisioning',
  'warming',
  'measuring',
  'releasing',
  ...FINAL_STATES,
] as const;

export type RunState = (typeof RUN_STATES)[number];

export function isFinal(state: string): state is FinalState {
  return FINAL_STATES.some((final) => final === state);
}

/** Whether a run may move from one state to another: only forward, and never out of a final state. */
export function mayMove(from: RunState, to: RunState): boolean {
  return !isFinal(from) && RUN_STATES.indexOf(to) >= RUN_STATES.indexOf(from);
}

export interface RunRecord {
  /** The orchestration's instance id too. Newer runs sort first: see `newRunId`. */
  readonly id: string;
  /** Epoch milliseconds, as every `...AtMs` here. */
  readonly createdAtMs: number;
  readonly state: RunState;
  readonly spec: BenchmarkSpec;
  readonly plan: Plan;
  /** The truth of a cancel: steps and shards read it. */
  readonly cancelRequestedAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The one that is measured, or the first of several. */
  readonly endpoint: RunEndpoint | null;
  /** All of them in their order, the first among them; absent where there is one at the most. */
  readonly endpoints?: readonly RunEndpoint[];
  /** Index of the settings that the deployment has by now, where several are measured; absent for the first. */
  readonly settings?: number;
  /** Attempts to deploy that came to nothing, in order; absent where the first one worked. */
  readonly tried?: readonly TriedPlacement[];
  /** Why the run is waiting in the queue; null or absent where it is not. */
  readonly queuedBecause?: string | null;
  /** Of the first endpoint. */
  readonly warmUp: WarmUp | null;
  /** Of the endpoints beside the first, in their order; null where one has not begun. Absent where there are none. */
  readonly furtherWarmUps?: readonly (WarmUp | null)[];
  readonly progress: RunProgress;
  readonly billing: Billing;
  readonly failure: RunFailure | null;
  /** Why measuring ended before everything planned was measured; null where it did not. */
  readonly stoppedBy: string | null;
  /** The comparison that it is a target of; absent where it was started by itself. */
  readonly comparisonId?: string;
  /** Set while it measures: it is to measure no further, and to keep what it has. */
  readonly raceOver?: RaceOver;
}

/** What a race says to one of its candidates. */
export interface RaceOver {
  /** `dropped`: it can no longer win. `won`: no other is left. */
  readonly verdict: 'dropped' | 'won';
  /** After which round. */
  readonly round: number;
  readonly sentence: string;
}

export interface RunEndpoint {
  readonly name: string;
  readonly deployment: string | null;
  readonly workspace: string | null;
  readonly scoringUri: string | null;
  /** As read back from ARM, which is what was measured, whatever was asked for. */
  readonly sku: string | null;
  readonly instances: number | null;
  readonly region: string | null;
  /** ARM's own word for what it is doing, while it does it. */
  readonly provisioningState: string | null;
  /** True where the answers came from the simulator. */
  readonly simulated: boolean;
  /** The attempt to deploy that this endpoint is, from 1; absent where nothing was deployed. */
  readonly attempt?: number;
  /** A sentence where ARM tells another SKU or count than was asked for; null or absent where it tells the same. */
  readonly mismatch?: string | null;
  /** How it is asked: with its key, an Entra token or a token of Azure ML's own; absent for a scoring URI of the user's. */
  readonly auth?: EndpointAuth;
  /** As ARM tells them of an endpoint that existed before the run. */
  readonly model?: string | null;
  readonly image?: string | null;
  /** Until when it is kept after the run, at the most; null or absent where it goes with the run. */
  readonly keptUntilMs?: number | null;
}

export type EndpointAuth = 'key' | 'entra' | 'aml-token';

/** What the warm-up found out, for every cell that follows. */
export interface WarmUp {
  readonly route: Route;
  readonly requests: number;
  readonly charactersPerToken: number;
  readonly templateTokens: number;
  /** True where `usage` gave the two figures above, false where they are the usual four characters per token. */
  readonly calibrated: boolean;
  /** The same for the prompts of each workload, found at their own length. */
  readonly calibrations?: readonly PromptCalibration[];
  /** The largest share by which a prompt missed its length, with its sign; null where `usage` did not tell. */
  readonly promptTokensError?: number | null;
  /** Loads that were sent until the times per token stayed the same. */
  readonly rounds?: readonly WarmUpRound[];
  /** Whether they did; absent until the warm-up is over. */
  readonly stable?: boolean;
  /** Why they did not, or were not waited for. */
  readonly unstableReason?: string | null;
  /** What a small request takes while nothing else runs; null where it got no good answer. */
  readonly idleMs?: number | null;
  /** What calibrating and those loads took. */
  readonly seconds?: number;
}

export interface RunProgress {
  readonly cellsDone: number;
  readonly cellsPlanned: number;
  /** The cell being measured, such as `c8-p512-o128 (repeat 2 of 3)`. */
  readonly current: string | null;
  /** When the first cell began; null before. */
  readonly measuringFromMs: number | null;
  readonly etaSeconds: number | null;
}

/** What the deployment costs: from the request that may have allocated a VM to the confirmed delete. */
export interface Billing {
  readonly pricePerHourUsd: number | null;
  readonly priceReason: string | null;
  readonly instances: number;
  readonly fromMs: number | null;
  readonly untilMs: number | null;
  /** The endpoint that these times are of; absent before anything was rented. */
  readonly endpoint?: string;
  /**
   * What else was or is rented: earlier attempts to deploy, since a deployment that failed may be billed too, and the
   * endpoints beside the first, whose times have no end while they stand.
   */
  readonly earlier?: readonly BilledTime[];
}

/** A time that was rented, and is over or is being given back. */
export interface BilledTime {
  readonly endpoint: string;
  readonly pricePerHourUsd: number | null;
  readonly instances: number;
  readonly fromMs: number;
  readonly untilMs: number | null;
}

/** Every endpoint that the run measures, in their order. */
export function endpointsOfRun({
  endpoint,
  endpoints,
}: Pick<RunRecord, 'endpoint' | 'endpoints'>): readonly RunEndpoint[] {
  return endpoints ?? (endpoint === null ? [] : [endpoint]);
}

/** The endpoints of a run as its record keeps them. */
export function withEndpoints(
  endpoints: readonly RunEndpoint[],
): Pick<RunRecord, 'endpoint'> & Partial<Pick<RunRecord, 'endpoints'>> {
  return { endpoint: endpoints[0] ?? null, ...(endpoints.length > 1 && { endpoints }) };
}

/** The same with the fields set in the endpoint of that name; null where nothing changes, or the run has none such. */
export function changeEndpointOf(
  run: Pick<RunRecord, 'endpoint' | 'endpoints'>,
  name: string,
  fields: Partial<RunEndpoint>,
): Partial<RunRecord> | null {
  const endpoints = endpointsOfRun(run);
  const before = endpoints.find((endpoint) => endpoint.name === name);
  if (before === undefined) return null;
  const names = Object.keys(fields) as (keyof RunEndpoint)[];
  if (names.every((field) => before[field] === fields[field])) return null;
  return withEndpoints(
    endpoints.map((endpoint) => (endpoint.name === name ? { ...endpoint, ...fields } : endpoint)),
  );
}

/** The warm-up of the endpoint of that index; null where it has not begun. */
export function warmUpOf(run: Pick<RunRecord, 'warmUp' | 'furtherWarmUps'>, endpoint: number): WarmUp | null {
  return endpoint === 0 ? run.warmUp : (run.furtherWarmUps?.[endpoint - 1] ?? null);
}

/** The record's fields once the warm-up of that endpoint is this. */
export function withWarmUp(
  { furtherWarmUps = [] }: Pick<RunRecord, 'furtherWarmUps'>,
  endpoint: number,
  warmUp: WarmUp,
): Partial<RunRecord> {
  if (endpoint === 0) return { warmUp };
  const length = Math.max(furtherWarmUps.length, endpoint);
  return {
    furtherWarmUps: Array.from({ length }, (_, index) =>
      index === endpoint - 1 ? warmUp : (furtherWarmUps[index] ?? null),
    ),
  };
}

/** The settings of that index as the plan has them; those of the deployment as it is where nothing is said. */
export function settingsOfRun(run: RunRecord, index: number | undefined = run.settings): ServingSettings {
  const { settings, maxConcurrentRequestsPerInstance } = run.plan;
  return (
    settings?.[index ?? 0] ?? {
      maxConcurrentRequestsPerInstance,
      requestTimeoutSeconds: requestTimeoutSeconds(run.spec),
    }
  );
}

/** A run as it is before its first step. */
export function queuedRun(
  id: string,
  { spec, plan }: Pick<RunRecord, 'spec' | 'plan'>,
  nowMs: number,
): RunRecord {
  return {
    id,
    createdAtMs: nowMs,
    state: 'queued',
    spec,
    plan,
    cancelRequestedAtMs: null,
    startedAtMs: null,
    endedAtMs: null,
    endpoint: null,
    warmUp: null,
    progress: {
      cellsDone: 0,
      cellsPlanned: plan.cellsPlanned,
      current: null,
      measuringFromMs: null,
      etaSeconds: null,
    },
    billing: {
      pricePerHourUsd: plan.price.price?.perHourUsd ?? null,
      priceReason: plan.price.reason,
      instances: spec.target.instances ?? 1,
      fromMs: null,
      untilMs: null,
    },
    failure: null,
    stoppedBy: null,
  };
}

/** Dollars accrued so far; null where a price is unknown, 0 before anything was rented. */
export function accruedUsd(billing: Billing, nowMs: number): number | null {
  let usd = 0;
  for (const { fromMs, untilMs, pricePerHourUsd, instances } of [...(billing.earlier ?? []), billing]) {
    if (pricePerHourUsd === null) return null;
    if (fromMs === null) continue;
    usd += (Math.max(0, (untilMs ?? nowMs) - fromMs) / 3_600_000) * pricePerHourUsd * instances;
  }
  return usd;
}

/** What an endpoint rents for. */
export interface Rented {
  readonly endpoint: string;
  readonly pricePerHourUsd: number | null;
  readonly instances: number;
}

/** The billing from the moment at which several endpoints of one attempt may have their VMs. */
export function startBillingOfAll(billing: Billing, rented: readonly Rented[], nowMs: number): Billing {
  return rented.reduce(
    (sum, one, index) => (index === 0 ? startBilling(sum, one, nowMs) : billBeside(sum, one, nowMs)),
    billing,
  );
}

function billBeside(billing: Billing, rented: Rented, nowMs: number): Billing {
  const earlier = billing.earlier ?? [];
  if (earlier.some(({ endpoint }) => endpoint === rented.endpoint)) return billing;
  return { ...billing, earlier: [...earlier, { ...rented, fromMs: nowMs, untilMs: null }] };
}

/** The billing once more is known of what an endpoint rents for; null where it was never billed. */
export function changeBilled(
  billing: Billing,
  endpoint: string,
  fields: Partial<Pick<Rented, 'pricePerHourUsd' | 'instances'>>,
): Billing | null {
  if (billing.endpoint === endpoint) return { ...billing, ...fields };
  const { earlier = [] } = billing;
  if (!earlier.some((one) => one.endpoint === endpoint)) return null;
  return {
    ...billing,
    earlier: earlier.map((one) => (one.endpoint === endpoint ? { ...one, ...fields } : one)),
  };
}

/** The billing from the moment at which an endpoint may have a VM; the same again for the same endpoint. */
export function startBilling(billing: Billing, rented: Rented, nowMs: number): Billing {
  if (billing.endpoint === rented.endpoint) return billing;
  const { endpoint, fromMs, untilMs, pricePerHourUsd, instances } = billing;
  const before: readonly BilledTime[] =
    endpoint === undefined || fromMs === null
      ? []
      : [{ endpoint, pricePerHourUsd, instances, fromMs, untilMs }];
  return {
    ...billing,
    ...rented,
    fromMs: nowMs,
    untilMs: null,
    earlier: [...(billing.earlier ?? []), ...before],
  };
}

/** The billing once an endpoint is gone; null where it was never billed, or its time has an end already. */
export function endBilling(billing: Billing, endpoint: string, nowMs: number): Billing | null {
  const isCurrent = (billing.endpoint ?? endpoint) === endpoint;
  if (isCurrent)
    return billing.fromMs === null || billing.untilMs !== null ? null : { ...billing, untilMs: nowMs };
  const earlier = billing.earlier ?? [];
  if (!earlier.some((one) => one.endpoint === endpoint && one.untilMs === null)) return null;
  return {
    ...billing,
    earlier: earlier.map((one) =>
      one.endpoint === endpoint && one.untilMs === null ? { ...one, untilMs: nowMs } : one,
    ),
  };
}

/** The last moment a run id can say, 9999-12-31: ids count down from it, so that the newest run sorts first. */
const LAST_MS = 253_402_300_799_999;

/** A run id: milliseconds left until the year 10000 in 15 digits, so that newer sorts first, and a random tail. */
export function newRunId(nowMs: number, randomHex: string): string {
  if (!/^[0-9a-f]{8}$/.test(randomHex)) throw new Error('A run id needs eight random hex digits.');
  return `r${String(LAST_MS - nowMs).padStart(15, '0')}-${randomHex}`;
}

export const RUN_ID_PATTERN = /^r\d{15}-[0-9a-f]{8}$/;
