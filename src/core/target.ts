/** What a spec says of the model and of the endpoint that is measured: deployed for the run, or one that exists. */
import { z } from 'zod';
import { explainUnknownSku, findSku } from './sku.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';
import { amount, name, objectRule, whole } from './spec-rule.ts';

const modelName = name(
  256,
  /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  'must begin with a letter or digit and hold only letters, digits, dots, dashes and underscores',
);

export const model = z
  .strictObject(
    {
      registry: modelName.default('AzureML'),
      name: modelName,
      version: name(64, /^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be a version such as "7"').refine(
        (version) => version.toLowerCase() !== 'latest',
        '"latest" is not resolved yet; name the version that the catalog shows, such as "7"',
      ),
    },
    objectRule('{"registry":"AzureML","name":"Phi-4","version":"7"}'),
  )
  .describe('The catalog model, as azureml://registries/{registry}/models/{name}/versions/{version}.');

const workspaceName = name(
  64,
  /^[A-Za-z0-9][A-Za-z0-9_-]*$/,
  'must be the name under which the settings know the workspace',
).default('default');

const requestSettings = z
  .strictObject({
    maxConcurrentRequestsPerInstance: z
      .union([z.literal('auto'), whole(1, SPEC_BOUNDS.level)], {
        error: `must be "auto" or a whole number from 1 to ${SPEC_BOUNDS.level}`,
      })
      .default('auto'),
    requestTimeoutSeconds: whole(1, 180).default(180),
  })
  .prefault({});

export const managedTarget = z.strictObject({
  kind: z.literal('managed'),
  workspace: workspaceName,
  sku: z
    .string({ error: 'must be the name of a GPU VM size, such as "Standard_NC24ads_A100_v4"' })
    .max(64, 'must have at most 64 characters')
    .refine((value) => findSku(value) !== undefined, {
      error: (issue) => explainUnknownSku(String(issue.input)),
    })
    .transform((value) => findSku(value)?.name ?? value),
  instances: whole(1, SPEC_BOUNDS.instances).default(1),
  endpoints: whole(1, 1).default(1),
  auth: z.enum(['key', 'entra'], { error: 'must be "key" or "entra"' }).default('key'),
  requestSettings,
  environmentVariables: z
    .record(
      name(128, /^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name of letters, digits and underscores'),
      z.string({ error: 'must be a text' }).max(1_024, 'must have at most 1024 characters'),
    )
    .refine((variables) => Object.keys(variables).length <= SPEC_BOUNDS.environmentVariables, {
      error: `must have at most ${SPEC_BOUNDS.environmentVariables} entries`,
    })
    .default({}),
  keepMinutes: z
    .literal(0, { error: 'must be 0: an endpoint is always deleted at the end of its run' })
    .default(0),
  pricePerHourUsd: amount(0, 1_000).nullable().default(null),
});

export const existingTarget = z.strictObject({
  kind: z.literal('existing'),
  scoringUri: z
    .string({ error: 'must be the https address that scores' })
    .max(2_048, 'must have at most 2048 characters'),
  auth: z.discriminatedUnion(
    'kind',
    [
      z.strictObject({
        kind: z.literal('setting'),
        name: name(128, /^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of the setting that holds the key'),
      }),
      z.strictObject({ kind: z.literal('entra') }),
      z.strictObject({ kind: z.literal('none') }),
    ],
    { error: 'must be {"kind":"setting","name":"..."}, {"kind":"entra"} or {"kind":"none"}' },
  ),
  sku: z
    .string({ error: 'must be a text' })
    .max(64, 'must have at most 64 characters')
    .nullable()
    .default(null),
  instances: whole(1, SPEC_BOUNDS.instances).nullable().default(null),
  requestTimeoutSeconds: whole(1, 180).default(180),
  pricePerHourUsd: amount(0, 1_000).nullable().default(null),
});

export const target = z.discriminatedUnion('kind', [managedTarget, existingTarget], {
  error: 'must have a "kind" of "managed" (deploy, measure, delete) or "existing" (measure a scoring URI)',
});
