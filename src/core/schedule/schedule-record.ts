/** What the `schedules` table holds of a schedule: its row and its history. Pure. */

import type { DeploymentRates, SpreadHistory } from '../comparison/pair-test.ts';
import type { RunFailure } from '../failure.ts';
import type { FinalState, RunState } from '../run.ts';
import type { Notice } from './notice.ts';
import type { RegressionVerdict } from './regression.ts';
import { countsFromMs, type Schedule, type ScheduledWork } from './schedule.ts';

export interface ScheduleRecord extends Schedule {
  /** `settings`: from COMPARISON_SCHEDULE and COMPARISON_SPEC, and not changed by a call since. */
  readonly origin: 'api' | 'settings';
  /** Epoch milliseconds, as every `...AtMs` and `...DueMs` here. */
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Everything due until then has been dealt with. */
  readonly lastDueMs: number;
  readonly running: RunningWork | null;
  readonly spent: Spending;
  /** How much deployments of its targets differ, from the history; null while nothing shows it. */
  readonly spread: SpreadHistory | null;
  /** Newest last. */
  readonly notices: readonly Notice[];
}

export interface RunningWork {
  readonly kind: ScheduledWork['kind'];
  readonly id: string;
  readonly dueMs: number;
  readonly boundUsd: number | null;
}

export interface Spending {
  /** Such as `2026-11`, in UTC. */
  readonly month: string;
  readonly usd: number;
}

/** One due time, and what came of it. */
export interface HistoryEntry {
  readonly schedule: string;
  readonly dueMs: number;
  readonly atMs: number;
  readonly outcome: 'started' | 'skipped' | 'too-dear' | 'not-started';
  readonly sentence: string;
  readonly work: Pick<RunningWork, 'kind' | 'id'> | null;
  /** Null until the work is over, and where none was started. */
  readonly result: WorkResult | null;
}

export interface WorkResult {
  readonly state: FinalState;
  readonly endedAtMs: number;
  readonly failure: RunFailure | null;
  /** Dollars; null where a price is unknown. */
  readonly usd: number | null;
  readonly targets: readonly TargetResult[];
}

export interface TargetResult {
  readonly label: string;
  readonly runId: string | null;
  readonly state: RunState | null;
  readonly failure: RunFailure | null;
  /** It completed, and was no regression: others may be held against it. */
  readonly good: boolean;
  /** Stands for what was measured and how; only results of the same one are held against each other. */
  readonly sameAs: string;
  readonly deployments: readonly DeploymentRates[];
  /** Null where the target measured nothing that could be held against anything. */
  readonly check: RegressionVerdict | null;
  /** Why earlier results were left out of it. */
  readonly leftOut: readonly string[];
}

/**
 * The record after a call or the settings have put the schedule. Due times count on where the times are the same, and
 * from now on otherwise: what was due by other times is not made up for.
 */
export function putSchedule(
  existing: ScheduleRecord | null,
  schedule: Schedule,
  origin: ScheduleRecord['origin'],
  nowMs: number,
): ScheduleRecord {
  const fromMs = countsFromMs(nowMs);
  const goesOn =
    existing?.enabled === true &&
    existing.schedule === schedule.schedule &&
    existing.timeZone === schedule.timeZone;
  return {
    ...schedule,
    origin,
    createdAtMs: existing?.createdAtMs ?? nowMs,
    changedAtMs: nowMs,
    lastDueMs:
      existing === null ? fromMs : goesOn ? existing.lastDueMs : Math.max(existing.lastDueMs, fromMs),
    running: existing?.running ?? null,
    spent: existing?.spent ?? { month: monthOf(nowMs), usd: 0 },
    spread: existing?.spread ?? null,
    notices: existing?.notices ?? [],
  };
}

export function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

export function spentInMonth({ spent }: Pick<ScheduleRecord, 'spent'>, nowMs: number): number {
  return spent.month === monthOf(nowMs) ? spent.usd : 0;
}

/** The cost of work counts in the month in which it ends. */
export function addSpending(spent: Spending, usd: number, nowMs: number): Spending {
  return { month: monthOf(nowMs), usd: spentInMonth({ spent }, nowMs) + usd };
}

/**
 * What no longer belongs to a history that keeps `keep` entries: of those that started work and of those that did not
 * each the oldest. The newest good result and the one that is still running stay in any case.
 */
export function outgrown(history: readonly HistoryEntry[], keep: number): readonly HistoryEntry[] {
  const newestFirst = history.toSorted((one, other) => other.dueMs - one.dueMs);
  const started = newestFirst.filter(({ outcome }) => outcome === 'started');
  const others = newestFirst.filter(({ outcome }) => outcome !== 'started');
  const lastGood = started.find(({ result }) => result?.targets.some(({ good }) => good));
  return [
    ...started.slice(keep).filter((entry) => entry !== lastGood && entry.result !== null),
    ...others.slice(keep),
  ];
}
