/** A schedule's history: one measure over its runs, with regressions marked. */
import { writeTime } from '../wording.ts';
import type { Chart, Estimate } from './chart.ts';
import { lookOf } from './level-chart.ts';
import { drawAxes, drawing, drawMarks, drawSeries, type PlotPoint, plotArea, writeEstimate } from './plot.ts';
import { linearScale, type Scale } from './scale.ts';

/** One run of the schedule. */
export interface HistoryRow {
  readonly id: string;
  readonly atMs: number;
  /** Null where nothing was measured. */
  readonly estimate: Estimate | null;
  readonly verdict: 'regression' | 'improvement' | 'no-change-shown' | 'not-comparable';
}

/** Null without a run that has a value. */
export function historyChart(axis: string, runs: readonly HistoryRow[]): Chart | null {
  const rows = runs.toSorted((one, other) => one.atMs - other.atMs);
  const known = rows.flatMap(({ estimate }) => (estimate === null ? [] : [estimate]));
  if (known.length === 0) return null;
  const regressions = rows.filter((row) => row.verdict === 'regression');
  const summary = `${axis} over ${rows.length} runs; ${
    regressions.length === 0 ? 'no regression' : `regressions: ${regressions.map(describe).join('; ')}`
  }.`;
  return {
    id: 'history',
    title: 'History',
    reading:
      'Each mark is a run, on a deployment of its own: runs scatter as deployments do. A regression is marked only where it is more than that scatter.',
    summary,
    legend: [
      { name: 'run', look: lookOf(HISTORY) },
      ...(regressions.length === 0 ? [] : [{ name: 'regression', look: lookOf(REGRESSION) }]),
    ],
    draw: (width) => {
      const area = plotArea(width);
      const x = timeScale(rows, [area.left, area.right]);
      const y = linearScale(
        known.flatMap(({ value, upper }) => [value, upper ?? value]),
        [area.bottom, area.top],
      );
      return drawing(
        area,
        summary,
        drawAxes(
          area,
          { scale: x, title: 'Day of the run (UTC)', write: writeDay },
          { scale: y, title: axis },
        ),
        drawSeries(rows.map(pointOf), lookOf(HISTORY), x, y),
        drawMarks(regressions.map(pointOf), lookOf(REGRESSION), x, y),
      );
    },
    table: {
      head: ['Run', 'When', axis, 'At least', 'At most', 'Verdict'],
      rows: rows.map(({ id, atMs, estimate, verdict }) => [
        id,
        new Date(atMs).toISOString(),
        estimate?.value ?? null,
        estimate?.lower ?? null,
        estimate?.upper ?? null,
        verdict,
      ]),
    },
  };
}

/** Looks: the blue circle and the rust square. */
const HISTORY = 0;
const REGRESSION = 1;

function pointOf(row: HistoryRow): PlotPoint {
  return {
    x: row.atMs,
    estimate: row.estimate,
    trusted: row.verdict !== 'not-comparable',
    says: describe(row),
  };
}

function describe({ id, atMs, estimate, verdict }: HistoryRow): string {
  const value = estimate === null ? 'nothing measured' : writeEstimate(estimate);
  return `${writeTime(new Date(atMs).toISOString())}, ${id}: ${value}, ${verdict}`;
}

/** True to time, so that a week without a run is a gap. */
function timeScale(rows: readonly HistoryRow[], [from, to]: readonly [number, number]): Scale {
  const times = rows.map((row) => row.atMs);
  const first = times[0] ?? 0;
  const span = (times.at(-1) ?? 0) - first;
  const inset = (to - from) * 0.04;
  if (span === 0) return { at: () => (from + to) / 2, ticks: times.slice(0, 1) };
  return { at: (value) => from + inset + ((value - first) / span) * (to - from - 2 * inset), ticks: times };
}

function writeDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(5, 10);
}
