/**
 * A run: one benchmark of one deployment. The record is what the `runs` table holds and what `GET /api/runs/{id}`
 * is made of; only the steps of the run's own orchestration move its state.
 */
import type { RunFailure } from './failure.ts';
import type { Plan } from './plan.ts';
import type { Route } from './shard.ts';
import type { BenchmarkSpec } from './spec.ts';

/** In the order in which a run that deploys passes through them; the last three are final. */
export const RUN_STATES = [
  'queued',
  'provisioning',
  'warming',
  'measuring',
  'releasing',
  'completed',
  'failed',
  'canceled',
] as const;

export type RunState = (typeof RUN_STATES)[number];

export function isFinal(state: RunState): boolean {
  return state === 'completed' || state === 'failed' || state === 'canceled';
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
  readonly endpoint: RunEndpoint | null;
  readonly warmUp: WarmUp | null;
  readonly progress: RunProgress;
  readonly billing: Billing;
  readonly failure: RunFailure | null;
  /** Why measuring ended before everything planned was measured; null where it did not. */
  readonly stoppedBy: string | null;
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
}

/** What the warm-up found out, for every cell that follows. */
export interface WarmUp {
  readonly route: Route;
  readonly requests: number;
  readonly charactersPerToken: number;
  readonly templateTokens: number;
  /** True where `usage` gave the two figures above, false where they are the usual four characters per token. */
  readonly calibrated: boolean;
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
}

/** Dollars accrued so far; null where the price is unknown, 0 before anything was rented. */
export function accruedUsd(billing: Billing, nowMs: number): number | null {
  if (billing.fromMs === null) return billing.pricePerHourUsd === null ? null : 0;
  if (billing.pricePerHourUsd === null) return null;
  const hours = Math.max(0, (billing.untilMs ?? nowMs) - billing.fromMs) / 3_600_000;
  return hours * billing.pricePerHourUsd * billing.instances;
}

/** The last moment a run id can say, 9999-12-31: ids count down from it, so that the newest run sorts first. */
const LAST_MS = 253_402_300_799_999;

/** A run id: milliseconds left until the year 10000 in 15 digits, so that newer sorts first, and a random tail. */
export function newRunId(nowMs: number, randomHex: string): string {
  if (!/^[0-9a-f]{8}$/.test(randomHex)) throw new Error('A run id needs eight random hex digits.');
  return `r${String(LAST_MS - nowMs).padStart(15, '0')}-${randomHex}`;
}

export const RUN_ID_PATTERN = /^r\d{15}-[0-9a-f]{8}$/;
