/** The catalog: what a registry has, and what it says of one model. */
import { z } from 'zod';
import type { CatalogModel, MinSku } from '../../core/renting/catalog.ts';
import { count, maybe, text, time } from './figure.ts';
import type { Shape } from './shape.ts';

const age = { readAt: time, ageSeconds: count };
const skus = z.array(text).nullable().describe('Null where the catalog names none.');

const listed = z.strictObject({
  name: text,
  latestVersion: text.nullable(),
  links: z.strictObject({ self: text }),
  // Of the first entries only, of which the catalog was asked.
  task: text.nullable().exactOptional(),
  contextTokens: maybe.exactOptional(),
  allowedSkus: skus.exactOptional(),
  recommendedSkus: skus.exactOptional(),
  retiresOn: text.nullable().exactOptional(),
});

export const modelList = z
  .strictObject({
    registry: text,
    search: text,
    found: count.describe('How many names hold the words; not all of them may be listed.'),
    complete: z.boolean().describe('False where the registry has more models than are read.'),
    ...age,
    models: z.array(listed).describe('The first of them with what the catalog says, the others by name.'),
  })
  .meta({ id: 'ModelList' });

export type ModelList = z.output<typeof modelList>;

const minSku = z.strictObject({
  vcpus: z.number(),
  gpus: z.number(),
  ramGb: z.number(),
  diskGb: z.number(),
} satisfies Shape<MinSku>);

export const model = z
  .strictObject({
    ...({
      registry: text,
      name: text,
      version: text,
      latestVersion: text.nullable(),
      publisher: text.nullable(),
      task: text.nullable(),
      contextTokens: maybe.describe('Prompt and output together.'),
      maxOutputTokens: maybe,
      allowedSkus: skus,
      recommendedSkus: skus,
      minSku: minSku.nullable(),
      managedCompute: z.boolean().nullable().describe('Whether it can be deployed to managed compute.'),
      retiresOn: text.nullable().describe('The day from which it cannot be deployed any more.'),
      archived: z.boolean(),
      fee: z.enum(['none', 'marketplace', 'unknown']),
      parameters: maybe,
      weightBytes: maybe,
      kvBytesPerToken: maybe,
    } satisfies Shape<CatalogModel>),
    retired: z.boolean(),
    feeReason: text.nullable(),
    warnings: z.array(text),
    ...age,
  })
  .meta({ id: 'Model' });
