/**
 * What to measure next. `nextWave` is pure: from the plan of measuring, what was measured so far and the time, it
 * gives the cells that are measured at the same time now, or says that measuring is over and why. The strategies
 * (levels, ramp), the seeded interleaving of repeats and workloads, and the budgets live here.
 */

import type { LoadModel, RampRange } from '../spec/load-model.ts';
import { predictInFlight, predictRequestSeconds, type RepeatLimits, repeatMaxSeconds } from '../spec/plan.ts';
import type { Slo, SloCounts } from '../spec/slo.ts';
import type { Workload } from '../spec/workload.ts';
import { deriveSeed, shuffle } from '../statistics/seed.ts';
import { type CellOrder, cellKey, endpointOfRepeat, moreShards, shardCount } from './cell.ts';
import { decideRepeats, MOST_REPEATS, type RepeatPlan } from './repeats.ts';
import { type LevelEvidence, leastRequestsPerLevel, nextOfSearch, type SearchPlan } from './search.ts';

/** What the measuring orchestration knows of its run; small, because it crosses durable history. */
export interface MeasurePlan {
  readonly workloads: readonly Workload[];
  readonly load: LoadModel;
  /** What a search holds each level against; null where there is none. */
  readonly slo: Slo | null;
  readonly repeats: RepeatPlan;
  readonly limits: RepeatLimits;
  readonly maxCells: number;
  /** Shards that can run side by side: more than a machine has cores would only take its cores from each other. */
  readonly mostShards: number;
  readonly isolation: 'exclusive' | 'shared';
  /** Identical endpoints over which repeats are dealt; absent for one. */
  readonly endpoints?: number;
  /** Settings that are measured in turn; absent for one. */
  readonly settings?: number;
  readonly seed: number;
  /** Epoch milliseconds after which nothing is measured any more. */
  readonly deadlineMs: number;
  /** Repeats that one wave measures one after the other on the same endpoint, at the most; absent for one. */
  readonly inARow?: number;
  /** What of all this is measured by itself; absent for all of it. */
  readonly part?: PlanPart;
}

/** Under one of the settings: these repeats in this order, or where levels follow from answers, one workload. */
export interface PlanPart {
  /** Absent where the run has one. */
  readonly settings?: number;
  readonly repeats?: readonly Pick<CellOrder, 'workload' | 'level' | 'repeat'>[];
  /** Index of the workload of a ramp or a search. */
  readonly workload?: number;
}

/** What came of one attempt at one repeat of a cell. */
export interface CellOutcome
  extends Pick<CellOrder, 'settings' | 'workload' | 'loop' | 'level' | 'repeat' | 'attempt' | 'shards'> {
  /**
   * `again`: its shards did not start together, or found no room; nothing was measured. `client-limited`: the client
   * was the limit, so it is measured again on twice the shards, once.
   */
  readonly status: 'measured' | 'again' | 'client-limited';
  readonly attempted: number;
  readonly failed: number;
  /** Null where nothing succeeded. */
  readonly outputTokensPerSecond: number | null;
  /** Nothing further can succeed: the credential is refused. */
  readonly aborted: boolean;
  /** Null without objectives. */
  readonly slo: Pick<SloCounts, 'attempted' | 'met' | 'notEvaluable'> | null;
  /** It left work behind that the endpoint had not done when it ended. */
  readonly leftBusy: boolean;
}

export type WaveDecision =
  | { readonly kind: 'wave'; readonly cells: readonly CellOrder[] }
  | { readonly kind: 'done'; readonly stoppedBy: string | null };

/** Attempts at a repeat whose shards miss each other: three, since each costs up to a minute of a GPU. */
export const ATTEMPTS_PER_REPEAT = 3;

/** Requests that a search may spend on a level, as a multiple of what a level without a miss takes. */
const AUTO_LEVEL_FACTOR = 4;

/** Shards of a wave, which measure or wait for their turn: below the ten activities that a host runs at once. */
const SHARDS_PER_WAVE = 8;

/** What is measured in a row is over within the 45 minutes of a function (host.json), with time to spare. */
const ROW_SECONDS = 30 * 60;

/**
 * Where a message of durable history is under way for a second or several, to an activity and back, repeats in a row pay
 * for that once.
 */
export const MOST_IN_A_ROW = 4;

/**
 * How many a run may have beside so many others. Each shard that waits for its turn holds one of the ten activities of an
 * instance, and shards of another run that find none would miss each other until there is a second instance.
 */
export function mostInARow(runs: number): number {
  return Math.max(1, Math.floor(MOST_IN_A_ROW / Math.max(1, runs)));
}

/** The time that the shards of a repeat may take to come together, as `measureCell` has it. */
const RENDEZVOUS_SECONDS = 60;

export function nextWave(plan: MeasurePlan, outcomes: readonly CellOutcome[], nowMs: number): WaveDecision {
  return lookAhead(plan, outcomes, nowMs).decision;
}

/** The same, with everything that is open, in its order. */
export function lookAhead(
  plan: MeasurePlan,
  outcomes: readonly CellOutcome[],
  nowMs: number,
): { readonly decision: WaveDecision; readonly open: readonly Repeat[] } {
  const done = (stoppedBy: string | null) => ({ decision: { kind: 'done', stoppedBy } as const, open: [] });
  if (outcomes.some((outcome) => outcome.aborted))
    return done('The endpoint refused the credential; nothing further could succeed.');
  const turn = firstOpenTurn(plan, outcomes);
  if (turn === null) return done(null);
  const settled = outcomes.filter(isSettled).length;
  if (settled >= plan.maxCells) return done(`limits.maxCells: ${plan.maxCells} measurements were made.`);
  const cells = chooseCells(plan, turn, { nowMs, cellsLeft: plan.maxCells - settled });
  if (cells.length === 0) return done('limits: the time or the money for measuring was used up.');
  return { decision: { kind: 'wave', cells }, open: turn.open };
}

/** What is left to measure under the settings whose turn it is. */
interface Turn {
  /** Index of the settings; undefined where there is one. */
  readonly settings: number | undefined;
  readonly open: readonly Repeat[];
  /** What came of each repeat under them last. */
  readonly latest: ReadonlyMap<string, CellOutcome>;
  readonly outcomes: readonly CellOutcome[];
}

/** Settings are measured one after the other, since each change costs an update of the deployment and a warm-up. */
function firstOpenTurn(plan: MeasurePlan, all: readonly CellOutcome[]): Turn | null {
  const count = plan.settings ?? 1;
  for (let index = 0; index < count; index += 1) {
    const settings = count === 1 ? undefined : index;
    if (plan.part !== undefined && plan.part.settings !== settings) continue;
    const outcomes = all.filter((outcome) => outcome.settings === settings);
    const latest = new Map(outcomes.map((outcome) => [repeatKey(outcome), outcome]));
    const open = openRepeats(plan, latest);
    if (open.length > 0) return { settings, open, latest, outcomes };
  }
  return null;
}

/** A repeat within its settings. */
function repeatKey({ workload, loop, level, repeat }: Omit<Repeat, 'minRequests'>): string {
  return cellKey({ workload, loop, level, repeat });
}

/**
 * The first repeat that the budget can hold, those that may follow it in a row, and the same beside it for each other
 * endpoint; under isolation "shared", as many as a host loads at once.
 */
function chooseCells(
  plan: MeasurePlan,
  { settings, open, latest, outcomes }: Turn,
  moment: { readonly nowMs: number; readonly cellsLeft: number },
): CellOrder[] {
  const endpoints = plan.endpoints ?? 1;
  const cells: CellOrder[] = [];
  const rows = new Map<number, readonly CellOrder[]>();
  let shardsOfWave = 0;
  for (const repeat of open) {
    const endpoint = endpointOfRepeat(repeat.repeat, endpoints);
    const before = plan.isolation === 'exclusive' ? (rows.get(endpoint) ?? []) : [];
    const attempt = (latest.get(cellKey(repeat))?.attempt ?? 0) + 1;
    if (before.length > 0 && !mayFollow(plan, before, { ...repeat, attempt })) continue;
    const rowSeconds = before.reduce((sum, order) => sum + longestSeconds(plan, order), 0);
    const maxSeconds = affordableSeconds(plan, repeat, moment.nowMs + rowSeconds * 1_000);
    if (maxSeconds === null) continue; // A shorter workload may still fit.
    if (before.length > 0 && rowSeconds + longestSeconds(plan, { maxSeconds }) > ROW_SECONDS) continue;
    // What found no room beside others, or a client that was the limit, is tried again alone.
    const alone = plan.isolation === 'exclusive' && attempt > 1;
    if (alone && cells.length > 0) continue;
    const shards = shardsFor(plan, repeat, latest);
    shardsOfWave += shards;
    if (cells.length > 0 && shardsOfWave > SHARDS_PER_WAVE) break;
    const contaminated = wasLeftBusy(outcomes, endpoint, endpoints);
    const where = { ...(endpoints > 1 && { endpoint }), ...(settings !== undefined && { settings }) };
    const after = predecessorOf(before.at(-1), rowSeconds);
    const order = { ...repeat, ...where, attempt, shards, maxSeconds, contaminated, ...after };
    cells.push(order);
    rows.set(endpoint, [...before, order]);
    if (cells.length >= moment.cellsLeft) break;
    if (alone || (plan.isolation === 'exclusive' && cells.length === endpoints * (plan.inARow ?? 1))) break;
  }
  return cells;
}

/**
 * Whether a repeat may be asked for before its predecessors are measured: nothing that they come to changes that it is
 * next. So only where levels do not follow from answers, within one round of repeats, and never what is tried again.
 */
function mayFollow(
  { inARow = 1, load }: MeasurePlan,
  before: readonly CellOrder[],
  { repeat, attempt }: Repeat & { readonly attempt: number },
): boolean {
  return (
    before.length < inARow &&
    load.walk.kind === 'levels' &&
    attempt === 1 &&
    before.every((order) => order.repeat === repeat && order.attempt === 1)
  );
}

/** From a repeat's turn to its last answer. */
function longestSeconds(plan: MeasurePlan, { maxSeconds }: Pick<CellOrder, 'maxSeconds'>): number {
  return RENDEZVOUS_SECONDS + maxSeconds + plan.limits.requestTimeoutSeconds;
}

function predecessorOf(order: CellOrder | undefined, withinSeconds: number): Pick<CellOrder, 'after'> {
  if (order === undefined) return {};
  return {
    after: { cellKey: cellKey(order), attempt: order.attempt, shards: order.shards, withinSeconds },
  };
}

/** Whether what was measured last on that endpoint left work behind. */
function wasLeftBusy(outcomes: readonly CellOutcome[], endpoint: number, endpoints: number): boolean {
  return (
    outcomes.findLast(({ repeat }) => endpointOfRepeat(repeat, endpoints) === endpoint)?.leftBusy === true
  );
}

/** As many as its connections need; twice as many from the repeat on in which the client was the limit. */
function shardsFor(plan: MeasurePlan, cell: Repeat, latest: ReadonlyMap<string, CellOutcome>): number {
  const connections = connectionsOf(plan.load, cell.level);
  const known = [...latest.values()].filter(
    (outcome) => outcome.workload === cell.workload && outcome.level === cell.level,
  );
  const least = shardCount(connections);
  return known.some((outcome) => outcome.status === 'client-limited' || outcome.shards > least)
    ? moreShards(least, connections, plan.mostShards)
    : least;
}

/** Whether a repeat whose client was the limit is worth another attempt: on more shards than it had. */
export function mayHaveMoreShards(
  { load, mostShards }: Pick<MeasurePlan, 'load' | 'mostShards'>,
  order: CellOrder,
): boolean {
  const connections = connectionsOf(load, order.level);
  const least = shardCount(connections);
  return (
    order.shards === least &&
    moreShards(least, connections, mostShards) > least &&
    order.attempt < ATTEMPTS_PER_REPEAT
  );
}

/** Connections that a level takes: its own number, or for an open loop as many requests as may be in flight. */
export function connectionsOf(load: LoadModel, level: number): number {
  return load.maxInFlight ?? level;
}

export type Repeat = Pick<CellOrder, 'workload' | 'loop' | 'level' | 'repeat' | 'minRequests'>;

/** Measured, or given up after the last attempt. */
export function isSettled(outcome: CellOutcome): boolean {
  return outcome.status === 'measured' || outcome.attempt >= ATTEMPTS_PER_REPEAT;
}

/** The repeats that may be measured next, in their order. */
function openRepeats(plan: MeasurePlan, latest: ReadonlyMap<string, CellOutcome>): readonly Repeat[] {
  const { walk, loop } = plan.load;
  if (walk.kind === 'ramp') return nextOfRamp(plan, walk.ramp, latest);
  if (walk.kind === 'search') {
    const next = nextOfSearches(plan, latest);
    return next === null ? [] : [next];
  }
  const unsettled: Repeat[] = [];
  for (const cell of plan.part?.repeats ?? shuffledRepeats(plan, walk.levels)) {
    const outcome = latest.get(cellKey({ ...cell, loop }));
    if (outcome !== undefined && isSettled(outcome)) continue;
    if (cell.repeat > plan.repeats.least && isEnough(plan, cell, latest)) continue;
    unsettled.push({ ...cell, loop, minRequests: null });
  }
  return unsettled;
}

/** The next level of the first workload whose search has no answer yet; workloads come in a random order. */
function nextOfSearches(plan: MeasurePlan, latest: ReadonlyMap<string, CellOutcome>): Repeat | null {
  for (const workload of shuffledWorkloads(plan, 'search')) {
    const outcomes = [...latest.values()].filter((outcome) => outcome.workload === workload);
    const step = nextOfSearch(searchPlanOf(plan), evidenceOf(outcomes));
    if (step.kind === 'answer') continue;
    const here = outcomes.filter((outcome) => outcome.level === step.level);
    const unsettled = here.find((outcome) => !isSettled(outcome));
    const repeat = unsettled?.repeat ?? here.length + 1;
    return { workload, loop: plan.load.loop, level: step.level, repeat, minRequests: step.requests };
  }
  return null;
}

/** The search of a run, for each of its workloads. Throws where the run has none, which is a bug. */
export function searchPlanOf({ load, slo }: Pick<MeasurePlan, 'load' | 'slo'>): SearchPlan {
  if (load.walk.kind !== 'search' || slo === null) throw new Error('The run has no search.');
  const { max, step, maxRequestsPerLevel: asked } = load.walk;
  const { attainment } = slo;
  const least = leastRequestsPerLevel({ max, step, attainment });
  return { max, step, attainment, maxRequestsPerLevel: asked === 'auto' ? AUTO_LEVEL_FACTOR * least : asked };
}

/** What is known of each level: all its repeats pooled, for requests that failed have not met anything. */
export function evidenceOf(outcomes: readonly CellOutcome[]): LevelEvidence[] {
  const levels = [...new Set(outcomes.map((outcome) => outcome.level))];
  return levels.map((level) => {
    const repeats = outcomes.filter((outcome) => outcome.level === level && isSettled(outcome));
    const sum = (count: (slo: NonNullable<CellOutcome['slo']>) => number) =>
      repeats.reduce((total, { slo }) => total + (slo === null ? 0 : count(slo)), 0);
    return {
      level,
      attempted: sum((slo) => slo.attempted),
      met: sum((slo) => slo.met),
      // A metric that does not exist will not exist in the next repeat; nor will a repeat that never begins.
      closed:
        sum((slo) => slo.notEvaluable) > 0 ||
        repeats.some(
          (repeat) => repeat.status === 'again' || repeat.slo === null || repeat.slo.attempted === 0,
        ) ||
        repeats.length >= MOST_REPEATS,
    };
  });
}

/** Whether the repeats before this one make an interval that is narrow enough to leave the rest. */
function isEnough(
  plan: MeasurePlan,
  cell: Pick<Repeat, 'workload' | 'level' | 'repeat'>,
  latest: ReadonlyMap<string, CellOutcome>,
): boolean {
  const before = Array.from({ length: cell.repeat - 1 }, (_, index) =>
    latest.get(cellKey({ ...cell, loop: plan.load.loop, repeat: index + 1 })),
  );
  const rates = before.map((outcome) =>
    outcome === undefined || outcome.status === 'again' ? null : outcome.outputTokensPerSecond,
  );
  return decideRepeats(plan.repeats, rates).decision !== 'more';
}

/**
 * Each repeat goes through all cells in a random order of its own, so that drift does not look like load. Repeats that
 * are dealt to different endpoints share theirs: then a cell is measured on all of them at about the same time.
 */
function* shuffledRepeats(plan: MeasurePlan, levels: readonly number[]) {
  const cells = plan.workloads.flatMap((_, workload) => levels.map((level) => ({ workload, level })));
  for (let repeat = 1; repeat <= plan.repeats.most; repeat += 1) {
    const seed = deriveSeed(plan.seed, 'levels', Math.ceil(repeat / (plan.endpoints ?? 1)));
    for (const cell of shuffle(cells, seed)) yield { ...cell, repeat };
  }
}

/**
 * The origin's walk without its oscillation. Workloads come in a random order; in each the level steps up while the
 * failure rate stays at or below the threshold, and steps down below the first that exceeds it until one holds.
 */
function nextOfRamp(
  plan: MeasurePlan,
  ramp: RampRange,
  latest: ReadonlyMap<string, CellOutcome>,
): readonly Repeat[] {
  for (const workload of shuffledWorkloads(plan, 'ramp')) {
    const next = nextOfWalk(plan, ramp, workload, latest);
    if (next.length > 0) return next;
  }
  return [];
}

function shuffledWorkloads(plan: MeasurePlan, walk: 'ramp' | 'search'): number[] {
  const workloads = shuffle(
    plan.workloads.map((_, workload) => workload),
    deriveSeed(plan.seed, walk),
  );
  const only = plan.part?.workload;
  return only === undefined ? workloads : workloads.filter((workload) => workload === only);
}

/** The next repeat of the level where the walk stands, and one for each other endpoint. */
function nextOfWalk(
  plan: MeasurePlan,
  ramp: RampRange,
  workload: number,
  latest: ReadonlyMap<string, CellOutcome>,
): readonly Repeat[] {
  let level = ramp.from;
  let direction: 'up' | 'down' = 'up';
  // The walk ends: up at `to`, down at 1, and it turns at most once.
  while (level >= 1 && level <= ramp.to) {
    const repeats = Array.from({ length: plan.repeats.least }, (_, index) => ({
      workload,
      loop: plan.load.loop,
      level,
      repeat: index + 1,
      minRequests: null,
    }));
    const known = repeats.map((repeat) => latest.get(cellKey(repeat)));
    const unsettled = repeats.filter((_, index) => {
      const outcome = known[index];
      return outcome === undefined || !isSettled(outcome);
    });
    if (unsettled.length > 0) return unsettled.slice(0, plan.endpoints ?? 1);
    const holds = failureRate(known) <= ramp.failureThreshold;
    if (direction === 'down' && holds) return [];
    if (!holds) {
      if (direction === 'up' && level > ramp.from) return []; // The level below was measured on the way up, and held.
      direction = 'down';
    }
    level += direction === 'up' ? ramp.step : -ramp.step;
  }
  return [];
}

function failureRate(outcomes: readonly (CellOutcome | undefined)[]): number {
  const attempted = outcomes.reduce((sum, outcome) => sum + (outcome?.attempted ?? 0), 0);
  const failed = outcomes.reduce((sum, outcome) => sum + (outcome?.failed ?? 0), 0);
  return attempted === 0 ? 1 : failed / attempted;
}

/**
 * Seconds that a repeat may issue requests so that its last answer still comes before the deadline; null where not
 * even one request fits.
 */
export function affordableSeconds(plan: MeasurePlan, repeat: Repeat, nowMs: number): number | null {
  const workload = plan.workloads[repeat.workload];
  if (workload === undefined) throw new Error(`The plan has no workload ${repeat.workload}.`);
  const inFlight = predictInFlight(plan.load, workload, repeat.level);
  const requestSeconds = predictRequestSeconds(workload, inFlight);
  const drainSeconds = Math.min(plan.limits.requestTimeoutSeconds, 2 * requestSeconds) + 2;
  const leftSeconds = (plan.deadlineMs - nowMs) / 1000 - drainSeconds;
  if (leftSeconds < requestSeconds) return null;
  const most = repeatMaxSeconds(plan.limits, plan.load, workload, repeat.level, repeat.minRequests);
  return Math.min(most, leftSeconds);
}
