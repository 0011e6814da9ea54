/** The Pareto front of a comparison: what a million tokens cost, against how long one token takes. */
import { markup } from '../markup.ts';
import { writeDigits, writeTick, writeUsd } from '../wording.ts';
import type { Chart } from './chart.ts';
import { lookOf } from './level-chart.ts';
import { drawAxes, drawing, drawMarks, pathOf, plotArea } from './plot.ts';
import { linearScale } from './scale.ts';

/** One cell of one target, as a comparison's report has it. */
export interface FrontRow {
  readonly label: string;
  readonly cellId: string;
  readonly usdPerMillionOutputTokens: number;
  readonly msPerToken: number;
  /** No other row is both cheaper and faster. */
  readonly onFront: boolean;
}

/** `id` tells charts of several workloads apart; `time` is what a token's time is, such as `TPOT`. */
export interface FrontSubject {
  readonly id: string;
  readonly workloadName: string;
  readonly time: string;
  /** Every target of the comparison: its place gives its look. */
  readonly labels: readonly string[];
}

/** Null where there is no row. */
export function frontChart(
  { id, workloadName, time, labels }: FrontSubject,
  rows: readonly FrontRow[],
): Chart | null {
  if (rows.length === 0) return null;
  const timeTitle = `${time} p50, ms`;
  const shown = labels.filter((label) => rows.some((row) => row.label === label));
  const front = rows
    .filter((row) => row.onFront)
    .toSorted((one, other) => one.usdPerMillionOutputTokens - other.usdPerMillionOutputTokens);
  const summary = `Cost against time per token. On the front: ${front.map(describe).join('; ')}.`;
  return {
    id: `front-${id}`,
    title: `Cost against speed: ${workloadName}`,
    reading:
      'Each mark is a cell of a target: further left is cheaper, further down is faster. Nothing measured is both cheaper and faster than a mark on the dotted line.',
    summary,
    legend: shown.map((name) => ({ name, look: lookOf(labels.indexOf(name)) })),
    draw: (width) => {
      const area = plotArea(width);
      const x = linearScale(
        rows.map((row) => row.usdPerMillionOutputTokens),
        [area.left, area.right],
      );
      const y = linearScale(
        rows.map((row) => row.msPerToken),
        [area.bottom, area.top],
      );
      const line = front.map((row) => [x.at(row.usdPerMillionOutputTokens), y.at(row.msPerToken)] as const);
      return drawing(
        area,
        summary,
        drawAxes(
          area,
          { scale: x, title: 'USD per million output tokens', write: (value) => `$${writeTick(value)}` },
          { scale: y, title: timeTitle },
        ),
        line.length < 2 ? null : markup('path', { class: 'front', d: pathOf(line) }),
        shown.map((label) =>
          drawMarks(
            rows
              .filter((row) => row.label === label)
              .map((row) => ({
                x: row.usdPerMillionOutputTokens,
                estimate: { value: row.msPerToken, lower: null, upper: null },
                trusted: true,
                says: describe(row),
              })),
            lookOf(labels.indexOf(label)),
            x,
            y,
          ),
        ),
      );
    },
    table: {
      head: ['Target', 'Cell', 'USD per million output tokens', timeTitle, 'On the front'],
      rows: rows.map((row) => [
        row.label,
        row.cellId,
        row.usdPerMillionOutputTokens,
        row.msPerToken,
        row.onFront ? 'yes' : 'no',
      ]),
    },
  };
}

function describe({ label, cellId, usdPerMillionOutputTokens, msPerToken }: FrontRow): string {
  return `${label}, ${cellId}: ${writeUsd(usdPerMillionOutputTokens)} and ${writeDigits(msPerToken)} ms`;
}
