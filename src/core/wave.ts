/**
 * What to measure next. `nextWave` is pure: from the plan of measuring, what was measured so far and the time, it
 * gives the cells that are measured at the same time now, or says that measuring is over and why. The strategies
 * (levels, ramp), the seeded interleaving of repeats and workloads, and the budgets live here.
 */
import { type CellOrder, cellKey, shardCount } from './cell.ts';
import type { RampRange } from './load-model.ts';
import { predictRequestSeconds, type RepeatLimits, repeatMaxSeconds } from './plan.ts';
import { decideRepeats, type RepeatPlan } from './repeats.ts';
import { deriveSeed, shuffle } from './seed.ts';
import type { BenchmarkSpec } from './spec.ts';
import type { Workload } from './workload.ts';

/** What the measuring orchestration knows of its run; small, because it crosses durable history. */
export interface MeasurePlan {
  readonly workloads: readonly Workload[];
  readonly concurrency: BenchmarkSpec['concurrency'];
  readonly repeats: RepeatPlan;
  readonly limits: RepeatLimits;
  readonly maxCells: number;
  readonly isolation: 'exclusive' | 'shared';
  readonly seed: number;
  /** Epoch milliseconds after which nothing is measured any more. */
  readonly deadlineMs: number;
}

/** What came of one attempt at one repeat of a cell. */
export interface CellOutcome extends Pick<CellOrder, 'workload' | 'level' | 'repeat' | 'attempt'> {
  /** `again`: its shards did not start together, or found no room; nothing was measured. */
  readonly status: 'measured' | 'again';
  readonly attempted: number;
  readonly failed: number;
  /** Null where nothing succeeded. */
  readonly outputTokensPerSecond: number | null;
  /** Nothing further can succeed: the credential is refused. */
  readonly aborted: boolean;
}

export type WaveDecision =
  | { readonly kind: 'wave'; readonly cells: readonly CellOrder[] }
  | { readonly kind: 'done'; readonly stoppedBy: string | null };

/** Attempts at a repeat whose shards miss each other: three, since each costs up to a minute of a GPU. */
export const ATTEMPTS_PER_REPEAT = 3;

/** Shards that are measured at once under isolation "shared": below the ten activities that a host runs at once. */
const SHARDS_PER_WAVE = 8;

export function nextWave(plan: MeasurePlan, outcomes: readonly CellOutcome[], nowMs: number): WaveDecision {
  const latest = new Map(outcomes.map((outcome) => [cellKey(outcome), outcome]));
  if (outcomes.some((outcome) => outcome.aborted)) {
    return { kind: 'done', stoppedBy: 'The endpoint refused the credential; nothing further could succeed.' };
  }
  const open = openRepeats(plan, latest);
  if (open.length === 0) return { kind: 'done', stoppedBy: null };

  const settled = [...latest.values()].filter((outcome) => isSettled(outcome)).length;
  if (settled >= plan.maxCells) {
    return { kind: 'done', stoppedBy: `limits.maxCells: ${plan.maxCells} measurements were made.` };
  }
  const cells = chooseCells(plan, open, latest, nowMs, plan.maxCells - settled);
  if (cells.length === 0)
    return { kind: 'done', stoppedBy: 'limits: the time or the money for measuring was used up.' };
  return { kind: 'wave', cells };
}

/** The first repeat that the budget can hold; under isolation "shared", as many as a host loads at once. */
function chooseCells(
  plan: MeasurePlan,
  open: readonly Repeat[],
  latest: ReadonlyMap<string, CellOutcome>,
  nowMs: number,
  cellsLeft: number,
): CellOrder[] {
  const cells: CellOrder[] = [];
  let shards = 0;
  for (const repeat of open) {
    const maxSeconds = affordableSeconds(plan, repeat, nowMs);
    if (maxSeconds === null) continue; // A shorter workload may still fit.
    shards += shardCount(repeat.level);
    if (cells.length > 0 && shards > SHARDS_PER_WAVE) break;
    cells.push({ ...repeat, attempt: (latest.get(cellKey(repeat))?.attempt ?? 0) + 1, maxSeconds });
    if (plan.isolation === 'exclusive' || cells.length >= cellsLeft) break;
  }
  return cells;
}

type Repeat = Pick<CellOrder, 'workload' | 'level' | 'repeat'>;

/** Measured, or given up after the last attempt. */
function isSettled(outcome: CellOutcome): boolean {
  return outcome.status === 'measured' || outcome.attempt >= ATTEMPTS_PER_REPEAT;
}

/** The repeats that may be measured next, in their order. */
function openRepeats(plan: MeasurePlan, latest: ReadonlyMap<string, CellOutcome>): readonly Repeat[] {
  if ('ramp' in plan.concurrency) {
    const next = nextOfRamp(plan, plan.concurrency.ramp, latest);
    return next === null ? [] : [next];
  }
  const unsettled: Repeat[] = [];
  for (let repeat = 1; repeat <= plan.repeats.most; repeat += 1) {
    for (const cell of shuffledCells(plan, plan.concurrency.levels, repeat)) {
      const outcome = latest.get(cellKey({ ...cell, repeat }));
      if (outcome !== undefined && isSettled(outcome)) continue;
      if (repeat > plan.repeats.least && isEnough(plan, cell, repeat, latest)) continue;
      unsettled.push({ ...cell, repeat });
    }
  }
  return unsettled;
}

/** Whether the repeats before this one make an interval that is narrow enough to leave the rest. */
function isEnough(
  plan: MeasurePlan,
  cell: Pick<Repeat, 'workload' | 'level'>,
  repeat: number,
  latest: ReadonlyMap<string, CellOutcome>,
): boolean {
  const before = Array.from({ length: repeat - 1 }, (_, index) =>
    latest.get(cellKey({ ...cell, repeat: index + 1 })),
  );
  const rates = before.map((outcome) =>
    outcome?.status === 'measured' ? outcome.outputTokensPerSecond : null,
  );
  return decideRepeats(plan.repeats, rates).decision !== 'more';
}

/** Each repeat goes through all cells in a random order of its own, so that drift does not look like load. */
function shuffledCells(plan: MeasurePlan, levels: readonly number[], repeat: number) {
  const cells = plan.workloads.flatMap((_, workload) => levels.map((level) => ({ workload, level })));
  return shuffle(cells, deriveSeed(plan.seed, 'levels', repeat));
}

/**
 * The origin's walk without its oscillation. Workloads come in a random order; in each the level steps up while the
 * failure rate stays at or below the threshold, and steps down below the first that exceeds it until one holds.
 */
function nextOfRamp(
  plan: MeasurePlan,
  ramp: RampRange,
  latest: ReadonlyMap<string, CellOutcome>,
): Repeat | null {
  const workloads = shuffle(
    plan.workloads.map((_, workload) => workload),
    deriveSeed(plan.seed, 'ramp'),
  );
  for (const workload of workloads) {
    const next = nextOfWalk(plan, ramp, workload, latest);
    if (next !== null) return next;
  }
  return null;
}

function nextOfWalk(
  plan: MeasurePlan,
  ramp: RampRange,
  workload: number,
  latest: ReadonlyMap<string, CellOutcome>,
): Repeat | null {
  let level = ramp.from;
  let direction: 'up' | 'down' = 'up';
  // The walk ends: up at `to`, down at 1, and it turns at most once.
  while (level >= 1 && level <= ramp.to) {
    const repeats = Array.from({ length: plan.repeats.least }, (_, index) => ({
      workload,
      level,
      repeat: index + 1,
    }));
    const known = repeats.map((repeat) => latest.get(cellKey(repeat)));
    const unsettled = repeats.find((_, index) => {
      const outcome = known[index];
      return outcome === undefined || !isSettled(outcome);
    });
    if (unsettled !== undefined) return unsettled;
    const holds = failureRate(known) <= ramp.failureThreshold;
    if (direction === 'down' && holds) return null;
    if (!holds) {
      if (direction === 'up' && level > ramp.from) return null; // The level below was measured on the way up, and held.
      direction = 'down';
    }
    level += direction === 'up' ? ramp.step : -ramp.step;
  }
  return null;
}

function failureRate(outcomes: readonly (CellOutcome | undefined)[]): number {
  const attempted = outcomes.reduce((sum, outcome) => sum + (outcome?.attempted ?? 0), 0);
  const failed = outcomes.reduce((sum, outcome) => sum + (outcome?.failed ?? 0), 0);
  return attempted === 0 ? 1 : failed / attempted;
}

/**
 * Seconds that a repeat may issue requests so that its last answer still comes before the deadline; null where not
 * even one request fits.
 */
function affordableSeconds(plan: MeasurePlan, repeat: Repeat, nowMs: number): number | null {
  const workload = plan.workloads[repeat.workload];
  if (workload === undefined) throw new Error(`The plan has no workload ${repeat.workload}.`);
  const requestSeconds = predictRequestSeconds(workload, repeat.level);
  const drainSeconds = Math.min(plan.limits.requestTimeoutSeconds, 2 * requestSeconds) + 2;
  const leftSeconds = (plan.deadlineMs - nowMs) / 1000 - drainSeconds;
  if (leftSeconds < requestSeconds) return null;
  return Math.min(repeatMaxSeconds(plan.limits, workload, repeat.level), leftSeconds);
}
