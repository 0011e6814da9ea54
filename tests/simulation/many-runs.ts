/** Many runs that are started at the same moment, in a world where nothing fails: they queue, and all of them finish. */
import { findSku } from '../../src/core/renting/sku.ts';
import { isFinal, type RunRecord } from '../../src/core/run.ts';
import { calmScenario } from './calm-scenario.ts';
import { ownEndpoints } from './invariants.ts';
import { type BookedEndpoint, World } from './world.ts';

export interface ManyRuns {
  readonly states: readonly RunRecord['state'][];
  /** Reasons for which runs waited, as their rows told them, each once and without its figures. */
  readonly waitedFor: readonly string[];
  /** GPUs that the simulator's books have had at once, at the most. */
  readonly mostGpus: number;
  /** Endpoints in the books, and those of them that are alive. */
  readonly endpoints: number;
  readonly alive: number;
  /** By the world's clock. */
  readonly minutes: number;
  /** What a request for fifty times the day's budget is told. */
  readonly refusal: { readonly status: number; readonly body: string };
}

export interface Ceilings {
  readonly maxGpusAlive: number;
  readonly maxUsdPerDay: number;
}

/** Simulated time in which they must be over: a run may queue for a day. */
const MOST_HOURS = 24;
const MOST_EVENTS = 50_000;
const REAP_MS = 5 * 60_000;
/** Events between two looks at the rows: a look costs a list of them. */
const EVENTS_PER_LOOK = 20;

export async function startMany(count: number, ceilings: Ceilings): Promise<ManyRuns> {
  const scenario = calmScenario({ scalesOut: true });
  const world = await World.open(scenario, {
    MAX_GPUS_ALIVE: String(ceilings.maxGpusAlive),
    MAX_USD_PER_DAY: String(ceilings.maxUsdPerDay),
    MAX_USD_PER_RUN: String(1_000 * ceilings.maxUsdPerDay),
  });
  try {
    await world.startHost();
    const startedMs = world.clock.now();
    const refusal = await world.start(fiftyTimes(ceilings.maxUsdPerDay), 'too-much');
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) => world.start(scenario.spec, `run-${index}`)),
    );
    const refused = answers.find(({ status }) => status !== 202);
    if (refused !== undefined) throw new Error(`A run was refused: ${refused.status} ${refused.body}`);
    const { runs, waitedFor } = await playToTheEnd(world, count);
    const endpoints = await ownEndpoints(world);
    return {
      states: runs.map(({ state }) => state),
      waitedFor,
      mostGpus: mostAtOnce(endpoints),
      endpoints: endpoints.length,
      alive: endpoints.filter(({ deletedAt }) => deletedAt === null).length,
      minutes: (world.clock.now() - startedMs) / 60_000,
      refusal,
    };
  } finally {
    await world.close();
  }
}

async function playToTheEnd(
  world: World,
  count: number,
): Promise<{ readonly runs: readonly RunRecord[]; readonly waitedFor: readonly string[] }> {
  const waitedFor = new Set<string>();
  const untilMs = world.clock.now() + MOST_HOURS * 3_600_000;
  let reapMs = world.clock.now() + REAP_MS;
  for (let events = 0; events < MOST_EVENTS && world.clock.now() < untilMs; events += 1) {
    await world.host?.quiet();
    if (events % EVENTS_PER_LOOK === 0 || world.host?.alive().length === 0) {
      const { runs } = await world.stores.runs.list({ limit: 2 * count });
      for (const { queuedBecause } of runs)
        if (queuedBecause != null) waitedFor.add(queuedBecause.replace(/[\d.]+/g, '#'));
      if (runs.every(({ state }) => isFinal(state))) return { runs, waitedFor: [...waitedFor] };
    }
    const dueMs = world.host?.nextDueMs() ?? Number.POSITIVE_INFINITY;
    world.clock.advanceTo(Math.min(dueMs, reapMs));
    if (world.clock.now() >= reapMs) {
      reapMs = world.clock.now() + REAP_MS;
      await world.reap();
    }
    world.host?.wake();
  }
  throw new Error(`Not all of ${count} runs have ended.`);
}

/** Half a day at the highest price that a spec may name: more than fifty days' money where a day has a hundred dollars. */
function fiftyTimes(maxUsdPerDay: number): unknown {
  const { spec } = calmScenario();
  return {
    ...spec,
    target: { ...(spec.target as object), pricePerHourUsd: 1_000 },
    measure: { mode: 'steady', repeats: 20, maxSeconds: 600 },
    limits: { maxMinutes: 24 * 60, maxUsd: 1_000 * maxUsdPerDay },
  };
}

/** GPUs of endpoints that were there at the same moment, from their creation to the 404. */
function mostAtOnce(endpoints: readonly BookedEndpoint[]): number {
  const changes = endpoints.flatMap(({ sku, instances, createdAt, deletedAt }) => {
    const gpus = (findSku(sku ?? '')?.gpus ?? 0) * instances;
    const until = deletedAt === null ? Number.POSITIVE_INFINITY : Date.parse(deletedAt);
    return [
      { atMs: Date.parse(createdAt), gpus },
      { atMs: until, gpus: -gpus },
    ];
  });
  // What ends at the moment at which another begins is gone by then.
  changes.sort((a, b) => a.atMs - b.atMs || a.gpus - b.gpus);
  let now = 0;
  return Math.max(...changes.map(({ gpus }) => (now += gpus)));
}
