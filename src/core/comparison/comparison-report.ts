/**
 * A comparison's report: the cheapest target that meets the objectives first, then rankings, the matched table, the
 * front of cost against time per token, and a verdict for each pair. Built from runs and their rows alone, so that a
 * stored report equals one that is built again. Each target says how its figures were made.
 */

import { writeDigits } from '../figure.ts';
import type { Price } from '../renting/price.ts';
import { findSku } from '../renting/sku.ts';
import { type CostOfUse, costOfUse, type DemandAnswer, usdPerRequestByToken } from '../report/demand.ts';
import {
  buildReport,
  type CellRecord,
  type Report,
  type ReportRow,
  usdPerMillionTokens,
} from '../report/report.ts';
import { distinctWorkloads, sameWorkload, type Workload, workloadId } from '../spec/workload.ts';
import { type BreakEven, breakEvens } from './break-even.ts';
import {
  type ComparableSide,
  explainUnequalRoundTrips,
  findIdenticalSamples,
  findIncomparabilities,
  type Incomparability,
} from './comparability.ts';
import type { Comparison } from './comparison.ts';
import { describeSpread } from './deployment-spread.ts';
import {
  comparePair,
  type DeploymentRates,
  type PairOptions,
  type PairVerdict,
  type SpreadHistory,
} from './pair-test.ts';
import { billRace, type RaceCost } from './race-bill.ts';
import { raceMetric } from './race-judge.ts';
import { raceOf } from './race-of.ts';
import type { RaceHistory } from './race-replay.ts';
import { priceOf, type TargetOutcome } from './target-outcome.ts';
import { deploymentOf, deploymentRates, type RateMetric } from './target-rates.ts';

export interface ComparisonReport {
  /** The answer in sentences, the most important first. */
  readonly headline: readonly string[];
  readonly strategy: Comparison['strategy'];
  readonly targets: readonly TargetSummary[];
  readonly workloads: readonly WorkloadComparison[];
  readonly pairs: readonly PairComparison[];
  readonly breakEvens: readonly BreakEven[];
  /** Empty without a demand. */
  readonly demands: readonly { readonly label: string; readonly answers: readonly DemandAnswer[] }[];
  /** Null where the strategy is not a race. */
  readonly race: RaceReport | null;
  readonly warnings: readonly string[];
  readonly simulated: boolean;
}

/** The rounds, who was dropped and why, and what it cost beside measuring everyone in full. */
export interface RaceReport extends RaceHistory {
  readonly cost: RaceCost;
}

export interface TargetSummary {
  readonly label: string;
  readonly failure: string | null;
  /** Null where nothing was measured. */
  readonly made: FiguresMade | null;
  /** Of all instances of one deployment; null where unknown, and where tokens are paid for. */
  readonly hourlyUsd: number | null;
  readonly tokenPricesUsdPerMillion: { readonly input: number; readonly output: number } | null;
  /** Of all instances of one deployment; null where the SKU is unknown. */
  readonly gpus: number | null;
  /** One instance alone does what the others do; see `costOfUse`. */
  readonly costOfUse: readonly { readonly workload: Workload; readonly uses: readonly CostOfUse[] }[];
}

/** How the figures of a target were made. */
export interface FiguresMade {
  readonly load: 'closed loop' | 'open loop' | 'recorded trace' | 'burst';
  /** Requests before the first cell, which are in no figure, and whether they became steady; null where there were none. */
  readonly warmUp: { readonly requests: number; readonly stable: boolean | null } | null;
  /** Over what the rates are counted. */
  readonly window: 'steady window' | 'whole measurement' | 'mixed';
  readonly repeats: number;
  /** Deployments behind the figures. */
  readonly deployments: number;
  readonly tokenSource: string | null;
  readonly route: string | null;
  readonly streamed: boolean;
  readonly model: string | null;
  readonly image: string | null;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly region: string | null;
  readonly clientRegion: string | null;
  readonly maxConcurrentRequestsPerInstance: number | null;
  /** Per instance, with its date and region. */
  readonly price: Price | null;
  readonly priceReason: string | null;
  readonly simulated: boolean;
}

export interface WorkloadComparison {
  readonly workload: Workload;
  /** The cheapest target that meets the objectives (of all that were measured, without any); null where there is none. */
  readonly cheapest: Standing | null;
  /** Best first; only rows that meet the objectives and may be built on. */
  readonly byCost: readonly Standing[];
  readonly byGoodput: readonly Standing[];
  readonly byGoodputPerGpu: readonly Standing[];
  /** Cost against time per token, of every such row. */
  readonly front: readonly FrontPoint[];
  /** What `front` has as its time: NTPOT where a row has no TPOT, since the two are not comparable. */
  readonly frontTime: 'tpot' | 'ntpot';
  /** One entry a level that any target measured. */
  readonly table: readonly MatchedLevel[];
}

/** A target at its best level by one measure. */
export interface Standing {
  readonly label: string;
  readonly cellId: string;
  readonly level: number;
  /** USD per million output tokens, output tokens per second, or the latter per GPU. */
  readonly value: number;
}

export interface FrontPoint {
  readonly label: string;
  readonly cellId: string;
  readonly usdPerMillionOutputTokens: number;
  readonly msPerToken: number;
  /** No other point is both cheaper and faster. */
  readonly onFront: boolean;
}

export interface MatchedLevel {
  readonly cellId: string;
  readonly loop: ReportRow['loop'];
  readonly level: number;
  /** In the order of the targets; null where a target did not measure it. */
  readonly entries: readonly (MatchedEntry | null)[];
}

export interface MatchedEntry {
  readonly label: string;
  readonly outputTokensPerSecond: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly goodputTokensPerSecond: number | null;
  readonly perGpu: number | null;
  readonly slo: 'met' | 'missed' | 'not-shown' | 'not-evaluable' | null;
  readonly ttftP50Ms: number | null;
  readonly tpotP50Ms: number | null;
  readonly ntpotP50Ms: number | null;
  readonly failed: number;
  readonly attempted: number;
  /** At its throughput, and at its goodput. */
  readonly usdPerMillionOutputTokens: number | null;
  readonly usdPerMillionAtGoodput: number | null;
  /** Why it is in no ranking; null where it may be. */
  readonly leftOut: string | null;
}

export interface PairComparison {
  readonly first: string;
  readonly second: string;
  readonly metric: RateMetric;
  /** Empty where they may be compared. */
  readonly incomparable: readonly Incomparability[];
  /** Why times to first token may not be compared; null where they may. */
  readonly ttftNotComparable: string | null;
  readonly result: PairVerdict;
  /** Cost of the second by that of the first, from the price and the ratio of rates; null where either is unknown. */
  readonly costRatio: { readonly ratio: number; readonly lower: number; readonly upper: number } | null;
  readonly sentence: string;
}

/** `history` is the spread between deployments that earlier comparisons showed; null where there were none. */
export function buildComparisonReport(
  comparison: Comparison,
  outcomes: readonly TargetOutcome[],
  history: SpreadHistory | null,
): ComparisonReport {
  const targets = outcomes.map((outcome) => gather(comparison, outcome));
  const hasSlo = comparison.targets.some(({ spec }) => spec.slo !== null);
  const metric = raceMetric(
    targets.map(({ cells }) => cells),
    hasSlo,
  );
  const workloads = workloadsOf(targets).map((workload) => compareWorkload(workload, targets));
  const pairs = comparePairs(targets, workloads, metric, { threshold: comparison.threshold, history });
  const demands = targets.flatMap(({ label, demands: answers }) =>
    answers === null ? [] : [{ label, answers }],
  );
  const evens = breakEvens(targets.map((target) => ({ ...target, rows: target.eligible })));
  const race = comparison.strategy === 'race' ? reportRace(comparison, targets, history) : null;
  const simulated = targets.some((target) => target.report?.simulated === true);
  return {
    headline: [
      ...demandLines(demands),
      ...workloads.map((one) => describeCheapest(one, targets, hasSlo)),
      ...pairs.map(({ sentence }) => sentence),
      ...evens.map(({ sentence }) => sentence),
      ...(race?.drops.map(({ sentence }) => sentence) ?? []),
      ...(race?.cost.sentence == null ? [] : [race.cost.sentence]),
    ],
    strategy: comparison.strategy,
    targets: targets.map(summarise),
    workloads,
    pairs,
    breakEvens: evens,
    demands,
    race,
    warnings: warningsOf(targets, simulated, history),
    simulated,
  };
}

function reportRace(
  comparison: Comparison,
  targets: readonly Gathered[],
  spread: SpreadHistory | null,
): RaceReport {
  const { rounds, runners, history } = raceOf(comparison, targets, spread);
  const billed = runners.map((runner, target) => {
    const { gpus = null, runs = [] } = targets[target] ?? {};
    return { ...runner, gpus, runs: runs.map(({ run }) => run) };
  });
  return { ...history, cost: billRace(rounds, billed) };
}

/** A target with everything that is asked of it. */
interface Gathered extends TargetOutcome {
  readonly cells: readonly CellRecord[];
  readonly report: Report | null;
  readonly rows: readonly ReportRow[];
  /** Rows that may stand in a ranking. */
  readonly eligible: readonly ReportRow[];
  readonly hourlyUsd: number | null;
  readonly tokenPrices: { readonly input: number; readonly output: number } | null;
  readonly gpus: number | null;
  readonly side: ComparableSide;
  /** Null where the target has no demand. */
  readonly demands: readonly DemandAnswer[] | null;
}

function gather(comparison: Comparison, outcome: TargetOutcome): Gathered {
  const spec = comparison.targets.find(({ label }) => label === outcome.label)?.spec;
  if (spec === undefined) throw new Error(`The comparison has no target "${outcome.label}".`);
  const [first] = outcome.runs;
  const cells = outcome.runs.flatMap((one) => one.cells);
  const report = first === undefined ? null : buildReport(first.run, cells);
  const rows = report?.rows ?? [];
  const { instances, hourlyUsd, tokenPrices } = priceOf(spec, outcome);
  const sku = findSku(rows[0]?.provenance.sku ?? spec.target.sku ?? '');
  return {
    ...outcome,
    cells,
    report,
    rows,
    eligible: rows.filter((row) => leftOutReason(row, report) === null),
    hourlyUsd,
    tokenPrices,
    gpus: sku === undefined || tokenPrices !== null ? null : sku.gpus * instances,
    side: { label: outcome.label, rows, image: first?.run.endpoint?.image ?? null },
    demands: spec.demand == null ? null : (report?.demands ?? []),
  };
}

/** Why a row is in no ranking; null where it may be. */
function leftOutReason(row: ReportRow, report: Report | null): string | null {
  if (row.succeeded === 0) return 'nothing succeeded';
  if (row.clientValid === false) return 'the client was the limit';
  if (row.contaminatedRepeats > 0) return 'it began while the endpoint was still at work on other requests';
  if (report === null || report.slo === null) return null;
  if (row.slo?.verdict !== 'met') return 'it is not shown to meet the objectives';
  const answer = report.answers.find((one) => sameWorkload(one.workload, row.workload));
  return answer?.level != null && row.level <= answer.level
    ? null
    : 'a lower level is not shown to meet the objectives';
}

/** Output that counts: what kept the objectives where there are some. */
function usefulRate(row: ReportRow): number | null {
  return row.slo === null ? row.outputUnitsPerSecond : row.goodputTokensPerSecond;
}

/** USD per million output tokens that count; by the token where tokens are paid for. */
function usefulCost(row: ReportRow, { hourlyUsd, tokenPrices }: Gathered): number | null {
  if (tokenPrices === null) return usdPerMillionTokens(hourlyUsd, usefulRate(row));
  const request = usdPerRequestByToken([row], tokenPrices);
  return request === null ? null : (request.usd / request.outputTokens) * 1e6;
}

function workloadsOf(targets: readonly Gathered[]): Workload[] {
  return distinctWorkloads(targets.flatMap(({ rows }) => rows.map((row) => row.workload)));
}

function compareWorkload(workload: Workload, targets: readonly Gathered[]): WorkloadComparison {
  const here = targets.map((target) => ({
    target,
    rows: target.eligible.filter((row) => sameWorkload(row.workload, workload)),
  }));
  const rank = (value: (row: ReportRow, target: Gathered) => number | null, order: 'low' | 'high') =>
    here
      .flatMap(({ target, rows }) => bestStanding(target, rows, value, order) ?? [])
      .toSorted((one, other) => (order === 'low' ? one.value - other.value : other.value - one.value));
  const byCost = rank(usefulCost, 'low');
  const allRows = here.flatMap(({ rows }) => rows);
  const frontTime = allRows.every((row) => row.tpotMs.p50 !== null && !row.mayBeBuffered) ? 'tpot' : 'ntpot';
  return {
    workload,
    cheapest: byCost[0] ?? null,
    byCost,
    byGoodput: rank(usefulRate, 'high'),
    byGoodputPerGpu: rank((row, { gpus }) => divide(usefulRate(row), gpus), 'high'),
    front: paretoFront(
      here.flatMap(({ target, rows }) =>
        rows.flatMap((row): Omit<FrontPoint, 'onFront'>[] => {
          const cost = usefulCost(row, target);
          const msPerToken = (frontTime === 'tpot' ? row.tpotMs : row.ntpotMs).p50;
          if (cost === null || msPerToken === null) return [];
          return [{ label: target.label, cellId: row.cellId, usdPerMillionOutputTokens: cost, msPerToken }];
        }),
      ),
    ),
    frontTime,
    table: matchLevels(workload, targets),
  };
}

function bestStanding(
  target: Gathered,
  rows: readonly ReportRow[],
  value: (row: ReportRow, target: Gathered) => number | null,
  order: 'low' | 'high',
): Standing | null {
  let best: Standing | null = null;
  for (const row of rows) {
    const here = value(row, target);
    if (here === null || here <= 0) continue;
    const better = best === null || (order === 'low' ? here < best.value : here > best.value);
    if (better) best = { label: target.label, cellId: row.cellId, level: row.level, value: here };
  }
  return best;
}

/** Points that no other one beats in both, or equals in one and beats in the other. */
function paretoFront(points: readonly Omit<FrontPoint, 'onFront'>[]): FrontPoint[] {
  return points
    .map((point) => ({
      ...point,
      onFront: !points.some(
        (other) =>
          other.usdPerMillionOutputTokens <= point.usdPerMillionOutputTokens &&
          other.msPerToken <= point.msPerToken &&
          (other.usdPerMillionOutputTokens < point.usdPerMillionOutputTokens ||
            other.msPerToken < point.msPerToken),
      ),
    }))
    .sort((one, other) => one.usdPerMillionOutputTokens - other.usdPerMillionOutputTokens);
}

function matchLevels(workload: Workload, targets: readonly Gathered[]): MatchedLevel[] {
  const rowsOf = ({ rows }: Gathered) => rows.filter((row) => sameWorkload(row.workload, workload));
  const levels = new Map(targets.flatMap(rowsOf).map((row) => [row.cellId, row]));
  return [...levels.values()]
    .sort((one, other) => one.loop.localeCompare(other.loop) || one.level - other.level)
    .map(({ cellId, loop, level }) => ({
      cellId,
      loop,
      level,
      entries: targets.map((target) => {
        const row = rowsOf(target).find((one) => one.cellId === cellId);
        return row === undefined ? null : matchedEntry(row, target);
      }),
    }));
}

function matchedEntry(row: ReportRow, target: Gathered): MatchedEntry {
  return {
    label: target.label,
    outputTokensPerSecond: row.outputTokensPerSecond,
    lower: row.outputTokensInterval?.lower ?? null,
    upper: row.outputTokensInterval?.upper ?? null,
    goodputTokensPerSecond: row.goodputTokensPerSecond,
    perGpu: divide(row.outputTokensPerSecond, target.gpus),
    slo: row.slo?.verdict ?? null,
    ttftP50Ms: row.ttftMs.p50,
    tpotP50Ms: row.tpotMs.p50,
    ntpotP50Ms: row.ntpotMs.p50,
    failed: row.failed,
    attempted: row.attempted,
    usdPerMillionOutputTokens:
      target.tokenPrices === null
        ? usdPerMillionTokens(target.hourlyUsd, row.outputTokensPerSecond)
        : usefulCost(row, target),
    usdPerMillionAtGoodput: row.slo === null ? null : usefulCost(row, target),
    leftOut: leftOutReason(row, target.report),
  };
}

/** Each other target against the cheapest of the first workload, or against the first one where none is cheapest. */
function comparePairs(
  targets: readonly Gathered[],
  workloads: readonly WorkloadComparison[],
  metric: RateMetric,
  options: PairOptions,
): PairComparison[] {
  const named = workloads.find(({ cheapest }) => cheapest !== null)?.cheapest?.label;
  const first = targets.find(({ label }) => label === named) ?? targets[0];
  if (first === undefined) return [];
  const rates = deploymentRates(first.cells, metric);
  return targets
    .filter((target) => target !== first)
    .map((second) => comparePairOf({ ...first, rates }, second, metric, options));
}

function comparePairOf(
  first: Gathered & { readonly rates: readonly DeploymentRates[] },
  second: Gathered,
  metric: RateMetric,
  options: PairOptions,
): PairComparison {
  const routeIsCompared = apiOf(first) !== apiOf(second);
  const incomparable = findIncomparabilities(first.side, second.side, { routeIsCompared });
  const tested = comparePair(
    incomparable.length > 0 ? [] : first.rates,
    deploymentRates(second.cells, metric),
    options,
  );
  const result: PairVerdict =
    incomparable.length === 0
      ? tested
      : { ...tested, sentence: `Not comparable: ${incomparable.map(({ sentence }) => sentence).join(' ')}` };
  return {
    first: first.label,
    second: second.label,
    metric,
    incomparable,
    ttftNotComparable: explainUnequalRoundTrips(first.side, second.side),
    result,
    costRatio: costRatioOf(first, second, result),
    sentence: `"${second.label}" against "${first.label}" (${metric}): ${result.sentence}`,
  };
}

function apiOf({ runs }: Gathered): string | undefined {
  return runs[0]?.run.spec.api;
}

/** Dollars per token are dollars per hour by tokens per hour, so the price is a factor and the interval is that of the rates. */
function costRatioOf(
  first: Gathered,
  second: Gathered,
  { ratio, lower, upper }: PairVerdict,
): PairComparison['costRatio'] {
  if (first.hourlyUsd === null || second.hourlyUsd === null || first.hourlyUsd === 0) return null;
  if (ratio === null || lower === null || upper === null) return null;
  const price = second.hourlyUsd / first.hourlyUsd;
  return { ratio: price / ratio, lower: price / upper, upper: price / lower };
}

function demandLines(demands: ComparisonReport['demands']): string[] {
  const all = demands.flatMap(({ label, answers }) => answers.map((answer) => ({ label, answer })));
  const workloads = [...new Set(all.map(({ answer }) => workloadId(answer.workload)))];
  return workloads.flatMap((workload) => {
    const here = all.filter(({ answer }) => workloadId(answer.workload) === workload);
    const priced = here
      .filter(({ answer }) => answer.usdPerMonth !== null)
      .toSorted((one, other) => (one.answer.usdPerMonth ?? 0) - (other.answer.usdPerMonth ?? 0));
    const best = priced[0] ?? here.find(({ answer }) => answer.instances !== null) ?? here[0];
    if (best === undefined) return [];
    const claim = priced.length > 1 ? ' carries the demand at the lowest price' : '';
    return [`"${best.label}"${claim}: ${best.answer.sentence}`];
  });
}

function describeCheapest(
  { workload, cheapest, byCost, byGoodput }: WorkloadComparison,
  targets: readonly Gathered[],
  hasSlo: boolean,
): string {
  const name = workloadId(workload);
  const rows = (label: string, cellId: string) =>
    targets.find((target) => target.label === label)?.rows.find((row) => row.cellId === cellId);
  if (cheapest === null) {
    const fastest = byGoodput[0];
    return fastest === undefined
      ? `${name}: no target ${hasSlo ? 'is shown to meet the objectives' : 'has a figure that may be built on'}.`
      : `${name}: no price is known, so none is the cheapest; "${fastest.label}" carries most at ${fastest.cellId}: ${writeDigits(fastest.value)} output tokens a second${hasSlo ? ' within the objectives' : ''}.`;
  }
  const row = rows(cheapest.label, cheapest.cellId);
  const rate = row === undefined ? null : usefulRate(row);
  const next = byCost[1];
  const others =
    next === undefined
      ? ''
      : `; next is "${next.label}" with ${writeDigits(next.value)} USD at ${next.cellId}`;
  const what = hasSlo ? 'the cheapest that meets the objectives' : 'the cheapest (no objectives were given)';
  return `${name}: "${cheapest.label}" is ${what}: ${writeDigits(cheapest.value)} USD per million output tokens at ${cheapest.cellId}${rate === null ? '' : `, ${writeDigits(rate)} output tokens a second`}${others}.`;
}

function summarise(target: Gathered): TargetSummary {
  const { label, failure, hourlyUsd, tokenPrices, gpus, eligible } = target;
  const byWorkload = workloadsOf([target]).map((workload) => {
    const rows = eligible.filter((row) => sameWorkload(row.workload, workload));
    const best = tokenPrices === null ? bestStanding(target, rows, usefulCost, 'low') : null;
    return { workload, uses: costOfUse(best?.value ?? null) };
  });
  return {
    label,
    failure,
    made: madeOf(target),
    hourlyUsd,
    tokenPricesUsdPerMillion: tokenPrices,
    gpus,
    costOfUse: byWorkload.filter(({ uses }) => uses.length > 0),
  };
}

function madeOf({ runs, rows, cells, report }: Gathered): FiguresMade | null {
  const [first] = runs;
  const [row] = rows;
  if (first === undefined || row === undefined || report === null) return null;
  const { run } = first;
  const { provenance } = row;
  const steady = rows.filter((one) => one.steady).length;
  const loads = { closed: 'closed loop', rate: 'open loop', trace: 'recorded trace' } as const;
  return {
    load: report.mode === 'burst' ? 'burst' : loads[row.loop],
    warmUp: run.warmUp === null ? null : { requests: run.warmUp.requests, stable: run.warmUp.stable ?? null },
    window: steady === rows.length ? 'steady window' : steady === 0 ? 'whole measurement' : 'mixed',
    repeats: Math.max(...rows.map((one) => one.repeats)),
    deployments: new Set(cells.map(deploymentOf)).size,
    tokenSource: row.tokenSource,
    route: provenance.route,
    streamed: provenance.streamed,
    model:
      provenance.model === null
        ? (run.endpoint?.model ?? null)
        : `${provenance.model.registry}/${provenance.model.name}/${provenance.model.version ?? '?'}`,
    image: run.endpoint?.image ?? null,
    sku: provenance.sku,
    instances: provenance.instances,
    region: provenance.region,
    clientRegion: provenance.clientRegion,
    maxConcurrentRequestsPerInstance: provenance.maxConcurrentRequestsPerInstance,
    price: run.plan.price.price,
    priceReason: run.billing.priceReason,
    simulated: report.simulated,
  };
}

function warningsOf(
  targets: readonly Gathered[],
  simulated: boolean,
  history: SpreadHistory | null,
): string[] {
  return [
    ...(simulated
      ? ['Simulated: a model of GPUs answered, not Azure. The order says nothing about real SKUs.']
      : []),
    ...targets.flatMap(({ label, failure }) => (failure === null ? [] : [`"${label}": ${failure}`])),
    ...findIdenticalSamples(targets),
    ...targets.flatMap(({ label, report }) =>
      report?.stoppedBy == null ? [] : [`"${label}": ${report.stoppedBy}`],
    ),
    ...(targets.filter(({ rows }) => rows.length > 0).length > 1 ? [describeSpread(history)] : []),
  ];
}

function divide(value: number | null, by: number | null): number | null {
  return value === null || by === null || by === 0 ? null : value / by;
}
