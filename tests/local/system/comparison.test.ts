/**
 * Comparisons through the HTTP interface on real processes: a host that is killed in the middle, a target that fails,
 * and a race that gives a machine back while the others run on. What is left is asked of the simulator's own books.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Books, type Installation, openInstallation } from '../../support/installation.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation({ SIMULATOR_SPEED: '100', SIMULATOR_GPU_SPEED: '100' });
}, 60_000);

afterAll(async () => {
  await installation.close();
});

// biome-ignore lint/suspicious/noExplicitAny: the tests assert on the shape.
type ComparisonJson = any;

const A100 = { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' };
/** Rented by nobody else here, so that the books tell its endpoints apart. */
const LOSER = 'Standard_NC48ads_A100_v4';
const BASE = {
  model: { name: 'Phi-4', version: '7' },
  workloads: [{ promptTokens: 64, outputTokens: 16 }],
  concurrency: { levels: [1] },
  measure: { mode: 'steady', repeats: 1, minRequests: 4, maxSeconds: 1 },
};

async function start(body: object): Promise<string> {
  const { status, json, text } = await installation.post('/api/comparisons', body);
  expect(status, text).toBe(202);
  return json.id;
}

/** Polls until the condition holds, which says of what it waited for where it does not in time. */
async function watch(
  id: string,
  until: (comparison: ComparisonJson) => boolean | Promise<boolean>,
  seconds = 120,
): Promise<ComparisonJson> {
  for (const endMs = Date.now() + seconds * 1_000; ; ) {
    const { json } = await installation.get(`/api/comparisons/${id}`);
    if (await until(json)) return json;
    if (Date.now() > endMs)
      throw new Error(`After ${seconds} s: ${JSON.stringify(json, null, 1)}\n${installation.output()}`);
    await delay(100);
  }
}

const isOver = ({ state }: ComparisonJson) => ['completed', 'failed', 'canceled'].includes(state);

const results = async (id: string, format: 'json' | 'csv' | 'md') =>
  installation.get(`/api/comparisons/${id}/results?format=${format}`);

const endpoints = async (): Promise<Books['endpoints']> => (await installation.books()).endpoints;

const alive = async () => (await endpoints()).filter(({ deletedAt }) => deletedAt === null);

describe('a comparison', () => {
  it('whose host is killed in the middle ends with every target measured, each cell once, and nothing left', async () => {
    const id = await start({
      base: { ...BASE, concurrency: { levels: [1, 2] } },
      targets: [
        { label: 'A100', target: A100 },
        { label: 'H100', target: { kind: 'managed', sku: 'Standard_NC40ads_H100_v5' } },
      ],
    });
    await watch(id, ({ progress }) => progress.cellsDone >= 1);
    await installation.killHost();
    await installation.startHost();
    const comparison = await watch(id, isOver);
    expect(comparison).toMatchObject({
      state: 'completed',
      failure: null,
      progress: { targetsDone: 2, cellsDone: 4, cellsPlanned: 4 },
      targets: [
        { label: 'A100', state: 'completed', failure: null },
        { label: 'H100', state: 'completed', failure: null },
      ],
    });
    for (const { runId } of comparison.targets) {
      const { rows } = (await installation.get(`/api/runs/${runId}/results`)).json;
      expect(rows.map((row: { cellId: string; repeats: number }) => [row.cellId, row.repeats])).toEqual([
        ['c1-p64-o16', 1],
        ['c2-p64-o16', 1],
      ]);
    }
    expect((await endpoints()).map(({ sku }) => sku).sort()).toEqual([
      'Standard_NC24ads_A100_v4',
      'Standard_NC40ads_H100_v5',
    ]);
    expect(await alive()).toEqual([]);

    const { json: report } = await results(id, 'json');
    expect(report).toMatchObject({ comparisonId: id, partial: false, simulated: true });
    const levels = report.workloads[0].table.map(({ cellId, entries }: ComparisonJson) => [
      cellId,
      ...entries.map(({ label }: { label: string }) => label),
    ]);
    expect(levels).toEqual([
      ['c1-p64-o16', 'A100', 'H100'],
      ['c2-p64-o16', 'A100', 'H100'],
    ]);
    expect(report.pairs).toHaveLength(1);
    const csv = (await results(id, 'csv')).text.trim().split(/\r?\n/);
    expect(csv.slice(1).map((line) => line.split(',')[0])).toEqual(['A100', 'A100', 'H100', 'H100']);
    const { text: md } = await results(id, 'md');
    for (const told of ['A100', 'H100', 'SIMULATED']) expect(md).toContain(told);
  }, 300_000);

  it('with a target that cannot be deployed measures the other, and says why of the one', async () => {
    const id = await start({
      base: BASE,
      targets: [
        { label: 'good', target: A100 },
        { label: 'bad', target: A100, model: { name: 'Phi-4-fault-deploy-imagebuildfailure', version: '7' } },
      ],
    });
    const comparison = await watch(id, isOver);
    expect(comparison).toMatchObject({
      state: 'completed',
      failure: null,
      targets: [
        { label: 'good', state: 'completed', progress: { cellsDone: 1 }, failure: null },
        { label: 'bad', state: 'failed', failure: expect.stringContaining('ImageBuildFailure') },
      ],
    });
    const { json: report } = await results(id, 'json');
    expect(report.targets).toMatchObject([
      { label: 'good', failure: null },
      { label: 'bad', failure: comparison.targets[1].failure, made: null },
    ]);
    expect(report.workloads[0].table[0].entries).toMatchObject([{ label: 'good' }, null]);
    expect(await alive()).toEqual([]);
  }, 180_000);
});

describe('a race', () => {
  it('gives the machine of a candidate back as soon as it is dropped, while the others run on', async () => {
    const id = await start({
      strategy: 'race',
      base: {
        ...BASE,
        // Bursts, which are counted and not timed, and too short for a busy machine to spoil. They are far more than
        // the drop needs: the race is canceled once the books have shown it.
        api: 'openai-chat',
        concurrency: { levels: [4] },
        measure: { mode: 'burst', repeats: 20 },
        slo: { attainment: 0.95, e2eMs: 60_000 },
      },
      targets: [
        { label: 'one', target: A100 },
        { label: 'same', target: A100 },
        { label: 'failing', target: { ...A100, sku: LOSER } },
      ],
    });
    const loser = async () => (await endpoints()).filter(({ sku }) => sku === LOSER);
    const { targets } = await watch(id, (one) => one.targets[2].state === 'measuring');
    const rules = [{ operation: 'score', resource: targets[2].endpoint.name, fault: 'score-masked' }];
    const ruled = await fetch(`${installation.simulatorUrl}/simulator/faults`, {
      method: 'PUT',
      body: JSON.stringify(rules),
    });
    expect(ruled.status, await ruled.text()).toBe(200);
    const during = await watch(id, async (comparison) => {
      if (isOver(comparison)) throw new Error(`The race ended: ${JSON.stringify(comparison, null, 1)}`);
      return (await loser()).some(({ deletedAt }) => deletedAt !== null);
    });
    expect((await alive()).map(({ sku }) => sku)).toEqual([A100.sku, A100.sku]);
    expect(during).toMatchObject({
      state: 'running',
      targets: [
        { state: 'measuring', raceOver: null },
        { state: 'measuring', raceOver: null },
        {
          raceOver: {
            verdict: 'dropped',
            sentence: expect.stringContaining('"failing" was dropped after round'),
          },
        },
      ],
    });
    const { json: report } = await results(id, 'json');
    expect(report.partial).toBe(true);
    expect(report.race.drops).toMatchObject([{ label: 'failing', reason: 'misses-objectives' }]);

    expect((await installation.post(`/api/comparisons/${id}/cancel`)).status).toBe(202);
    expect(await watch(id, isOver)).toMatchObject({ state: 'canceled', failure: null });
    expect(await loser()).toHaveLength(1);
    expect(await alive()).toEqual([]);
    expect((await installation.get('/api/endpoints')).json.endpoints).toEqual([]);
  }, 180_000);
});
