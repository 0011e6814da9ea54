/** Wires the app: settings in, services out. The only place where ports meet their implementations. */
import { readFileSync } from 'node:fs';
import { createAzureServices } from './azure/clients.ts';
import type { Config } from './config.ts';
import { createConnectionBudget } from './load/connection-budget.ts';
import { loadEngine } from './load/engine.ts';
import type { Services } from './services.ts';

export function createServices(config: Config): Services {
  return {
    now: Date.now,
    settings: {
      owner: config.owner,
      workspaces: Object.keys(config.workspaces),
      pollSeconds: config.pollSeconds,
      simulatorGpuSpeed: config.simulatorGpuSpeed,
      region: config.region,
      appVersion: readVersion(),
    },
    loadEngine,
    connections: createConnectionBudget(config.maxConnectionsPerInstance),
    ...createAzureServices(config),
  };
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
