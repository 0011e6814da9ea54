/**
 * The second app: the same package under FOUNDRY_BENCH_ROLE=watchdog, as a process of its own that has nothing but ARM.
 * With the main host killed for good it empties the workspace, and touches nobody else's endpoints.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { readWatchdogConfig } from '../../src/config.ts';
import { LEASE_TAGS, leaseTags } from '../../src/core/renting/lease.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { type Installation, openInstallation, smallSpec } from '../support/installation.ts';

const WORKSPACE =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local';
const WORKSPACES = JSON.stringify({
  default: {
    subscriptionId: '00000000-0000-0000-0000-000000000000',
    resourceGroup: 'local',
    workspace: 'local',
  },
});
const HOUR_MS = 3_600_000;

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Watchdog {
  readonly functions: readonly { readonly name: string; readonly kind: string }[];
  readonly loadsDurable: boolean;
  readonly log: readonly { readonly level: string; readonly message: string }[];
}

/** Starts the second app; `aheadMs` moves its clock, as if that much time had passed since the main host died. */
async function startWatchdog(env: Record<string, string>, aheadMs = 0): Promise<Watchdog> {
  const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-watchdog-'));
  const shifted = `data:text/javascript,const now=Date.now;Date.now=()=>now()+${aheadMs};`;
  const child = spawn(
    process.execPath,
    ['--import', shifted, fileURLToPath(new URL('./fixtures/watchdog-host.ts', import.meta.url))],
    {
      env: {
        PATH: process.env.PATH,
        FOUNDRY_BENCH_ROLE: 'watchdog',
        REAP_SCHEDULE: '* * * * * *',
        WORKSPACES,
        TEST_HISTORY_FILE: path.join(folder, 'history.db'),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  closers.push(async () => {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  });
  const log: { level: string; message: string }[] = [];
  let started: Omit<Watchdog, 'log'> | null = null;
  let errors = '';
  let rest = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.map((one) => JSON.parse(one))) {
      if (line.functions === undefined) log.push(line);
      else started = line;
    }
  });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`The watchdog ended with ${child.exitCode}:\n${errors}`);
    return started !== null;
  });
  return { ...(started as unknown as Omit<Watchdog, 'log'>), log };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(late);
}

/** Repeats until the condition holds, at most 400 times. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await condition()) return;
    await delay(100);
  }
  throw new Error('The condition did not come true within 400 tries.');
}

async function putEndpoint(url: string, name: string, tags: Record<string, string>): Promise<void> {
  const answer = await fetch(`${url}${WORKSPACE}/onlineEndpoints/${name}?api-version=2024-04-01`, {
    method: 'PUT',
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    body: JSON.stringify({ location: 'eastus2', tags, properties: { authMode: 'Key' } }),
  });
  if (!answer.ok) throw new Error(`PUT answered ${answer.status}.`);
}

async function readAlive(url: string): Promise<string[]> {
  const { endpoints } = (await (await fetch(`${url}/simulator/books`)).json()) as {
    endpoints: { name: string; deletedAt: string | null }[];
  };
  return endpoints.flatMap(({ name, deletedAt }) => (deletedAt === null ? [name] : [])).sort();
}

const tagsOf = (owner: string, expiresInMs: number) =>
  leaseTags({ owner, runId: 'r-of-nobody', expiresAtMs: Date.now() + expiresInMs });

/** What no reaper of ours may ever touch, though all of it is long past its tag. */
const OTHERS: Readonly<Record<string, Record<string, string>>> = {
  'second-installation': tagsOf('other', -HOUR_MS),
  'tool-tag-only': { [LEASE_TAGS.tool]: 'foundry-bench', [LEASE_TAGS.expires]: '2020-01-01T00:00:00Z' },
  'owner-tag-only': { [LEASE_TAGS.owner]: 'test', [LEASE_TAGS.expires]: '2020-01-01T00:00:00Z' },
  'without-tags': {},
};

describe('the watchdog', () => {
  it('is one timer, without durable-functions, tables or an address, and deletes by the tags what is past its time', async () => {
    const simulator: Simulator = await startSimulator({ port: 0, speed: 20, gpuSpeed: 20, seed: 3 });
    closers.push(() => simulator.stop());
    for (const [name, tags] of Object.entries(OTHERS)) await putEndpoint(simulator.baseUrl, name, tags);
    await putEndpoint(simulator.baseUrl, 'ours-later', tagsOf('test', HOUR_MS));
    await putEndpoint(simulator.baseUrl, 'ours-expired', tagsOf('test', -1_000));

    const watchdog = await startWatchdog({ INSTALLATION_ID: 'test', ARM_ENDPOINT: simulator.baseUrl });
    expect(watchdog).toMatchObject({ functions: [{ name: 'watchdog', kind: 'timer' }], loadsDurable: false });
    await until(async () => !(await readAlive(simulator.baseUrl)).includes('ours-expired'));
    // Two more passes, which must find nothing.
    const passes = () => watchdog.log.filter(({ message }) => /found nothing to delete/.test(message)).length;
    await until(async () => passes() >= 2);
    expect(await readAlive(simulator.baseUrl)).toEqual([...Object.keys(OTHERS), 'ours-later'].sort());
    expect(watchdog.log.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual(
      expect.arrayContaining([expect.stringMatching(/ours-expired.*being deleted.*its time ended at/)]),
    );
  }, 60_000);

  it('empties the workspace alone once the main host is killed for good, but for what another installation owns', async () => {
    const installation: Installation = await openInstallation();
    closers.push(() => installation.close());
    const { id } = (await installation.post('/api/runs', smallSpec())).json;
    await installation.watch(
      id,
      (run) => run.endpoint?.provisioningState.startsWith('deployment') === true,
      60,
    );
    await installation.killHost();
    const { simulatorUrl } = installation;
    for (const [name, tags] of Object.entries(OTHERS)) await putEndpoint(simulatorUrl, name, tags);
    expect(await readAlive(simulatorUrl)).toHaveLength(Object.keys(OTHERS).length + 1);

    const owner = readFileSync(path.join(installation.state, 'installation-id'), 'utf8').trim();
    const settings = { INSTALLATION_ID: owner, ARM_ENDPOINT: simulatorUrl };
    const early = await startWatchdog(settings);
    await until(async () => early.log.some(({ message }) => /found nothing to delete/.test(message)));
    expect(await readAlive(simulatorUrl)).toHaveLength(Object.keys(OTHERS).length + 1);

    await startWatchdog(settings, 30 * HOUR_MS);
    await until(async () => (await readAlive(simulatorUrl)).length === Object.keys(OTHERS).length);
    expect(await readAlive(simulatorUrl)).toEqual(Object.keys(OTHERS).sort());
  }, 120_000);

  it('does not start in a role that there is not, as the app that it would watch', async () => {
    const started = startWatchdog({ INSTALLATION_ID: 'test', FOUNDRY_BENCH_ROLE: 'watchdogs' });
    await expect(started).rejects.toThrow(/FOUNDRY_BENCH_ROLE must be app or watchdog/);
  });

  it.each([
    ['an owner', { INSTALLATION_ID: '' }, /INSTALLATION_ID must name/],
    ['a workspace', { WORKSPACES: '' }, /watch nothing/],
    ['a schedule that is one', { REAP_SCHEDULE: 'often' }, /REAP_SCHEDULE/],
  ])('wants %s', (_, env, sentence) => {
    const settings = { INSTALLATION_ID: 'test', WORKSPACES };
    expect(readWatchdogConfig(settings)).toMatchObject({ owner: 'test', reapSchedule: '0 */5 * * * *' });
    expect(() => readWatchdogConfig({ ...settings, ...env })).toThrow(sentence);
  });
});
