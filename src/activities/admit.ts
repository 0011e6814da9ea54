/**
 * Admission: the first step of a run. It enters the run into the ledger where a placement has room, and otherwise leaves
 * it in the queue, with the reason in its row. Nothing is allocated before; the orchestration asks again.
 */
import { askForRoom, type Place, type RoomAnswer, settle } from '../core/renting/ledger.ts';
import { coresNeeded, findFamily } from '../core/renting/quota.ts';
import { findSku } from '../core/renting/sku.ts';
import { accruedUsd, type RunRecord } from '../core/run.ts';
import type { ManagedTarget, Placement, Target } from '../core/spec/target.ts';
import type { Admission, StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { canceledOrOver, holdsEndpoint, readRun } from './run-step.ts';

/** A queue is asked no more often than this: quota comes back when a deployment is gone, which takes minutes. */
const FIRST_POLLS = 3;
/** What the release may outlast the plan's bound by, before the ledger takes the endpoint for gone. */
const AFTER_BOUND_MS = 15 * 60_000;

export function admitStep(services: Services): Pick<StepHandlers, 'admitRun'> {
  return { admitRun: ({ runId }) => admitRun(services, runId) };
}

async function admitRun(services: Services, runId: string): Promise<Admission> {
  const run = await readRun(services, runId);
  const over = canceledOrOver(run);
  if (over !== null) return { state: 'ended', ending: over };
  const target: Target = run.spec.target;
  if (target.kind !== 'managed') return { state: 'admitted', placement: 0 };

  const answer = await askLedger(services, run, target, target.placements);
  const queuedBecause = answer.state === 'waiting' ? sentenceOf(answer.reason) : null;
  if ((run.queuedBecause ?? null) !== queuedBecause)
    await services.stores.runs.change(runId, () => ({ queuedBecause }));
  switch (answer.state) {
    case 'admitted':
      return { state: 'admitted', placement: answer.placement };
    case 'waiting':
      return { state: 'queued', pollSeconds: FIRST_POLLS * services.settings.pollSeconds };
    case 'refused': {
      const message = `The run cannot be started: ${answer.reason}.`;
      return {
        state: 'ended',
        ending: { state: 'failed', failure: { code: 'deploy-failed', message }, stoppedBy: null },
      };
    }
  }
}

/** Moves what a run holds to another placement, where that has room; gives the reason where it has none. */
export async function moveAdmission(
  services: Services,
  run: RunRecord,
  target: ManagedTarget,
  placement: Placement,
): Promise<string | null> {
  const answer = await askLedger(services, run, target, [placement]);
  return answer.state === 'admitted' ? null : sentenceOf(answer.reason);
}

/** What a run held is free again once its last endpoint is gone, and what it cost counts for the day. */
export async function settleRun(services: Services, run: RunRecord): Promise<void> {
  if (await holdsEndpoint(services, run)) return;
  const nowMs = services.now();
  await services.ledger.change((ledger) => settle(ledger, run.id, accruedUsd(run.billing, nowMs), nowMs));
}

async function askLedger(
  services: Services,
  run: RunRecord,
  target: ManagedTarget,
  placements: readonly Placement[],
): Promise<RoomAnswer> {
  const places: Place[] = [];
  for (const placement of placements) places.push(await readPlace(services, target, placement));
  const nowMs = services.now();
  const question = {
    runId: run.id,
    gpus: gpusOf(target),
    boundUsd: run.plan.boundUsd,
    untilMs: (run.startedAtMs ?? nowMs) + run.plan.boundMinutes * 60_000 + AFTER_BOUND_MS,
    places,
  };
  let answer: RoomAnswer | null = null;
  await services.ledger.change((ledger) => {
    const asked = askForRoom(ledger, question, services.settings.ceilings, nowMs);
    answer = asked.answer;
    return asked.ledger;
  });
  if (answer === null) throw new Error('The ledger gave no answer.');
  return answer;
}

/** GPUs that a target rents at once, whole ones: a slice of a GPU is one that somebody has. */
export function gpusOf(target: Pick<ManagedTarget, 'placements' | 'instances' | 'endpoints'>): number {
  const most = Math.max(...target.placements.map(({ sku }) => findSku(sku)?.gpus ?? 0));
  return Math.ceil(most * target.instances) * target.endpoints;
}

async function readPlace(
  services: Services,
  target: ManagedTarget,
  { workspace, sku }: Placement,
): Promise<Place> {
  const cores = coresNeeded(sku, target.instances) * target.endpoints;
  const unknown: Place = {
    pool: null,
    cores,
    usedCores: null,
    limitCores: null,
    name: `${sku} in ${workspace}`,
  };
  const family = findSku(sku)?.quotaFamily;
  // Where the workspace cannot be read now, deploying tells why, in its own words.
  const region = await services.controlPlane.readRegion(workspace).catch(() => null);
  if (family === undefined || region === null) return unknown;
  const { usages } = await services.quota.read(workspace, region);
  const usage = usages === null ? null : findFamily(usages, family);
  return {
    pool: `${services.settings.subscriptionOf(workspace)}/${region}/${family}`.toLowerCase(),
    cores,
    usedCores: usage?.used ?? null,
    limitCores: usage === null || usage.limit < 0 ? null : usage.limit,
    name: `${target.endpoints > 1 ? `${target.endpoints} x ` : ''}${target.instances} x ${sku} in ${workspace} (${region})`,
  };
}

function sentenceOf(reason: string): string {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}
