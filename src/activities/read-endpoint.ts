/** What ARM says of a managed endpoint that exists, for a run that measures it and neither deploys nor deletes it. */
import type { RunEndpoint } from '../core/run.ts';
import type { EndpointTarget } from '../core/spec/target.ts';
import { ControlPlaneError, type DeploymentState, type EndpointState, type Services } from '../services.ts';

export interface ReadEndpoint {
  /** For the run's record. */
  readonly endpoint: RunEndpoint;
  /** The target with everything filled in that ARM tells. */
  readonly target: EndpointTarget;
}

/** The endpoint and the target as ARM has it, or a fault: what it is about, and the sentence. */
export type EndpointAnswer =
  | { readonly ok: true; readonly value: ReadEndpoint }
  | {
      readonly ok: false;
      readonly field: 'workspace' | 'name' | 'deployment' | 'sku' | 'instances';
      readonly message: string;
    };

/** Throws what may be the moment's: a control plane that does not answer. */
export async function readExistingEndpoint(
  services: Services,
  target: EndpointTarget,
): Promise<EndpointAnswer> {
  try {
    return await readFromArm(services, target);
  } catch (error) {
    if (error instanceof ControlPlaneError && !error.retryable)
      return { ok: false, field: 'workspace', message: error.message };
    throw error;
  }
}

async function readFromArm({ controlPlane }: Services, target: EndpointTarget): Promise<EndpointAnswer> {
  const { workspace, name } = target;
  const fault = (
    field: Extract<EndpointAnswer, { ok: false }>['field'],
    message: string,
  ): EndpointAnswer => ({
    ok: false,
    field,
    message,
  });
  const state = await controlPlane.readEndpoint(workspace, name);
  if (state === null) return fault('name', `There is no endpoint ${name} in the workspace ${workspace}.`);
  if (state.scoringUri === null || state.auth === null || state.provisioningState === 'Deleting') {
    return fault('name', `The endpoint ${name} is ${state.provisioningState} and cannot be asked now.`);
  }
  const deployments = await controlPlane.listDeployments(workspace, name);
  const chosen = chooseDeployment(target.deployment, deployments, state.traffic);
  const deployment = chosen === null ? null : await controlPlane.readDeployment(workspace, name, chosen);
  if (deployment === null) {
    const known = deployments.length === 0 ? 'it has none' : `it has ${deployments.join(', ')}`;
    return fault(
      'deployment',
      `The endpoint ${name} has no deployment ${target.deployment ?? 'that takes traffic'}; ${known}.`,
    );
  }
  if (deployment.provisioningState !== 'Succeeded') {
    return fault(
      'deployment',
      `The deployment ${deployment.name} of ${name} is ${deployment.provisioningState}, so it does not answer.`,
    );
  }
  if (target.sku !== null && target.sku.toLowerCase() !== deployment.sku?.toLowerCase())
    return fault('sku', `The deployment ${deployment.name} runs on ${deployment.sku}; leave the SKU out.`);
  if (target.instances !== null && target.instances !== deployment.instances)
    return fault(
      'instances',
      `The deployment ${deployment.name} has ${deployment.instances} instances; leave the number out.`,
    );
  return { ok: true, value: merge(target, state, deployment, await controlPlane.readRegion(workspace)) };
}

/** The one that is named, the one with the most traffic, or the only one there is. */
export function chooseDeployment(
  named: string | null,
  deployments: readonly string[],
  traffic: Readonly<Record<string, number>>,
): string | null {
  const isSame = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();
  if (named !== null) return deployments.find((name) => isSame(name, named)) ?? null;
  const share = (name: string) => Object.entries(traffic).find(([routed]) => isSame(routed, name))?.[1] ?? 0;
  const [first] = deployments.toSorted((one, other) => share(other) - share(one) || (one < other ? -1 : 1));
  if (first === undefined) return null;
  return share(first) > 0 || deployments.length === 1 ? first : null;
}

function merge(
  target: EndpointTarget,
  state: EndpointState,
  deployment: DeploymentState,
  region: string,
): ReadEndpoint {
  const { sku, instances, model, image, maxConcurrentRequestsPerInstance } = deployment;
  return {
    endpoint: {
      name: state.name,
      deployment: deployment.name,
      workspace: target.workspace,
      scoringUri: state.scoringUri,
      sku,
      instances,
      region,
      provisioningState: state.provisioningState,
      simulated: state.simulated,
      auth: state.auth ?? 'key',
      model,
      image,
    },
    target: {
      ...target,
      deployment: deployment.name,
      sku,
      instances,
      maxConcurrentRequestsPerInstance,
      // A deployment that names none has the service's own 5 s.
      requestTimeoutSeconds: deployment.requestTimeoutSeconds ?? SERVICE_TIMEOUT_SECONDS,
    },
  };
}

const SERVICE_TIMEOUT_SECONDS = 5;
