/** What outlives the simulator's process: resources, operations and books, as one JSON file. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Endpoint } from './arm-resources.ts';
import type { Account } from './books.ts';
import type { AcceptedOffer } from './offers.ts';
import type { Operation } from './operations.ts';

const VERSION = 1;

export interface State {
  readonly version: typeof VERSION;
  readonly startedAtMs: number;
  /** Keys are derived from it; it is a secret of this file, readable by its owner only. */
  readonly keySalt: string;
  readonly endpoints: Endpoint[];
  readonly operations: readonly Operation[];
  readonly accounts: Account[];
  /** Absent in files of earlier versions. */
  readonly faultCounts?: Readonly<Record<string, number>>;
  readonly acceptedOffers?: AcceptedOffer[];
}

/** The state in that file, or a fresh one where there is no file. Throws where the file is not ours to read. */
export function loadState(path: string | undefined, nowMs: number): State {
  const text = path === undefined ? undefined : readIfPresent(path);
  if (text === undefined) {
    return {
      version: VERSION,
      startedAtMs: nowMs,
      keySalt: randomBytes(32).toString('hex'),
      endpoints: [],
      operations: [],
      accounts: [],
    };
  }
  try {
    const state = JSON.parse(text) as State;
    if (state.version !== VERSION) throw new Error(`it has version ${state.version}, not ${VERSION}`);
    return state;
  } catch (cause) {
    throw new Error(`The simulator's state file ${path} cannot be read; delete it to start afresh.`, {
      cause,
    });
  }
}

/** Replaces the file in one step: a process killed at any moment leaves the old state or the new one, whole. */
export function saveState(path: string, state: State): void {
  mkdirSync(dirname(path), { recursive: true });
  const next = `${path}.next`;
  writeFileSync(next, JSON.stringify(state), { mode: 0o600 });
  renameSync(next, path);
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
