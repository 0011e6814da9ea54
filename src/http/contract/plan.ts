/** A plan and its parts, as `POST /api/plans` and a run's view hold them. */
import { z } from 'zod';
import type { Price, ReservedPrices } from '../../core/renting/price.ts';
import type { ModelSize } from '../../core/report/physical-limit.ts';
import type { Plan, PlannedCell, PlanQuota } from '../../core/spec/plan.ts';
import type { ServingSettings } from '../../core/spec/settings.ts';
import { count, maybe, text } from './figure.ts';
import type { Shape } from './shape.ts';
import { storedSpec } from './spec.ts';
import { storedWorkload } from './workload.ts';

const reserved = z.strictObject({
  oneYearPerHourUsd: maybe,
  threeYearsPerHourUsd: maybe,
} satisfies Shape<ReservedPrices>);

export const price = z.strictObject({
  perHourUsd: z.number().describe('Dollars for an hour of one instance.'),
  region: text,
  since: text.describe('The day from which the price holds, or "given" where the spec named it.'),
  source: z.enum(['retail', 'arm', 'spec']).describe('The price list, Azure ML’s own estimate, or the spec.'),
  askedAt: text.exactOptional(),
  reserved: reserved.exactOptional(),
} satisfies Shape<Price>);

export const priceQuote = z.union([
  z.strictObject({ price, reason: z.null() }),
  z.strictObject({ price: z.null(), reason: text.describe('Why the price is not known.') }),
]);

const verdict = {
  family: text.describe('The VM family, as Azure ML spells it.'),
  neededCores: count,
  usedCores: maybe,
  limitCores: maybe,
  reason: text,
};

/** `fits` and `queue` are within the limit; `refused` is above it. */
const planQuota = z
  .union([
    z.strictObject({ verdict: z.enum(['fits', 'queue', 'refused', 'unknown']), ...verdict }),
    z.strictObject({ verdict: z.enum(['unknown', 'not-needed']), reason: text }),
  ])
  .describe('Whether the deployment fits the quota now ("fits"), later ("queue") or never ("refused").');
planQuota satisfies z.ZodType<PlanQuota>;

const modelSize = z.strictObject({
  parameters: maybe,
  activeParameters: maybe.describe('Of a mixture of experts, those that a token uses.'),
  weightBytes: maybe,
  kvBytesPerToken: maybe,
} satisfies Shape<ModelSize>);

export const plan = z
  .strictObject({
    cellsPlanned: count.describe('Cells times repeats that are measured at the most.'),
    maxConcurrentRequestsPerInstance: maybe,
    requestTimeoutSeconds: z.number(),
    settings: z
      .array(
        z.strictObject({
          maxConcurrentRequestsPerInstance: maybe,
          requestTimeoutSeconds: z.number(),
        } satisfies Shape<ServingSettings>),
      )
      .exactOptional()
      .describe('Where several are measured in turn, all of them; the two above are the first.'),
    boundMinutes: z.number().describe('What the run can take at the most, its release included.'),
    boundUsd: maybe.describe('What it can cost at the most; null where the price is not known.'),
    measureMinutes: z.number().describe('When measuring stops at the latest, in minutes after the start.'),
    price: priceQuote,
    model: modelSize.nullable().describe('The model’s size as the catalog tells it.'),
    quota: planQuota,
    warnings: z.array(text),
  } satisfies Shape<Plan>)
  .meta({ id: 'Plan' });

export const plannedCell = z
  .strictObject({
    cellId: text,
    loop: z.enum(['closed', 'rate', 'trace']),
    level: z.number().describe('Connections, requests per second, or times the speed of a trace.'),
    workload: storedWorkload,
    repeats: count,
    predictedSeconds: z.number().describe('Of one repeat.'),
    maxSeconds: z.number().describe('Of one repeat.'),
    warnings: z.array(text),
  } satisfies Shape<PlannedCell>)
  .meta({ id: 'PlannedCell' });

/** The answer of `POST /api/plans`. */
export const planAnswer = z
  .strictObject({ spec: storedSpec, plan, cells: z.array(plannedCell) })
  .meta({ id: 'PlanAnswer' });
