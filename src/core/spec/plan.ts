/**
 * A plan is the spec worked out: its cells, how long it can last and what it can cost at the most. `planRun` is
 * pure; what it says is kept by the orchestration, which stops measuring when the plan's deadline comes.
 */

import type { Fault, Parsed } from '../failure.ts';
import { cellId, type Loop } from '../measuring/cell.ts';
import { repeatPlanOf } from '../measuring/repeats.ts';
import { leastRequestsPerLevel } from '../measuring/search.ts';
import type { CatalogModel } from '../renting/catalog.ts';
import { placementMinutes } from '../renting/placement.ts';
import type { PriceQuote } from '../renting/price.ts';
import type { QuotaVerdict } from '../renting/quota.ts';
import { findSku } from '../renting/sku.ts';
import type { ModelSize } from '../report/physical-limit.ts';
import { largeLengths, meanLengths } from '../requests/lengths.ts';
import { explainTooLargeModel, forecastCell } from './forecast.ts';
import { type LoadModel, loadModelOf } from './load-model.ts';
import { type ServingSettings, sameSettings, settingsLabel } from './settings.ts';
import type { BenchmarkSpec } from './spec.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';
import { requestSettingsOf } from './target.ts';
import type { Workload } from './workload.ts';

/**
 * Minutes that each stage may take before it is given up. Azure ML: an endpoint takes 1 to 3, a deployment 3 to 15,
 * large models longer; a delete 2 to 10. The bounds are what a stuck one may cost.
 */
export const STAGE_MINUTES = { endpoint: 10, deployment: 45, traffic: 5, warmUp: 10, release: 20 } as const;

/** The least that deploying and deleting take anywhere; a budget below that cannot hold a run. */
const LEAST_MINUTES = { deploy: 2, release: 1 } as const;

/** Seconds around each repeat: shards meet, connections open, the last answers come, rows are written. */
const SECONDS_AROUND_REPEAT = 5;

export interface Plan {
  /** Cells times repeats that will be measured at the most (a ramp may stop earlier). */
  readonly cellsPlanned: number;
  readonly maxConcurrentRequestsPerInstance: number | null;
  readonly requestTimeoutSeconds: number;
  /** Where several are measured in turn, all of them; the two above are the first. */
  readonly settings?: readonly ServingSettings[];
  /** The smaller of the worst case and `limits.maxMinutes`, and the time that the release may take. */
  readonly boundMinutes: number;
  /** The most that the run can cost up to its release; null where the price is unknown. */
  readonly boundUsd: number | null;
  /** Minutes after its start at which measuring stops, so that what is left of the limits pays for the release. */
  readonly measureMinutes: number;
  readonly price: PriceQuote;
  readonly quota: PlanQuota;
  /** The model's size as the catalog tells it, for what the hardware allows; null where it was not asked. */
  readonly model: ModelSize | null;
  readonly warnings: readonly string[];
}

/** Of the placement that is likeliest to be had. */
export type PlanQuota =
  | QuotaVerdict
  | { readonly verdict: 'unknown' | 'not-needed'; readonly reason: string };

/** What a plan needs to know of the world. */
export interface PlanFacts {
  readonly price: PriceQuote;
  readonly quota: PlanQuota;
  /** Null where the catalog is not asked, or does not answer. */
  readonly model: CatalogModel | null;
  /** What else was found out, as sentences. */
  readonly warnings: readonly string[];
  /** The app's own ceiling, release included; absent where there is none. */
  readonly maxUsdPerRun?: number;
}

export interface PlannedCell {
  readonly cellId: string;
  readonly loop: Loop;
  readonly level: number;
  readonly workload: Workload;
  readonly repeats: number;
  /** What one repeat is expected to take. */
  readonly predictedSeconds: number;
  /** What one repeat may take at the most. */
  readonly maxSeconds: number;
  readonly warnings: readonly string[];
}

/** The plan of a spec, or the faults that make it impossible. */
export function planRun(spec: BenchmarkSpec, facts: PlanFacts): Parsed<Plan> {
  const { price, quota } = facts;
  const cells = planCells(spec, facts.model);
  const first = cells[0];
  const faults: Fault[] = [];
  const load = loadModelOf(spec);
  const settings = servingSettings(spec);
  const [firstSettings] = settings;
  if (settings.some((one, index) => settings.findIndex((other) => sameSettings(one, other)) < index)) {
    faults.push({
      path: 'target.requestSettings',
      message: `names the same settings twice: "auto" is ${maxConcurrentRequests(spec, 'auto')} here; leave one out`,
    });
  }
  if (load.walk.kind === 'levels' && cells.length > SPEC_BOUNDS.cells) {
    faults.push({
      path: load.loop === 'closed' ? 'concurrency.levels' : 'rate',
      message: `times the workloads makes ${cells.length} cells; a run may have ${SPEC_BOUNDS.cells}`,
    });
  }
  faults.push(...searchFaults(spec, load), ...quotaFaults(spec, quota), ...memoryFaults(spec, facts.model));
  const hourlyUsd = hourlyUsdOf(spec, price);
  const releaseMinutes = spec.target.kind === 'managed' ? STAGE_MINUTES.release : 0;
  // The app's own ceiling holds for the release as well, which comes on top of what a spec allows.
  const releaseUsd = ((hourlyUsd ?? 0) * releaseMinutes) / 60;
  const mostUsd = Math.min(
    spec.limits.maxUsd ?? Number.POSITIVE_INFINITY,
    (facts.maxUsdPerRun ?? Number.POSITIVE_INFINITY) - releaseUsd,
  );
  const affordableMinutes =
    hourlyUsd === null || hourlyUsd === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(0, (mostUsd / hourlyUsd) * 60);
  const limitMinutes = Math.min(spec.limits.maxMinutes, affordableMinutes);
  const keepMinutes = spec.target.kind === 'managed' ? spec.target.keepMinutes : 0;
  const leastMinutes = leastRunMinutes(spec, first) + keepMinutes;
  if (spec.limits.maxMinutes < leastMinutes) {
    faults.push({
      path: 'limits.maxMinutes',
      message: `is too little: deploying, one request and deleting take at least ${leastMinutes.toFixed(1)} minutes; raise it`,
    });
  }
  if (affordableMinutes < leastMinutes && hourlyUsd !== null) {
    const leastUsd = (leastMinutes / 60) * hourlyUsd;
    faults.push({
      path: 'limits.maxUsd',
      message: `is too little: deploying, one request and deleting cost at least ${leastUsd.toFixed(2)} USD at ${hourlyUsd.toFixed(2)} USD per hour; raise it`,
    });
  }
  if (faults.length > 0) return { ok: false, faults };

  const runMinutes = Math.min(worstCaseMinutes(spec, cells) + keepMinutes, limitMinutes);
  const boundMinutes = runMinutes + releaseMinutes;
  return {
    ok: true,
    value: {
      cellsPlanned: Math.min(plannedMeasurements(load, cells), spec.limits.maxCells),
      ...firstSettings,
      ...(settings.length > 1 && { settings }),
      boundMinutes: round(boundMinutes, 1),
      boundUsd: hourlyUsd === null ? null : Math.ceil((boundMinutes / 60) * hourlyUsd * 100) / 100,
      measureMinutes: limitMinutes - keepMinutes - Math.min(LEAST_MINUTES.release, limitMinutes / 10),
      price,
      quota,
      model: facts.model === null ? null : sizeOf(facts.model),
      warnings: [...facts.warnings, ...planWarnings(spec, cells)],
    },
  };
}

/** Every cell of the spec in listing order, with what is predicted for it. A ramp's are those it may reach. */
export function planCells(spec: BenchmarkSpec, model: CatalogModel | null): PlannedCell[] {
  const load = loadModelOf(spec);
  const settings = servingSettings(spec);
  return settings.flatMap((serving, index) =>
    spec.workloads.flatMap((workload) =>
      levelsOf(load).map((level) => ({
        cellId: cellId({ loop: load.loop, level }, workload, settingsLabel(settings, index)),
        loop: load.loop,
        level,
        workload,
        repeats: load.walk.kind === 'search' ? 1 : mostRepeats(spec),
        predictedSeconds: round(predictRepeatSeconds(spec, load, workload, level), 1),
        maxSeconds: repeatMaxSeconds(repeatLimits(spec), load, workload, level, null),
        warnings: cellWarnings(spec, serving, load, workload, level, model),
      })),
    ),
  );
}

/** The catalog does not tell the active parameters of a mixture of experts. */
function sizeOf({ parameters, weightBytes, kvBytesPerToken }: CatalogModel): ModelSize {
  return { parameters, activeParameters: null, weightBytes, kvBytesPerToken };
}

/** More than the quota's limit never fits, however long one waits. */
function quotaFaults({ target }: BenchmarkSpec, quota: PlanQuota): Fault[] {
  if (quota.verdict !== 'refused' || target.kind !== 'managed') return [];
  return [{ path: target.placements.length > 1 ? 'target.placements' : 'target.sku', message: quota.reason }];
}

/** Weights that do not fit would make a deployment that fails after it was paid for. */
function memoryFaults({ target }: BenchmarkSpec, model: CatalogModel | null): Fault[] {
  if (target.kind !== 'managed' || model === null) return [];
  return target.placements.flatMap(({ sku }, index) => {
    const message = explainTooLargeModel(model.weightBytes, findSku(sku)?.gpuMemoryGb ?? null);
    if (message === null) return [];
    return [
      { path: target.placements.length > 1 ? `target.placements[${index}].sku` : 'target.sku', message },
    ];
  });
}

/** A search asks for more requests at a level than its bound may leave. */
function searchFaults(spec: BenchmarkSpec, { walk, loop }: LoadModel): Fault[] {
  if (walk.kind !== 'search' || walk.maxRequestsPerLevel === 'auto' || spec.slo === null) return [];
  const least = leastRequestsPerLevel({ ...walk, attainment: spec.slo.attainment });
  if (walk.maxRequestsPerLevel >= least) return [];
  return [
    {
      path: `${loop === 'closed' ? 'concurrency' : 'rate'}.search.maxRequestsPerLevel`,
      message: `is too few: to show an attainment of ${spec.slo.attainment} takes at least ${least} requests a level, all of them good; raise it or leave it out`,
    },
  ];
}

/** Levels that a search visits at the most: doublings, and as many halvings. */
function plannedMeasurements({ walk }: LoadModel, cells: readonly PlannedCell[]): number {
  const measurements = cells.reduce((sum, cell) => sum + cell.repeats, 0);
  return walk.kind === 'search' ? 2 * measurements : measurements;
}

/** Repeats of each cell at the most; fewer where an interval becomes narrow before. */
export function mostRepeats(spec: BenchmarkSpec): number {
  return repeatPlanOf(spec.measure.repeats).most;
}

/** The levels that are named, that a ramp may reach, or that a search doubles through. */
export function levelsOf({ walk }: LoadModel): readonly number[] {
  if (walk.kind === 'levels') return walk.levels;
  if (walk.kind === 'ramp') {
    const { from, to, step } = walk.ramp;
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
  }
  const levels = Math.floor(walk.max / walk.step + 1e-9);
  const doublings = Array.from({ length: Math.ceil(Math.log2(levels)) }, (_, index) => 2 ** index);
  return [...doublings, levels].map((level) => round(level * walk.step, 3));
}

/**
 * Requests expected in flight: the connections of a closed loop; by Little's law the rate times the seconds of an
 * answer for an open one, half as many again because arrivals bunch; all that are allowed for a recorded trace.
 */
export function predictInFlight(load: LoadModel, workload: Workload, level: number): number {
  if (load.loop === 'closed') return level;
  const most = load.maxInFlight ?? SPEC_BOUNDS.level;
  if (load.loop === 'trace') return most;
  return Math.min(most, Math.ceil(1.5 * level * predictRequestSeconds(workload, 1)));
}

/**
 * What one request is expected to take before anything is known of the deployment: one second of fixed time, prefill
 * of 5,000 prompt tokens a second, 25 ms per output token alone and twice that in a batch of 64. It is the middle of
 * what measured deployments of 8 to 15 billion parameters show; it bounds waiting and sorts nothing.
 */
export function predictRequestSeconds(workload: Workload, inFlight: number): number {
  const { promptTokens, outputTokens } = meanLengths(workload);
  return 1 + promptTokens / 5_000 + outputTokens * 0.025 * (1 + inFlight / 64);
}

/** What bounds the time of one repeat. */
export interface RepeatLimits {
  readonly mode: 'steady' | 'burst';
  readonly maxSeconds: number | 'auto';
  /** Answers that a steady repeat needs inside its window; 0 for a burst. */
  readonly minRequests: number;
  readonly requestTimeoutSeconds: number;
}

export function repeatLimits(spec: BenchmarkSpec): RepeatLimits {
  return {
    mode: spec.measure.mode,
    maxSeconds: spec.measure.mode === 'steady' ? spec.measure.maxSeconds : 'auto',
    minRequests: spec.measure.mode === 'steady' ? spec.measure.minRequests : 0,
    requestTimeoutSeconds: requestTimeoutSeconds(spec),
  };
}

/**
 * Seconds after which a steady repeat stops issuing; for a burst, what its slowest request may take, retries included.
 * `requests` are those that a search wants of this repeat; null for the spec's own number.
 */
export function repeatMaxSeconds(
  limits: RepeatLimits,
  load: LoadModel,
  workload: Workload,
  level: number,
  requests: number | null,
): number {
  if (limits.mode === 'burst') return limits.requestTimeoutSeconds + 60;
  if (limits.maxSeconds !== 'auto') return limits.maxSeconds;
  const inFlight = predictInFlight(load, workload, level);
  const requestSeconds = predictRequestSeconds(workload, inFlight);
  // Twelve requests one after the other at the least, so that a slow workload has a window at all.
  const leastSeconds = Math.max(120, 12 * requestSeconds);
  // A rate brings no more requests in less time, and a search can decide nothing with fewer than it wants.
  const wanted = requests ?? limits.minRequests;
  const perSecond = load.loop === 'rate' ? level : inFlight / requestSeconds;
  const wantedSeconds =
    requests === null && load.loop !== 'rate' ? 0 : (1.5 * wanted) / perSecond + requestSeconds;
  return Math.min(SPEC_BOUNDS.maxSeconds, Math.round(Math.max(leastSeconds, wantedSeconds)));
}

function predictRepeatSeconds(
  spec: BenchmarkSpec,
  load: LoadModel,
  workload: Workload,
  level: number,
): number {
  const inFlight = predictInFlight(load, workload, level);
  const requestSeconds = predictRequestSeconds(workload, inFlight);
  if (spec.measure.mode === 'burst') return requestSeconds + SECONDS_AROUND_REPEAT;
  const wanted =
    load.walk.kind === 'search' && spec.slo !== null
      ? leastRequestsPerLevel({ ...load.walk, attainment: spec.slo.attainment })
      : spec.measure.minRequests;
  const perSecond = load.loop === 'rate' ? level : inFlight / requestSeconds;
  const seconds = wanted / perSecond + 2 * requestSeconds;
  return (
    Math.min(seconds, repeatMaxSeconds(repeatLimits(spec), load, workload, level, wanted)) +
    SECONDS_AROUND_REPEAT
  );
}

function worstCaseMinutes(spec: BenchmarkSpec, cells: readonly PlannedCell[]): number {
  // How many levels a search visits and how often is bounded by the limits alone.
  if (loadModelOf(spec).walk.kind === 'search') return Number.POSITIVE_INFINITY;
  const aroundSeconds = requestTimeoutSeconds(spec) + SECONDS_AROUND_REPEAT;
  const cellMinutes = cells
    .flatMap((cell) => Array.from({ length: cell.repeats }, () => (cell.maxSeconds + aroundSeconds) / 60))
    .sort((one, other) => other - one)
    .slice(0, spec.limits.maxCells)
    .reduce((sum, minutes) => sum + minutes, 0);
  const changes = servingSettings(spec).length - 1;
  const changeMinutes = changes * (STAGE_MINUTES.deployment + STAGE_MINUTES.warmUp);
  return deployMinutes(spec) + STAGE_MINUTES.warmUp + changeMinutes + cellMinutes;
}

function deployMinutes({ target }: BenchmarkSpec): number {
  if (target.kind !== 'managed') return 0;
  const once = STAGE_MINUTES.endpoint + STAGE_MINUTES.deployment + STAGE_MINUTES.traffic;
  return once + placementMinutes(target, once, STAGE_MINUTES.release);
}

function leastRunMinutes(spec: BenchmarkSpec, first: PlannedCell | undefined): number {
  const requestMinutes = first === undefined ? 0 : predictRequestSeconds(first.workload, 1) / 60;
  return spec.target.kind === 'managed'
    ? LEAST_MINUTES.deploy + requestMinutes + LEAST_MINUTES.release
    : requestMinutes;
}

/** What the deployment is measured under, one after the other; one entry where nothing is deployed. */
export function servingSettings(spec: BenchmarkSpec): readonly [ServingSettings, ...ServingSettings[]] {
  const { target } = spec;
  if (target.kind !== 'managed') {
    const known = target.kind === 'endpoint' ? target.maxConcurrentRequestsPerInstance : null;
    const { requestTimeoutSeconds } = target;
    return [{ maxConcurrentRequestsPerInstance: known, requestTimeoutSeconds }];
  }
  const [first, ...others] = requestSettingsOf(target).map((one) => ({
    ...one,
    maxConcurrentRequestsPerInstance: maxConcurrentRequests(spec, one.maxConcurrentRequestsPerInstance),
  }));
  if (first === undefined) throw new Error('A target that is deployed has settings.');
  return [first, ...others];
}

/** `auto` admits the top level: Azure ML runs that many per instance at once and queues as many again. */
function maxConcurrentRequests(spec: BenchmarkSpec, asked: 'auto' | number): number {
  return asked === 'auto' ? Math.ceil(topInFlight(spec) / instancesOf(spec)) : asked;
}

/** The most requests in flight that any cell is expected to have. */
export function topInFlight(spec: BenchmarkSpec): number {
  const load = loadModelOf(spec);
  const levels = levelsOf(load);
  return Math.max(
    ...spec.workloads.flatMap((workload) => levels.map((level) => predictInFlight(load, workload, level))),
  );
}

/** The endpoint's own deadline for an answer, in seconds; the longest where several are measured. */
export function requestTimeoutSeconds({ target }: BenchmarkSpec): number {
  return target.kind === 'managed'
    ? Math.max(...requestSettingsOf(target).map((one) => one.requestTimeoutSeconds))
    : target.requestTimeoutSeconds;
}

/** Identical endpoints over which repeats are dealt; 1 where nothing is deployed. */
export function endpointCount({ target }: BenchmarkSpec): number {
  return target.kind === 'managed' ? target.endpoints : 1;
}

/** Of all instances of all endpoints; null where the price is not known. */
export function hourlyUsdOf(spec: BenchmarkSpec, quote: PriceQuote | undefined): number | null {
  const price = quote?.price ?? null;
  return price === null ? null : price.perHourUsd * instancesOf(spec) * endpointCount(spec);
}

/** Instances of one endpoint that are paid for; 1 where an existing endpoint's are not named. */
export function instancesOf(spec: BenchmarkSpec): number {
  return spec.target.instances ?? 1;
}

function cellWarnings(
  spec: BenchmarkSpec,
  serving: ServingSettings,
  load: LoadModel,
  workload: Workload,
  level: number,
  model: CatalogModel | null,
): string[] {
  const inFlight = predictInFlight(load, workload, level);
  return forecastCell({
    ...largeLengths(workload),
    concurrency: load.loop === 'rate' ? null : inFlight,
    requestsPerSecond: load.loop === 'rate' ? level : null,
    instances: instancesOf(spec),
    maxConcurrentRequestsPerInstance: serving.maxConcurrentRequestsPerInstance,
    requestTimeoutSeconds: serving.requestTimeoutSeconds,
    predictedSeconds: predictRequestSeconds(workload, inFlight),
    // What "auto" takes where it is answered.
    streamed: spec.api === 'auto' || spec.api === 'openai-chat',
    gpuMemoryGb: spec.target.sku === null ? null : (findSku(spec.target.sku)?.gpuMemoryGb ?? null),
    model,
  }).map((warning) => warning.message);
}

function planWarnings(spec: BenchmarkSpec, cells: readonly PlannedCell[]): string[] {
  const warnings: string[] = [];
  const wanted = cells.reduce((sum, cell) => sum + cell.repeats, 0);
  if (wanted > spec.limits.maxCells) {
    warnings.push(
      `${cells.length} cells of ${mostRepeats(spec)} repeats make ${wanted} measurements; limits.maxCells stops after ${spec.limits.maxCells}.`,
    );
  }
  const predictedMinutes = cells.reduce((sum, cell) => sum + (cell.repeats * cell.predictedSeconds) / 60, 0);
  if (predictedMinutes > spec.limits.maxMinutes) {
    warnings.push(
      `Measuring everything is predicted to take ${Math.round(predictedMinutes)} minutes; limits.maxMinutes stops it after ${spec.limits.maxMinutes}.`,
    );
  }
  const settings = servingSettings(spec).length;
  if (settings > 1)
    warnings.push(
      `${settings} settings are measured one after the other; each change updates the deployment and warms it up again, some minutes of a rented GPU.`,
    );
  const endpoints = endpointCount(spec);
  if (endpoints > 1)
    warnings.push(
      `${endpoints} endpoints are deployed, paid for and deleted; the repeats of each cell are dealt over them, so that it is measured on each.`,
    );
  if (spec.isolation === 'shared')
    warnings.push(
      'With isolation "shared", cells run on the endpoint at the same time and measure each other.',
    );
  return warnings;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
