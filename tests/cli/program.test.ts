import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { aSpecBody } from '../support/builders.ts';
import { type FakeApp, type FakeAppOptions, RUN, startFakeApp } from './fake-app.ts';
import { runCommand } from './run-command.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-cli-'));
const specFile = path.join(folder, 'spec.json');
writeFileSync(specFile, JSON.stringify(aSpecBody()));
afterAll(() => rmSync(folder, { recursive: true }));

let app: FakeApp | null = null;
async function openApp(options: FakeAppOptions = {}): Promise<FakeApp> {
  app = await startFakeApp(options);
  return app;
}
afterEach(async () => {
  await app?.close();
  app = null;
});

const FAULTS = {
  status: 400,
  body: {
    title: 'The spec has faults',
    status: 400,
    detail: 'The spec has 2 faults.',
    faults: [
      { path: 'target.sku', message: 'Standard_X does not exist; use \u001b[31mStandard_Y\u0007.' },
      { path: 'workloads[3].promptTokens', message: 'must be from 1 to 1048576' },
    ],
  },
};

describe('plan', () => {
  it('shows every cell, the bounds of time and money, and the price', async () => {
    const { code, stdout } = await runCommand(['plan', '-f', specFile], { app: await openApp() });
    expect(code).toBe(0);
    expect(stdout.match(/^c\d+-p512-o128/gm)).toHaveLength(4);
    expect(stdout).toContain('12 measurements');
    expect(stdout).toMatch(/At most \d+ minutes and \$\d+\.\d\d\./);
    expect(stdout).toContain('$3.67 an hour');
  });

  it('reads the spec from standard input and sends it as it is', async () => {
    const { calls } = await openApp();
    const body = aSpecBody({ seed: 7 });
    const { code } = await runCommand(['plan', '-f', '-'], {
      app: app as FakeApp,
      stdin: JSON.stringify(body),
    });
    expect(code).toBe(0);
    expect(JSON.parse(calls[0]?.body ?? '')).toEqual(body);
    expect(calls[0]?.headers['content-type']).toBe('application/json');
  });

  it('prints every fault with its path, without control characters, and ends with 2', async () => {
    const { code, stdout, stderr } = await runCommand(['plan', '-f', specFile], {
      app: await openApp({ override: () => FAULTS }),
    });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toBe(
      'The spec has 2 faults.\n' +
        '  target.sku: Standard_X does not exist; use Standard_Y.\n' +
        '  workloads[3].promptTokens: must be from 1 to 1048576\n',
    );
  });

  it.each([
    [
      'a file that is not there',
      ['plan', '-f', path.join(folder, 'none.json')],
      '',
      'cannot be read (ENOENT)',
    ],
    ['input that is not JSON', ['plan', '-f', '-'], '{"model":', 'standard input is not JSON'],
    ['no file at all', ['plan'], '', "required option '-f, --file <path>' not specified"],
  ])('refuses %s with 2 and asks the app nothing', async (_, args, stdin, told) => {
    const { calls } = await openApp();
    const { code, stderr } = await runCommand(args, { app: app as FakeApp, stdin });
    expect(code).toBe(2);
    expect(stderr).toContain(told);
    expect(calls).toEqual([]);
  });
});

describe('run', () => {
  it('starts a run and says how to follow it', async () => {
    const { calls } = await openApp({ states: ['queued'] });
    const { code, stdout } = await runCommand(['run', '-f', specFile, '--idempotency-key', 'k1'], {
      app: app as FakeApp,
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`Run ${RUN.id} is queued.`);
    expect(stdout).toContain(`npx foundry-bench watch ${RUN.id}`);
    expect(calls.map((call) => call.headers['idempotency-key'])).toEqual(['k1']);
  });

  it('with --watch tells each stage once in order, then the results, and ends with 0', async () => {
    await openApp({ states: ['provisioning', 'provisioning', 'measuring', 'releasing', 'completed'] });
    const { code, stdout, stderr } = await runCommand(['run', '-f', specFile, '--watch'], {
      app: app as FakeApp,
    });
    expect(code).toBe(0);
    expect(stderr.match(/^ +\d+:\d\d {2}\w+/gm)?.map((line) => line.trim().split(/\s+/)[1])).toEqual([
      'provisioning',
      'measuring',
      'releasing',
      'completed',
    ]);
    expect(stdout).toContain('Best throughput');
    expect(stdout).toContain('Cost: $');
    expect(stderr).not.toContain('\u001b');
  });

  it('draws one progress line over and over on a terminal, never wider than it', async () => {
    await openApp({ states: ['measuring', 'measuring', 'completed'] });
    const { stderr } = await runCommand(['run', '-f', specFile, '--watch'], {
      app: app as FakeApp,
      terminalWidth: 60,
    });
    const drawn = stderr.match(/(?<=\u001b\[2K) {7}[^\n\r]*/g) ?? [];
    expect(drawn.some((line) => line.includes('3/12'))).toBe(true);
    expect(Math.max(...drawn.map((line) => line.length))).toBeLessThan(60);
  });

  it('ends with 1 when the run fails, and shows its reason', async () => {
    await openApp({
      override: ({ method, path: called }) =>
        method === 'GET' && called === `/api/runs/${RUN.id}`
          ? {
              status: 200,
              body: { ...viewOf('failed'), failure: { code: 'deploy-failed', message: 'No quota.' } },
            }
          : null,
    });
    const { code, stderr } = await runCommand(['watch', RUN.id], { app: app as FakeApp });
    expect(code).toBe(1);
    expect(stderr).toContain('deploy-failed: No quota.');
  });

  it('follows a run through a restart of the app', async () => {
    let reads = 0;
    await openApp({
      states: ['measuring', 'completed'],
      override: ({ path: called }) => {
        if (called !== `/api/runs/${RUN.id}`) return null;
        reads += 1;
        return reads === 2 ? { status: 503, body: 'starting', type: 'text/plain' } : null;
      },
    });
    const { code } = await runCommand(['watch', RUN.id], { app: app as FakeApp });
    expect(code).toBe(0);
    expect(reads).toBe(3);
  });

  it('gives run and report as one JSON document with --json', async () => {
    await openApp({ states: ['completed'] });
    const { stdout } = await runCommand(['watch', RUN.id, '--json'], { app: app as FakeApp });
    const { run, report } = JSON.parse(stdout);
    expect(run.state).toBe('completed');
    expect(report.rows).toHaveLength(2);
  });
});

describe('results', () => {
  it('shows a table with the figures of each cell', async () => {
    const { code, stdout } = await runCommand(['results', RUN.id], { app: await openApp() });
    expect(code).toBe(0);
    const row = stdout.split('\n').find((line) => line.startsWith('c8-p512-o128'));
    expect(row?.trim().split(/\s+/)).toEqual([
      'c8-p512-o128',
      '20',
      '256',
      expect.stringMatching(/^(99|100)/),
      expect.any(String),
      expect.any(String),
      expect.any(String),
    ]);
  });

  it.each([
    ['csv', 'concurrency,prompt_size\r\n1,512\r\n'],
    ['md', '| cell |\n| --- |\n'],
  ])('passes %s on unchanged to a pipe', async (format, text) => {
    const { stdout } = await runCommand(['results', RUN.id, '--format', format], { app: await openApp() });
    expect(stdout).toBe(text);
  });

  it('writes a file in the format that its ending names', async () => {
    const file = path.join(folder, 'results.csv');
    const { code, stdout, stderr } = await runCommand(['results', RUN.id, '-o', file], {
      app: await openApp(),
    });
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain(file);
    expect(readFileSync(file, 'utf8')).toBe('concurrency,prompt_size\r\n1,512\r\n');
  });

  it.each([
    [['results', RUN.id, '-o', 'results.txt'], 'tells no format'],
    [['results', RUN.id, '--format', 'xml'], 'Allowed choices are json, csv, md, html, vllm'],
    [['results', 'nowhere'], 'There is no /api/runs/nowhere/results.'],
  ])('refuses %j with 2', async (args, told) => {
    const { code, stderr } = await runCommand(args, { app: await openApp() });
    expect(code).toBe(2);
    expect(stderr).toContain(told);
  });
});

describe('the other commands', () => {
  it('lists runs', async () => {
    const { stdout } = await runCommand(['runs', '--limit', '5', '--state', 'completed'], {
      app: await openApp(),
    });
    expect(app?.calls[0]?.path).toBe('/api/runs?limit=5&state=completed');
    expect(stdout).toMatch(
      new RegExp(`^${RUN.id} +completed +Phi-4 v7 +Standard_NC24ads_A100_v4 +12/12`, 'm'),
    );
  });

  it('lists endpoints with what leaked and why', async () => {
    const { stdout } = await runCommand(['endpoints'], {
      app: await openApp(),
      terminalWidth: 200,
      env: { NO_COLOR: '1' },
    });
    expect(stdout).toMatch(/^fb-0123456789abcdef-a1 .*\$0\.61.*leaked$/m);
    expect(stdout).toContain('fb-0123456789abcdef-a1: The delete was refused.');
  });

  it('deletes an endpoint by its name', async () => {
    const { code } = await runCommand(['endpoints', 'delete', 'fb-0123456789abcdef-a1'], {
      app: await openApp(),
    });
    expect(code).toBe(0);
    expect(app?.calls.map(({ method, path: called }) => `${method} ${called}`)).toEqual([
      'DELETE /api/endpoints/fb-0123456789abcdef-a1',
    ]);
  });

  it('cancels a run', async () => {
    const { code, stdout } = await runCommand(['cancel', RUN.id], { app: await openApp() });
    expect(code).toBe(0);
    expect(stdout).toContain('will be canceled');
    expect(app?.calls[0]?.path).toBe(`/api/runs/${RUN.id}/cancel`);
  });

  it('starts the local host and the demo, and passes --azure on', async () => {
    expect((await runCommand(['start', '--azure'])).local).toEqual(['start', '--azure']);
    expect((await runCommand(['demo'])).local).toEqual(['demo']);
  });

  it('shows examples and exit codes in its help, and ends with 0', async () => {
    const { code, stdout } = await runCommand(['--help']);
    expect(code).toBe(0);
    for (const word of [
      'plan',
      'run',
      'watch',
      'cancel',
      'results',
      'runs',
      'endpoints',
      'reap',
      'start',
      'demo',
      'Examples:',
      '130',
    ]) {
      expect(stdout).toContain(word);
    }
  });

  it.each([[['nonsense']], [['runs', '--limit', '0']], [['watch']], [['runs', '--nonsense']]])(
    'refuses %j with 2',
    async (args) => {
      const { code, stdout, stderr } = await runCommand(args);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).not.toBe('');
    },
  );
});

describe('reaching the app', () => {
  it('says what to start where nothing answers', async () => {
    const { url } = await openApp();
    await app?.close();
    const { code, stderr } = await runCommand(['runs', '--url', url]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      `Nothing answers at ${url}; start the local host with \`npx foundry-bench start\``,
    );
  });

  it('sends the key from the environment, and never in clear over a network', async () => {
    await openApp();
    await runCommand(['runs'], { app: app as FakeApp, env: { FOUNDRY_BENCH_KEY: 'k3y' } });
    expect(app?.calls[0]?.headers['x-functions-key']).toBe('k3y');
    const { code, stderr } = await runCommand(['runs', '--url', 'http://bench.example.com'], {
      env: { FOUNDRY_BENCH_KEY: 'k3y' },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('in clear');
    expect(stderr).not.toContain('k3y');
  });

  it('asks for a key where the app wants one', async () => {
    await openApp({ override: () => ({ status: 401, body: '' }) });
    const { code, stderr } = await runCommand(['runs'], { app: app as FakeApp });
    expect(code).toBe(2);
    expect(stderr).toContain('FOUNDRY_BENCH_KEY');
  });

  it('does not follow a redirect, which could carry the key away', async () => {
    const other = await startFakeApp();
    await openApp({ override: () => ({ status: 307, body: '', location: `${other.url}/api/runs` }) });
    const { code } = await runCommand(['runs'], { app: app as FakeApp });
    expect(code).toBe(2);
    expect([app?.calls.length, other.calls.length]).toEqual([1, 0]);
    await other.close();
  });

  it.each([
    ['an HTML page', { status: 200, body: '<html>', type: 'text/html' }],
    ['other JSON', { status: 200, body: { hello: 1 } }],
  ])('does not take %s for the app', async (_, answer) => {
    const { code, stderr } = await runCommand(['runs'], { app: await openApp({ override: () => answer }) });
    expect(code).toBe(2);
    expect(stderr).toContain('not as foundry-bench does');
  });

  it('refuses an address that is none', async () => {
    const { code, stderr } = await runCommand(['runs', '--url', 'ftp://x']);
    expect(code).toBe(2);
    expect(stderr).toContain('is no address');
  });
});

function viewOf(state: 'failed') {
  return {
    id: RUN.id,
    state,
    spec: RUN.spec,
    plan: RUN.plan,
    progress: { ...RUN.progress, cellsDone: 0 },
    cost: { accruedUsd: 0, boundUsd: 1 },
    endpoint: null,
  };
}
