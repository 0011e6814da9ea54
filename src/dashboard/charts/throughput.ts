/** Output per second over the levels, a line for each workload. */
import type { Chart } from './chart.ts';
import { chartOfLevels, lookOf } from './level-chart.ts';
import { byWorkload, type ChartRow } from './row.ts';

export function throughputChart(rows: readonly ChartRow[]): Chart | null {
  const unit = rows[0]?.unit ?? 'token';
  return chartOfLevels({
    id: 'throughput',
    title: 'Throughput',
    axis: `Output ${unit}s per second`,
    reading:
      'All connections together, in the mean of the repeats. Bands and bars: 95 % interval of that mean; none where there was one repeat. A repeat is no second deployment: another machine of the same SKU may lie outside.',
    series: byWorkload(rows).map((group, index) => ({
      name: group.name,
      rows: group.rows,
      estimateOf: (row) => row.throughput,
      look: lookOf(index),
    })),
  });
}
