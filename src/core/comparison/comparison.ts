/**
 * A comparison: one spec on several targets, or with several settings. `parseComparison` turns a request body into one
 * complete spec a target or into all faults at once; `planComparison` deals the limits of the whole over the targets
 * and says how long it can last and what it can cost. Pure.
 */
import { z } from 'zod';
import { distinctFaults, type Fault, type Parsed } from '../failure.ts';
import { coresNeeded } from '../renting/quota.ts';
import { findSku } from '../renting/sku.ts';
import { issueFaults } from '../spec/issue-fault.ts';
import { loadModelOf } from '../spec/load-model.ts';
import {
  endpointCount,
  hourlyUsdOf,
  instancesOf,
  type Plan,
  type PlanFacts,
  planRun,
  STAGE_MINUTES,
  servingSettings,
} from '../spec/plan.ts';
import { type BenchmarkSpec, parseSpec } from '../spec/spec.ts';
import { SPEC_BOUNDS } from '../spec/spec-bounds.ts';
import { amount, objectRule, whole } from '../spec/spec-rule.ts';
import { sumKnown } from '../statistics/moments.ts';
import { deriveSeed, shuffle } from '../statistics/seed.ts';
import { PRACTICAL_THRESHOLD } from './pair-test.ts';

export interface Comparison {
  readonly strategy: 'full' | 'race';
  /** Targets that are measured side by side at the most. */
  readonly maxParallel: number;
  /** Differences below this share are of no use to anybody. */
  readonly threshold: number;
  /** Of the whole. */
  readonly limits: { readonly maxMinutes: number; readonly maxUsd: number | null };
  readonly seed: number;
  readonly targets: readonly ComparedTarget[];
}

export interface ComparedTarget {
  /** Unique in its comparison; foreign text. */
  readonly label: string;
  readonly spec: BenchmarkSpec;
}

export interface ComparisonPlan {
  /** In the order of the request; each spec with its part of the limits. */
  readonly targets: readonly (ComparedTarget & { readonly plan: Plan })[];
  /** Labels in the seeded order in which targets are started, so that time of day does not look like a SKU. */
  readonly order: readonly string[];
  /** Upper bounds of the whole, release included; dollars are null where one price is unknown. */
  readonly boundMinutes: number;
  readonly boundUsd: number | null;
  readonly warnings: readonly string[];
}

export const COMPARISON_BOUNDS = {
  leastTargets: 2,
  /** More columns than a page can show, and a bill to match. */
  targets: 20,
  labelCharacters: 64,
} as const;
/** Three degrees of freedom more than the least: a difference of 10 % is then seen at the usual scatter of 2 %. */
const REPEATS = 5;
/** Five days: twenty targets one after the other, of four hours and the release each. */
const MOST_MINUTES = 7_200;

const limits = z
  .strictObject(
    {
      maxMinutes: amount(1, MOST_MINUTES).default(480),
      maxUsd: amount(0.01, SPEC_BOUNDS.usd).nullable().default(300),
    },
    objectRule('{"maxMinutes":480,"maxUsd":300}'),
  )
  .prefault({});

const label = z
  .string({ error: `must be a text of 1 to ${COMPARISON_BOUNDS.labelCharacters} characters` })
  .min(1, 'must not be empty')
  .max(COMPARISON_BOUNDS.labelCharacters, `must have at most ${COMPARISON_BOUNDS.labelCharacters} characters`)
  .refine((text) => text.trim() === text, { error: 'must not begin or end with blanks' });

const object = (example: string) =>
  z.record(z.string(), z.unknown(), { error: `must be an object such as ${example}` });

/** A comparison as it may be written, but for its parts of specs, which `parseSpec` reads. */
export const comparisonForm = z.strictObject(
  {
    base: object('{"model":{...},"workloads":[...]}').default({}),
    targets: z
      .array(object('{"label":"1xNC24","target":{"kind":"managed","sku":"..."}}'), {
        error: 'must be a list of {"label","target"}, each with any other part of the spec that it changes',
      })
      .min(
        COMPARISON_BOUNDS.leastTargets,
        `must have at least ${COMPARISON_BOUNDS.leastTargets} entries; one target is a run`,
      )
      .max(COMPARISON_BOUNDS.targets, `must have at most ${COMPARISON_BOUNDS.targets} entries`),
    strategy: z.enum(['full', 'race'], { error: 'must be "full" or "race"' }).default('full'),
    maxParallel: whole(1, COMPARISON_BOUNDS.targets).optional(),
    threshold: amount(0, 1).default(PRACTICAL_THRESHOLD),
    limits,
    seed: whole(0, 2 ** 31 - 1).default(42),
  },
  objectRule('{"base":{...},"targets":[{"label":"1xNC24","target":{...}},...]}'),
);

const DEFAULT_PARALLEL = 4;

/** The comparison with every default filled in, or every fault of the input at once, each with its path. */
export function parseComparison(input: unknown): Parsed<Comparison> {
  const parsed = comparisonForm.safeParse(input, { reportInput: true });
  const formFaults = parsed.success ? [] : issueFaults(parsed.error.issues, 'a comparison');
  const form = parsed.success ? parsed.data : readForm(input);
  if (form === null) return { ok: false, faults: formFaults };
  const { base, targets, maxParallel, ...rest } = form;
  const faults: Fault[] = [...formFaults, ...baseFaults(base), ...labelFaults(targets)];
  const compared = targets.map((entry, index): ComparedTarget | null => {
    const { label: named, ...overrides } = entry;
    faults.push(...overrideFaults(overrides, index));
    const spec = parseSpec(mergeSpec(base, overrides, rest));
    if (spec.ok) return { label: typeof named === 'string' ? named : '', spec: spec.value };
    faults.push(...spec.faults.map((fault) => placeFault(fault, overrides, index)));
    return null;
  });
  const race = rest.strategy === 'race';
  if (race) faults.push(...raceFaults(compared, maxParallel));
  const known = compared.filter((target) => target !== null);
  // What is wrong with the base is told once and not for each target.
  const distinct = distinctFaults(faults);
  if (distinct.length > 0) return { ok: false, faults: distinct };
  const parallel = maxParallel ?? (race ? known.length : Math.min(DEFAULT_PARALLEL, known.length));
  return { ok: true, value: { ...rest, maxParallel: parallel, targets: known } };
}

/**
 * A form with faults as far as it can be read, defaults in the place of what is wrong, so that the faults of its specs
 * are told beside its own. Null where its base or its targets cannot be read.
 */
function readForm(input: unknown): z.output<typeof comparisonForm> | null {
  if (typeof input !== 'object' || input === null || !('targets' in input)) return null;
  const given = input as Readonly<Record<string, unknown>>;
  const { shape } = comparisonForm;
  if (!shape.base.safeParse(given.base).success) return null;
  const readable = Object.entries(shape).filter(([part, rule]) => rule.safeParse(given[part]).success);
  const read = comparisonForm.safeParse(Object.fromEntries(readable.map(([part]) => [part, given[part]])));
  return read.success ? read.data : null;
}

/** What a target says takes the place of the same part of the base; a load takes the place of the other kind of load. */
function mergeSpec(
  base: Readonly<Record<string, unknown>>,
  overrides: Readonly<Record<string, unknown>>,
  all: Pick<Comparison, 'seed' | 'limits'>,
): Record<string, unknown> {
  const loads = overrides.rate !== undefined || overrides.concurrency !== undefined;
  const replaced = new Set(loads ? ['target', 'rate', 'concurrency'] : ['target']);
  const common = Object.fromEntries(Object.entries(base).filter(([part]) => !replaced.has(part)));
  const merged: Record<string, unknown> = { seed: all.seed, ...common, ...overrides };
  return {
    ...merged,
    measure: withRepeats(merged.measure),
    limits: withLimits(merged.limits, all.limits),
  };
}

/** What is no object at all is left to the spec's own rules. */
function withRepeats(measure: unknown): unknown {
  if (measure === undefined) return { mode: 'steady', repeats: REPEATS };
  if (typeof measure !== 'object' || measure === null || Array.isArray(measure)) return measure;
  return { repeats: REPEATS, ...measure };
}

/** A run's own defaults would be the narrower ones; where the base says nothing, the limits of the whole are dealt. */
function withLimits(own: unknown, { maxMinutes, maxUsd }: Comparison['limits']): unknown {
  const most = { maxMinutes: Math.min(SPEC_BOUNDS.minutes, maxMinutes), maxUsd };
  if (own === undefined) return most;
  if (typeof own !== 'object' || own === null || Array.isArray(own)) return own;
  return { ...most, ...own };
}

function baseFaults(base: Readonly<Record<string, unknown>>): Fault[] {
  if (base.target === undefined) return [];
  return [{ path: 'base.target', message: 'belongs to each entry of "targets"; move it there' }];
}

function overrideFaults(overrides: Readonly<Record<string, unknown>>, index: number): Fault[] {
  if (overrides.limits === undefined) return [];
  return [
    {
      path: `targets[${index}].limits`,
      message: 'are of the whole comparison, or in "base" of each target alike; remove it here',
    },
  ];
}

/** Labels that look alike, by capitals or by composed accents, would be taken for each other. */
function labelFaults(targets: readonly Readonly<Record<string, unknown>>[]): Fault[] {
  const seen = new Map<string, number>();
  return targets.flatMap((target, index): Fault[] => {
    const path = `targets[${index}].label`;
    const parsed = label.safeParse(target.label);
    if (!parsed.success) {
      const missing = target.label === undefined;
      return parsed.error.issues.map(({ message }) => ({
        path,
        message: missing ? `is missing; it ${message}` : message,
      }));
    }
    const key = parsed.data.normalize('NFC').toLowerCase();
    const before = seen.get(key);
    if (before !== undefined)
      return [{ path, message: `is the label of targets[${before}] too; each needs its own` }];
    seen.set(key, index);
    return [];
  });
}

/** All candidates of a race are measured round by round beside each other. */
function raceFaults(targets: readonly (ComparedTarget | null)[], maxParallel: number | undefined): Fault[] {
  const faults: Fault[] = [];
  if (maxParallel !== undefined && maxParallel < targets.length) {
    faults.push({
      path: 'maxParallel',
      message: `must be at least ${targets.length}: a race measures all its targets side by side; leave it out`,
    });
  }
  targets.forEach((target, index) => {
    const path = `targets[${index}].measure.repeats`;
    const repeats = target?.spec.measure.repeats;
    if (typeof repeats === 'object')
      faults.push({
        path,
        message: 'must be a number in a race: it says how many rounds there are at the most',
      });
    if (repeats === 1)
      faults.push({ path, message: 'must be 2 or more in a race: no round before the second decides' });
    if (target !== null) faults.push(...roundFaults(target.spec, index));
  });
  return faults;
}

/** A round is one repeat of every cell, so all cells must be known before, and be measured repeat by repeat. */
function roundFaults(spec: BenchmarkSpec, index: number): Fault[] {
  const { loop, walk } = loadModelOf(spec);
  const faults: Fault[] = [];
  if (walk.kind !== 'levels')
    faults.push({
      path: `targets[${index}].${loop === 'closed' ? 'concurrency' : 'rate'}`,
      message: 'must be a list in a race: a ramp or a search has no rounds',
    });
  if (servingSettings(spec).length > 1)
    faults.push({
      path: `targets[${index}].target.requestSettings`,
      message: 'must be one object in a race: make each of the settings a target of its own',
    });
  return faults;
}

/** A fault of a merged spec stands where its part was written. */
function placeFault(fault: Fault, overrides: Readonly<Record<string, unknown>>, index: number): Fault {
  const part = /^[^.[]+/.exec(fault.path)?.[0] ?? '';
  const isOwn = part === 'target' || part in overrides || part === '(body)';
  return { ...fault, path: isOwn ? `targets[${index}].${fault.path}` : `base.${fault.path}` };
}

/** One plan a target with its part of the limits, or what makes one of them impossible. `facts` are by target. */
export function planComparison(compared: Comparison, facts: readonly PlanFacts[]): Parsed<ComparisonPlan> {
  const dealt = dealLimits(
    compared,
    compared.targets.map(({ spec }, index) => hourlyUsdOf(spec, facts[index]?.price)),
  );
  const faults: Fault[] = [];
  const targets = dealt.flatMap((target, index) => {
    const known = facts[index];
    if (known === undefined) throw new Error(`Nothing is known of target ${target.label}.`);
    const plan = planRun(target.spec, known);
    if (plan.ok) return [{ ...target, plan: plan.value }];
    faults.push(...plan.faults.map((fault) => placePlanFault(fault, index, target.label)));
    return [];
  });
  if (faults.length > 0) return { ok: false, faults };
  const plans = targets.map(({ plan }) => plan);
  const families = sharedFamilies(targets);
  const boundUsd = sumKnown(plans.map((plan) => plan.boundUsd));
  const minutes = plans.map(({ boundMinutes }) => boundMinutes);
  const oneByOne = families.some(({ fits }) => !fits);
  return {
    ok: true,
    value: {
      targets,
      order: shuffle(
        targets.map((target) => target.label),
        deriveSeed(compared.seed, 'targets'),
      ),
      boundMinutes: round(
        Math.min(
          listScheduleBound(minutes, oneByOne ? 1 : compared.maxParallel),
          compared.limits.maxMinutes + STAGE_MINUTES.release,
        ),
      ),
      boundUsd: boundUsd === null ? null : round(boundUsd),
      warnings: [
        ...families.map(({ sentence }) => sentence),
        ...differingParts(compared),
        ...targets.flatMap((target) => target.plan.warnings.map((one) => `"${target.label}": ${one}`)),
      ],
    },
  };
}

/** Limits are given once, for the whole; which target's part does not suffice stands in the sentence. */
function placePlanFault(fault: Fault, index: number, named: string): Fault {
  return fault.path.startsWith('limits.')
    ? { ...fault, message: `deals a part to "${named}" that ${fault.message}` }
    : { ...fault, path: `targets[${index}].${fault.path}` };
}

/**
 * The targets with their parts of the limits. Time: targets that go one after the other share it. Money: by what an
 * hour costs, so that each target gets as much time as any other; where a price is unknown, even parts.
 */
export function dealLimits(
  { targets, limits: all, maxParallel }: Pick<Comparison, 'targets' | 'limits' | 'maxParallel'>,
  hourlyUsd: readonly (number | null)[],
): ComparedTarget[] {
  const turns = Math.ceil(targets.length / Math.min(maxParallel, targets.length));
  const maxMinutes = Math.min(SPEC_BOUNDS.minutes, all.maxMinutes / turns);
  const total = sumKnown(hourlyUsd);
  return targets.map(({ label: name, spec }, index) => {
    const hourly = hourlyUsd[index] ?? null;
    const share = total === null || hourly === null || total === 0 ? 1 / targets.length : hourly / total;
    const maxUsd = all.maxUsd === null ? null : all.maxUsd * share;
    const own = spec.limits;
    return {
      label: name,
      spec: {
        ...spec,
        limits: {
          ...own,
          maxMinutes: Math.min(own.maxMinutes, maxMinutes),
          maxUsd:
            maxUsd === null || own.maxUsd === null ? (maxUsd ?? own.maxUsd) : Math.min(own.maxUsd, maxUsd),
        },
      },
    };
  });
}

/**
 * No order of starting the next when one ends takes longer than `(sum - longest) / lanes + longest` (Graham, SIAM
 * Journal on Applied Mathematics 17, 1969).
 */
function listScheduleBound(minutes: readonly number[], lanes: number): number {
  const longest = Math.max(...minutes);
  if (lanes >= minutes.length) return longest;
  const sum = minutes.reduce((total, one) => total + one, 0);
  return (sum - longest) / lanes + longest;
}

/** Families of cores that several targets want, and whether all of them have room at once. */
function sharedFamilies(
  targets: readonly (ComparedTarget & { readonly plan: Plan })[],
): { readonly fits: boolean; readonly sentence: string }[] {
  const byFamily = new Map<string, (typeof targets)[number][]>();
  for (const target of targets) {
    const family =
      target.spec.target.kind === 'managed' ? findSku(target.spec.target.sku)?.quotaFamily : undefined;
    if (family !== undefined) byFamily.set(family, [...(byFamily.get(family) ?? []), target]);
  }
  return [...byFamily].flatMap(([family, sharing]) => {
    if (sharing.length < 2) return [];
    const cores = sharing.reduce(
      (sum, { spec }) => sum + coresNeeded(spec.target.sku ?? '', instancesOf(spec)) * endpointCount(spec),
      0,
    );
    const known = sharing.map(({ plan }) => plan.quota).find((quota) => 'limitCores' in quota);
    const names = sharing.map((target) => `"${target.label}"`).join(', ');
    const free =
      known === undefined || known.limitCores === null || known.usedCores === null
        ? null
        : known.limitCores - known.usedCores;
    const noLimit = known !== undefined && known.verdict === 'fits' && known.limitCores === null;
    const fits = noLimit || (free !== null && cores <= free);
    const state =
      free === null
        ? noLimit
          ? 'which has no limit'
          : 'and how many are free is unknown'
        : `and ${free} are free`;
    return [
      {
        fits,
        sentence: `${names} share the quota of ${family}: together they need ${cores} cores, ${state}${fits ? '.' : '; those that do not fit wait for the others, which takes longer.'}`,
      },
    ];
  });
}

/** Parts in which targets differ beside the target: what is not alike is not one experiment. */
function differingParts({ targets }: Comparison): string[] {
  const parts = ['workloads', 'measure', 'slo', 'isolation'] as const;
  return parts.flatMap((part) => {
    const distinct = new Set(targets.map(({ spec }) => JSON.stringify(spec[part])));
    if (distinct.size < 2) return [];
    return [
      part === 'workloads'
        ? 'The targets have different workloads; only cells that two targets have in common are held against each other.'
        : `The targets differ in "${part}", so their figures are not made in the same way.`,
    ];
  });
}

function round(value: number): number {
  return Math.ceil(value * 100 - 1e-6) / 100;
}
