/** The element of a chart: title, legend, drawing in two widths, how to read it, and its table behind a toggle. */
import { type Markup, markup } from '../markup.ts';
import { NONE, writeDigits } from '../wording.ts';
import type { Chart, ChartTable, LegendEntry, TableCell } from './chart.ts';
import { colourClass, markPath } from './plot.ts';

/** A phone's column and a screen's half; the style shows the one that its room fits. */
const WIDTHS = { narrow: 340, wide: 600 } as const;

export function figureOf(chart: Chart): Markup {
  return markup(
    'figure',
    { class: 'chart', id: `chart-${chart.id}` },
    markup('figcaption', {}, markup('h4', {}, chart.title)),
    chart.legend.length < 2 ? null : markup('ul', { class: 'legend' }, ...chart.legend.map(drawLegend)),
    ...(Object.keys(WIDTHS) as (keyof typeof WIDTHS)[]).map((name) =>
      markup('div', { class: name }, chart.draw(WIDTHS[name])),
    ),
    markup('p', { class: 'quiet' }, chart.reading),
    markup(
      'details',
      {},
      markup('summary', {}, 'Values as a table', markup('span', { class: 'hidden' }, `: ${chart.title}`)),
      tableOf(chart.title, chart.table),
    ),
  );
}

function drawLegend({ look, name }: LegendEntry): Markup {
  const swatch =
    look.shape === 'bar'
      ? [markup('rect', { class: 'bar', x: 5, y: 1, width: 18, height: 12 })]
      : [
          markup('path', { class: `line ${look.dashes}`, d: 'M0 7L28 7' }),
          markup('path', { class: 'mark', d: markPath(look.colour, 14, 7, 4.5) }),
        ];
  return markup(
    'li',
    {},
    markup(
      'svg',
      { viewBox: '0 0 28 14', width: 28, height: 14, class: colourClass(look), 'aria-hidden': 'true' },
      ...swatch,
    ),
    name,
  );
}

/** In a region that scrolls sideways by itself, by keyboard too. */
function tableOf(title: string, { head, rows }: ChartTable): Markup {
  return markup(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': `${title}, values`, tabindex: 0 },
    markup(
      'table',
      { class: 'values' },
      markup('caption', {}, title),
      markup(
        'thead',
        {},
        markup(
          'tr',
          {},
          ...head.map((name, column) =>
            markup('th', { scope: 'col', class: isNumeric(rows, column) ? 'number' : null }, name),
          ),
        ),
      ),
      markup('tbody', {}, ...rows.map((row) => markup('tr', {}, ...row.map(drawCell)))),
    ),
  );
}

function isNumeric(rows: ChartTable['rows'], column: number): boolean {
  return rows.some((row) => typeof row[column] === 'number');
}

function drawCell(cell: TableCell, column: number): Markup {
  const tag = column === 0 ? 'th' : 'td';
  const scope = column === 0 ? 'row' : null;
  if (typeof cell === 'string') return markup(tag, { scope }, cell);
  const shown = cell === null ? NONE : markup('data', { value: cell }, writeValue(cell));
  return markup(tag, { scope, class: 'number' }, shown);
}

function writeValue(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en-US') : writeDigits(value, 4);
}
