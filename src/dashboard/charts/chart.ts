/**
 * A chart: what is drawn, what it says in words, and the table of the exact values behind it. One file beside this for
 * each chart of ours, from plain rows to this; `figure.ts` makes the element of it.
 */
import type { Markup } from '../markup.ts';

export interface Chart {
  /** Unique in a report: `throughput`, `ttft-p512-o128`. */
  readonly id: string;
  readonly title: string;
  /** How it is read, and what not to conclude; one or two sentences. */
  readonly reading: string;
  /** What it shows, for somebody who does not see it. */
  readonly summary: string;
  readonly legend: readonly LegendEntry[];
  /** SVG of that width in pixels. */
  readonly draw: (width: number) => Markup;
  readonly table: ChartTable;
}

export interface LegendEntry {
  readonly look: Look;
  readonly name: string;
}

/** How a series looks: told apart by colour, and by mark or dashes for who does not see colours. */
export interface Look {
  /** From 0; eight colours, then again from the first. */
  readonly colour: number;
  readonly dashes: 'solid' | 'dashed' | 'dotted';
  readonly shape: 'line' | 'bar';
}

export interface ChartTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly TableCell[])[];
}

/** A text, or a number that is shown with so many digits; null where there is none. */
export type TableCell = string | number | null;

/** A value with how far it may be off; the ends are null where nothing is known of them. */
export interface Estimate {
  readonly value: number;
  readonly lower: number | null;
  readonly upper: number | null;
}

/** More lines than this in one chart are not told apart. The table has them all. */
export const MOST_SERIES = 8;
