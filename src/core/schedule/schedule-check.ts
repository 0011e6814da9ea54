/**
 * What a schedule's newest result says beside its earlier ones: whether a target has become slower, and how much its
 * deployments differ. Only results of the same thing measured in the same way are held against each other. Pure.
 */
import { createHash } from 'node:crypto';
import { type ComparableSide, findIncomparabilities } from '../comparison/comparability.ts';
import { spreadOf } from '../comparison/deployment-spread.ts';
import { type DeploymentRates, PRACTICAL_THRESHOLD, type SpreadHistory } from '../comparison/pair-test.ts';
import { raceMetric } from '../comparison/race-judge.ts';
import { deploymentRates, type RateMetric } from '../comparison/target-rates.ts';
import type { CellRecord } from '../report/report.ts';
import type { BenchmarkSpec } from '../spec/spec.ts';
import { checkRegression, type PastRun, type RegressionVerdict } from './regression.ts';
import { LAST_GOOD } from './schedule.ts';
import type { HistoryEntry } from './schedule-record.ts';

/** A target as it was measured once. */
export interface MeasuredTarget extends ComparableSide {
  readonly sameAs: string;
  readonly deployments: readonly DeploymentRates[];
}

/** A target of an earlier result, or of the pinned one. */
export interface PastTarget extends MeasuredTarget {
  readonly id: string;
  readonly atMs: number;
  readonly good: boolean;
}

export interface TargetCheck {
  readonly verdict: RegressionVerdict;
  readonly leftOut: readonly string[];
}

/** What a target's rows say: its rates, and what they are rates of. */
export function ratesOf(
  spec: BenchmarkSpec,
  cells: readonly CellRecord[],
): Pick<MeasuredTarget, 'sameAs' | 'deployments'> {
  const metric = raceMetric([cells], spec.slo !== null);
  return { sameAs: sameAs(spec, cells, metric), deployments: deploymentRates(cells, metric) };
}

/**
 * What must be equal for two results to be of the same thing: the spec but for its seed, its limits, whether samples are
 * kept, and the model's version (which has a sentence of its own); the metric, and the machines as ARM told them.
 */
function sameAs(spec: BenchmarkSpec, cells: readonly CellRecord[], metric: RateMetric): string {
  const { seed: _, limits: __, model, ...asked } = spec;
  const { keepSamples: ___, ...measure } = spec.measure;
  const machines = cells.map(({ provenance: { sku, instances, region } }) => `${instances}x${sku}@${region}`);
  const parts = [
    { ...asked, measure },
    model === null ? null : { ...model, version: null },
    metric,
    [...new Set(machines)].sort(),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/** The verdict on a target against its past, or null where it measured nothing. */
export function checkTarget(
  past: readonly PastTarget[],
  current: MeasuredTarget,
  baseline: string,
): TargetCheck | null {
  const cells = commonCells(current.deployments);
  if (cells.length === 0) return null;
  const leftOut: string[] = [];
  const history = past.flatMap((one): PastRun[] => {
    const why = whyNotComparable(one, current);
    if (why !== null) {
      leftOut.push(`${one.id} is left out: ${why}`);
      return [];
    }
    return [{ id: one.id, atMs: one.atMs, good: one.good, deployments: onlyCells(one.deployments, cells) }];
  });
  const verdict = checkRegression(history, current, {
    baseline: baseline === LAST_GOOD ? LAST_GOOD : { pinned: baseline },
    threshold: PRACTICAL_THRESHOLD,
  });
  return { verdict, leftOut };
}

function whyNotComparable(one: PastTarget, current: MeasuredTarget): string | null {
  if (one.sameAs !== current.sameAs)
    return 'its spec, its machines or its metric are other ones than those of the newest.';
  const [first] = findIncomparabilities(
    { ...one, label: one.id },
    { ...current, label: 'the newest' },
    SAME_ROUTE,
  );
  return first === undefined ? null : first.sentence;
}

const SAME_ROUTE = { routeIsCompared: false };

/**
 * Cells that every deployment has a sound repeat of. What the limits left unmeasured is no regression; a cell that was
 * measured and carried nothing is here, with a rate of zero.
 */
function commonCells(deployments: readonly DeploymentRates[]): string[] {
  const [first] = deployments;
  if (first === undefined) return [];
  return Object.keys(first.cells).filter((cell) => deployments.every((one) => one.cells[cell] !== undefined));
}

function onlyCells(deployments: readonly DeploymentRates[], cells: readonly string[]): DeploymentRates[] {
  return deployments.map(({ deployment, cells: rates }) => ({
    deployment,
    cells: Object.fromEntries(cells.flatMap((cell) => (rates[cell] ? [[cell, rates[cell]]] : []))),
  }));
}

/**
 * The spread between deployments that a history shows: each target's good results of the same thing are draws of one
 * SKU, whenever they were deployed. Null while there are no two.
 */
export function spreadOfHistory(history: readonly HistoryEntry[]): SpreadHistory | null {
  return spreadOf(history.flatMap(({ result }) => result?.targets ?? []).filter(({ good }) => good));
}
