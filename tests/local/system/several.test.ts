/**
 * Two endpoints and two settings in one run, through the HTTP interface on real processes, with the host killed while
 * the settings are changed: each cell is measured on both machines under both settings, and nothing is left.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation({ SIMULATOR_SPEED: '20' });
}, 60_000);

afterAll(async () => {
  await installation.close();
});

describe('a run of two endpoints and two settings', () => {
  it('measures each cell on both under both, goes on after a crash, and leaves nothing', async () => {
    const body = smallSpec({
      target: {
        kind: 'managed',
        sku: 'Standard_NC24ads_A100_v4',
        endpoints: 2,
        requestSettings: [{ maxConcurrentRequestsPerInstance: 1 }, { maxConcurrentRequestsPerInstance: 10 }],
      },
      workloads: [{ promptTokens: 64, outputTokens: 16 }],
      concurrency: { levels: [2] },
      measure: { mode: 'burst' },
    });
    const planned = await installation.post('/api/plans', body);
    expect(planned.json.cells.map(({ cellId }: { cellId: string }) => cellId)).toEqual([
      'c2-p64-o16-m1',
      'c2-p64-o16-m10',
    ]);
    const { id } = (await installation.post('/api/runs', body)).json;
    // Both cells of the first settings are done: the deployments are being updated.
    await installation.watch(id, (run) => run.progress.cellsDone >= 2, 120);
    await installation.killHost();
    await installation.startHost();
    const { run } = await installation.watch(id, ({ state }) => /completed|failed|canceled/.test(state), 120);
    expect(run).toMatchObject({ state: 'completed', failure: null, stoppedBy: null });
    expect(run.endpoints).toHaveLength(2);

    const { rows } = (await installation.get(`/api/runs/${id}/results`)).json;
    expect(rows).toMatchObject(
      [1, 10].map((max) => ({
        cellId: `c2-p64-o16-m${max}`,
        repeats: 2,
        deployments: run.endpoints.map(({ name }: { name: string }) => name),
        provenance: { maxConcurrentRequestsPerInstance: max },
      })),
    );
    expect((await installation.books()).endpoints.filter(({ deletedAt }) => deletedAt === null)).toEqual([]);
    expect((await installation.get('/api/endpoints')).json.endpoints).toEqual([]);
  }, 300_000);
});
