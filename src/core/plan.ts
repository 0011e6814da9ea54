/**
 * A plan is the spec worked out: its cells, how long it can last and what it can cost at the most. `planRun` is
 * pure; what it says is kept by the orchestration, which stops measuring when the plan's deadline comes.
 */
import { cellId } from './cell.ts';
import type { Fault, Parsed } from './failure.ts';
import type { PriceQuote } from './price.ts';
import { repeatPlanOf } from './repeats.ts';
import type { BenchmarkSpec } from './spec.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';
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
  /** The smaller of the worst case and `limits.maxMinutes`, and the time that the release may take. */
  readonly boundMinutes: number;
  /** The most that the run can cost up to its release; null where the price is unknown. */
  readonly boundUsd: number | null;
  /** Minutes after its start at which measuring stops, so that what is left of the limits pays for the release. */
  readonly measureMinutes: number;
  readonly price: PriceQuote;
  readonly quota: { readonly verdict: 'unknown' | 'not-needed'; readonly reason: string };
  readonly warnings: readonly string[];
}

export interface PlannedCell {
  readonly cellId: string;
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
export function planRun(spec: BenchmarkSpec, price: PriceQuote): Parsed<Plan> {
  const cells = planCells(spec);
  const first = cells[0];
  const faults: Fault[] = [];
  if ('levels' in spec.concurrency && cells.length > SPEC_BOUNDS.cells) {
    faults.push({
      path: 'concurrency.levels',
      message: `times the workloads makes ${cells.length} cells; a run may have ${SPEC_BOUNDS.cells}`,
    });
  }
  const hourlyUsd = price.price === null ? null : price.price.perHourUsd * instancesOf(spec);
  const affordableMinutes =
    hourlyUsd === null || hourlyUsd === 0 || spec.limits.maxUsd === null
      ? Number.POSITIVE_INFINITY
      : (spec.limits.maxUsd / hourlyUsd) * 60;
  const limitMinutes = Math.min(spec.limits.maxMinutes, affordableMinutes);
  const leastMinutes = leastRunMinutes(spec, first);
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

  const runMinutes = Math.min(worstCaseMinutes(spec, cells), limitMinutes);
  const releaseMinutes = spec.target.kind === 'managed' ? STAGE_MINUTES.release : 0;
  const boundMinutes = runMinutes + releaseMinutes;
  return {
    ok: true,
    value: {
      cellsPlanned: Math.min(cells.length * mostRepeats(spec), spec.limits.maxCells),
      maxConcurrentRequestsPerInstance: maxConcurrentRequests(spec),
      requestTimeoutSeconds: requestTimeoutSeconds(spec),
      boundMinutes: round(boundMinutes, 1),
      boundUsd: hourlyUsd === null ? null : Math.ceil((boundMinutes / 60) * hourlyUsd * 100) / 100,
      measureMinutes: limitMinutes - Math.min(LEAST_MINUTES.release, limitMinutes / 10),
      price,
      quota:
        spec.target.kind === 'managed'
          ? {
              verdict: 'unknown',
              reason: 'Quota is not checked yet; Azure ML refuses the deployment where it does not suffice.',
            }
          : { verdict: 'not-needed', reason: 'Nothing is deployed.' },
      warnings: planWarnings(spec, cells),
    },
  };
}

/** Every cell of the spec in listing order, with what is predicted for it. A ramp's are those it may reach. */
export function planCells(spec: BenchmarkSpec): PlannedCell[] {
  return spec.workloads.flatMap((workload) =>
    levelsOf(spec).map((level) => ({
      cellId: cellId(level, workload),
      level,
      workload,
      repeats: mostRepeats(spec),
      predictedSeconds: round(predictRepeatSeconds(spec, workload, level), 1),
      maxSeconds: repeatMaxSeconds(repeatLimits(spec), workload, level),
      warnings: cellWarnings(spec, workload, level),
    })),
  );
}

/** Repeats of each cell at the most; fewer where an interval becomes narrow before. */
export function mostRepeats(spec: BenchmarkSpec): number {
  return repeatPlanOf(spec.measure.repeats).most;
}

/** The levels that a spec names, or that its ramp may reach. */
export function levelsOf(spec: BenchmarkSpec): number[] {
  if ('levels' in spec.concurrency) return spec.concurrency.levels;
  const { from, to, step } = spec.concurrency.ramp;
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
}

/**
 * What one request is expected to take before anything is known of the deployment: one second of fixed time, prefill
 * of 5,000 prompt tokens a second, 25 ms per output token alone and twice that in a batch of 64. It is the middle of
 * what measured deployments of 8 to 15 billion parameters show; it bounds waiting and sorts nothing.
 */
export function predictRequestSeconds(workload: Workload, level: number): number {
  return 1 + workload.promptTokens / 5_000 + workload.outputTokens * 0.025 * (1 + level / 64);
}

/** What bounds the time of one repeat. */
export interface RepeatLimits {
  readonly mode: 'steady' | 'burst';
  readonly maxSeconds: number | 'auto';
  readonly requestTimeoutSeconds: number;
}

export function repeatLimits(spec: BenchmarkSpec): RepeatLimits {
  return {
    mode: spec.measure.mode,
    maxSeconds: spec.measure.mode === 'steady' ? spec.measure.maxSeconds : 'auto',
    requestTimeoutSeconds: requestTimeoutSeconds(spec),
  };
}

/** Seconds after which a steady repeat stops issuing; for a burst, what its slowest request may take, retries included. */
export function repeatMaxSeconds(limits: RepeatLimits, workload: Workload, level: number): number {
  if (limits.mode === 'burst') return limits.requestTimeoutSeconds + 60;
  if (limits.maxSeconds !== 'auto') return limits.maxSeconds;
  // Twelve requests one after the other at the least, so that a slow workload has a window at all.
  return Math.min(
    SPEC_BOUNDS.maxSeconds,
    Math.round(Math.max(120, 12 * predictRequestSeconds(workload, level))),
  );
}

function predictRepeatSeconds(spec: BenchmarkSpec, workload: Workload, level: number): number {
  const requestSeconds = predictRequestSeconds(workload, level);
  if (spec.measure.mode === 'burst') return requestSeconds + SECONDS_AROUND_REPEAT;
  const turns = Math.ceil(spec.measure.minRequests / level) + 2;
  return (
    Math.min(turns * requestSeconds, repeatMaxSeconds(repeatLimits(spec), workload, level)) +
    SECONDS_AROUND_REPEAT
  );
}

function worstCaseMinutes(spec: BenchmarkSpec, cells: readonly PlannedCell[]): number {
  const aroundSeconds = requestTimeoutSeconds(spec) + SECONDS_AROUND_REPEAT;
  const cellMinutes = cells
    .flatMap((cell) => Array.from({ length: cell.repeats }, () => (cell.maxSeconds + aroundSeconds) / 60))
    .sort((one, other) => other - one)
    .slice(0, spec.limits.maxCells)
    .reduce((sum, minutes) => sum + minutes, 0);
  return (spec.target.kind === 'managed' ? deployMinutes() : 0) + STAGE_MINUTES.warmUp + cellMinutes;
}

function deployMinutes(): number {
  return STAGE_MINUTES.endpoint + STAGE_MINUTES.deployment + STAGE_MINUTES.traffic;
}

function leastRunMinutes(spec: BenchmarkSpec, first: PlannedCell | undefined): number {
  const requestMinutes = first === undefined ? 0 : predictRequestSeconds(first.workload, first.level) / 60;
  return spec.target.kind === 'managed'
    ? LEAST_MINUTES.deploy + requestMinutes + LEAST_MINUTES.release
    : requestMinutes;
}

/** `auto` admits the top level: Azure ML runs that many per instance at once and queues as many again. */
function maxConcurrentRequests(spec: BenchmarkSpec): number | null {
  if (spec.target.kind !== 'managed') return null;
  const asked = spec.target.requestSettings.maxConcurrentRequestsPerInstance;
  return asked === 'auto' ? Math.ceil(topLevel(spec) / spec.target.instances) : asked;
}

function topLevel(spec: BenchmarkSpec): number {
  return Math.max(...levelsOf(spec));
}

/** The endpoint's own deadline for an answer, in seconds. */
export function requestTimeoutSeconds(spec: BenchmarkSpec): number {
  return spec.target.kind === 'managed'
    ? spec.target.requestSettings.requestTimeoutSeconds
    : spec.target.requestTimeoutSeconds;
}

/** Instances that are paid for; 1 where an existing endpoint's are not named. */
export function instancesOf(spec: BenchmarkSpec): number {
  return spec.target.instances ?? 1;
}

function cellWarnings(spec: BenchmarkSpec, workload: Workload, level: number): string[] {
  const warnings: string[] = [];
  const maxConcurrent = maxConcurrentRequests(spec);
  const admitted = maxConcurrent === null ? null : 2 * maxConcurrent * instancesOf(spec);
  if (admitted !== null && level > admitted) {
    warnings.push(
      `The endpoint admits ${admitted} requests at once (2 x max concurrent x instances); the rest get 429.`,
    );
  }
  if (predictRequestSeconds(workload, level) > requestTimeoutSeconds(spec)) {
    warnings.push(
      `An answer is predicted to take longer than the endpoint's ${requestTimeoutSeconds(spec)} s; expect 408.`,
    );
  }
  if (level > 500) warnings.push('An endpoint accepts 500 active connections.');
  return warnings;
}

function planWarnings(spec: BenchmarkSpec, cells: readonly PlannedCell[]): string[] {
  const warnings: string[] = [];
  const wanted = cells.length * mostRepeats(spec);
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
  if (spec.isolation === 'shared')
    warnings.push(
      'With isolation "shared", cells run on the endpoint at the same time and measure each other.',
    );
  return warnings;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
