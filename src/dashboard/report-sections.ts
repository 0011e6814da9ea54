/**
 * A run's report as elements: the answer first, then the charts, every cell in a table, what failed, and what to know
 * before believing it. The page shows them live and the mailed file holds them.
 */
import { REQUEST_FAILURES } from '../core/failure.ts';
import type { Quantiles, Report, ReportRow } from '../core/report/report.ts';
import { leastCount } from '../core/statistics/interval.ts';
import { attainmentChart } from './charts/attainment.ts';
import type { Chart } from './charts/chart.ts';
import { costChart } from './charts/cost.ts';
import { failuresChart } from './charts/failures.ts';
import { figureOf } from './charts/figure.ts';
import { percentileCharts } from './charts/percentiles.ts';
import { type ChartRow, chartRows } from './charts/row.ts';
import { throughputChart } from './charts/throughput.ts';
import { tradeOffChart } from './charts/trade-off.ts';
import { type Markup, markup } from './markup.ts';
import { headCell, notesSection, numberCell, SIMULATED, scrollTable } from './section.ts';
import { NONE, writeCount, writeDigits } from './wording.ts';

/** A report of whatever version the API is: only its rows are counted on. */
export type AnyReport = Pick<Report, 'rows'> & Partial<Report>;

export function reportSections(report: AnyReport, partial: boolean): Markup[] {
  const rows = chartRows(report);
  return [
    ...(report.simulated === true ? [SIMULATED] : []),
    ...(partial ? [markup('p', { class: 'quiet' }, 'So far: cells and repeats are still to come.')] : []),
    answerSection(report),
    chartsSection(rows, report),
    markup('h3', {}, 'Every cell'),
    cellsTable(report),
    markup('p', { class: 'quiet' }, footnote(report)),
    ...failureSection(report.rows),
    notesSection([...(report.findings?.sentences ?? []), ...(report.notes ?? [])]),
  ];
}

/** What the objectives allow, and the best throughput, which no objective stands behind. */
function answerSection(report: AnyReport): Markup {
  const answers = (report.answers ?? []).map(({ sentence }) => markup('p', { class: 'answer' }, sentence));
  return markup('div', { class: 'answers' }, ...answers, bestSentence(report));
}

function bestSentence({ best }: AnyReport): Markup {
  if (best === null || best === undefined) return markup('p', {}, 'No request succeeded.');
  return markup(
    'p',
    {},
    'Best throughput: ',
    markup('strong', {}, `${writeDigits(best.outputTokensPerSecond, 4)} output tokens per second`),
    ' in cell ',
    markup('code', {}, best.cellId),
    '.',
  );
}

/** The order in which a reader asks: how much, for how long a wait, for what money, and does it hold. */
export function reportCharts(rows: readonly ChartRow[], slo: Report['slo'] | undefined): Chart[] {
  return [
    throughputChart(rows),
    tradeOffChart(rows),
    ...percentileCharts(rows),
    costChart(rows),
    attainmentChart(rows, slo ?? null),
    failuresChart(rows),
  ].filter((chart) => chart !== null);
}

function chartsSection(rows: readonly ChartRow[], report: AnyReport): Markup {
  const charts = reportCharts(rows, report.slo);
  if (charts.length === 0) return markup('div');
  return markup(
    'div',
    {},
    markup('h3', {}, 'Charts'),
    markup('div', { class: 'charts' }, ...charts.map(figureOf)),
  );
}

type Column = readonly [title: string, unit: string | null, cell: (row: ReportRow) => Markup];

const P95_LEAST = leastCount(0.95, 'upper-bound');
const P99_LEAST = leastCount(0.99, 'upper-bound');

const COLUMNS: readonly Column[] = [
  ['Prompt', 'tokens', (row) => countCell(row.workload.promptTokens)],
  ['Output', 'tokens', (row) => countCell(row.workload.outputTokens)],
  ['Throughput', 'output tok/s', throughputCell],
  ['Failed', 'requests', (row) => countCell(row.failed, row.failed > 0 ? 'problem-text' : null)],
  ['Good', 'requests', (row) => countCell(row.succeeded)],
  ['Rate', 'requests/s', (row) => numberCell(row.requestsPerSecond, 3)],
  ['TTFT p50', 'ms', (row) => numberCell(row.ttftMs?.p50, 4, row.ttftReason ?? NONE)],
  ['TTFT p95', 'ms', (row) => percentileCell(row.ttftMs, 'p95', P95_LEAST)],
  ['TPOT p50', 'ms', (row) => numberCell(row.tpotMs?.p50, 3)],
  ['E2E p50', 'ms', (row) => numberCell(row.e2eMs?.p50, 4)],
  ['E2E p95', 'ms', (row) => percentileCell(row.e2eMs, 'p95', P95_LEAST)],
  ['E2E p99', 'ms', (row) => percentileCell(row.e2eMs, 'p99', P99_LEAST)],
  ['Cost', 'USD per million output tok', (row) => numberCell(row.usdPerMillionOutputTokens, 4)],
  ['Repeats', null, repeatsCell],
];

function cellsTable({ rows, best }: AnyReport): Markup {
  const loop = rows[0]?.loop ?? 'closed';
  const head = [
    headCell(
      loop === 'closed' ? 'Conc.' : 'Level',
      loop === 'closed' ? 'requests' : loop === 'rate' ? 'sent per s' : 'speed',
    ),
    ...COLUMNS.map(([title, unit]) => headCell(title, unit)),
  ];
  const body = rows.map((row, index) => {
    const above = rows[index - 1];
    const isNewWorkload = above !== undefined && workloadOf(above) !== workloadOf(row);
    const classes = [best?.cellId === row.cellId ? 'best' : '', isNewWorkload ? 'new-workload' : ''];
    return markup(
      'tr',
      { class: classes.filter((one) => one !== '').join(' ') || null },
      markup('th', { scope: 'row', class: 'number' }, markup('data', { value: row.level }, row.level)),
      ...COLUMNS.map(([, , cell]) => cell(row)),
    );
  });
  return scrollTable('results', { label: 'Every cell', caption: 'Cells, by workload and level' }, head, body);
}

function workloadOf({ cellId }: ReportRow): string {
  return cellId.replace(/^[^-]*-/, '');
}

function throughputCell(row: ReportRow): Markup {
  const { attributes, children } = numberCell(row.outputTokensPerSecond, 4);
  const isUnsteady = row.steady === false && row.outputTokensPerSecond !== null;
  return markup('td', attributes, ...children, isUnsteady ? ' *' : null);
}

function countCell(count: number, name: string | null = null): Markup {
  return markup(
    'td',
    { class: name === null ? 'number' : `number ${name}` },
    markup('data', { value: count }, writeCount(count)),
  );
}

/** A percentile, or the least number of samples that it would need. */
function percentileCell(quantiles: Quantiles | undefined, name: 'p95' | 'p99', least: number): Markup {
  const tooFew = quantiles !== undefined && quantiles.count > 0 && quantiles[name] === null;
  return numberCell(quantiles?.[name], 4, tooFew ? `n<${least}` : NONE);
}

function repeatsCell(row: ReportRow): Markup {
  const { notMeasuredReason: reason } = row;
  const count = markup('data', { value: row.repeats }, row.repeats);
  if (reason === null || reason === undefined) return markup('td', { class: 'number' }, count);
  return markup('td', { class: 'number' }, count, markup('small', { class: 'reason' }, reason));
}

function footnote({ rows }: AnyReport): string {
  const isSteady = rows.every((row) => row.steady !== false || row.outputTokensPerSecond === null);
  const unsteady = isSteady ? '' : ' * over the whole measurement, without a steady window.';
  return `${NONE} no such value exists. n<${P95_LEAST}, n<${P99_LEAST}: too few samples for that percentile.${unsteady}`;
}

/** Each class of failure over all cells, with its meaning and the first words of one. */
function failureSection(rows: readonly ReportRow[]): Markup[] {
  const classes = new Map<string, { count: number; example: string | null }>();
  for (const row of rows) {
    for (const [name, count] of Object.entries(row.failures ?? {})) {
      const known = classes.get(name) ?? { count: 0, example: null };
      const example =
        known.example ?? (row.failureExamples as Record<string, string> | undefined)?.[name] ?? null;
      classes.set(name, { count: known.count + count, example });
    }
  }
  if (classes.size === 0) return [];
  const items = [...classes]
    .sort(([, one], [, other]) => other.count - one.count)
    .map(([name, { count, example }]) =>
      markup(
        'li',
        {},
        markup('strong', {}, `${writeCount(count)} x ${name}`),
        ` ${Object.hasOwn(REQUEST_FAILURES, name) ? REQUEST_FAILURES[name as keyof typeof REQUEST_FAILURES] : ''}`,
        example === null ? null : markup('small', {}, ' Example: ', markup('code', {}, example)),
      ),
    );
  return [markup('h3', {}, 'Failed requests'), markup('ul', {}, ...items)];
}
