/** The report of a run as `GET /api/runs/{id}/results` gives it. What the figures mean: docs/reading-the-numbers.md. */
import { z } from 'zod';
import { REQUEST_FAILURES, type RequestFailure } from '../../core/failure.ts';
import type { ClientFloor } from '../../core/measuring/client-floor.ts';
import type { ClientHealth } from '../../core/measuring/client-health.ts';
import type { GpuUse } from '../../core/measuring/gpu-use.ts';
import type { RatioRange } from '../../core/measuring/length-ratios.ts';
import type { DemandAnswer, InstanceRate } from '../../core/report/demand.ts';
import type { Findings } from '../../core/report/findings.ts';
import type { PhysicalLimit } from '../../core/report/physical-limit.ts';
import type { Provenance, Quantiles, Report, ReportRow } from '../../core/report/report.ts';
import type { RowWire } from '../../core/report/row-wire.ts';
import type { SloAnswer, SloVerdict } from '../../core/report/slo-answer.ts';
import { OUTPUT_UNITS } from '../../core/requests/payload.ts';
import type { Slo } from '../../core/spec/slo.ts';
import type { FittedValue, PrefillDecodeFit } from '../../core/statistics/fit.ts';
import type { MeanInterval, PercentileInterval } from '../../core/statistics/interval.ts';
import { count, epochMs, maybe, share, text } from './figure.ts';
import { routeName } from './run.ts';
import type { Shape } from './shape.ts';
import { storedWorkload } from './workload.ts';

export const loop = z.enum(['closed', 'rate', 'trace']);

const failureClass = z.enum(Object.keys(REQUEST_FAILURES) as [RequestFailure, ...RequestFailure[]]);

const percentileInterval = z.union([
  z.strictObject({
    kind: z.literal('two-sided'),
    value: z.number(),
    lower: z.number(),
    upper: z.number(),
  }),
  z.strictObject({
    kind: z.literal('upper-bound'),
    value: z.number(),
    lower: z.null(),
    upper: z.number(),
  }),
  z.strictObject({
    kind: z.literal('too-few'),
    value: z.null(),
    count: count,
    needed: count.describe('Samples that a bound of this percentile takes.'),
  }),
]);
percentileInterval satisfies z.ZodType<PercentileInterval>;

const quantiles = z
  .strictObject({
    count: count.describe('Samples.'),
    mean: maybe,
    p50: maybe,
    p95: maybe,
    p99: maybe,
    max: maybe,
    intervals: z
      .strictObject({ p50: percentileInterval, p95: percentileInterval, p99: percentileInterval })
      .describe('How far the percentiles may be off, from order statistics at 95 %.'),
  } satisfies Shape<Quantiles>)
  .describe('Milliseconds. A percentile is null where there are too few samples to know it.')
  .meta({ id: 'Quantiles' });

const meanInterval = z
  .strictObject({
    mean: z.number(),
    lower: z.number(),
    upper: z.number(),
    halfWidth: z.number(),
    relativeHalfWidth: maybe,
    confidence: share,
    count,
    standardError: z.number(),
    coefficientOfVariation: maybe,
    degreesOfFreedom: z.number(),
    allEqual: z.boolean().describe('All values are the same number, so that a width of 0 says nothing.'),
  } satisfies Shape<MeanInterval>)
  .meta({ id: 'MeanInterval' });

const sloVerdict = z.strictObject({
  verdict: z.enum(['met', 'missed', 'not-shown', 'not-evaluable']),
  attempted: count,
  met: count,
  notEvaluable: count,
  attainment: share.nullable(),
  lower: maybe,
  upper: maybe,
} satisfies Shape<SloVerdict>);

const clientHealth = z.strictObject({
  watchedSeconds: z.number(),
  loopLagP99Ms: z.number(),
  loopLagMaxMs: z.number(),
  busyShare: z.number(),
  cpuSeconds: maybe,
  gcPauseMs: z.number(),
  gcLongestMs: z.number(),
  sendDelayMeanMs: maybe,
  sendDelayP99Ms: maybe,
  roundTripMs: maybe,
} satisfies Shape<ClientHealth>);

const clientFloor = z.strictObject({
  connections: count,
  events: count,
  readLagP50Ms: z.number(),
  readLagP99Ms: z.number(),
  requestsPerSecond: z.number(),
  requestP50Ms: z.number(),
  loopLagP99Ms: z.number(),
} satisfies Shape<ClientFloor>);

const model = z.strictObject({ registry: text, name: text, version: text.nullable() });

const provenance = z
  .strictObject({
    endpoint: text.nullable(),
    deployment: text.nullable(),
    sku: text.nullable(),
    instances: count.nullable(),
    region: text.nullable(),
    model: model.nullable(),
    route: routeName.nullable(),
    streamed: z.boolean(),
    lengthForced: z.boolean().nullable(),
    maxConcurrentRequestsPerInstance: maybe,
    requestTimeoutSeconds: z.number(),
    promptSource: z.enum(['synthetic-calibrated', 'synthetic-estimated', 'request-set']),
    clientRegion: text.nullable(),
    clientFloor: clientFloor.nullable(),
    isolation: z.enum(['exclusive', 'shared']),
    simulated: z.boolean(),
    simulatorGpuSpeed: maybe,
  } satisfies Shape<Provenance>)
  .describe('What was measured; SKU and instances as ARM tells them.')
  .meta({ id: 'Provenance' });

const physicalLimit = z
  .strictObject({
    tpotFloorMs: maybe,
    decodeBandwidthShare: maybe,
    ttftFloorMs: maybe,
    prefillComputeShare: maybe,
    computeShare: maybe,
    basis: text.nullable(),
  } satisfies Shape<PhysicalLimit>)
  .describe('What the hardware allows beside what was measured; null where the model’s size is not known.');

const ratioRange = z
  .strictObject({ count, p5: z.number(), p95: z.number() } satisfies Shape<RatioRange>)
  .describe('Of tokens by tokens asked for: 1 is as long as asked. Null where nothing was counted.')
  .meta({ id: 'RatioRange' });

const rowWire = z
  .strictObject({
    sentBytesPerSecond: maybe,
    receivedBytesPerSecond: maybe,
    predictedBytesPerSecond: maybe.describe('Both ways together, as the plan predicts.'),
    delayedAnswers: count.describe('Good answers that Azure says it held back for bandwidth.'),
    delayP50Ms: maybe,
    rateLimit: z.record(text, text).describe('The last x-ratelimit-* headers, without that prefix.'),
  } satisfies Shape<RowWire>)
  .describe('What went over the wire, and what the endpoint’s front door said of it.');

const gpuUse = z
  .strictObject({
    utilisation: share.nullable().describe('Share of the time in which anything ran on the GPUs.'),
    minutes: count,
    reason: text.nullable(),
  } satisfies Shape<GpuUse>)
  .describe('What Azure Monitor tells of repeats of two minutes or more; null where there were none.');

export const reportRow = z
  .strictObject({
    cellId: text,
    workload: storedWorkload,
    loop,
    level: z.number().describe('Connections, requests per second, or times the speed of a trace.'),
    repeats: count,
    shards: count,
    attempted: count.describe('Requests, failed ones included.'),
    succeeded: count,
    failed: count,
    failures: z.partialRecord(failureClass, count),
    failedStatusCodes: z.record(text, count),
    failureExamples: z.partialRecord(failureClass, text),
    retries: count,
    outputTokensPerSecond: maybe.describe('Mean over repeats.'),
    requestsPerSecond: maybe.describe('Good answers; mean over repeats.'),
    goodputRequestsPerSecond: maybe.describe('Those that kept the objectives; null without any.'),
    goodputTokensPerSecond: maybe,
    slo: sloVerdict.nullable(),
    unit: z.enum(OUTPUT_UNITS),
    outputUnitsPerSecond: maybe,
    outputTokensInterval: meanInterval.nullable(),
    steady: z.boolean(),
    steadyReason: text.nullable(),
    wholeSeconds: maybe.describe('From first send to last answer; mean over repeats.'),
    e2eMs: quantiles,
    ttftMs: quantiles,
    ttftReason: z.enum(['not-streamed', 'buffered', 'no-output']).nullable(),
    mayBeBuffered: z
      .literal(true)
      .exactOptional()
      .describe('Answers came at once and were too short to tell whether the stream had been held back.'),
    ttftAnswerMs: quantiles,
    responseMs: quantiles,
    responseTtftMs: quantiles,
    dropped: count,
    tpotMs: quantiles,
    ntpotMs: quantiles,
    gapMs: quantiles,
    meanInFlight: maybe,
    shardSpread: maybe,
    promptTokensMean: maybe,
    outputTokensMean: maybe,
    outputLengthFidelity: maybe,
    outputLengthRatio: ratioRange.nullable().exactOptional(),
    promptLengthRatio: ratioRange.nullable().exactOptional(),
    wire: rowWire.nullable().exactOptional(),
    gpu: gpuUse.nullable().exactOptional(),
    keptSamples: count.exactOptional().describe('Those that GET /api/runs/{id}/samples gives of the cell.'),
    cachedPromptShare: maybe,
    echoes: count,
    tokenSource: z.enum(['usage', 'estimate', 'units', 'mixed']).nullable(),
    usdPerMillionOutputTokens: maybe,
    usdPerThousandUnits: maybe,
    contaminatedRepeats: count,
    notMeasuredReason: text.nullable(),
    client: clientHealth.nullable(),
    clientValid: z.boolean().nullable(),
    clientFaults: z.array(text),
    limit: physicalLimit,
    deployments: z.array(text).describe('The endpoints that its repeats were measured on.'),
    deploymentSpread: maybe.describe(
      'How much those endpoints differ: the standard deviation of the logs of their mean rates, a share.',
    ),
    provenance,
  } satisfies Shape<ReportRow>)
  .meta({ id: 'ReportRow' });

const slo = z.strictObject({
  attainment: share,
  ttftMs: maybe,
  tpotMs: maybe,
  e2eMs: maybe,
} satisfies Shape<Slo>);

const sloAnswer = z.strictObject({
  workload: storedWorkload,
  cellId: text.nullable(),
  level: maybe.describe('The highest that meets; null where none is shown to.'),
  sentence: text,
} satisfies Shape<SloAnswer>);

const instanceRate = z.strictObject({
  requestsPerSecond: z.number(),
  cellId: text,
  loop,
  poisson: z.boolean(),
  withObjectives: z.boolean(),
} satisfies Shape<InstanceRate>);

export const demandAnswer = z.strictObject({
  workload: storedWorkload,
  perInstance: instanceRate.nullable(),
  instances: count.nullable(),
  basis: z
    .enum(['confirmed', 'extrapolated'])
    .nullable()
    .describe('Whether a row at that count of instances carried the peak.'),
  usdPerMonth: maybe,
  usdPerThousandRequests: maybe,
  usdPerMillionOutputTokens: maybe,
  use: maybe.describe('Share of what the instances could carry, at the mean demand.'),
  sentence: text,
} satisfies Shape<DemandAnswer>);

const fitted = z.strictObject({
  value: z.number(),
  lower: z.number(),
  upper: z.number(),
} satisfies Shape<FittedValue>);

const fit = z.strictObject({
  source: z.literal('fitted'),
  fixedMs: fitted,
  prefillMsPerToken: fitted,
  decodeMsPerToken: fitted,
  points: count,
  degreesOfFreedom: z.number(),
  rSquared: z.number(),
} satisfies Shape<PrefillDecodeFit>);

const findings = z.strictObject({
  prefillDecode: z.union([
    z.strictObject({ fit, reason: z.null() }),
    z.strictObject({ fit: z.null(), reason: text }),
  ]),
  bottlenecks: z
    .array(
      z.strictObject({
        cellId: text,
        cause: z.enum([
          'client',
          'token-quota',
          'request-rate',
          'admission',
          'connections',
          'deadline',
          'bandwidth',
          'wrapper',
          'gpu',
          'memory-bandwidth',
          'compute',
          'unknown',
        ]),
        certainty: z.enum(['shown', 'consistent-with']),
        sentence: text,
      } satisfies Shape<Findings['bottlenecks'][number]>),
    )
    .describe('What holds each row back, the surest first.'),
  sentences: z.array(text),
} satisfies Shape<Findings>);

const cost = z.strictObject({
  pricePerHourUsd: maybe,
  priceReason: text.nullable(),
  instances: count,
} satisfies Shape<Report['cost']>);

export const report = z
  .strictObject({
    runId: text,
    createdAtMs: epochMs,
    mode: z.enum(['steady', 'burst']),
    rows: z.array(reportRow),
    best: z.strictObject({ cellId: text, outputTokensPerSecond: z.number() }).nullable(),
    cost,
    stoppedBy: text.nullable(),
    slo: slo.nullable(),
    answers: z.array(sloAnswer).describe('For each workload, the highest level that meets the objectives.'),
    demands: z.array(demandAnswer).describe('What the demand takes and costs, for each workload.'),
    findings,
    notes: z.array(text).describe('What to know before believing the numbers.'),
    simulated: z.boolean(),
    partial: z.boolean().describe('True while the run measures: more rows will come.'),
  } satisfies Shape<Report & { readonly partial: boolean }>)
  .meta({ id: 'Report' });
