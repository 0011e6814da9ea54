/**
 * What a run is asked to do. `parseSpec` turns a request body into a spec with every default filled in, or into all
 * its faults at once. A spec is plain data that survives JSON; it is stored with the run and its report.
 */
import { z } from 'zod';
import type { Fault, Parsed } from './failure.ts';
import { concurrency, measure } from './load-model.ts';
import { type PayloadFamily, parsePayloadTemplate } from './payload.ts';
import { PAYLOAD_FAMILY_NAMES } from './payload-families.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';
import { amount, objectRule, whole } from './spec-rule.ts';
import { existingTarget, managedTarget, model, target } from './target.ts';
import { workloads } from './workload.ts';

const notYet = (field: string, instead: string) =>
  z.undefined({ error: `${field} is not supported yet; ${instead}` }).optional();

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
