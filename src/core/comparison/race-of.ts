/**
 * The race of a comparison, from its targets as they stand. While it lasts and in the report it is this one, so that
 * what was decided is what is told. Pure.
 */
import { repeatPlanOf } from '../measuring/repeats.ts';
import { isFinal } from '../run.ts';
import type { Comparison } from './comparison.ts';
import type { SpreadHistory } from './pair-test.ts';
import { cellsPerRound, judgeRace, type RaceRunner, raceMetric } from './race-judge.ts';
import type { RaceHistory } from './race-replay.ts';
import { priceOf, type TargetOutcome } from './target-outcome.ts';

export interface Race {
  /** In which a candidate is measured that is not dropped. */
  readonly rounds: number;
  /** In the order of the outcomes. */
  readonly runners: readonly RaceRunner[];
  readonly history: RaceHistory;
}

/** `outcomes` are one for each target, in the same order; `spread` is what earlier comparisons showed. */
export function raceOf(
  { targets }: Pick<Comparison, 'targets'>,
  outcomes: readonly TargetOutcome[],
  spread: SpreadHistory | null,
): Race {
  const runners = targets.map(({ label, spec }, target): RaceRunner => {
    const outcome = outcomes[target];
    if (outcome?.label !== label) throw new Error(`The target "${label}" has no outcome.`);
    return {
      label,
      cells: outcome.runs.flatMap(({ cells }) => cells),
      hourlyUsd: priceOf(spec, outcome).hourlyUsd,
      over: isOver(outcome),
      cellsPerRound: cellsPerRound(spec),
    };
  });
  const specs = targets.map(({ spec }) => spec);
  const rounds = Math.max(...specs.map(({ measure }) => repeatPlanOf(measure.repeats).most));
  const metric = raceMetric(
    runners.map(({ cells }) => cells),
    specs.some(({ slo }) => slo !== null),
  );
  const plan = { rounds, attainment: specs[0]?.slo?.attainment ?? null, spread };
  return { rounds, runners, history: judgeRace(plan, runners, metric) };
}

/** A target that was not started is over only where it never will be. */
function isOver({ runs, failure }: TargetOutcome): boolean {
  return runs.length === 0
    ? failure !== null
    : runs.every(({ run }) => isFinal(run.state) || run.state === 'releasing');
}
