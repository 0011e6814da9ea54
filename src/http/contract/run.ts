/** A run as `GET /api/runs/{id}` shows it, lists of them, and what starting and canceling answer. */
import { z } from 'zod';
import type { RunFailure } from '../../core/failure.ts';
import { PAYLOAD_FAMILY_NAMES } from '../../core/requests/payload-families.ts';
import { RUN_STATES } from '../../core/run.ts';
import type { CostView, EndpointView, RunLinks, RunView, TriedView } from '../run-view.ts';
import { count, maybe, text, time } from './figure.ts';
import { plan } from './plan.ts';
import type { Shape } from './shape.ts';
import { storedSpec } from './spec.ts';

export const runState = z
  .enum(RUN_STATES)
  .describe('A run that deploys passes through them in this order; the last three are final.');
export const routeName = z.enum([...PAYLOAD_FAMILY_NAMES, 'raw']);

export const runLinks = z
  .strictObject({ self: text, results: text, cancel: text, page: text } satisfies Shape<RunLinks>)
  .meta({ id: 'RunLinks' });

export const runEndpoint = z.strictObject({
  name: text,
  workspace: text.nullable(),
  mismatch: text.nullable().describe('Where Azure ML runs something else than was asked for.'),
  keptUntil: time.nullable().describe('Until when it is kept, and billed, after the run.'),
  deployment: text.nullable(),
  scoringUri: text.nullable(),
  sku: text.nullable().describe('As read back from ARM.'),
  instances: count.nullable().describe('As read back from ARM.'),
  region: text.nullable(),
  provisioningState: text.nullable().describe('ARM’s own word.'),
  simulated: z.boolean(),
  route: routeName.nullable(),
  sampleCurl: text
    .nullable()
    .describe('A command line that asks the endpoint once; the key is yours to fill in.'),
} satisfies Shape<EndpointView>);

const tried = z.strictObject({
  attempt: count,
  workspace: text,
  region: text.nullable(),
  sku: text,
  endpoint: text.nullable(),
  reason: text,
  at: time,
} satisfies Shape<TriedView>);

export const runCost = z.strictObject({
  pricePerHourUsd: maybe.describe('Of one instance.'),
  priceReason: text.nullable().describe('Why there is no price.'),
  boundUsd: maybe,
  boundMinutes: z.number(),
  accruedUsd: maybe.describe(
    'So far, from the request that may have allocated a VM to the confirmed delete.',
  ),
} satisfies Shape<CostView>);

export const runFailure = z.strictObject({
  code: z.enum([
    'deploy-failed',
    'deploy-timeout',
    'warm-up-failed',
    'measure-failed',
    'nothing-succeeded',
    'budget-exhausted',
    'leaked-endpoint',
    'lost-orchestration',
    'internal',
  ]),
  message: text,
} satisfies Shape<RunFailure>);

export const runProgress = z.strictObject({
  cellsDone: count,
  cellsPlanned: count,
  current: text.nullable().describe('The cell that is measured now.'),
  etaSeconds: maybe,
} satisfies Shape<RunView['progress']>);

export const run = z
  .strictObject({
    id: text,
    state: runState,
    createdAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    cancelRequestedAt: time.nullable(),
    spec: storedSpec,
    plan,
    progress: runProgress,
    endpoint: runEndpoint.nullable(),
    endpoints: z
      .array(runEndpoint)
      .exactOptional()
      .describe('All of them, the first among them, where the run has several.'),
    tried: z.array(tried).describe('Attempts to deploy that came to nothing, in order.'),
    queuedBecause: text.nullable().describe('What a queued run waits for.'),
    cost: runCost,
    failure: runFailure.nullable(),
    stoppedBy: text.nullable().describe('Why measuring ended before everything planned was measured.'),
    links: runLinks,
  } satisfies Omit<Shape<RunView>, 'spec'> & { readonly spec: z.ZodType })
  .meta({ id: 'Run' });

export const runList = z
  .strictObject({
    runs: z.array(run),
    continuation: text.nullable().describe('Give it back as ?continuation= for the next ones.'),
  })
  .meta({ id: 'RunList' });

export const runStarted = z
  .strictObject({ id: text, state: runState, links: runLinks })
  .meta({ id: 'RunStarted' });

export const runCanceled = z
  .strictObject({ id: text, state: runState, cancelRequestedAt: time, links: runLinks })
  .meta({ id: 'RunCanceled' });
