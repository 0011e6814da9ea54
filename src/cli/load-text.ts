/** What a load came to, as lines of text. */
import type { RequestFailure } from '../core/failure.ts';
import { MAY_BE_BUFFERED } from '../core/measuring/summary.ts';
import type { Quantiles } from '../core/report/report.ts';
import { writeFigure } from './figure.ts';
import type { LoadSummary } from './load-summary.ts';
import { printable } from './printable.ts';
import { wrapLine } from './report-text.ts';
import { type Column, renderTable } from './text-table.ts';

/** Labels stand in a column of this width, their facts beside it. */
const LABEL_WIDTH = 12;

const WITHOUT_TTFT = {
  'not-streamed': 'the answers did not come as streams',
  buffered: 'something before the client held the streams back and gave them out at once',
  'no-output': 'there was no output',
} as const;

const TIME_COLUMNS: readonly Column[] = [
  { title: 'ms', align: 'left' },
  ...['n', 'mean', 'p50', 'p95', 'p99', 'max'].map((title) => ({ title, align: 'right' as const })),
];

export function renderLoad(summary: LoadSummary, width: number): string[] {
  const { succeeded, requests } = summary;
  return [
    '',
    ...renderTable(TIME_COLUMNS, timeRows(summary), width),
    '',
    ...renderFact(
      'Requests',
      requests === 0
        ? 'none was answered'
        : `${count(succeeded)} of ${count(requests)} succeeded in ${writeSeconds(summary.seconds)}${summary.interrupted ? ', interrupted' : ''}`,
      width,
    ),
    ...renderFailures(summary, width),
    ...renderFact('Throughput', writeThroughput(summary), width),
    ...renderFact('Tokens', writeTokens(summary), width),
    ...renderArrivals(summary, width),
    ...renderFact('In flight', writeInFlight(summary), width),
    ...renderObjectives(summary, width),
    ...renderClient(summary, width),
    ...renderNotes(summary).flatMap((note) => wrapLine(printable(note), width)),
  ];
}

/** What will be loaded, before it is. */
export function renderLoadTitle(
  load: Pick<LoadSummary, 'url' | 'api' | 'streamAsked' | 'concurrency' | 'threads' | 'seed' | 'rateAsked'> &
    Pick<LoadSummary, 'promptTokensAsked' | 'outputTokensAsked'>,
  width: number,
): string[] {
  const shape = `${load.promptTokensAsked} prompt + ${load.outputTokensAsked} output tokens`;
  const way = `${load.api}${load.streamAsked ? ', streamed' : ''}`;
  const connections = `${count(load.concurrency)} connection${load.concurrency === 1 ? '' : 's'}${load.threads > 1 ? ` on ${load.threads} threads` : ''}`;
  const rate = load.rateAsked === null ? '' : `${writeAskedRate(load.rateAsked)} over at most `;
  return [load.url, `${way}; ${rate}${connections}; ${shape} a request; seed ${load.seed}`].flatMap((line) =>
    wrapLine(printable(line), width),
  );
}

function timeRows({ percentiles, ttftReason, rateAsked }: LoadSummary): string[][] {
  const row = (title: string, { count: n, mean, p50, p95, p99, max }: Quantiles) => [
    title,
    count(n),
    ...[mean, p50, p95, p99, max].map(writeFigure),
  ];
  const { ttftMs, ttftAnswerMs, responseMs, responseTtftMs } = percentiles;
  const streamed = ttftReason === null;
  const reasons = ttftAnswerMs.count !== ttftMs.count || ttftAnswerMs.mean !== ttftMs.mean;
  const open = rateAsked !== null;
  return [
    row('TTFT', ttftMs),
    ...(streamed && reasons ? [row('TTFT of the answer', ttftAnswerMs)] : []),
    ...(streamed ? [row('TPOT', percentiles.tpotMs), row('gap', percentiles.gapMs)] : []),
    ...(streamed ? [] : [row('NTPOT', percentiles.ntpotMs)]),
    row('E2E', percentiles.e2eMs),
    ...(open && streamed ? [row('TTFT as waited for', responseTtftMs)] : []),
    ...(open ? [row('E2E as waited for', responseMs)] : []),
  ];
}

function writeAskedRate({ requestsPerSecond, arrival }: NonNullable<LoadSummary['rateAsked']>): string {
  return `${writeRate(requestsPerSecond)} requests/s (${arrival === 'poisson' ? 'Poisson' : 'evenly spaced'})`;
}

/** What an open loop asked for, and what of it was sent. */
function renderArrivals({ rateAsked, offered, dropped }: LoadSummary, width: number): string[] {
  if (rateAsked === null || offered === null) return [];
  const never = dropped === 0 ? 'all were sent' : `${count(dropped)} of all were never sent`;
  const fact = `${writeAskedRate(rateAsked)}; ${count(offered.arrivals)} came, ${count(offered.sent)} of them were sent; ${never}`;
  return renderFact('Arrivals', fact, width);
}

const VERDICTS = {
  met: 'met',
  missed: 'MISSED',
  'not-shown': 'NOT SHOWN, more requests would tell',
  'not-evaluable': 'NOT EVALUABLE',
} as const;

function renderObjectives({ slo, rates }: LoadSummary, width: number): string[] {
  if (slo === null) return [];
  const { asked, verdict, met, attempted, notEvaluable, lower, upper } = slo;
  const clauses = [
    ['TTFT', asked.ttftMs],
    ['TPOT', asked.tpotMs],
    ['E2E', asked.e2eMs],
  ] as const;
  const wanted = clauses.flatMap(([name, ms]) => (ms === null ? [] : [`${name} of ${writeFigure(ms)} ms`]));
  const shown =
    lower === null || upper === null
      ? ''
      : `, which shows at least ${writeShare(lower)} and at most ${writeShare(upper)}`;
  const lacking =
    notEvaluable === 0 ? '' : `; ${count(notEvaluable)} lack the metric of a clause and cannot be judged`;
  const { goodputRequestsPerSecond: requests, goodputTokensPerSecond: tokens } = rates;
  return [
    ...renderFact(
      'Objectives',
      `${VERDICTS[verdict]}: ${wanted.join(' and ')} by ${writeShare(asked.attainment)} of requests; ${count(met)} of ${count(attempted)} kept them${shown}${lacking}`,
      width,
    ),
    ...renderFact(
      'Goodput',
      requests === null ? '-' : `${writeRate(tokens)} output tok/s, ${writeRate(requests)} requests/s`,
      width,
    ),
  ];
}

function renderFailures(summary: LoadSummary, width: number): string[] {
  const failures = Object.entries(summary.failures) as [RequestFailure, number][];
  return failures
    .sort(([, one], [, other]) => other - one)
    .flatMap(([failure, failed], index) => {
      const words = summary.failureExamples[failure];
      return renderFact(
        index === 0 ? 'Failures' : '',
        `${count(failed)} ${failure}${words === undefined || words === '' ? '' : `: ${words}`}`,
        width,
      );
    });
}

function writeThroughput({ rates, succeeded }: LoadSummary): string {
  const { requestsPerSecond, outputTokensPerSecond, promptTokensPerSecond } = rates;
  if (succeeded === 0 || requestsPerSecond === null) return '-';
  const span =
    rates.span === 'steady-window'
      ? `in a steady window of ${writeSeconds(rates.seconds)}`
      : 'from the first send to the last answer';
  return `${writeRate(outputTokensPerSecond)} output tok/s, ${writeRate(promptTokensPerSecond)} prompt tok/s, ${writeRate(requestsPerSecond)} requests/s, ${span}`;
}

function writeTokens(summary: LoadSummary): string {
  const { succeeded, outputTokens, promptTokens, contentEvents, outputLengthFidelity } = summary;
  if (succeeded === 0) return '-';
  const each = (total: number) => writeFigure(total / succeeded);
  const source = {
    usage: 'counted by the server',
    estimate: 'estimated from the text, since the server tells no usage',
    mixed: 'partly counted by the server and partly estimated',
  }[summary.tokenSource as string];
  return [
    `${each(outputTokens)} output and ${each(promptTokens)} prompt a request${source === undefined ? '' : `, ${source}`}`,
    ...(contentEvents === 0 ? [] : [`${count(contentEvents)} content events`]),
    ...(outputLengthFidelity === null ? [] : [`${writeShare(outputLengthFidelity)} as long as asked`]),
  ].join('; ');
}

function writeInFlight({ meanInFlight, maxInFlight, concurrency, littleRatio }: LoadSummary): string {
  if (meanInFlight === null) return '-';
  const little = littleRatio === null ? '' : `; rate x latency makes ${writeShare(littleRatio)} of it`;
  return `${writeFigure(meanInFlight)} on average, ${maxInFlight} at the most, of ${count(concurrency)}${little}`;
}

function renderClient({ clientHealth: client }: LoadSummary, width: number): string[] {
  if (client === null) return renderFact('Client', '-', width);
  const facts = [
    `event loop late by ${writeFigure(client.loopLagP99Ms)} ms (p99)`,
    `${writeShare(client.busyShare)} busy`,
    ...(client.cpuSeconds === null ? [] : [`CPU ${writeFigure(client.cpuSeconds)} s`]),
    `garbage collection ${writeFigure(client.gcPauseMs)} ms`,
    ...(client.sendDelayP99Ms === null
      ? []
      : [`sent late by ${writeFigure(client.sendDelayP99Ms)} ms (p99)`]),
    ...(client.roundTripMs === null ? [] : [`TCP round trip ${writeFigure(client.roundTripMs)} ms`]),
  ].join(', ');
  const verdict =
    client.valid === true ? 'good' : client.valid === false ? 'NOT VALID' : 'too short to judge';
  return [
    ...renderFact('Client', `${verdict}: ${facts}`, width),
    ...client.faults.flatMap((fault) => renderFact('', fault, width)),
  ];
}

function renderNotes(summary: LoadSummary): string[] {
  const { percentiles, ttftReason, rates, succeeded, warmUp, probe, abortedBy } = summary;
  const { p95, p99 } = percentiles.leastCount;
  const few = percentiles.e2eMs.count > 0 && percentiles.e2eMs.count < p99;
  const notes = [
    ...(ttftReason === null || succeeded === 0 ? [] : [`No TTFT: ${WITHOUT_TTFT[ttftReason]}.`]),
    ...(summary.mayBeBuffered ? [`In this load, ${MAY_BE_BUFFERED}`] : []),
    ...(few ? [`A dash: n is too small; p95 needs ${p95} values and p99 needs ${p99}.`] : []),
    // A load of so many requests has no window by its nature, and nobody needs to be told each time.
    ...(rates.span === 'whole' &&
    rates.reason !== null &&
    succeeded > 0 &&
    (summary.secondsAsked !== null || summary.rateAsked !== null)
      ? [`Not a steady window: ${rates.reason}`]
      : []),
    ...(abortedBy === null ? [] : [`The load stopped itself: nothing further could succeed (${abortedBy}).`]),
    ...(summary.leftBusy
      ? [
          'The server may still be at work on requests that were given up: what is measured next would share it.',
        ]
      : []),
    ...(warmUp === null
      ? []
      : [
          `Not counted: ${count(warmUp.requests)} requests of the warm-up${warmUp.failed > 0 ? `, ${count(warmUp.failed)} of which failed` : ''}.`,
        ]),
    ...(probe === null ? [] : [`Not counted: ${probe.requests} requests that found out how to ask.`]),
  ];
  return notes.length === 0 ? [] : ['', ...notes];
}

/** A label and its fact; what does not fit goes on below the fact. */
function renderFact(label: string, fact: string, width: number): string[] {
  const lines = wrapLine(printable(fact), Math.max(20, width - LABEL_WIDTH));
  return lines.map((line, index) =>
    `${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${index === 0 ? line : line.trimStart()}`.trimEnd(),
  );
}

function writeRate(value: number | null): string {
  return value !== null && value >= 1_000 ? count(value) : writeFigure(value);
}

function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

function writeShare(share: number): string {
  const percent = share * 100;
  return `${percent >= 99.95 || percent < 0.05 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

function writeSeconds(seconds: number): string {
  return seconds < 1 ? `${writeFigure(seconds * 1_000)} ms` : `${writeFigure(seconds)} s`;
}
