/** Plays one scenario to its end and tells what it broke. The clock jumps to the next event whenever nothing is in flight. */
import { isFinal, type RunRecord } from '../../src/core/run.ts';
import { checkEnd, checkEndpoints, endpointsAlive, ownEndpoints } from './invariants.ts';
import type { Scenario } from './scenario.ts';
import { World } from './world.ts';

export interface Played {
  readonly seed: number;
  /** Empty where every invariant held. */
  readonly violations: readonly string[];
  /** The run's final state and why, or that nobody was left to write it. */
  readonly outcome: string;
  readonly steps: readonly string[];
  /** Commits of the durable history, over all hosts. */
  readonly commits: number;
  /** Keys of the rows of cells, in their order. */
  readonly cells: readonly string[];
  /** Endpoints that were made for it, all of them. */
  readonly endpoints: number;
  /** From the loss of the history to the end of the last endpoint; null where neither was. */
  readonly goneAfterPurgeMinutes: number | null;
  /** Simulated minutes from the run's start to its end. */
  readonly minutes: number;
  readonly log: readonly string[];
}

/** The timers of the app and of the watchdog, in host.json's and infra's default. */
const PASS_MS = 5 * 60_000;
/** Beyond its bound a run has its release, the reaper's patience with a lost one, and a pass of it. */
const PAST_BOUND_MINUTES = 60;
/** Events of a run at the most: 45 minutes of a stuck deployment are some 150 polls. */
const MOST_EVENTS = 3_000;
/** Passes after a run's end by which everything is gone: a kept endpoint (20 min), a slow delete (15 min). */
const LAST_PASSES = 12;
/** How often a start that was lost with its host is tried again before the seed is given up. */
const MOST_HOSTS = 10;

export async function play(scenario: Scenario): Promise<Played> {
  const world = await World.open(scenario);
  try {
    const startedMs = world.clock.now();
    const run = await playRun(world);
    const minutes = (world.clock.now() - startedMs) / 60_000;
    world.violations.push(...(await checkEnd(world, run)));
    const endpoints = await ownEndpoints(world);
    const goneMs = Math.max(...endpoints.map(({ deletedAt }) => Date.parse(deletedAt ?? '')));
    const cells = run === null ? [] : await world.stores.cells.list(run.id);
    return {
      seed: scenario.seed,
      cells: cells.map(({ cellKey }) => cellKey),
      endpoints: endpoints.length,
      goneAfterPurgeMinutes:
        world.purgedAtMs === null || endpoints.length === 0 ? null : (goneMs - world.purgedAtMs) / 60_000,
      violations: world.violations,
      outcome: outcomeOf(run),
      steps: world.steps,
      commits: world.commits,
      minutes,
      log: world.log,
    };
  } finally {
    await world.close();
  }
}

async function playRun(world: World): Promise<RunRecord | null> {
  const id = await startUntilThere(world);
  if (id === null) return null;
  const returns = await playUntilOver(world, id);
  await world.settleBeside();
  const before = await world.stores.runs.read(id);
  if (returns) world.violations.push(...(await checkEndpoints(world, before)));
  await world.heal();
  await cleanUp(world, id, returns);
  if (returns) await repeatLate(world, id);
  return world.stores.runs.read(id);
}

async function startUntilThere(world: World): Promise<string | null> {
  for (let hosts = 0; hosts < MOST_HOSTS; hosts += 1) {
    if (world.host === null) await world.startHost();
    const id = await world.startRun();
    if (id !== null) return id;
    // It died at once, perhaps between the run's row and its orchestration.
    if (world.crash !== null) await world.dropHost();
  }
  return null;
}

/** Until the run has a final state and its orchestration has ended; false where no host ever comes back. */
async function playUntilOver(world: World, id: string): Promise<boolean> {
  const timers = { reapMs: world.clock.now() + PASS_MS, watchMs: world.clock.now() + PASS_MS / 2 };
  for (let events = 0; events < MOST_EVENTS; events += 1) {
    const { host } = world;
    if (host === null) throw new Error('A world goes on with a host.');
    if ((await host.quiet()) === 'dead') {
      if (!(await replaceHost(world, timers))) return false;
      continue;
    }
    const run = await world.stores.runs.read(id);
    if (run !== null && isFinal(run.state) && host.alive().length === 0) return true;
    if (run !== null && !isFinal(run.state) && host.alive().length === 0 && world.purgedAtMs === null) {
      for (const { name } of await endpointsAlive(world))
        world.violations.push(
          `The orchestration has ended, and its endpoint ${name} is alive: nobody released it.`,
        );
      if (world.violations.length > 0) return true;
    }
    if (run !== null && isLate(world, run)) {
      world.violations.push(
        `The run is ${run.state} ${Math.round((world.clock.now() - run.createdAtMs) / 60_000)} minutes after its start, beyond its bound of ${run.plan.boundMinutes}.`,
      );
      return true;
    }
    await nextEvent(world, timers);
  }
  world.violations.push(`The run has not ended after ${MOST_EVENTS} events: ${world.steps.slice(-10)}.`);
  return true;
}

interface Timers {
  reapMs: number;
  watchMs: number;
}

async function nextEvent(world: World, timers: Timers): Promise<void> {
  const dueMs = world.host?.nextDueMs() ?? Number.POSITIVE_INFINITY;
  const atMs = Math.min(dueMs, timers.reapMs, timers.watchMs);
  world.clock.advanceTo(atMs);
  if (atMs === timers.reapMs) {
    timers.reapMs = world.clock.now() + PASS_MS;
    await world.reap();
  } else if (atMs === timers.watchMs) {
    timers.watchMs = world.clock.now() + PASS_MS;
    await world.watchdog();
  }
  world.host?.wake();
}

/** The host is dead; the next one comes when its time has come, and the watchdog goes on meanwhile. */
async function replaceHost(world: World, timers: Timers): Promise<boolean> {
  const downMinutes = world.crash === null ? 0 : world.crash.downMinutes;
  await world.dropHost();
  if (downMinutes === null) return false;
  world.lostMinutes += downMinutes;
  const untilMs = world.clock.now() + downMinutes * 60_000;
  while (timers.watchMs < untilMs) {
    world.clock.advanceTo(timers.watchMs);
    timers.watchMs = world.clock.now() + PASS_MS;
    await world.watchdog();
  }
  world.clock.advanceTo(untilMs);
  await world.startHost();
  return true;
}

function isLate(world: World, run: RunRecord): boolean {
  const minutes = run.plan.boundMinutes + PAST_BOUND_MINUTES + world.lostMinutes;
  return world.clock.now() > (run.startedAtMs ?? run.createdAtMs) + minutes * 60_000;
}

/** What the run has left is gone after a few passes: of the reaper, or of the watchdog alone once the run's bound is over. */
async function cleanUp(world: World, id: string, returns: boolean): Promise<void> {
  if (!returns) {
    const run = await world.stores.runs.read(id);
    const boundMs = ((run?.plan.boundMinutes ?? 0) + 1) * 60_000;
    world.clock.advanceTo((run?.startedAtMs ?? world.clock.now()) + boundMs);
  }
  for (let passes = 0; passes < LAST_PASSES; passes += 1) {
    world.clock.advanceTo(world.clock.now() + PASS_MS);
    if (returns) await world.reap();
    else await world.watchdog();
    await world.host?.quiet();
    if ((await endpointsAlive(world)).length === 0) return;
  }
  const alive = (await endpointsAlive(world)).map(({ name }) => name);
  world.violations.push(`Still alive after ${LAST_PASSES} passes: ${alive.join(', ')}.`);
}

/** A machine that had only lost touch comes back with what it was doing, when all is over. */
async function repeatLate(world: World, id: string): Promise<void> {
  const before = await world.stores.runs.read(id);
  for (const step of world.scenario.lateDuplicates) await world.duplicate(step);
  const after = await world.stores.runs.read(id);
  if (before?.state !== after?.state)
    world.violations.push(`A late duplicate moved the run from ${before?.state} to ${after?.state}.`);
  if ((await endpointsAlive(world)).length > 0) await cleanUp(world, id, true);
}

function outcomeOf(run: RunRecord | null): string {
  if (run === null) return 'not started';
  const why = run.failure === null ? '' : ` (${run.failure.code}: ${run.failure.message})`;
  return `${run.state}${why}`;
}
