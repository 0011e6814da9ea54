/**
 * A run is measured block after block, so that what one wave costs does not grow with the cells that came before it:
 * `nextWave` looks at all of its plan and of its past, and an orchestration replays it with each answer. A block is a
 * plan of at most a hundred measurements, and of the past only what they depend on. Pure.
 */
import { cellKey, endpointOfRepeat, shardCount } from './cell.ts';
import {
  affordableSeconds,
  type CellOutcome,
  connectionsOf,
  isSettled,
  lookAhead,
  type MeasurePlan,
  type PlanPart,
  type Repeat,
} from './wave.ts';

export interface MeasureBlock {
  readonly kind: 'block';
  /** The run's plan with the part that is this block's. */
  readonly plan: MeasurePlan;
  /** What came of measurements before that these depend on. */
  readonly past: readonly CellOutcome[];
  /** How many repeats are settled that are not in `past`. */
  readonly settledElsewhere: number;
}

/** Each wave of a block is some ten events of its history; a hundred keep a replay to milliseconds. */
export const MEASUREMENTS_PER_BLOCK = 100;

/** What to measure next, up to a hundred measurements of it; or that measuring is over and why, as `nextWave` says. */
export function nextBlock(
  plan: MeasurePlan,
  outcomes: readonly CellOutcome[],
  nowMs: number,
): MeasureBlock | { readonly kind: 'done'; readonly stoppedBy: string | null } {
  const { decision, open } = lookAhead(plan, outcomes, nowMs);
  if (decision.kind === 'done') return decision;
  const [cell] = decision.cells;
  const settings = cell?.settings === undefined ? {} : { settings: cell.settings };
  const part: PlanPart =
    plan.load.walk.kind === 'levels'
      ? { ...settings, repeats: chooseRepeats(plan, open, nowMs) }
      : { ...settings, workload: cell?.workload ?? 0 };
  const past = pastOf(plan, part, outcomes);
  const settledElsewhere = countSettled(outcomes) - countSettled(past);
  return {
    kind: 'block',
    plan: { ...plan, part, maxCells: plan.maxCells - settledElsewhere },
    past,
    settledElsewhere,
  };
}

/** Repeats of which nothing more is to be measured. */
export function countSettled(outcomes: readonly CellOutcome[]): number {
  return outcomes.filter(isSettled).length;
}

/** With what came of measurements since; of one that is there twice the later counts, in its place. */
export function addOutcomes(
  outcomes: readonly CellOutcome[],
  later: readonly CellOutcome[],
): readonly CellOutcome[] {
  const replaced = new Set(later.map(cellKey));
  return [...outcomes.filter((outcome) => !replaced.has(cellKey(outcome))), ...later];
}

/** An outcome as a history carries it: a run of a thousand of them starts anew with each block. */
export type PackedOutcome = readonly [
  settings: number | null,
  workload: number,
  loop: CellOutcome['loop'],
  level: number,
  repeat: number,
  attempt: number,
  shards: number,
  status: CellOutcome['status'],
  attempted: number,
  failed: number,
  outputTokensPerSecond: number | null,
  aborted: 0 | 1,
  leftBusy: 0 | 1,
  slo: CellOutcome['slo'],
];

export function packOutcome(outcome: CellOutcome): PackedOutcome {
  const { settings = null, workload, loop, level, repeat, attempt, shards, status } = outcome;
  const { attempted, failed, outputTokensPerSecond, aborted, leftBusy, slo } = outcome;
  return [
    settings,
    workload,
    loop,
    level,
    repeat,
    attempt,
    shards,
    status,
    attempted,
    failed,
    outputTokensPerSecond,
    aborted ? 1 : 0,
    leftBusy ? 1 : 0,
    slo,
  ];
}

export function unpackOutcome(packed: PackedOutcome): CellOutcome {
  const [settings, workload, loop, level, repeat, attempt, shards, status, ...rest] = packed;
  const [attempted, failed, outputTokensPerSecond, aborted, leftBusy, slo] = rest;
  return {
    ...(settings !== null && { settings }),
    workload,
    loop,
    level,
    repeat,
    attempt,
    shards,
    status,
    attempted,
    failed,
    outputTokensPerSecond,
    aborted: aborted === 1,
    leftBusy: leftBusy === 1,
    slo,
  };
}

/** The next repeats that the budget can hold, as many of each endpoint, so that none of them stands idle. */
function chooseRepeats(
  plan: MeasurePlan,
  open: readonly Repeat[],
  nowMs: number,
): NonNullable<PlanPart['repeats']> {
  const endpoints = plan.isolation === 'exclusive' ? (plan.endpoints ?? 1) : 1;
  const share = Math.ceil(MEASUREMENTS_PER_BLOCK / endpoints);
  const taken = new Map<number, number>();
  const chosen: Repeat[] = [];
  for (const repeat of open) {
    if (chosen.length >= share * endpoints) break;
    const endpoint = endpointOfRepeat(repeat.repeat, endpoints);
    const count = taken.get(endpoint) ?? 0;
    if (count >= share || affordableSeconds(plan, repeat, nowMs) === null) continue;
    taken.set(endpoint, count + 1);
    chosen.push(repeat);
  }
  return chosen.map(({ workload, level, repeat }) => ({ workload, level, repeat }));
}

/**
 * What the block's waves ask of the past: attempts at its own repeats, rates where they decide about another repeat,
 * more shards than a level needs, and what was measured last on each endpoint.
 */
function pastOf(plan: MeasurePlan, part: PlanPart, outcomes: readonly CellOutcome[]): CellOutcome[] {
  const cells = part.repeats && new Set(part.repeats.map(({ workload, level }) => `${workload}/${level}`));
  const endpoints = plan.endpoints ?? 1;
  const looks = plan.repeats.least < plan.repeats.most;
  const ofTurn = outcomes.filter(({ settings }) => settings === part.settings);
  const last = new Set(
    Array.from({ length: endpoints }, (_, endpoint) =>
      ofTurn.findLast(({ repeat }) => endpointOfRepeat(repeat, endpoints) === endpoint),
    ),
  );
  const tells = ({ workload, level, status, shards }: CellOutcome): boolean => {
    if (cells === undefined) return workload === part.workload;
    if (!cells.has(`${workload}/${level}`)) return false;
    return looks || status !== 'measured' || shards > shardCount(connectionsOf(plan.load, level));
  };
  return ofTurn.filter((outcome) => last.has(outcome) || tells(outcome));
}
