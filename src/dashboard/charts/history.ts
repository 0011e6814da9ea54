/** A schedule's history: one measure over its runs, with regressions marked. */
import { writeTime } from '../wording.ts';
import type { Chart, Estimate } from './chart.ts';
import { lookOf } from './level-chart.ts';
import {
  drawAxes,
  drawBands,
  drawing,
  drawMarks,
  drawSeries,
  type PlotPoint,
  plotArea,
  writeEstimate,
} from './plot.ts';
import { linearScale, type Scale } from './scale.ts';

/** One run of the schedule. */
export interface HistoryRow {
  readonly id: string;
  readonly atMs: number;
  /** Null where nothing was measured. */
  readonly estimate: Estimate | null;
  /** Where a new deployment of the same would come out; null where nothing tells. */
  readonly expected: { readonly lower: number; readonly upper: number } | null;
  readonly verdict: 'regression' | 'improvement' | 'no-change-shown' | 'not-comparable';
}

export interface HistoryMeasure {
  readonly id: string;
  readonly title: string;
  readonly axis: string;
}

/** Null without a run that has a value. */
export function historyChart({ id, title, axis }: HistoryMeasure, runs: readonly HistoryRow[]): Chart | null {
  const rows = runs.toSorted((one, other) => one.atMs - other.atMs);
  const known = rows.flatMap(({ estimate }) => (estimate === null ? [] : [estimate]));
  if (known.length === 0) return null;
  const regressions = rows.filter((row) => row.verdict === 'regression');
  const expected = rows.map(expectationOf);
  const summary = `${title}: ${axis} over ${rows.length} runs; ${
    regressions.length === 0 ? 'no regression' : `regressions: ${regressions.map(describe).join('; ')}`
  }.`;
  return {
    id,
    title,
    reading:
      'Each mark is a run, on a deployment of its own: runs scatter as deployments do. The band is where another deployment of the same would come out; only what is below it is a regression.',
    summary,
    legend: [
      { name: 'run', look: lookOf(HISTORY) },
      ...(regressions.length === 0 ? [] : [{ name: 'regression', look: lookOf(REGRESSION) }]),
    ],
    draw: (width) => {
      const area = plotArea(width);
      const x = timeScale(rows, [area.left, area.right]);
      const y = linearScale(
        [...known, ...expected.flatMap(({ estimate }) => estimate ?? [])].flatMap(({ value, upper }) => [
          value,
          upper ?? value,
        ]),
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
        drawBands(expected, lookOf(EXPECTED), x, y),
        drawSeries(rows.map(pointOf), lookOf(HISTORY), x, y),
        drawMarks(regressions.map(pointOf), lookOf(REGRESSION), x, y),
      );
    },
    table: {
      head: ['Run', 'When', axis, 'Expected from', 'Expected to', 'Verdict'],
      rows: rows.map((row) => [
        row.id,
        new Date(row.atMs).toISOString(),
        row.estimate?.value ?? null,
        row.expected?.lower ?? null,
        row.expected?.upper ?? null,
        row.verdict,
      ]),
    },
  };
}

/** Looks: the blue circle, the rust square, and grey. */
const HISTORY = 0;
const REGRESSION = 1;
const EXPECTED = 7;

function expectationOf(row: HistoryRow): PlotPoint {
  const { expected } = row;
  const estimate = expected === null ? null : { value: 1, ...expected };
  return { x: row.atMs, estimate, trusted: true, says: '' };
}

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
