/**
 * A comparison as Markdown: the answer first, then the verdicts, the table of levels side by side, the rankings, the
 * race, and how each target's figures were made. Labels and other foreign texts stand as themselves.
 */

import { digits, literal, literalCell, NONE, writeList, writeTable } from '../markdown.ts';
import { workloadId } from '../spec/workload.ts';
import type {
  ComparisonReport,
  MatchedEntry,
  Standing,
  TargetSummary,
  WorkloadComparison,
} from './comparison-report.ts';

export function comparisonToMarkdown(report: ComparisonReport, partial = false): string {
  const blocks = [
    '# Comparison',
    ...(report.simulated ? ['> **SIMULATED.** No GPU was measured; these are not numbers of Azure.'] : []),
    ...(partial ? ['> **PARTIAL.** The comparison was still measuring when this was written.'] : []),
    '## Answer',
    literalList(report.headline),
    ...report.workloads.flatMap((one) => writeWorkload(one, report.targets)),
    ...writePairs(report),
    ...writeRace(report),
    '## How the figures were made',
    ...writeTargets(report.targets),
    ...(report.warnings.length === 0 ? [] : ['## Notes', literalList(report.warnings)]),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function writeWorkload(one: WorkloadComparison, targets: readonly TargetSummary[]): string[] {
  const labels = targets.map(({ label }) => literalCell(label));
  const rows = one.table.map(({ cellId, entries }) => [
    literalCell(cellId),
    ...targets.map(({ label }) => describeEntry(entries.find((entry) => entry?.label === label) ?? null)),
  ]);
  const time = one.frontTime === 'tpot' ? 'TPOT' : 'NTPOT';
  return [
    `## ${literal(workloadId(one.workload))}`,
    'Output tokens per second with their 95 % interval; in parentheses USD per million output tokens.',
    writeTable([['Level', ...labels], ...rows]),
    ...writeRanking('By cost, USD per million output tokens within the objectives', one.byCost),
    ...writeRanking('By output tokens per second within the objectives', one.byGoodput),
    ...writeRanking('By output tokens per second and GPU', one.byGoodputPerGpu),
    ...(one.front.length === 0
      ? []
      : [
          `### Cost against ${time}`,
          writeTable([
            ['Target', 'Level', 'USD per million', `${time} p50 ms`, 'On the front'],
            ...one.front.map((point) => [
              literalCell(point.label),
              literalCell(point.cellId),
              digits(point.usdPerMillionOutputTokens, 4),
              digits(point.msPerToken, 4),
              point.onFront ? 'yes' : '',
            ]),
          ]),
        ]),
  ];
}

function describeEntry(entry: MatchedEntry | null): string {
  if (entry === null) return NONE;
  const { outputTokensPerSecond, lower, upper, usdPerMillionOutputTokens, slo, leftOut } = entry;
  const interval = lower === null || upper === null ? '' : ` [${digits(lower, 4)} to ${digits(upper, 4)}]`;
  const marks = [slo, leftOut === null ? null : 'not ranked'].filter((mark) => mark !== null);
  return `${digits(outputTokensPerSecond, 4)}${interval} (${digits(usdPerMillionOutputTokens, 4)})${marks.length === 0 ? '' : `, ${marks.join(', ')}`}`;
}

function writeRanking(title: string, standings: readonly Standing[]): string[] {
  if (standings.length === 0) return [];
  const rows = standings.map(({ label, cellId, value }, index) => [
    String(index + 1),
    literalCell(label),
    literalCell(cellId),
    digits(value, 4),
  ]);
  return [`### ${title}`, writeTable([['', 'Target', 'Level', 'Value'], ...rows])];
}

function writePairs({ pairs }: ComparisonReport): string[] {
  if (pairs.length === 0) return [];
  const rows = pairs.map(({ first, second, metric, result, costRatio }) => [
    literalCell(second),
    literalCell(first),
    metric,
    result.verdict,
    result.scope,
    range(result),
    result.pValue === null ? NONE : result.pValue.toPrecision(2),
    range(costRatio),
  ]);
  const told = pairs.flatMap(({ ttftNotComparable, incomparable }) => [
    ...incomparable.map(({ sentence }) => sentence),
    ...(ttftNotComparable === null ? [] : [ttftNotComparable]),
  ]);
  const titles = ['Target', 'Against', 'By', 'Verdict', 'Speaks of', 'Rate ratio', 'p', 'Cost ratio'];
  return ['## Verdicts', writeTable([titles, ...rows]), ...(told.length === 0 ? [] : [writeList(told)])];
}

function range(
  figures: {
    readonly ratio: number | null;
    readonly lower: number | null;
    readonly upper: number | null;
  } | null,
): string {
  if (figures === null || figures.ratio === null) return NONE;
  const { ratio, lower, upper } = figures;
  return `${digits(ratio, 4)}${lower === null || upper === null ? '' : ` [${digits(lower, 4)} to ${digits(upper, 4)}]`}`;
}

function writeRace({ race, targets }: ComparisonReport): string[] {
  if (race === null) return [];
  const rows = race.rounds.map(({ round, costs }) => [
    String(round),
    ...targets.map(({ label }) =>
      digits(costs.find((cost) => cost.label === label)?.usdPerMillionOutputTokens ?? null, 4),
    ),
  ]);
  const sentences = [
    ...race.drops.map(({ sentence }) => sentence),
    ...(race.ended === null ? [] : [race.ended]),
    ...(race.cost.sentence === null ? [] : [race.cost.sentence]),
  ];
  return [
    '## Race',
    'USD per million output tokens in each round.',
    writeTable([['Round', ...targets.map(({ label }) => literalCell(label))], ...rows]),
    ...(sentences.length === 0 ? [] : [literalList(sentences)]),
  ];
}

/** Each target's own list: the one of them that differs is then seen. */
function writeTargets(targets: readonly TargetSummary[]): string[] {
  return targets.flatMap((target) => {
    const { made, failure } = target;
    const title = `### ${literal(target.label)}`;
    const failed = failure === null ? [] : [`Failed: ${failure}`];
    if (made === null) return [title, literalList([...failed, 'Nothing was measured.'])];
    const price =
      made.price === null
        ? `unknown${made.priceReason === null ? '' : ` (${made.priceReason})`}`
        : `${digits(made.price.perHourUsd, 4)} USD an hour and instance in ${made.price.region}, since ${made.price.since}`;
    const warmUp =
      made.warmUp === null
        ? 'none'
        : `${made.warmUp.requests} requests, ${made.warmUp.stable === true ? 'until times stayed the same' : 'not shown to be steady'}`;
    return [
      title,
      literalList([
        ...failed,
        `SKU: ${made.sku ?? NONE}, instances: ${made.instances ?? NONE}, region: ${made.region ?? NONE}, client in ${made.clientRegion ?? NONE}`,
        `Model: ${made.model ?? NONE}, image: ${made.image ?? NONE}, route: ${made.route ?? NONE}, ${made.streamed ? 'streamed' : 'not streamed'}`,
        `Load: ${made.load}, ${made.repeats} repeats on ${made.deployments} ${made.deployments === 1 ? 'deployment' : 'deployments'}, rates over the ${made.window}, warm-up: ${warmUp}`,
        `Tokens counted by: ${made.tokenSource ?? NONE}; at most ${made.maxConcurrentRequestsPerInstance ?? NONE} concurrent requests per instance`,
        `Price: ${price}${made.simulated ? '; simulated' : ''}`,
        ...target.costOfUse.map(
          ({ workload, uses }) =>
            `USD per million output tokens of ${workloadId(workload)} by use: ${uses.map(({ use, usdPerMillionOutputTokens }) => `${Math.round(use * 100)} % ${digits(usdPerMillionOutputTokens, 4)}`).join(', ')}`,
        ),
      ]),
    ];
  });
}

/** Sentences hold labels, which are foreign, so each stands as itself. */
function literalList(texts: readonly string[]): string {
  return texts.length === 0 ? 'Nothing was measured.' : writeList(texts.map(literal));
}
