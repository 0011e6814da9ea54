/**
 * Where a race stands while its candidates measure on: a round counts when every candidate that is still in it has
 * measured all of its cells, or is over. Then the race is played again over the rows, so that what is decided now is
 * what the stored rows decide later. Pure.
 */

import type { CellRecord } from '../report/report.ts';
import { loadModelOf } from '../spec/load-model.ts';
import { levelsOf } from '../spec/plan.ts';
import type { BenchmarkSpec } from '../spec/spec.ts';
import type { RacePlan } from './race.ts';
import { playRound, type RaceEntry, type RaceHistory, raceTimeline, startOfRace } from './race-replay.ts';
import type { RateMetric } from './target-rates.ts';

export interface RaceRunner extends RaceEntry {
  /** It measures no further, for whatever reason. */
  readonly over: boolean;
  readonly cellsPerRound: number;
}

export function judgeRace(plan: RacePlan, runners: readonly RaceRunner[], metric: RateMetric): RaceHistory {
  const entrants = runners.map((runner) => {
    const measured = roundsOf(runner);
    const cells = runner.cells.filter(({ repeat }) => repeat <= measured);
    return { ...runner, measured, timeline: raceTimeline({ ...runner, cells }, metric) };
  });
  const timelines = entrants.map(({ timeline }) => timeline);
  let history = startOfRace();
  for (let round = 1; round <= plan.rounds && history.ended === null; round += 1) {
    const { drops } = history;
    const racing = entrants.filter(({ label }) => drops.every((drop) => drop.label !== label));
    const behind = racing.filter(({ measured }) => measured < round);
    if (behind.some(({ over }) => !over) || behind.length === racing.length) return history;
    history = playRound(plan, history, timelines, round);
  }
  return history;
}

/** A round is one repeat of every cell. Races have lists of levels only, so that every round has the same cells. */
export function cellsPerRound(spec: BenchmarkSpec): number {
  return spec.workloads.length * levelsOf(loadModelOf(spec)).length;
}

/** Rounds of which a candidate has every cell, counted from the first on. */
export function roundsOf({ cells, ...runner }: Pick<RaceRunner, 'cells' | 'cellsPerRound'>): number {
  const has = (round: number) => new Set(cells.flatMap((cell) => (cell.repeat === round ? cell.cellId : [])));
  let rounds = 0;
  while (rounds < cells.length && has(rounds + 1).size >= runner.cellsPerRound) rounds += 1;
  return rounds;
}

/** Goodput where there are objectives that every candidate which carried something can be judged by. */
export function raceMetric(cellsByTarget: readonly (readonly CellRecord[])[], hasSlo: boolean): RateMetric {
  const judged = cellsByTarget
    .map((cells) =>
      cells.flatMap(({ summary }) => (summary !== null && summary.succeeded > 0 ? [summary] : [])),
    )
    .filter((summaries) => summaries.length > 0)
    .every((summaries) => summaries.some(({ rates }) => rates.goodputTokensPerSecond !== null));
  return hasSlo && judged ? 'goodput' : 'throughput';
}
