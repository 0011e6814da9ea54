/**
 * Changing the serving settings of a run's deployments: the same deployment is sent again with the next settings of the
 * list, and Azure ML replaces its containers one by one. One step that looks, sends where that is still to do, and says
 * where things stand: it may run any number of times, and after a crash goes on from what ARM tells.
 */
import { explainFailedStage } from '../core/renting/deploy-failure.ts';
import { leaseTags } from '../core/renting/lease.ts';
import { endpointsOfRun, type RunEndpoint, type RunRecord, settingsOfRun, type WarmUp } from '../core/run.ts';
import { sameSettings } from '../core/spec/settings.ts';
import type { ManagedSpec } from '../core/spec/spec.ts';
import type { Ending, Progress, StepHandlers } from '../orchestrations/steps.ts';
import { ControlPlaneError, type DeploymentState, type Services } from '../services.ts';
import { canceledOrOver, readRun, renewLeases } from './run-step.ts';

/** As much of the container's log and of ARM's words as a run's row has room for. */
const MESSAGE_CHARACTERS = 2_000;

export function deploySettingsStep(services: Services): Pick<StepHandlers, 'deploySettings'> {
  return { deploySettings: ({ runId, settings }) => deploySettings(services, runId, settings) };
}

async function deploySettings(services: Services, runId: string, settings: number): Promise<Progress> {
  const run = await readRun(services, runId);
  const over = canceledOrOver(run);
  if (over !== null) return { state: 'ended', ending: over };
  if (run.settings === settings) return { state: 'ready' };
  await renewLeases(services, run);
  const looked = await Promise.allSettled(
    endpointsOfRun(run).map((endpoint) => changeOne(services, run, endpoint, settings)),
  );
  const results = looked.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  const ended = results.find((result) => result.state === 'ended');
  if (ended !== undefined) return ended;
  if (results.some((result) => result.state === 'waiting')) return { state: 'waiting' };
  await services.stores.runs.change(runId, (now) =>
    now.settings === settings ? null : { settings, ...coldWarmUps(now) },
  );
  return { state: 'ready' };
}

async function changeOne(
  services: Services,
  run: RunRecord,
  endpoint: RunEndpoint,
  settings: number,
): Promise<Progress> {
  const { controlPlane, stores } = services;
  const { name, workspace, deployment } = endpoint;
  if (workspace === null || deployment === null)
    throw new Error(`The endpoint ${name} has no deployment whose settings could be changed.`);
  try {
    const lease = await stores.leases.read(name);
    const state = await controlPlane.readDeployment(workspace, name, deployment);
    if (state === null || lease === null || lease.closedAtMs !== null)
      return ended(`The endpoint ${name} was deleted from outside while its settings were changed.`);
    if (state.provisioningState === 'Failed' || state.provisioningState === 'Canceled')
      return ended(await explainFailed(services, run, endpoint, state));
    if (state.provisioningState !== 'Succeeded') return { state: 'waiting' };
    const wanted = settingsOfRun(run, settings);
    if (holds(state, wanted)) return { state: 'ready' };
    const spec = run.spec as ManagedSpec;
    await controlPlane.updateDeployment({
      workspace,
      endpoint: name,
      name: deployment,
      model: spec.model,
      // What runs and not what was asked for: another size would be another machine.
      sku: state.sku ?? lease.sku,
      instances: state.instances ?? lease.instances,
      maxConcurrentRequestsPerInstance: wanted.maxConcurrentRequestsPerInstance ?? 1,
      requestTimeoutSeconds: wanted.requestTimeoutSeconds,
      environmentVariables: spec.target.environmentVariables,
      tags: leaseTags(lease),
    });
    return { state: 'waiting' };
  } catch (error) {
    if (!(error instanceof ControlPlaneError)) throw error;
    // What Azure does not grant now it may grant in a while, within the bound that the orchestration keeps.
    return error.retryable ? { state: 'waiting' } : ended(error.message);
  }
}

function holds(state: DeploymentState, wanted: ReturnType<typeof settingsOfRun>): boolean {
  const { maxConcurrentRequestsPerInstance, requestTimeoutSeconds } = state;
  return (
    requestTimeoutSeconds !== null &&
    sameSettings({ maxConcurrentRequestsPerInstance, requestTimeoutSeconds }, wanted)
  );
}

async function explainFailed(
  { controlPlane }: Services,
  run: RunRecord,
  { name, workspace, deployment, region }: RunEndpoint,
  { provisioningState, operation, sku, instances }: DeploymentState,
): Promise<string> {
  // What failed is told even where ARM does not say why, and without its log.
  const [error, log] = await Promise.all([
    operation === null
      ? null
      : controlPlane.readOperationFailure(workspace ?? '', operation).catch(() => null),
    controlPlane.readDeploymentLog(workspace ?? '', name, deployment ?? '').catch(() => null),
  ]);
  const { message } = explainFailedStage({
    stage: 'deployment',
    endpoint: name,
    region,
    sku: sku ?? run.spec.target.sku ?? '',
    instances: instances ?? run.spec.target.instances ?? 1,
    provisioningState,
    error,
    log,
  });
  return `The settings could not be changed: ${message}`;
}

function ended(message: string): Progress {
  const ending: Ending = {
    state: 'failed',
    failure: { code: 'deploy-failed', message: message.slice(0, MESSAGE_CHARACTERS) },
    stoppedBy: null,
  };
  return { state: 'ended', ending };
}

/** New containers are cold: their rounds begin anew. Addresses and what prompts are worth stay as they are. */
function coldWarmUps({ warmUp, furtherWarmUps }: RunRecord): Partial<RunRecord> {
  return {
    warmUp: cold(warmUp),
    ...(furtherWarmUps && { furtherWarmUps: furtherWarmUps.map(cold) }),
  };
}

function cold(warmUp: WarmUp | null): WarmUp | null {
  if (warmUp === null) return null;
  const { stable: _stable, unstableReason: _reason, ...found } = warmUp;
  return { ...found, rounds: [] };
}
