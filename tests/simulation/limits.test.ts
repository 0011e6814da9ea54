/** What does not grow with a run's cells, and how little of a GPU's time is spent waiting; `npm run bench:limits` has the figures. */
import { describe, expect, it } from 'vitest';
import { MOST_IN_A_ROW } from '../../src/core/measuring/wave.ts';
import { measureInstantCells, planOfCells } from './instant-cells.ts';
import { startMany } from './many-runs.ts';
import { measureRentedTime, rentedTimePlan } from './rented-time.ts';

/** Events that a block of a hundred measurements has, with its plan and its end. */
const BOUND_OF_HISTORY = 1_000;

describe('cells that take no time', () => {
  it('show each episode as much of the past in a long run as in a short one, and every history has a bound', async () => {
    const short = await measureInstantCells(planOfCells(100));
    const long = await measureInstantCells(planOfCells(400));
    expect(long.output).toMatchObject({ cells: 400, stoppedBy: null });
    expect(long.longestHistory).toBeLessThan(BOUND_OF_HISTORY);
    const perCell = [short.shownCharacters / 100, long.shownCharacters / 400] as const;
    expect(perCell[1] / perCell[0]).toBeLessThan(1.3);
    expect(long.episodes / 400).toBeLessThan((1.3 * short.episodes) / 100);
  }, 120_000);
});

describe('a message that is under way for one to five seconds', () => {
  const slow = { leastMs: 1_000, mostMs: 5_000, seed: 1 };

  it('leaves 90 % of the time of a rented GPU to 48 cells of a minute at their level, none beside another', async () => {
    const use = await measureRentedTime(rentedTimePlan({ repeats: 12, inARow: MOST_IN_A_ROW }), slow);
    expect(use).toMatchObject({ cells: 48, overlaps: 0 });
    expect(use.atTargetSeconds / use.rentedSeconds).toBeGreaterThanOrEqual(0.9);
    // Cells that are asked for one by one leave less, or there would be no need of rows.
    const oneByOne = await measureRentedTime(rentedTimePlan({ repeats: 12, inARow: 1 }), slow);
    expect(oneByOne.atTargetSeconds / oneByOne.rentedSeconds).toBeLessThan(0.88);
  }, 60_000);
});

describe('runs that are started at once', () => {
  it('queue within MAX_GPUS_ALIVE by the simulator’s books, say why, and all finish; fifty days’ money is refused', async () => {
    const runs = await startMany(6, { maxGpusAlive: 2, maxUsdPerDay: 100 });
    expect(runs.states).toEqual(Array(6).fill('completed'));
    expect(runs).toMatchObject({ mostGpus: 2, endpoints: 6, alive: 0 });
    expect(runs.waitedFor.join()).toContain('MAX_GPUS_ALIVE');
    expect(runs.refusal.status).toBe(400);
    expect(runs.refusal.body).toMatch(
      /lets the run cost \d{4,}\.\d\d USD .*allows 100\.00 .*MAX_USD_PER_DAY/,
    );
  }, 120_000);
});
