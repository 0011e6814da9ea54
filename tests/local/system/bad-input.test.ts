/** Bad input gets a 400 that names every fault, and nothing exists afterwards: no row, no lease, no endpoint. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation();
});

afterAll(async () => {
  await installation.close();
});

const managed = { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' };
const existing = { kind: 'existing', auth: { kind: 'none' } };

const cases: [name: string, spec: unknown, paths: string[]][] = [
  ['an empty object', {}, ['model', 'target']],
  ['a list', [], ['(body)']],
  ['a text', '"x"', ['(body)']],
  ['null', 'null', ['(body)']],
  ['no model', { target: managed }, ['model']],
  ['no version', smallSpec({ model: { name: 'Phi-4' } }), ['model.version']],
  [
    'a version that does not exist',
    smallSpec({ model: { name: 'Phi-4', version: '4711' } }),
    ['model.version'],
  ],
  ['a model name with a slash', smallSpec({ model: { name: '../x', version: '7' } }), ['model.name']],
  ['an unknown kind of target', smallSpec({ target: { kind: 'serverless' } }), ['target.kind']],
  [
    'the SKU that does not exist',
    smallSpec({ target: { ...managed, sku: 'Standard_NC80ads_H100_v5' } }),
    ['target.sku'],
  ],
  ['a CPU SKU', smallSpec({ target: { ...managed, sku: 'Standard_D4s_v5' } }), ['target.sku']],
  ['no instance', smallSpec({ target: { ...managed, instances: 0 } }), ['target.instances']],
  ['half an instance', smallSpec({ target: { ...managed, instances: 1.5 } }), ['target.instances']],
  [
    'an unknown workspace',
    smallSpec({ target: { ...managed, workspace: 'elsewhere' } }),
    ['target.workspace'],
  ],
  [
    'a timeout above the platform’s',
    smallSpec({ target: { ...managed, requestSettings: { requestTimeoutSeconds: 181 } } }),
    ['target.requestSettings.requestTimeoutSeconds'],
  ],
  [
    'level 0 and level 513',
    smallSpec({ concurrency: { levels: [0, 513] } }),
    ['concurrency.levels[0]', 'concurrency.levels[1]'],
  ],
  ['a level twice', smallSpec({ concurrency: { levels: [2, 2] } }), ['concurrency.levels']],
  ['a ramp that goes down', smallSpec({ concurrency: { ramp: { from: 4, to: 2 } } }), ['concurrency.ramp']],
  ['a search without objectives', smallSpec({ concurrency: { search: { max: 64 } } }), ['slo']],
  ['no workload', smallSpec({ workloads: [] }), ['workloads']],
  [
    'a workload twice',
    smallSpec({
      workloads: [
        { promptTokens: 8, outputTokens: 8 },
        { promptTokens: 8, outputTokens: 8 },
      ],
    }),
    ['workloads'],
  ],
  [
    'too many workloads',
    smallSpec({ workloads: { promptTokens: range(11), outputTokens: range(11) } }),
    ['workloads'],
  ],
  [
    'a negative prompt',
    smallSpec({ workloads: [{ promptTokens: -1, outputTokens: 8 }] }),
    ['workloads[0].promptTokens'],
  ],
  ['numbers as text', smallSpec({ seed: '42' }), ['seed']],
  ['an endless cell', smallSpec({ measure: { mode: 'steady', maxSeconds: 1e9 } }), ['measure.maxSeconds']],
  ['more money than anyone has', smallSpec({ limits: { maxUsd: 1e12 } }), ['limits.maxUsd']],
  ['too little money', smallSpec({ limits: { maxUsd: 0.02 } }), ['limits.maxUsd']],
  ['too little time', smallSpec({ limits: { maxMinutes: 1 } }), ['limits.maxMinutes']],
  [
    'unknown fields, everywhere',
    smallSpec({ colour: 1, target: { ...managed, size: 2 }, limits: { maxCel: 3 } }),
    ['colour', 'limits.maxCel', 'target.size'],
  ],
  ['an SLO without a clause', smallSpec({ slo: { attainment: 0.9 } }), ['slo']],
  [
    'a foreign scoring URI',
    { target: { ...existing, scoringUri: 'https://example.com/score' } },
    ['target.scoringUri'],
  ],
  [
    'the metadata address',
    { target: { ...existing, scoringUri: 'http://169.254.169.254/score' } },
    ['target.scoringUri'],
  ],
  [
    'a setting that is none of the keys',
    {
      target: {
        kind: 'existing',
        scoringUri: 'https://a.eastus.inference.ml.azure.com/score',
        auth: { kind: 'setting', name: 'TABLES_ACCOUNT_KEY' },
      },
    },
    ['target.auth.name'],
  ],
  [
    'many faults at once',
    {
      model: { name: 'Phi-4', version: '7' },
      target: { ...managed, instances: 99 },
      seed: -1,
      isolation: 'none',
      api: 'grpc',
      limits: { maxCells: 0 },
    },
    ['api', 'isolation', 'limits.maxCells', 'seed', 'target.instances'],
  ],
];

describe('an invalid spec', () => {
  it.each(cases)('%s is refused by plan and by run, with the path of each fault', async (_, spec, paths) => {
    for (const call of ['/api/plans', '/api/runs']) {
      const answer = await installation.post(call, spec);
      expect(answer.status).toBe(400);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(answer.json).toMatchObject({ status: 400, title: 'Invalid input' });
      expect(answer.json.faults.map((fault: { path: string }) => fault.path).sort()).toEqual(
        [...paths].sort(),
      );
      for (const fault of answer.json.faults) expect(fault.message.length).toBeGreaterThan(10);
    }
  });

  it.each([
    ['broken JSON', '{"model":', 400],
    ['nothing', '', 400],
  ])('%s is refused', async (_, body, status) => {
    expect((await installation.post('/api/runs', body)).status).toBe(status);
  });

  it('another content type gets 415, a body of a megabyte 413, an unknown run 404, a bad query 400', async () => {
    const text = await fetch(`${installation.url}/api/runs`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'text/plain' },
    });
    expect(text.status).toBe(415);
    expect((await installation.post('/api/runs', `"${'x'.repeat(1_000_001)}"`)).status).toBe(413);
    expect((await installation.get('/api/runs/r000000000000000-00000000')).status).toBe(404);
    expect((await installation.get('/api/runs/..%2f..%2fx')).status).toBe(404);
    const query = await installation.get('/api/runs?limit=0&state=gone&colour=1');
    expect(query.status).toBe(400);
    expect((await installation.get('/api/runs?continuation=abc')).status).toBe(400);
    const key = await installation.post('/api/runs', smallSpec(), { 'idempotency-key': 'x'.repeat(300) });
    expect(key.status).toBe(400);
  });

  it('leaves nothing behind', async () => {
    expect((await installation.get('/api/runs')).json).toEqual({ runs: [], continuation: null });
    expect((await installation.get('/api/endpoints')).json).toEqual({ endpoints: [], troubles: [] });
    expect((await installation.books()).endpoints).toEqual([]);
  });
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
