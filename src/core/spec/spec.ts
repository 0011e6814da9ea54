/**
 * What a run is asked to do. `parseSpec` turns a request body into a spec with every default filled in, or into all
 * its faults at once. A spec is plain data that survives JSON; it is stored with the run and its report.
 */
import { z } from 'zod';
import type { Fault, Parsed } from '../failure.ts';
import { demand } from '../report/demand.ts';
import { type PayloadFamily, parsePayloadTemplate } from '../requests/payload.ts';
import { PAYLOAD_FAMILY_NAMES } from '../requests/payload-families.ts';
import { issueFaults } from './issue-fault.ts';
import { concurrency, measure, rate, slo } from './load-model.ts';
import { SPEC_BOUNDS } from './spec-bounds.ts';
import { amount, objectRule, whole } from './spec-rule.ts';
import { endpointTarget, existingTarget, managedTarget, model, target } from './target.ts';
import { workloads } from './workload.ts';

const limits = z
  .strictObject({
    maxCells: whole(1, SPEC_BOUNDS.cells).default(100).describe('Cells times repeats.'),
    maxMinutes: amount(1, SPEC_BOUNDS.minutes).default(240),
    maxUsd: amount(0.01, SPEC_BOUNDS.usd).nullable().default(100),
  })
  .prefault({})
  .describe('Budgets: measuring stops in time, so that what is left pays for the release.');

/** A payload family of the user's own, in the form that ours have; see core/requests/payload.ts. */
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
    .default('auto')
    .describe(
      'A payload family, "auto" for the first of openai-chat and score that answers, or "raw" with a template.',
    ),
  template: template.optional(),
  workloads,
  concurrency,
  rate,
  measure,
  slo,
  demand,
  limits,
  isolation: z
    .enum(['exclusive', 'shared'], { error: 'must be "exclusive" or "shared"' })
    .default('exclusive')
    .describe('"shared" lets cells run on one endpoint at the same time, where they measure each other.'),
  seed: whole(0, 2 ** 31 - 1)
    .default(42)
    .describe('Of everything that is drawn: prompts, the order of cells, arrivals.'),
};

const specRule = objectRule('{"model":{...},"target":{"kind":"managed",...}}');
export const managedSpec = z.strictObject({ model, target: managedTarget, ...shape }, specRule);
export const existingSpec = z.strictObject(
  {
    model: model.partial({ version: true }).nullable().default(null),
    target: existingTarget,
    ...shape,
  },
  specRule,
);

export const endpointSpec = z.strictObject(
  { model: model.partial({ version: true }).nullable().default(null), target: endpointTarget, ...shape },
  specRule,
);

export type ManagedSpec = z.output<typeof managedSpec>;
export type ExistingSpec = z.output<typeof existingSpec>;
export type EndpointSpec = z.output<typeof endpointSpec>;
export type BenchmarkSpec = ManagedSpec | EndpointSpec | ExistingSpec;

/** The spec with every default filled in, or every fault of the input at once, each with its path. */
export function parseSpec(input: unknown): Parsed<BenchmarkSpec> {
  const parsed = schemaFor(input).safeParse(withOneLoad(input), { reportInput: true });
  const apart = [...templateFaults(input), ...loadFaults(input)];
  if (parsed.success && apart.length === 0)
    return { ok: true, value: withRepeatForEach(parsed.data as BenchmarkSpec) };
  const faults = parsed.success ? [] : issueFaults(parsed.error.issues, 'a spec');
  return { ok: false, faults: [...faults, ...apart] };
}

/** Repeats are dealt over a target's endpoints: fewer than there are endpoints are raised, or one would stand idle. */
function withRepeatForEach(spec: BenchmarkSpec): BenchmarkSpec {
  const endpoints = spec.target.kind === 'managed' ? spec.target.endpoints : 1;
  const { measure: way } = spec;
  const { repeats } = way;
  if (typeof repeats === 'number')
    return repeats >= endpoints ? spec : { ...spec, measure: { ...way, repeats: endpoints } };
  if (repeats.least >= endpoints || way.mode === 'burst') return spec;
  const raised = { least: endpoints, most: Math.max(repeats.most, endpoints) };
  return { ...spec, measure: { ...way, repeats: raised } };
}

/** A rate takes the place of the concurrency levels that a spec has by default; null is the same as nothing. */
function withOneLoad(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const { concurrency: closed, rate: open, ...others } = input as Record<string, unknown>;
  if (open === undefined || open === null)
    return closed === undefined || closed === null ? others : { ...others, concurrency: closed };
  return { ...others, concurrency: closed ?? null, rate: open };
}

/** What parts of the load rule each other out; told beside every other fault. */
function loadFaults(input: unknown): Fault[] {
  const {
    concurrency: closed,
    rate: open,
    slo: objectives,
    measure: way,
  } = (input ?? {}) as Record<string, unknown>;
  const faults: Fault[] = [];
  if (given(closed) && given(open))
    faults.push({ path: 'rate', message: 'and "concurrency" are two loads; give one of them' });
  if (hasSearch(closed) || hasSearch(open)) {
    const { endpoints } = ((input as { target?: unknown } | null)?.target ?? {}) as { endpoints?: unknown };
    if (typeof endpoints === 'number' && endpoints > 1)
      faults.push({
        path: 'target.endpoints',
        message: 'must be 1 with a search, which follows one endpoint; start a run for each',
      });
    if (!given(objectives))
      faults.push({
        path: 'slo',
        message: 'is missing; a search looks for the highest level that meets it, such as {"e2eMs":20000}',
      });
  }
  if ((way as { mode?: unknown } | null)?.mode === 'burst' && (given(open) || hasSearch(closed)))
    faults.push({
      path: 'measure.mode',
      message: 'must be "steady" with a rate or a search; a burst is one wave of requests at a level',
    });
  return faults;
}

function given(part: unknown): boolean {
  return part !== undefined && part !== null;
}

function hasSearch(part: unknown): boolean {
  return typeof part === 'object' && part !== null && 'search' in part;
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
  if (kind === 'endpoint') return endpointSpec;
  if (kind === 'managed') return managedSpec;
  return z.strictObject({ ...managedSpec.shape, target }, specRule);
}
