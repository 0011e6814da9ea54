/**
 * The demo: the whole way of a run, on a local host and cloud of its own, through the HTTP interface as any client
 * goes. It ends with a proof from the simulator's own books that no endpoint is left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ApiClient } from '../cli/api-client.ts';
import { followRun } from '../cli/follow-run.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import { printable } from '../cli/printable.ts';
import { renderReport } from '../cli/report-text.ts';
import { isUnicode, RunDisplay, widthOf } from '../cli/run-display.ts';
import { costOf } from '../cli/run-text.ts';
import type { Report } from '../core/report/report.ts';
import type { RunView } from '../http/run-view.ts';
import { askBooks, describeLeft, type SimulatorBooks } from './books.ts';
import { outliveClosedOutput } from './closed-output.ts';
import { stopCloud } from './cloud/launch.ts';
import { readPidFile } from './pid-file.ts';
import { isProcessLocked, type ProcessLock, takeProcessLock } from './process-lock.ts';
import { layOutStateFolder, openStateFolder, type StateFolder } from './state-folder.ts';

/** Fast enough for twelve cells in half a minute, slow enough that the clients are not what is measured. */
const GPU_SPEED = 20;

/** Deploying takes some ten seconds at 1, and minutes on Azure. */
const CONTROL_PLANE_SPEED = 3;

/** What is measured. Small on purpose: one repeat and few requests show the way, and say little of a SKU. */
const SPEC = {
  model: { registry: 'AzureML', name: 'Phi-4', version: '7' },
  target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4', instances: 1 },
  workloads: [
    { promptTokens: 256, outputTokens: 64 },
    { promptTokens: 1024, outputTokens: 128 },
  ],
  concurrency: { levels: [1, 2, 4, 8, 16, 32] },
  measure: { mode: 'steady', repeats: 1, minRequests: 8, maxSeconds: 20 },
  limits: { maxMinutes: 30, maxUsd: 10 },
} as const;

const CELLS = SPEC.workloads.length * SPEC.concurrency.levels.length;

/** The cloud may take 30 s to start on a busy machine, and the host some seconds after it. */
const START_LIMIT_MS = 45_000;

/** The host stops within 8 s. */
const STOP_LIMIT_MS = 10_000;

const LOOK_AGAIN_MS = 100;

/** The last lines of the host's output say why it did not start. */
const TAIL_LINES = 12;

/** The exit code of a process that was interrupted from the terminal. */
const INTERRUPTED = 130;

/** Runs the demo; gives 0 when everything is as it should be, 1 with a reason otherwise, 130 after Ctrl-C. */
export async function runDemo(): Promise<number> {
  outliveClosedOutput();
  let lock: ProcessLock | null = null;
  try {
    const base = openStateFolder(process.env);
    lock = takeProcessLock(join(base.path, 'demo.lock'));
    if (lock === null) throw new Error('Another demo runs in this folder; wait until it has ended.');
    const folder = layOutStateFolder(join(base.path, 'demo'));
    await clearFolder(folder);
    return await playDemo(folder);
  } catch (error) {
    console.error(`\nThe demo failed: ${printable(error instanceof Error ? error.message : String(error))}`);
    return 1;
  } finally {
    lock?.release();
  }
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

async function playDemo(folder: StateFolder): Promise<number> {
  for (const line of composeBanner()) console.log(line);
  const interrupt = listenForInterrupts(folder);
  const host = startHostProcess(folder);
  try {
    const client = await Promise.race([waitForHost(folder, host), interrupt.whileStarting]);
    if (client === 'interrupted') {
      console.log('\nInterrupted before anything was deployed. Endpoints left: none.');
      return INTERRUPTED;
    }
    interrupt.leaveToFollower();
    return await playRun(folder, client);
  } finally {
    interrupt.ignoreFirst();
    await stopHostProcess(folder, host);
    interrupt.stop();
  }
}

async function playRun(folder: StateFolder, client: ApiClient): Promise<number> {
  const display = new RunDisplay(process.stdout, isUnicode(process.env));
  const { id } = await client.startRun(SPEC, null);
  const followed = await followRun({
    client,
    runId: id,
    interrupt: 'cancel',
    onView: (run) => display.show(run),
    onNote: (text) => display.note(text),
  }).finally(() => display.clear());
  const books = await askBooks(`http://127.0.0.1:${readPidFile(folder.cloudFile)?.ports.simulator}`);
  if (followed.kind === 'left') {
    console.log(
      `\nLeft at once. ${describeLeft(books)} The simulated cloud of the demo ends with it; nothing is billed.`,
    );
    return INTERRUPTED;
  }
  const report = await client.readReport(id);
  const csvFile = join(folder.path, 'results.csv');
  writeFileSync(csvFile, await client.readResults(id, 'csv'));
  showResults(followed.view, report, csvFile, books);
  if (followed.canceledByUs) return books.alive.length === 0 ? INTERRUPTED : 1;
  const faults = findFaults(followed.view, report, books);
  for (const fault of faults) console.error(`Not as it should be: ${printable(fault)}`);
  return faults.length === 0 ? 0 : 1;
}

/** Everything that is off; nothing where the demo has shown what it promises. */
export function findFaults(run: RunView, report: Pick<Report, 'rows'>, books: SimulatorBooks): string[] {
  const faults: string[] = [];
  if (run.state !== 'completed') {
    faults.push(`the run ended as ${run.state}${run.failure === null ? '' : ` (${run.failure.message})`}.`);
  }
  const measured = report.rows.filter((row) => row.succeeded > 0).length;
  if (measured < CELLS) faults.push(`${measured} of ${CELLS} cells were measured.`);
  if (books.created === 0) faults.push('the simulator saw no endpoint at all.');
  if (books.alive.length > 0) faults.push(`endpoints are left: ${books.alive.join(', ')}.`);
  return faults;
}

function showResults(run: RunView, report: Report, csvFile: string, books: SimulatorBooks): void {
  const lines = [
    '',
    ...renderReport(report, widthOf(process.stdout)),
    '',
    `Cost: ${costOf(run)}, at Azure's list price for the time it took here; nothing is billed.`,
    `CSV: ${relative(process.cwd(), csvFile)}`,
    describeLeft(books),
    '',
    'Next: `npm start` brings up the page, and `npx foundry-bench --help` says how to start runs of your own.',
  ];
  for (const line of lines) console.log(line);
}

function composeBanner(): string[] {
  const { model, target } = SPEC;
  return [
    '',
    `foundry-bench demo: ${model.name} v${model.version} on ${target.instances} x ${target.sku}, from deploy to delete`,
    `Azure ML is simulated, with a GPU ${GPU_SPEED} times as fast as a real one: no number below is that of a real GPU.`,
    'Ctrl-C cancels gracefully and still deletes the endpoint.',
    '',
    'Starting the local host and the local cloud ...',
  ];
}

/**
 * The same process that `npm start` runs, in a group of its own, so that a Ctrl-C on the terminal reaches only the
 * demo, which cancels first. The channel takes the host along if the demo is killed.
 */
function startHostProcess(folder: StateFolder): ChildProcess {
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
      SIMULATOR_SPEED: String(CONTROL_PLANE_SPEED),
      SIMULATOR_GPU_SPEED: String(GPU_SPEED),
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

/** Ctrl-C outside of following the run, which has its own way with it. */
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
