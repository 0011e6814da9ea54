/**
 * A comparison's report as elements: the answer first, then the charts, the verdict on each pair, the race, every level
 * side by side, and how each target's figures were made. The page shows them live and the mailed file holds them.
 */
import type {
  ComparisonReport,
  FiguresMade,
  MatchedEntry,
  PairComparison,
  Standing,
  TargetSummary,
  WorkloadComparison,
} from '../core/comparison/comparison-report.ts';
import type { Chart, Estimate } from './charts/chart.ts';
import { figureOf } from './charts/figure.ts';
import { frontChart } from './charts/front.ts';
import { type RaceSeries, raceChart } from './charts/race-rounds.ts';
import { describeWorkload } from './charts/row.ts';
import { targetBarsChart } from './charts/target-bars.ts';
import { type Markup, markup } from './markup.ts';
import {
  estimateCell,
  exactly,
  headCell,
  notesSection,
  numberCell,
  SIMULATED,
  scrollTable,
} from './section.ts';
import { NONE, writeAmount, writeDigits, writeUsd } from './wording.ts';

/** A report of whatever version the API is: only its answer and its levels are counted on. */
export type AnyComparisonReport = Pick<ComparisonReport, 'headline' | 'workloads'> &
  Partial<ComparisonReport>;

export function comparisonSections(report: AnyComparisonReport, partial: boolean): Markup[] {
  const { workloads, targets = [], pairs = [] } = report;
  const labels = labelsOf(report);
  const charts = comparisonCharts(report, labels);
  const notes = notesSection(report.warnings ?? []);
  if (workloads.length === 0) return [markup('p', { class: 'empty' }, 'Nothing was measured.'), notes];
  return [
    ...(report.simulated === true ? [SIMULATED] : []),
    ...(partial ? [markup('p', { class: 'quiet' }, 'So far: targets and repeats are still to come.')] : []),
    answerSection(report.headline),
    ...(charts.length === 0
      ? []
      : [markup('h3', {}, 'Charts'), markup('div', { class: 'charts' }, ...charts.map(figureOf))]),
    ...verdictSection(pairs),
    ...raceSection(report, labels),
    ...workloads.flatMap((workload) => levelSection(workload, labels)),
    ...madeSection(targets),
    notes,
  ];
}

/** The first sentence answers; the others are what it rests on. */
function answerSection(headline: readonly string[]): Markup {
  const [first = 'Nothing was measured.', ...others] = headline;
  return markup(
    'div',
    { class: 'answers' },
    markup('p', { class: 'answer' }, first),
    ...others.map((sentence) => markup('p', {}, sentence)),
  );
}

function comparisonCharts(
  { workloads, targets = [] }: AnyComparisonReport,
  labels: readonly string[],
): Chart[] {
  const several = workloads.length > 1;
  const byToken = targets.flatMap((target) => (target.tokenPricesUsdPerMillion == null ? [] : target.label));
  return workloads
    .flatMap((workload, index) => workloadCharts(workload, { index, several, labels, byToken }))
    .filter((chart) => chart !== null);
}

/** Targets in the order of the comparison, which gives each its colour in every chart. */
function labelsOf({ targets, workloads }: AnyComparisonReport): string[] {
  const named = targets?.map(({ label }) => label) ?? [];
  const measured = workloads.flatMap(({ table }) =>
    table.flatMap(({ entries }) => entries.flatMap((entry) => entry?.label ?? [])),
  );
  return [...new Set([...named, ...measured])];
}

/** What each target costs and carries at its best level, then every level's cost against its speed. */
function workloadCharts(
  { workload, byCost, byGoodput, byGoodputPerGpu, front, frontTime, table }: WorkloadComparison,
  {
    index,
    several,
    labels,
    byToken,
  }: {
    readonly index: number;
    readonly several: boolean;
    readonly labels: readonly string[];
    /** Labels of the targets of which tokens are paid for, and not time. */
    readonly byToken: readonly string[];
  },
): (Chart | null)[] {
  const name = describeWorkload(workload);
  const titled = (title: string) => (several ? `${title}: ${name}` : title);
  const within = table.some(({ entries }) => entries.some((entry) => entry !== null && entry.slo !== null))
    ? ' within the objectives'
    : '';
  const rows = (standings: readonly Standing[], estimateOf: (standing: Standing) => Estimate) =>
    standings.map((standing) => ({
      label: standing.label,
      cellId: standing.cellId,
      colour: labels.indexOf(standing.label),
      estimate: estimateOf(standing),
    }));
  const entryOf = (standing: Standing) => findEntry(table, standing);
  return [
    targetBarsChart(
      {
        id: `cost-${index}`,
        title: titled('Cost of a million output tokens'),
        axis: `USD per million output tokens${within}`,
        reading: `Each target at its cheapest level. The cost is the price by the rate, so its interval is that of the rate; ${byToken.length === 0 ? '' : 'what is paid by the token has none; '}the shortest bar is the cheapest.`,
      },
      rows(byCost, (standing) =>
        byToken.includes(standing.label)
          ? { value: standing.value, lower: null, upper: null }
          : costEstimate(standing, entryOf(standing)),
      ),
    ),
    targetBarsChart(
      {
        id: `rate-${index}`,
        title: titled('Output tokens a second'),
        axis: `Output tokens per second${within}`,
        reading: 'Each target at the level at which it carries most. Lines at the ends are 95 % intervals.',
      },
      rows(byGoodput, (standing) => rateEstimate(standing, entryOf(standing))),
    ),
    targetBarsChart(
      {
        id: `gpu-${index}`,
        title: titled('Output tokens a second and GPU'),
        axis: `Output tokens per second and GPU${within}`,
        reading: 'What a GPU does for it: SKUs with several GPUs are held against those with one.',
      },
      rows(byGoodputPerGpu, ({ value }) => ({ value, lower: null, upper: null })),
    ),
    frontChart({ id: String(index), workloadName: name, time: frontTime.toUpperCase(), labels }, front),
  ];
}

function findEntry(table: WorkloadComparison['table'], { label, cellId }: Standing): MatchedEntry | null {
  const level = table.find((one) => one.cellId === cellId);
  return level?.entries.find((entry) => entry?.label === label) ?? null;
}

/** The interval is known of throughput alone; a goodput below it has none. */
function rateEstimate({ value }: Standing, entry: MatchedEntry | null): Estimate {
  return value === entry?.outputTokensPerSecond
    ? { value, lower: entry.lower, upper: entry.upper }
    : { value, lower: null, upper: null };
}

/** Cost falls as the rate grows, so the ends change places. */
function costEstimate({ value }: Standing, entry: MatchedEntry | null): Estimate {
  const { outputTokensPerSecond: rate = null, lower = null, upper = null } = entry ?? {};
  const known = rate !== null && value === entry?.usdPerMillionOutputTokens;
  const at = (end: number | null) => (!known || end === null || end <= 0 ? null : (value * rate) / end);
  return { value, lower: at(upper), upper: at(lower) };
}

function verdictSection(pairs: readonly PairComparison[]): Markup[] {
  // All pairs have the same first one: the cheapest, or where none is known to be that, the first of the request.
  const [against] = pairs;
  if (against === undefined) return [];
  const told = pairs.flatMap(({ incomparable, ttftNotComparable }) => [
    ...incomparable.map(({ sentence }) => sentence),
    ...(ttftNotComparable === null ? [] : [ttftNotComparable]),
  ]);
  return [
    markup('h3', {}, 'Verdicts'),
    scrollTable(
      'verdicts',
      { label: 'Verdicts', caption: `Each other target against ${against.first}` },
      [
        headCell('Target', 'against', null),
        headCell('Verdict', 'speaks of', null),
        headCell('Rate', 'by that of the other'),
        headCell('p'),
        headCell('Cost', 'by that of the other'),
        headCell('Cells', 'both measured'),
      ],
      pairs.map(verdictRow),
    ),
    ...(told.length === 0
      ? []
      : [markup('ul', { class: 'notes' }, ...told.map((text) => markup('li', {}, text)))]),
  ];
}

function verdictRow({ first, second, metric, result, costRatio }: PairComparison): Markup {
  const { verdict, scope, ratio, lower, upper, pValue, matchedCells } = result;
  const words = verdict.replaceAll('-', ' ');
  return markup(
    'tr',
    {},
    markup('th', { scope: 'row' }, second, markup('small', {}, first)),
    markup(
      'td',
      {},
      markup('span', { class: `badge ${verdict}` }, words),
      markup('small', {}, `in ${metric}, of ${scope === 'targets' ? 'the targets' : 'these deployments'}`),
    ),
    estimateCell(ratio === null ? null : { value: ratio, lower, upper }),
    pValueCell(pValue),
    estimateCell(costRatio === null ? null : { ...costRatio, value: costRatio.ratio }),
    markup('td', { class: 'number' }, matchedCells.length),
  );
}

/** Smaller ones say nothing more, and their digits would be read as if they did. */
const LEAST_P_VALUE = 0.0001;

function pValueCell(pValue: number | null): Markup {
  if (pValue === null || pValue >= LEAST_P_VALUE) return numberCell(pValue, 2);
  return markup('td', { class: 'number' }, markup('data', { value: pValue }, `< ${LEAST_P_VALUE}`));
}

type Race = NonNullable<ComparisonReport['race']>;

function raceSeries({ rounds, drops }: Race, labels: readonly string[]): RaceSeries[] {
  return labels.map((label) => ({
    label,
    droppedAfter: drops.find((drop) => drop.label === label)?.round ?? null,
    costs: rounds.flatMap(({ round, costs }) =>
      costs
        .filter((cost) => cost.label === label)
        .map(({ usdPerMillionOutputTokens: usd }) => ({ round, usd })),
    ),
  }));
}

/** Who was dropped when and why, how it ended, and what it cost beside measuring everyone in full. */
function raceSection({ race }: AnyComparisonReport, labels: readonly string[]): Markup[] {
  if (race == null) return [];
  const { rounds, drops, ended } = race;
  // Older reports have no costs.
  const cost: Race['cost'] | undefined = race.cost;
  const chart = raceChart(raceSeries(race, labels));
  const sentences = [...drops.map(({ sentence }) => sentence), ...(ended === null ? [] : [ended])];
  const told = [
    cost === undefined
      ? null
      : markup(
          'dl',
          { class: 'tiles' },
          tile('Rounds', String(rounds.length), `${drops.length} dropped`),
          tile('Cost', writeUsd(cost.spent.usd), `${writeUsd(cost.inFull.usd)} in full`),
          tile('GPU hours', writeHours(cost.spent.gpuHours), `${writeHours(cost.inFull.gpuHours)} in full`),
        ),
    sentences.length === 0
      ? markup('p', { class: 'quiet' }, 'Nobody was dropped so far.')
      : markup('ul', { class: 'notes' }, ...sentences.map((text) => markup('li', {}, text))),
  ];
  return [
    markup('h3', {}, 'Race'),
    markup(
      'div',
      { class: 'charts' },
      chart === null ? null : figureOf(chart),
      markup('div', { class: 'beside' }, ...told),
    ),
  ];
}

function tile(name: string, value: string, small: string): Markup {
  return markup('div', {}, markup('dt', {}, name), markup('dd', {}, value, markup('small', {}, small)));
}

function writeHours(hours: number | null): string {
  return hours === null ? 'unknown' : writeDigits(hours);
}

function levelSection({ workload, table }: WorkloadComparison, labels: readonly string[]): Markup[] {
  const name = describeWorkload(workload);
  return [
    markup('h3', {}, 'Every level', markup('small', {}, name)),
    scrollTable(
      'levels',
      { label: `Every level, ${name}`, caption: `Output tokens per second at every level: ${name}` },
      [headCell('Cell', null, null), ...labels.map((label) => headCell(label, 'output tok/s'))],
      table.map(({ cellId, entries }) =>
        markup(
          'tr',
          {},
          markup('th', { scope: 'row' }, cellId),
          ...labels.map((label) => levelCell(entries.find((entry) => entry?.label === label) ?? null)),
        ),
      ),
    ),
  ];
}

function levelCell(entry: MatchedEntry | null): Markup {
  if (entry === null) return markup('td', { class: 'number' }, NONE);
  const { outputTokensPerSecond, lower, upper, usdPerMillionOutputTokens: usd, slo, leftOut, failed } = entry;
  const marks = [
    usd === null ? null : `${writeUsd(usd)} per million`,
    failed === 0 ? null : `${writeAmount(failed, 'request')} failed`,
    slo === null ? null : `objectives ${slo.replaceAll('-', ' ')}`,
  ].filter((mark) => mark !== null);
  return estimateCell(
    outputTokensPerSecond === null ? null : { value: outputTokensPerSecond, lower, upper },
    ...marks.map((mark) => markup('small', {}, mark)),
    leftOut === null ? null : markup('small', { class: 'reason' }, `not ranked: ${leftOut}`),
  );
}

function madeSection(targets: readonly TargetSummary[]): Markup[] {
  if (targets.length === 0) return [];
  return [
    markup('h3', {}, 'How the figures were made'),
    scrollTable(
      'made',
      { label: 'How the figures were made', caption: 'Targets, and how their figures were made' },
      [
        headCell('Target', 'machine', null),
        headCell('Price', 'USD an hour'),
        headCell('Measured', null, null),
        headCell('Model', 'route', null),
        headCell('Cost by use', 'USD per million output tok', null),
      ],
      targets.map(madeRow),
    ),
  ];
}

function madeRow(target: TargetSummary): Markup {
  const { label, failure, made, costOfUse } = target;
  const troubled = failure === null ? null : markup('small', { class: 'problem-text' }, failure);
  if (made === null)
    return markup(
      'tr',
      {},
      markup('th', { scope: 'row' }, label),
      markup('td', { colspan: 4 }, 'Nothing was measured.', troubled),
    );
  return markup(
    'tr',
    {},
    markup('th', { scope: 'row' }, label, markup('small', {}, machineOf(made)), troubled),
    priceCell(target, made),
    markup('td', {}, describeMeasuring(made), markup('small', {}, describeWarmUp(made))),
    markup(
      'td',
      {},
      made.model ?? NONE,
      markup('small', {}, `${made.route ?? NONE}, ${made.streamed ? 'streamed' : 'not streamed'}`),
    ),
    markup(
      'td',
      {},
      costOfUse.length === 0
        ? NONE
        : costOfUse.flatMap(({ workload, uses }) => [
            markup('small', {}, describeWorkload(workload)),
            uses
              .map(
                ({ use, usdPerMillionOutputTokens: usd }) => `${Math.round(use * 100)} % ${writeDigits(usd)}`,
              )
              .join(', '),
          ]),
    ),
  );
}

function priceCell(
  { hourlyUsd, tokenPricesUsdPerMillion: byToken }: TargetSummary,
  { price, priceReason }: FiguresMade,
): Markup {
  if (byToken != null)
    return markup(
      'td',
      { class: 'number' },
      `${writeDigits(byToken.input)} in, ${writeDigits(byToken.output)} out`,
      markup('small', {}, 'per million tokens'),
    );
  return markup(
    'td',
    { class: 'number' },
    hourlyUsd === null ? (priceReason ?? NONE) : exactly(hourlyUsd, 4),
    price === null ? null : markup('small', {}, `since ${price.since.slice(0, 10)}`),
  );
}

function machineOf({ sku, instances, region }: FiguresMade): string {
  return [sku === null ? null : `${instances ?? 1} x ${sku}`, region]
    .filter((part) => part !== null)
    .join(', ');
}

function describeMeasuring({ load, repeats, deployments, window }: FiguresMade): string {
  return `${load}, ${writeAmount(repeats, 'repeat')} on ${writeAmount(deployments, 'deployment')}, rates over the ${window}`;
}

function describeWarmUp({ warmUp, tokenSource }: FiguresMade): string {
  const warm =
    warmUp === null
      ? 'no warm-up'
      : `${writeAmount(warmUp.requests, 'request')} of warm-up, ${warmUp.stable === true ? 'until times stayed the same' : 'not shown to be steady'}`;
  return `${warm}; tokens by ${tokenSource ?? NONE}`;
}
