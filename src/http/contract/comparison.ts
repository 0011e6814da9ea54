/** Comparisons: what may be asked for, how one is shown, and its report. */
import { z } from 'zod';
import type { BreakEven } from '../../core/comparison/break-even.ts';
import type { Incomparability } from '../../core/comparison/comparability.ts';
import { COMPARISON_BOUNDS, comparisonForm } from '../../core/comparison/comparison.ts';
import { COMPARISON_STATES } from '../../core/comparison/comparison-record.ts';
import type {
  ComparisonReport,
  FiguresMade,
  FrontPoint,
  MatchedEntry,
  MatchedLevel,
  PairComparison,
  RaceReport,
  Standing,
  TargetSummary,
  WorkloadComparison,
} from '../../core/comparison/comparison-report.ts';
import type { CellVerdict, PairVerdict } from '../../core/comparison/pair-test.ts';
import type { RaceDrop, RaceTotal } from '../../core/comparison/race.ts';
import type { RaceCost } from '../../core/comparison/race-bill.ts';
import type { RaceHistory, RaceRound } from '../../core/comparison/race-replay.ts';
import type { CostOfUse } from '../../core/report/demand.ts';
import type { RaceOver } from '../../core/run.ts';
import type {
  ComparisonLinks,
  ComparisonProgress,
  ComparisonSummary,
  ComparisonView,
  TargetView,
} from '../comparison-view.ts';
import { count, maybe, text, time } from './figure.ts';
import { plan, plannedCell, price } from './plan.ts';
import { demandAnswer, loop } from './report.ts';
import { runCost, runEndpoint, runFailure, runLinks, runProgress, runState } from './run.ts';
import type { Shape } from './shape.ts';
import { specParts, storedSpec, targetRequest } from './spec.ts';
import { storedWorkload } from './workload.ts';

/** The body of `POST /api/comparisons`, and of `POST /api/plans` where it has targets. */
export const comparisonRequest = comparisonForm
  .extend({
    base: specParts.default({}).describe('A spec without its target: what all targets have in common.'),
    targets: z
      .array(
        specParts
          .omit({ limits: true })
          .extend({ label: text.min(1).max(COMPARISON_BOUNDS.labelCharacters), target: targetRequest }),
      )
      .min(COMPARISON_BOUNDS.leastTargets)
      .max(COMPARISON_BOUNDS.targets)
      .describe('What each is, under a label of its own, with any other part of the spec that it changes.'),
    maxParallel: comparisonForm.shape.maxParallel.describe('Targets that are measured side by side.'),
    threshold: comparisonForm.shape.threshold.describe('Differences below this share are of no use to you.'),
    limits: comparisonForm.shape.limits.describe('Budgets of the whole comparison.'),
  })
  .meta({ id: 'ComparisonRequest' });

const strategy = z.enum(['full', 'race']);

/** What is the same for all its targets. */
const whole = {
  strategy,
  maxParallel: count,
  threshold: z.number(),
  limits: z.strictObject({ maxMinutes: z.number(), maxUsd: maybe }),
  seed: count,
};

const bounds = {
  order: z.array(text).describe('Labels in the order in which targets are started.'),
  boundMinutes: z.number(),
  boundUsd: maybe,
  warnings: z.array(text),
};

/** The answer of `POST /api/plans` to a comparison. */
export const comparisonPlanAnswer = z
  .strictObject({
    comparison: z.strictObject(whole),
    plan: z.strictObject(bounds),
    targets: z.array(z.strictObject({ label: text, spec: storedSpec, plan, cells: z.array(plannedCell) })),
  })
  .meta({ id: 'ComparisonPlanAnswer' });

const state = z.enum(COMPARISON_STATES).describe('The last three are final.');

const links = z.strictObject({
  self: text,
  results: text,
  cancel: text,
} satisfies Shape<ComparisonLinks>);

export const comparisonStarted = z
  .strictObject({
    id: text,
    state,
    links,
    plan: z.strictObject({ ...bounds, targets: z.array(z.strictObject({ label: text, plan })) }),
  })
  .meta({ id: 'ComparisonStarted' });

export const comparisonCanceled = z
  .strictObject({ id: text, state, cancelRequestedAt: time, links })
  .meta({ id: 'ComparisonCanceled' });

const summary = {
  id: text,
  state,
  createdAt: time,
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  cancelRequestedAt: time.nullable(),
  strategy,
  labels: z.array(text),
  failure: runFailure.nullable(),
  links,
} satisfies Shape<ComparisonSummary>;

export const comparisonList = z
  .strictObject({
    comparisons: z.array(z.strictObject(summary)),
    continuation: text.nullable().describe('Give it back as ?continuation= for the next ones.'),
  })
  .meta({ id: 'ComparisonList' });

const raceOver = z.strictObject({
  verdict: z.enum(['dropped', 'won']),
  round: count,
  sentence: text,
} satisfies Shape<RaceOver>);

const target = z.strictObject({
  label: text,
  spec: storedSpec,
  state: z.union([runState, z.literal('waiting')]).describe('"waiting": its run was not started.'),
  runId: text.nullable(),
  queuedBecause: text.nullable(),
  progress: runProgress,
  endpoint: runEndpoint.nullable(),
  cost: runCost.nullable(),
  failure: text.nullable().describe('Why there is nothing, or not everything.'),
  stoppedBy: text.nullable(),
  raceOver: raceOver.nullable().describe('What the race says of it.'),
  links: runLinks.nullable(),
} satisfies Omit<Shape<TargetView>, 'spec'> & { readonly spec: z.ZodType });

const raceDrop = z.strictObject({
  label: text,
  round: count,
  reason: z.enum(['dearer', 'misses-objectives']),
  against: text.nullable(),
  dearerBy: maybe,
  dearerAtLeast: maybe,
  sentence: text,
} satisfies Shape<RaceDrop>);

const raceRound = z.strictObject({
  round: count,
  costs: z.array(z.strictObject({ label: text, usdPerMillionOutputTokens: maybe })),
} satisfies Shape<RaceRound>);

const raceSoFar = {
  rounds: z.array(raceRound),
  drops: z.array(raceDrop),
  ended: text.nullable().describe('Why it ended; null while it goes on.'),
} satisfies Shape<RaceHistory>;

const race = z.strictObject(raceSoFar).meta({ id: 'RaceHistory' });

const raceTotal = z.strictObject({ gpuHours: maybe, usd: maybe } satisfies Shape<RaceTotal>);

const raceReport = z
  .strictObject({
    ...raceSoFar,
    cost: z.strictObject({
      spent: raceTotal,
      inFull: raceTotal.describe('What measuring every candidate in all rounds would have taken.'),
      sentence: text.nullable(),
    } satisfies Shape<RaceCost>),
  } satisfies Shape<RaceReport>)
  .meta({ id: 'RaceReport' });

const progress = z.strictObject({
  targetsDone: count,
  targetsPlanned: count,
  cellsDone: count,
  cellsPlanned: count,
  etaSeconds: maybe,
} satisfies Shape<ComparisonProgress>);

export const comparisonView = z
  .strictObject({
    ...summary,
    ...whole,
    order: z.array(text),
    warnings: z.array(text),
    targets: z.array(target),
    progress,
    cost: z.strictObject({ boundUsd: maybe, boundMinutes: z.number(), accruedUsd: maybe }),
    race: race.nullable(),
  } satisfies Omit<Shape<ComparisonView>, 'targets'> & { readonly targets: z.ZodType })
  .meta({ id: 'Comparison' });

const figuresMade = z
  .strictObject({
    load: z.enum(['closed loop', 'open loop', 'recorded trace', 'burst']),
    warmUp: z.strictObject({ requests: count, stable: z.boolean().nullable() }).nullable(),
    window: z.enum(['steady window', 'whole measurement', 'mixed']),
    repeats: count,
    deployments: count,
    tokenSource: text.nullable(),
    route: text.nullable(),
    streamed: z.boolean(),
    model: text.nullable(),
    image: text.nullable(),
    sku: text.nullable(),
    instances: count.nullable(),
    region: text.nullable(),
    clientRegion: text.nullable(),
    maxConcurrentRequestsPerInstance: maybe,
    price: price.nullable(),
    priceReason: text.nullable(),
    simulated: z.boolean(),
  } satisfies Shape<FiguresMade>)
  .describe('How the figures of a target were made.');

const costOfUse = z.strictObject({
  use: z.number().describe('1 is full.'),
  usdPerMillionOutputTokens: z.number(),
} satisfies Shape<CostOfUse>);

const targetSummary = z.strictObject({
  label: text,
  failure: text.nullable(),
  made: figuresMade.nullable(),
  hourlyUsd: maybe,
  tokenPricesUsdPerMillion: z.strictObject({ input: z.number(), output: z.number() }).nullable(),
  gpus: maybe,
  costOfUse: z.array(z.strictObject({ workload: storedWorkload, uses: z.array(costOfUse) })),
} satisfies Shape<TargetSummary>);

const standing = z
  .strictObject({
    label: text,
    cellId: text,
    level: z.number(),
    value: z.number(),
  } satisfies Shape<Standing>)
  .meta({ id: 'Standing' });

const frontPoint = z.strictObject({
  label: text,
  cellId: text,
  usdPerMillionOutputTokens: z.number(),
  msPerToken: z.number(),
  onFront: z.boolean().describe('No other point is both cheaper and faster.'),
} satisfies Shape<FrontPoint>);

const matchedEntry = z.strictObject({
  label: text,
  outputTokensPerSecond: maybe,
  lower: maybe,
  upper: maybe,
  goodputTokensPerSecond: maybe,
  perGpu: maybe,
  slo: z.enum(['met', 'missed', 'not-shown', 'not-evaluable']).nullable(),
  ttftP50Ms: maybe,
  tpotP50Ms: maybe,
  ntpotP50Ms: maybe,
  failed: count,
  attempted: count,
  usdPerMillionOutputTokens: maybe,
  usdPerMillionAtGoodput: maybe,
  leftOut: text.nullable().describe('Why it is in no ranking.'),
} satisfies Shape<MatchedEntry>);

const matchedLevel = z.strictObject({
  cellId: text,
  loop,
  level: z.number(),
  entries: z.array(matchedEntry.nullable()).describe('In the order of the targets.'),
} satisfies Shape<MatchedLevel>);

const workloadComparison = z
  .strictObject({
    workload: storedWorkload,
    cheapest: standing.nullable(),
    byCost: z.array(standing),
    byGoodput: z.array(standing),
    byGoodputPerGpu: z.array(standing),
    front: z.array(frontPoint),
    frontTime: z.enum(['tpot', 'ntpot']),
    table: z.array(matchedLevel),
  } satisfies Shape<WorkloadComparison>)
  .meta({ id: 'WorkloadComparison' });

const cellVerdict = z.strictObject({
  cellId: text,
  ratio: z.number(),
  pValue: maybe.describe('After Holm’s correction.'),
} satisfies Shape<CellVerdict>);

const pairVerdict = z.strictObject({
  verdict: z.enum(['better', 'worse', 'no-difference-shown', 'not-comparable']),
  scope: z.enum(['targets', 'deployments']).describe('What the verdict speaks of.'),
  ratio: maybe.describe('Rate of the second side by that of the first.'),
  lower: maybe,
  upper: maybe,
  pValue: maybe,
  matchedCells: z.array(text),
  betweenDeployments: maybe,
  cells: z.array(cellVerdict),
  sentence: text,
} satisfies Shape<PairVerdict>);

const incomparability = z.strictObject({
  code: z.enum([
    'token-source',
    'route',
    'streaming',
    'model',
    'image',
    'forced-length',
    'prompt-source',
    'unit',
    'loop',
    'isolation',
    'simulated',
    'gpu-speed',
  ]),
  sentence: text,
} satisfies Shape<Incomparability>);

const pair = z
  .strictObject({
    first: text,
    second: text,
    metric: z.enum(['goodput', 'throughput']),
    incomparable: z.array(incomparability),
    ttftNotComparable: text.nullable(),
    result: pairVerdict,
    costRatio: z.strictObject({ ratio: z.number(), lower: z.number(), upper: z.number() }).nullable(),
    sentence: text,
  } satisfies Shape<PairComparison>)
  .meta({ id: 'PairComparison' });

const breakEven = z.strictObject({
  workload: storedWorkload,
  serverless: text,
  rented: text,
  tokensPerHour: z.number(),
  capacityPerHour: z.number(),
  reachable: z.boolean(),
  sentence: text,
} satisfies Shape<BreakEven>);

export const comparisonReport = z
  .strictObject({
    comparisonId: text,
    ...({
      headline: z.array(text).describe('The answer in sentences, the most important first.'),
      strategy,
      targets: z.array(targetSummary),
      workloads: z.array(workloadComparison),
      pairs: z.array(pair),
      breakEvens: z.array(breakEven),
      demands: z.array(z.strictObject({ label: text, answers: z.array(demandAnswer) })),
      race: raceReport.nullable(),
      warnings: z.array(text),
      simulated: z.boolean(),
    } satisfies Shape<ComparisonReport>),
    partial: z.boolean().describe('True while it lasts.'),
  })
  .meta({ id: 'ComparisonReport' });
