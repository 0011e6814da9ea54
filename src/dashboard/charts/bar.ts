/** Bars that lie: one for each name, of one or several parts, with an interval at the end where there is one. */
import { type Markup, markup } from '../markup.ts';
import { writeTick } from '../wording.ts';
import type { Estimate } from './chart.ts';
import { type Area, colourClass, drawing, line, text } from './plot.ts';
import { linearScale } from './scale.ts';

export interface Bar {
  readonly name: string;
  readonly parts: readonly { readonly colour: number; readonly value: number; readonly says: string }[];
  /** Of the whole bar. */
  readonly estimate: Estimate | null;
  /** What stands behind the bar. */
  readonly label: string;
}

const BAR_PX = 22;
const ROW_PX = 50;
const LABEL_PX = 90;
/** About what a character takes; nothing can be measured before it is laid out. */
const LABEL_CHARACTER_PX = 8;

export function drawBars(bars: readonly Bar[], title: string, summary: string, width: number): Markup {
  const bottom = 8 + bars.length * ROW_PX;
  const area: Area = { width, height: bottom + 46, left: 4, right: width - LABEL_PX, top: 8, bottom };
  const sums = bars.map(({ parts }) => parts.reduce((sum, part) => sum + part.value, 0));
  const x = linearScale(
    [...sums, ...bars.map(({ estimate }) => estimate?.upper ?? 0)],
    [area.left, area.right],
  );
  const ticks = x.ticks.map((tick) => [
    line('grid', x.at(tick), area.top, x.at(tick), bottom),
    text(writeTick(tick), x.at(tick), bottom + 19, tick === 0 ? 'start' : 'middle'),
  ]);
  return drawing(
    area,
    summary,
    markup('g', { 'aria-hidden': 'true' }, ...ticks, text(title, area.right, bottom + 38, 'end', 'title')),
    bars.map((bar, index) =>
      drawBar({ ...bar, name: fitName(bar.name, width) }, area.top + index * ROW_PX, x.at),
    ),
  );
}

/** A label is foreign and may be long; all of it stands in the table and in what the bar says. */
function fitName(name: string, width: number): string {
  const most = Math.floor(width / LABEL_CHARACTER_PX);
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`;
}

function drawBar({ name, parts, estimate, label }: Bar, top: number, at: (value: number) => number): Markup {
  let from = 0;
  const drawn = parts.map(({ colour, value, says }) => {
    const left = at(from);
    from += value;
    return markup(
      'g',
      { class: colourClass({ colour }) },
      markup(
        'rect',
        { class: 'bar', x: left, y: top + 17, width: Math.max(1, at(from) - left), height: BAR_PX },
        markup('title', {}, says),
      ),
    );
  });
  const middle = top + 17 + BAR_PX / 2;
  const interval =
    estimate === null || estimate.upper === null
      ? null
      : line('interval', at(estimate.lower ?? estimate.value), middle, at(estimate.upper), middle);
  const end = Math.max(at(from), estimate?.upper == null ? 0 : at(estimate.upper));
  return markup(
    'g',
    {},
    text(name, at(0), top + 12, 'start', 'label'),
    ...drawn,
    interval,
    text(label, end + 8, middle + 4, 'start', 'label'),
  );
}
