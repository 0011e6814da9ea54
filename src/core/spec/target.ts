/** What a spec says of the model and of the endpoint that is measured: deployed for the run, or one that exists. */
import { z } from 'zod';
import { explainUnknownSku, findSku } from '../renting/sku.ts';
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
      version: name(
        64,
        /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
        'must be a version such as "7", or "latest"',
      ).describe('A version, or "latest": the run records which one that was.'),
    },
    objectRule('{"registry":"AzureML","name":"Phi-4","version":"7"}'),
  )
  .describe('The catalog model, as azureml://registries/{registry}/models/{name}/versions/{version}.');

const workspaceName = name(
  64,
  /^[A-Za-z0-9][A-Za-z0-9_-]*$/,
  'must be the name under which the settings know the workspace',
);

const gpuSku = z
  .string({ error: 'must be the name of a GPU VM size, such as "Standard_NC24ads_A100_v4"' })
  .max(64, 'must have at most 64 characters')
  .refine((value) => findSku(value) !== undefined, {
    error: (issue) => explainUnknownSku(String(issue.input)),
  })
  .overwrite((value) => findSku(value)?.name ?? value)
  .describe('A GPU VM size of GET /api/skus, in any capitals; stored as Azure spells it.');

const SETTINGS_RULE =
  'must be an object such as {"maxConcurrentRequestsPerInstance":"auto","requestTimeoutSeconds":180}, or a list of such, measured in turn';

const oneRequestSettings = z.strictObject(
  {
    maxConcurrentRequestsPerInstance: z
      .union([z.literal('auto'), whole(1, SPEC_BOUNDS.level)], {
        error: `must be "auto" or a whole number from 1 to ${SPEC_BOUNDS.level}`,
      })
      .default('auto')
      .describe('"auto" is the top level divided by the instances, rounded up.'),
    requestTimeoutSeconds: whole(1, 180).default(180),
  },
  {
    error: (issue) => (issue.code === 'invalid_type' ? SETTINGS_RULE : undefined),
  },
);

export type RequestSettings = z.output<typeof oneRequestSettings>;

/** Each is an update of the deployment and a warm-up more, with the GPU rented meanwhile. */
const MOST_SETTINGS = 5;

const requestSettings = z
  .union(
    [
      oneRequestSettings,
      z
        .array(oneRequestSettings, { error: SETTINGS_RULE })
        .min(1, 'must name at least one')
        .max(MOST_SETTINGS, `must name at most ${MOST_SETTINGS}`)
        .refine((list) => new Set(list.map((one) => JSON.stringify(one))).size === list.length, {
          error: 'must not name the same settings twice',
        }),
    ],
    { error: SETTINGS_RULE },
  )
  .prefault({})
  .describe('Of the deployment; a list of them is measured in turn on the same endpoint.');

/** Where a deployment may go: a workspace of the settings, whose region is its own, and the SKU to ask for there. */
export interface Placement {
  readonly workspace: string;
  readonly sku: string;
}

/** Regions with these GPUs are a handful; each that is tried costs a deployment's time. */
const MOST_PLACEMENTS = 10;

const placements = z
  .array(
    z.union([workspaceName, z.strictObject({ workspace: workspaceName, sku: gpuSku.optional() })], {
      error: 'must be the name of a workspace, or {"workspace":"...","sku":"..."}',
    }),
    { error: 'must be a list of workspaces, the first choice first' },
  )
  .min(1, 'must name at least one workspace')
  .max(MOST_PLACEMENTS, `must name at most ${MOST_PLACEMENTS} workspaces`);

const hourlyPrice = amount(0, 1_000)
  .nullable()
  .default(null)
  .describe('Dollars for an hour of one instance; null takes it from the price list where there is one.');

/** Four hours without a GPU are a run for another day. */
const MOST_WAIT_MINUTES = 240;
/** As long as a run may last by default; who needs the endpoint longer should own it. */
const MOST_KEEP_MINUTES = 240;

/** The fields of a target that is deployed, as they may be written. */
export const managedTargetFields = z.strictObject({
  kind: z.literal('managed'),
  workspace: workspaceName
    .optional()
    .describe(
      'The name of a workspace of the settings; "default" where nothing is said. Or give "placements".',
    ),
  placements: placements
    .optional()
    .describe('Workspaces to try in turn where one has no capacity; each stands in its own region.'),
  waitForCapacityMinutes: whole(0, MOST_WAIT_MINUTES)
    .default(0)
    .describe('How long to go on trying while no placement has capacity.'),
  sku: gpuSku,
  instances: whole(1, SPEC_BOUNDS.instances).default(1),
  endpoints: whole(1, SPEC_BOUNDS.endpoints)
    .default(1)
    .describe(
      'Identical endpoints, each deployed, paid for and deleted; the repeats of each cell are dealt over them.',
    ),
  auth: z
    .enum(['key', 'entra'], { error: 'must be "key" or "entra"' })
    .default('key')
    .describe('How the endpoint is asked: with its key, or with an Entra token.'),
  publicNetworkAccess: z
    .enum(['enabled', 'disabled'], { error: 'must be "enabled" or "disabled"' })
    .default('enabled'),
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
  keepMinutes: whole(0, MOST_KEEP_MINUTES)
    .default(0)
    .describe('How long the endpoint is kept after the run for further runs, billed all the time.'),
  pricePerHourUsd: hourlyPrice,
  ignoreCatalog: z
    .boolean({ error: 'must be true or false' })
    .default(false)
    .describe('Deploys what the catalog advises against: a SKU that it does not allow, a retired version.'),
});

export const managedTarget = managedTargetFields
  // `placements` is what counts; `workspace` and `sku` are the first of them, and the usual way to write just one.
  .transform(({ placements: listed, workspace, ...rest }, context) => {
    const all = (listed ?? [workspace ?? 'default']).map(
      (one): Placement =>
        typeof one === 'string'
          ? { workspace: one, sku: rest.sku }
          : { workspace: one.workspace, sku: one.sku ?? rest.sku },
    );
    const first = all[0] ?? { workspace: 'default', sku: rest.sku };
    const fault = (path: string, message: string) =>
      context.issues.push({ code: 'custom', path: [path], message, input: listed });
    if (workspace !== undefined && workspace !== first.workspace)
      fault('placements', 'must begin with "workspace", or "workspace" be left out');
    if (new Set(all.map((one) => `${one.workspace} ${one.sku}`)).size < all.length)
      fault('placements', 'must not name the same workspace and SKU twice');
    const { requestSettings: settings } = rest;
    const [only] = Array.isArray(settings) && settings.length === 1 ? settings : [];
    return {
      ...rest,
      requestSettings: only ?? settings,
      sku: first.sku,
      workspace: first.workspace,
      placements: all,
    };
  });

export type ManagedTarget = z.output<typeof managedTarget>;

/** The settings of a target, in the order in which they are measured. */
export function requestSettingsOf({
  requestSettings: settings,
}: Pick<ManagedTarget, 'requestSettings'>): readonly RequestSettings[] {
  return Array.isArray(settings) ? settings : [settings];
}

const endpointName = name(
  32,
  /^[A-Za-z](?:-?[A-Za-z0-9])+$/,
  'must be the name of an endpoint: 3 to 32 letters, digits and single dashes, a letter first',
).min(3, 'must have at least 3 characters');

/**
 * A managed online endpoint that exists; it is never deployed, changed or deleted. What it is made of is read from ARM
 * when the run is planned and stands in the stored spec: a SKU or a count given here must be the one that ARM tells,
 * and the settings are ARM's whatever was given.
 */
export const endpointTarget = z.strictObject({
  kind: z.literal('endpoint'),
  workspace: workspaceName.default('default'),
  name: endpointName,
  deployment: endpointName.nullable().default(null).describe('Null takes the one with the most traffic.'),
  sku: gpuSku.nullable().default(null),
  instances: whole(1, SPEC_BOUNDS.instances).nullable().default(null),
  maxConcurrentRequestsPerInstance: whole(1, SPEC_BOUNDS.level).nullable().default(null),
  requestTimeoutSeconds: whole(1, 180).default(180),
  pricePerHourUsd: hourlyPrice,
});

export type EndpointTarget = z.output<typeof endpointTarget>;

export const existingTarget = z.strictObject({
  kind: z.literal('existing'),
  scoringUri: z
    .string({ error: 'must be the https address that scores' })
    .max(2_048, 'must have at most 2048 characters')
    .describe('The https address that scores; called as it is unless "api" is "auto".'),
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
  pricePerHourUsd: hourlyPrice,
  tokenPricesUsdPerMillion: z
    .strictObject(
      { input: amount(0, 10_000), output: amount(0, 10_000) },
      objectRule('{"input":0.07,"output":0.14}'),
    )
    .nullable()
    .default(null)
    .describe("What a serverless endpoint charges instead of an hour's price."),
});

export type ExistingTarget = z.output<typeof existingTarget>;
export type Target = ManagedTarget | EndpointTarget | ExistingTarget;

export const target = z.discriminatedUnion('kind', [managedTarget, endpointTarget, existingTarget], {
  error:
    'must have a "kind" of "managed" (deploy, measure, delete), "endpoint" (measure a managed endpoint that exists) or "existing" (measure a scoring URI)',
});
