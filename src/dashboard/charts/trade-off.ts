/** The throughput-latency curve: what all users together get, against how long one of them waits. */
import { writeDigits } from '../wording.ts';
import { type Chart, MOST_SERIES } from './chart.ts';
import { lookOf } from './level-chart.ts';
import { drawAxes, drawing, drawSeries, plotArea } from './plot.ts';
import { byWorkload, type ChartRow, warnOfHollow } from './row.ts';
import { linearScale } from './scale.ts';

/** Null where no row has both. */
export function tradeOffChart(rows: readonly ChartRow[]): Chart | null {
  const groups = byWorkload(rows.filter(hasBoth));
  if (groups.length === 0) return null;
  const drawn = groups.slice(0, MOST_SERIES);
  const unit = rows[0]?.unit ?? 'token';
  const xTitle = `Output ${unit}s per second`;
  const summary = `End-to-end latency against throughput. ${drawn
    .map(({ name, rows: points }) => `${name}: ${points.map(describePoint).join(', ')}`)
    .join('; ')}.`;
  return {
    id: 'trade-off',
    title: 'Throughput against latency',
    reading: `Each mark is a level, with its number beside it. Where a curve turns up steeply, more load buys waiting and no output. Latency is the median, from send to last token.${warnOfHollow(drawn.flatMap((group) => group.rows))}`,
    summary,
    legend: drawn.map(({ name }, index) => ({ name, look: lookOf(index) })),
    draw: (width) => {
      const area = plotArea(width);
      const all = drawn.flatMap((group) => group.rows);
      const x = linearScale(all.map(rateOf), [area.left, area.right]);
      const y = linearScale(all.map(latencyOf), [area.bottom, area.top]);
      return drawing(
        area,
        summary,
        drawAxes(area, { scale: x, title: xTitle }, { scale: y, title: 'Latency p50, ms' }),
        drawn.map((group, index) =>
          drawSeries(
            group.rows.map((row) => ({
              x: rateOf(row),
              estimate: { value: latencyOf(row), lower: null, upper: null },
              trusted: row.trusted,
              says: `${group.name}, ${describePoint(row)}`,
              label: String(row.level),
            })),
            lookOf(index),
            x,
            y,
          ),
        ),
      );
    },
    table: {
      head: ['Workload', 'Level', xTitle, 'Latency p50, ms', 'Latency p95, ms'],
      rows: groups.flatMap(({ name, rows: points }) =>
        points.map((row) => [name, row.level, rateOf(row), latencyOf(row), row.e2eMs.p95?.value ?? null]),
      ),
    },
  };
}

function hasBoth(row: ChartRow): boolean {
  return row.throughput !== null && row.e2eMs.p50 !== null;
}

function rateOf(row: ChartRow): number {
  return row.throughput?.value ?? 0;
}

function latencyOf(row: ChartRow): number {
  return row.e2eMs.p50?.value ?? 0;
}

function describePoint(row: ChartRow): string {
  return `level ${row.level} ${writeDigits(rateOf(row))} per second at ${writeDigits(latencyOf(row))} ms`;
}
