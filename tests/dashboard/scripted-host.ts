/** A real HTTP server that answers the page and the calls that it makes, from values that a test sets. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Report } from '../../src/core/report.ts';
import { pageResponse } from '../../src/dashboard/page.ts';
import type { RunView } from '../../src/http/run-view.ts';

export interface ScriptedEndpoint {
  readonly name: string;
  readonly workspace: string;
  readonly runId: string;
  readonly sku: string;
  readonly instances: number;
  readonly createdAt: string;
  readonly expiresAt: string;
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
  /** The key that every call but the page and health must carry; null wants none. */
  key: string | null;
}

export interface ScriptedHost {
  readonly url: string;
  readonly script: Script;
  /** Every request so far: method, path and the key it carried. */
  readonly requests: { readonly method: string; readonly path: string; readonly key: string | null }[];
  close(): Promise<void>;
}

export async function startScriptedHost(script: Script): Promise<ScriptedHost> {
  const requests: ScriptedHost['requests'] = [];
  const server = createServer((request, response) => {
    const key = request.headers['x-functions-key'];
    requests.push({
      method: request.method ?? '',
      path: request.url ?? '',
      key: typeof key === 'string' ? key : null,
    });
    answer(script, request, response);
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

function answer(script: Script, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://host');
  if (url.pathname === '/') {
    const page = pageResponse();
    response.writeHead(200, { ...page.headers }).end(page.body);
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
  if (noun === 'endpoints') return { status: 200, body: { endpoints: script.endpoints } };
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

function problem(status: number, detail: string): Answer {
  return {
    status,
    body: { type: 'about:blank', title: 'Problem', status, detail, faults: [] },
    type: 'application/problem+json',
  };
}
