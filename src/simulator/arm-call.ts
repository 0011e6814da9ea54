/** What a call to the control plane is about, by its path alone: the name under which faults know it. */
import {
  type ArmResources,
  deploymentId,
  type Endpoint,
  endpointId,
  isSameName,
  namesOfBody,
  namesOfDeployment,
  namesOfEndpoint,
  workspaceId,
} from './arm-resources.ts';
import type { Call } from './fault-plan.ts';

/** Any path that no fault needs to tell from another. */
const OTHER = 'other';

/** Names the call for the fault plan. A PUT's body counts, since it names the model. */
export function describeCall(
  { method, url, body }: { method: string; url: URL; body: unknown },
  resources: ArmResources,
  nowMs: number,
): Call {
  const path = decode(url.pathname);
  const plain = (operation: string, resource: string, names: readonly string[] = []): Call => ({
    operation,
    resource,
    aliases: [],
    names,
    exists: true,
  });

  const [, discovered] = /^\/registrymanagement\/v1\.0\/registries\/([^/]+)/.exec(path) ?? [];
  if (discovered !== undefined) return plain(`${method} discovery`, discovered);
  const [, registry, inRegistry = ''] = /\/registries\/([^/]+)\/?(.*)$/i.exec(path) ?? [];
  if (registry !== undefined) return plain(`${method} catalog`, `${registry}/${inRegistry}`, [inRegistry]);

  const [, location, collection = OTHER, operationId = ''] =
    /\/locations\/([^/]+)\/([^/]+)\/?(.*)$/i.exec(path) ?? [];
  if (location !== undefined) {
    if (!/^mfeOperation/i.test(collection)) return plain(`${method} ${collection}`, location);
    const resourceId = resources.findOperation(operationId)?.resourceId ?? '';
    return plain(`${method} operation`, resourceId, namesOfResource(resourceId, resources, nowMs));
  }

  const [, subscription, resourceGroup = '', workspace = '', rest = ''] =
    /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/[^/]+\/workspaces\/([^/]+)\/?(.*)$/i.exec(
      path,
    ) ?? [];
  if (subscription === undefined) return plain(`${method} ${OTHER}`, path);
  const at = { subscription, resourceGroup, workspace };
  const [collectionName = '', name, child, deploymentName, first, , last] = rest.split('/');
  // An action of Azure ML, or the last word of what another provider knows of the deployment.
  const action = last ?? first;
  if (collectionName === '') return plain(`${method} workspace`, workspaceId(at), [workspace]);
  if (!isSameName(collectionName, 'onlineEndpoints'))
    return plain(`${method} ${collectionName}`, path, [workspace]);
  if (name === undefined) return plain('LIST endpoints', workspaceId(at), [workspace]);

  const endpoint = resources.list(at, nowMs).find((entry) => isSameName(entry.name, name));
  const id = endpointId({ ...at, name });
  const endpointNames = endpoint ? namesOfEndpoint(endpoint) : [workspace, name];
  const onEndpoint = { resource: id, aliases: [name], names: endpointNames, exists: endpoint !== undefined };
  if (child === undefined) return { ...onEndpoint, operation: `${method} endpoint` };
  if (!isSameName(child, 'deployments')) return { ...onEndpoint, operation: `${method} ${child}` };
  if (deploymentName === undefined) return { ...onEndpoint, operation: 'LIST deployments' };

  const deployment = endpoint?.deployments.find((entry) => isSameName(entry.name, deploymentName));
  const { properties } = (body ?? {}) as { properties?: { model?: unknown } | null };
  const names =
    endpoint && deployment
      ? namesOfDeployment(endpoint, deployment)
      : [workspace, name, deploymentName, ...namesOfBody({ model: properties?.model, properties })];
  return {
    operation: `${method} ${action ?? 'deployment'}`,
    resource: deploymentId({ ...at, name }, deploymentName),
    aliases: [name, `${name}/${deploymentName}`],
    names,
    exists: deployment !== undefined,
  };
}

/** The names that count for the endpoint that an operation works on, or whose deployment it does. */
function namesOfResource(id: string, resources: ArmResources, nowMs: number): readonly string[] {
  const isPartOf = (endpoint: Endpoint) =>
    `${id.toLowerCase()}/`.startsWith(`${endpointId(endpoint).toLowerCase()}/`);
  const endpoint = resources.endpointsAt(nowMs).find(isPartOf);
  return endpoint ? namesOfEndpoint(endpoint) : [];
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // refused by whoever answers it
  }
}
