/** The host is killed in the middle of a sweep and started again: the run ends as if nothing had happened. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation();
});

afterAll(async () => {
  await installation.close();
});

describe('a host that is killed', () => {
  it.each([
    ['while the deployment is created', (run: { state: string }) => run.state === 'provisioning'],
    [
      'in the middle of the sweep',
      (run: { state: string; progress: { cellsDone: number } }) =>
        run.state === 'measuring' && run.progress.cellsDone >= 2,
    ],
    [
      'while the endpoint is deleted',
      (run: { state: string }) => run.state === 'releasing' || run.state === 'completed',
    ],
  ])(
    '%s resumes: every cell once, one endpoint, deleted',
    async (_, moment) => {
      const before = (await installation.books()).endpoints.length;
      const { id } = (await installation.post('/api/runs', smallSpec())).json;
      await installation.watch(id, moment as (run: unknown) => boolean, 120);
      await installation.killHost();
      await delay(1_000);
      expect((await fetch(`${installation.simulatorUrl}/simulator/books`)).status).toBe(200); // The cloud goes on.
      await installation.startHost();

      const { run } = await installation.watch(
        id,
        (one) => ['completed', 'failed', 'canceled'].includes(one.state),
        180,
      );
      expect(run).toMatchObject({ state: 'completed', failure: null, progress: { cellsDone: 6 } });
      const { rows } = (await installation.get(`/api/runs/${id}/results`)).json;
      expect(rows.map((row: { cellId: string; repeats: number }) => [row.cellId, row.repeats])).toEqual(
        ['c1-p64-o16', 'c2-p64-o16', 'c4-p64-o16', 'c1-p128-o32', 'c2-p128-o32', 'c4-p128-o32'].map(
          (cellId) => [cellId, 1],
        ),
      );
      const created = (await installation.books()).endpoints.slice(before);
      expect(created).toHaveLength(1);
      expect(created[0]?.deletedAt).not.toBeNull();
    },
    300_000,
  );
});
