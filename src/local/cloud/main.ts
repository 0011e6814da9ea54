/**
 * The cloud process: what Azure would keep for us. It holds the table server and the simulated Azure ML, in a process
 * of its own that outlives the host, and ends by itself when no host has lived for a while. With `--tables-only` Azure
 * ML is the real one, and there is no simulator here.
 *
 * Settings: SIMULATOR_PORT, SIMULATOR_SPEED, SIMULATOR_GPU_SPEED, SIMULATOR_SEED, FOUNDRY_BENCH_STATE,
 * CLOUD_IDLE_SECONDS and CHAOS: the share of calls to the simulator that fail, in percent.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { messageOf } from '../../core/failure.ts';
import { startSimulator } from '../../simulator/simulator.ts';
import { type PidFile, removePidFile, writePidFile } from '../pid-file.ts';
import { choosePort, noteHolder, readPort, removeNote } from '../port.ts';
import { isProcessLocked, takeProcessLock } from '../process-lock.ts';
import { openStateFolder, PROJECT_ROOT, type StateFolder } from '../state-folder.ts';
import { TABLES_ONLY } from './launch.ts';
import { readNumber } from './number-setting.ts';
import { startTables, type TablesServer } from './tables.ts';

/** A host that was killed is mostly started again within minutes; what nobody comes back for ends after ten. */
const IDLE_SECONDS = 600;

/** How often the cloud looks whether a host lives. */
const LOOK_SECONDS = 5;

/** Saving takes well under a second; whoever stops us must not wait longer than this. */
const STOP_LIMIT_MS = 5_000;

const SIMULATOR_PORT = 7072;

type Simulator = Awaited<ReturnType<typeof startSimulator>>;

await main();

async function main(): Promise<void> {
  const folder = openStateFolder(process.env);
  const lock = takeProcessLock(folder.cloudLock);
  if (lock === null) fail(`A local cloud runs in ${folder.path} already.`);
  const stopped = listenForStop();
  try {
    const isTablesOnly = process.argv.includes(TABLES_ONLY);
    const { record, tables, simulator } = await startCloud(folder, isTablesOnly);
    const reason = await Promise.race([stopped, watchForIdleness(folder, record)]);
    log(`${reason}: saving and ending.`);
    await stopCloud(folder, record, tables, simulator);
    process.exit(0);
  } catch (error) {
    fail(messageOf(error));
  }
}

async function startCloud(folder: StateFolder, isTablesOnly: boolean) {
  const simulated = isTablesOnly ? null : await readSimulatorSettings();
  const tables = await startTables(0, folder.tablesFolder);
  const simulator =
    simulated && (await startSimulator({ ...simulated, stateFile: folder.simulatorFile, log }));
  const record: PidFile = {
    pid: process.pid,
    root: PROJECT_ROOT,
    ports: { tables: tables.port, ...(simulator && { simulator: simulator.port }) },
    startedAt: new Date().toISOString(),
    ...(simulated && { gpuSpeed: simulated.gpuSpeed }),
  };
  if (simulator !== null)
    noteHolder(simulator.port, { role: 'cloud', pidFile: folder.cloudFile, lockFile: folder.cloudLock });
  // Before the file by which a host knows that it is ready, so that the log is never behind.
  log(
    `Ready: tables on port ${tables.port}, ${simulator === null ? 'no simulator' : `simulator on port ${simulator.port}`}.`,
  );
  writePidFile(folder.cloudFile, record);
  return { record, tables, simulator };
}

/** Throws a sentence where one is wrong, or the port is taken. */
async function readSimulatorSettings() {
  const seed = readNumber(process.env, 'SIMULATOR_SEED', 1, 0, 2 ** 31 - 1);
  const chaosPercent = readNumber(process.env, 'CHAOS', 0, 0, 100);
  return {
    port: await choosePort(readPort(process.env, 'SIMULATOR_PORT', SIMULATOR_PORT), 'SIMULATOR_PORT'),
    speed: readNumber(process.env, 'SIMULATOR_SPEED', 1, 0.01, 1_000),
    gpuSpeed: readNumber(process.env, 'SIMULATOR_GPU_SPEED', 1, 0.01, 1_000),
    seed,
    ...(chaosPercent > 0 && { chaos: { percent: chaosPercent, seed } }),
  };
}

/**
 * Resolves once no host has lived for the idle time. Looks are counted and not the clock, so that a laptop that slept
 * does not find its cloud gone. The pid file is withdrawn before the last look: a host that starts in that moment
 * either is seen by it or sees no cloud to adopt.
 */
async function watchForIdleness(folder: StateFolder, record: PidFile): Promise<string> {
  const idleSeconds = readNumber(process.env, 'CLOUD_IDLE_SECONDS', IDLE_SECONDS, 0.1, 86_400);
  const lookSeconds = Math.min(LOOK_SECONDS, idleSeconds / 4);
  for (let idleLooks = 0; ; idleLooks = isProcessLocked(folder.hostLock) ? 0 : idleLooks + 1) {
    if (idleLooks * lookSeconds >= idleSeconds) {
      removePidFile(folder.cloudFile);
      if (!isProcessLocked(folder.hostLock)) return `No host has lived for ${idleSeconds} s`;
      writePidFile(folder.cloudFile, record);
    }
    await wait(lookSeconds * 1000);
  }
}

async function stopCloud(
  folder: StateFolder,
  record: PidFile,
  tables: TablesServer,
  simulator: Simulator | null,
): Promise<void> {
  removePidFile(folder.cloudFile);
  const saved = Promise.all([simulator?.stop(), tables.stop()]).then(() => true);
  const inTime = await Promise.race([saved, wait(STOP_LIMIT_MS).then(() => false)]);
  if (record.ports.simulator !== undefined) removeNote(record.ports.simulator);
  if (!inTime) fail(`Saving did not end within ${STOP_LIMIT_MS / 1000} s; what came last may be lost.`);
}

function listenForStop(): Promise<string> {
  return new Promise((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
  });
}

function log(message: string): void {
  console.log(`${new Date().toISOString()} ${message}`);
}

function fail(message: string): never {
  log(message);
  process.exit(1);
}
