/**
 * A generic client walks the OpenAPI document of a running installation: it makes every documented call with every
 * parameter, and holds each answer, good or bad, to the schema that the document has for it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';
import {
  answerFaults,
  type LocatedOperation,
  type OpenApiDocument,
  operationsOf,
} from '../../support/openapi-document.ts';

/** Statuses that no input brings about: a missing key (none is set here), a body of megabytes, Azure's silence. */
const NOT_BROUGHT_ABOUT = ['401', '413', '500', '502'];

let installation: Installation;
let document: OpenApiDocument;
let operations: Map<string, LocatedOperation>;
const seen = new Set<string>();
const faults: string[] = [];

beforeAll(async () => {
  installation = await openInstallation({ SIMULATOR_SPEED: '30', SIMULATOR_GPU_SPEED: '40' });
  document = (await installation.get('/api/openapi.json')).json;
  operations = new Map(operationsOf(document).map((one) => [one.operationId, one]));
}, 90_000);

afterAll(async () => {
  await installation.close();
});

interface Given {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Makes a call as the document tells it, and notes in what the answer is not as documented. */
async function call(
  operationId: string,
  status: number,
  { path = {}, query = {}, headers = {}, body }: Given,
) {
  const operation = operations.get(operationId);
  if (operation === undefined) throw new Error(`The document has no ${operationId}.`);
  const address = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(path[name] ?? ''),
  );
  const [type] = Object.keys(operation.requestBody?.content ?? {});
  const answer = await fetch(`${installation.url}${address}?${new URLSearchParams(query)}`, {
    method: operation.method,
    headers: { ...(body !== undefined && type !== undefined && { 'content-type': type }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  const contentType = answer.headers.get('content-type') ?? '';
  seen.add(`${operationId} ${answer.status}`);
  for (const name of Object.keys(query)) seen.add(`${operationId} ?${name}`);
  for (const name of Object.keys(headers)) seen.add(`${operationId} ${name}`);
  if (answer.status !== status) faults.push(`${operationId} gave ${answer.status}, not ${status}: ${text}`);
  faults.push(...answerFaults(document, operation, { status: answer.status, contentType, text }));
  // biome-ignore lint/suspicious/noExplicitAny: the document says what it is.
  return /[/+]json\b/.test(contentType) ? (JSON.parse(text) as any) : text;
}

async function waitUntilOver(operationId: string, id: string): Promise<{ state: string }> {
  for (let tries = 0; tries < 600; tries += 1) {
    const view = await call(operationId, 200, { path: { id } });
    if (['completed', 'failed', 'canceled'].includes(view.state)) return view;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${id} did not end.`);
}

const WRONG_TYPE = { headers: { 'content-type': 'text/plain' }, body: 'x' };
const QUICK = { mode: 'steady', repeats: 2, minRequests: 3, maxSeconds: 2 };
const NOBODY = { path: { id: 'r999999999999999-00000000' } };

describe('the documented calls', () => {
  it('about plans and runs', async () => {
    const body = smallSpec({
      concurrency: { levels: [1, 2] },
      workloads: [{ promptTokens: 64, outputTokens: 16 }, 'sentiment'],
      measure: { ...QUICK, keepSamples: true },
      slo: { e2eMs: 60_000 },
      demand: { requestsPerMinute: 60 },
    });
    const headers = { 'Idempotency-Key': 'walk-1' };
    await call('createPlan', 200, { body });
    await call('createPlan', 400, { body: { target: { kind: 'managed', sku: 'none' }, other: 1 } });
    await call('createPlan', 415, WRONG_TYPE);
    const { id } = await call('createRun', 202, { body, headers });
    await call('createRun', 409, { body: { ...body, seed: 7 }, headers });
    await call('createRun', 400, { body: {} });
    await call('createRun', 415, WRONG_TYPE);
    await call('getResults', 200, { path: { id } });
    expect((await waitUntilOver('getRun', id)).state).toBe('completed');
    for (const format of ['json', 'csv', 'md', ...furtherFormats('getResults')])
      await call('getResults', 200, { path: { id }, query: { format } });
    await call('getResults', 400, { path: { id }, query: { format: 'xml' } });
    await call('getResults', 404, NOBODY);
    const cell = { cell: 'c2-p64-o16' };
    expect(await call('getSamples', 200, { path: { id }, query: cell })).toContain('"requestId"');
    await call('getSamples', 400, { path: { id } });
    await call('getSamples', 404, { ...NOBODY, query: cell });
    await call('getRun', 404, NOBODY);
    await call('cancelRun', 409, { path: { id } });
    await call('cancelRun', 404, NOBODY);
    const query = { state: 'completed', model: 'Phi-4', sku: 'Standard_NC24ads_A100_v4', limit: '1' };
    const { runs } = await call('listRuns', 200, { query });
    expect(runs).toHaveLength(1);
    await call('listRuns', 400, { query: { limit: '0' } });
    await call('listRuns', 400, { query: { continuation: 'nonsense' } });
  }, 180_000);

  it('about a run that is canceled, and the endpoint of one that is not over', async () => {
    const { id } = await call('createRun', 202, { body: smallSpec({ measure: { repeats: 20 } }) });
    const { endpoint } = (
      await installation.watch(id, (run) => run.state === 'warming' || run.state === 'measuring', 60)
    ).run;
    await call('getRun', 200, { path: { id } });
    const { endpoints } = await call('listEndpoints', 200, {});
    expect(endpoints).toHaveLength(1);
    await call('deleteEndpoint', 409, { path: { name: endpoint.name } });
    await call('cancelRun', 202, { path: { id } });
    await waitUntilOver('getRun', id);
    await call('deleteEndpoint', 404, { path: { name: endpoint.name } });
    // One that its user keeps may be deleted at once.
    const kept = { kind: 'managed', sku: 'Standard_NC24ads_A100_v4', keepMinutes: 60 };
    const keeping = smallSpec({
      target: kept,
      concurrency: { levels: [1] },
      measure: { ...QUICK, repeats: 1 },
    });
    const second = await call('createRun', 202, { body: keeping });
    await waitUntilOver('getRun', second.id);
    const [left] = (await call('listEndpoints', 200, {})).endpoints;
    await call('deleteEndpoint', 202, { path: { name: left.name } });
  }, 180_000);

  it('about comparisons', async () => {
    const target = (sku: string) => ({ label: sku, target: { kind: 'managed', sku } });
    const body = {
      base: smallSpec({
        target: undefined,
        concurrency: { levels: [1, 2] },
        workloads: [{ promptTokens: 64, outputTokens: 16 }],
        measure: QUICK,
        slo: { e2eMs: 60_000 },
      }),
      targets: [target('Standard_NC24ads_A100_v4'), target('Standard_NC40ads_H100_v5')],
      strategy: 'race',
    };
    const headers = { 'Idempotency-Key': 'walk-2' };
    await call('createPlan', 200, { body });
    const { id } = await call('createComparison', 202, { body, headers });
    await call('createComparison', 409, { body: { ...body, seed: 9 }, headers });
    await call('createComparison', 400, { body: { targets: [] } });
    await call('createComparison', 415, WRONG_TYPE);
    await call('getComparisonResults', 200, { path: { id } });
    expect((await waitUntilOver('getComparison', id)).state).toBe('completed');
    for (const format of ['json', 'csv', 'md', ...furtherFormats('getComparisonResults')])
      await call('getComparisonResults', 200, { path: { id }, query: { format } });
    await call('getComparisonResults', 400, { path: { id }, query: { format: 'xml' } });
    const nobody = { path: { id: 'none' } };
    await call('getComparisonResults', 404, nobody);
    await call('getComparison', 404, nobody);
    await call('cancelComparison', 404, nobody);
    await call('cancelComparison', 409, { path: { id } });
    const second = await call('createComparison', 202, { body: { ...body, strategy: 'full' } });
    await call('cancelComparison', 202, { path: { id: second.id } });
    await waitUntilOver('getComparison', second.id);
    const { comparisons } = await call('listComparisons', 200, { query: { state: 'completed', limit: '5' } });
    expect(comparisons).toHaveLength(1);
    const first = await call('listComparisons', 200, { query: { limit: '1' } });
    await call('listComparisons', 200, { query: { continuation: first.continuation } });
    await call('listComparisons', 400, { query: { state: 'odd' } });
  }, 240_000);

  it('about the catalog', async () => {
    await call('listModels', 200, { query: { registry: 'AzureML', search: 'phi' } });
    await call('listModels', 400, { query: { registry: '!' } });
    await call('listModels', 404, { query: { registry: 'nowhere' } });
    const path = { registry: 'AzureML', name: 'Phi-4' };
    await call('getModel', 200, { path });
    await call('getModel', 200, { path, query: { version: '7' } });
    await call('getModel', 404, { path: { ...path, name: 'none' } });
    await call('getModel', 400, { path, query: { version: '!' } });
    await call('listSkus', 200, { query: { region: 'eastus2', workspace: 'default' } });
    await call('listSkus', 400, { query: { region: '!' } });
  });

  it('about schedules', async () => {
    const path = { name: 'walk' };
    const run = smallSpec({ concurrency: { levels: [1] }, measure: { ...QUICK, repeats: 1 } });
    const body = { schedule: '* * * * *', run, maxUsdPerMonth: 300 };
    await call('putSchedule', 201, { path, body });
    await call('putSchedule', 200, { path, body: { ...body, keep: 3 } });
    await call('putSchedule', 400, { path, body: { ...body, schedule: 'never' } });
    await call('putSchedule', 415, { path, ...WRONG_TYPE });
    await call('listSchedules', 200, {});
    await call('getSchedule', 200, { path });
    await call('getSchedule', 404, { path: { name: 'none' } });
    await call('getSchedule', 400, { path: { name: 'NOT A NAME' } });
    for (const format of ['json', 'csv', 'md', ...furtherFormats('getScheduleResults')])
      await call('getScheduleResults', 200, { path, query: { format } });
    await call('getScheduleResults', 200, { path });
    await call('getScheduleResults', 400, { path, query: { format: 'xml' } });
    await call('getScheduleResults', 404, { path: { name: 'none' } });
    await call('deleteSchedule', 200, { path });
    await call('deleteSchedule', 404, { path });
    await call('deleteSchedule', 400, { path: { name: 'NOT A NAME' } });
    await call('deleteSchedule', 409, { path: { name: 'default' } });
    for (let put = 1; put < 100; put += 1) {
      const { status } = await installation.put(`/api/schedules/n${put}`, { ...body, enabled: false });
      if (status === 409) break;
    }
    await call('putSchedule', 409, { path: { name: 'one-more' }, body });
  });

  it('about request sets', async () => {
    const path = { name: 'walk' };
    const body =
      '{"prompt":"Hello","outputTokens":8,"atSeconds":0}\n{"messages":[{"role":"user","content":"Hi"}],"atSeconds":1}';
    await call('putRequestSet', 200, { path, body });
    await call('putRequestSet', 400, { path, body: '{"prompt":1}' });
    await call('putRequestSet', 415, { path, ...WRONG_TYPE });
    for (let stored = 1; stored < 300; stored += 1) {
      const { status } = await installation.put(`/api/request-sets/n${stored}`, '{"prompt":"x"}', {
        'content-type': 'application/x-ndjson',
      });
      if (status === 409) break;
    }
    await call('putRequestSet', 409, { path: { name: 'one-more' }, body });
    await call('listRequestSets', 200, {});
    await call('getRequestSet', 200, { path });
    await call('getRequestSet', 404, { path: { name: 'none' } });
    await call('getRequestSet', 400, { path: { name: 'NOT A NAME' } });
    await call('deleteRequestSet', 200, { path });
    await call('deleteRequestSet', 404, { path });
    await call('deleteRequestSet', 400, { path: { name: 'NOT A NAME' } });
  });

  it('about the app', async () => {
    await call('getHealth', 200, {});
    await call('getHealth', 400, { query: { other: '1' } });
    await call('getOpenApi', 200, {});
    await call('getPage', 200, {});
  });
});

it('gave only what is documented, down to each field', () => {
  expect([...new Set(faults)]).toEqual([]);
});

it('were all made, with each parameter, header and status', () => {
  const wanted = [...operations.values()].flatMap(({ operationId, parameters = [], responses }) => [
    ...Object.keys(responses)
      .filter((status) => !NOT_BROUGHT_ABOUT.includes(status))
      .map((status) => `${operationId} ${status}`),
    ...parameters.filter((one) => one.in === 'query').map((one) => `${operationId} ?${one.name}`),
    ...parameters.filter((one) => one.in === 'header').map((one) => `${operationId} ${one.name}`),
  ]);
  expect(wanted.filter((one) => !seen.has(one))).toEqual([]);
});

/** Formats that the document has beside the three that it has always had. */
function furtherFormats(operationId: string): readonly string[] {
  const format = operations.get(operationId)?.parameters?.find(({ name }) => name === 'format');
  const all = (format?.schema.enum ?? []) as readonly string[];
  return all.filter((one) => !['json', 'csv', 'md'].includes(one));
}
