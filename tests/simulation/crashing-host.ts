/**
 * A host of a simulated world: the durable engine of the embedded host on its SQLite file, the real orchestrations and
 * the world's own steps. It can die before or after any commit of its history, and another one goes on from the file.
 */
import { fileURLToPath } from 'node:url';
import { type App, loadApp } from '../../src/local/host/app.ts';
import { DurableEngine } from '../../src/local/host/durable/engine.ts';
import { createInstance } from '../../src/local/host/durable/instances.ts';
import { HistoryStore } from '../../src/local/host/durable/store.ts';
import { readHostConfig } from '../../src/local/host/host-config.ts';
import type { LogLine } from '../../src/local/host/invoke.ts';
import { BENCHMARK } from '../../src/orchestrations/benchmark.ts';
import type { Orchestrations } from '../../src/services.ts';
import type { WorldClock } from './world-clock.ts';

export interface HostOptions {
  readonly historyFile: string;
  readonly clock: WorldClock;
  readonly runStep: (name: string, input: unknown) => Promise<unknown>;
  /** Called around each commit; where it answers true, the host dies there. */
  readonly diesAt: (when: 'before' | 'after') => boolean;
  readonly log: (line: LogLine) => void;
}

export interface CrashingHost {
  readonly orchestrations: Orchestrations;
  /** Resolves when nothing is in flight at this moment of the world's clock, or when the host has died. */
  quiet(): Promise<'quiet' | 'dead'>;
  /** When the next timer goes off; null where none waits. */
  nextDueMs(): number | null;
  /** To be called when the clock has jumped. */
  wake(): void;
  /** Ids of instances that have not ended. */
  alive(): readonly string[];
  /** Every row of the history, as text. */
  dump(): string;
  /** Leaves everything as it is, as a kill does. */
  drop(): Promise<void>;
}

const APP_DIRECTORY = fileURLToPath(new URL('./fixtures/app', import.meta.url));
/** More instances than a world has: fifty runs, each with its measuring. */
const MOST_INSTANCES = 1_000;
/** In real seconds: the slowest thing in flight is a call of a minute with its retries. */
const LONGEST_FLIGHT_MS = 300_000;

export async function openHost(options: HostOptions): Promise<CrashingHost> {
  const { historyFile, clock, log } = options;
  const app = withSteps(await loadApp(APP_DIRECTORY, () => {}), options.runStep);
  const { durable } = readHostConfig(APP_DIRECTORY);
  const store = new CrashingStore(historyFile, options.diesAt);
  const invoker = { app, log, durableClient: () => '{}', timeoutMs: undefined };
  const engine = new DurableEngine({ store, invoker, config: durable, log, now: clock.now });
  engine.start();

  const isQuiet = () => store.readTasks(1).length === 0 && store.readyInstances(clock.now(), 1).length === 0;
  const isAlive = (id: string) => {
    const status = store.readInstance(id)?.status;
    return status === 'Pending' || status === 'Running' || status === 'Suspended';
  };
  return {
    orchestrations: {
      start: async (id) => {
        const instance = { id, name: BENCHMARK, version: durable.defaultVersion, parent: null };
        if (store.readInstance(id) === undefined) {
          const input = JSON.stringify({ runId: id });
          store.transact(() => createInstance(store, { ...instance, input }, clock.now()));
        }
        engine.wake();
      },
      startComparison: async () => {
        throw new Error('A simulated world starts no comparison.');
      },
      isRunning: async (id) => isAlive(id),
      isKnown: async (id) => store.readInstance(id) !== undefined,
    },
    quiet: async () => {
      const timeout = setTimeout(() => store.giveUp(), LONGEST_FLIGHT_MS);
      try {
        while (!store.isDead && !isQuiet()) await store.nextCommit();
        return store.isDead ? 'dead' : 'quiet';
      } finally {
        clearTimeout(timeout);
      }
    },
    nextDueMs: () => store.nextDueMs(clock.now()) ?? null,
    wake: () => engine.wake(),
    alive: () => {
      const statuses = ['Pending', 'Running', 'Suspended'] as const;
      return store.listInstances({ statuses }, MOST_INSTANCES).map(({ id }) => id);
    },
    dump: () => {
      const instances = store.listInstances({}, MOST_INSTANCES);
      return JSON.stringify(instances.map((one) => [one, store.readHistory(one.id)]));
    },
    drop: async () => {
      store.die();
      await engine.stop(0);
      store.close();
    },
  };
}

/** The history file of a host that dies at a commit: what comes after that reaches it no more. */
class CrashingStore extends HistoryStore {
  readonly #diesAt: HostOptions['diesAt'];
  #waiting = Promise.withResolvers<void>();
  #gaveUp = false;
  isDead = false;

  constructor(file: string, diesAt: HostOptions['diesAt']) {
    super(file);
    this.#diesAt = diesAt;
  }

  override transact<T>(write: () => T): T {
    if (this.isDead) throw new Error('The host is dead.');
    if (this.#diesAt('before')) this.#crash();
    const result = super.transact(write);
    if (this.#diesAt('after')) this.#crash();
    this.#announce();
    return result;
  }

  /** The next commit, or the host's death. */
  async nextCommit(): Promise<void> {
    await this.#waiting.promise;
    if (this.#gaveUp) throw new Error(`Something has been in flight for ${LONGEST_FLIGHT_MS / 1_000} s.`);
  }

  giveUp(): void {
    this.#gaveUp = true;
    this.#announce();
  }

  die(): void {
    this.isDead = true;
    this.#announce();
  }

  #crash(): never {
    this.die();
    throw new Error('The host died at this commit.');
  }

  #announce(): void {
    this.#waiting.resolve();
    this.#waiting = Promise.withResolvers<void>();
  }
}

function withSteps(app: App, runStep: HostOptions['runStep']): App {
  return {
    ...app,
    functions: app.functions.map((one) =>
      one.kind === 'activity' ? { ...one, callback: (input: unknown) => runStep(one.name, input) } : one,
    ),
  };
}
