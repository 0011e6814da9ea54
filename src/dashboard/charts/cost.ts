/** Dollars per million output tokens over the levels, a line for each workload. */
import { writeTick } from '../wording.ts';
import type { Chart } from './chart.ts';
import { chartOfLevels, lookOf } from './level-chart.ts';
import { byWorkload, type ChartRow } from './row.ts';

export function costChart(rows: readonly ChartRow[]): Chart | null {
  return chartOfLevels({
    id: 'cost',
    title: 'Cost of a million output tokens',
    axis: 'USD per million output tokens',
    reading:
      'The price of all instances by the hour, over what they put out in it: what tokens cost while the load is always there. At half the use they cost twice as much.',
    write: (value) => `$${writeTick(value)}`,
    series: byWorkload(rows).map((group, index) => ({
      name: group.name,
      rows: group.rows,
      estimateOf: (row) => row.usdPerMillionOutputTokens,
      look: lookOf(index),
    })),
  });
}
