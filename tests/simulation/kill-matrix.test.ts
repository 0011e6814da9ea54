/** The host dies at the steps of a run, before and after their commits, or loses its whole history there. */
import { describe, expect, it } from 'vitest';
import { calmScenario } from './calm-scenario.ts';
import { matrixOf } from './kill-matrix.ts';
import { playAll } from './seeds.ts';

/** Hosts that die side by side: most of their time is waiting. */
const AT_ONCE = 16;
/** An odd share of the matrix, so that both sides of commits are in it; `npm run simulate -- --matrix` plays it all. */
const EVERY = 7;
/** Commits at which the history is lost: before the lease is there, after it is closed, and some between. */
const isWorthPurging = (commit: number, last: number) =>
  (commit >= 4 && commit <= 7) || commit > last - 5 || commit % 12 === 0;

const CELLS = ['w000-c0001-r01', 'w000-c0002-r01', 'w001-c0001-r01', 'w001-c0002-r01'];

describe('a host that dies at a commit of its history', () => {
  it('resumes, measures each cell once, makes one endpoint and leaves none', async () => {
    const played = await playAll(await matrixOf(EVERY), AT_ONCE);
    expect(played.flatMap(({ violations }) => violations)).toEqual([]);
    for (const { outcome, cells, endpoints } of played)
      expect({ outcome, cells, endpoints }).toEqual({ outcome: 'completed', cells: CELLS, endpoints: 1 });
    expect(played.length).toBeGreaterThan(15);
  }, 300_000);
});

describe('tables that restart', () => {
  it('lose nothing that they have answered: the run goes on, measures each cell once and leaves nothing', async () => {
    // From the run's row to its release; for as long as the SDK tries one call, and for three tries of a step.
    const scenarios = [3, 45, 90, 150].map((nth, index) =>
      calmScenario({ tableRestarts: [{ nth, times: index % 2 === 0 ? 3 : 12 }], scalesOut: index % 2 === 0 }),
    );
    const played = await playAll(scenarios, AT_ONCE);
    expect(played.flatMap(({ violations }) => violations)).toEqual([]);
    for (const { outcome, cells, endpoints } of played)
      expect({ outcome, cells, endpoints }).toEqual({ outcome: 'completed', cells: CELLS, endpoints: 1 });
  }, 120_000);
});

describe('a host that loses its history', () => {
  it('has no endpoint left within 15 minutes of its own clock, and its row says so', async () => {
    const matrix = await matrixOf(1, { purged: true });
    const purges = matrix.filter(({ crashes: [crash] }) => crash?.when === 'after');
    const worth = purges.filter((_, index) => isWorthPurging(index + 1, purges.length));
    const played = await playAll(worth, AT_ONCE);
    expect(played.flatMap(({ violations }) => violations)).toEqual([]);
    for (const { outcome, goneAfterPurgeMinutes } of played) {
      // One whose row was still queued is started again, and one whose row was final stays as it was.
      expect(outcome).toMatch(/^completed$|^failed \(lost-orchestration: /);
      expect(goneAfterPurgeMinutes ?? 0).toBeLessThanOrEqual(15);
    }
    expect(played.filter(({ outcome }) => outcome.startsWith('failed')).length).toBeGreaterThan(3);
  }, 300_000);
});
