/**
 * A report as GitHub flavoured Markdown. Texts that are not ours (names, messages of a server) are shown and never
 * act: no link, image, tag or broken table comes out of them, whatever they hold.
 */

import { REQUEST_FAILURES, type RequestFailure } from '../failure.ts';
import { digits, literal, NONE, writeList, writeTable } from '../markdown.ts';
import type { Loop } from '../measuring/cell.ts';
import { addCounts } from '../measuring/summary.ts';
import { LEAST_SAMPLES, type Quantiles, type Report, type ReportRow } from './report.ts';

/** The report as Markdown. `partial` says that it was built while the run was still measuring. */
export function reportToMarkdown(report: Report, partial = false): string {
  const blocks = [
    writeTitle(report),
    ...writeBanners(report, partial),
    // What the reader asked comes first.
    ...(report.demands.length === 0
      ? []
      : [writeList(report.demands.map(({ sentence }) => escapeOwn(sentence)))]),
    writeList(describeMeasurement(report)),
    '## Cells',
    ...writeCells(report),
    ...(report.answers.length === 0
      ? []
      : [
          '## Objectives',
          writeList([describeSlo(report.slo), ...report.answers.map((answer) => escapeOwn(answer.sentence))]),
        ]),
    '## Best throughput',
    writeBest(report),
    ...writeFailures(report.rows),
    ...writeEvidence(report.rows),
    ...(report.findings.sentences.length === 0
      ? []
      : ['## Findings', writeList(report.findings.sentences.map(escapeOwn))]),
    '## Notes',
    writeList(writeNotes(report)),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function writeTitle(report: Report): string {
  const measured = report.rows[0]?.provenance;
  if (measured === undefined) return '# Benchmark';
  return `# Benchmark of ${literal(measured.model?.name)} on ${literal(measured.sku)}`;
}

function writeBanners(report: Report, partial: boolean): string[] {
  const banners: string[] = [];
  if (report.simulated) {
    const speed = report.rows
      .map((row) => row.provenance.simulatorGpuSpeed)
      .find((factor) => factor !== null);
    const factor = speed === undefined ? '' : ` at ${digits(speed, 3)} x GPU speed`;
    banners.push(`> **SIMULATED**${factor}. No GPU was measured; these are not numbers of Azure.`);
  }
  if (partial) banners.push('> **PARTIAL.** The run was still measuring when this was written.');
  return banners;
}

function describeSlo(slo: Report['slo']): string {
  if (slo === null) return NONE;
  const clauses = [
    ['TTFT', slo.ttftMs],
    ['TPOT', slo.tpotMs],
    ['E2E', slo.e2eMs],
  ].flatMap(([name, limitMs]) => (limitMs === null ? [] : [`${name} at most ${limitMs} ms`]));
  return `Asked: ${clauses.join(' and ')}, by ${digits(slo.attainment * 100, 4)} % of all attempted requests`;
}

/** What was measured and how, as the first row says: a run's endpoints are alike. */
function describeMeasurement(report: Report): string[] {
  const lines = [
    `Run: ${literal(report.runId)}, created ${new Date(report.createdAtMs).toISOString()}, mode ${report.mode}`,
  ];
  const measured = report.rows[0]?.provenance;
  if (measured !== undefined) {
    const { model } = measured;
    lines.push(
      `Model: ${model === null ? NONE : `${literal(model.registry)} / ${literal(model.name)}, version ${literal(model.version)}`}`,
      `SKU: ${literal(measured.sku)}, instances: ${measured.instances ?? NONE}, region: ${literal(measured.region)}`,
      `${describeEndpoints(report.rows[0])}, deployment: ${literal(measured.deployment)}, route: ${measured.route ?? NONE}, ${measured.streamed ? 'streamed' : 'not streamed'}`,
      `Settings: ${measured.maxConcurrentRequestsPerInstance ?? NONE} concurrent requests per instance, request timeout ${measured.requestTimeoutSeconds} s, isolation ${measured.isolation}`,
      `Client region: ${literal(measured.clientRegion)}, prompts ${measured.promptSource}`,
    );
  }
  const { pricePerHourUsd, priceReason, instances } = report.cost;
  lines.push(
    pricePerHourUsd === null
      ? `Price: unknown. ${priceReason === null ? '' : literal(priceReason)}`.trimEnd()
      : `Price: ${digits(pricePerHourUsd, 6)} USD per hour and instance, ${instances} paid for`,
  );
  return lines;
}

function describeEndpoints(row: ReportRow | undefined): string {
  const names = row?.deployments ?? [];
  return names.length > 1
    ? `Endpoints: ${names.map(literal).join(', ')}`
    : `Endpoint: ${literal(row?.provenance.endpoint)}`;
}

type CellColumn = readonly [title: string, read: (row: ReportRow) => string];

const LEVEL_TITLES: Readonly<Record<Loop, string>> = {
  closed: 'Concurrency',
  rate: 'Requests/s asked',
  trace: 'Trace speed',
};

/** Where there are objectives. */
const SLO_COLUMNS: readonly CellColumn[] = [
  ['SLO', (row) => row.slo?.verdict ?? NONE],
  ['SLO met', (row) => (row.slo === null ? NONE : `${row.slo.met} of ${row.slo.attempted}`)],
  ['Goodput requests/s', (row) => digits(row.goodputRequestsPerSecond, 3)],
];

/** Where requests had a time to be sent at. */
const OPEN_COLUMNS: readonly CellColumn[] = [
  ['Response p50 ms', (row) => digits(row.responseMs.p50, 4)],
  ['Response p95 ms', (row) => percentile(row.responseMs, 'p95')],
  ['Dropped', (row) => String(row.dropped)],
];

const CELL_COLUMNS: readonly CellColumn[] = [
  ['Prompt tokens', (row) => String(row.workload.promptTokens)],
  ['Output tokens', (row) => String(row.workload.outputTokens)],
  ['Repeats', (row) => String(row.repeats)],
  ['Succeeded', (row) => String(row.succeeded)],
  ['Failed', (row) => String(row.failed)],
  [
    'Output tokens/s',
    (row) =>
      digits(row.outputTokensPerSecond, 4) + (row.steady || row.outputTokensPerSecond === null ? '' : ' \\*'),
  ],
  [
    '95 % interval',
    ({ outputTokensInterval: interval }) =>
      interval === null ? NONE : `${digits(interval.lower, 4)} to ${digits(interval.upper, 4)}`,
  ],
  ['Requests/s', (row) => digits(row.requestsPerSecond, 3)],
  [
    'TTFT p50 ms',
    (row) =>
      row.ttftMs.p50 === null && row.ttftReason !== null ? row.ttftReason : digits(row.ttftMs.p50, 4),
  ],
  ['TTFT p95 ms', (row) => percentile(row.ttftMs, 'p95')],
  ['TPOT p50 ms', (row) => digits(row.tpotMs.p50, 3)],
  ['NTPOT p50 ms', (row) => digits(row.ntpotMs.p50, 3)],
  ['E2E p50 ms', (row) => digits(row.e2eMs.p50, 4)],
  ['E2E p95 ms', (row) => percentile(row.e2eMs, 'p95')],
  ['E2E p99 ms', (row) => percentile(row.e2eMs, 'p99')],
  ['USD per million output tokens', (row) => digits(row.usdPerMillionOutputTokens, 4)],
];

function writeCells(report: Report): string[] {
  const [first] = report.rows;
  if (first === undefined) return ['Nothing was measured.'];
  const columns: readonly CellColumn[] = [
    [LEVEL_TITLES[first.loop], (row) => String(row.level)],
    ...CELL_COLUMNS,
    ...(report.slo === null ? [] : SLO_COLUMNS),
    ...(first.loop === 'closed' ? [] : OPEN_COLUMNS),
  ];
  const footnotes = [
    `A dash: no such value exists. NTPOT: the whole time of an answer by its output tokens. n<${LEAST_SAMPLES.p95}, n<${LEAST_SAMPLES.p99}: too few samples to know the 95th, the 99th percentile.`,
  ];
  if (report.rows.some((row) => !row.steady && row.outputTokensPerSecond !== null))
    footnotes.push('\\* over the whole measurement, because not every repeat had a steady window.');
  const unmeasured = report.rows.flatMap((row) =>
    row.notMeasuredReason === null ? [] : [`${literal(row.cellId)}: ${literal(row.notMeasuredReason)}`],
  );
  return [
    tableOf(columns, report.rows),
    footnotes.join(' '),
    ...(unmeasured.length === 0 ? [] : ['Not measured:', writeList(unmeasured)]),
  ];
}

/** The highest throughput and its row, in the origin's words and units. */
function writeBest(report: Report): string {
  const row = report.rows.find((candidate) => candidate.cellId === report.best?.cellId);
  if (row === undefined) return 'No request succeeded, so there is none.';
  const seconds = (ms: number | null) => digits(ms === null ? null : ms / 1000, 4);
  return writeList([
    `${LEVEL_TITLES[row.loop]}: ${row.level}`,
    `Prompt size: ${row.workload.promptTokens} tokens`,
    `Response size: ${row.workload.outputTokens} tokens`,
    `Throughput: ${digits(row.outputTokensPerSecond, 4)} output tokens per second`,
    `Average latency: ${seconds(row.e2eMs.mean)} seconds`,
    `Average TTFT: ${seconds(row.ttftMs.mean)} seconds${row.ttftReason === null ? '' : ` (${row.ttftReason})`}`,
  ]);
}

/** Each class of failure over all cells, with its meaning and the first words of one. */
function writeFailures(rows: readonly ReportRow[]): string[] {
  const counts = addCounts(rows.map((row) => row.failures));
  const classes = (Object.keys(counts) as RequestFailure[]).sort(
    (one, other) => (counts[other] ?? 0) - (counts[one] ?? 0),
  );
  if (classes.length === 0) return [];
  const lines = classes.map((name) => {
    const example = rows.find((row) => row.failureExamples[name] !== undefined)?.failureExamples[name];
    return `${name}: ${counts[name]}. ${REQUEST_FAILURES[name]}${example === undefined ? '' : ` Example: ${literal(example)}`}`;
  });
  return ['## Failures', writeList(lines)];
}

/** What rows say beside their rates and times; a report of a version that did not count it has nothing here. */
const EVIDENCE_COLUMNS: readonly CellColumn[] = [
  ['Cell', (row) => literal(row.cellId)],
  ['Prompt length / asked, p5 to p95', (row) => ratioRange(row.promptLengthRatio)],
  ['Output length / asked, p5 to p95', (row) => ratioRange(row.outputLengthRatio)],
  ['Sent kB/s', (row) => kilobytes(row.wire?.sentBytesPerSecond)],
  ['Received kB/s', (row) => kilobytes(row.wire?.receivedBytesPerSecond)],
  [
    'Delayed for bandwidth',
    ({ wire }) =>
      wire?.delayP50Ms == null
        ? String(wire?.delayedAnswers ?? NONE)
        : `${wire.delayedAnswers}, by ${digits(wire.delayP50Ms, 3)} ms`,
  ],
  ['GPU busy %', ({ gpu }) => digits(gpu?.utilisation == null ? null : gpu.utilisation * 100, 3)],
];

function writeEvidence(rows: readonly ReportRow[]): string[] {
  const counted = rows.filter(({ wire, outputLengthRatio }) => (wire ?? outputLengthRatio ?? null) !== null);
  return counted.length === 0 ? [] : ['## Lengths and bytes', tableOf(EVIDENCE_COLUMNS, counted)];
}

function ratioRange(range: ReportRow['outputLengthRatio']): string {
  return range == null ? NONE : `${digits(range.p5, 3)} to ${digits(range.p95, 3)}`;
}

function kilobytes(bytes: number | null | undefined): string {
  return digits(bytes == null ? null : bytes / 1_000, 3);
}

function tableOf(columns: readonly CellColumn[], rows: readonly ReportRow[]): string {
  const titles = columns.map(([title]) => title);
  return writeTable([titles, ...rows.map((row) => columns.map(([, read]) => read(row)))], 'right');
}

function writeNotes(report: Report): string[] {
  const notes = report.notes.map(literal);
  return report.stoppedBy === null
    ? notes
    : [...notes, `Measuring stopped early: ${literal(report.stoppedBy)}`];
}

/** A sentence of ours, which holds no foreign text: its signs that Markdown knows are escaped and it stays prose. */
function escapeOwn(sentence: string): string {
  return sentence.replace(/[\\`*_[\]<>|~]/g, '\\$&');
}

/** A percentile, or the least number of samples that it would need. */
function percentile(quantiles: Quantiles, name: 'p95' | 'p99'): string {
  if (quantiles.count > 0 && quantiles[name] === null) return `n<${LEAST_SAMPLES[name]}`;
  return digits(quantiles[name], 4);
}
