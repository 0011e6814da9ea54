/**
 * What every demo needs around it: a folder of its own, a local host and cloud in it, the two kinds of Ctrl-C, and an
 * end that leaves no process behind. The demo itself is played through the HTTP interface, as any client goes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '../cli/api-client.ts';
import type { Followed } from '../cli/follow.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import { printable } from '../cli/printable.ts';
import { messageOf } from '../core/failure.ts';
import { askBooks, describeLeft, type SimulatorBooks } from './books.ts';
import { outliveClosedOutput } from './closed-output.ts';
import { stopCloud } from './cloud/launch.ts';
import { readPidFile } from './pid-file.ts';
import { isProcessLocked, type ProcessLock, takeProcessLock } from './process-lock.ts';
import { layOutStateFolder, openStateFolder, type StateFolder } from './state-folder.ts';

/** A demo: what is said first, how fast the simulated Azure ML is, and what is done with it. */
export interface Demo {
  /** What it shows, in a line or two. */
  readonly title: readonly string[];
  /** Divides the times of the GPUs. */
  readonly gpuSpeed: number;
  /** Divides the times of the control plane: at 1, deploying takes some ten seconds. */
  readonly controlPlaneSpeed: number;
  /** What the simulator draws follows from it. */
  readonly seed: number;
  /** Gives the exit code. */
  readonly play: (stage: Stage) => Promise<number>;
}

/** Where a demo is played. */
export interface Stage {
  readonly client: ApiClient;
  readonly askBooks: () => Promise<SimulatorBooks>;
  /** Keeps a file for the reader; gives its path as seen from here. */
  readonly keepFile: (name: string, text: string) => string;
}

/** The cloud may take 30 s to start on a busy machine, and the host some seconds after it. */
const START_LIMIT_MS = 45_000;

/** The host stops within 8 s. */
const STOP_LIMIT_MS = 10_000;

const LOOK_AGAIN_MS = 100;

/** The last lines of the host's output say why it did not start. */
const TAIL_LINES = 12;

/** The exit code of a process that was interrupted from the terminal. */
const INTERRUPTED = 130;

/** Plays the demo; gives 0 when everything is as it should be, 1 with a reason otherwise, 130 after Ctrl-C. */
export async function stageDemo(demo: Demo): Promise<number> {
  outliveClosedOutput();
  let lock: ProcessLock | null = null;
  try {
    const base = openStateFolder(process.env);
    lock = takeProcessLock(join(base.path, 'demo.lock'));
    if (lock === null) throw new Error('Another demo runs in this folder; wait until it has ended.');
    const folder = layOutStateFolder(join(base.path, 'demo'));
    await clearFolder(folder);
    return await playDemo(demo, folder);
  } catch (error) {
    console.error(`\nThe demo failed: ${printable(messageOf(error))}`);
    return 1;
  } finally {
    lock?.release();
  }
}

/**
 * The exit code of what was followed to its end. `show` shows the results and gives what is not as it should be; of
 * what the reader has canceled, only that nothing is left.
 */
export async function concludeDemo<View>(
  { askBooks: ask }: Pick<Stage, 'askBooks'>,
  followed: Followed<View>,
  show: (view: View, books: SimulatorBooks) => Promise<readonly string[]>,
): Promise<number> {
  const books = await ask();
  if (followed.kind === 'left') {
    console.log(
      `\nLeft at once. ${describeLeft(books)} The simulated cloud of the demo ends with it; nothing is billed.`,
    );
    return INTERRUPTED;
  }
  const faults = await show(followed.view, books);
  if (followed.canceledByUs) return books.alive.length === 0 ? INTERRUPTED : 1;
  for (const fault of faults) console.error(`Not as it should be: ${printable(fault)}`);
  return faults.length === 0 ? 0 : 1;
}

/** What the simulator's books say against a demo that should have rented so many endpoints. */
export function faultsInBooks({ created, alive }: SimulatorBooks, endpoints: number): string[] {
  return [
    ...(created < endpoints
      ? [
          `the simulator saw ${created === 0 ? 'no endpoint at all' : `${created} of ${endpoints} endpoints`}.`,
        ]
      : []),
    ...(alive.length > 0 ? [`endpoints are left: ${alive.join(', ')}.`] : []),
  ];
}

/** Removes what the last demo left, and ends its cloud where a kill of that demo has left it alone. */
async function clearFolder(folder: StateFolder): Promise<void> {
  if (existsSync(folder.path)) {
    const deadlineMs = Date.now() + STOP_LIMIT_MS;
    while (isProcessLocked(folder.hostLock)) {
      const pid = readPidFile(folder.hostFile)?.pid;
      if (Date.now() > deadlineMs)
        throw new Error(`A host of an earlier demo still runs; end it with \`kill ${pid ?? '?'}\`.`);
      await wait(LOOK_AGAIN_MS);
    }
    await endCloud(folder);
  }
  rmSync(folder.path, { recursive: true, force: true });
  mkdirSync(folder.path, { recursive: true });
}

async function playDemo(demo: Demo, folder: StateFolder): Promise<number> {
  for (const line of composeBanner(demo)) console.log(line);
  const interrupt = listenForInterrupts(folder);
  const host = startHostProcess(demo, folder);
  try {
    const client = await Promise.race([waitForHost(folder, host), interrupt.whileStarting]);
    if (client === 'interrupted') {
      console.log('\nInterrupted before anything was deployed. Endpoints left: none.');
      return INTERRUPTED;
    }
    interrupt.leaveToFollower();
    return await demo.play(stageOf(folder, client));
  } finally {
    interrupt.ignoreFirst();
    await stopHostProcess(folder, host);
    interrupt.stop();
  }
}

function stageOf(folder: StateFolder, client: ApiClient): Stage {
  return {
    client,
    askBooks: () => askBooks(`http://127.0.0.1:${readPidFile(folder.cloudFile)?.ports.simulator}`),
    keepFile: (name, text) => {
      const path = join(folder.path, name);
      writeFileSync(path, text);
      return relative(process.cwd(), path);
    },
  };
}

function composeBanner({ title, gpuSpeed }: Demo): string[] {
  return [
    '',
    ...title,
    `Azure ML is simulated, with a GPU ${gpuSpeed} times as fast as a real one: no number below is that of a real GPU.`,
    'Ctrl-C cancels gracefully and still deletes every endpoint.',
    '',
    'Starting the local host and the local cloud ...',
  ];
}

/**
 * The same process that `npm start` runs, in a group of its own, so that a Ctrl-C on the terminal reaches only the
 * demo, which cancels first. The channel takes the host along if the demo is killed.
 */
function startHostProcess(demo: Demo, folder: StateFolder): ChildProcess {
  const output = openSync(outputFile(folder), 'a');
  const entry = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
  );
  const host = spawn(process.execPath, [entry], {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    env: {
      ...process.env,
      FOUNDRY_BENCH_STATE: folder.path,
      FOUNDRY_BENCH_LOCAL_KEY: '',
      PORT: '0',
      SIMULATOR_PORT: '0',
      SIMULATOR_SPEED: String(demo.controlPlaneSpeed),
      SIMULATOR_GPU_SPEED: String(demo.gpuSpeed),
      SIMULATOR_SEED: String(demo.seed),
    },
  });
  closeSync(output);
  return host;
}

async function waitForHost(folder: StateFolder, host: ChildProcess): Promise<ApiClient> {
  let error: Error | null = null;
  host.once('error', (cause) => {
    error = cause;
  });
  const deadlineMs = Date.now() + START_LIMIT_MS;
  while (Date.now() < deadlineMs && !hasEnded(host) && error === null) {
    const record = readPidFile(folder.hostFile);
    if (record !== null && record.pid === host.pid)
      return new ApiClient(`http://127.0.0.1:${record.ports.http}`, null);
    await wait(LOOK_AGAIN_MS);
  }
  const tail = readFileSync(outputFile(folder), 'utf8').trim().split('\n').slice(-TAIL_LINES).join('\n');
  throw new Error(`The local host did not start. It said:\n${tail}`, { cause: error });
}

/** Ends the host as Ctrl-C does, and with it the cloud; both are bounded. */
async function stopHostProcess(folder: StateFolder, host: ChildProcess): Promise<void> {
  const deadlineMs = Date.now() + STOP_LIMIT_MS;
  host.kill('SIGTERM');
  while (!hasEnded(host) && host.pid !== undefined) {
    if (Date.now() > deadlineMs) {
      host.kill('SIGKILL');
      break;
    }
    await wait(LOOK_AGAIN_MS);
  }
  await endCloud(folder);
}

async function endCloud(folder: StateFolder): Promise<void> {
  const pid = readPidFile(folder.cloudFile)?.pid;
  if (pid === undefined || !isProcessLocked(folder.cloudLock)) return;
  if (!(await stopCloud(folder, pid, STOP_LIMIT_MS))) {
    throw new Error(`The local cloud of the demo does not end; end it with \`kill -9 ${pid}\`.`);
  }
}

function hasEnded(host: ChildProcess): boolean {
  return host.exitCode !== null || host.signalCode !== null;
}

function outputFile(folder: StateFolder): string {
  return join(folder.path, 'host-output.log');
}

/** Ctrl-C outside of following, which has its own way with it. */
function listenForInterrupts(folder: StateFolder) {
  let phase: 'starting' | 'following' | 'stopping' = 'starting';
  let interruptStart: (word: 'interrupted') => void = () => {};
  const whileStarting = new Promise<'interrupted'>((resolve) => {
    interruptStart = resolve;
  });
  let ignored = 0;
  const stop = onInterrupt(() => {
    if (phase === 'starting') interruptStart('interrupted');
    if (phase !== 'stopping') return;
    ignored += 1;
    if (ignored < 2) return;
    console.log(
      `Left while stopping; ${relative(process.cwd(), folder.cloudFile)} names what may still run. It ends by itself.`,
    );
    process.exit(INTERRUPTED);
  });
  return {
    whileStarting,
    leaveToFollower: () => {
      phase = 'following';
    },
    ignoreFirst: () => {
      phase = 'stopping';
    },
    stop,
  };
}
