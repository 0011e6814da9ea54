/** From a request body to a spec and its plan, with everything checked that can be checked without creating anything. */
import { gpusOf } from '../activities/admit.ts';
import { readExistingEndpoint } from '../activities/read-endpoint.ts';
import { type Fault, messageOf } from '../core/failure.ts';
import { ceilingFaults } from '../core/renting/ledger.ts';
import { loadModelOf } from '../core/spec/load-model.ts';
import { type Plan, type PlannedCell, planCells, planRun } from '../core/spec/plan.ts';
import { type BenchmarkSpec, parseSpec } from '../core/spec/spec.ts';
import type { Services } from '../services.ts';
import { type Facts, gatherFacts } from './plan-facts.ts';
import { invalidInput } from './problem.ts';
import { settleRequestSets } from './request-sets.ts';

export interface PlannedRequest {
  /** With the version that "latest" means now, and with what ARM says of an endpoint that exists. */
  readonly spec: BenchmarkSpec;
  readonly plan: Plan;
  readonly cells: readonly PlannedCell[];
}

export async function planRequest(services: Services, body: unknown): Promise<PlannedRequest> {
  const parsed = parseSpec(body);
  if (!parsed.ok) throw invalidInput(parsed.faults);
  const { spec, facts } = await lookUpSpec(services, parsed.value);
  const planned = planRun(spec, facts);
  const faults = [
    ...facts.faults,
    ...ceilingsOver(services, spec, planned.ok ? planned.value.boundUsd : null),
    ...(planned.ok ? [] : planned.faults),
  ];
  if (!planned.ok || faults.length > 0) throw invalidInput(faults);
  return { spec, plan: planned.value, cells: planCells(spec, facts.model) };
}

/** The lengths of the user's own requests, as they are stored now. */
async function withRequestSets(services: Services, spec: BenchmarkSpec): Promise<BenchmarkSpec> {
  const isTrace = loadModelOf(spec).loop === 'trace';
  const settled = await settleRequestSets(services, spec.workloads, { isTrace });
  if (!settled.ok) throw invalidInput(settled.faults);
  return { ...spec, workloads: [...settled.value] };
}

/** What the app does not allow a run, whatever its spec says. */
export function ceilingsOver(
  services: Services,
  { target }: BenchmarkSpec,
  boundUsd: number | null,
): Fault[] {
  if (target.kind !== 'managed') return [];
  return ceilingFaults({ gpus: gpusOf(target), boundUsd }, services.settings.ceilings);
}

/** The run records which version it was that was the latest. */
function withVersion(spec: BenchmarkSpec, { resolvedVersion }: Facts): BenchmarkSpec {
  if (resolvedVersion === null || spec.model === null) return spec;
  return { ...spec, model: { ...spec.model, version: resolvedVersion } } as BenchmarkSpec;
}

interface FoundTarget {
  readonly spec: BenchmarkSpec;
  readonly faults: readonly Fault[];
}

/** The target as it is there, or why it cannot be used. */
async function findTarget(services: Services, spec: BenchmarkSpec): Promise<FoundTarget> {
  const { target } = spec;
  if (target.kind === 'managed') {
    const faults = target.placements.flatMap(({ workspace }, index) => {
      const path = target.placements.length > 1 ? `target.placements[${index}]` : 'target.workspace';
      return unknownWorkspace(services, workspace, path);
    });
    return { spec, faults };
  }
  if (target.kind === 'endpoint') {
    const faults = unknownWorkspace(services, target.workspace, 'target.workspace');
    if (faults.length > 0) return { spec, faults };
    const answer = await readExistingEndpoint(services, target);
    if (!answer.ok) return { spec, faults: [{ path: `target.${answer.field}`, message: answer.message }] };
    return { spec: { ...spec, target: answer.value.target } as BenchmarkSpec, faults: [] };
  }
  return { spec, faults: await addressFaults(services, target) };
}

function unknownWorkspace(services: Services, workspace: string, path: string): Fault[] {
  if (services.settings.workspaces.includes(workspace)) return [];
  const known = services.settings.workspaces.join(', ') || 'none';
  return [
    {
      path,
      message: `"${workspace}" is not a workspace of this installation (known: ${known}); add it to the setting WORKSPACES`,
    },
  ];
}

/** Whether the address may be called, as it is spelled and as it resolves, and with that credential. */
async function addressFaults(
  services: Services,
  target: Extract<BenchmarkSpec['target'], { kind: 'existing' }>,
): Promise<Fault[]> {
  const { scoringAddresses } = services;
  const refusal = scoringAddresses.refuse(target.scoringUri);
  if (refusal !== null) return [{ path: 'target.scoringUri', message: refusal }];
  const faults: Fault[] = [];
  const resolved = await scoringAddresses.resolve(target.scoringUri);
  if (resolved.kind === 'refused') faults.push({ path: 'target.scoringUri', message: resolved.reason });
  const refusedAuth = scoringAddresses.refuseAuth(target.auth, target.scoringUri);
  if (refusedAuth !== null) faults.push({ path: 'target.auth', message: refusedAuth });
  if (target.auth.kind === 'setting') {
    const missing = await scoringAddresses
      .authorization(target.auth, target.scoringUri)
      .then(() => null, messageOf);
    if (missing !== null) faults.push({ path: 'target.auth.name', message: missing });
  }
  return faults;
}

/** A spec with everything looked up that its plan needs. Throws what is wrong with it; the facts have their own faults. */
export async function lookUpSpec(
  services: Services,
  asked: BenchmarkSpec,
): Promise<{ readonly spec: BenchmarkSpec; readonly facts: Facts }> {
  const found = await findTarget(services, await withRequestSets(services, asked));
  if (found.faults.length > 0) throw invalidInput(found.faults);
  const facts = await gatherFacts(services, found.spec);
  return { spec: withVersion(found.spec, facts), facts };
}
