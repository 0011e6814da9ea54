/**
 * Deploying a run's endpoint. Each step only starts or reads something, because deploying outlasts an activity; each
 * may run twice and then does nothing new. What costs money names its undo before it exists: the lease row. An attempt
 * that finds no room is told as such, with what was tried, and another may follow under another name. A target of
 * several endpoints deploys them side by side in each step: an attempt is all of them, or it came to nothing.
 */

import { redact } from '../core/redact.ts';
import { explainFailedStage, findDeployFailure, type Recourse } from '../core/renting/deploy-failure.ts';
import { endpointName, type Lease, leaseTags } from '../core/renting/lease.ts';
import { markDeployed } from '../core/renting/ledger.ts';
import { describeTried, type TriedPlacement } from '../core/renting/placement.ts';
import {
  changeBilled,
  changeEndpointOf,
  endpointsOfRun,
  type Rented,
  type RunEndpoint,
  type RunRecord,
  settingsOfRun,
  startBillingOfAll,
  withEndpoints,
} from '../core/run.ts';
import type { ManagedSpec } from '../core/spec/spec.ts';
import type { ManagedTarget, Placement, Target } from '../core/spec/target.ts';
import type {
  DeployInput,
  DeployProgress,
  DeployStage,
  Ending,
  Progress,
  StepHandlers,
} from '../orchestrations/steps.ts';
import { ControlPlaneError, type DeploymentOrder, type DeploymentState, type Services } from '../services.ts';
import { moveAdmission } from './admit.ts';
import { releaseByName } from './release.ts';
import { canceledOrOver, readRun, renewLease } from './run-step.ts';
import { noteEndpoint } from './step-event.ts';

/** The one deployment behind each endpoint; its name needs to be unique only there. */
const DEPLOYMENT_NAME = 'bench';

/** What a failure's sentence may take of a row and a line; the log's tail and what was tried are in it. */
const MESSAGE_CHARACTERS = 2_000;

export function deploySteps(
  services: Services,
): Pick<
  StepHandlers,
  'deployEndpoint' | 'deployModel' | 'deployTraffic' | 'deployProgress' | 'abandonAttempt'
> {
  return {
    deployEndpoint: (input) => attempt(services, input, deployEndpoint, makeReady),
    deployModel: (input) => attempt(services, input, deployModel, billAll),
    deployTraffic: (input) => attempt(services, input, deployTraffic),
    deployProgress: (input) =>
      attempt(services, input, (of) => deployProgress(of, input.stage), null, 'waiting'),
    abandonAttempt: async ({ runId, attempt: number = 1 }) => {
      const run = await readRun(services, runId);
      return releaseByName(services, namesOf(services, run, number));
    },
  };
}

/** What every step of an attempt works with, for one of its endpoints. */
interface Attempt {
  readonly services: Services;
  readonly run: RunRecord;
  readonly spec: ManagedSpec;
  readonly target: ManagedTarget;
  readonly placement: Placement;
  readonly number: number;
  /** The endpoint's name, which no other attempt has. */
  readonly name: string;
}

/**
 * Runs a step of an attempt for each of its endpoints, after what comes once before all of them, which gives the
 * attempt's end where there is one. What the control plane refuses for good ends the attempt or the run; what it may
 * grant later is told as `refused` (or `waiting`, for a look), and the orchestration comes again within its bound.
 */
async function attempt(
  services: Services,
  { runId, attempt: number = 1, placement: index = 0 }: DeployInput,
  step: (of: Attempt) => Promise<DeployProgress>,
  first: ((all: readonly Attempt[]) => Promise<DeployProgress | null>) | null = null,
  later: 'refused' | 'waiting' = 'refused',
): Promise<DeployProgress> {
  const run = await readRun(services, runId);
  const over = canceledOrOver(run);
  if (over !== null) return { state: 'ended', ending: over };
  const { target } = run.spec;
  const placement = target.kind === 'managed' ? target.placements[index] : undefined;
  if (target.kind !== 'managed' || placement === undefined)
    throw new Error(`Run ${runId} has no placement ${index} to deploy to.`);
  const spec = run.spec as ManagedSpec;
  const all = namesOf(services, run, number).map((name) => ({
    services,
    run,
    spec,
    target,
    placement,
    number,
    name,
  }));
  const [one] = all;
  if (one === undefined) throw new Error(`Run ${runId} has no endpoint to deploy.`);
  noteEndpoint(all.map((of) => of.name).join(' '));
  // A duplicate of a step that comes late must not take the run back to an attempt that is over.
  if ((run.endpoint?.attempt ?? 0) > number) return leaseLost(one.name);
  const stopped = first === null ? null : await granted(one, later, () => first(all));
  if (stopped !== null) return stopped;
  // Each ends before any is told to have failed: what goes on unseen could make what nobody deletes.
  const steps = await Promise.allSettled(all.map((of) => granted(of, later, () => step(of))));
  const results = steps.map((settled) => {
    if (settled.status === 'rejected') throw settled.reason;
    return settled.value;
  });
  return slowestOf(results);
}

/** Where several endpoints stand together: the end of one is the end of all, and all are ready when the last one is. */
function slowestOf(results: readonly DeployProgress[]): DeployProgress {
  for (const state of ['ended', 'unplaced', 'refused', 'waiting'] as const) {
    const found = results.filter((result) => result.state === state);
    // A place without room is left, whatever bad luck another endpoint had there.
    const elsewhere = found.find((result) => result.state === 'unplaced' && result.recourse === 'elsewhere');
    const worst = elsewhere ?? found[0];
    if (worst !== undefined) return worst;
  }
  return { state: 'ready' };
}

/** The names of an attempt's endpoints, in their order. */
function namesOf(services: Services, { id, spec }: RunRecord, number: number): string[] {
  const target: Target = spec.target;
  const length = target.kind === 'managed' ? target.endpoints : 1;
  return Array.from({ length }, (_, index) => endpointName(services.settings.owner, id, number, index));
}

async function granted<Told>(
  of: Attempt,
  later: 'refused' | 'waiting',
  step: () => Promise<Told>,
): Promise<Told | DeployProgress> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof ControlPlaneError)) throw error;
    if (error.retryable)
      return later === 'waiting' ? { state: 'waiting' } : { state: 'refused', message: error.message };
    const failure = findDeployFailure(error.code, error.message);
    return giveUpAttempt(of, error.message, failure?.recourse ?? 'none');
  }
}

/** Finds room for all endpoints of the attempt, and names them in the run. */
async function makeReady(all: readonly Attempt[]): Promise<DeployProgress | null> {
  const [one] = all;
  if (one === undefined) return null;
  const { services, run, target, placement, number } = one;
  const { workspace } = placement;
  const region = await services.controlPlane.readRegion(workspace);
  const noRoom = await moveAdmission(services, run, target, placement);
  if (noRoom !== null) return giveUpAttempt(one, noRoom, 'elsewhere');
  // The run names its endpoints first, so that its release finds their leases whatever happens from here on.
  await services.stores.runs.change(run.id, (now) => {
    const named = endpointsOfRun(now);
    const endpoints = all.map(
      ({ name }): RunEndpoint =>
        named.find((known) => known.name === name) ?? {
          name,
          attempt: number,
          deployment: null,
          workspace,
          scoringUri: null,
          sku: null,
          instances: null,
          region,
          provisioningState: 'Creating',
          simulated: false,
          auth: target.auth,
        },
    );
    return withEndpoints(endpoints);
  });
  return null;
}

async function deployEndpoint(of: Attempt): Promise<DeployProgress> {
  const { services, run, target, placement, name } = of;
  const { controlPlane, settings, stores } = services;
  const { workspace } = placement;
  const region = await controlPlane.readRegion(workspace);
  const lease = newLease(of, await quotePrice(of, region, placement.sku));
  await stores.leases.open(lease);
  const before = await stores.leases.read(name);
  if (before === null || before.closedAtMs !== null) return leaseLost(name);

  await controlPlane.startEndpoint({
    workspace,
    name,
    auth: target.auth,
    publicNetworkAccess: target.publicNetworkAccess,
    tags: leaseTags({ owner: settings.owner, runId: run.id, expiresAtMs: before.expiresAtMs }),
  });
  return undoIfLeaseLost(services, before);
}

/** From here on VMs may be allocated, and a deployment that fails may be billed too. */
async function billAll(all: readonly Attempt[]): Promise<DeployProgress | null> {
  const [one] = all;
  if (one === undefined) return null;
  const { services, run } = one;
  const rented: Rented[] = [];
  for (const { name } of all) {
    const lease = await openLease(services, name);
    if (lease === null) return leaseLost(name);
    rented.push({ endpoint: name, ...pricesOf(lease) });
  }
  await services.stores.runs.change(run.id, ({ billing }) => ({
    billing: startBillingOfAll(billing, rented, services.now()),
  }));
  return null;
}

async function deployModel(of: Attempt): Promise<DeployProgress> {
  const { services, run, spec, target, placement, name } = of;
  const lease = await openLease(services, name);
  if (lease === null) return leaseLost(name);

  const settings = settingsOfRun(run, 0);
  const order: DeploymentOrder = {
    workspace: placement.workspace,
    endpoint: name,
    name: DEPLOYMENT_NAME,
    model: spec.model,
    sku: placement.sku,
    instances: target.instances,
    maxConcurrentRequestsPerInstance: settings.maxConcurrentRequestsPerInstance ?? 1,
    requestTimeoutSeconds: settings.requestTimeoutSeconds,
    environmentVariables: target.environmentVariables,
    tags: leaseTags(lease),
  };
  try {
    await services.controlPlane.startDeployment(order);
  } catch (error) {
    // What failed within the moment is there and has a log, which tells more than its operation did.
    const failed = await deploymentProgress(of).catch(() => null);
    if (failed?.state === 'ended' || failed?.state === 'unplaced') return failed;
    throw error;
  }
  await services.ledger.change((ledger) => markDeployed(ledger, run.id, services.now()));
  return undoIfLeaseLost(services, lease);
}

async function deployTraffic({ services, placement, name }: Attempt): Promise<DeployProgress> {
  const lease = await openLease(services, name);
  if (lease === null) return leaseLost(name);
  await services.controlPlane.startTraffic(placement.workspace, name, DEPLOYMENT_NAME);
  return undoIfLeaseLost(services, lease);
}

async function deployProgress(of: Attempt, stage: DeployStage): Promise<DeployProgress> {
  await renewLease(of.services, of.name);
  return stage === 'deployment' ? deploymentProgress(of) : endpointProgress(of, stage);
}

async function endpointProgress(of: Attempt, stage: 'endpoint' | 'traffic'): Promise<DeployProgress> {
  const { services, placement, name } = of;
  const state = await services.controlPlane.readEndpoint(placement.workspace, name);
  if (state === null) return { state: 'waiting' }; // ARM may answer 404 for a moment after it accepted the PUT.
  await changeEndpoint(of, {
    scoringUri: state.scoringUri,
    simulated: state.simulated,
    provisioningState: `${stage}: ${state.provisioningState}`,
  });
  if (isFailed(state.provisioningState))
    return failedStage(of, stage, state.provisioningState, state.operation, null);
  const ready =
    state.provisioningState === 'Succeeded' &&
    (stage === 'endpoint' || state.traffic[DEPLOYMENT_NAME] === 100);
  return { state: ready ? 'ready' : 'waiting' };
}

async function deploymentProgress(of: Attempt): Promise<DeployProgress> {
  const { services, placement, name } = of;
  const { workspace } = placement;
  const state = await services.controlPlane.readDeployment(workspace, name, DEPLOYMENT_NAME);
  if (state === null) return { state: 'waiting' };
  await changeEndpoint(of, {
    deployment: DEPLOYMENT_NAME,
    sku: state.sku,
    instances: state.instances,
    provisioningState: `deployment: ${state.provisioningState}`,
  });
  if (isFailed(state.provisioningState)) {
    const log = await services.controlPlane
      .readDeploymentLog(workspace, name, DEPLOYMENT_NAME)
      .catch(() => null); // Without its log the failure is told all the same.
    return failedStage(of, 'deployment', state.provisioningState, state.operation, log);
  }
  if (state.provisioningState !== 'Succeeded') return { state: 'waiting' };
  await tellMismatch(of, state);
  return { state: 'ready' };
}

/** What Azure ML runs is what is measured and paid for, whatever was asked: the row says so, and the price follows. */
async function tellMismatch(of: Attempt, { sku, instances }: DeploymentState): Promise<void> {
  const { services, run, target, placement, name } = of;
  const sameSku = sku === null || sku.toLowerCase() === placement.sku.toLowerCase();
  const sameCount = instances === null || instances === target.instances;
  if (sameSku && sameCount) return;
  const mismatch = `Asked for ${target.instances} x ${placement.sku}; Azure ML runs ${instances ?? target.instances} x ${sku ?? placement.sku}, and that is what was measured.`;
  await changeEndpoint(of, { mismatch });
  const region = await services.controlPlane.readRegion(placement.workspace);
  const pricePerHourUsd = sameSku ? null : await quotePrice(of, region, sku ?? placement.sku);
  const real = { ...(instances === null ? {} : { instances }), ...(sameSku ? {} : { pricePerHourUsd }) };
  await services.stores.runs.change(run.id, (now) => {
    const billing = changeBilled(now.billing, name, real);
    return billing === null ? null : { billing };
  });
  await services.stores.leases.change(name, () => ({ ...real, ...(sku === null ? {} : { sku }) }));
}

function isFailed(provisioningState: string): boolean {
  return provisioningState === 'Failed' || provisioningState === 'Canceled';
}

async function failedStage(
  of: Attempt,
  stage: DeployStage,
  provisioningState: string,
  operation: string | null,
  log: string | null,
): Promise<DeployProgress> {
  const { services, placement, target, name, run } = of;
  const error =
    operation === null
      ? null
      : await services.controlPlane.readOperationFailure(placement.workspace, operation).catch(() => null); // What failed is told even where ARM does not say why.
  const { message, recourse } = explainFailedStage({
    stage,
    endpoint: name,
    region: run.endpoint?.region ?? null,
    sku: placement.sku,
    instances: target.instances,
    provisioningState,
    error,
    log,
  });
  return giveUpAttempt(of, message, recourse);
}

/** Ends the attempt, and the run with it where nothing else may help. What was tried goes into the run's row. */
async function giveUpAttempt(of: Attempt, told: string, recourse: Recourse): Promise<DeployProgress> {
  // The log's tail is the container's, which may print what it was given.
  const message = redact(told);
  const tried = await recordTried(of, message);
  const all = tried.length > 1 ? ` ${describeTried(tried)}` : '';
  const failure = {
    code: 'deploy-failed' as const,
    message: `${message}${all}`.slice(0, MESSAGE_CHARACTERS),
  };
  if (recourse === 'none') return { state: 'ended', ending: { state: 'failed', failure, stoppedBy: null } };
  return { state: 'unplaced', recourse, failure };
}

async function recordTried(of: Attempt, reason: string): Promise<readonly TriedPlacement[]> {
  const { services, run, placement, number, name } = of;
  const region = await services.controlPlane.readRegion(placement.workspace).catch(() => null);
  const lease = await services.stores.leases.read(name);
  const mine: TriedPlacement = {
    attempt: number,
    workspace: placement.workspace,
    region,
    sku: placement.sku,
    endpoint: lease === null ? null : name,
    reason: reason.slice(0, 500),
    atMs: services.now(),
  };
  const changed = await services.stores.runs.change(run.id, ({ tried = [] }) => ({
    tried: [...tried.filter((one) => one.attempt !== number), mine].slice(-MOST_TRIED_KEPT),
  }));
  return changed.tried ?? [];
}

/** Each takes up to a kilobyte of the run's row; the last ones tell most. */
const MOST_TRIED_KEPT = 30;

async function changeEndpoint({ services, run, name }: Attempt, fields: Partial<RunEndpoint>): Promise<void> {
  await services.stores.runs.change(run.id, (now) => changeEndpointOf(now, name, fields));
}

/** What an hour of an instance costs there; the plan's price, the dearest of the placements, where it cannot be had. */
async function quotePrice(
  { services, run, target }: Attempt,
  region: string,
  sku: string,
): Promise<number | null> {
  if (target.pricePerHourUsd !== null) return target.pricePerHourUsd;
  const { price } = await services.prices.quote(sku, region);
  return price?.perHourUsd ?? run.plan.price.price?.perHourUsd ?? null;
}

function pricesOf({ pricePerHourUsd, instances }: Lease): Pick<Lease, 'pricePerHourUsd' | 'instances'> {
  return { pricePerHourUsd, instances };
}

function newLease(
  { services, run, target, placement, number, name }: Attempt,
  pricePerHourUsd: number | null,
): Lease {
  const nowMs = services.now();
  return {
    endpoint: name,
    workspace: placement.workspace,
    workspaceId: services.settings.workspaceIdOf(placement.workspace),
    runId: run.id,
    owner: services.settings.owner,
    attempt: number,
    createdAtMs: nowMs,
    expiresAtMs: (run.startedAtMs ?? nowMs) + run.plan.boundMinutes * 60_000,
    heartbeatAtMs: nowMs,
    closedAtMs: null,
    sku: placement.sku,
    instances: target.instances,
    pricePerHourUsd,
    releaseError: null,
  };
}

async function openLease(services: Services, name: string): Promise<Lease | null> {
  const lease = await services.stores.leases.read(name);
  return lease === null || lease.closedAtMs !== null ? null : lease;
}

/** A lease closed between our reading it and the end of our PUT: whoever closed it saw no endpoint, so it is ours to undo. */
async function undoIfLeaseLost(services: Services, lease: Lease): Promise<Progress> {
  const after = await services.stores.leases.read(lease.endpoint);
  if (after !== null && after.closedAtMs === null) return { state: 'waiting' };
  await services.controlPlane.startDelete(lease.workspace, lease.endpoint);
  return leaseLost(lease.endpoint);
}

function leaseLost(endpoint: string): Progress {
  const message = `The lease of ${endpoint} was closed by the reaper while it was being deployed; nothing is created under it any more.`;
  const ending: Ending = {
    state: 'failed',
    failure: { code: 'lost-orchestration', message },
    stoppedBy: null,
  };
  return { state: 'ended', ending };
}
