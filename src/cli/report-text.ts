/** A run's results, plan and lists as lines of text. */

import type { Report, ReportRow } from '../core/report/report.ts';
import type { Plan, PlannedCell } from '../core/spec/plan.ts';
import type { EndpointList } from '../http/endpoints.ts';
import type { RunView } from '../http/run-view.ts';
import { writeDuration, writeFigure, writeUsd } from './figure.ts';
import { type Paint, PLAIN } from './paint.ts';
import { printable } from './printable.ts';
import { modelOf, skuOf } from './run-text.ts';
import { type Column, renderTable } from './text-table.ts';

/** One row per cell, then the best throughput and what to know before believing the numbers. */
export function renderReport(
  report: Report & { readonly partial?: boolean },
  width: number,
  paint: Paint = PLAIN,
): string[] {
  if (report.rows.length === 0) return ['No cell was measured.', ...renderNotes(report, width)];
  const slo = report.slo !== null;
  const table = renderTable(
    slo ? [...REPORT_COLUMNS, right('SLO')] : REPORT_COLUMNS,
    report.rows.map((row) => (slo ? [...reportCells(row), writeSlo(row, paint)] : reportCells(row))),
    width,
  );
  const answers = report.answers.flatMap((answer) => wrapLine(printable(answer.sentence), width));
  const demands = report.demands.flatMap((demand) => wrapLine(printable(demand.sentence), width));
  return [
    ...demands,
    ...(demands.length > 0 ? [''] : []),
    ...table,
    '',
    ...answers,
    ...renderBest(report),
    ...renderNotes(report, width),
  ];
}

const REPORT_COLUMNS: readonly Column[] = [
  left('cell'),
  right('requests'),
  right('output tok/s'),
  right('TTFT p50 ms'),
  right('TPOT p50 ms'),
  right('E2E p50 ms'),
  right('$ per M tok'),
];

function reportCells(row: ReportRow): string[] {
  return [
    printable(row.cellId),
    row.failed > 0 ? `${row.succeeded} of ${row.attempted}` : String(row.succeeded),
    writeFigure(row.outputTokensPerSecond),
    writeFigure(row.ttftMs.p50),
    writeFigure(row.tpotMs.p50),
    writeFigure(row.e2eMs.p50),
    writeFigure(row.usdPerMillionOutputTokens),
  ];
}

function writeSlo({ slo }: ReportRow, paint: Paint): string {
  if (slo === null) return '-';
  return paint(slo.verdict === 'met' ? 'good' : slo.verdict === 'missed' ? 'bad' : 'unsure', slo.verdict);
}

function renderBest(report: Report): string[] {
  if (report.best === null) return ['No cell had a throughput.'];
  const { cellId, outputTokensPerSecond } = report.best;
  return [`Best throughput: ${writeFigure(outputTokensPerSecond)} output tokens/s at ${printable(cellId)}.`];
}

function renderNotes(report: Report & { readonly partial?: boolean }, width: number): string[] {
  const failures = report.rows.filter((row) => row.failed > 0);
  const notes = [
    ...(report.partial === true ? ['Partial: the run is still measuring.'] : []),
    ...(report.stoppedBy === null ? [] : [`Stopped early: ${report.stoppedBy}`]),
    ...report.rows.flatMap((row) =>
      row.notMeasuredReason === null ? [] : [`${row.cellId}: ${row.notMeasuredReason}`],
    ),
    ...failures.map((row) => `${row.cellId}: ${row.failed} failed (${describeCounts(row.failures)}).`),
    ...report.findings.sentences,
    ...report.notes,
  ];
  return notes.flatMap((note) => wrapLine(printable(note), width));
}

function describeCounts(counts: ReportRow['failures']): string {
  return Object.entries(counts)
    .map(([failure, count]) => `${failure} ${count}`)
    .join(', ');
}

/** The cells that would be measured, the upper bounds, and every warning. */
export function renderPlan(plan: Plan, cells: readonly PlannedCell[], width: number): string[] {
  const table = renderTable(
    [left('cell'), right('repeats'), right('predicted s'), right('at most s')],
    cells.map((cell) => [
      printable(cell.cellId),
      String(cell.repeats),
      writeFigure(cell.predictedSeconds),
      writeFigure(cell.maxSeconds),
    ]),
    width,
  );
  const { price } = plan.price;
  const hourly =
    price === null
      ? `Price unknown: ${plan.price.reason}`
      : `Price ${writeUsd(price.perHourUsd)} an hour per instance (${price.region}, since ${price.since}).`;
  const predictedSeconds = cells.reduce((sum, cell) => sum + cell.repeats * cell.predictedSeconds, 0);
  const warnings = [
    ...plan.warnings,
    ...cells.flatMap((cell) => cell.warnings.map((text) => `${cell.cellId}: ${text}`)),
  ];
  const lines = [
    `${plan.cellsPlanned} measurements, predicted to take ${writeDuration(predictedSeconds)} without deploying.`,
    `At most ${writeFigure(plan.boundMinutes)} minutes and ${plan.boundUsd === null ? 'an unknown sum' : writeUsd(plan.boundUsd)}.`,
    hourly,
    `Quota: ${plan.quota.reason}`,
    ...warnings.map((text) => `Warning: ${text}`),
  ];
  return [...table, '', ...lines.flatMap((line) => wrapLine(printable(line), width))];
}

export function renderRuns(runs: readonly RunView[], width: number): string[] {
  if (runs.length === 0) return ['No runs.'];
  const rows = runs.map((run) => [
    printable(run.id),
    run.state,
    modelOf(run),
    skuOf(run),
    `${run.progress.cellsDone}/${run.progress.cellsPlanned}`,
    writeUsd(run.cost.accruedUsd),
    writeMinute(run.createdAt),
  ]);
  return renderTable(
    [left('run'), left('state'), left('model'), left('SKU'), right('cells'), right('cost'), left('created')],
    rows,
    width,
  );
}

export function renderEndpoints(
  { endpoints, troubles }: EndpointList,
  width: number,
  paint: Paint = PLAIN,
): string[] {
  const told = troubles.flatMap((line) => wrapLine(printable(line), width));
  if (endpoints.length === 0) {
    const nothing = 'No endpoints: nothing of this installation is alive.';
    return told.length === 0
      ? [nothing]
      : ['No endpoints were found where it was possible to look.', ...told];
  }
  const rows = endpoints.map((endpoint) => [
    printable(endpoint.name),
    printable(endpoint.sku ?? '-'),
    String(endpoint.instances ?? '-'),
    writeUsd(endpoint.costUsd),
    endpoint.expiresAt === null ? '-' : writeMinute(endpoint.expiresAt),
    printable(endpoint.runId ?? '-'),
    endpoint.leaked ? paint('bad', 'leaked') : endpoint.keptUntil === null ? '' : 'kept',
  ]);
  const table = renderTable(
    [
      left('endpoint'),
      left('SKU'),
      right('instances'),
      right('cost'),
      left('expires'),
      left('run'),
      left(''),
    ],
    rows,
    width,
  );
  const errors = endpoints.flatMap(({ name, releaseError }) =>
    releaseError === null ? [] : [`${name}: ${releaseError}`],
  );
  return [...table, ...errors.flatMap((line) => wrapLine(printable(line), width)), ...told];
}

/** `2026-01-15 12:00Z` of an ISO time. */
function writeMinute(time: string): string {
  return printable(time.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z$/, '$1 $2Z'));
}

/** Breaks a line between words; later lines are indented. A word that is longer than the width stays whole. */
export function wrapLine(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `  ${word}`;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function left(title: string): Column {
  return { title, align: 'left' };
}

function right(title: string): Column {
  return { title, align: 'right' };
}
