/**
 * Brings the app up on this machine: adopts or starts the local cloud, sets the app's environment, starts the
 * embedded host, and takes it all down again on Ctrl-C. Nothing that reads the environment is imported before it is
 * complete. With `--azure` the cloud holds tables only, and Azure ML is the real one: in a state folder of its own, so
 * that no simulated run is ever taken up again against Azure, nor the other way around.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ApiClient } from '../cli/api-client.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import { COMPARISON_STATES } from '../core/comparison/comparison-record.ts';
import { messageOf } from '../core/failure.ts';
import { isFinal, RUN_STATES } from '../core/run.ts';
import { isOfAzure, markAsAzure } from './azure-mark.ts';
import {
  azureStartCommand,
  composeAzureSettings,
  placesOf,
  refuseAzure,
  watchdogOf,
} from './azure-settings.ts';
import { outliveClosedOutput } from './closed-output.ts';
import { adoptOrStartCloud, type RunningCloud, stopCloud } from './cloud/launch.ts';
import { readInstallationId } from './installation-id.ts';
import { composeSettings, readSettingsFile, type Settings } from './local-settings.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { explainSecondHost } from './neighbour.ts';
import { readPidFile, removePidFile, writePidFile } from './pid-file.ts';
import { choosePort, noteHolder, readPort, removeNote } from './port.ts';
import { takeProcessLock } from './process-lock.ts';
import { watchRuns } from './run-watch.ts';
import { composeAzureBanner, composeSimulatedBanner } from './start-banner.ts';
import { layOutStateFolder, openStateFolder, PROJECT_ROOT, type StateFolder } from './state-folder.ts';

const HTTP_PORT = 7071;

/**
 * Milliseconds from Ctrl-C by which the app has said what is alive, the host has stopped (its own bound is 6 s), and
 * the cloud has saved: whoever stops us expects the process to be gone within 8 s.
 */
const STOP_BY_MS = { ask: 1_000, host: 7_000, cloud: 7_500 } as const;

/** What the cloud of a start that failed may take to end. */
const UNDO_LIMIT_MS = 5_000;

/** A stack trace is for the log file; the terminal gets its first lines. */
const TERMINAL_LINE_CHARACTERS = 500;

interface RunningHost {
  readonly baseUrl: string;
  stop(): Promise<void>;
}

interface StartArguments {
  readonly azure: boolean;
  /** The user looks after what is left behind, without a watchdog. */
  readonly willReap: boolean;
}

/** Runs until it is told to stop; gives the process's exit code. */
export async function startLocal(args: readonly string[]): Promise<number> {
  const wanted = readArguments(args);
  if (typeof wanted === 'string') {
    console.error(wanted);
    return 2;
  }
  outliveClosedOutput();
  const stop = listenForStop();
  try {
    return await Promise.race([runLocal(wanted, stop), stop.forced]);
  } catch (error) {
    console.error(messageOf(error));
    return 2;
  }
}

/** What the arguments ask for, or a sentence about what is wrong with them. */
export function readArguments(args: readonly string[]): StartArguments | string {
  const unknown = args.find((arg) => arg !== '--azure' && arg !== '--i-will-reap');
  if (unknown !== undefined)
    return `\`start\` knows no argument "${unknown}"; settings come from the environment.`;
  const azure = args.includes('--azure');
  const willReap = args.includes('--i-will-reap');
  if (willReap && !azure) return '`--i-will-reap` belongs to `--azure`: the simulator costs nothing.';
  return { azure, willReap };
}

async function runLocal({ azure, willReap }: StartArguments, stop: StopRequest): Promise<number> {
  const file = readSettingsFile(`${PROJECT_ROOT}/local.settings.json`);
  const refusal = azure ? refuseAzure({ env: process.env, file, willReap }) : null;
  if (refusal !== null) throw new Error(refusal);
  const folder = openFolder(azure);
  const lock = takeProcessLock(folder.hostLock);
  if (lock === null) throw new Error(explainSecondHost(readPidFile(folder.hostFile), folder.path));
  try {
    if (azure) markAsAzure(folder.path, placesOf({ env: process.env, file }));
    return await runHost(folder, file, azure, stop);
  } finally {
    lock.release();
  }
}

function openFolder(azure: boolean): StateFolder {
  const folder = openStateFolder(process.env);
  if (!azure) {
    // A simulated reaper would find none of the endpoints whose leases lie there, and close them all.
    if (isOfAzure(folder.path))
      throw new Error(
        `The state in ${folder.path} is that of runs on real Azure; start it with --azure and FOUNDRY_BENCH_STATE as it was then.`,
      );
    return folder;
  }
  const path = join(folder.path, 'azure');
  mkdirSync(path, { recursive: true });
  return layOutStateFolder(path);
}

async function runHost(
  folder: StateFolder,
  file: Settings,
  azure: boolean,
  stop: StopRequest,
): Promise<number> {
  const installationId = readInstallationId(folder.installationIdFile);
  const httpPort = await choosePort(readPort(process.env, 'PORT', HTTP_PORT), 'PORT');
  const contents = azure ? 'tables-only' : 'with-simulator';
  const cloud = await adoptOrStartCloud(folder, PROJECT_ROOT, process.env, contents);
  const wantedGpuSpeed = process.env.SIMULATOR_GPU_SPEED;
  const log = openLogFile(folder.hostLog);
  try {
    Object.assign(process.env, composeEnvironment(file, cloud, installationId));
    const functionKey = process.env.FOUNDRY_BENCH_LOCAL_KEY?.trim() || null;
    const say = (line: string) => {
      log.write(line);
      console.log(`${new Date().toTimeString().slice(0, 8)}  ${line.slice(0, TERMINAL_LINE_CHARACTERS)}`);
    };
    log.write(`start: pid ${process.pid}, port ${httpPort}, local cloud pid ${cloud.pid}`);
    const host = await startFunctionsHost(folder, httpPort, functionKey, log, say);
    writePidFile(folder.hostFile, {
      pid: process.pid,
      root: PROJECT_ROOT,
      ports: { http: httpPort },
      startedAt: new Date().toISOString(),
    });
    noteHolder(httpPort, { role: 'host', pidFile: folder.hostFile, lockFile: folder.hostLock });
    const client = new ApiClient(host.baseUrl, functionKey);
    const up = { baseUrl: host.baseUrl, statePath: folder.path, hasKey: functionKey !== null };
    const banner =
      cloud.simulator === null
        ? composeAzureBanner(up, process.env)
        : composeSimulatedBanner(up, cloud.simulator, { adopted: cloud.adopted, wantedGpuSpeed });
    for (const line of banner) console.log(line);
    const stopWatching = watchRuns(client, say);
    await stop.requested;
    stopWatching();
    log.write('stop');
    console.log('\nStopping (Ctrl-C again leaves at once) ...');
    await stopEverything(folder, host, cloud, client);
    removeNote(httpPort);
    return 0;
  } catch (error) {
    // What this start brought up and nobody uses does not stay behind.
    if (!cloud.adopted) await stopCloud(folder, cloud.pid, UNDO_LIMIT_MS);
    throw error;
  } finally {
    log.close();
  }
}

/** Real addresses only where there is no simulator. */
function composeEnvironment(
  file: Settings,
  { tablesPort, simulator }: RunningCloud,
  installationId: string,
): Record<string, string> {
  const { env } = process;
  if (simulator === null) return composeAzureSettings({ env, file }, { tablesPort, installationId });
  const { port: simulatorPort, gpuSpeed } = simulator;
  return composeSettings(env, file, { tablesPort, simulatorPort, gpuSpeed, installationId });
}

async function startFunctionsHost(
  folder: StateFolder,
  port: number,
  functionKey: string | null,
  log: LogFile,
  say: (line: string) => void,
): Promise<RunningHost> {
  process.on('uncaughtExceptionMonitor', (error) =>
    log.write(`critical system ${error.stack ?? error.message}`),
  );
  const { startHost } = await import('./host/host.ts');
  return startHost({
    appDirectory: PROJECT_ROOT,
    port,
    historyFile: folder.historyFile,
    ...(functionKey !== null && { functionKey }),
    log: ({ level, category, message }) => {
      if (level === 'warning' || level === 'error' || level === 'critical')
        say(`${level} ${category}: ${message}`);
      else log.write(`${level} ${category}: ${message}`);
    },
  });
}

/** Stops the host, and the cloud with it where no run needs it any more. */
async function stopEverything(
  folder: StateFolder,
  host: RunningHost,
  cloud: RunningCloud,
  client: ApiClient,
): Promise<void> {
  const startMs = performance.now();
  const left = (byMs: number) => Math.max(0, byMs - (performance.now() - startMs));
  const alive = await countAliveRuns(client);
  const stopped = await Promise.race([
    host.stop().then(() => true),
    wait(left(STOP_BY_MS.host)).then(() => false),
  ]);
  removePidFile(folder.hostFile);
  if (!stopped) console.log('The host did not stop in time and is ended; what it did not finish runs again.');
  const isAzure = cloud.simulator === null;
  if (alive === 0) {
    const saved = await stopCloud(folder, cloud.pid, left(STOP_BY_MS.cloud));
    console.log(
      saved ? 'Stopped.' : `Stopped; the local cloud (pid ${cloud.pid}) is saving and ends by itself.`,
    );
    if (isAzure) console.log(`What was kept or left on Azure goes on to be billed. ${sayWhoReaps()}`);
    return;
  }
  const reason =
    alive === null ? 'Whether a run is alive could not be told' : `Runs that are alive: ${alive}`;
  const start = isAzure ? azureStartCommand(process.env) : 'npm start';
  console.log(`${reason}. The local cloud stays (pid ${cloud.pid}), and the next \`${start}\` resumes.`);
  console.log(`\`kill ${cloud.pid}\` ends it; by itself it ends after ten minutes without a host.`);
  if (isAzure) console.log(`Their endpoints are on Azure and billed meanwhile. ${sayWhoReaps()}`);
}

function sayWhoReaps(): string {
  const watchdog = watchdogOf(process.env);
  return watchdog === null
    ? 'Nothing deletes them before you start this again.'
    : `The watchdog ${watchdog} deletes each when its time is over.`;
}

/**
 * How many runs and comparisons are not final, as far as one page of each state tells; null where the app does not say.
 * A comparison may have no run alive for a moment, between two targets.
 */
async function countAliveRuns(client: ApiClient): Promise<number | null> {
  try {
    const runs = await Promise.all(
      RUN_STATES.filter((state) => !isFinal(state)).map((state) =>
        client.listRuns({ state, limit: 200 }, STOP_BY_MS.ask),
      ),
    );
    const comparisons = await Promise.all(
      COMPARISON_STATES.filter((state) => !isFinal(state)).map((state) =>
        client.listComparisons({ state, limit: 200 }, STOP_BY_MS.ask),
      ),
    );
    const aliveRuns = runs.reduce((sum, page) => sum + page.runs.length, 0);
    return aliveRuns || comparisons.reduce((sum, page) => sum + page.comparisons.length, 0);
  } catch {
    return null;
  }
}

interface StopRequest {
  /** The first Ctrl-C, SIGTERM, closed terminal, or end of the process that started us. */
  readonly requested: Promise<void>;
  /** The second; resolves with the exit code. */
  readonly forced: Promise<number>;
}

function listenForStop(): StopRequest {
  let force: (exitCode: number) => void = () => {};
  const forced = new Promise<number>((resolve) => {
    force = resolve;
  });
  const requested = new Promise<void>((request) => {
    onInterrupt((count) => (count === 1 ? request() : force(130)));
    process.on('SIGHUP', () => request());
    // Whoever spawned us with a channel (the demo) takes us along when it dies.
    process.on('disconnect', () => request());
  });
  return { requested, forced };
}
