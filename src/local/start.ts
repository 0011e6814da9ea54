/**
 * Brings the app up on this machine: adopts or starts the local cloud, sets the app's environment, starts the
 * embedded host, and takes it all down again on Ctrl-C. Nothing that reads the environment is imported before it is
 * complete.
 */
import { relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ApiClient } from '../cli/api-client.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import { COMPARISON_STATES, isComparisonOver } from '../core/comparison/comparison-record.ts';
import { isFinal, RUN_STATES } from '../core/run.ts';
import { outliveClosedOutput } from './closed-output.ts';
import { adoptOrStartCloud, type RunningCloud, stopCloud } from './cloud/launch.ts';
import { readInstallationId } from './installation-id.ts';
import { composeSettings, readSettingsFile } from './local-settings.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { explainSecondHost } from './neighbour.ts';
import { readPidFile, removePidFile, writePidFile } from './pid-file.ts';
import { choosePort, noteHolder, readPort, removeNote } from './port.ts';
import { takeProcessLock } from './process-lock.ts';
import { watchRuns } from './run-watch.ts';
import { openStateFolder, PROJECT_ROOT, type StateFolder } from './state-folder.ts';

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

/** Runs until it is told to stop; gives the process's exit code. */
export async function startLocal(args: readonly string[]): Promise<number> {
  const refusal = refuseArguments(args);
  if (refusal !== null) {
    console.error(refusal);
    return 2;
  }
  outliveClosedOutput();
  const stop = listenForStop();
  try {
    return await Promise.race([runLocal(stop), stop.forced]);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 2;
  }
}

/** What was wrong with the arguments, or null. */
export function refuseArguments(args: readonly string[]): string | null {
  if (args.includes('--azure')) {
    return '--azure is not supported yet: the local host only runs against the simulated Azure ML. Deploy the app to measure real endpoints.';
  }
  return args.length === 0
    ? null
    : `\`start\` knows no argument "${args[0]}"; settings come from the environment.`;
}

async function runLocal(stop: StopRequest): Promise<number> {
  const folder = openStateFolder(process.env);
  const lock = takeProcessLock(folder.hostLock);
  if (lock === null) throw new Error(explainSecondHost(readPidFile(folder.hostFile), folder.path));
  try {
    return await runHost(folder, stop);
  } finally {
    lock.release();
  }
}

async function runHost(folder: StateFolder, stop: StopRequest): Promise<number> {
  const installationId = readInstallationId(folder.installationIdFile);
  const settingsFile = readSettingsFile(`${PROJECT_ROOT}/local.settings.json`);
  const httpPort = await choosePort(readPort(process.env, 'PORT', HTTP_PORT), 'PORT');
  const cloud = await adoptOrStartCloud(folder, PROJECT_ROOT, process.env);
  const wantedGpuSpeed = process.env.SIMULATOR_GPU_SPEED;
  const log = openLogFile(folder.hostLog);
  try {
    const { tablesPort, simulatorPort, gpuSpeed } = cloud;
    const addresses = { tablesPort, simulatorPort, gpuSpeed, installationId };
    Object.assign(process.env, composeSettings(process.env, settingsFile, addresses));
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
    for (const line of composeBanner({ folder, host, cloud, wantedGpuSpeed, functionKey })) console.log(line);
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
  if (alive === 0) {
    const saved = await stopCloud(folder, cloud.pid, left(STOP_BY_MS.cloud));
    console.log(
      saved ? 'Stopped.' : `Stopped; the local cloud (pid ${cloud.pid}) is saving and ends by itself.`,
    );
    return;
  }
  const reason =
    alive === null ? 'Whether a run is alive could not be told' : `Runs that are alive: ${alive}`;
  console.log(`${reason}. The local cloud stays (pid ${cloud.pid}), and the next \`npm start\` resumes.`);
  console.log(`\`kill ${cloud.pid}\` ends it; by itself it ends after ten minutes without a host.`);
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
      COMPARISON_STATES.filter((state) => !isComparisonOver(state)).map((state) =>
        client.listComparisons({ state, limit: 200 }, STOP_BY_MS.ask),
      ),
    );
    const aliveRuns = runs.reduce((sum, page) => sum + page.runs.length, 0);
    return aliveRuns || comparisons.reduce((sum, page) => sum + page.comparisons.length, 0);
  } catch {
    return null;
  }
}

interface BannerFacts {
  readonly folder: StateFolder;
  readonly host: RunningHost;
  readonly cloud: RunningCloud;
  readonly wantedGpuSpeed: string | undefined;
  readonly functionKey: string | null;
}

function composeBanner({ folder, host, cloud, wantedGpuSpeed, functionKey }: BannerFacts): string[] {
  const key = functionKey === null ? '' : ` -H 'x-functions-key: <key>'`;
  const otherSpeed = wantedGpuSpeed !== undefined && Number(wantedGpuSpeed) !== cloud.gpuSpeed;
  return [
    '',
    `foundry-bench is up. Azure ML is simulated: nothing is rented, nothing is billed, and no number is Azure's.`,
    '',
    `  Page        ${host.baseUrl}/`,
    `  Simulator   http://127.0.0.1:${cloud.simulatorPort}/simulator/books${cloud.adopted ? '  (it ran already and is resumed)' : ''}`,
    ...(cloud.gpuSpeed === 1 ? [] : [`  GPU speed   ${cloud.gpuSpeed} x: times are not those of a real GPU`]),
    ...(otherSpeed
      ? [`              (not the ${wantedGpuSpeed} x asked for: the cloud that runs keeps its own)`]
      : []),
    `  State       ${relative(process.cwd(), folder.path) || folder.path}`,
    '',
    '  Start a run:',
    `    curl -s ${host.baseUrl}/api/runs${key} -H 'content-type: application/json' \\`,
    `      -d '{"model":{"name":"Phi-4","version":"7"},"target":{"kind":"managed","sku":"Standard_NC24ads_A100_v4"}}'`,
    '',
    '  Ctrl-C stops it.',
    '',
  ];
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
