/**
 * The app's services on real parts in this process: Azurite's tables, the simulator behind the real SDK, the load
 * engine in its threads. Only the clock can be moved, so that a lease can expire without waiting for it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readConfig, type TablesAddress } from '../../src/config.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { createServices } from '../../src/main.ts';
import type { Services } from '../../src/services.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { startAzurite } from './azurite.ts';
import { aRun } from './builders.ts';

/** Deployments take 5 to 13 s at speed 1. */
const CONTROL_PLANE_SPEED = 40;
/** Where what is measured is looked at, a slower GPU keeps a busy machine out of the figures. */
const GPU_SPEED = 20;

export interface RealServices {
  readonly services: Services;
  readonly simulatorUrl: string;
  readonly tables: TablesAddress;
  /** Moves the services' clock forward. */
  advance(ms: number): void;
  /** Puts another simulator in the place of the one there is: its GPUs are that fast, and nothing is deployed on it. */
  replaceGpus(gpuSpeed: number): Promise<void>;
  /** A run of that spec in its row, ready for its first step. */
  aStoredRun(fields?: Partial<RunRecord>): Promise<RunRecord>;
  /** Names of endpoints that the simulator's books show as alive. */
  alive(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** `settings` are added to those of the environment, or take their place. */
export async function openRealServices(
  settings: Record<string, string> = {},
  { gpuSpeed = GPU_SPEED } = {},
): Promise<RealServices> {
  const azurite = await startAzurite();
  let simulator = await startSimulator({ port: 0, speed: CONTROL_PLANE_SPEED, gpuSpeed, seed: 3 });
  let aheadMs = 0;
  let runs = 0;
  const config = readConfig({
    INSTALLATION_ID: 'test',
    WORKSPACES: JSON.stringify({
      default: {
        subscriptionId: '00000000-0000-0000-0000-000000000000',
        resourceGroup: 'local',
        workspace: 'local',
      },
    }),
    TABLES_ENDPOINT: azurite.address.endpoint,
    TABLES_ACCOUNT_NAME: azurite.address.account?.name,
    TABLES_ACCOUNT_KEY: azurite.address.account?.key,
    ARM_ENDPOINT: simulator.baseUrl,
    PRICES_ENDPOINT: simulator.baseUrl,
    POLL_SECONDS: '1',
    SIMULATOR_GPU_SPEED: String(gpuSpeed),
    ...settings,
  });
  const services: Services = { ...createServices(config), now: () => Date.now() + aheadMs };
  return {
    services,
    simulatorUrl: simulator.baseUrl,
    tables: azurite.address,
    advance: (ms) => {
      aheadMs += ms;
    },
    replaceGpus: async (speed) => {
      const port = Number(new URL(simulator.baseUrl).port);
      await simulator.stop();
      simulator = await startSimulator({ port, speed: CONTROL_PLANE_SPEED, gpuSpeed: speed, seed: 3 });
    },
    aStoredRun: async (fields = {}) => {
      runs += 1;
      const createdAtMs = services.now();
      const id = `r${String(253_402_300_799_999 - createdAtMs).padStart(15, '0')}-${String(runs).padStart(8, '0')}`;
      const fresh = aRun({
        id,
        createdAtMs,
        state: 'queued',
        startedAtMs: null,
        endpoint: null,
        warmUp: null,
      });
      const run = { ...fresh, billing: { ...fresh.billing, fromMs: null }, ...fields };
      await services.stores.runs.insert(run);
      return run;
    },
    alive: async () => {
      const books = (await (await fetch(`${simulator.baseUrl}/simulator/books`)).json()) as {
        endpoints: { name: string; deletedAt: string | null }[];
      };
      return books.endpoints.filter((one) => one.deletedAt === null).map((one) => one.name);
    },
    close: async () => {
      await simulator.stop();
      await azurite.close();
    },
  };
}

/** Repeats until the condition holds, at most 200 times. */
export async function eventually(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await condition()) return;
    await delay(50);
  }
  throw new Error('The condition did not come true within 200 tries.');
}
