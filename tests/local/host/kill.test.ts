import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, fixtureDirectory } from './app-host.ts';

const KILLS = 6;
const IDS = ['one', 'two', 'three'];

let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-kill-'));
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Child {
  readonly process: ChildProcess;
  readonly baseUrl: string;
}

async function startChild(): Promise<Child> {
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('./fixtures/run-host.ts', import.meta.url)),
      fixtureDirectory('kill-app'),
      join(folder, 'history.db'),
    ],
    { env: { ...process.env, EFFECTS_FILE: join(folder, 'effects') }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  children.push(child);
  let error = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    error += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) =>
      resolve({ process: child, ...JSON.parse(chunk.toString()) }),
    );
    child.once('exit', () => reject(new Error(error)));
  });
}

function kill(child: Child): Promise<void> {
  return new Promise((resolve) => {
    child.process.once('exit', () => resolve());
    child.process.kill('SIGKILL');
  });
}

test('orchestrations end with the same result however often the host is killed, and each effect has happened', async () => {
  let child = await startChild();
  for (const id of IDS) {
    await fetch(`${child.baseUrl}/api/start`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id }),
    });
  }
  for (let kills = 0; kills < KILLS; kills += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 100));
    await kill(child);
    child = await startChild();
  }

  const { baseUrl } = child;
  const ended = await eventually(async () => {
    const all = (await (await fetch(`${baseUrl}/api/status`)).json()) as {
      instanceId: string;
      name: string;
      runtimeStatus: string;
      output: unknown;
    }[];
    const steps = all.filter(({ name }) => name === 'steps');
    return steps.every(({ runtimeStatus }) => runtimeStatus === 'Completed') && all;
  });

  const steps = [0, 100, 200].flatMap((round) => [0, 1, 2, 3, 4, 5, 6, 7].map((step) => round + step));
  const total = steps.reduce((sum, step) => sum + step * 10, 0);
  for (const id of IDS)
    expect(ended.find(({ instanceId }) => instanceId === id)).toMatchObject({ output: total });
  expect(
    ended.filter(({ name }) => name === 'child').every(({ runtimeStatus }) => runtimeStatus === 'Completed'),
  ).toBe(true);

  const effects = new Set(readFileSync(join(folder, 'effects'), 'utf8').trim().split('\n'));
  expect(effects).toEqual(new Set(IDS.flatMap((id) => steps.map((step) => `${id} ${step}`))));
});

test('a second host on the same history is refused, naming the first, until that one is dead', async () => {
  const first = await startChild();
  await expect(startChild()).rejects.toThrow(`another host with pid ${first.process.pid}`);
  await kill(first);
  const second = await startChild();
  expect((await fetch(`${second.baseUrl}/api/status`)).status).toBe(200);
});
