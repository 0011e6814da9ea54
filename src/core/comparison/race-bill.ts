/**
 * What a race cost, and what measuring every candidate in full would have: from the times that were billed and the
 * times of the rounds in the rows. Pure.
 */

import { writeDigits } from '../figure.ts';
import type { CellRecord } from '../report/report.ts';
import type { RunRecord } from '../run.ts';
import { type RaceBill, type RaceTotal, totalRace } from './race.ts';
import { type RaceRunner, roundsOf } from './race-judge.ts';
import { deploymentOf } from './target-rates.ts';

export interface RaceCost {
  readonly spent: RaceTotal;
  readonly inFull: RaceTotal;
  /** Null where neither GPUs nor a price is known. */
  readonly sentence: string | null;
}

/** A candidate with the runs behind it; what it costs an hour is that of one deployment. */
export interface BilledRunner extends RaceRunner {
  readonly runs: readonly Pick<RunRecord, 'billing'>[];
  readonly gpus: number | null;
}

/** `rounds` are those that a candidate is measured in where it is not dropped. */
export function billRace(rounds: number, runners: readonly BilledRunner[]): RaceCost {
  const { spent, inFull } = totalRace(rounds, runners.map(billOf));
  return { spent, inFull, sentence: describe(spent, inFull) };
}

/** What was measured of a round that was not finished counts as time around the rounds. */
function billOf(runner: BilledRunner): RaceBill {
  const { label, hourlyUsd, gpus, cells, runs } = runner;
  const roundSeconds = secondsOfRounds(cells, roundsOf(runner));
  const measured = roundSeconds.reduce((sum, seconds) => sum + seconds, 0);
  const lastMs = Math.max(0, ...cells.map(({ summary }) => summary?.endedAtMs ?? 0));
  const billed = runs.reduce((sum, { billing }) => sum + billedSeconds(billing, lastMs), 0);
  return { label, hourlyUsd, gpus, roundSeconds, aroundSeconds: Math.max(0, billed - measured) };
}

/** From the end of the round before to the end of this one, once for each deployment that its repeats were dealt over. */
function secondsOfRounds(cells: readonly CellRecord[], rounds: number): number[] {
  const deployments = Math.max(1, new Set(cells.map(deploymentOf)).size);
  const summaries = (round: number) =>
    cells.flatMap(({ repeat, summary }) => (repeat === round && summary !== null ? [summary] : []));
  const starts = summaries(1).map(({ startedAtMs }) => startedAtMs);
  let beforeMs = starts.length === 0 ? 0 : Math.min(...starts);
  return Array.from({ length: rounds }, (_, index) => {
    const endMs = Math.max(beforeMs, ...summaries(index + 1).map(({ endedAtMs }) => endedAtMs));
    const seconds = ((endMs - beforeMs) / 1_000) * deployments;
    beforeMs = endMs;
    return seconds;
  });
}

/** Of all endpoints that a run rented; what is still rented counts up to the last that was measured. */
function billedSeconds({ earlier = [], ...last }: RunRecord['billing'], lastMs: number): number {
  return [...earlier, last].reduce(
    (sum, { fromMs, untilMs }) =>
      fromMs === null ? sum : sum + Math.max(0, ((untilMs ?? lastMs) - fromMs) / 1_000),
    0,
  );
}

function describe(spent: RaceTotal, inFull: RaceTotal): string | null {
  const parts = [
    compare(spent.gpuHours, inFull.gpuHours, (hours) => `${writeDigits(hours)} GPU hours`),
    compare(spent.usd, inFull.usd, (usd) => `${writeDigits(usd)} USD`),
  ].filter((part) => part !== null);
  return parts.length === 0
    ? null
    : `The race spent ${parts.join(' and ')}; the larger figure is what measuring every candidate in full would have taken.`;
}

function compare(
  spent: number | null,
  inFull: number | null,
  write: (value: number) => string,
): string | null {
  if (spent === null || inFull === null || inFull === 0) return null;
  return `${write(spent)} of ${write(inFull)} (${Math.round((spent / inFull) * 100)} %)`;
}
