/**
 * The routes of a deployment, each measured by a whole run: which one the row says that it was, that a route without a
 * stream, or with one that is held back, has no TTFT, and that a serial `/score` is told from a concurrent one.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, type RunJson, smallSpec } from '../../support/installation.ts';

interface RouteCase {
  readonly name: string;
  readonly api: string;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly path: string;
  readonly row: { readonly route: string; readonly streamed: boolean; readonly ttftReason: string | null };
  /** Whether the report may find that requests are answered one after the other. */
  readonly serial: boolean;
}

const CASES: readonly RouteCase[] = [
  {
    name: 'chat, streamed',
    api: 'auto',
    environmentVariables: {},
    path: '/v1/chat/completions',
    row: { route: 'openai-chat', streamed: true, ttftReason: null },
    serial: false,
  },
  {
    name: 'chat, with a stream that is held back until its end',
    api: 'auto',
    environmentVariables: { SIMULATOR_FAULTS: 'fault-buffered-stream' },
    path: '/v1/chat/completions',
    row: { route: 'openai-chat', streamed: true, ttftReason: 'buffered' },
    serial: false,
  },
  {
    name: 'chat by the wrapper of the image, which replays its stream at the end',
    api: 'openai-chat-blocking',
    environmentVariables: {},
    path: '/chat/completions',
    row: { route: 'openai-chat-blocking', streamed: true, ttftReason: 'buffered' },
    serial: true,
  },
  {
    name: '/score, serial as the image is',
    api: 'score',
    environmentVariables: {},
    path: '/score',
    row: { route: 'score', streamed: false, ttftReason: 'not-streamed' },
    serial: true,
  },
  {
    name: '/score, concurrent by WORKER_COUNT',
    api: 'score',
    environmentVariables: { WORKER_COUNT: '4' },
    path: '/score',
    row: { route: 'score', streamed: false, ttftReason: 'not-streamed' },
    serial: false,
  },
];

let installation: Installation;
const over = new Map<RouteCase, { readonly run: RunJson; readonly report: RunJson; readonly csv: string }>();

beforeAll(async () => {
  installation = await openInstallation({ SIMULATOR_SPEED: '100', SIMULATOR_GPU_SPEED: '10' });
  await Promise.all(
    CASES.map(async (one) => {
      const { api, environmentVariables } = one;
      const sku = 'Standard_NC24ads_A100_v4';
      const spec = smallSpec({
        api,
        target: { kind: 'managed', sku, environmentVariables },
        workloads: [{ promptTokens: 64, outputTokens: 64 }],
        concurrency: { levels: [1, 4] },
        measure: { mode: 'steady', repeats: 1, minRequests: 8, maxSeconds: 10 },
      });
      const { id } = (await installation.post('/api/runs', spec)).json;
      const ends = (run: RunJson) => ['completed', 'failed', 'canceled'].includes(run.state);
      const { run } = await installation.watch(id, ends, 150);
      const results = `/api/runs/${id}/results`;
      const { json: report } = await installation.get(results);
      over.set(one, { run, report, csv: (await installation.get(`${results}?format=csv`)).text });
    }),
  );
}, 180_000);

afterAll(async () => {
  await installation.close();
});

describe('a run over', () => {
  it.each(CASES.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const { run, report, csv } = over.get(one) ?? { run: null, report: null, csv: '' };
    expect(run).toMatchObject({ state: 'completed', failure: null, endpoint: { route: one.row.route } });
    expect(report.rows).toHaveLength(2);
    const { route, streamed, ttftReason } = one.row;
    for (const row of report.rows) {
      expect(row).toMatchObject({ failed: 0, ttftReason, provenance: { route, streamed } });
      const { p50, mean } = row.ttftMs;
      if (ttftReason !== null) expect([p50, mean]).toEqual([null, null]);
      else {
        expect(p50).toBeGreaterThan(0);
        expect(p50).toBeLessThan(row.e2eMs.p50);
      }
    }
    const [head = '', ...lines] = csv.trim().split('\n');
    const place = head.split(',').indexOf('avg_ttft');
    for (const line of lines) expect(line.split(',')[place] === '').toBe(ttftReason !== null);
    expect(JSON.stringify(report.findings).includes('answers one request at a time')).toBe(one.serial);

    const { json } = await installation.get(
      `${installation.simulatorUrl}/simulator/books/${run.endpoint.name}/requests`,
    );
    const routes: string[] = (json.requests ?? json).map((request: { route: string }) => request.route);
    // The last ones are those that were measured; before them others may have been tried.
    expect(new Set(routes.slice(-8))).toEqual(new Set([one.path]));
  });

  it('each leaves nothing', async () => {
    const { endpoints } = await installation.books();
    expect(endpoints).toHaveLength(CASES.length);
    expect(endpoints.filter(({ deletedAt }) => deletedAt === null)).toEqual([]);
  });
});
