/**
 * A whole installation as `npm start` makes it: the host process and the detached cloud process, on free ports, in a
 * state folder of their own under the machine's temporary folder. Everything is stopped by its pid.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';

const ROOT = path.join(import.meta.dirname, '..', '..');
const START_SECONDS = 40;

export interface Installation {
  readonly state: string;
  readonly url: string;
  readonly simulatorUrl: string;
  /** Everything the host has printed. */
  readonly output: () => string;
  readonly hostPid: () => number;
  get(path: string): Promise<JsonAnswer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<JsonAnswer>;
  put(path: string, body?: unknown, headers?: Record<string, string>): Promise<JsonAnswer>;
  books(): Promise<Books>;
  /** Polls a run until the condition holds, noting each state on the way. */
  watch(
    id: string,
    until: (run: RunJson) => boolean,
    seconds: number,
  ): Promise<{ run: RunJson; states: string[] }>;
  killHost(): Promise<void>;
  startHost(): Promise<void>;
  stopHost(): Promise<void>;
  /** Stops host and cloud and removes the state folder. */
  close(): Promise<void>;
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests assert on the shape.
  readonly json: any;
}

// biome-ignore lint/suspicious/noExplicitAny: the tests assert on the shape.
export type RunJson = any;

export interface Books {
  readonly endpoints: readonly {
    readonly name: string;
    readonly sku: string;
    readonly instances: number;
    readonly createdAt: string;
    readonly deletedAt: string | null;
    readonly gpuSeconds: number;
    readonly requestsAdmitted: number;
    readonly requestsRejected: number;
  }[];
}

/** With `azure` as `npm start -- --azure`: what `env.ARM_ENDPOINT` names stands for Azure, and there is no simulator. */
export async function openInstallation(
  env: Record<string, string> = {},
  { azure = false } = {},
): Promise<Installation> {
  const base = mkdtempSync(path.join(tmpdir(), 'foundry-bench-system-'));
  const state = azure ? path.join(base, 'azure') : base;
  let host: ChildProcess | null = null;
  let output = '';

  const readPorts = (file: string): Record<string, number> =>
    (JSON.parse(readFileSync(path.join(state, file), 'utf8')) as { ports: Record<string, number> }).ports;
  const url = () => `http://127.0.0.1:${readPorts('host.json').http}`;
  const simulatorUrl = () =>
    azure ? (env.ARM_ENDPOINT ?? '') : `http://127.0.0.1:${readPorts('cloud.json').simulator}`;

  const call = async (
    method: string,
    address: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<JsonAnswer> => {
    const answer = await request(address, {
      method: method as 'GET',
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      headersTimeout: 30_000,
      bodyTimeout: 30_000,
    });
    const text = await answer.body.text();
    let json: unknown = null;
    try {
      json = JSON.parse(text);
    } catch {
      // Not every answer is JSON.
    }
    return { status: answer.statusCode, headers: answer.headers, text, json };
  };

  const startHost = async () => {
    rmSync(path.join(state, 'host.json'), { force: true });
    const args = azure ? ['--azure', '--i-will-reap'] : [];
    const child = spawn(process.execPath, [path.join(ROOT, 'dist/local/main.js'), ...args], {
      cwd: ROOT,
      env: {
        ...process.env,
        PORT: '0',
        SIMULATOR_PORT: '0',
        SIMULATOR_SPEED: '8',
        SIMULATOR_GPU_SPEED: '10',
        SIMULATOR_SEED: '7',
        ...env,
        FOUNDRY_BENCH_STATE: base,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    host = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    for (let waited = 0; ; waited += 0.1) {
      if (child.exitCode !== null) throw new Error(`The host ended with ${child.exitCode}:\n${output}`);
      if (existsSync(path.join(state, 'host.json'))) {
        const health = await call('GET', `${url()}/api/health`).catch(() => null);
        if (health?.status === 200) return;
      }
      if (waited > START_SECONDS)
        throw new Error(`The host did not start within ${START_SECONDS} s:\n${output}`);
      await delay(100);
    }
  };

  const exited = (child: ChildProcess) =>
    child.exitCode !== null || child.signalCode !== null
      ? Promise.resolve()
      : new Promise<void>((resolve) => child.once('exit', () => resolve()));

  const signalHost = async (signal: NodeJS.Signals) => {
    if (host === null) return;
    host.kill(signal);
    const late = setTimeout(() => host?.kill('SIGKILL'), 15_000);
    await exited(host);
    clearTimeout(late);
    host = null;
  };

  await startHost();
  return {
    state,
    get url() {
      return url();
    },
    get simulatorUrl() {
      return simulatorUrl();
    },
    output: () => output,
    hostPid: () => (JSON.parse(readFileSync(path.join(state, 'host.json'), 'utf8')) as { pid: number }).pid,
    get: (address) => call('GET', address.startsWith('http') ? address : `${url()}${address}`),
    post: (address, body, headers) => call('POST', `${url()}${address}`, body, headers),
    put: (address, body, headers) => call('PUT', `${url()}${address}`, body, headers),
    books: async () => (await call('GET', `${simulatorUrl()}/simulator/books`)).json as Books,
    watch: async (id, until, seconds) => {
      const states: string[] = [];
      for (const end = Date.now() + seconds * 1_000; ; ) {
        const { json: run } = await call('GET', `${url()}/api/runs/${id}`);
        if (states.at(-1) !== run.state) states.push(run.state);
        if (until(run)) return { run, states };
        if (Date.now() > end)
          throw new Error(
            `After ${seconds} s the run is ${JSON.stringify(run, null, 1)}\nHost output:\n${output}`,
          );
        await delay(100);
      }
    },
    killHost: () => signalHost('SIGKILL'),
    startHost,
    stopHost: () => signalHost('SIGTERM'),
    close: async () => {
      await signalHost('SIGTERM');
      stopCloud(state);
      for (let waited = 0; waited < 100 && existsSync(path.join(state, 'cloud.json')); waited += 1)
        await delay(100);
      rmSync(base, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function stopCloud(state: string): void {
  const file = path.join(state, 'cloud.json');
  if (!existsSync(file)) return;
  try {
    process.kill((JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid, 'SIGTERM');
  } catch {
    // It ended by itself between our look and our signal.
  }
}

/** A small run that takes a few seconds against the simulator. */
export function smallSpec(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    model: { name: 'Phi-4', version: '7' },
    target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
    workloads: [
      { promptTokens: 64, outputTokens: 16 },
      { promptTokens: 128, outputTokens: 32 },
    ],
    concurrency: { levels: [1, 2, 4] },
    measure: { mode: 'steady', repeats: 1, minRequests: 4, maxSeconds: 10 },
    ...changes,
  };
}
