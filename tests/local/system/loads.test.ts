/** The ways of asking that are not a list of levels: a search for what keeps the objectives, rates, a recorded trace. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation();
});

afterAll(async () => {
  await installation.close();
});

const WORKLOADS = [{ promptTokens: 64, outputTokens: 16 }];

async function runToTheEnd(spec: Record<string, unknown>) {
  const started = await installation.post('/api/runs', smallSpec({ workloads: WORKLOADS, ...spec }));
  expect(started.json).toMatchObject({ id: expect.any(String) });
  const { run } = await installation.watch(
    started.json.id,
    (one) => ['completed', 'failed', 'canceled'].includes(one.state),
    150,
  );
  expect(run).toMatchObject({ state: 'completed', failure: null });
  const { json: report } = await installation.get(`/api/runs/${run.id}/results`);
  return { run, report };
}

describe('a run', { timeout: 240_000 }, () => {
  it('searches for the highest concurrency that keeps the objectives, and stops where the endpoint refuses', async () => {
    const { report } = await runToTheEnd({
      // Two run at once and two may wait: from the fifth on, requests are refused.
      target: {
        kind: 'managed',
        sku: 'Standard_NC24ads_A100_v4',
        requestSettings: { maxConcurrentRequestsPerInstance: 2 },
      },
      concurrency: { search: { max: 8 } },
      slo: { attainment: 0.9, e2eMs: 20_000 },
    });
    const [answer] = report.answers;
    expect(answer.level).toBeGreaterThanOrEqual(4);
    expect(answer.level).toBeLessThan(8);
    expect(answer.sentence).toMatch(/meets the SLO: at least .* of requests/);
    const levels = report.rows.map((row: { level: number }) => row.level);
    expect(levels).toEqual(expect.arrayContaining([1, 2, 4, 8]));
    const refused = report.rows.find((row: { level: number }) => row.level === 8);
    expect(refused.failures['throttle-queue']).toBeGreaterThan(0);
    expect(refused.slo.met).toBeLessThan(refused.slo.attempted);
    const markdown = await installation.get(`/api/runs/${report.runId}/results?format=md`);
    expect(markdown.text).toContain('## Objectives');
  });

  it('sends at a rate whether or not answers come, and tells waits and what was never sent', async () => {
    const { report } = await runToTheEnd({
      concurrency: null,
      rate: { requestsPerSecond: [6, 400], arrival: 'constant', maxInFlight: 8 },
      slo: { attainment: 0.8, e2eMs: 2_000 },
      measure: { mode: 'steady', repeats: 1, minRequests: 20, maxSeconds: 8 },
    });
    const [slow, fast] = report.rows;
    expect(slow).toMatchObject({ cellId: 'q6-p64-o16', loop: 'rate', dropped: 0, failed: 0 });
    expect(slow.slo.met).toBe(slow.slo.attempted);
    expect(slow.requestsPerSecond).toBeGreaterThan(4);
    expect(slow.responseMs.p50).toBeGreaterThanOrEqual(slow.e2eMs.p50 * 0.99);
    // Eight in flight at some 130 ms each make about 60 a second.
    expect(fast.dropped).toBeGreaterThan(0);
    expect(fast.steady).toBe(false);
    expect(fast.slo.verdict).toBe('missed');
    expect(report.answers[0]).toMatchObject({ level: 6, cellId: 'q6-p64-o16' });
    expect(report.notes.join(' ')).toMatch(/Open loop.*never sent/);
  });

  it('plays back recorded requests at their times', async () => {
    const lines = Array.from({ length: 40 }, (_, index) =>
      JSON.stringify({ prompt: `Say the number ${index} in words.`, outputTokens: 8, atSeconds: index / 10 }),
    );
    const stored = await installation.put('/api/request-sets/evening', lines.join('\n'), {
      'content-type': 'application/x-ndjson',
    });
    expect(stored.status).toBeLessThan(300);
    const { report } = await runToTheEnd({
      workloads: [{ requests: 'evening' }],
      concurrency: null,
      rate: { trace: { speed: [2] } },
      measure: { mode: 'steady', repeats: 1, minRequests: 5, maxSeconds: 10 },
    });
    const [row] = report.rows;
    expect(row).toMatchObject({ loop: 'trace', level: 2, attempted: 40, failed: 0, dropped: 0 });
    expect(row.provenance.promptSource).toBe('request-set');
    expect(row.outputTokensMean).toBeCloseTo(8, 1);
    const unknown = await installation.post(
      '/api/runs',
      smallSpec({ workloads: [{ requests: 'morning' }], concurrency: null, rate: { trace: {} } }),
    );
    expect(unknown.status).toBe(400);
    expect(unknown.json.faults[0].message).toContain('evening');
  });

  it('resolves the latest version, and is refused where catalog or quota say no', async () => {
    const plan = await installation.post(
      '/api/plans',
      smallSpec({ model: { name: 'Phi-4', version: 'latest' } }),
    );
    expect(plan.json.spec.model.version).toBe('8');
    expect(plan.json.plan.quota).toMatchObject({ verdict: 'fits', neededCores: 24 });
    const tooMany = await installation.post(
      '/api/runs',
      smallSpec({ target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4', instances: 12 } }),
    );
    expect(tooMany.status).toBe(400);
    expect(tooMany.json.faults[0]).toMatchObject({
      path: 'target.sku',
      message: expect.stringMatching(/cores/),
    });
    const nobody = await installation.post(
      '/api/runs',
      smallSpec({ model: { name: 'No-Such', version: '1' } }),
    );
    expect(nobody.json.faults[0].path).toBe('model.version');
  });
});
