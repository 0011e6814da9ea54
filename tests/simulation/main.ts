/**
 * `npm run simulate -- --seed N --runs M`: plays the seeds from N on in two processes; each twentieth is played on real
 * processes with SIGKILL. `--matrix` plays a crash at every commit instead. A seed that broke an invariant prints itself
 * and how to play it again, and the command ends with 1.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import { matrixOf } from './kill-matrix.ts';
import type { Played } from './play.ts';
import { playProcesses } from './real-processes.ts';
import { drawScenario } from './scenario.ts';
import { playAll, playSeeds } from './seeds.ts';

/** A machine of CI has two cores. */
const WORKERS = 2;
/** Worlds side by side in a process; more only make each of them slower. */
const WORLDS_AT_ONCE = 20;
/** Each so many seeds, one is played on real processes. */
const PROCESSES_EVERY = 20;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100' },
    matrix: { type: 'boolean', default: false },
    /** Of a worker: how many there are, and which one it is. */
    share: { type: 'string' },
  },
});
const first = Number(values.seed);
const runs = Number(values.runs);
if (!Number.isInteger(first) || !Number.isInteger(runs) || first < 0 || runs < 1 || runs > 100_000) {
  console.error('Give --seed a whole number from 0 on and --runs one from 1 to 100000.');
  process.exit(2);
}
const seeds = Array.from({ length: runs }, (_, index) => first + index);

if (values.share !== undefined) await work(Number(values.share));
else if (values.matrix) await reportMatrix();
else await report();

/** Plays this worker's share of the seeds and tells each outcome. */
async function work(share: number): Promise<void> {
  // Nobody is left to tell.
  process.once('disconnect', () => process.exit(1));
  // What steps say aloud is no line of this report.
  for (const say of ['warn', 'error', 'log', 'info'] as const) console[say] = () => {};
  const mine = seeds.filter((seed) => seed % PROCESSES_EVERY !== 0).filter((_, at) => at % WORKERS === share);
  await playSeeds(mine, WORLDS_AT_ONCE, (played) => {
    const log = played.violations.length > 0 || runs === 1 ? played.log : [];
    process.send?.({ ...played, log } satisfies Played);
  });
  process.exit(0);
}

async function report(): Promise<void> {
  const began = performance.now();
  const outcomes = new Map<string, number>();
  let played = 0;
  let broken = 0;
  const take = (one: Pick<Played, 'seed' | 'violations' | 'outcome'>, log: readonly string[] = []) => {
    played += 1;
    const state = one.outcome.split(':')[0] ?? '';
    outcomes.set(state, (outcomes.get(state) ?? 0) + 1);
    if (runs === 1) console.log([...log, one.outcome].join('\n'));
    if (one.violations.length === 0) return;
    broken += 1;
    console.log(`Seed ${one.seed} (${one.outcome}) broke:`);
    for (const violation of one.violations) console.log(`  ${violation}`);
    console.log(`  Again: npm run simulate -- --seed ${one.seed} --runs 1`);
  };
  if (runs === 1 && first % PROCESSES_EVERY !== 0) console.log(JSON.stringify(drawScenario(first), null, 1));
  const workers = Array.from({ length: Math.min(WORKERS, runs) }, (_, share) =>
    fork(import.meta.filename, [`--seed=${first}`, `--runs=${runs}`, `--share=${share}`]),
  );
  const ended = workers.map((worker) => heard(worker, (one) => take(one, one.log)));
  for (const seed of seeds.filter((one) => one % PROCESSES_EVERY === 0)) take(await playProcesses(seed));
  await Promise.all(ended);
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  for (const [state, count] of [...outcomes].sort()) console.log(`${String(count).padStart(6)} ${state}`);
  console.log(`${played} of ${runs} seeds in ${minutes} minutes, ${broken} broke an invariant.`);
  process.exit(broken === 0 && played === runs ? 0 : 1);
}

/** Resolves when the worker has ended, having told everything. */
function heard(worker: ChildProcess, take: (played: Played) => void): Promise<void> {
  worker.on('message', (played) => take(played as Played));
  return new Promise((resolve) => worker.once('exit', () => resolve()));
}

async function reportMatrix(): Promise<void> {
  console.warn = () => {};
  const matrix = await matrixOf(1);
  const played = await playAll(matrix, WORLDS_AT_ONCE);
  const broken = played.filter(({ violations, outcome }) => violations.length > 0 || outcome === 'broken');
  for (const [index, one] of played.entries()) {
    if (broken.includes(one))
      console.log(JSON.stringify(matrix[index]?.crashes), one.outcome, one.violations);
  }
  const completed = played.filter(({ outcome }) => outcome === 'completed').length;
  console.log(`${played.length} crashes: ${completed} runs completed, ${broken.length} broke an invariant.`);
  process.exit(broken.length === 0 ? 0 : 1);
}
