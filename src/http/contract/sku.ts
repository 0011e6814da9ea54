/** The GPU sizes with quota and price. */
import { z } from 'zod';
import type { Sku } from '../../core/renting/sku.ts';
import { count, maybe, text, time } from './figure.ts';
import type { Shape } from './shape.ts';

const quota = z.strictObject({
  usedCores: maybe,
  limitCores: maybe,
  neededCoresForOneInstance: count,
  verdict: z.enum(['fits', 'queue', 'refused', 'unknown']),
  reason: text,
});

const price = z.union([
  z.strictObject({ perHourUsd: z.null(), reason: text }),
  z.strictObject({
    perHourUsd: z.number(),
    since: text,
    source: z.enum(['retail', 'arm', 'spec']),
    askedAt: text.nullable(),
    ageSeconds: maybe,
    oneYearPerHourUsd: maybe,
    threeYearsPerHourUsd: maybe,
  }),
]);

const sku = z
  .strictObject({
    ...({
      name: text,
      gpu: text,
      gpus: z.number().describe('Per instance; a fraction where a size holds a slice of one.'),
      gpuMemoryGb: z.number().describe('Of all GPUs of an instance together.'),
      vcpus: count,
      ramGb: z.number(),
      diskGb: maybe,
      quotaFamily: text,
      reservesFifth: z.boolean().describe('Whether quota for a fifth more instances is needed.'),
    } satisfies Shape<Sku>),
    quota,
    price,
  })
  .meta({ id: 'Sku' });

export const skuList = z
  .strictObject({
    region: text,
    workspace: text.nullable(),
    quota: z.strictObject({
      known: z.boolean(),
      reason: text.nullable(),
      askedAt: time,
      ageSeconds: count,
    }),
    skus: z.array(sku),
  })
  .meta({ id: 'SkuList' });

export type SkuList = z.output<typeof skuList>;
