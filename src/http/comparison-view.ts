/** What `GET /api/comparisons/{id}` shows: the comparison's row, and what the rows of its runs say. */
import { explainTarget } from '../activities/compare.ts';
import type { Comparison } from '../core/comparison/comparison.ts';
import type { ComparisonRecord, ComparisonState } from '../core/comparison/comparison-record.ts';
import type { RaceHistory } from '../core/comparison/race-replay.ts';
import type { RunFailure } from '../core/failure.ts';
import { accruedUsd, isFinal, type RaceOver, type RunRecord, type RunState } from '../core/run.ts';
import type { BenchmarkSpec } from '../core/spec/spec.ts';
import { sumKnown } from '../core/statistics/moments.ts';
import {
  type CostView,
  isoTime,
  isoTimeOrNull,
  type RunLinks,
  type RunView,
  runLinks,
  viewRun,
} from './run-view.ts';

/** What a list shows. */
export interface ComparisonSummary {
  readonly id: string;
  readonly state: ComparisonState;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly cancelRequestedAt: string | null;
  readonly strategy: Comparison['strategy'];
  readonly labels: readonly string[];
  readonly failure: RunFailure | null;
  readonly links: ComparisonLinks;
}

export interface ComparisonView extends ComparisonSummary {
  readonly maxParallel: number;
  readonly threshold: number;
  readonly limits: Comparison['limits'];
  readonly seed: number;
  /** Labels in the order in which targets are started. */
  readonly order: readonly string[];
  readonly warnings: readonly string[];
  readonly targets: readonly TargetView[];
  readonly progress: ComparisonProgress;
  readonly cost: {
    readonly boundUsd: number | null;
    readonly boundMinutes: number;
    /** Of all runs so far; null where a price is unknown. */
    readonly accruedUsd: number | null;
  };
  /** The rounds so far; null where there is no race, and before its first round. */
  readonly race: RaceHistory | null;
}

export interface ComparisonProgress {
  readonly targetsDone: number;
  readonly targetsPlanned: number;
  readonly cellsDone: number;
  readonly cellsPlanned: number;
  /** Of the runs that are measuring now, the longest; null where none can tell. */
  readonly etaSeconds: number | null;
}

export interface TargetView {
  readonly label: string;
  readonly spec: BenchmarkSpec;
  /** `waiting`: its run was not started. */
  readonly state: RunState | 'waiting';
  readonly runId: string | null;
  readonly queuedBecause: string | null;
  readonly progress: RunView['progress'];
  readonly endpoint: RunView['endpoint'];
  readonly cost: CostView | null;
  /** Why there is nothing, or not everything. */
  readonly failure: string | null;
  readonly stoppedBy: string | null;
  /** What the race says of it; null where it says nothing. */
  readonly raceOver: RaceOver | null;
  readonly links: RunLinks | null;
}

export interface ComparisonLinks {
  readonly self: string;
  readonly results: string;
  readonly cancel: string;
}

export function summariseComparison(record: ComparisonRecord): ComparisonSummary {
  return {
    id: record.id,
    state: record.state,
    createdAt: isoTime(record.createdAtMs),
    startedAt: isoTimeOrNull(record.startedAtMs),
    endedAt: isoTimeOrNull(record.endedAtMs),
    cancelRequestedAt: isoTimeOrNull(record.cancelRequestedAtMs),
    strategy: record.comparison.strategy,
    labels: record.comparison.targets.map(({ label }) => label),
    failure: record.failure,
    links: comparisonLinks(record.id),
  };
}

/** `runs` are by target, null for one that was not started. */
export function viewComparison(
  record: ComparisonRecord,
  runs: readonly (RunRecord | null)[],
  nowMs: number,
): ComparisonView {
  const { comparison, plans, order } = record;
  const targets = comparison.targets.map(({ label, spec }, target) =>
    viewTarget(record, label, spec, runs[target] ?? null, plans[target]?.cellsPlanned ?? 0, nowMs),
  );
  return {
    ...summariseComparison(record),
    maxParallel: comparison.maxParallel,
    threshold: comparison.threshold,
    limits: comparison.limits,
    seed: comparison.seed,
    order: order.map((target) => comparison.targets[target]?.label ?? ''),
    warnings: record.warnings,
    targets,
    progress: progressOf(targets, isFinal(record.state)),
    cost: {
      boundUsd: record.boundUsd,
      boundMinutes: record.boundMinutes,
      accruedUsd: sumKnown(runs.map((run) => (run === null ? 0 : accruedUsd(run.billing, nowMs)))),
    },
    race: record.race,
  };
}

export function comparisonLinks(id: string): ComparisonLinks {
  const self = `/api/comparisons/${id}`;
  return { self, results: `${self}/results`, cancel: `${self}/cancel` };
}

function viewTarget(
  record: ComparisonRecord,
  label: string,
  spec: BenchmarkSpec,
  run: RunRecord | null,
  cellsPlanned: number,
  nowMs: number,
): TargetView {
  const failure = explainTarget(run, record);
  if (run === null) {
    return {
      label,
      spec,
      state: 'waiting',
      runId: null,
      queuedBecause: null,
      progress: { cellsDone: 0, cellsPlanned, current: null, etaSeconds: null },
      endpoint: null,
      cost: null,
      failure,
      stoppedBy: null,
      raceOver: null,
      links: null,
    };
  }
  const { state, progress, endpoint, cost, stoppedBy } = viewRun(run, nowMs);
  return {
    label,
    // As it is measured: what was found out at the start stands in the run.
    spec: run.spec,
    state,
    runId: run.id,
    queuedBecause: run.queuedBecause ?? null,
    progress,
    endpoint,
    cost,
    failure,
    stoppedBy,
    raceOver: run.raceOver ?? null,
    links: runLinks(run.id),
  };
}

function progressOf(targets: readonly TargetView[], over: boolean): ComparisonProgress {
  const etas = targets.map(({ progress }) => progress.etaSeconds).filter((eta) => eta !== null);
  const sum = (count: (target: TargetView) => number) =>
    targets.reduce((total, target) => total + count(target), 0);
  return {
    targetsDone: sum(({ state }) => (state !== 'waiting' && isFinal(state) ? 1 : 0)),
    targetsPlanned: targets.length,
    cellsDone: sum(({ progress }) => progress.cellsDone),
    cellsPlanned: sum(({ progress }) => progress.cellsPlanned),
    etaSeconds: over || etas.length === 0 ? null : Math.max(...etas),
  };
}
