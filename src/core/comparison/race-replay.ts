/**
 * A race from its rows: what each candidate cost in each round, and the race run again over them, so that who was
 * dropped when, and why, follows from what is stored. A round is a repeat of every cell. Pure.
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

/**
 * A candidate as it stands after `round` rounds. In each round its cost is that of its cheapest level, and of several
 * workloads the geometric mean; null where one workload carried nothing.
 */
export function raceCandidate(
  { label, cells, hourlyUsd }: RaceEntry,
  round: number,
  metric: RateMetric,
): RaceCandidate {
  const known = cells.filter((cell) => cell.repeat <= round);
  const measured = Math.max(0, ...known.map((cell) => cell.repeat));
  const costs = Array.from({ length: measured }, (_, index) =>
    costOfRound(
      known.filter((cell) => cell.repeat === index + 1),
      hourlyUsd,
      metric,
    ),
  );
  return {
    label,
    state: 'racing',
    costs,
    deployments: Math.max(1, new Set(known.map(deploymentOf)).size),
    objectives: metric === 'goodput' ? levelCounts(known) : null,
  };
}

/** The whole race again; a candidate without rows of a round is out from that round on. */
export function replayRace(plan: RacePlan, entries: readonly RaceEntry[], metric: RateMetric): RaceHistory {
  const rounds: RaceRound[] = [];
  const drops: RaceDrop[] = [];
  for (let round = 1; round <= plan.rounds; round += 1) {
    const isOut = ({ label }: RaceEntry) => drops.some((drop) => drop.label === label);
    const candidates = entries.map((entry): RaceCandidate => {
      const candidate = raceCandidate(entry, round, metric);
      const out = isOut(entry) || candidate.costs.length < round;
      return out ? { ...candidate, state: 'out' } : candidate;
    });
    const racing = candidates.filter(({ state }) => state === 'racing');
    if (racing.length === 0) break;
    rounds.push({
      round,
      costs: racing.map(({ label, costs }) => ({
        label,
        usdPerMillionOutputTokens: costs[round - 1] ?? null,
      })),
    });
    const step = nextOfRace(plan, candidates);
    drops.push(...step.dropped);
    if (step.kind === 'over') return { rounds, drops, ended: step.sentence };
  }
  return { rounds, drops, ended: null };
}

function costOfRound(
  cells: readonly CellRecord[],
  hourlyUsd: number | null,
  metric: RateMetric,
): number | null {
  const cheapest = new Map<string, number>();
  for (const cell of cells) {
    const workload = workloadId(cell.workload);
    const cost = isSound(cell) ? usdPerMillionTokens(hourlyUsd, rateOf(cell.summary, metric)) : null;
    cheapest.set(workload, Math.min(cheapest.get(workload) ?? Infinity, cost ?? Infinity));
  }
  const costs = [...cheapest.values()];
  if (costs.length === 0 || costs.some((cost) => !Number.isFinite(cost))) return null;
  return Math.exp(costs.reduce((sum, cost) => sum + Math.log(cost), 0) / costs.length);
}

/** Null where no request was held against objectives. */
function levelCounts(cells: readonly CellRecord[]): RaceCandidate['objectives'] {
  const levels = new Map<string, CellRecord[]>();
  for (const cell of cells.filter(isSound))
    levels.set(cell.cellId, [...(levels.get(cell.cellId) ?? []), cell]);
  const counts = [...levels.values()]
    .map((level) => poolSlo(level.map(({ summary }) => summary?.slo)))
    .filter((one) => one !== null);
  return counts.length === 0 ? null : counts;
}
