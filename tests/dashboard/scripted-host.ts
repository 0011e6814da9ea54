/** A real HTTP server that answers the page and the calls that it makes, from values that a test sets. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { bundlePage } from '../../bin/build-page.js';
import type { Report } from '../../src/core/report/report.ts';
import { type PageResponse, renderPage } from '../../src/dashboard/page.ts';
import type { RunView } from '../../src/http/run-view.ts';

export interface ScriptedEndpoint {
  readonly name: string;
  readonly workspace: string;
  readonly runId: string | null;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly createdAt: string | null;
  readonly expiresAt: string | null;
  readonly costUsd: number | null;
  readonly leaked: boolean;
  readonly releaseError: string | null;
}

export interface Script {
  health: {
    status: string;
    version: string;
    simulated: boolean;
    simulatorGpuSpeed: number | null;
    degraded: string[];
  };
  runs: RunView[];
  /** Runs behind the continuation token `older`. */
  olderRuns: RunView[];
  reports: Record<string, Report & { partial: boolean }>;
  endpoints: ScriptedEndpoint[];
  /** What could not be looked at when endpoints were listed. */
  troubles: string[];
  /** What POST /api/plans answers; faults instead make it a 400. */
  plan: object | null;
  faults: { readonly path: string; readonly message: string }[];
  models: object[];
  /** Null makes GET /api/skus a 502. */
  skus: object | null;
  /** The run that POST /api/runs starts. */
  startedRun: RunView | null;
  /** Milliseconds before any answer of the API. */
  delayMs: number;
  /** The key that every call but the page and health must carry; null wants none. */
  key: string | null;
}

export interface ScriptedHost {
  readonly url: string;
  readonly script: Script;
  /** Every request so far, with its body as JSON. */
  readonly requests: RecordedRequest[];
  close(): Promise<void>;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly key: string | null;
  readonly idempotencyKey: string | null;
  readonly body: unknown;
}

/** What the sources of the page say now, bundled once for all tests of a file. */
let page: Promise<PageResponse> | null = null;

export async function startScriptedHost(script: Script): Promise<ScriptedHost> {
  page ??= bundlePage().then(renderPage);
  const served = await page;
  const requests: RecordedRequest[] = [];
  const server = createServer(async (request, response) => {
    const text = await readText(request);
    const header = (name: string) => {
      const value = request.headers[name];
      return typeof value === 'string' ? value : null;
    };
    requests.push({
      method: request.method ?? '',
      path: request.url ?? '',
      key: header('x-functions-key'),
      idempotencyKey: header('idempotency-key'),
      body: text === '' ? null : JSON.parse(text),
    });
    if (script.delayMs > 0) await delay(script.delayMs);
    answer(script, served, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    script,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}

function answer(
  script: Script,
  served: PageResponse,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? '/', 'http://host');
  if (url.pathname === '/') {
    response.writeHead(200, { ...served.headers }).end(served.body);
    return;
  }
  const { status, body, type = 'application/json' } = answerCall(script, request, url);
  response
    .writeHead(status, { 'content-type': type })
    .end(type === 'text/plain' ? body : JSON.stringify(body));
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly type?: string;
}

function answerCall(script: Script, request: IncomingMessage, url: URL): Answer {
  const [, api, noun, id, verb] = url.pathname.split('/').map(decodeURIComponent);
  if (api !== 'api') return problem(404, 'There is no such page.');
  if (noun === 'health') return { status: 200, body: script.health };
  if (script.key !== null && request.headers['x-functions-key'] !== script.key)
    return problem(401, 'A function key is needed.');
  if (noun === 'endpoints' && request.method === 'DELETE') {
    script.endpoints = script.endpoints.filter((endpoint) => endpoint.name !== id);
    return { status: 202, body: {} };
  }
  if (noun === 'endpoints')
    return { status: 200, body: { endpoints: script.endpoints, troubles: script.troubles } };
  if (noun === 'models') return { status: 200, body: { models: script.models, found: script.models.length } };
  if (noun === 'skus')
    return script.skus === null ? problem(502, 'Azure did not answer.') : { status: 200, body: script.skus };
  if (noun === 'plans')
    return script.faults.length > 0
      ? problem(400, `There are ${script.faults.length} faults.`, script.faults)
      : { status: 200, body: script.plan };
  if (noun === 'runs' && id === undefined && request.method === 'POST') {
    const run = script.startedRun;
    if (run === null) return problem(503, 'Not now.');
    script.runs = [run, ...script.runs];
    return { status: 202, body: { id: run.id, state: run.state, links: run.links } };
  }
  if (noun !== 'runs') return problem(404, 'There is no such call.');
  if (id === undefined)
    return { status: 200, body: pageOfRuns(script, url.searchParams.get('continuation')) };
  const run = script.runs.find((candidate) => candidate.id === id);
  if (run === undefined) return problem(404, `There is no run ${id}.`);
  if (verb === 'cancel' && request.method === 'POST') {
    const canceled = { ...run, cancelRequestedAt: '2026-01-15T12:05:00.000Z' };
    script.runs = script.runs.map((candidate) => (candidate.id === id ? canceled : candidate));
    return {
      status: 202,
      body: { id, state: run.state, cancelRequestedAt: canceled.cancelRequestedAt, links: run.links },
    };
  }
  if (verb === undefined) return { status: 200, body: run };
  const report = script.reports[id];
  if (verb !== 'results' || report === undefined) return problem(404, 'There are no results yet.');
  const format = url.searchParams.get('format') ?? 'json';
  return format === 'json'
    ? { status: 200, body: report }
    : { status: 200, body: `results as ${format}\n`, type: 'text/plain' };
}

function pageOfRuns(script: Script, continuation: string | null): object {
  if (continuation === 'older') return { runs: script.olderRuns, continuation: null };
  return { runs: script.runs, continuation: script.olderRuns.length > 0 ? 'older' : null };
}

function problem(status: number, detail: string, faults: Script['faults'] = []): Answer {
  return {
    status,
    body: { type: 'about:blank', title: 'Problem', status, detail, faults },
    type: 'application/problem+json',
  };
}
