/** From a request body to a comparison and its plan, with every fault of every target at once. Creates nothing. */
import {
  type Comparison,
  type ComparisonPlan,
  parseComparison,
  planComparison,
} from '../core/comparison/comparison.ts';
import type { Fault } from '../core/failure.ts';
import { type Plan, type PlannedCell, planCells } from '../core/spec/plan.ts';
import type { BenchmarkSpec } from '../core/spec/spec.ts';
import type { Services } from '../services.ts';
import { inTurns } from './in-turns.ts';
import type { Facts } from './plan-facts.ts';
import { ceilingsOver, lookUpSpec } from './plan-request.ts';
import { invalidInput, Problem } from './problem.ts';

/** Each target asks the catalog, ARM and the price list, which are shared with whatever else runs. */
const TARGETS_AT_ONCE = 4;

export interface PlannedComparison {
  /** As it was asked for, with every default filled in: the same body gives the same. */
  readonly asked: Comparison;
  /** With what was looked up: versions, what ARM says of endpoints that exist. */
  readonly comparison: Comparison;
  readonly plan: ComparisonPlan;
  readonly facts: readonly Facts[];
}

/** What `POST /api/plans` says of a comparison. */
export interface ComparisonPlanAnswer {
  readonly comparison: Omit<Comparison, 'targets'>;
  readonly plan: Omit<ComparisonPlan, 'targets'>;
  readonly targets: readonly {
    readonly label: string;
    readonly spec: BenchmarkSpec;
    readonly plan: Plan;
    readonly cells: readonly PlannedCell[];
  }[];
}

/** A run has one target, a comparison has several. */
export function isComparisonBody(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'targets' in body;
}

export async function planComparisonRequest(services: Services, body: unknown): Promise<PlannedComparison> {
  const parsed = parseComparison(body);
  if (!parsed.ok) throw invalidInput(parsed.faults);
  const asked = parsed.value;
  const looked = await inTurns([...asked.targets.entries()], TARGETS_AT_ONCE, ([target, { spec }]) =>
    lookUpTarget(services, target, spec),
  );
  const known = looked.flatMap((one) => (one.spec === null ? [] : [one]));
  const lookUpFaults = looked.flatMap(({ faults }) => faults);
  if (known.length < looked.length) throw invalidInput(lookUpFaults);
  const facts = known.map((one) => one.facts);
  const comparison: Comparison = {
    ...asked,
    targets: asked.targets.map((one, target) => ({ ...one, spec: known[target]?.spec ?? one.spec })),
  };
  const planned = planComparison(comparison, facts);
  const faults = [...lookUpFaults, ...(planned.ok ? ceilingsOfAll(services, planned.value) : planned.faults)];
  if (!planned.ok || faults.length > 0) throw invalidInput(faults);
  return { asked, comparison, plan: planned.value, facts };
}

export async function answerComparisonPlan(services: Services, body: unknown): Promise<ComparisonPlanAnswer> {
  const planned = await planComparisonRequest(services, body);
  const { targets: _, ...comparison } = planned.comparison;
  const { targets, ...plan } = planned.plan;
  return {
    comparison,
    plan,
    targets: targets.map((target, index) => ({
      ...target,
      cells: planCells(target.spec, planned.facts[index]?.model ?? null),
    })),
  };
}

type LookedUp =
  | { readonly spec: BenchmarkSpec; readonly facts: Facts; readonly faults: readonly Fault[] }
  | { readonly spec: null; readonly faults: readonly Fault[] };

/** What is wrong with one target is told beside what is wrong with the others. */
async function lookUpTarget(services: Services, target: number, spec: BenchmarkSpec): Promise<LookedUp> {
  const inTarget = (faults: readonly Fault[]) =>
    faults.map((fault) => ({ ...fault, path: `targets[${target}].${fault.path}` }));
  try {
    const looked = await lookUpSpec(services, spec);
    return { ...looked, faults: inTarget(looked.facts.faults) };
  } catch (error) {
    if (!(error instanceof Problem) || error.faults.length === 0) throw error;
    return { spec: null, faults: inTarget(error.faults) };
  }
}

/** What the app does not allow any of the runs. The limits are those of the whole comparison. */
function ceilingsOfAll(services: Services, { targets }: ComparisonPlan): Fault[] {
  return targets.flatMap(({ label, spec, plan }, index) =>
    ceilingsOver(services, spec, plan.boundUsd).map(({ path, message }) =>
      path.startsWith('limits.')
        ? { path, message: `${message} (its part for "${label}")` }
        : { path: `targets[${index}].${path}`, message },
    ),
  );
}
