/**
 * Measuring one shard of one repeat of a cell. Shards of a repeat run in activities of their own, perhaps on several
 * machines; they meet through their rows, begin together half a second after the last has arrived, and stop together
 * once each has what it needs. Nothing is thrown: what kept a shard from being measured is its outcome.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CellOrder,
  cellId,
  cellKey,
  type Predecessor,
  shardConnections,
} from '../core/measuring/cell.ts';
import { judgeSummary } from '../core/measuring/client-verdict.ts';
import type { Arrivals, ShardOrder, ShardSummary } from '../core/measuring/shard.ts';
import { mergeShards } from '../core/measuring/summary.ts';
import { connectionsOf } from '../core/measuring/wave.ts';
import { calibrationOf } from '../core/requests/calibration.ts';
import { arrivalTimes, type RequestLine } from '../core/requests/request-set.ts';
import { isFinal, mayMove, type RaceOver, type RunRecord, warmUpOf } from '../core/run.ts';
import { loadModelOf } from '../core/spec/load-model.ts';
import { mostRepeats } from '../core/spec/plan.ts';
import { settingsLabel } from '../core/spec/settings.ts';
import { deriveSeed } from '../core/statistics/seed.ts';
import type { RunningShard } from '../load/shard-runner.ts';
import type { ShardOutcome, StepHandlers } from '../orchestrations/steps.ts';
import type { Services, ShardGroup, ShardRow } from '../services.ts';
import { readRequestShare } from './request-share.ts';
import { readRun, renewLeases } from './run-step.ts';
import { SampleKeeper, sampleShare } from './sample-keeper.ts';
import { clientTimeoutMs, readScoringTarget, type ScoringTarget } from './target.ts';
import { requestIdPrefix } from './warm-up.ts';

/** A shard that finds no room for its connections gives up so soon, because its siblings wait for it. */
const ADMISSION_WAIT_MS = 2_000;
/** How long a thread and its connections may take to get ready; past it the shard arrives all the same. */
const READY_WAIT_MS = 20_000;
/** Activities of one wave may be dispatched this far apart, and no further. */
const RENDEZVOUS_MS = 60_000;
const RENDEZVOUS_POLL_MS = 100;
/** How soon a shard sees that its turn has come; until then another measurement is under way beside it. */
const TURN_POLL_MS = 500;
/** From the last arrival to the first request: a poll, a slow table, and a margin. */
const START_LEAD_MS = 500;
/** From the last "I have what I need" to the last request: a poll, a slow table, and a margin. */
const STOP_LEAD_MS = 600;
const SATISFIED_POLL_MS = 200;
/** How often the last word about a shard is tried, each time with the SDK's own retries: tables that are away for half a minute. */
const LAST_WORD_ATTEMPTS = 10;
const LAST_WORD_PAUSE_MS = 2_000;
/** How soon a cancel is seen. */
const CANCEL_POLL_MS = 2_000;
/** The origin's retries after a 429. */
const BURST_RETRIES = 5;

export function measureCellStep(services: Services): Pick<StepHandlers, 'measureCell'> {
  return {
    measureCell: async ({ runId, order, shard }) => {
      const outcome = await measureShard(services, runId, order, shard).catch((error: unknown) => ({
        ...NOTHING,
        status: 'failed' as const,
        message: error instanceof Error ? error.message.slice(0, 500) : String(error),
      }));
      return outcome.startedAtMs === null ? tellMissed(services, runId, order, shard, outcome) : outcome;
    },
  };
}

const NOTHING: ShardOutcome = {
  status: 'late',
  startedAtMs: null,
  attempted: 0,
  failed: 0,
  outputTokensPerSecond: null,
  aborted: false,
  clientValid: null,
  slo: null,
  leftBusy: false,
  message: null,
};

async function measureShard(
  services: Services,
  runId: string,
  order: CellOrder,
  shard: number,
): Promise<ShardOutcome> {
  const group = { runId, cellKey: cellKey(order), attempt: order.attempt };
  // A crash has lost the answer, and not what was measured.
  const row = (await services.stores.shards.list(group)).find((one) => one.shard === shard);
  const measured = tellRow(row, order);
  if (measured !== null) return measured;
  if (order.after !== undefined && !(await waitForTurn(services, runId, order.after))) return NOTHING;
  const run = await readRun(services, runId);
  if (mustStop(run)) return { ...NOTHING, status: 'canceled' };
  if (run.raceOver !== undefined) return stoppedBy(run.raceOver);
  // Once per process, and before anything of the cell: beside it, it would disturb what it is compared with.
  await services.loadEngine.measureClientFloor();
  const connections = connectionsOfShard(run, order, shard);
  const free = await services.connections.admit(connections, ADMISSION_WAIT_MS);
  if (free === null) return { ...NOTHING, status: 'busy' };
  let running: RunningShard | null = null;
  try {
    if (shard === 0) await announce(services, run, order);
    const target = await readScoringTarget(services, run, order.endpoint);
    const prompts = await readRequestShare(services, run, order, shard);
    const keeper = run.spec.measure.keepSamples ? new SampleKeeper(sampleShare(run.spec, order)) : null;
    running = services.loadEngine.startShard(
      shardOrder(run, order, shard, target, prompts),
      keeper === null ? null : (samples) => keeper.take(samples),
    );
    // Who arrives can begin at any moment: its thread runs and its connections are open.
    await Promise.race([running.ready, delay(READY_WAIT_MS, undefined, { ref: false })]);
    const startAtMs = await meet(services, group, shard, order);
    if (typeof startAtMs === 'object') return stoppedBy(startAtMs);
    if (startAtMs === 'late' || startAtMs === 'canceled') return { ...NOTHING, status: startAtMs };
    running.startAt(startAtMs);
    return await loadUntilDone(services, run, order, shard, running, keeper);
  } finally {
    running?.cancel();
    free();
  }
}

/** Waits until all shards of the measurement before this one are over, whatever came of them; false where it hangs. */
async function waitForTurn(services: Services, runId: string, after: Predecessor): Promise<boolean> {
  const { cellKey: key, attempt, shards, withinSeconds } = after;
  const untilMs = services.now() + withinSeconds * 1_000;
  while (services.now() < untilMs) {
    // A hiccup of the tables costs a poll.
    const rows = await services.stores.shards.list({ runId, cellKey: key, attempt }).catch(() => []);
    if (rows.length === shards && rows.every(({ status }) => status !== 'arrived')) return true;
    await delay(TURN_POLL_MS);
  }
  return false;
}

/**
 * Its siblings, and who waits for its turn, learn from its row that it will not be measured. Gives what came of it: that
 * is something else where the same shard was measured by another activity, of which this one is a late duplicate.
 */
async function tellMissed(
  services: Services,
  runId: string,
  order: CellOrder,
  shard: number,
  outcome: ShardOutcome,
): Promise<ShardOutcome> {
  const group = { runId, cellKey: cellKey(order), attempt: order.attempt };
  const missed = { arrivedAtMs: services.now(), satisfiedAtMs: null, status: 'late', summary: null } as const;
  // Without it they find out by waiting.
  const row = { ...group, shard, shards: order.shards, ...missed };
  const there = await insist(() => services.stores.shards.save(row)).catch(() => undefined);
  return tellRow(there, order) ?? outcome;
}

/** What a row says that was measured; null of any other. */
function tellRow(row: ShardRow | undefined, order: CellOrder): ShardOutcome | null {
  return row?.status === 'measured' && row.summary !== null ? tellMeasured(row.summary, order) : null;
}

/** Writes the last word about a shard: others wait for it on a rented GPU, and nobody else tries it again. */
async function insist<Written>(write: () => Promise<Written>): Promise<Written> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (attempt >= LAST_WORD_ATTEMPTS) throw error;
      await delay(LAST_WORD_PAUSE_MS);
    }
  }
}

/** Announces the shard's arrival and waits for its siblings; gives the common moment to begin at. */
async function meet(
  services: Services,
  group: ShardGroup,
  shard: number,
  order: CellOrder,
): Promise<number | 'late' | 'canceled' | RaceOver> {
  const { shards: store } = services.stores;
  const { shards } = order;
  const mine: ShardRow = {
    ...group,
    shard,
    shards,
    arrivedAtMs: services.now(),
    satisfiedAtMs: null,
    status: 'arrived',
    summary: null,
  };
  if ((await store.save(mine)).status === 'measured') return 'late';
  if (shards === 1) return services.now();
  for (let nextCancelCheck = 0; services.now() < mine.arrivedAtMs + RENDEZVOUS_MS; ) {
    const siblings = await store.list(group);
    // A sibling that has been measured already met another activity than this one, which a crash has started again.
    if (siblings.some((row) => row.shard !== shard && row.status !== 'arrived')) break;
    const fresh = siblings.filter((row) => row.arrivedAtMs > mine.arrivedAtMs - RENDEZVOUS_MS);
    if (fresh.length === shards) {
      const startAtMs = Math.max(...fresh.map((row) => row.arrivedAtMs)) + START_LEAD_MS;
      if (services.now() < startAtMs) return startAtMs;
      break;
    }
    if (services.now() > nextCancelCheck) {
      const run = await readRun(services, group.runId);
      if (mustStop(run)) return 'canceled';
      // Its sibling may have seen it before us, and will not come.
      if (run.raceOver !== undefined) return run.raceOver;
      nextCancelCheck = services.now() + CANCEL_POLL_MS;
    }
    await delay(RENDEZVOUS_POLL_MS);
  }
  await store.save({ ...mine, status: 'late' });
  return 'late';
}

/** Watches a running shard: tells its siblings when it has what it needs, stops it with them, and sees a cancel. */
async function loadUntilDone(
  services: Services,
  run: RunRecord,
  order: CellOrder,
  shard: number,
  running: RunningShard,
  keeper: SampleKeeper | null,
): Promise<ShardOutcome> {
  const group: ShardGroup = { runId: run.id, cellKey: cellKey(order), attempt: order.attempt };
  const watch = { over: false, satisfied: false, announced: false, stopping: false, canceled: false };
  running.satisfied.then(
    () => {
      watch.satisfied = true;
    },
    () => undefined, // A crash of the load engine is told by `summary`.
  );
  const ended = running.summary.finally(() => {
    watch.over = true;
  });
  let nextRunCheck = services.now() + CANCEL_POLL_MS;
  // Ends: the shard stops by itself after its maxSeconds, and each of its requests has a timeout.
  while (!watch.over) {
    try {
      if (watch.satisfied && !watch.announced) {
        await services.stores.shards.change({ ...group, shard }, ({ satisfiedAtMs }) => ({
          satisfiedAtMs: satisfiedAtMs ?? services.now(),
        }));
        watch.announced = true;
      }
      if (watch.announced && !watch.stopping) {
        const stopAtMs = await commonStop(services, group, order.shards);
        if (stopAtMs !== null) running.stopAt(stopAtMs);
        watch.stopping = stopAtMs !== null;
      }
      if (services.now() > nextRunCheck) {
        nextRunCheck = services.now() + CANCEL_POLL_MS;
        watch.canceled = mustStop(await readRun(services, run.id));
        if (watch.canceled) running.cancel();
        else if (shard === 0) await renewLeases(services, run);
      }
    } catch {
      // A hiccup of the tables costs a poll and not the measurement.
    }
    await Promise.race([ended.catch(() => undefined), delay(SATISFIED_POLL_MS)]);
  }
  const summary = await ended;
  // Those of a canceled cell are dropped with it.
  const kept = watch.canceled ? null : ((await keeper?.store(services, group, shard)) ?? null);
  return finishShard(
    services,
    group,
    shard,
    order,
    kept === null ? summary : { ...summary, keptSamples: kept },
    watch.canceled,
  );
}

async function finishShard(
  services: Services,
  group: ShardGroup,
  shard: number,
  order: CellOrder,
  summary: ShardSummary,
  canceled: boolean,
): Promise<ShardOutcome> {
  const status = canceled ? 'canceled' : 'measured';
  const there = await insist(() =>
    services.stores.shards.change({ ...group, shard }, () => ({ shards: order.shards, status, summary })),
  );
  // What its row says, which is another activity's word where that one was measured before.
  const outcome = tellMeasured(there.summary ?? summary, order);
  return canceled ? { ...outcome, status: 'canceled' } : outcome;
}

function tellMeasured(summary: ShardSummary, order: CellOrder): ShardOutcome {
  const merged = mergeShards([summary]);
  return {
    status: 'measured',
    startedAtMs: summary.startedAtMs,
    attempted: summary.attempted,
    failed: summary.attempted - summary.succeeded,
    outputTokensPerSecond: merged.rates.outputTokensPerSecond,
    aborted: summary.abortedBy !== null,
    clientValid: judgeSummary(merged, order.loop).valid,
    slo:
      merged.slo === null
        ? null
        : {
            attempted: merged.slo.attempted,
            met: merged.slo.met,
            notEvaluable: merged.slo.notEvaluable,
          },
    leftBusy: merged.leftBusy,
    message: null,
  };
}

/** When all shards stop together: a second after the last one had what it needs; null while one has not. */
async function commonStop(services: Services, group: ShardGroup, shards: number): Promise<number | null> {
  const rows = await services.stores.shards.list(group);
  const satisfied = rows.map((row) => row.satisfiedAtMs).filter((at) => at !== null);
  return satisfied.length < shards ? null : Math.max(...satisfied) + (shards === 1 ? 0 : STOP_LEAD_MS);
}

/** The row of the run says what is being measured, for whoever looks. */
async function announce(services: Services, run: RunRecord, order: CellOrder): Promise<void> {
  const workload = run.spec.workloads[order.workload];
  if (workload === undefined) throw new Error(`The spec has no workload ${order.workload}.`);
  const of = loadModelOf(run.spec).walk.kind === 'search' ? '' : ` of ${mostRepeats(run.spec)}`;
  const label = settingsLabel(run.plan.settings ?? [], order.settings ?? 0);
  const on = order.endpoint === undefined ? '' : ` on endpoint ${order.endpoint + 1}`;
  const current = `${cellId(order, workload, label)} (repeat ${order.repeat}${of}${on})`;
  await services.stores.runs.change(run.id, (now) => ({
    ...(mayMove(now.state, 'measuring') ? { state: 'measuring' as const } : {}),
    progress: { ...now.progress, current, measuringFromMs: now.progress.measuringFromMs ?? services.now() },
  }));
}

/** Only before a measurement begins: one that is under way is finished and kept. */
function stoppedBy({ sentence }: RaceOver): ShardOutcome {
  return { ...NOTHING, status: 'stopped', message: sentence };
}

function mustStop(run: RunRecord): boolean {
  return run.cancelRequestedAtMs !== null || run.state === 'releasing' || isFinal(run.state);
}

/** `prompts` are the user's own, null where they are made. */
function shardOrder(
  run: RunRecord,
  order: CellOrder,
  shard: number,
  target: ScoringTarget,
  prompts: readonly RequestLine[] | null,
): ShardOrder {
  const workload = run.spec.workloads[order.workload];
  const warmUp = warmUpOf(run, order.endpoint ?? 0);
  if (workload === undefined || warmUp === null)
    throw new Error(`Run ${run.id} is not ready to measure workload ${order.workload}.`);
  return {
    route: warmUp.route,
    template: run.spec.template ?? null,
    connectAddress: target.connectAddress,
    authorization: target.authorization,
    headers: target.headers,
    connections: connectionsOfShard(run, order, shard),
    workload,
    ...(prompts !== null && { prompts }),
    ...calibrationOf(warmUp, workload),
    // The run's id makes the prompts of a second run new to a prefix cache that has seen the first.
    seed: deriveSeed(run.spec.seed, run.id, cellKey(order), order.attempt, shard),
    requestIdPrefix: requestIdPrefix(
      run.id,
      `${order.settings === undefined ? '' : `m${order.settings}-`}${order.workload}-${order.level}-${order.repeat}-${order.attempt}-${shard}`,
    ),
    load: loadOfShard(run, order, shard, prompts),
    slo: run.spec.slo,
    drain: shard === 0 && warmUp.idleMs != null ? { idleMs: warmUp.idleMs } : null,
    requestTimeoutMs: clientTimeoutMs(run, order.settings),
    startAtMs: 'when-told',
  };
}

function connectionsOfShard(run: RunRecord, order: CellOrder, shard: number): number {
  return shardConnections(connectionsOf(loadModelOf(run.spec), order.level), shard, order.shards);
}

function loadOfShard(
  run: RunRecord,
  order: CellOrder,
  shard: number,
  prompts: readonly RequestLine[] | null,
): ShardOrder['load'] {
  const { measure } = run.spec;
  if (measure.mode === 'burst') return { mode: 'burst', maxRetries: BURST_RETRIES };
  const wanted = order.minRequests ?? measure.minRequests;
  const { maxSeconds } = order;
  if (order.loop !== 'closed') {
    const minRequests = Math.ceil(wanted / order.shards);
    const arrivals: Arrivals =
      order.loop === 'trace'
        ? { kind: 'trace', atSeconds: arrivalTimes(prompts ?? [], order.level) }
        : arrivalsOfShard(run, order, shard);
    return { mode: 'open', arrivals, minRequests, maxSeconds };
  }
  // Three completions per connection at the least, or a window holds no more than its edges.
  const minRequests = Math.ceil(Math.max(wanted, 3 * order.level) / order.shards);
  return { mode: 'steady', minRequests, maxSeconds };
}

/** A shard's part of an open load: independent Poisson parts make one Poisson load; even parts are set out of step. */
function arrivalsOfShard(run: RunRecord, order: CellOrder, shard: number): Arrivals {
  const requestsPerSecond = order.level / order.shards;
  return loadModelOf(run.spec).arrival === 'poisson'
    ? { kind: 'poisson', requestsPerSecond }
    : { kind: 'constant', requestsPerSecond, offsetSeconds: shard / order.level };
}
