/**
 * A race from its rows, round by round: what each candidate cost, who was dropped when, and why. A round is a repeat of
 * every cell. Pure.
 */

import { type CellRecord, usdPerMillionTokens } from '../report/report.ts';
import { poolSlo } from '../spec/slo.ts';
import { workloadId } from '../spec/workload.ts';
import { nextOfRace, type RaceCandidate, type RaceDrop, type RacePlan } from './race.ts';
import { deploymentOf, isSound, type RateMetric, rateOf } from './target-rates.ts';

export interface RaceEntry {
  readonly label: string;
  readonly cells: readonly CellRecord[];
  /** Of all instances; without it a candidate has no cost. */
  readonly hourlyUsd: number | null;
}

export interface RaceHistory {
  /** One entry a round that was measured. */
  readonly rounds: readonly RaceRound[];
  readonly drops: readonly RaceDrop[];
  /** Why it ended; null while it goes on. */
  readonly ended: string | null;
}

export interface RaceRound {
  readonly round: number;
  /** USD per million output tokens of each candidate that was measured. */
  readonly costs: readonly { readonly label: string; readonly usdPerMillionOutputTokens: number | null }[];
}

/** A candidate's rows, gone through once: what each round cost, and the rows that objectives are judged by. */
export interface RaceTimeline {
  readonly label: string;
  /** Repeats and deployments of all rows. */
  readonly rows: readonly { readonly repeat: number; readonly deployment: string }[];
  /** By round from the first on; see `RaceCandidate`. */
  readonly costs: readonly (number | null)[];
  /** Null where no request is held against objectives. */
  readonly judged: readonly CellRecord[] | null;
}

/**
 * In each round a candidate's cost is that of its cheapest level, and of several workloads the geometric mean; null
 * where one workload carried nothing.
 */
export function raceTimeline({ label, cells, hourlyUsd }: RaceEntry, metric: RateMetric): RaceTimeline {
  const sound = cells.filter(isSound);
  const costs = new Map<CellRecord, number | null>(
    sound.map((cell) => [cell, usdPerMillionTokens(hourlyUsd, rateOf(cell.summary, metric))]),
  );
  const rounds = Math.max(0, ...cells.map(({ repeat }) => repeat));
  return {
    label,
    rows: cells.map((cell) => ({ repeat: cell.repeat, deployment: deploymentOf(cell) })),
    costs: Array.from({ length: rounds }, (_, index) =>
      costOfRound(
        cells.filter(({ repeat }) => repeat === index + 1),
        costs,
      ),
    ),
    judged: metric === 'goodput' ? sound : null,
  };
}

/** A candidate as it stands after `round` rounds. */
export function raceCandidate({ label, rows, costs, judged }: RaceTimeline, round: number): RaceCandidate {
  const known = rows.filter(({ repeat }) => repeat <= round);
  return {
    label,
    state: 'racing',
    costs: costs.slice(0, Math.max(0, ...known.map(({ repeat }) => repeat))),
    deployments: Math.max(1, new Set(known.map(({ deployment }) => deployment)).size),
    objectives: judged === null ? null : levelCounts(judged.filter(({ repeat }) => repeat <= round)),
  };
}

export function startOfRace(): RaceHistory {
  return { rounds: [], drops: [], ended: null };
}

/** One round more; a candidate without rows of it is out from then on. Nothing changes where all are out. */
export function playRound(
  plan: RacePlan,
  { rounds, drops, ended }: RaceHistory,
  timelines: readonly RaceTimeline[],
  round: number,
): RaceHistory {
  const isOut = (label: string) => drops.some((drop) => drop.label === label);
  const candidates = timelines.map((timeline): RaceCandidate => {
    const candidate = raceCandidate(timeline, round);
    const out = isOut(timeline.label) || candidate.costs.length < round;
    return out ? { ...candidate, state: 'out' } : candidate;
  });
  const racing = candidates.filter(({ state }) => state === 'racing');
  if (racing.length === 0) return { rounds, drops, ended };
  const costs = racing.map(({ label, costs: known }) => ({
    label,
    usdPerMillionOutputTokens: known[round - 1] ?? null,
  }));
  const step = nextOfRace(plan, candidates);
  return {
    rounds: [...rounds, { round, costs }],
    drops: [...drops, ...step.dropped],
    ended: step.kind === 'over' ? step.sentence : null,
  };
}

function costOfRound(
  cells: readonly CellRecord[],
  usdPerMillion: ReadonlyMap<CellRecord, number | null>,
): number | null {
  const cheapest = new Map<string, number>();
  for (const cell of cells) {
    const workload = workloadId(cell.workload);
    cheapest.set(workload, Math.min(cheapest.get(workload) ?? Infinity, usdPerMillion.get(cell) ?? Infinity));
  }
  const costs = [...cheapest.values()];
  if (costs.length === 0 || costs.some((cost) => !Number.isFinite(cost))) return null;
  return Math.exp(costs.reduce((sum, cost) => sum + Math.log(cost), 0) / costs.length);
}

/** Null where no request was held against objectives. */
function levelCounts(cells: readonly CellRecord[]): RaceCandidate['objectives'] {
  const levels = new Map<string, CellRecord[]>();
  for (const cell of cells) levels.set(cell.cellId, [...(levels.get(cell.cellId) ?? []), cell]);
  const counts = [...levels.values()]
    .map((level) => poolSlo(level.map(({ summary }) => summary?.slo)))
    .filter((one) => one !== null);
  return counts.length === 0 ? null : counts;
}
