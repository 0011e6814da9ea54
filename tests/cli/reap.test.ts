/** `reap` against a server that speaks the app's contract: what it ends, how long it waits, and when it fails. */
import { afterEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../../src/cli/api-client.ts';
import { reapEndpoints } from '../../src/cli/commands/reap.ts';
import { type FakeApp, type FakeAppOptions, RUN, startFakeApp } from './fake-app.ts';

let app: FakeApp | null = null;

afterEach(async () => {
  await app?.close();
  app = null;
});

const LEAKED = {
  name: 'fb-leaked',
  workspace: 'default',
  runId: null,
  sku: null,
  instances: null,
  createdAt: null,
  expiresAt: null,
  provisioningState: 'Succeeded',
  keptUntil: null,
  costUsd: 12.5,
  leaked: true,
  releaseError: null,
};
const IN_USE = { ...LEAKED, name: 'fb-in-use', runId: RUN.id, leaked: false };
const KEPT = { ...IN_USE, name: 'fb-kept' };

interface Cloud {
  /** What each further `GET /api/endpoints` lists; the last stays. */
  readonly lists: (typeof LEAKED | typeof IN_USE)[][];
  readonly troubles?: string[];
  readonly deletion?: { status: number; body: unknown };
  /** States of the one run, one per list of runs. */
  readonly runStates?: string[];
  /** Ids of queued runs, a list of them per page. */
  readonly queuedPages?: string[][];
  /** How long to wait for the end; short where it never comes. */
  readonly waitMs?: number;
}

async function reap(
  options: { all?: boolean; wait?: boolean },
  {
    lists,
    troubles = [],
    deletion = { status: 202, body: { gone: false, error: null } },
    runStates = [],
    queuedPages = [],
    waitMs = 10_000,
  }: Cloud,
) {
  let read = 0;
  let rounds = -1;
  const override: FakeAppOptions['override'] = ({ method, path }) => {
    const url = new URL(path, 'http://app');
    if (method === 'GET' && url.pathname === '/api/endpoints') {
      const endpoints = lists[Math.min(read, lists.length - 1)];
      read += 1;
      return { status: 200, body: { endpoints, troubles } };
    }
    if (method === 'DELETE' && url.pathname.endsWith(IN_USE.name))
      return { status: 409, body: { title: 'In use', detail: 'A run is using it.' } };
    if (method === 'DELETE')
      return deletion.status === 202
        ? { status: 202, body: { name: url.pathname.split('/').at(-1), ...(deletion.body as object) } }
        : deletion;
    if (method === 'GET' && url.pathname === '/api/comparisons')
      return { status: 200, body: { comparisons: [], continuation: null } };
    if (method === 'GET' && url.pathname === '/api/runs' && queuedPages.length > 0) {
      const page = Number(url.searchParams.get('continuation') ?? 0);
      const ids = url.searchParams.get('state') === 'queued' ? (queuedPages[page] ?? []) : [];
      const more = ids.length > 0 && page + 1 < queuedPages.length;
      return {
        status: 200,
        body: { runs: ids.map((id) => ({ id })), continuation: more ? `${page + 1}` : null },
      };
    }
    if (method === 'GET' && url.pathname === '/api/runs') {
      if (url.searchParams.get('state') === 'queued') rounds += 1;
      const state = runStates[Math.min(rounds, runStates.length - 1)];
      const runs = state !== undefined && state === url.searchParams.get('state') ? [{ id: RUN.id }] : [];
      return { status: 200, body: { runs, continuation: null } };
    }
    return null;
  };
  app = await startFakeApp({ override });
  const [stdout, stderr] = [screen(), screen()];
  const code = await reapEndpoints(
    {
      client: new ApiClient(app.url, null),
      terminal: { stdin: process.stdin, stdout, stderr, env: {} },
      json: false,
    },
    options,
    { waitMs, pollMs: 10 },
  );
  const calls = app.calls.map(({ method, path }) => `${method} ${path}`);
  return {
    code,
    stdout: stdout.text(),
    stderr: stderr.text(),
    changes: [...new Set(calls.filter((call) => !call.startsWith('GET')))],
  };
}

function screen() {
  let text = '';
  return {
    write: (piece: string) => {
      text += piece;
    },
    text: () => text,
  };
}

describe('reap', () => {
  it('deletes what was left behind, and nothing that a run is using', async () => {
    const { code, changes } = await reap({}, { lists: [[LEAKED, IN_USE]], runStates: ['measuring'] });
    expect([code, changes]).toEqual([0, ['DELETE /api/endpoints/fb-leaked']]);
  });

  it('waits until nothing is left, and then ends well', async () => {
    const { code, stdout } = await reap({ wait: true }, { lists: [[LEAKED], [LEAKED], []] });
    expect(code).toBe(0);
    expect(stdout).toContain('nothing of this installation is alive');
  });

  it('fails where an endpoint is left after the wait, and shows it with its cost', async () => {
    const { code, stdout } = await reap({ wait: true }, { lists: [[LEAKED]], waitMs: 200 });
    expect(code).toBe(1);
    expect(stdout).toMatch(/fb-leaked .*\$12\.50.*leaked/);
  });

  it('fails at once where a deletion is refused and nobody waits', async () => {
    const { code, stderr } = await reap(
      {},
      { lists: [[LEAKED]], deletion: { status: 202, body: { gone: false, error: 'Forbidden.' } } },
    );
    expect(code).toBe(1);
    expect(stderr).toContain('could not be deleted: Forbidden.');
  });

  it('fails where a workspace could not be looked at, though nothing is listed', async () => {
    const { code, stdout } = await reap(
      { wait: true },
      { lists: [[]], troubles: ['The workspace far was not looked at.'], waitMs: 200 },
    );
    expect(code).toBe(1);
    expect(stdout).toContain('The workspace far was not looked at.');
    expect(stdout).not.toContain('nothing of this installation is alive');
  });

  it('with --all cancels the runs that are alive, once each, and waits for their endpoints', async () => {
    const { code, changes } = await reap(
      { all: true, wait: true },
      { lists: [[IN_USE], [IN_USE], []], runStates: ['measuring', 'releasing', 'completed'] },
    );
    expect(code).toBe(0);
    expect(changes).toEqual([`POST /api/runs/${RUN.id}/cancel`, 'DELETE /api/endpoints/fb-in-use']);
  });

  it('with --all cancels the runs of every page, waiting or not', async () => {
    const { code, changes } = await reap(
      { all: true },
      { lists: [[]], queuedPages: [['r1', 'r2'], ['r3'], ['r4']] },
    );
    expect(code).toBe(0);
    expect(changes).toEqual(['r1', 'r2', 'r3', 'r4'].map((id) => `POST /api/runs/${id}/cancel`));
  });

  it('with --all deletes what a run has left for others, and without it does not', async () => {
    const { code, changes } = await reap({ all: true, wait: true }, { lists: [[KEPT], []] });
    expect([code, changes]).toEqual([0, ['DELETE /api/endpoints/fb-kept']]);
    await app?.close();
    expect((await reap({ wait: true }, { lists: [[KEPT]] })).changes).toEqual([]);
  });

  it('with --all fails where a run does not end, though no endpoint is listed', async () => {
    const { code, stdout } = await reap(
      { all: true, wait: true },
      { lists: [[]], runStates: ['queued'], waitMs: 200 },
    );
    expect(code).toBe(1);
    expect(stdout).toContain('still alive: 1');
  });

  it('takes an endpoint that went by itself for gone', async () => {
    const { code } = await reap(
      {},
      { lists: [[LEAKED]], deletion: { status: 404, body: { title: 'Not found' } } },
    );
    expect(code).toBe(0);
  });
});
