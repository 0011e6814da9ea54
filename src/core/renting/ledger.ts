/**
 * The ledger: who may rent now, who waits, and what the day has cost.
 *
 * Azure grants cores per subscription, region and VM family, and tells how many are in use only some minutes after a
 * deployment was asked for. Fifty runs that start in one second would all see the same free cores. So before a run
 * deploys it is entered here, in one row that every writer changes under its etag: reading the sums and adding to them
 * is one step, and two runs never take the same cores. It is one row and not one per run, because no etag guards a sum
 * over several rows; it holds the pools of all subscriptions, regions and families side by side, because the app's own
 * ceilings (GPUs alive, dollars in a day) are sums over all of them.
 *
 * An entry is `waiting` (in the queue, first come first served in its pool), `holding` (it may rent, and its bound is
 * set aside) or `spent` (it is over; what it cost counts for a day). What a run holds is what it may cost at the most;
 * when it is over only what it did cost remains, so the day's money comes back as runs end. An entry whose writer died
 * goes by itself: a waiting one that has not asked for a while, a holding one past its run's own bound.
 *
 * Everything here is pure; `activities/admit.ts` reads quota and writes the row, the orchestration waits.
 */
import type { Fault } from '../failure.ts';

export interface Ledger {
  readonly entries: readonly LedgerEntry[];
}

export interface LedgerEntry {
  readonly runId: string;
  readonly state: 'waiting' | 'holding' | 'spent';
  /** When it began to wait, to hold, or was over. */
  readonly sinceMs: number;
  /** When it was last heard of. */
  readonly askedAtMs: number;
  /** Subscription, region and family whose cores it takes; null where they are not known. */
  readonly pool: string | null;
  readonly cores: number;
  readonly gpus: number;
  /** Its bound, or what it has cost once it is spent. */
  readonly usd: number;
  /** When its deployment was asked for; null before. */
  readonly deployedAtMs: number | null;
  /** Past this its endpoint is gone, whatever became of its run. */
  readonly untilMs: number;
}

/** What the app may rent in all, whatever a spec asks for. */
export interface Ceilings {
  readonly maxUsdPerRun: number;
  readonly maxUsdPerDay: number;
  readonly maxGpusAlive: number;
}

export interface RoomQuestion {
  readonly runId: string;
  readonly gpus: number;
  /** The run's bound; null where its price is unknown, which counts as the most that a run may cost. */
  readonly boundUsd: number | null;
  readonly untilMs: number;
  /** The placements in their order; quota was read just now. */
  readonly places: readonly Place[];
}

export interface Place {
  readonly pool: string | null;
  readonly cores: number;
  /** Cores that Azure says are in use; null where it does not say. */
  readonly usedCores: number | null;
  /** Null where unknown or unlimited: then Azure decides at the deployment. */
  readonly limitCores: number | null;
  /** How the place is named in a sentence. */
  readonly name: string;
}

export type RoomAnswer =
  | { readonly state: 'admitted'; readonly placement: number }
  | { readonly state: 'waiting' | 'refused'; readonly reason: string };

/** Azure counts a deployment within this; until then it is counted beside Azure's own figure. */
const COUNTED_AFTER_MS = 5 * 60_000;
/** A waiting run asks at least every five minutes; one that was silent for three times as long waits no more. */
const WAITING_SILENCE_MS = 15 * 60_000;
/** The day of the day's money. */
const DAY_MS = 24 * 3_600_000;
/** A row may hold a mebibyte; an entry takes some 300 bytes, and a queue this long is a mistake of its sender. */
const MOST_ENTRIES = 1_000;

export const EMPTY_LEDGER: Ledger = { entries: [] };

/** Enters the run if there is room for it, or puts it into the queue. Asking again changes nothing but the time. */
export function askForRoom(
  ledger: Ledger,
  question: RoomQuestion,
  ceilings: Ceilings,
  nowMs: number,
): { readonly ledger: Ledger; readonly answer: RoomAnswer } {
  const current = prune(ledger, nowMs);
  const mine = current.entries.find((entry) => entry.runId === question.runId);
  const others = current.entries.filter((entry) => entry.runId !== question.runId);
  const usd = question.boundUsd ?? ceilings.maxUsdPerRun;
  const entry = (state: 'waiting' | 'holding', place: Place | undefined): LedgerEntry => ({
    runId: question.runId,
    state,
    sinceMs: mine?.state === state ? mine.sinceMs : nowMs,
    askedAtMs: nowMs,
    pool: place?.pool ?? null,
    cores: place?.cores ?? 0,
    gpus: question.gpus,
    usd,
    deployedAtMs: null,
    untilMs: question.untilMs,
  });

  const refusal = refuseForGood(question, usd, ceilings);
  if (refusal !== null) return { ledger: { entries: others }, answer: { state: 'refused', reason: refusal } };
  if (others.length >= MOST_ENTRIES) {
    const reason = `the queue and the day's runs are ${MOST_ENTRIES} already; start it later`;
    return { ledger: current, answer: { state: 'refused', reason } };
  }

  const since = mine?.state === 'waiting' ? mine.sinceMs : nowMs;
  const ceiling = findCeiling(others, question.gpus, usd, ceilings);
  const obstacles: string[] = [];
  if (ceiling !== null) obstacles.push(ceiling);
  else {
    for (const [placement, place] of question.places.entries()) {
      // Who holds a place keeps it, whoever waits for it.
      const obstacle = findObstacle(others, place, mine?.state === 'holding' ? 0 : since, nowMs);
      if (obstacle === null) {
        const entries = [...others, entry('holding', place)];
        return { ledger: { entries }, answer: { state: 'admitted', placement } };
      }
      obstacles.push(obstacle);
    }
  }
  // A run under way has no place between two attempts, but its money and its GPUs stay set aside.
  const waiting =
    mine?.state === 'holding'
      ? { ...mine, pool: null, cores: 0, askedAtMs: nowMs }
      : entry('waiting', question.places[0]);
  const answer: RoomAnswer = { state: 'waiting', reason: obstacles.join('; ') };
  return { ledger: { entries: [...others, waiting] }, answer };
}

/** The run's deployment was asked for: some minutes from now, Azure's own figure has it. */
export function markDeployed(ledger: Ledger, runId: string, nowMs: number): Ledger | null {
  return changeEntry(ledger, runId, (entry) =>
    entry.state !== 'holding' || entry.deployedAtMs !== null ? null : { ...entry, deployedAtMs: nowMs },
  );
}

/** The run keeps what it holds for longer, or for less long. */
export function holdUntil(ledger: Ledger, runId: string, untilMs: number): Ledger | null {
  return changeEntry(ledger, runId, (entry) =>
    entry.state === 'holding' && entry.untilMs !== untilMs ? { ...entry, untilMs } : null,
  );
}

/** The run is over and holds nothing any more; what it has cost counts for a day. Null where nothing changes. */
export function settle(ledger: Ledger, runId: string, costUsd: number | null, nowMs: number): Ledger | null {
  const mine = ledger.entries.find((entry) => entry.runId === runId);
  if (mine === undefined || mine.state === 'spent') return null;
  const others = ledger.entries.filter((entry) => entry !== mine);
  // What never held anything has cost nothing.
  if (mine.state === 'waiting') return { entries: others };
  return { entries: [...others, spentAt(mine, costUsd ?? mine.usd, nowMs)] };
}

/** Cores of a pool that are taken: by Azure's figure and what it does not count yet, and by ours at the least. */
export function takenCores(
  entries: readonly LedgerEntry[],
  pool: string,
  usedCores: number | null,
  nowMs: number,
): number {
  const held = entries.filter((entry) => entry.state === 'holding' && entry.pool === pool);
  const sum = (some: readonly LedgerEntry[]) => some.reduce((cores, entry) => cores + entry.cores, 0);
  const uncounted = held.filter(
    ({ deployedAtMs }) => deployedAtMs === null || nowMs - deployedAtMs < COUNTED_AFTER_MS,
  );
  return Math.max(sum(held), (usedCores ?? 0) + sum(uncounted));
}

/** What of a request is over the app's own ceilings, whatever else is rented; told before anything is started. */
export function ceilingFaults(asked: { gpus: number; boundUsd: number | null }, ceilings: Ceilings): Fault[] {
  const faults: Fault[] = [];
  if (asked.gpus > ceilings.maxGpusAlive) {
    faults.push({
      path: 'target.instances',
      message: `times the GPUs of the SKU, over all endpoints, makes ${asked.gpus} GPUs; this app may have ${ceilings.maxGpusAlive} alive (the setting MAX_GPUS_ALIVE)`,
    });
  }
  const most = Math.min(ceilings.maxUsdPerRun, ceilings.maxUsdPerDay);
  if (asked.boundUsd !== null && asked.boundUsd > most) {
    faults.push({
      path: 'limits.maxUsd',
      message: `lets the run cost ${asked.boundUsd.toFixed(2)} USD with its release; this app allows ${most.toFixed(2)} (the settings MAX_USD_PER_RUN and MAX_USD_PER_DAY); lower it`,
    });
  }
  return faults;
}

/** What no waiting would change. */
function refuseForGood({ gpus, places }: RoomQuestion, usd: number, ceilings: Ceilings): string | null {
  const [fault] = ceilingFaults({ gpus, boundUsd: usd }, ceilings);
  if (fault !== undefined) return `${fault.path} ${fault.message}`;
  const impossible = places.filter(({ cores, limitCores }) => limitCores !== null && cores > limitCores);
  if (places.length === 0 || impossible.length < places.length) return null;
  return impossible
    .map(({ name, cores, limitCores }) => `${name} needs ${cores} cores, and the quota is ${limitCores}`)
    .join('; ');
}

function findCeiling(
  others: readonly LedgerEntry[],
  gpus: number,
  usd: number,
  ceilings: Ceilings,
): string | null {
  const alive = others.reduce((sum, entry) => sum + (entry.state === 'holding' ? entry.gpus : 0), 0);
  if (alive + gpus > ceilings.maxGpusAlive) {
    return `${alive} GPUs are alive or set aside and this run needs ${gpus}; the app may have ${ceilings.maxGpusAlive} (MAX_GPUS_ALIVE)`;
  }
  const day = others.reduce((sum, entry) => sum + (entry.state === 'waiting' ? 0 : entry.usd), 0);
  if (day + usd > ceilings.maxUsdPerDay) {
    return `the runs of the last 24 hours cost or may cost ${day.toFixed(2)} USD and this one may cost ${usd.toFixed(2)}; the app may spend ${ceilings.maxUsdPerDay.toFixed(2)} in a day (MAX_USD_PER_DAY)`;
  }
  return null;
}

/** What stands in the way at a place: its quota, or somebody who has waited for it for longer. */
function findObstacle(
  others: readonly LedgerEntry[],
  { pool, cores, usedCores, limitCores, name }: Place,
  sinceMs: number,
  nowMs: number,
): string | null {
  if (pool === null || limitCores === null) return null;
  const taken = takenCores(others, pool, usedCores, nowMs);
  if (taken + cores > limitCores)
    return `${name} needs ${cores} cores, and ${taken} of ${limitCores} are taken`;
  const before = others.filter(
    (entry) => entry.state === 'waiting' && entry.pool === pool && entry.sinceMs < sinceMs,
  ).length;
  return before === 0 ? null : `${before === 1 ? 'a run' : `${before} runs`} waited for ${name} before`;
}

/** Without what its writer can no longer mean. */
function prune(ledger: Ledger, nowMs: number): Ledger {
  const entries = ledger.entries.map((entry) =>
    // Its bound stands for its cost: nobody told a better figure.
    entry.state === 'holding' && nowMs > entry.untilMs ? spentAt(entry, entry.usd, entry.untilMs) : entry,
  );
  return {
    entries: entries.filter(
      (entry) =>
        entry.state === 'holding' ||
        (entry.state === 'waiting'
          ? nowMs - entry.askedAtMs <= WAITING_SILENCE_MS
          : nowMs - entry.sinceMs <= DAY_MS),
    ),
  };
}

function spentAt(entry: LedgerEntry, usd: number, sinceMs: number): LedgerEntry {
  return { ...entry, state: 'spent', sinceMs, cores: 0, gpus: 0, usd };
}

function changeEntry(
  ledger: Ledger,
  runId: string,
  change: (entry: LedgerEntry) => LedgerEntry | null,
): Ledger | null {
  const mine = ledger.entries.find((entry) => entry.runId === runId);
  const changed = mine === undefined ? null : change(mine);
  if (changed === null) return null;
  return { entries: ledger.entries.map((entry) => (entry === mine ? changed : entry)) };
}
