/**
 * One orchestration from its start to its end on the embedded host's durable engine and its SQLite file, with the
 * steps of whoever asks and a clock that jumps to the next event. Counts what the engine shows its orchestrations: that
 * is what an episode costs.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadApp } from '../../src/local/host/app.ts';
import { DurableEngine } from '../../src/local/host/durable/engine.ts';
import type { HistoryEvent, Message } from '../../src/local/host/durable/history.ts';
import { createInstance } from '../../src/local/host/durable/instances.ts';
import { HistoryStore, isTerminal } from '../../src/local/host/durable/store.ts';
import { readHostConfig } from '../../src/local/host/host-config.ts';

export interface EngineRunOptions {
  readonly name: string;
  readonly input: unknown;
  /** Steps by name; `clock.until` waits by the run's own clock. */
  readonly step: (name: string, input: unknown, clock: EngineClock) => Promise<unknown> | unknown;
  /** Milliseconds that a message or a task is under way, as in the queues of Azure Storage; none by default. */
  readonly hopMs?: () => number;
}

export interface EngineClock {
  readonly now: () => number;
  readonly until: (epochMs: number) => Promise<void>;
}

export interface EngineRun {
  readonly output: unknown;
  readonly episodes: number;
  /** Events of the longest history that an episode was shown. */
  readonly longestHistory: number;
  /** Characters of the inputs and results in all histories that episodes were shown. */
  readonly shownCharacters: number;
  /** Of this process, while it lasted. */
  readonly cpuSeconds: number;
}

const APP_DIRECTORY = fileURLToPath(new URL('./fixtures/app', import.meta.url));
/** Where there is one, a folder in memory: what a disk takes to write a commit is not what is looked at. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const START_MS = Date.UTC(2026, 0, 1);
const ID = 'the-run';
/** More turns of the event loop than 10,000 cells take. */
const MOST_TURNS = 20_000_000;

export async function runOnEngine({
  name,
  input,
  step,
  hopMs = () => 0,
}: EngineRunOptions): Promise<EngineRun> {
  const folder = mkdtempSync(join(MEMORY, 'foundry-bench-engine-'));
  const agenda = new Agenda();
  const app = await loadApp(APP_DIRECTORY, () => {});
  const functions = app.functions.map((one) =>
    one.kind !== 'activity'
      ? one
      : {
          ...one,
          callback: async (given: unknown) => {
            const hop = hopMs();
            if (hop > 0) await agenda.until(agenda.now() + hop);
            return step(one.name, given, agenda);
          },
        },
  );
  const { durable } = readHostConfig(APP_DIRECTORY);
  const store = new MeteredStore(join(folder, 'history.db'), hopMs);
  const invoker = {
    app: { ...app, functions },
    log: () => {},
    durableClient: () => '{}',
    timeoutMs: undefined,
  };
  const engine = new DurableEngine({ store, invoker, config: durable, log: () => {}, now: agenda.now });
  const before = process.cpuUsage();
  try {
    store.transact(() =>
      createInstance(
        store,
        { id: ID, name, version: durable.defaultVersion, parent: null, input: JSON.stringify(input) },
        agenda.now(),
      ),
    );
    engine.start();
    for (let turns = 0; turns < MOST_TURNS; turns += 1) {
      const { status, output } = store.readInstance(ID) ?? { status: 'Failed' as const, output: null };
      if (isTerminal(status)) {
        if (status !== 'Completed') throw new Error(`The orchestration ${name} is ${status}: ${output}`);
        const { user, system } = process.cpuUsage(before);
        return {
          output: output === null ? null : JSON.parse(output),
          episodes: store.episodes,
          longestHistory: store.longestHistory,
          shownCharacters: store.shownCharacters,
          cpuSeconds: (user + system) / 1e6,
        };
      }
      await turn();
      // Everything that is under way waits for the clock: it may jump.
      const isWaiting = store.readTasks(durable.maxConcurrentActivities).length === agenda.size;
      if (!isWaiting || store.readyInstances(agenda.now(), 1).length > 0) continue;
      await agenda.jump(store.nextDueMs(agenda.now()) ?? null);
      engine.wake();
    }
    throw new Error(`The orchestration ${name} does not end.`);
  } finally {
    await engine.stop(0);
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A clock that stands still until everybody waits for it. */
class Agenda implements EngineClock {
  #nowMs = START_MS;
  readonly #waiting: { readonly atMs: number; readonly resolve: () => void }[] = [];

  readonly now = (): number => this.#nowMs;

  readonly until = (atMs: number): Promise<void> =>
    new Promise((resolve) => this.#waiting.push({ atMs, resolve }));

  get size(): number {
    return this.#waiting.length;
  }

  /** To the next of what waits here and what is due elsewhere. */
  async jump(dueMs: number | null): Promise<void> {
    const atMs = Math.min(dueMs ?? Number.POSITIVE_INFINITY, ...this.#waiting.map((one) => one.atMs));
    if (!Number.isFinite(atMs)) return;
    this.#nowMs = Math.max(this.#nowMs, atMs);
    const due = this.#waiting.filter((one) => one.atMs <= this.#nowMs);
    for (const one of due) {
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      one.resolve();
    }
    await turn();
  }
}

class MeteredStore extends HistoryStore {
  episodes = 0;
  longestHistory = 0;
  shownCharacters = 0;
  readonly #hopMs: () => number;

  constructor(file: string, hopMs: () => number) {
    super(file);
    this.#hopMs = hopMs;
  }

  override readHistory(id: string): readonly HistoryEvent[] {
    const history = super.readHistory(id);
    this.episodes += 1;
    this.longestHistory = Math.max(this.longestHistory, history.length);
    for (const event of history) this.shownCharacters += payloadLength(event);
    return history;
  }

  override addMessage(id: string, executionId: string | null, dueMs: number, message: Message): void {
    super.addMessage(id, executionId, dueMs + this.#hopMs(), message);
  }
}

function payloadLength(event: HistoryEvent): number {
  const { Input, Result } = event as { readonly Input?: unknown; readonly Result?: unknown };
  return [Input, Result].reduce<number>((sum, text) => sum + (typeof text === 'string' ? text.length : 0), 0);
}
