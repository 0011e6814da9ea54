/**
 * Whether a level meets the objectives, and the highest that does. A failure is a miss; what is claimed is claimed on a
 * bound and not on the share that happened to come out, and where a clause's metric does not exist nothing is claimed.
 */

import { writePercent } from '../figure.ts';
import { type LevelEvidence, nextOfSearch } from '../measuring/search.ts';
import { searchPlanOf } from '../measuring/wave.ts';
import type { LoadModel } from '../spec/load-model.ts';
import { groupBySettings, nameGroup, sameSettings } from '../spec/settings.ts';
import { poolSlo, type Slo, type SloCounts } from '../spec/slo.ts';
import { sameWorkload, type Workload, workloadId } from '../spec/workload.ts';
import { shareLowerBound } from '../statistics/interval.ts';
import type { CellRecord, ReportRow } from './report.ts';

/** What is known of one row. The bounds are one-sided at 95 % (Clopper and Pearson): each may be wrong once in twenty. */
export interface SloVerdict {
  readonly verdict: 'met' | 'missed' | 'not-shown' | 'not-evaluable';
  readonly attempted: number;
  readonly met: number;
  readonly notEvaluable: number;
  /** Share of all attempted requests that met, with the least and the most that it can be. Null without a request. */
  readonly attainment: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
}

/** The answer for one workload: the highest level that meets, and why it is not a higher one. */
export interface SloAnswer {
  readonly workload: Workload;
  /** Null where no level is shown to meet. */
  readonly cellId: string | null;
  readonly level: number | null;
  readonly sentence: string;
}

export function judgeSlo(
  counts: Pick<SloCounts, 'attempted' | 'met' | 'notEvaluable'>,
  slo: Slo,
): SloVerdict {
  const { attempted, met, notEvaluable } = counts;
  const lower = shareLowerBound(met, attempted);
  // What could not be judged is not taken for missed.
  const missedAtMost = shareLowerBound(attempted - met - notEvaluable, attempted);
  const upper = missedAtMost === null ? null : 1 - missedAtMost;
  const verdict =
    lower !== null && lower >= slo.attainment
      ? 'met'
      : upper !== null && upper < slo.attainment
        ? 'missed'
        : notEvaluable > 0
          ? 'not-evaluable'
          : 'not-shown';
  const attainment = attempted === 0 ? null : met / attempted;
  return { verdict, attempted, met, notEvaluable, attainment, lower, upper };
}

/** One answer for each workload that was measured. */
export function answerSlo(
  rows: readonly ReportRow[],
  cells: readonly CellRecord[],
  load: LoadModel,
  slo: Slo,
): SloAnswer[] {
  const groups = new Map<string, ReportRow[]>();
  for (const row of rows) {
    const key = workloadId(row.workload);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  // Settings that are measured in turn have an answer each.
  const curves = [...groups.values()].flatMap((group) => groupBySettings(group, (row) => row.provenance));
  return curves.map((group) => {
    const { workload, provenance } = group[0] as ReportRow;
    const { level, sentence } =
      load.walk.kind === 'search'
        ? answerOfSearch(
            cells.filter(
              (cell) => sameWorkload(cell.workload, workload) && sameSettings(cell.provenance, provenance),
            ),
            load,
            slo,
          )
        : answerOfLevels(group, slo);
    return {
      workload,
      level,
      cellId: group.find((row) => row.level === level)?.cellId ?? null,
      sentence: `${workloadId(workload)}${nameGroup(provenance, rows)}: ${sentence}`,
    };
  });
}

/** The search's own sequential bounds, which stay right however often it looked. */
function answerOfSearch(
  cells: readonly CellRecord[],
  load: LoadModel,
  slo: Slo,
): Pick<SloAnswer, 'level' | 'sentence'> {
  const step = nextOfSearch(searchPlanOf({ load, slo }), closedEvidence(cells));
  if (step.kind === 'answer') return { level: step.level, sentence: step.sentence };
  return {
    level: null,
    sentence: `The search ended before it had an answer. ${step.sentence}`,
  };
}

/** Nothing more is measured once there is a report. */
function closedEvidence(cells: readonly CellRecord[]): LevelEvidence[] {
  const levels = [...new Set(cells.map((cell) => cell.level))];
  return levels.map((level) => {
    const counts = poolSlo(
      cells.filter((cell) => cell.level === level).map((cell) => cell.summary?.slo ?? null),
    );
    return { level, attempted: counts?.attempted ?? 0, met: counts?.met ?? 0, closed: true };
  });
}

/** Levels are independent rows; from the lowest on, the last before one that does not meet. */
function answerOfLevels(group: readonly ReportRow[], slo: Slo): Pick<SloAnswer, 'level' | 'sentence'> {
  const share = `${writePercent(slo.attainment)} of requests`;
  const stop = group.findIndex((row) => row.slo?.verdict !== 'met');
  const best = stop < 0 ? group.at(-1) : group[stop - 1];
  const above = stop < 0 ? undefined : group[stop];
  const shown =
    best === undefined
      ? `No level is shown to meet the objectives with ${share}`
      : `${best.cellId} meets the objectives: at least ${writePercent(best.slo?.lower ?? 0)} of requests (${best.slo?.met} of ${best.slo?.attempted})`;
  return { level: best?.level ?? null, sentence: `${shown}; ${describeLimit(above)}` };
}

function describeLimit(above: ReportRow | undefined): string {
  if (above === undefined) return 'it is the highest that was measured.';
  if (above.slo === null) return `${above.cellId} was not measured.`;
  const { verdict, met, attempted, notEvaluable } = above.slo;
  if (verdict === 'missed') return `${above.cellId} misses them (${met} of ${attempted}).`;
  if (verdict === 'not-evaluable')
    return `${above.cellId} cannot be judged: ${notEvaluable} of ${attempted} requests lack the metric of a clause.`;
  return `${above.cellId} is not shown to meet them (${met} of ${attempted}); more requests would tell.`;
}
