import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adoptOrStartCloud, type RunningCloud, stopCloud } from '../../../src/local/cloud/launch.ts';
import { readPidFile } from '../../../src/local/pid-file.ts';
import { isProcessLocked, takeProcessLock } from '../../../src/local/process-lock.ts';
import { layOutStateFolder, PROJECT_ROOT, type StateFolder } from '../../../src/local/state-folder.ts';
import { openAzuriteTable } from '../../support/azurite.ts';

/** A cloud starts in one second, and in many on a busy machine. */
const PATIENCE_MS = 30_000;

let folder: StateFolder;
const folders: StateFolder[] = [];

function newFolder(): StateFolder {
  const made = layOutStateFolder(mkdtempSync(path.join(tmpdir(), 'foundry-bench-cloud-')));
  folders.push(made);
  return made;
}

beforeEach(() => {
  folder = newFolder();
});

afterEach(async () => {
  for (const one of folders.splice(0)) {
    const pid = readPidFile(one.cloudFile)?.pid;
    if (pid !== undefined && isProcessLocked(one.cloudLock)) await stopCloud(one, pid, PATIENCE_MS);
    rmSync(one.path, { recursive: true, force: true });
  }
});

const open = (env: Record<string, string> = {}, at = folder, root = PROJECT_ROOT): Promise<RunningCloud> =>
  adoptOrStartCloud(at, root, { ...process.env, SIMULATOR_PORT: '0', ...env });

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const endMs = Date.now() + PATIENCE_MS; !holds(); ) {
    if (Date.now() > endMs) throw new Error(`${what} did not happen.`);
    await wait(50);
  }
}

const readBooks = async ({ simulator }: RunningCloud) =>
  (await (await fetch(`http://127.0.0.1:${simulator?.port}/simulator/books`)).json()) as {
    gpuSpeed: number;
    endpoints: { name: string }[];
  };

const openTable = ({ tablesPort }: RunningCloud) =>
  openAzuriteTable(`http://127.0.0.1:${tablesPort}`, 'rows');

async function createEndpoint({ simulator }: RunningCloud, name: string): Promise<void> {
  const workspace =
    '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local';
  const answer = await fetch(
    `http://127.0.0.1:${simulator?.port}${workspace}/onlineEndpoints/${name}?api-version=2024-10-01`,
    {
      method: 'PUT',
      headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
      body: JSON.stringify({
        location: 'eastus2',
        identity: { type: 'SystemAssigned' },
        properties: { authMode: 'Key' },
      }),
    },
  );
  expect(answer.status).toBe(201);
}

describe('the local cloud', () => {
  it('starts once: the next host adopts it, with its GPU speed', async () => {
    const started = await open({ SIMULATOR_GPU_SPEED: '20' });
    const adopted = await open({ SIMULATOR_GPU_SPEED: '1' });
    expect(started.adopted).toBe(false);
    expect(adopted).toEqual({ ...started, adopted: true });
    expect(adopted.simulator?.gpuSpeed).toBe(20);
    expect((await readBooks(adopted)).gpuSpeed).toBe(20);
    expect(readPidFile(folder.cloudFile)).toMatchObject({
      pid: started.pid,
      root: PROJECT_ROOT,
      ports: { tables: started.tablesPort, simulator: started.simulator?.port },
    });
  });

  it('survives a kill -9 of the host that started it, and of the whole group that the terminal knows', async () => {
    const host = spawn(process.execPath, [fileURLToPath(new URL('./lone-host.ts', import.meta.url))], {
      env: { ...process.env, FOUNDRY_BENCH_STATE: folder.path, SIMULATOR_PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const [line] = await once(host.stdout, 'data');
    process.kill(-(host.pid as number), 'SIGKILL');
    await once(host, 'exit');
    expect(isProcessLocked(folder.hostLock)).toBe(false);
    const adopted = await open();
    expect(adopted).toMatchObject({ adopted: true, pid: Number(line) });
    expect((await readBooks(adopted)).endpoints).toEqual([]);
  });

  it('keeps rows and books over a stop and a start', async () => {
    const first = await open();
    await openTable(first).createTable();
    await openTable(first).createEntity({ partitionKey: 'p', rowKey: 'r', value: 7 });
    await createEndpoint(first, 'fb-kept');
    expect(await stopCloud(folder, first.pid, PATIENCE_MS)).toBe(true);
    expect(existsSync(folder.cloudFile)).toBe(false);

    const second = await open();
    expect(second.pid).not.toBe(first.pid);
    expect(await openTable(second).getEntity('p', 'r')).toMatchObject({ value: 7 });
    expect((await readBooks(second)).endpoints.map(({ name }) => name)).toEqual(['fb-kept']);
  });

  it('ends by itself when no host has lived for its idle time, and not before', async () => {
    const host = takeProcessLock(folder.hostLock);
    await open({ CLOUD_IDLE_SECONDS: '0.5' });
    await wait(2_000);
    expect(isProcessLocked(folder.cloudLock)).toBe(true);
    host?.release();
    await until('the end of the cloud', () => !isProcessLocked(folder.cloudLock));
    expect(existsSync(folder.cloudFile)).toBe(false);
    expect(readFileSync(folder.cloudLog, 'utf8')).toContain('No host has lived for 0.5 s');
  });

  it('of another project folder is refused, naming its pid and folder', async () => {
    const { pid } = await open();
    await expect(open({}, folder, '/another/project')).rejects.toThrow(
      `belongs to ${PROJECT_ROOT} (pid ${pid}); end it with \`kill ${pid}\``,
    );
  });

  it('that cannot have its port says who holds it, and the start fails with the end of its log', async () => {
    const { pid, simulator } = await open();
    const other = newFolder();
    await expect(open({ SIMULATOR_PORT: String(simulator?.port) }, other)).rejects.toThrow(
      `Port ${simulator?.port} is held by the local cloud of ${PROJECT_ROOT} (pid ${pid}); name another with SIMULATOR_PORT`,
    );
    expect(isProcessLocked(other.cloudLock)).toBe(false);
  });

  it('holds no simulator where Azure ML is the real one, and is never taken for a cloud that does', async () => {
    const openTablesOnly = () => adoptOrStartCloud(folder, PROJECT_ROOT, process.env, 'tables-only');
    const started = await openTablesOnly();
    expect(started.simulator).toBeNull();
    expect(readPidFile(folder.cloudFile)?.ports).toEqual({ tables: started.tablesPort });
    expect(readFileSync(folder.cloudLog, 'utf8')).toContain('no simulator');
    expect(existsSync(folder.simulatorFile)).toBe(false);
    await openTable(started).createTable();
    expect(await openTablesOnly()).toEqual({ ...started, adopted: true });
    await expect(open()).rejects.toThrow(`(pid ${started.pid}) in this state folder holds no simulator`);
  });

  it('takes no notice of what a killed one left behind', async () => {
    const first = await open();
    process.kill(first.pid, 'SIGKILL');
    await until('the end of the cloud', () => !isProcessLocked(folder.cloudLock));
    expect(readPidFile(folder.cloudFile)?.pid).toBe(first.pid);
    expect(await open()).toMatchObject({ adopted: false });
  });
});
