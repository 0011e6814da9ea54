/** Failed requests by class, a bar for each cell that had some. */
import { writeAmount, writeCount, writeShare } from '../wording.ts';
import { drawBars } from './bar.ts';
import type { Chart } from './chart.ts';
import type { ChartRow } from './row.ts';

/** The cells with the most failures; all of them are in the table. */
const MOST_BARS = 12;

/** Null where nothing failed. */
export function failuresChart(rows: readonly ChartRow[]): Chart | null {
  const failing = rows.filter((row) => row.failed > 0);
  if (failing.length === 0) return null;
  const classes = classesOf(failing);
  const worst = failing.toSorted((one, other) => other.failed - one.failed).slice(0, MOST_BARS);
  const drawn = failing.filter((row) => worst.includes(row));
  const colourOf = (name: string) => classes.indexOf(name);
  const summary = `Failed requests by class. ${drawn.map(describeRow).join('; ')}.`;
  const hidden = failing.length - drawn.length;
  return {
    id: 'failures',
    title: 'Failed requests by class',
    reading: `Of the attempted requests of each cell; behind each bar the share that failed. Failures are in no latency and no throughput.${hidden > 0 ? ` ${hidden} more cells are in the table only.` : ''}`,
    summary,
    legend: classes.map((name) => ({
      name,
      look: { colour: colourOf(name), dashes: 'solid', shape: 'bar' },
    })),
    draw: (width) =>
      drawBars(
        drawn.map((row) => ({
          name: row.cellId,
          parts: Object.entries(row.failures).map(([name, count]) => ({
            colour: colourOf(name),
            value: count,
            says: `${row.cellId}: ${writeAmount(count, 'request')} failed with ${name}`,
          })),
          estimate: null,
          label: row.attempted === 0 ? writeCount(row.failed) : writeShare(row.failed / row.attempted),
        })),
        'Failed requests',
        summary,
        width,
      ),
    table: {
      head: ['Cell', 'Attempted', 'Failed', ...classes],
      rows: failing.map((row) => [
        row.cellId,
        row.attempted,
        row.failed,
        ...classes.map((name) => row.failures[name] ?? 0),
      ]),
    },
  };
}

/** The most frequent first. */
function classesOf(rows: readonly ChartRow[]): string[] {
  const counts = new Map<string, number>();
  for (const row of rows)
    for (const [name, count] of Object.entries(row.failures))
      counts.set(name, (counts.get(name) ?? 0) + count);
  return [...counts].sort(([, one], [, other]) => other - one).map(([name]) => name);
}

function describeRow({ cellId, attempted, failed, failures }: ChartRow): string {
  const parts = Object.entries(failures).map(([name, count]) => `${count} ${name}`);
  return `${cellId}: ${failed} of ${attempted} (${parts.join(', ')})`;
}
