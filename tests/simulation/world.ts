/**
 * A world of its own for one run: a simulator of Azure ML and Azurite on one clock, the app's real services, and hosts
 * that come and go. Everything in it is bound to the clock but sockets and the GPUs' milliseconds.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Reaping, reap, reapByTags } from '../../src/activities/reap.ts';
import { createSteps } from '../../src/activities/steps.ts';
import { createStores } from '../../src/azure/tables/stores.ts';
import { readConfig } from '../../src/config.ts';
import { LEASE_TAGS, TOOL_NAME } from '../../src/core/renting/lease.ts';
import { type ApiAnswer, answerCall } from '../../src/http/answer.ts';
import { ROUTES } from '../../src/http/routes.ts';
import { createConnectionBudget } from '../../src/load/connection-budget.ts';
import { createServices } from '../../src/main.ts';
import type { Orchestrations, Services, Stores } from '../../src/services.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { type CrashingHost, openHost } from './crashing-host.ts';
import { type FaultyTables, startFaultyTables } from './faulty-tables.ts';
import { createInThreadLoad } from './in-thread-load.ts';
import type { Crash, Happening, Scenario } from './scenario.ts';
import { WorldClock } from './world-clock.ts';

export const OWNER = 'simulated';
/** GPUs are so much faster than the real ones; what is simulated is not how fast they are. */
const GPU_SPEED = 300;
/**
 * Where there is one, a folder in memory: a history is written to disk with each commit, which would be most of a
 * world's time, and hosts die here by being dropped and not by a power cut.
 */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** In a world's folder, what the durable engine keeps. */
const HISTORY = 'history';
const SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
const WORKSPACES = { default: 'local', west: 'local-westeurope' } as const;
/** Endpoints of somebody else in the same workspace, long past any time: nobody here may touch them. */
export const FOREIGN = [
  {
    name: 'another-installation',
    tags: {
      [LEASE_TAGS.tool]: TOOL_NAME,
      [LEASE_TAGS.owner]: 'another',
      [LEASE_TAGS.run]: 'r000000000000000-00000000',
      [LEASE_TAGS.expires]: '2020-01-01T00:00:00.000Z',
    },
  },
  { name: 'somebody-elses', tags: { [LEASE_TAGS.owner]: OWNER } },
] as const;

/** As the simulator's books have it. */
export interface BookedEndpoint {
  readonly name: string;
  readonly sku: string | null;
  readonly instances: number;
  readonly createdAt: string;
  readonly deletedAt: string | null;
  readonly gpuSeconds: number;
}

export class World {
  readonly scenario: Scenario;
  readonly clock: WorldClock;
  /** Past all faults, for who checks. */
  readonly stores: Stores;
  readonly tables: FaultyTables;
  readonly violations: string[] = [];
  /** What the app, its host and this world have said. */
  readonly log: string[] = [];
  /** Keys and tokens that were given out. */
  readonly secrets = new Set<string>();
  /** Steps in the order of their calls, over all hosts. */
  readonly steps: string[] = [];
  host: CrashingHost | null = null;
  /** Commits of the durable history so far, over all hosts. */
  commits = 0;
  /** Minutes in which nobody could do anything, which bounds must be lengthened by. */
  lostMinutes = 0;
  /** The crash that the current host has died of. */
  crash: Crash | null = null;
  /** When the durable history was lost; null where it was not. */
  purgedAtMs: number | null = null;

  readonly #simulator: Simulator;
  readonly #services: Services;
  readonly #folder: string;
  readonly #calls = new Map<string, number>();
  readonly #inputs = new Map<string, unknown>();
  readonly #beside = new Set<Promise<unknown>>();
  #cut: { dead: boolean } = { dead: false };
  /** Settled when the host that is there now is dropped. */
  #hostGone = Promise.withResolvers<null>();
  #runId: string | null = null;

  private constructor(parts: {
    scenario: Scenario;
    clock: WorldClock;
    tables: FaultyTables;
    simulator: Simulator;
    services: Services;
    folder: string;
    stores: Stores;
  }) {
    this.scenario = parts.scenario;
    this.clock = parts.clock;
    this.tables = parts.tables;
    this.stores = parts.stores;
    this.#simulator = parts.simulator;
    this.#services = parts.services;
    this.#folder = parts.folder;
  }

  /** `settings` are added to those of the environment. */
  static async open(scenario: Scenario, settings: Record<string, string> = {}): Promise<World> {
    const clock = new WorldClock();
    const folder = mkdtempSync(join(MEMORY, 'foundry-bench-world-'));
    const tables = await startFaultyTables(
      scenario.tableFaults,
      scenario.tableRestarts,
      join(folder, 'tables'),
    );
    const simulator = await startSimulator({
      port: 0,
      speed: scenario.speed,
      gpuSpeed: GPU_SPEED,
      seed: scenario.seed,
      now: clock.now,
    });
    const config = readConfig({
      INSTALLATION_ID: OWNER,
      WORKSPACES: JSON.stringify(
        Object.fromEntries(
          Object.entries(WORKSPACES).map(([name, workspace]) => [
            name,
            { subscriptionId: SUBSCRIPTION, resourceGroup: 'local', workspace },
          ]),
        ),
      ),
      TABLES_ENDPOINT: tables.faulty.endpoint,
      TABLES_ACCOUNT_NAME: tables.faulty.account?.name,
      TABLES_ACCOUNT_KEY: tables.faulty.account?.key,
      ARM_ENDPOINT: simulator.baseUrl,
      PRICES_ENDPOINT: simulator.baseUrl,
      POLL_SECONDS: '10',
      SIMULATOR_GPU_SPEED: String(GPU_SPEED),
      ...settings,
    });
    const services = createServices({ ...config, scalesOut: scenario.scalesOut });
    const onItsClock = { ...services, now: clock.now, loadEngine: createInThreadLoad(clock) };
    const noToken = { getToken: async () => null };
    const world = new World({
      scenario,
      clock,
      tables,
      simulator,
      services: onItsClock,
      folder,
      stores: createStores(tables.direct, noToken),
    });
    for (const { name, tags } of FOREIGN) await world.#putForeign(name, tags);
    await world.#faults('PUT', scenario.armFaults);
    return world;
  }

  /** Brings up a host on whatever history there is. */
  async startHost(): Promise<void> {
    const cut = { dead: false };
    this.#cut = cut;
    this.#hostGone = Promise.withResolvers();
    this.crash = null;
    const services = cutOff(
      this.#watch({ ...this.#services, connections: createConnectionBudget(512) }),
      cut,
    );
    const steps = createSteps(services) as unknown as Record<string, (input: unknown) => Promise<unknown>>;
    this.host = await openHost({
      historyFile: join(this.#folder, HISTORY, 'history.db'),
      clock: this.clock,
      diesAt: (when) => this.#diesAt(when),
      log: ({ level, category, message }) => this.log.push(`${level} ${category}: ${message}`),
      runStep: async (name, input) => {
        const nth = (this.#calls.get(name) ?? 0) + 1;
        this.#calls.set(name, nth);
        this.#inputs.set(name, input);
        this.steps.push(name);
        for (const happening of this.scenario.happenings) {
          if (happening.step === name && happening.nth === nth) await this.#happen(happening, services);
        }
        return steps[name]?.(input);
      },
    });
  }

  /** The host's process is gone, in the middle of whatever it did. */
  async dropHost(): Promise<void> {
    const { host, crash } = this;
    this.host = null;
    this.#hostGone.resolve(null);
    if (crash?.lingers !== true) this.#cut.dead = true;
    await host?.drop();
    if (crash?.purged === true) {
      rmSync(join(this.#folder, HISTORY), { recursive: true, force: true });
      this.purgedAtMs = this.clock.now();
    }
  }

  /** Starts the world's run through the API, as a client that tries again would. */
  async startRun(): Promise<string | null> {
    for (let tries = 1; tries <= 8 && this.#runId === null; tries += 1) {
      if (this.host === null || this.crash !== null) return this.#runId;
      const answer = await this.start(this.scenario.spec, 'the-run');
      if (answer.status === 202) this.#runId = (JSON.parse(answer.body) as { id: string }).id;
      else this.log.push(`start: ${answer.status} ${answer.body}`);
    }
    return this.#runId;
  }

  /** A start through the API, as any client asks for it. */
  start(body: unknown, key: string): Promise<ApiAnswer> {
    return this.#call('createRun', { body, key });
  }

  /** A pass of the reaper's timer, on a host that is alive. */
  async reap(): Promise<Reaping | null> {
    const orchestrations = this.host?.orchestrations;
    if (orchestrations === undefined) return null;
    return this.#told('reap', reap(this.#watch(this.#services), orchestrations));
  }

  /** A pass of the watchdog, which shares nothing with the app but ARM. */
  async watchdog(): Promise<Reaping | null> {
    const { now, settings, controlPlane } = this.#services;
    return this.#told('watchdog', reapByTags({ now, settings, controlPlane }));
  }

  /** From now on nothing fails any more. */
  async heal(): Promise<void> {
    this.tables.heal();
    await this.#faults('PUT', []);
  }

  /** Repeats the latest call of a step, as a machine does that had only lost touch. */
  async duplicate(step: string): Promise<void> {
    const input = this.#inputs.get(step);
    if (input === undefined) return;
    const steps = createSteps(this.#watch(this.#services)) as unknown as Record<
      string,
      (input: unknown) => Promise<unknown>
    >;
    await this.#told(`late ${step}`, Promise.resolve(steps[step]?.(input)));
  }

  /** Waits for what happens beside the run's own steps. */
  async settleBeside(): Promise<void> {
    while (this.#beside.size > 0) await Promise.all(this.#beside);
  }

  async books(): Promise<readonly BookedEndpoint[]> {
    const answer = await fetch(`${this.#simulator.baseUrl}/simulator/books`);
    return ((await answer.json()) as { endpoints: BookedEndpoint[] }).endpoints;
  }

  async close(): Promise<void> {
    await this.dropHost();
    await this.settleBeside();
    await this.#simulator.stop();
    await this.tables.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #diesAt(when: 'before' | 'after'): boolean {
    if (when === 'before') this.commits += 1;
    const crash = this.scenario.crashes.find((one) => one.commit === this.commits && one.when === when);
    if (crash === undefined) return false;
    this.crash = crash;
    return true;
  }

  async #happen({ what, minutes, of }: Happening, services: Services): Promise<void> {
    this.log.push(`happens: ${what}`);
    const beside = (work: Promise<unknown>) => {
      const tracked: Promise<unknown> = work.finally(() => this.#beside.delete(tracked));
      this.#beside.add(tracked);
    };
    const id = this.#runId ?? (await this.#findRun());
    switch (what) {
      case 'cancel':
        await this.#call('cancelRun', { params: { id } });
        return;
      case 'start-again':
        beside(this.#startAgain(id));
        return;
      case 'delete-endpoint': {
        const name = (await this.stores.runs.read(id))?.endpoint?.name ?? 'no-endpoint';
        await this.#call('deleteEndpoint', { params: { name } });
        for (const foreign of FOREIGN) await this.#call('deleteEndpoint', { params: { name: foreign.name } });
        return;
      }
      case 'reap':
        beside(this.reap());
        return;
      case 'watch':
        beside(this.watchdog());
        return;
      case 'duplicate':
        beside(this.duplicate(of));
        return;
      case 'clock-jump':
        this.clock.advanceTo(services.now() + minutes * 60_000);
        this.lostMinutes += minutes;
    }
  }

  async #startAgain(id: string): Promise<void> {
    // A host that dies meanwhile never answers; its client sees that the connection has ended.
    const answer = await Promise.race([this.start(this.scenario.spec, 'the-run'), this.#hostGone.promise]);
    if (answer?.status !== 202) return;
    const again = (JSON.parse(answer.body) as { id: string }).id;
    if (again !== id) this.violations.push(`The same idempotency key started ${id} and then ${again}.`);
  }

  async #findRun(): Promise<string> {
    return (await this.stores.runs.list({ limit: 1 })).runs[0]?.id ?? 'r000000000000000-00000000';
  }

  /** A call of the API, as the host's front door hands it over. */
  async #call(
    name: string,
    { params = {}, body, key }: { params?: Record<string, string>; body?: unknown; key?: string },
  ): Promise<ApiAnswer> {
    const handler = ROUTES.find((one) => one.name === name)?.handler;
    const orchestrations = this.host?.orchestrations ?? NO_HOST;
    if (handler === undefined) throw new Error(`There is no call ${name}.`);
    const request = {
      params,
      query: new URLSearchParams(),
      headers: new Headers({
        'content-type': 'application/json',
        ...(key !== undefined && { 'idempotency-key': key }),
      }),
      text: async () => JSON.stringify(body ?? {}),
    };
    const services = cutOff(this.#watch(this.#services), this.#cut);
    return answerCall(handler, { request, services, orchestrations }, (message, error) =>
      this.log.push(`${message} ${error instanceof Error ? error.stack : String(error)}`),
    );
  }

  /** Notes secrets as they are given out, and sees that no endpoint is asked for before its lease is there. */
  #watch(services: Services): Services {
    const { controlPlane } = services;
    return {
      ...services,
      controlPlane: {
        ...controlPlane,
        startEndpoint: async (order) => {
          if ((await this.stores.leases.read(order.name)) === null)
            this.violations.push(`The endpoint ${order.name} was asked for before its lease was written.`);
          return controlPlane.startEndpoint(order);
        },
        readAuthorization: async (...of) => {
          const authorization = await controlPlane.readAuthorization(...of);
          this.secrets.add(authorization.replace(/^Bearer /, ''));
          return authorization;
        },
      },
    };
  }

  async #told<Result>(what: string, work: Promise<Result>): Promise<Result | null> {
    try {
      const result = await work;
      this.log.push(`${what}: ${JSON.stringify(result)}`);
      return result;
    } catch (error) {
      this.log.push(`${what} failed: ${error instanceof Error ? error.stack : String(error)}`);
      return null;
    }
  }

  async #faults(method: 'PUT', rules: Scenario['armFaults']): Promise<void> {
    const answer = await fetch(`${this.#simulator.baseUrl}/simulator/faults`, {
      method,
      body: JSON.stringify(rules),
    });
    if (!answer.ok) throw new Error(`The simulator refuses the faults: ${await answer.text()}`);
  }

  async #putForeign(name: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const workspace = `/subscriptions/${SUBSCRIPTION}/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/${WORKSPACES.default}`;
    const answer = await fetch(
      `${this.#simulator.baseUrl}${workspace}/onlineEndpoints/${name}?api-version=2024-10-01`,
      {
        method: 'PUT',
        headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
        body: JSON.stringify({ location: 'eastus2', tags, properties: { authMode: 'Key' } }),
      },
    );
    if (!answer.ok) throw new Error(`The simulator refuses an endpoint: ${await answer.text()}`);
  }
}

const NO_HOST: Orchestrations = {
  start: () => Promise.reject(new Error('There is no host.')),
  startComparison: () => Promise.reject(new Error('There is no host.')),
  isRunning: () => Promise.reject(new Error('There is no host.')),
  isKnown: () => Promise.reject(new Error('There is no host.')),
};

/** Services of a process that may die: from then on nothing it asks for is done, and nothing it waits for comes. */
function cutOff(services: Services, cut: { readonly dead: boolean }): Services {
  const never = new Promise<never>(() => {});
  const wrap = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return (...given: unknown[]) => {
          if (cut.dead) return never;
          const result = (value as (...of: unknown[]) => unknown).apply(target, given);
          if (!(result instanceof Promise)) return result;
          return result.then(
            (one) => (cut.dead ? never : one),
            (error: unknown) => (cut.dead ? never : Promise.reject(error)),
          );
        };
      },
    });
  const stores = Object.fromEntries(
    Object.entries(services.stores).map(([name, store]) => [name, wrap(store)]),
  );
  return {
    ...services,
    stores: stores as unknown as Services['stores'],
    ledger: wrap(services.ledger),
    controlPlane: wrap(services.controlPlane),
    prices: wrap(services.prices),
    quota: wrap(services.quota),
    catalog: wrap(services.catalog),
  };
}
