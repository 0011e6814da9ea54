/** The host's side of the cloud process: adopts the one that runs in the state folder, or starts one. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { rotateLogFile } from '../log-file.ts';
import { decideCloud } from '../neighbour.ts';
import { type PidFile, readPidFile } from '../pid-file.ts';
import { isProcessLocked } from '../process-lock.ts';
import type { StateFolder } from '../state-folder.ts';

/** Loading Azurite takes about a second, and ten on a busy machine. */
const START_LIMIT_MS = 30_000;

/** A cloud that lives answers in milliseconds. */
const ANSWER_LIMIT_MS = 5_000;

const LOOK_AGAIN_MS = 50;

/** The last lines of its log say why a cloud did not start; more would push the sentence off the screen. */
const TAIL_LINES = 12;

export interface RunningCloud {
  readonly pid: number;
  readonly tablesPort: number;
  /** Null where it holds tables only, since Azure ML is the real one. */
  readonly simulator: RunningSimulator | null;
  /** It ran already when the host came. */
  readonly adopted: boolean;
}

export interface RunningSimulator {
  readonly port: number;
  readonly gpuSpeed: number;
}

/** The argument of the cloud process that leaves the simulator out. */
export const TABLES_ONLY = '--tables-only';

export type CloudContents = 'with-simulator' | 'tables-only';

/**
 * The cloud of this state folder, running and answering. `env` is what a new one gets. Throws a sentence, with the
 * end of the cloud's log where there is one, when it belongs to another project folder, holds something else, does not
 * answer, or does not start within 30 s.
 */
export async function adoptOrStartCloud(
  folder: StateFolder,
  root: string,
  env: NodeJS.ProcessEnv,
  contents: CloudContents = 'with-simulator',
): Promise<RunningCloud> {
  const deadlineMs = Date.now() + START_LIMIT_MS;
  while (Date.now() < deadlineMs) {
    const locked = isProcessLocked(folder.cloudLock);
    const decision = decideCloud({ locked, record: readPidFile(folder.cloudFile), root });
    if (decision.kind === 'refuse') throw new Error(decision.reason);
    if (decision.kind === 'adopt') return adoptCloud(decision.record, contents);
    if (decision.kind === 'start') return startCloud(folder, env, contents, deadlineMs);
    await wait(LOOK_AGAIN_MS);
  }
  throw new Error(`The local cloud in ${folder.path} neither starts nor ends; see ${folder.cloudLog}.`);
}

/** Asks the cloud to save and end; false where it still runs after `limitMs`. */
export async function stopCloud(folder: StateFolder, pid: number, limitMs: number): Promise<boolean> {
  const deadlineMs = Date.now() + limitMs;
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It ended before it was asked.
  }
  while (isProcessLocked(folder.cloudLock)) {
    if (Date.now() >= deadlineMs) return false;
    await wait(LOOK_AGAIN_MS);
  }
  return true;
}

async function adoptCloud(record: PidFile, contents: CloudContents): Promise<RunningCloud> {
  const cloud = toCloud(record, true);
  if ((cloud.simulator === null) !== (contents === 'tables-only')) {
    const holds = cloud.simulator === null ? 'holds no simulator' : 'holds a simulator';
    throw new Error(
      `The local cloud (pid ${record.pid}) in this state folder ${holds}; end it with \`kill ${record.pid}\` and start again.`,
    );
  }
  const books = cloud.simulator === null ? [] : [`http://127.0.0.1:${cloud.simulator.port}/simulator/books`];
  for (const address of [...books, `http://127.0.0.1:${cloud.tablesPort}/`]) {
    try {
      // Any answer will do: it shows that the process is awake.
      const answer = await fetch(address, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
      await answer.body?.cancel();
    } catch (cause) {
      throw new Error(
        `The local cloud (pid ${record.pid}) runs and does not answer at ${address}; end it with \`kill ${record.pid}\` and start again.`,
        { cause },
      );
    }
  }
  return cloud;
}

async function startCloud(
  folder: StateFolder,
  env: NodeJS.ProcessEnv,
  contents: CloudContents,
  deadlineMs: number,
): Promise<RunningCloud> {
  rotateLogFile(folder.cloudLog);
  const logStart = sizeOf(folder.cloudLog);
  const log = openSync(folder.cloudLog, 'a');
  const entry = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
  );
  // A session and group of its own: neither a Ctrl-C on the host's terminal nor its closing reaches the cloud.
  const child = spawn(process.execPath, contents === 'tables-only' ? [entry, TABLES_ONLY] : [entry], {
    cwd: folder.path,
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...env, FOUNDRY_BENCH_STATE: folder.path },
  });
  closeSync(log);
  child.unref();
  let ended: string | null = null;
  child.once('error', (error) => {
    ended = `it could not be started (${error.message})`;
  });
  child.once('exit', (code, signal) => {
    ended = `it ended with ${signal ?? `exit code ${code}`}`;
  });
  while (Date.now() < deadlineMs && ended === null) {
    const record = readPidFile(folder.cloudFile);
    if (record !== null && record.pid === child.pid) return toCloud(record, false);
    await wait(LOOK_AGAIN_MS);
  }
  if (ended === null && child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
  const reason = ended ?? `it was not ready within ${START_LIMIT_MS / 1000} s`;
  throw new Error(
    `The local cloud did not start: ${reason}. ${folder.cloudLog} says:\n${tailOf(folder.cloudLog, logStart)}`,
  );
}

function toCloud({ pid, ports, gpuSpeed }: PidFile, adopted: boolean): RunningCloud {
  const { tables, simulator } = ports;
  if (tables === undefined) {
    throw new Error(
      `The local cloud (pid ${pid}) does not say its port; end it with \`kill ${pid}\` and start again.`,
    );
  }
  return {
    pid,
    tablesPort: tables,
    simulator: simulator === undefined ? null : { port: simulator, gpuSpeed: gpuSpeed ?? 1 },
    adopted,
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function tailOf(path: string, from: number): string {
  const lines = readFileSync(path).subarray(from).toString('utf8').trimEnd().split('\n');
  return lines.slice(-TAIL_LINES).join('\n');
}
