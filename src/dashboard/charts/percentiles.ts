/** TTFT and TPOT over the levels of one workload: the median and the two high percentiles. */
import type { Chart } from './chart.ts';
import { chartOfLevels, lookOf } from './level-chart.ts';
import { byWorkload, type ChartRow, type PercentileName } from './row.ts';

const METRICS = [
  { field: 'ttftMs', id: 'ttft', title: 'Time to first token' },
  { field: 'tpotMs', id: 'tpot', title: 'Time per output token' },
] as const;

const LINES: readonly { readonly name: PercentileName; readonly dashes: 'solid' | 'dashed' | 'dotted' }[] = [
  { name: 'p50', dashes: 'solid' },
  { name: 'p95', dashes: 'dashed' },
  { name: 'p99', dashes: 'dotted' },
];

/** More workloads than these are in the table of cells only: each would add two charts. */
const MOST_WORKLOADS = 6;

/** Two charts for each workload, and none where the route did not stream. */
export function percentileCharts(rows: readonly ChartRow[]): Chart[] {
  const groups = byWorkload(rows).slice(0, MOST_WORKLOADS);
  const charts = groups.flatMap((group) =>
    METRICS.map(({ field, id, title }) =>
      chartOfLevels({
        id: `${id}-${group.id}`,
        title: groups.length === 1 ? title : `${title}: ${group.name}`,
        axis: 'Milliseconds',
        reading:
          'Of all good requests of all repeats. Bands and bars: 95 % interval from order statistics. A percentile that has too few requests behind it is not drawn.',
        series: LINES.map(({ name, dashes }, index) => ({
          name,
          rows: group.rows,
          estimateOf: (row) => row[field][name],
          look: lookOf(index, dashes),
        })),
      }),
    ),
  );
  return charts.filter((chart) => chart !== null);
}
