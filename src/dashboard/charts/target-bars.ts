/** The targets of a comparison side by side, each with its interval: SKUs, instance counts or settings. */
import { writeDigits } from '../wording.ts';
import { drawBars } from './bar.ts';
import type { Chart, Estimate } from './chart.ts';
import { writeEstimate } from './plot.ts';

/** One target at its best cell. */
export interface TargetRow {
  readonly label: string;
  readonly cellId: string;
  /** The same for a target in every chart. */
  readonly colour: number;
  readonly estimate: Estimate;
}

export interface TargetMeasure {
  readonly id: string;
  readonly title: string;
  /** Of the axis, with its unit. */
  readonly axis: string;
  readonly reading: string;
}

/** Null where there is no target with a value. In the order given: best first is for the report to say. */
export function targetBarsChart(
  { id, title, axis, reading }: TargetMeasure,
  rows: readonly TargetRow[],
): Chart | null {
  if (rows.length === 0) return null;
  const says = ({ label, cellId, estimate }: TargetRow) =>
    `${label}: ${writeEstimate(estimate)} in ${cellId}`;
  const summary = `${title}. ${rows.map(says).join('; ')}.`;
  return {
    id,
    title,
    reading,
    summary,
    legend: [],
    draw: (width) =>
      drawBars(
        rows.map((row) => ({
          name: row.label,
          parts: [{ colour: row.colour, value: row.estimate.value, says: says(row) }],
          estimate: row.estimate,
          label: writeDigits(row.estimate.value),
        })),
        axis,
        summary,
        width,
      ),
    table: {
      head: ['Target', 'Cell', axis, 'At least', 'At most'],
      rows: rows.map(({ label, cellId, estimate }) => [
        label,
        cellId,
        estimate.value,
        estimate.lower,
        estimate.upper,
      ]),
    },
  };
}
