/**
 * A comparison as its row holds it: what is compared, which target each lane took at which of its turns, and how it
 * ended. Each target is measured by a run of its own, whose id follows from the comparison's, so that a step that runs
 * twice starts one run. Pure.
 */
import { createHash } from 'node:crypto';
import type { RunFailure } from '../failure.ts';
import { FINAL_STATES, newRunId } from '../run.ts';
import type { Plan } from '../spec/plan.ts';
import type { Comparison, ComparisonPlan } from './comparison.ts';
import type { SpreadHistory } from './pair-test.ts';
import type { RaceHistory } from './race-replay.ts';

export const COMPARISON_STATES = ['queued', 'running', ...FINAL_STATES] as const;

export type ComparisonState = (typeof COMPARISON_STATES)[number];

export interface ComparisonRecord {
  /** The orchestration's instance id too. Newer comparisons sort first. */
  readonly id: string;
  /** Epoch milliseconds, as every `...AtMs` here. */
  readonly createdAtMs: number;
  readonly state: ComparisonState;
  /** Each spec with its part of the limits. */
  readonly comparison: Comparison;
  /** Of each target, in the order of the request. */
  readonly plans: readonly Plan[];
  /** Indexes of the targets in the order in which they are started. */
  readonly order: readonly number[];
  readonly boundMinutes: number;
  readonly boundUsd: number | null;
  readonly warnings: readonly string[];
  /** The truth of a cancel; each run that was started has its own besides. */
  readonly cancelRequestedAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly turns: readonly Turn[];
  /** What the race has come to so far; null before its first round, and where there is none. */
  readonly race: RaceHistory | null;
  readonly failure: RunFailure | null;
  /** Between deployments, as its schedule or earlier comparisons showed it; null or absent where too little is known. */
  readonly spread?: SpreadHistory | null;
}

/** Lanes go side by side, each from target to target. */
export interface Turn {
  readonly lane: number;
  /** From 0, of its lane. */
  readonly turn: number;
  /** Index of the target. */
  readonly target: number;
}

/** A comparison as it is before its first step. */
export function queuedComparison(
  id: string,
  comparison: Comparison,
  plan: ComparisonPlan,
  nowMs: number,
): ComparisonRecord {
  const labels = plan.targets.map(({ label }) => label);
  return {
    id,
    createdAtMs: nowMs,
    state: 'queued',
    comparison: { ...comparison, targets: plan.targets.map(({ label, spec }) => ({ label, spec })) },
    plans: plan.targets.map((target) => target.plan),
    order: plan.order.map((label) => labels.indexOf(label)),
    boundMinutes: plan.boundMinutes,
    boundUsd: plan.boundUsd,
    warnings: plan.warnings,
    cancelRequestedAtMs: null,
    startedAtMs: null,
    endedAtMs: null,
    turns: [],
    race: null,
    failure: null,
  };
}

/** A comparison's id: a run's with another letter, so that the newest sorts first. */
export function newComparisonId(nowMs: number, randomHex: string): string {
  return newRunId(nowMs, randomHex).replace('r', 'c');
}

export const COMPARISON_ID_PATTERN = /^c\d{15}-[0-9a-f]{8}$/;

/** The id of the run that measures a target: the comparison's moment, its own hash, and which target it is. */
export function targetRunId(comparisonId: string, target: number): string {
  const hash = createHash('sha256').update(comparisonId).digest('hex').slice(0, 6);
  return `r${comparisonId.slice(1, 16)}-${hash}${target.toString(16).padStart(2, '0')}`;
}

/** The id of a lane's orchestration. */
export function laneId(comparisonId: string, lane: number): string {
  return `${comparisonId}-lane${lane}`;
}

/** How many lanes go side by side. */
export function laneCount({ maxParallel, targets }: Pick<Comparison, 'maxParallel' | 'targets'>): number {
  return Math.min(maxParallel, targets.length);
}

/** Ids of the runs that were started, by target; null for one that was not. */
export function startedRunIds({
  id,
  comparison,
  turns,
}: Pick<ComparisonRecord, 'id' | 'comparison' | 'turns'>): (string | null)[] {
  return comparison.targets.map((_, target) =>
    turns.some((turn) => turn.target === target) ? targetRunId(id, target) : null,
  );
}

/**
 * The target that a lane takes at a turn, and the turns as they are then. A turn that was taken before is the same
 * again; null where none is left, or none shall be started any more.
 */
export function takeTurn(
  record: Pick<ComparisonRecord, 'order' | 'turns' | 'cancelRequestedAtMs'>,
  lane: number,
  turn: number,
): { readonly target: number; readonly turns: readonly Turn[] } | null {
  const { turns } = record;
  const taken = turns.find((one) => one.lane === lane && one.turn === turn);
  if (taken !== undefined) return { target: taken.target, turns };
  if (record.cancelRequestedAtMs !== null) return null;
  const target = record.order.find((one) => turns.every((other) => other.target !== one));
  return target === undefined ? null : { target, turns: [...turns, { lane, turn, target }] };
}
