/** Axes, lines, bands and marks as SVG; what every chart over levels is drawn with. */
import { type Child, type Markup, markup } from '../markup.ts';
import { writeDigits, writeTick } from '../wording.ts';
import type { Estimate, Look } from './chart.ts';
import type { Scale } from './scale.ts';

/** The part of the drawing that the axes enclose, in pixels. */
export interface Area {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** About what a digit of the axis takes; labels are laid out before anything can be measured. */
const CHARACTER_PX = 7;
const LEAST_LABEL_GAP_PX = 10;
const MARK_PX = 4.5;

/** As high as a screen shows beside its title and legend; flatter on a phone. */
export function plotArea(width: number): Area {
  const height = Math.round(Math.min(300, Math.max(230, width * 0.52)));
  return { width, height, left: 58, right: width - 22, top: 30, bottom: height - 46 };
}

export function drawing(area: Area, summary: string, ...children: readonly Child[]): Markup {
  const { width, height } = area;
  return markup(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': summary, class: 'plot' },
    ...children,
  );
}

export function drawAxes(
  area: Area,
  x: { readonly scale: Scale; readonly title: string; readonly write?: (value: number) => string },
  y: { readonly scale: Scale; readonly title: string; readonly write?: (value: number) => string },
): Markup {
  const { left, right, top, bottom } = area;
  const writeX = x.write ?? writeTick;
  const writeY = y.write ?? writeTick;
  const rows = y.scale.ticks.map((tick) => [
    line('grid', left, y.scale.at(tick), right, y.scale.at(tick)),
    text(writeY(tick), left - 8, y.scale.at(tick) + 4, 'end'),
  ]);
  const columns = thin(x.scale, writeX).map((tick) => [
    line('tick', x.scale.at(tick), bottom, x.scale.at(tick), bottom + 5),
    text(writeX(tick), x.scale.at(tick), bottom + 19, 'middle'),
  ]);
  return markup(
    'g',
    { 'aria-hidden': 'true' },
    ...rows,
    ...columns,
    line('axis', left, bottom, right, bottom),
    text(y.title, 0, top - 16, 'start', 'title'),
    text(x.title, right, bottom + 38, 'end', 'title'),
  );
}

/** The ticks whose labels do not run into each other. */
function thin(scale: Scale, write: (value: number) => string): number[] {
  const kept: number[] = [];
  let free = Number.NEGATIVE_INFINITY;
  for (const tick of scale.ticks) {
    const half = (write(tick).length * CHARACTER_PX) / 2;
    if (scale.at(tick) - half < free) continue;
    kept.push(tick);
    free = scale.at(tick) + half + LEAST_LABEL_GAP_PX;
  }
  return kept;
}

export interface PlotPoint {
  readonly x: number;
  readonly estimate: Estimate | null;
  /** Drawn hollow where the value should not be built on. */
  readonly trusted: boolean;
  /** What the mark says when it is pointed at. */
  readonly says: string;
  readonly label?: string;
}

/** A band, a line and marks. A point without a value breaks the line. */
export function drawSeries(points: readonly PlotPoint[], look: Look, x: Scale, y: Scale): Markup {
  const runs = unbroken(points);
  return markup(
    'g',
    { class: colourClass(look) },
    ...runs.map((run) => drawBand(run, x, y)),
    ...runs.map((run) =>
      markup('path', {
        class: `line ${look.dashes}`,
        d: pathOf(run.map((one) => [x.at(one.x), y.at(one.estimate.value)])),
      }),
    ),
    drawMarks(points, look, x, y),
  );
}

/** The bands alone: where a value was to be expected. */
export function drawBands(points: readonly PlotPoint[], look: Look, x: Scale, y: Scale): Markup {
  return markup('g', { class: colourClass(look) }, ...unbroken(points).map((run) => drawBand(run, x, y)));
}

/** The marks alone. */
export function drawMarks(points: readonly PlotPoint[], look: Look, x: Scale, y: Scale): Markup {
  const marks = unbroken(points)
    .flat()
    .map((point) => drawMark(point, look, x.at(point.x), y.at(point.estimate.value)));
  return markup('g', { class: colourClass(look) }, ...marks);
}

type KnownPoint = PlotPoint & { readonly estimate: Estimate };

function unbroken(points: readonly PlotPoint[]): KnownPoint[][] {
  const runs: KnownPoint[][] = [[]];
  for (const point of points) {
    if (point.estimate === null) runs.push([]);
    else runs.at(-1)?.push(point as KnownPoint);
  }
  return runs.filter((run) => run.length > 0);
}

/** Where both ends are known; a single point has a whisker, for a band needs two. */
function drawBand(run: readonly KnownPoint[], x: Scale, y: Scale): Child {
  const known = run.filter(({ estimate }) => estimate.upper !== null);
  const low = ({ estimate }: KnownPoint) => y.at(estimate.lower ?? estimate.value);
  const high = ({ estimate }: KnownPoint) => y.at(estimate.upper ?? estimate.value);
  const whiskers = known.map((point) =>
    markup('path', {
      class: 'whisker',
      d: pathOf([
        [x.at(point.x), low(point)],
        [x.at(point.x), high(point)],
      ]),
    }),
  );
  if (known.length < 2) return whiskers;
  const outline = [
    ...known.map((point) => [x.at(point.x), high(point)] as const),
    ...known.toReversed().map((point) => [x.at(point.x), low(point)] as const),
  ];
  return [markup('path', { class: 'band', d: `${pathOf(outline)}Z` }), ...whiskers];
}

function drawMark(point: KnownPoint, look: Look, cx: number, cy: number): Markup {
  return markup(
    'g',
    {},
    markup(
      'path',
      { class: point.trusted ? 'mark' : 'mark hollow', d: markPath(look.colour, cx, cy, MARK_PX) },
      markup('title', {}, point.says),
    ),
    point.label === undefined ? null : text(point.label, cx, cy - 9, 'middle', 'label'),
  );
}

/** Circle, square, diamond and triangle in turn, so that colours are not needed to tell series apart. */
export function markPath(index: number, cx: number, cy: number, size: number): string {
  const at = (dx: number, dy: number) => `${round(cx + dx * size)} ${round(cy + dy * size)}`;
  const shapes = [
    `M${at(-1, 0)}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0Z`,
    `M${at(-0.9, -0.9)}L${at(0.9, -0.9)}L${at(0.9, 0.9)}L${at(-0.9, 0.9)}Z`,
    `M${at(0, -1.25)}L${at(1.25, 0)}L${at(0, 1.25)}L${at(-1.25, 0)}Z`,
    `M${at(0, -1.2)}L${at(1.15, 0.9)}L${at(-1.15, 0.9)}Z`,
  ];
  return shapes[index % shapes.length] as string;
}

/** A line right across, such as the objective. */
export function drawRule(area: Area, y: Scale, value: number, says: string): Markup {
  const at = y.at(value);
  return markup(
    'g',
    {},
    line('rule', area.left, at, area.right, at),
    text(says, area.left + 6, at + 15, 'start', 'label'),
  );
}

export function colourClass({ colour }: Pick<Look, 'colour'>): string {
  return `series s${(colour % 8) + 1}`;
}

export function line(name: string, x1: number, y1: number, x2: number, y2: number): Markup {
  return markup('line', { class: name, x1: round(x1), y1: round(y1), x2: round(x2), y2: round(y2) });
}

export function text(
  words: string,
  x: number,
  y: number,
  anchor: 'start' | 'middle' | 'end',
  name: string | null = null,
): Markup {
  return markup('text', { x: round(x), y: round(y), 'text-anchor': anchor, class: name }, words);
}

export function pathOf(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
}

/** `123 (118 to 130)`. */
export function writeEstimate({ value, lower, upper }: Estimate): string {
  if (upper === null) return writeDigits(value);
  if (lower === null) return `${writeDigits(value)} (at most ${writeDigits(upper)})`;
  return `${writeDigits(value)} (${writeDigits(lower)} to ${writeDigits(upper)})`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
