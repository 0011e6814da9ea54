/**
 * Who may do what to an installation with a key, and where its secrets end up: nowhere. One host, one run that goes
 * well and one against a server that repeats the key it was given in every way it can.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROUTES } from '../../../src/http/routes.ts';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

const KEY = 'canary-function-key-5f1d';
const SCORING_KEY = 'canary/scoring+key=7a2c';
const OTHER_SETTING = 'canary-other-setting-91b0';
const TOKEN = 'eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOiJ0b2tlbiJ9.c2lnbmF0dXJl';
/** What the local app sends to ARM, and the well-known key of the local tables. */
const OURS = ['local-simulator-token', 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq'];
const WITH_KEY = { 'x-functions-key': KEY };

let installation: Installation;
let echo: { readonly origin: string; close(): Promise<void> };
/** Keys of the managed endpoint, as Azure gave them out while it was alive. */
let managedKeys: string[] = [];
/** Everything that was answered by anybody to anything, headers included. */
const answers: string[] = [];
let runs: string[] = [];

beforeAll(async () => {
  echo = await startEcho();
  installation = await openInstallation({
    FOUNDRY_BENCH_LOCAL_KEY: KEY,
    SCORING_KEY_CANARY: SCORING_KEY,
    WEBHOOK_SECRET_CANARY: OTHER_SETTING,
    REAP_SCHEDULE: '* * * * * *',
  });
  const managed = await start(
    smallSpec({ concurrency: { levels: [1, 2] }, workloads: [{ promptTokens: 64, outputTokens: 16 }] }),
  );
  const echoed = await start({
    target: {
      kind: 'existing',
      scoringUri: `${echo.origin}/score`,
      auth: { kind: 'setting', name: 'SCORING_KEY_CANARY' },
    },
    api: 'score',
    workloads: [{ promptTokens: 16, outputTokens: 4 }],
    concurrency: { levels: [2] },
    measure: { mode: 'steady', repeats: 1, minRequests: 4, maxSeconds: 4 },
  });
  runs = [managed, echoed];
  for (let waited = 0; waited < 1_200; waited += 1) {
    const seen = await Promise.all(runs.map((id) => ask('GET', `/api/runs/${id}`, WITH_KEY)));
    const [first] = seen.map(({ json }) => json);
    if (first.state === 'measuring' && managedKeys.length === 0)
      managedKeys = await readManagedKeys(first.endpoint.name);
    if (seen.every(({ json }) => ['completed', 'failed', 'canceled'].includes(json.state))) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}, 240_000);

afterAll(async () => {
  await installation.close();
  await echo.close();
}, 60_000);

const addressOf = (route: string) =>
  `/${route.replace('{ignored:maxlength(0)?}', '').replaceAll(/\{[^}]+\}/g, runs[0] ?? 'x')}`;
const keyed = ROUTES.filter(({ authLevel }) => authLevel !== 'anonymous');
const open = ROUTES.filter(({ authLevel }) => authLevel === 'anonymous');

describe('a call without the key', () => {
  it('is every call but the page, the contract and liveness', () => {
    expect(open.map(({ route }) => route).sort()).toEqual([
      'api/health',
      'api/openapi.json',
      '{ignored:maxlength(0)?}',
    ]);
  });

  it.each(keyed.map(({ method, route }) => [method, route] as const))(
    '%s %s is refused, as with a wrong one',
    async (method, route) => {
      const wrong: Record<string, string>[] = [
        {},
        { 'x-functions-key': '' },
        { 'x-functions-key': KEY.slice(0, -1) },
        { 'x-functions-key': `${KEY}x` },
        { 'x-functions-key': KEY.toUpperCase() },
        { 'x-functions-key': 'x'.repeat(5_000) },
        { authorization: `Bearer ${KEY}` },
        { 'x-api-key': KEY },
        { cookie: `x-functions-key=${KEY}` },
      ];
      for (const headers of wrong) {
        const answer = await ask(
          method,
          addressOf(route),
          { 'content-type': 'application/json', ...headers },
          '{}',
        );
        expect(answer.status).toBe(401);
        expect(answer.json).toMatchObject({ status: 401 });
        expect(Object.keys(answer.json).sort()).toEqual(['detail', 'status', 'title', 'type']);
      }
      for (const query of ['?code=', `?code=${KEY}x`, `?Code=${KEY}`, `?code[]=${KEY}`])
        expect(
          (await ask(method, addressOf(route) + query, { 'content-type': 'application/json' }, '{}')).status,
        ).toBe(401);
    },
  );

  it('with the right one is none: in the header and in the query', async () => {
    for (const { method, route } of keyed.filter(({ method }) => method === 'GET')) {
      expect((await ask(method, addressOf(route), WITH_KEY)).status).not.toBe(401);
      expect((await ask(method, `${addressOf(route)}?code=${KEY}`)).status).not.toBe(401);
    }
  });

  it('never gets a path that is spelled in another way past the key', async () => {
    for (const address of [
      '/API/RUNS',
      '/api//runs',
      '/api/runs/',
      '/./api/runs',
      '/api/x/../runs',
      '/api%2Fruns',
      '//api/runs',
      '/api/runs;x=1',
      '/api/runs%00',
    ])
      expect([400, 401, 404]).toContain((await ask('GET', address)).status);
  });
});

describe('what anybody may read', () => {
  it('holds no data: no run, no endpoint, no workspace, no setting', async () => {
    for (const { route } of open) {
      const { status, text } = await ask('GET', addressOf(route));
      expect(status).toBe(200);
      for (const id of [...runs, 'fb-', '00000000-0000-0000-0000-000000000000', 'canary', installation.state])
        expect(text).not.toContain(id);
    }
  });

  it('is a page under a strict policy', async () => {
    const { headers } = await ask('GET', '/');
    const policy = Object.fromEntries(
      String(headers['content-security-policy'])
        .split(';')
        .map((part) => part.trim().split(/\s+/))
        .map(([name = '', ...sources]) => [name, sources.join(' ')]),
    );
    expect(policy).toMatchObject({
      'default-src': "'none'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
      'connect-src': "'self'",
    });
    expect(JSON.stringify(policy)).not.toMatch(/unsafe|\*|https?:|blob:/);
    expect(policy['script-src']).toMatch(/^'sha256-[A-Za-z0-9+/=]+'$|^'self'$/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  });

  it('tells of health what is checked', async () => {
    const { json } = await ask('GET', '/api/health');
    expect(json).toMatchObject({
      status: 'ok',
      degraded: [],
      checks: { tables: { ok: true }, arm: { ok: true }, watchdog: { ok: true } },
    });
    const reaper = json.checks.timers.find((timer: { timer: string }) => timer.timer === 'reap');
    expect(reaper).toMatchObject({ ok: true, lastAt: expect.stringMatching(/^\d{4}-/) });
  });
});

describe('a stranger', () => {
  it('is whoever comes with a foreign Host or Origin, key or no key', async () => {
    const { port } = new URL(installation.url);
    for (const { route } of [...open, ...keyed.filter(({ method }) => method === 'GET')]) {
      for (const headers of [
        { host: 'evil.example' },
        { host: `evil.example:${port}` },
        { host: `127.0.0.1.nip.io:${port}` },
        { host: '127.0.0.1' },
        { host: `127.0.0.1:${port}`, origin: 'https://evil.example' },
        { host: `127.0.0.1:${port}`, origin: 'null' },
        { host: `127.0.0.1:${port}`, origin: `https://127.0.0.1:${port}` },
      ])
        expect((await ask('GET', addressOf(route), { ...WITH_KEY, ...headers })).status).toBe(403);
    }
  });

  it('is told nothing that would let another page read an answer', async () => {
    const { port, host } = new URL(installation.url);
    for (const origin of [`http://${host}`, `http://localhost:${port}`]) {
      for (const method of ['GET', 'OPTIONS', 'POST']) {
        const { headers, status } = await ask(method, '/api/runs', {
          ...WITH_KEY,
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type,x-functions-key',
        });
        expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
        if (method === 'OPTIONS') expect(status).toBeGreaterThanOrEqual(400);
      }
    }
  });

  it('finds no management of the durable engine, with the function key or without', async () => {
    for (const address of [
      '/runtime/webhooks/durabletask/instances',
      `/runtime/webhooks/durabletask/instances?code=${KEY}`,
      '/runtime/webhooks/00000000000000000000000000000000/durabletask/instances',
      '/runtime/webhooks//durabletask/instances',
      '/runtime/webhooks/%2e%2e/durabletask/instances',
      '/RUNTIME/WEBHOOKS/durabletask/instances',
      '/runtime',
      '/admin/host/status',
      '/admin/functions',
      '/durabletask/instances',
    ]) {
      for (const method of ['GET', 'POST', 'DELETE'])
        expect((await ask(method, address, WITH_KEY)).status, `${method} ${address}`).toBe(404);
    }
  });
});

describe('a secret', () => {
  it('was given to the server that it is for, and stands in nothing that the installation says or keeps', async () => {
    for (const { method, route } of ROUTES) {
      if (method === 'GET') await ask('GET', addressOf(route), WITH_KEY);
    }
    for (const id of runs) {
      for (const format of ['json', 'csv', 'md'])
        await ask('GET', `/api/runs/${id}/results?format=${format}`, WITH_KEY);
    }
    const [managed, echoed] = await Promise.all(
      runs.map(async (id) => (await ask('GET', `/api/runs/${id}`, WITH_KEY)).json),
    );
    expect(managed.state).toBe('completed');
    expect(echoedKeys).toBeGreaterThan(20);
    // The server’s words are there, so that the test would see the key in them.
    const told = answers.join('\n');
    expect(told).toContain('You sent');
    expect(['completed', 'failed']).toContain(echoed.state);

    await installation.stopHost();
    const secrets = [
      KEY,
      SCORING_KEY,
      encodeURIComponent(SCORING_KEY),
      OTHER_SETTING,
      TOKEN,
      ...managedKeys,
      ...OURS,
    ];
    expect(managedKeys.length).toBeGreaterThan(0);
    const places: [string, string][] = [
      ['the answers', told],
      ['the terminal', installation.output()],
      ...filesOf(installation.state)
        // The simulator is Azure: it keeps the keys that it gives out.
        .filter((file) => !/simulator/.test(file))
        .map((file): [string, string] => [file, readFileSync(file, 'latin1')]),
    ];
    expect(places.some(([name]) => /history/.test(name))).toBe(true);
    const found = places.flatMap(([name, text]) =>
      secrets.filter((secret) => text.includes(secret)).map((secret) => `${secret} in ${name}`),
    );
    expect(found).toEqual([]);
    // The address of the engine’s management is a credential too.
    const addresses = places.filter(
      ([name, text]) => !/history/.test(name) && /runtime\/webhooks\/[0-9a-f]{32}/.test(text),
    );
    expect(addresses.map(([name]) => name)).toEqual([]);
  });

  it('is in the log as events with the ids of run, cell and endpoint', () => {
    const lines = filesOf(installation.state)
      .filter((file) => /host\.log/.test(file))
      .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
      .flatMap((line) => /(\{"event":.*\})$/.exec(line)?.[1] ?? [])
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const steps = lines.filter(({ event, runId }) => event === 'step' && runId === runs[0]);
    expect(steps.find(({ step }) => step === 'measureCell')).toMatchObject({
      cell: expect.stringMatching(/^w000-c000[12]-r01$/),
      endpoint: expect.stringMatching(/^fb-/),
      shard: expect.any(Number),
      outcome: 'measured',
      ms: expect.any(Number),
    });
    expect(steps.map(({ step }) => step)).toEqual(
      expect.arrayContaining(['deployEndpoint', 'releaseEndpoint', 'finishRun']),
    );
    expect(lines).toContainEqual(expect.objectContaining({ event: 'call', call: 'createRun', status: 202 }));
  });
});

let echoedKeys = 0;

/** Answers well until it is warm, and then with its caller's credential, in every way that servers have been seen to. */
async function startEcho(): Promise<{ readonly origin: string; close(): Promise<void> }> {
  let requests = 0;
  const server = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      requests += 1;
      const given = incoming.headers.authorization ?? '';
      if (given.includes(SCORING_KEY)) echoedKeys += 1;
      const bare = given.replace('Bearer ', '');
      const ways: ((response: ServerResponse) => void)[] = [
        () => json(200, { output: 'a b c d', usage: { prompt_tokens: 16, completion_tokens: 4 } }),
        () => json(500, { error: { message: `You sent ${given}` } }),
        () => json(500, `You sent authorization: ${given}`),
        () => json(200, { error: { message: `You sent ${bare} and ${encodeURIComponent(bare)}` } }),
        () => json(503, `<html><title>You sent</title><body>${given} ${TOKEN}</body></html>`),
        () =>
          json(
            424,
            { detail: given },
            {
              'ms-azureml-model-error-statuscode': '500',
              'ms-azureml-model-error-reason': `You sent ${given}`,
            },
          ),
        () => json(307, '', { location: `http://127.0.0.1:9/?key=${encodeURIComponent(bare)}` }),
      ];
      const json = (status: number, body: unknown, headers: Record<string, string> = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', 'x-you-sent': given, ...headers });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      };
      const way = ways[requests <= 12 || requests % 3 > 0 ? 0 : (requests / 3) % ways.length];
      way?.(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function start(spec: unknown): Promise<string> {
  const { status, json } = await ask(
    'POST',
    '/api/runs',
    { ...WITH_KEY, 'content-type': 'application/json' },
    JSON.stringify(spec),
  );
  expect([status, json]).toMatchObject([202, {}]);
  return json.id;
}

async function readManagedKeys(endpoint: string): Promise<string[]> {
  const address = `${installation.simulatorUrl}/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local/onlineEndpoints/${endpoint}/listKeys?api-version=2024-10-01`;
  const answer = await fetch(address, { method: 'POST', headers: { authorization: 'Bearer test' } });
  return Object.values((await answer.json()) as Record<string, string>);
}

function filesOf(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile());
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests assert on the shape.
  readonly json: any;
}

/** A request with full control over its address and its headers; what comes back is kept. */
function ask(
  method: string,
  address: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<Answer> {
  const sends = body !== '' && method !== 'GET';
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(installation.url);
    const asked = request({ hostname, port, method, path: address, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        answers.push(JSON.stringify(response.headers), text);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parse(text) });
      });
    });
    asked.on('error', reject);
    asked.end(sends ? body : undefined);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
