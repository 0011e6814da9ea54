/**
 * What a run is asked to do. `parseSpec` turns a request body into a spec with every default filled in, or into all
 * its faults at once. A spec is plain data that survives JSON; it is stored with the run and its report.
 */
import { z } from 'zod';
import type { Fault, Parsed } from './failure.ts';
import { type PayloadFamily, parsePayloadTemplate } from './payload.ts';
import { PAYLOAD_FAMILY_NAMES } from './payload-families.ts';
import { LEAST_REPEATS, MOST_REPEATS } from './repeats.ts';
import { explainUnknownSku, findSku } from './sku.ts';

/** Bounds of a spec. Each keeps a run, a row or a bill finite; the reason stands beside the number. */
export const SPEC_BOUNDS = {
  /** An endpoint has at most 500 active connections (Azure ML limits); 512 is the next power of two, for ramps. */
  level: 512,
  /** More levels than this tell nothing more about a curve, and each costs minutes of a GPU. */
  levels: 64,
  /** The longest context window in the catalog is about one million tokens. */
  promptTokens: 1_048_576,
  /** A deployment answers within 180 s; 32,768 tokens would need 180 tokens/s for one stream. */
  outputTokens: 32_768,
  /** All of a run's plan must fit a durable message of a few kilobytes. */
  workloads: 100,
  /** Azure ML: at most 50 instances in a deployment. */
  instances: 50,
  /** What the intervals after an early stop were shown for. */
  repeats: MOST_REPEATS,
  minRequests: 10_000,
  /** An activity must end well before the function timeout in host.json (45 minutes). */
  maxSeconds: 1_500,
  cells: 1_000,
  /** A day; a longer sweep is two runs. */
  minutes: 1_440,
  usd: 100_000,
  environmentVariables: 50,
} as const;

/** One pair of prompt and output length, in tokens of the model. */
export interface Workload {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

const notYet = (field: string, instead: string) =>
  z.undefined({ error: `${field} is not supported yet; ${instead}` }).optional();

const whole = (least: number, most: number) =>
  z
    .int({ error: `must be a whole number from ${least} to ${most}` })
    .min(least, between(least, most))
    .max(most, between(least, most));

const amount = (least: number, most: number) =>
  z
    .number({ error: `must be a number from ${least} to ${most}` })
    .min(least, between(least, most))
    .max(most, between(least, most));

/** Keeps zod's own word for unknown fields and says what an object should look like where there is none. */
function objectRule(example: string) {
  return {
    error: (issue: z.core.$ZodRawIssue) =>
      issue.code === 'invalid_type' ? `must be an object such as ${example}` : undefined,
  };
}

function between(least: number, most: number): string {
  return `must be from ${least} to ${most}`;
}

const name = (most: number, pattern: RegExp, rule: string) =>
  z
    .string({ error: 'must be a text' })
    .max(most, `must have at most ${most} characters`)
    .regex(pattern, rule);

const modelName = name(
  256,
  /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  'must begin with a letter or digit and hold only letters, digits, dots, dashes and underscores',
);

const model = z
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

const managedTarget = z.strictObject({
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

const existingTarget = z.strictObject({
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

const target = z.discriminatedUnion('kind', [managedTarget, existingTarget], {
  error: 'must have a "kind" of "managed" (deploy, measure, delete) or "existing" (measure a scoring URI)',
});

const promptTokens = whole(1, SPEC_BOUNDS.promptTokens);
const outputTokens = whole(1, SPEC_BOUNDS.outputTokens);

const workloads = z
  .union(
    [
      z
        .array(
          z.strictObject(
            { promptTokens, outputTokens },
            objectRule('{"promptTokens":512,"outputTokens":128}'),
          ),
        )
        .min(1, 'must name at least one workload'),
      z
        .strictObject({
          promptTokens: listOfSizes(promptTokens),
          outputTokens: listOfSizes(outputTokens),
        })
        .transform(crossProduct),
    ],
    {
      error:
        'must be a list of {"promptTokens","outputTokens"} or {"promptTokens":[...],"outputTokens":[...]} for every combination',
    },
  )
  .pipe(
    z
      .array(z.object({ promptTokens: z.number(), outputTokens: z.number() }))
      .max(
        SPEC_BOUNDS.workloads,
        `must have at most ${SPEC_BOUNDS.workloads} workloads, combinations counted`,
      )
      .refine(
        (list) => new Set(list.map((one) => `${one.promptTokens}/${one.outputTokens}`)).size === list.length,
        {
          error: 'must not name the same workload twice',
        },
      ),
  )
  .default([{ promptTokens: 512, outputTokens: 128 }]);

function listOfSizes(size: typeof promptTokens) {
  return z
    .array(size)
    .min(1, 'must name at least one size')
    .max(SPEC_BOUNDS.workloads, `must have at most ${SPEC_BOUNDS.workloads} sizes`);
}

function crossProduct(sizes: { promptTokens: number[]; outputTokens: number[] }): Workload[] {
  return sizes.promptTokens.flatMap((prompt) =>
    sizes.outputTokens.map((output) => ({ promptTokens: prompt, outputTokens: output })),
  );
}

const level = whole(1, SPEC_BOUNDS.level);

const levels = z
  .array(level, { error: 'must be a list of concurrency levels' })
  .min(1, 'must name at least one level')
  .max(SPEC_BOUNDS.levels, `must have at most ${SPEC_BOUNDS.levels} levels`)
  .refine((list) => new Set(list).size === list.length, { error: 'must not name the same level twice' });

const ramp = z
  .strictObject({
    from: level.default(1),
    to: level.default(10),
    step: level.default(1),
    failureThreshold: amount(0, 1).default(0.2),
  })
  .refine((range) => Math.floor((range.to - range.from) / range.step) < SPEC_BOUNDS.levels, {
    error: `must have at most ${SPEC_BOUNDS.levels} levels between "from" and "to"; raise "step"`,
  })
  .refine((range) => range.from <= range.to, {
    error: 'must not start above where it ends: "from" is larger than "to"',
  });

const concurrency = z
  .union([z.strictObject({ levels }), z.strictObject({ ramp })], {
    error:
      'must be {"levels":[1,2,4]} or {"ramp":{"from":1,"to":10,"step":1,"failureThreshold":0.2}}; "search" is not supported yet',
  })
  .default({ levels: [1, 2, 4, 8] });

const repeats = z.union(
  [
    whole(1, SPEC_BOUNDS.repeats),
    z
      .strictObject({
        least: whole(LEAST_REPEATS, SPEC_BOUNDS.repeats).default(LEAST_REPEATS),
        most: whole(LEAST_REPEATS, SPEC_BOUNDS.repeats),
      })
      .refine((range) => range.least <= range.most, { error: 'must not have a "least" above its "most"' }),
  ],
  {
    error: `must be a whole number from 1 to ${SPEC_BOUNDS.repeats}, or {"least":3,"most":10} to stop early where the interval is narrow`,
  },
);

const measure = z
  .discriminatedUnion(
    'mode',
    [
      z.strictObject({
        mode: z.literal('steady').default('steady'),
        repeats: repeats.default(3),
        minRequests: whole(1, SPEC_BOUNDS.minRequests).default(30),
        maxSeconds: z
          .union([z.literal('auto'), amount(1, SPEC_BOUNDS.maxSeconds)], {
            error: `must be "auto" or a number from 1 to ${SPEC_BOUNDS.maxSeconds}`,
          })
          .default('auto'),
      }),
      z.strictObject({ mode: z.literal('burst'), repeats: whole(1, SPEC_BOUNDS.repeats).default(1) }),
    ],
    { error: 'must have a "mode" of "steady" or "burst"' },
  )
  .prefault({ mode: 'steady' });

const limits = z
  .strictObject({
    maxCells: whole(1, SPEC_BOUNDS.cells).default(100),
    maxMinutes: amount(1, SPEC_BOUNDS.minutes).default(240),
    maxUsd: amount(0.01, SPEC_BOUNDS.usd).nullable().default(100),
  })
  .prefault({});

/** A payload family of the user's own, in the form that ours have; see core/payload.ts. */
const template = z.unknown().transform((input, context): PayloadFamily => {
  const parsed = parsePayloadTemplate(input, '');
  if (parsed.ok) return parsed.value;
  for (const fault of parsed.faults) {
    const path = fault.path.split(/[.[\]]+/).filter((part) => part !== '');
    context.issues.push({ code: 'custom', message: fault.message, path, input });
  }
  return z.NEVER;
});

const shape = {
  api: z
    .enum(['auto', ...PAYLOAD_FAMILY_NAMES, 'raw'], {
      error: `must be "auto", which takes the first of openai-chat and score that answers, "raw" with a "template", or one of ${PAYLOAD_FAMILY_NAMES.map((one) => `"${one}"`).join(', ')}`,
    })
    .default('auto'),
  template: template.optional(),
  workloads,
  concurrency,
  rate: notYet('rate', 'ask for concurrency levels'),
  measure,
  slo: notYet('slo', 'read the percentiles of each cell'),
  demand: notYet('demand', 'divide it by the throughput of the cells'),
  limits,
  isolation: z
    .enum(['exclusive', 'shared'], { error: 'must be "exclusive" or "shared"' })
    .default('exclusive'),
  seed: whole(0, 2 ** 31 - 1).default(42),
};

const specRule = objectRule('{"model":{...},"target":{"kind":"managed",...}}');
const managedSpec = z.strictObject({ model, target: managedTarget, ...shape }, specRule);
const existingSpec = z.strictObject(
  {
    model: model.partial({ version: true }).nullable().default(null),
    target: existingTarget,
    ...shape,
  },
  specRule,
);

export type ManagedSpec = z.output<typeof managedSpec>;
export type ExistingSpec = z.output<typeof existingSpec>;
export type BenchmarkSpec = ManagedSpec | ExistingSpec;
export type RampRange = z.output<typeof ramp>;

/** The spec with every default filled in, or every fault of the input at once, each with its path. */
export function parseSpec(input: unknown): Parsed<BenchmarkSpec> {
  const parsed = schemaFor(input).safeParse(input, { reportInput: true });
  const apart = templateFaults(input);
  if (parsed.success && apart.length === 0) return { ok: true, value: parsed.data as BenchmarkSpec };
  const faults = parsed.success ? [] : parsed.error.issues.flatMap((issue) => faultsOf(issue, []));
  return { ok: false, faults: [...faults, ...apart] };
}

/** `raw` and its template belong together; told beside every other fault, whatever else is wrong. */
function templateFaults(input: unknown): Fault[] {
  const { api, template: given } = (input ?? {}) as { api?: unknown; template?: unknown };
  if (api === 'raw' && given === undefined)
    return [
      { path: 'template', message: 'is missing; it must say what "raw" sends and where its answer stands' },
    ];
  if (api !== 'raw' && given !== undefined)
    return [{ path: 'template', message: 'goes with "api": "raw" only; remove it or set that' }];
  return [];
}

/** An input without a usable kind is checked as `managed`, the kind that most people mean. */
function schemaFor(input: unknown) {
  const kind = (input as { target?: { kind?: unknown } } | null)?.target?.kind;
  if (kind === 'existing') return existingSpec;
  if (kind === 'managed') return managedSpec;
  return z.strictObject({ ...managedSpec.shape, target }, specRule);
}

function faultsOf(issue: z.core.$ZodIssue, parents: readonly PropertyKey[]): Fault[] {
  const path = [...parents, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: writePath([...path, key]),
      message: 'is not a field of a spec; remove it',
    }));
  }
  // The rule that a key of a record breaks stands inside; zod's own word for it says nothing.
  if (issue.code === 'invalid_key') return issue.issues.flatMap((inner) => faultsOf(inner, path));
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = closestBranch(issue.errors);
    if (branch !== null) return branch.flatMap((inner) => faultsOf(inner, path));
  }
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  return [{ path: writePath(path), message: missing ? `is missing; it ${issue.message}` : issue.message }];
}

/**
 * The branch of a union that the input was meant to be: the one whose own shape it has, so that the fault inside it
 * is told and not "no branch fits". Null where no branch has the input's shape.
 */
function closestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | null {
  const fits = branches.filter((issues) => issues.length > 0 && !issues.some(isShapeIssue));
  return fits.length === 1 ? (fits[0] ?? null) : null;
}

function isShapeIssue(issue: z.core.$ZodIssue): boolean {
  return (
    issue.code === 'unrecognized_keys' ||
    (issue.code === 'invalid_type' &&
      issue.path.length <= 1 &&
      issue.path.every((part) => typeof part === 'string'))
  );
}

/** `workloads[3].promptTokens`; the whole input is `(body)`. */
function writePath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(body)';
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`,
    )
    .join('');
}
