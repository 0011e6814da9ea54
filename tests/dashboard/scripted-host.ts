/** A real HTTP server that answers the page and the calls that it makes, from values that a test sets. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bundlePage } from '../../bin/build-page.js';
import type { ComparisonReport } from '../../src/core/comparison/comparison-report.ts';
import { SKUS } from '../../src/core/renting/sku.ts';
import type { Report } from '../../src/core/report/report.ts';
import { type PageResponse, renderPage } from '../../src/dashboard/page.ts';
import type { ComparisonView } from '../../src/http/comparison-view.ts';
import type { RunView } from '../../src/http/run-view.ts';
import type { HistoryView, ScheduleView } from '../../src/http/schedule-view.ts';

export interface ScriptedEndpoint {
  readonly name: string;
  readonly workspace: string;
  readonly runId: string | null;
  readonly sku: string | null;
  readonly instances: number | null;
  readonly createdAt: string | null;
  readonly expiresAt: string | null;
  readonly costUsd: number | null;
  readonly keptUntil?: string | null;
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
  comparisons: ComparisonView[];
  comparisonReports: Record<string, ComparisonReport & { partial: boolean }>;
  /** The comparison that POST /api/comparisons starts. */
  startedComparison: ComparisonView | null;
  schedules: (ScheduleView & { history: readonly HistoryView[] })[];
  /** What every answer of the API waits for. */
  held: Promise<void> | null;
  /** The key that every call but the page and health must carry; null wants none. */
  key: string | null;
}

/** A host that does nothing yet. */
export function aScript(): Script {
  return {
    health: { status: 'ok', version: '0.1.0', simulated: false, simulatorGpuSpeed: null, degraded: [] },
    runs: [],
    olderRuns: [],
    reports: {},
    endpoints: [],
    troubles: [],
    plan: null,
    faults: [],
    models: [
      {
        name: 'Phi-4',
        latestVersion: '8',
        task: 'chat-completion',
        contextTokens: 16_384,
        allowedSkus: ['Standard_NC24ads_A100_v4', 'Standard_NC48ads_A100_v4'],
        recommendedSkus: ['Standard_NC24ads_A100_v4'],
      },
      { name: 'Phi-4-mini-instruct', latestVersion: '1' },
    ],
    skus: {
      region: 'eastus2',
      skus: SKUS.map((sku) => ({
        ...sku,
        quota: { verdict: 'fits', usedCores: 24, limitCores: 192 },
        price: { perHourUsd: 3.67 },
      })),
    },
    startedRun: null,
    comparisons: [],
    comparisonReports: {},
    startedComparison: null,
    schedules: [],
    held: null,
    key: null,
  };
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
    if (request.url !== '/') await script.held;
    answer(script, served, request, text, response);
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
  text: string,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? '/', 'http://host');
  if (url.pathname === '/') {
    response.writeHead(200, { ...served.headers }).end(served.body);
    return;
  }
  const { status, body, type = 'application/json' } = answerCall(script, request, url, text);
  response
    .writeHead(status, { 'content-type': type })
    .end(type === 'text/plain' ? body : JSON.stringify(body));
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly type?: string;
}

function answerCall(script: Script, request: IncomingMessage, url: URL, text: string): Answer {
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
  if (noun === 'comparisons') return answerComparisons(script, request.method, id, verb, url);
  if (noun === 'schedules') return answerSchedules(script, request.method, id, text);
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
  if (verb !== 'results') return problem(404, 'There is no such call.');
  return resultsOf(report, url);
}

function resultsOf(report: object | undefined, url: URL): Answer {
  if (report === undefined) return problem(404, 'There are no results yet.');
  const format = url.searchParams.get('format') ?? 'json';
  return format === 'json'
    ? { status: 200, body: report }
    : { status: 200, body: `results as ${format}\n`, type: 'text/plain' };
}

function answerComparisons(
  script: Script,
  method: string | undefined,
  id: string | undefined,
  verb: string | undefined,
  url: URL,
): Answer {
  if (id === undefined && method === 'POST') {
    const started = script.startedComparison;
    if (started === null) return problem(503, 'Not now.');
    script.comparisons = [started, ...script.comparisons];
    return { status: 202, body: { id: started.id, state: started.state, links: started.links } };
  }
  if (id === undefined) return { status: 200, body: { comparisons: script.comparisons, continuation: null } };
  const comparison = script.comparisons.find((candidate) => candidate.id === id);
  if (comparison === undefined) return problem(404, `There is no comparison ${id}.`);
  if (verb === 'cancel' && method === 'POST') {
    const cancelRequestedAt = '2026-01-15T12:05:00.000Z';
    script.comparisons = script.comparisons.map((candidate) =>
      candidate.id === id ? { ...comparison, cancelRequestedAt } : candidate,
    );
    return { status: 202, body: { id, state: comparison.state, cancelRequestedAt, links: comparison.links } };
  }
  return verb === 'results'
    ? resultsOf(script.comparisonReports[id], url)
    : { status: 200, body: comparison };
}

/** A PUT changes whether it is enabled, and nothing else. */
function answerSchedules(
  script: Script,
  method: string | undefined,
  name: string | undefined,
  text: string,
): Answer {
  if (name === undefined)
    return { status: 200, body: { schedules: script.schedules.map(({ history: _, ...rest }) => rest) } };
  const schedule = script.schedules.find((candidate) => candidate.name === name);
  if (schedule === undefined) return problem(404, `There is no schedule ${name}.`);
  if (method !== 'PUT') return { status: 200, body: schedule };
  const { enabled } = JSON.parse(text) as { enabled: boolean };
  const changed = { ...schedule, enabled, nextDueAt: enabled ? schedule.nextDueAt : null };
  script.schedules = script.schedules.map((candidate) => (candidate.name === name ? changed : candidate));
  const { history: _, ...view } = changed;
  return { status: 200, body: view };
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
