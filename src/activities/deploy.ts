/**
 * Deploying a run's endpoint. Each step only starts or reads something, because deploying outlasts an activity; each
 * may run twice and then does nothing new. What costs money names its undo before it exists: the lease row.
 */
import { endpointName, type Lease, leaseTags } from '../core/lease.ts';
import { requestTimeoutSeconds } from '../core/plan.ts';
import type { RunRecord } from '../core/run.ts';
import type { ManagedSpec } from '../core/spec.ts';
import type { DeployStage, Ending, Progress, RunKey, StepHandlers } from '../orchestrations/steps.ts';
import { ControlPlaneError, type Services } from '../services.ts';
import { canceledOrOver, readRun, renewLease } from './run-step.ts';

/** The one deployment behind each endpoint; its name needs to be unique only there. */
const DEPLOYMENT_NAME = 'bench';

/** Deploy attempts of a run. A name is never used twice, so a second attempt would have a name of its own. */
const ATTEMPT = 1;

export function deploySteps(
  services: Services,
): Pick<StepHandlers, 'deployEndpoint' | 'deployModel' | 'deployTraffic' | 'deployProgress'> {
  return {
    deployEndpoint: (input) => refusalsAsEndings(() => deployEndpoint(services, input)),
    deployModel: (input) => refusalsAsEndings(() => deployModel(services, input)),
    deployTraffic: (input) => refusalsAsEndings(() => deployTraffic(services, input)),
    deployProgress: (input) => refusalsAsEndings(() => deployProgress(services, input)),
  };
}

async function deployEndpoint(services: Services, { runId }: RunKey): Promise<Progress> {
  const { run, spec, ended } = await readManagedRun(services, runId);
  if (ended !== null) return ended;
  const { controlPlane, settings, stores } = services;
  const { workspace } = spec.target;
  const region = await controlPlane.readRegion(workspace);
  const lease = newLease(services, run, spec);
  // The run names its endpoint first, so that its release finds the lease whatever happens from here on.
  await stores.runs.change(runId, () => ({
    endpoint: {
      name: lease.endpoint,
      deployment: null,
      workspace,
      scoringUri: null,
      sku: null,
      instances: null,
      region,
      provisioningState: 'Creating',
      simulated: false,
    },
  }));
  await stores.leases.open(lease);
  const before = await stores.leases.read(lease.endpoint);
  if (before === null || before.closedAtMs !== null) return leaseLost(lease);

  const tags = leaseTags({ owner: settings.owner, runId, expiresAtMs: lease.expiresAtMs });
  await controlPlane.startEndpoint({ workspace, name: lease.endpoint, auth: spec.target.auth, tags });
  return undoIfLeaseLost(services, lease);
}

async function deployModel(services: Services, { runId }: RunKey): Promise<Progress> {
  const { run, spec, ended } = await readManagedRun(services, runId);
  if (ended !== null) return ended;
  const { target } = spec;
  const lease = await openLease(services, run);
  if (lease === null) return leaseLost({ endpoint: run.endpoint?.name ?? 'unknown' });

  // From here on a VM may be allocated, and a deployment that fails may be billed too.
  await services.stores.runs.change(runId, (now) => ({
    billing: { ...now.billing, fromMs: now.billing.fromMs ?? services.now() },
  }));
  await services.controlPlane.startDeployment({
    workspace: target.workspace,
    endpoint: lease.endpoint,
    name: DEPLOYMENT_NAME,
    model: spec.model,
    sku: target.sku,
    instances: target.instances,
    maxConcurrentRequestsPerInstance: run.plan.maxConcurrentRequestsPerInstance ?? 1,
    requestTimeoutSeconds: requestTimeoutSeconds(spec),
    environmentVariables: target.environmentVariables,
    tags: leaseTags(lease),
  });
  return undoIfLeaseLost(services, lease);
}

async function deployTraffic(services: Services, { runId }: RunKey): Promise<Progress> {
  const { run, spec, ended } = await readManagedRun(services, runId);
  if (ended !== null) return ended;
  const lease = await openLease(services, run);
  if (lease === null) return leaseLost({ endpoint: run.endpoint?.name ?? 'unknown' });
  await services.controlPlane.startTraffic(spec.target.workspace, lease.endpoint, DEPLOYMENT_NAME);
  return undoIfLeaseLost(services, lease);
}

async function deployProgress(
  services: Services,
  { runId, stage }: RunKey & { stage: DeployStage },
): Promise<Progress> {
  const { run, spec, ended } = await readManagedRun(services, runId);
  if (ended !== null) return ended;
  const name = run.endpoint?.name;
  if (name === undefined) throw new Error(`Run ${runId} has no endpoint to wait for.`);
  await renewLease(services, name);
  return stage === 'deployment'
    ? deploymentProgress(services, runId, spec, name)
    : endpointProgress(services, runId, spec, name, stage);
}

async function endpointProgress(
  services: Services,
  runId: string,
  spec: ManagedSpec,
  name: string,
  stage: DeployStage,
): Promise<Progress> {
  const state = await services.controlPlane.readEndpoint(spec.target.workspace, name);
  if (state === null) return { state: 'waiting' }; // ARM may answer 404 for a moment after it accepted the PUT.
  await services.stores.runs.change(runId, ({ endpoint }) =>
    endpoint === null
      ? null
      : {
          endpoint: {
            ...endpoint,
            scoringUri: state.scoringUri,
            simulated: state.simulated,
            provisioningState: `${stage}: ${state.provisioningState}`,
          },
        },
  );
  const failed = failureOf(stage, name, state.provisioningState, null);
  if (failed !== null) return failed;
  const ready =
    state.provisioningState === 'Succeeded' &&
    (stage === 'endpoint' || state.traffic[DEPLOYMENT_NAME] === 100);
  return { state: ready ? 'ready' : 'waiting' };
}

async function deploymentProgress(
  services: Services,
  runId: string,
  spec: ManagedSpec,
  name: string,
): Promise<Progress> {
  const { workspace } = spec.target;
  const state = await services.controlPlane.readDeployment(workspace, name, DEPLOYMENT_NAME);
  if (state === null) return { state: 'waiting' };
  await services.stores.runs.change(runId, ({ endpoint }) =>
    endpoint === null
      ? null
      : {
          endpoint: {
            ...endpoint,
            deployment: DEPLOYMENT_NAME,
            sku: state.sku,
            instances: state.instances,
            provisioningState: `deployment: ${state.provisioningState}`,
          },
        },
  );
  if (state.provisioningState === 'Succeeded') return { state: 'ready' };
  if (!isFailed(state.provisioningState)) return { state: 'waiting' };
  const log = await services.controlPlane
    .readDeploymentLog(workspace, name, DEPLOYMENT_NAME)
    .catch(() => null);
  return failureOf('deployment', name, state.provisioningState, log) ?? { state: 'waiting' };
}

function isFailed(provisioningState: string): boolean {
  return provisioningState === 'Failed' || provisioningState === 'Canceled';
}

function failureOf(
  stage: DeployStage,
  endpoint: string,
  provisioningState: string,
  log: string | null,
): Progress | null {
  if (!isFailed(provisioningState)) return null;
  const tail = log === null ? '' : ` The end of the container's log: ${log.slice(-400)}`;
  return endWith(
    'deploy-failed',
    `Azure ML reports the ${stage} of ${endpoint} as ${provisioningState}.${tail}`,
  );
}

function newLease(services: Services, run: RunRecord, spec: ManagedSpec): Lease {
  const nowMs = services.now();
  return {
    endpoint: endpointName(services.settings.owner, run.id, ATTEMPT),
    workspace: spec.target.workspace,
    runId: run.id,
    owner: services.settings.owner,
    attempt: ATTEMPT,
    createdAtMs: nowMs,
    expiresAtMs: (run.startedAtMs ?? nowMs) + run.plan.boundMinutes * 60_000,
    heartbeatAtMs: nowMs,
    closedAtMs: null,
    sku: spec.target.sku,
    instances: spec.target.instances,
    pricePerHourUsd: run.billing.pricePerHourUsd,
    releaseError: null,
  };
}

async function openLease(services: Services, run: RunRecord): Promise<Lease | null> {
  const lease = run.endpoint === null ? null : await services.stores.leases.read(run.endpoint.name);
  return lease === null || lease.closedAtMs !== null ? null : lease;
}

/** A lease closed between our reading it and the end of our PUT: whoever closed it saw no endpoint, so it is ours to undo. */
async function undoIfLeaseLost(services: Services, lease: Lease): Promise<Progress> {
  const after = await services.stores.leases.read(lease.endpoint);
  if (after !== null && after.closedAtMs === null) return { state: 'waiting' };
  await services.controlPlane.startDelete(lease.workspace, lease.endpoint);
  return leaseLost(lease);
}

function leaseLost(lease: Pick<Lease, 'endpoint'>): Progress {
  return endWith(
    'lost-orchestration',
    `The lease of ${lease.endpoint} was closed by the reaper while it was being deployed; nothing is created under it any more.`,
  );
}

async function readManagedRun(
  services: Services,
  runId: string,
): Promise<{ run: RunRecord; spec: ManagedSpec; ended: Progress | null }> {
  const run = await readRun(services, runId);
  if (run.spec.target.kind !== 'managed') throw new Error(`Run ${runId} deploys nothing.`);
  const over = canceledOrOver(run);
  return {
    run,
    spec: run.spec as ManagedSpec,
    ended: over === null ? null : { state: 'ended', ending: over },
  };
}

/** What the control plane refuses for good ends the run; what may succeed later is thrown, and tried again. */
async function refusalsAsEndings(step: () => Promise<Progress>): Promise<Progress> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof ControlPlaneError && !error.retryable)
      return endWith('deploy-failed', error.message);
    throw error;
  }
}

function endWith(code: NonNullable<Ending['failure']>['code'], message: string): Progress {
  return { state: 'ended', ending: { state: 'failed', failure: { code, message }, stoppedBy: null } };
}
