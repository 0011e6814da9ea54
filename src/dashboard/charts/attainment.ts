/** The share of attempted requests that met the objectives, over the levels; a line for each workload. */
import { writeShare } from '../wording.ts';
import type { Chart } from './chart.ts';
import { chartOfLevels, lookOf } from './level-chart.ts';
import { byWorkload, type ChartRow } from './row.ts';

/** What requests were held against, as the report has it. */
export interface Objectives {
  readonly attainment: number;
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
  readonly e2eMs: number | null;
}

/** Null without objectives. */
export function attainmentChart(rows: readonly ChartRow[], slo: Objectives | null): Chart | null {
  if (slo === null) return null;
  return chartOfLevels({
    id: 'attainment',
    title: 'Requests that meet the objectives',
    axis: 'Share of attempted requests',
    reading: `Objectives: ${describeObjectives(slo)}. A failed request is a miss. Bands and bars: one-sided 95 % bounds; a level meets where the lower one is at or above the line.`,
    write: writeShare,
    rule: { value: slo.attainment, says: `wanted: ${writeShare(slo.attainment)}` },
    series: byWorkload(rows).map((group, index) => ({
      name: group.name,
      rows: group.rows,
      estimateOf: (row) => row.attainment,
      look: lookOf(index),
    })),
  });
}

export function describeObjectives({ ttftMs, tpotMs, e2eMs }: Objectives): string {
  const clauses = [
    ['TTFT', ttftMs],
    ['TPOT', tpotMs],
    ['end to end', e2eMs],
  ] as const;
  return clauses
    .filter(([, ms]) => ms !== null && ms !== undefined)
    .map(([name, ms]) => `${name} within ${ms} ms`)
    .join(', ');
}
