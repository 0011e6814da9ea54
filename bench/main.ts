/**
 * `npm run bench`: our load engine beside other clients, against a server whose times are known. Prints progress to
 * stderr and the tables to stdout. `--quick` runs each part once and small. See docs/performance.md.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { CAN_PIN } from './child.ts';
import type { CoreJitter } from './core-jitter.ts';
import { measurePlan, watchClientCore } from './measure.ts';
import { FULL, QUICK } from './rows.ts';
import { writeTables } from './table.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const plan = values.quick ? QUICK : FULL;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const watchMs = values.quick ? 100 : 5_000;
const loadBefore = loadavg()[0] ?? 0;
const before = await watchClientCore(watchMs);
const began = performance.now();

const measured = await measurePlan(
  plan,
  (row) => say(`measuring: ${row.name}`),
  (row, why) => say(`left out: ${row.name}: ${why}`),
);

const after = await watchClientCore(watchMs);
const seconds = Math.round((performance.now() - began) / 1000);
const pinned = CAN_PIN ? 'client and server pinned to their cores' : 'nothing pinned (no taskset)';
console.log(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores, Node ${process.version}, ${pinned}, ` +
    `medians of ${plan.repeats} interleaved repeats, load average ${loadBefore.toFixed(1)} before and ` +
    `${(loadavg()[0] ?? 0).toFixed(1)} after, ${seconds} s. With nothing of the bench on it, other work took ` +
    `${tellJitter(before)} of the client's core before and ${tellJitter(after)} after.\n`,
);
console.log(writeTables(measured));

function tellJitter({ lostShare, longestMs }: CoreJitter): string {
  return `${(lostShare * 100).toFixed(2)} % (at most ${longestMs.toFixed(1)} ms at once)`;
}
