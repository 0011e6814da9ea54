/** A chart of something over the levels of each workload, or over the levels of one: lines with bands. */
import { writeDigits } from '../wording.ts';
import { type Chart, type Estimate, type Look, MOST_SERIES, type TableCell } from './chart.ts';
import { drawAxes, drawing, drawRule, drawSeries, type PlotPoint, plotArea, writeEstimate } from './plot.ts';
import { type ChartRow, levelTitle, warnOfHollow } from './row.ts';
import { levelScale, linearScale, logScale } from './scale.ts';

export interface LevelSeries {
  readonly name: string;
  readonly rows: readonly ChartRow[];
  readonly estimateOf: (row: ChartRow) => Estimate | null;
  readonly look: Look;
}

export interface LevelChart {
  readonly id: string;
  readonly title: string;
  readonly reading: string;
  /** The vertical axis, with its unit. */
  readonly axis: string;
  readonly series: readonly LevelSeries[];
  /** A value that is marked right across. */
  readonly rule?: { readonly value: number; readonly says: string };
  readonly write?: (value: number) => string;
}

/** Null where there is no value to draw. */
export function chartOfLevels(chart: LevelChart): Chart | null {
  const all = chart.series.filter(({ rows, estimateOf }) => rows.some((row) => estimateOf(row) !== null));
  const first = all[0];
  if (first === undefined) return null;
  const drawn = all.slice(0, MOST_SERIES);
  const levels = levelTitle(first.rows);
  const summary = describe(chart, drawn, levels);
  const hidden = all.length - drawn.length;
  return {
    id: chart.id,
    title: chart.title,
    reading: `${chart.reading}${warnOfHollow(drawn.flatMap(({ rows }) => rows))}${hidden === 0 ? '' : ` ${hidden} more are in the table only.`}`,
    summary,
    legend: drawn.map(({ look, name }) => ({ look, name })),
    draw: (width) => draw(chart, drawn, levels, summary, width),
    table: {
      head: [levels, ...(all.length > 1 ? ['Line'] : []), chart.axis, 'At least', 'At most'],
      rows: all.flatMap(({ name, rows, estimateOf }) =>
        rows.map((row) => tableRow(row.level, all.length > 1 ? name : null, estimateOf(row))),
      ),
    },
  };
}

function tableRow(level: number, name: string | null, estimate: Estimate | null): TableCell[] {
  return [
    level,
    ...(name === null ? [] : [name]),
    estimate?.value ?? null,
    estimate?.lower ?? null,
    estimate?.upper ?? null,
  ];
}

/** Values that differ by more than this are drawn by ratio, or the small ones lie on the axis. */
const LOG_RATIO = 40;

function draw(
  chart: LevelChart,
  series: readonly LevelSeries[],
  levels: string,
  summary: string,
  width: number,
) {
  const area = plotArea(width);
  const known = series.flatMap(({ rows, estimateOf }) => rows.map(estimateOf).filter((one) => one !== null));
  const values = [
    ...known.flatMap(({ value, lower, upper }) => [value, lower, upper].filter((one) => one !== null)),
    ...(chart.rule === undefined ? [] : [chart.rule.value]),
  ];
  const positive = values.filter((value) => value > 0);
  const isLog =
    positive.length === values.length &&
    Math.max(...known.map((one) => one.value)) > LOG_RATIO * Math.min(...known.map((one) => one.value));
  const y = (isLog ? logScale : linearScale)(isLog ? positive : values, [area.bottom, area.top]);
  const x = levelScale(
    series.flatMap(({ rows }) => rows.map((row) => row.level)),
    [area.left, area.right],
  );
  const axis = { scale: y, title: isLog ? `${chart.axis}, by ratio` : chart.axis };
  return drawing(
    area,
    summary,
    drawAxes(
      area,
      { scale: x, title: levels },
      chart.write === undefined ? axis : { ...axis, write: chart.write },
    ),
    chart.rule === undefined ? null : drawRule(area, y, chart.rule.value, chart.rule.says),
    series.map((one) =>
      drawSeries(
        one.rows.map((row) => pointOf(one, row)),
        one.look,
        x,
        y,
      ),
    ),
  );
}

function pointOf({ name, estimateOf }: LevelSeries, row: ChartRow): PlotPoint {
  const estimate = estimateOf(row);
  const value = estimate === null ? 'no value' : writeEstimate(estimate);
  const warning = row.trusted ? '' : '; do not build on it';
  return { x: row.level, estimate, trusted: row.trusted, says: `${name}, ${row.level}: ${value}${warning}` };
}

/** The ends and the top of each line, in a sentence. */
function describe({ title }: LevelChart, series: readonly LevelSeries[], levels: string): string {
  const told = series.map(({ name, rows, estimateOf }) => {
    const points = rows.flatMap((row) => {
      const estimate = estimateOf(row);
      return estimate === null ? [] : [{ level: row.level, value: estimate.value }];
    });
    const first = points[0];
    const last = points.at(-1);
    if (first === undefined || last === undefined) return `${name}: no value`;
    if (points.length === 1) return `${name}: ${writeDigits(first.value)} at ${first.level}`;
    return `${name}: from ${writeDigits(first.value)} at ${first.level} to ${writeDigits(last.value)} at ${last.level}`;
  });
  return `${title}, over ${levels.toLowerCase()}. ${told.join('; ')}.`;
}

/** The look of a workload: its place among the workloads. */
export function lookOf(colour: number, dashes: Look['dashes'] = 'solid'): Look {
  return { colour, dashes, shape: 'line' };
}
