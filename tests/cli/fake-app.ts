/** A small real HTTP server that speaks the app's contract, with one run that moves on at each read. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildReport } from '../../src/core/report/report.ts';
import { isFinal, type RunState } from '../../src/core/run.ts';
import { planCells } from '../../src/core/spec/plan.ts';
import { runLinks, viewRun } from '../../src/http/run-view.ts';
import { A_MOMENT_MS, aCell, aRun, aSpec } from '../support/builders.ts';

export interface SeenCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface FakeApp {
  readonly url: string;
  readonly calls: SeenCall[];
  close(): Promise<void>;
}

export interface FakeAppOptions {
  /** The states of the run, one per read; the last stays. A cancel goes on with `releasing`, `canceled`. */
  readonly states?: readonly RunState[];
  /** Answers in place of the contract where it gives something. */
  readonly override?: (
    call: SeenCall,
  ) => { status: number; body: unknown; type?: string; location?: string } | null;
}

export const RUN = aRun({ spec: aSpec() });

export async function startFakeApp({
  states = ['completed'],
  override = () => null,
}: FakeAppOptions = {}): Promise<FakeApp> {
  const calls: SeenCall[] = [];
  let coming = [...states];
  let state: RunState = coming[0] ?? 'completed';

  const run = () => ({
    ...RUN,
    state,
    ...(isFinal(state) && { endedAtMs: A_MOMENT_MS, progress: { ...RUN.progress, cellsDone: 12 } }),
  });
  const report = () => ({ ...buildReport(RUN, [aCell(), aCell({ level: 8 })]), partial: !isFinal(state) });

  function answer({ method, path, body }: SeenCall): { status: number; body: unknown; type?: string } {
    const url = new URL(path, 'http://app');
    const call = `${method} ${url.pathname}`;
    const started = { id: RUN.id, state, links: runLinks(RUN.id) };
    if (call === 'POST /api/plans')
      return { status: 200, body: { plan: RUN.plan, cells: planCells(RUN.spec, null), spec: RUN.spec } };
    if (call === 'POST /api/runs') return { status: 202, body: { ...started, received: body } };
    if (call === 'GET /api/runs')
      return { status: 200, body: { runs: [viewRun(run(), A_MOMENT_MS)], continuation: null } };
    if (call === `GET /api/runs/${RUN.id}`) {
      state = coming.shift() ?? state;
      return { status: 200, body: viewRun(run(), A_MOMENT_MS + 60_000) };
    }
    if (call === `GET /api/runs/${RUN.id}/results`) {
      const format = url.searchParams.get('format');
      if (format === 'csv')
        return { status: 200, body: 'concurrency,prompt_size\r\n1,512\r\n', type: 'text/csv' };
      if (format === 'md') return { status: 200, body: '| cell |\n| --- |\n', type: 'text/markdown' };
      return { status: 200, body: report() };
    }
    if (call === `POST /api/runs/${RUN.id}/cancel`) {
      coming = ['releasing', 'canceled'];
      return { status: 202, body: { ...started, cancelRequestedAt: new Date(A_MOMENT_MS).toISOString() } };
    }
    if (call === 'GET /api/comparisons')
      return { status: 200, body: { comparisons: [], continuation: null } };
    if (call === 'GET /api/endpoints') return { status: 200, body: { endpoints: [ENDPOINT], troubles: [] } };
    if (call === `DELETE /api/endpoints/${ENDPOINT.name}`)
      return { status: 202, body: { name: ENDPOINT.name, gone: false, error: null } };
    return {
      status: 404,
      body: { title: 'Not found', status: 404, detail: `There is no ${url.pathname}.`, faults: [] },
    };
  }

  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const call = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
    calls.push(call);
    const given: { status: number; body: unknown; type?: string; location?: string } =
      override(call) ?? answer(call);
    const { status, body: answered, type = 'application/json', location } = given;
    response.writeHead(status, { 'content-type': type, ...(location !== undefined && { location }) });
    response.end(typeof answered === 'string' ? answered : JSON.stringify(answered));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

const ENDPOINT = {
  name: 'fb-0123456789abcdef-a1',
  workspace: 'default',
  runId: RUN.id,
  sku: 'Standard_NC24ads_A100_v4',
  instances: 1,
  createdAt: new Date(A_MOMENT_MS).toISOString(),
  expiresAt: new Date(A_MOMENT_MS + 3_600_000).toISOString(),
  provisioningState: 'Succeeded',
  keptUntil: null,
  costUsd: 0.61,
  leaked: true,
  releaseError: 'The delete was refused.',
};
