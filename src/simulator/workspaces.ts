/**
 * Workspaces. Any workspace exists, and its name says what it is: `...-westeurope` is in that region, `hub-...` and
 * `project-...` are of those kinds, and a name or resource group may ask not to be found.
 */
import { notFound } from './arm-error.ts';
import type { Workspace } from './arm-resources.ts';
import { readFaults } from './faults.ts';
import { guidOf } from './guid.ts';
import { REGIONS } from './regions.ts';

/** Where a workspace is whose name does not say it. */
export const DEFAULT_REGION = 'eastus2';

/** Refuses a workspace, or a resource group, whose name has the sentinel of one that is missing. */
export function requireWorkspace({ resourceGroup, workspace }: Workspace): void {
  if (readFaults(resourceGroup).has('group-missing'))
    throw notFound(`Resource group '${resourceGroup}' could not be found.`, 'ResourceGroupNotFound');
  if (!readFaults(workspace).has('workspace-missing')) return;
  throw notFound(
    `The Resource 'Microsoft.MachineLearningServices/workspaces/${workspace}' under resource group '${resourceGroup}' was not found.`,
  );
}

export function regionOf(workspaceName: string): string {
  const name = workspaceName.toLowerCase();
  return REGIONS.find((region) => name.endsWith(`-${region.name}`))?.name ?? DEFAULT_REGION;
}

/** The body of a workspace's GET. */
export function viewWorkspace(id: string, { subscription, resourceGroup, workspace }: Workspace) {
  const sibling = (type: string, name: string) =>
    `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/${type}/${name}`;
  const kind = kindOf(workspace);
  return {
    id,
    name: workspace,
    type: 'Microsoft.MachineLearningServices/workspaces',
    location: regionOf(workspace),
    kind,
    tags: {},
    identity: { type: 'SystemAssigned', principalId: guidOf(id), tenantId: guidOf('tenant') },
    sku: { name: 'Basic', tier: 'Basic' },
    properties: {
      friendlyName: workspace,
      description: '',
      workspaceId: guidOf(id),
      tenantId: guidOf('tenant'),
      storageAccount: sibling('Microsoft.Storage/storageAccounts', 'simulated'),
      keyVault: sibling('Microsoft.KeyVault/vaults', 'simulated'),
      applicationInsights: sibling('Microsoft.Insights/components', 'simulated'),
      provisioningState: 'Succeeded',
      publicNetworkAccess: 'Enabled',
      hbiWorkspace: false,
      ...(kind === 'Project' && {
        hubResourceId: sibling('Microsoft.MachineLearningServices/workspaces', 'hub-simulated'),
      }),
    },
  };
}

function kindOf(workspaceName: string): 'Default' | 'Hub' | 'Project' {
  const [, prefix] = /^(hub|project)-/i.exec(workspaceName) ?? [];
  if (prefix === undefined) return 'Default';
  return prefix.toLowerCase() === 'hub' ? 'Hub' : 'Project';
}
