/** Values of the core with every field filled in, so that a test names only what it is about. */
import { cellId, cellKey } from '../../src/core/measuring/cell.ts';
import { DurationHistogram, type EncodedHistogram } from '../../src/core/measuring/histogram.ts';
import type { ShardSummary, WindowFold } from '../../src/core/measuring/shard.ts';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import type { Lease } from '../../src/core/renting/lease.ts';
import type { PriceQuote } from '../../src/core/renting/price.ts';
import type { CellRecord, Provenance } from '../../src/core/report/report.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { type PlanFacts, planRun } from '../../src/core/spec/plan.ts';
import { type BenchmarkSpec, parseSpec } from '../../src/core/spec/spec.ts';

/** 2026-01-15 12:00 UTC: every builder's "now". */
export const A_MOMENT_MS = Date.UTC(2026, 0, 15, 12);

/** A request body with the least that a managed run needs. */
export function aSpecBody(fields: object = {}): Record<string, unknown> {
  return {
    model: { name: 'Phi-4', version: '7' },
    target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
    ...fields,
  };
}

/** The parsed spec of `aSpecBody`; throws with the faults where the fields are not a valid spec. */
export function aSpec(fields: object = {}): BenchmarkSpec {
  const parsed = parseSpec(aSpecBody(fields));
  if (!parsed.ok) throw new Error(`The builder's spec has faults: ${JSON.stringify(parsed.faults)}`);
  return parsed.value;
}

export const A_PRICE: PriceQuote = {
  price: { perHourUsd: 3.67, region: 'eastus2', since: '2025-01-01T00:00:00Z', source: 'retail' },
  reason: null,
};

export const NO_PRICE: PriceQuote = { price: null, reason: 'The price list could not be read.' };

/** What the world says while nothing but a price is known. */
export function someFacts(fields: Partial<PlanFacts> = {}): PlanFacts {
  return {
    price: A_PRICE,
    quota: { verdict: 'unknown', reason: 'Nobody asked.' },
    model: null,
    warnings: [],
    ...fields,
  };
}

/** A run that is measuring on a simulated endpoint. */
export function aRun(fields: Partial<RunRecord> = {}): RunRecord {
  const spec = fields.spec ?? aSpec();
  const plan = planRun(spec, someFacts());
  if (!plan.ok) throw new Error(`The builder's spec cannot be planned: ${JSON.stringify(plan.faults)}`);
  return {
    id: 'r251634412799999-0123abcd',
    createdAtMs: A_MOMENT_MS,
    state: 'measuring',
    spec,
    plan: plan.value,
    cancelRequestedAtMs: null,
    startedAtMs: A_MOMENT_MS + 1_000,
    endedAtMs: null,
    endpoint: {
      name: 'fb-0123456789abcdef-a1',
      deployment: 'main',
      workspace: 'default',
      scoringUri: 'https://fb-0123456789abcdef-a1.eastus2.inference.ml.azure.com/score',
      sku: 'Standard_NC24ads_A100_v4',
      instances: 1,
      region: 'eastus2',
      provisioningState: 'Succeeded',
      simulated: false,
    },
    warmUp: {
      route: {
        api: 'openai-chat',
        url: 'https://fb-0123456789abcdef-a1.eastus2.inference.ml.azure.com/v1/chat/completions',
        stream: true,
      },
      requests: 4,
      charactersPerToken: 4.2,
      templateTokens: 7,
      calibrated: true,
    },
    progress: {
      cellsDone: 3,
      cellsPlanned: 12,
      current: 'c4-p512-o128 (repeat 1 of 3)',
      measuringFromMs: A_MOMENT_MS,
      etaSeconds: 90,
    },
    billing: { pricePerHourUsd: 3.67, priceReason: null, instances: 1, fromMs: A_MOMENT_MS, untilMs: null },
    failure: null,
    stoppedBy: null,
    ...fields,
  };
}

/** An encoded histogram of these milliseconds. */
export function aHistogram(...values: readonly number[]): EncodedHistogram {
  const histogram = new DurationHistogram();
  for (const value of values) histogram.record(value);
  return histogram.toJSON();
}

export function aWindow(fields: Partial<WindowFold> = {}): WindowFold {
  return {
    seconds: 10,
    perSecond: null,
    requests: 20,
    outputTokens: 2_560,
    outputUnits: fields.outputTokens ?? 2_560,
    promptTokens: 10_240,
    ...fields,
  };
}

/** One shard that measured 20 streamed requests of 128 tokens within a steady window of 10 seconds. */
export function aShardSummary(fields: Partial<ShardSummary> = {}): ShardSummary {
  return {
    connections: 1,
    startedAtMs: A_MOMENT_MS,
    endedAtMs: A_MOMENT_MS + 12_000,
    attempted: 20,
    succeeded: 20,
    failures: {},
    failedStatusCodes: {},
    failureExamples: {},
    retries: 0,
    whole: aWindow({ seconds: 12 }),
    steady: aWindow(),
    steadyReason: null,
    meanInFlight: 1,
    maxInFlight: 1,
    e2e: aHistogram(...Array.from({ length: 20 }, () => 500)),
    ttft: aHistogram(...Array.from({ length: 20 }, () => 100)),
    ttftReason: null,
    tpot: aHistogram(...Array.from({ length: 20 }, () => 3)),
    ntpot: aHistogram(...Array.from({ length: 20 }, () => 4)),
    gaps: aHistogram(...Array.from({ length: 40 }, () => 3)),
    tokenSource: 'usage',
    unit: 'token',
    trace: null,
    cachedPromptTokens: null,
    echoes: 0,
    outputLengthAsAsked: 20,
    abortedBy: null,
    ...fields,
  };
}

/** One shard whose every request failed. */
export function aFailedShardSummary(fields: Partial<ShardSummary> = {}): ShardSummary {
  const nothing = aWindow({ seconds: 12, requests: 0, outputTokens: 0, promptTokens: 0 });
  return aShardSummary({
    succeeded: 0,
    failures: { 'server-error': 20 },
    failedStatusCodes: { 500: 20 },
    failureExamples: { 'server-error': 'Internal Server Error' },
    whole: nothing,
    steady: null,
    steadyReason: 'Too few completions in time.',
    e2e: aHistogram(),
    ttft: aHistogram(),
    tpot: aHistogram(),
    ntpot: aHistogram(),
    gaps: aHistogram(),
    tokenSource: null,
    outputLengthAsAsked: 0,
    ...fields,
  });
}

export function aProvenance(fields: Partial<Provenance> = {}): Provenance {
  return {
    endpoint: 'fb-0123456789abcdef-a1',
    deployment: 'main',
    sku: 'Standard_NC24ads_A100_v4',
    instances: 1,
    region: 'eastus2',
    model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
    route: 'openai-chat',
    streamed: true,
    lengthForced: true,
    maxConcurrentRequestsPerInstance: 8,
    requestTimeoutSeconds: 180,
    promptSource: 'synthetic-calibrated',
    clientRegion: 'eastus2',
    clientFloor: null,
    isolation: 'exclusive',
    simulated: false,
    simulatorGpuSpeed: null,
    ...fields,
  };
}

/** One measured repeat of the cell c1-p512-o128; its names follow from `level`, `workload` and `repeat`. */
export function aCell(fields: Partial<CellRecord> = {}): CellRecord {
  const level = fields.level ?? 1;
  const workload = fields.workload ?? { promptTokens: 512, outputTokens: 128 };
  const repeat = fields.repeat ?? 1;
  const loop = fields.loop ?? 'closed';
  return {
    runId: 'r251634412799999-0123abcd',
    cellKey: cellKey({ workload: 0, loop, level, repeat }),
    cellId: cellId({ loop, level }, workload),
    workload,
    loop,
    level,
    repeat,
    attempt: 1,
    contaminated: false,
    summary: mergeShards([aShardSummary()]),
    notMeasuredReason: null,
    provenance: aProvenance(),
    ...fields,
  };
}

export function aLease(fields: Partial<Lease> = {}): Lease {
  return {
    endpoint: 'fb-0123456789abcdef-a1',
    workspace: 'default',
    runId: 'r251634412799999-0123abcd',
    owner: 'bench-1',
    attempt: 1,
    createdAtMs: A_MOMENT_MS,
    expiresAtMs: A_MOMENT_MS + 60 * 60_000,
    heartbeatAtMs: A_MOMENT_MS,
    closedAtMs: null,
    sku: 'Standard_NC24ads_A100_v4',
    instances: 1,
    pricePerHourUsd: 3.67,
    releaseError: null,
    ...fields,
  };
}
