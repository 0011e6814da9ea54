/**
 * `npm run bench:limits`: what must not grow. What orchestrations cost as cells become many, how much of a GPU's time is
 * spent waiting for slow messages, many runs at once, and a long list. `-- --only cells` (or `hops`, `runs`, `list`)
 * takes one of them. Progress goes to stderr, the table to stdout. See docs/reliability.md.
 */
import { parseArgs } from 'node:util';
import { MOST_IN_A_ROW } from '../src/core/measuring/wave.ts';
import { pageThroughRuns } from '../tests/azure/tables/paged-runs.ts';
import { measureInstantCells, planOfCells } from '../tests/simulation/instant-cells.ts';
import { startMany } from '../tests/simulation/many-runs.ts';
import { measureRentedTime, rentedTimePlan } from '../tests/simulation/rented-time.ts';

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const PARTS = { cells, hops, runs, list } as const;
const chosen = Object.entries(PARTS).filter(([name]) => values.only === undefined || values.only === name);
if (chosen.length === 0) {
  console.error(`--only takes one of ${Object.keys(PARTS).join(', ')}.`);
  process.exit(2);
}
// What steps say aloud is no line of this table.
console.warn = () => {};
for (const [name, part] of chosen) {
  process.stderr.write(`measuring: ${name}\n`);
  for (const line of await part()) console.log(line);
}

/** Seconds of this process for each cell, orchestrations and their engine alone; in turns, after one that is not counted. */
async function cells(): Promise<string[]> {
  const SIZES = [100, 1_000, 10_000];
  /** Short runs are measured more often, since each is over in a second. */
  const TIMES = [10, 3, 1];
  await measureInstantCells(planOfCells(SIZES[1] ?? 0));
  const lines: string[] = [];
  for (const [index, size] of SIZES.entries()) {
    const all = [];
    for (let time = 0; time < (TIMES[index] ?? 1); time += 1)
      all.push(await measureInstantCells(planOfCells(size)));
    const perCellMs = (all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) * 1_000) / all.length / size;
    const longest = Math.max(...all.map(({ longestHistory }) => longestHistory));
    lines.push(`${size} cells: ${perCellMs.toFixed(2)} ms a cell, longest history ${longest} events`);
  }
  return lines;
}

/** With one to five seconds for each message, and cells of a minute. */
async function hops(): Promise<string[]> {
  const lines: string[] = [];
  for (const repeats of [3, 6, 12]) {
    for (const inARow of [1, MOST_IN_A_ROW]) {
      const plan = rentedTimePlan({ repeats, inARow });
      const shares: number[] = [];
      for (const seed of [1, 2, 3, 4, 5]) {
        const use = await measureRentedTime(plan, { leastMs: 1_000, mostMs: 5_000, seed });
        shares.push((100 * use.atTargetSeconds) / use.rentedSeconds);
      }
      const least = Math.min(...shares).toFixed(1);
      const most = Math.max(...shares).toFixed(1);
      lines.push(`${4 * repeats} cells, ${inARow} in a row: ${least} to ${most} % at the level`);
    }
  }
  return lines;
}

async function runs(): Promise<string[]> {
  const ceilings = { maxGpusAlive: 8, maxUsdPerDay: 100 };
  const many = await startMany(50, ceilings);
  const completed = many.states.filter((state) => state === 'completed').length;
  return [
    `50 runs at once: ${completed} completed in ${many.minutes.toFixed(0)} simulated minutes, at most ${many.mostGpus} of ${ceilings.maxGpusAlive} GPUs, ${many.alive} of ${many.endpoints} endpoints left`,
    ...many.waitedFor.map((reason) => `  waited for: ${reason}`),
    `fifty days' money: ${many.refusal.status} ${(JSON.parse(many.refusal.body) as { detail: string }).detail}`,
  ];
}

async function list(): Promise<string[]> {
  const lines: string[] = [];
  for (const count of [1_000, 10_000]) {
    const { pages, ids, mostPerPage, kept } = await pageThroughRuns(count);
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    lines.push(
      `${new Set(ids).size} of ${count} runs in ${pages} pages: at most ${megabytes(mostPerPage)} a page, ${megabytes(Math.max(0, kept))} kept`,
    );
  }
  return lines;
}
