/** The rows as Markdown, each client beside the bare loop. Pure. */
import type { MeasuredRow, RowResult } from './measure.ts';
import type { Row } from './rows.ts';

interface Column {
  readonly title: string;
  readonly figure: string;
  readonly write: (value: number) => string;
  /** Whether the ratio to the peer stands behind it. */
  readonly ratio?: boolean;
}

const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 1);
const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
const rounded = (value: number): string => Math.round(value).toLocaleString('en-US');
const tenths = (value: number): string => (value / 1e6).toFixed(1);
const megabytes = (value: number): string => (value / 1e6).toFixed(0);

const COLUMNS: Readonly<Record<Row['kind'], readonly Column[]>> = {
  latency: [
    { title: 'read lag p50 ms', figure: 'lagP50Ms', write: ms, ratio: true },
    { title: 'read lag p99 ms', figure: 'lagP99Ms', write: ms, ratio: true },
    { title: 'lag of every token p95 ms', figure: 'everyLagP95Ms', write: ms, ratio: true },
    { title: 'of every token p99 ms', figure: 'everyLagP99Ms', write: ms, ratio: true },
    { title: 'TTFT error p50 ms', figure: 'ttftErrorP50Ms', write: ms, ratio: true },
    { title: 'TTFT error p99 ms', figure: 'ttftErrorP99Ms', write: ms },
    { title: 'E2E error p99 ms', figure: 'e2eErrorP99Ms', write: ms },
    { title: 'ITL p99 off by', figure: 'itlP99ErrorShare', write: percent },
    { title: 'server late p99 ms', figure: 'serverLatenessP99Ms', write: ms },
  ],
  requests: [
    { title: 'requests/s', figure: 'perSecond', write: rounded, ratio: true },
    { title: 'CPU ms per 1,000', figure: 'cpuMsPerUnits', write: ms, ratio: true },
    { title: 'peak MB', figure: 'peakRssBytes', write: megabytes },
    { title: 'server busy', figure: 'serverBusyShare', write: percent },
  ],
  events: [
    { title: 'events/s', figure: 'perSecond', write: rounded, ratio: true },
    { title: 'CPU ms per million', figure: 'cpuMsPerUnits', write: rounded, ratio: true },
    { title: 'peak MB', figure: 'peakRssBytes', write: megabytes },
    { title: 'server busy', figure: 'serverBusyShare', write: percent },
  ],
  memory: [
    { title: 'held after a tenth, MB', figure: 'heldFirstBytes', write: tenths },
    { title: 'held after all, MB', figure: 'heldLastBytes', write: tenths },
    { title: 'bytes held per further request', figure: 'heldBytesPerRequest', write: rounded },
    { title: 'RSS growth MB', figure: 'rssGrowthBytes', write: tenths },
  ],
  burst: [{ title: 'start spread at the server ms', figure: 'startSpreadMs', write: ms, ratio: true }],
};

/** Whom ratios are to: the bare loop, or autocannon where that is what a row is about. */
function peerOf(kind: Row['kind']): RowResult['client'] {
  return kind === 'burst' ? 'autocannon' : 'undici';
}

export function writeTables(measured: readonly MeasuredRow[]): string {
  return measured.map(({ row, results }) => writeTable(row, results)).join('\n\n');
}

function writeTable(row: Row, results: readonly RowResult[]): string {
  const columns = COLUMNS[row.kind];
  const peer = results.find(({ client }) => client === peerOf(row.kind));
  const titles = ['client', ...columns.map(({ title }) => title), 'failed'];
  const lines = results.map((result) => {
    const cells = columns.map((column) => writeCell(column, result, peer));
    return `| ${[result.client, ...cells, result.failed].join(' | ')} |`;
  });
  return [
    peer === undefined ? `**${row.name}**` : `**${row.name}** (in brackets: ratio to ${peerOf(row.kind)})`,
    '',
    `| ${titles.join(' | ')} |`,
    `| ${titles.map((_, index) => (index === 0 ? '---' : '---:')).join(' | ')} |`,
    ...lines,
  ].join('\n');
}

function writeCell(column: Column, result: RowResult, peer: RowResult | undefined): string {
  const value = result.figures[column.figure] ?? Number.NaN;
  const other = peer?.figures[column.figure];
  if (column.ratio !== true || other === undefined || peer === result) return column.write(value);
  return `${column.write(value)} (${(value / other).toFixed(2)})`;
}
