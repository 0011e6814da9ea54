/** Wires the app: settings in, services out. The only place where ports meet their implementations. */
import { readFileSync } from 'node:fs';
import { createAzureServices } from './azure/clients.ts';
import { createControlPlane } from './azure/control-plane.ts';
import { createCredential } from './azure/credential.ts';
import type { Config, WatchdogConfig } from './config.ts';
import { createConnectionBudget } from './load/connection-budget.ts';
import { loadEngine } from './load/engine.ts';
import type { Services, WatchdogServices } from './services.ts';

export function createServices(config: Config): Services {
  return {
    now: Date.now,
    settings: {
      owner: config.owner,
      workspaces: Object.keys(config.workspaces),
      subscriptionOf: (workspace) => config.workspaces[workspace]?.subscriptionId ?? 'unknown',
      workspaceIdOf: (workspace) => workspaceId(config, workspace),
      ceilings: config.ceilings,
      pollSeconds: config.pollSeconds,
      simulatorGpuSpeed: config.simulatorGpuSpeed,
      region: config.region,
      scalesOut: config.scalesOut,
      defaultSchedule: config.defaultSchedule,
      appVersion: readVersion(),
    },
    loadEngine,
    connections: createConnectionBudget(config.maxConnectionsPerInstance),
    ...createAzureServices(config),
  };
}

/** The watchdog has nothing but ARM. */
export function createWatchdogServices(config: WatchdogConfig): WatchdogServices {
  return {
    now: Date.now,
    settings: { owner: config.owner, workspaces: Object.keys(config.workspaces) },
    controlPlane: createControlPlane(config, createCredential(config)),
  };
}

function workspaceId({ workspaces }: Config, name: string): string | null {
  const address = Object.hasOwn(workspaces, name) ? workspaces[name] : undefined;
  if (address === undefined) return null;
  const { subscriptionId, resourceGroup, workspace } = address;
  return `/subscriptions/${subscriptionId}/resourcegroups/${resourceGroup}/providers/microsoft.machinelearningservices/workspaces/${workspace}`.toLowerCase();
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
