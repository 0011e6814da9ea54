/**
 * A block of measuring: wave after wave until nothing of it is left. While a wave is measured, the one before is saved,
 * so that a rented GPU never waits for a table.
 */
import type * as df from 'durable-functions';
import { addOutcomes, countSettled, MEASUREMENTS_PER_BLOCK } from '../core/measuring/block.ts';
import { type CellOrder, cellKey } from '../core/measuring/cell.ts';
import {
  ATTEMPTS_PER_REPEAT,
  type CellOutcome,
  type MeasurePlan,
  mayHaveMoreShards,
  nextWave,
} from '../core/measuring/wave.ts';
import { deriveSeed } from '../core/statistics/seed.ts';
import { changeSettings } from './settings.ts';
import {
  type BlockInput,
  type Halt,
  type MeasuredBlock,
  type ShardOutcome,
  sleep,
  stepTask,
  type UnsavedCell,
} from './steps.ts';

/** Saving a cell is tried with this many waves; its shards' rows stay, so nothing measured is lost meanwhile. */
const SAVE_ATTEMPTS = 5;

/** Shards that began further apart than this did not load the endpoint together. */
const START_SPREAD_MS = 1_000;

/** A repeat whose shards missed each other waits this long, and up to as long again, before it is tried anew. */
const RETRY_SECONDS = 2;

export function* measureBlock(context: df.OrchestrationContext): Generator<df.Task, MeasuredBlock, unknown> {
  return yield* runBlock(context, context.df.getInput<BlockInput>());
}

/** The same within the orchestration that asks for it. */
export function* runBlock(
  context: df.OrchestrationContext,
  { runId, plan, past, settledElsewhere, ...before }: BlockInput,
): Generator<df.Task, MeasuredBlock, unknown> {
  let outcomes: readonly CellOutcome[] = [];
  let { unsaved, settings } = before;
  let halt: Halt | null = null;

  // Ends: each repeat of the plan's part has a bound of attempts.
  while (halt === null && outcomes.length < MEASUREMENTS_PER_BLOCK) {
    const known = addOutcomes(past, outcomes);
    const decision = nextWave(plan, known, context.df.currentUtcDateTime.getTime());
    if (decision.kind === 'done') break;
    const wave = decision.cells;
    const wanted = wave[0]?.settings ?? 0;
    if (wanted !== settings) {
      // The update takes minutes, in which nothing is measured: what was is saved before.
      unsaved = yield* saveAll(context, runId, unsaved, known, settledElsewhere);
      halt = yield* changeSettings(context, runId, wanted, plan.deadlineMs);
      settings = wanted;
      continue; // The time that this took may have used up the budget.
    }
    const results = (yield context.df.Task.all([
      ...wave.flatMap((order) =>
        Array.from({ length: order.shards }, (_, shard) =>
          stepTask(context, 'measureCell', { runId, order, shard }),
        ),
      ),
      ...saveTasks(context, runId, unsaved, known, settledElsewhere),
    ])) as unknown[];

    unsaved = stillUnsaved(unsaved, results.slice(results.length - unsaved.length) as { saved: boolean }[]);
    let next = 0;
    let again = false;
    for (const order of wave) {
      const shardOutcomes = results.slice(next, next + order.shards) as ShardOutcome[];
      next += order.shards;
      if (shardOutcomes.some((outcome) => outcome.status === 'canceled')) {
        halt = { canceled: true, stoppedBy: null }; // What was cut off in the middle is no measurement of its cell.
        continue;
      }
      const stop = shardOutcomes.find((outcome) => outcome.status === 'stopped');
      if (stop !== undefined) {
        halt ??= { canceled: false, stoppedBy: stop.message }; // Before it began: there is nothing of it to keep.
        continue;
      }
      const outcome = outcomeOf(plan, order, shardOutcomes);
      outcomes = addOutcomes(outcomes, [outcome]);
      const gaveUp = outcome.status === 'again' && outcome.attempt >= ATTEMPTS_PER_REPEAT;
      again ||= outcome.status === 'again' && !gaveUp;
      const gaveUpReason = gaveUp ? reasonOf(shardOutcomes) : null;
      if (outcome.status === 'measured' || gaveUp) {
        const contaminated = wasContaminated(order, outcomes);
        unsaved = [...unsaved, { ...order, contaminated, gaveUpReason, saveFailures: 0 }];
      }
    }
    if (again && halt === null) yield* sleep(context, RETRY_SECONDS * (1 + jitter(plan.seed, outcomes)));
  }
  return { outcomes, unsaved, settings, halt };
}

/** Saves them now; gives what could not be. `settledElsewhere` are settled beside those among `outcomes`. */
export function* saveAll(
  context: df.OrchestrationContext,
  runId: string,
  unsaved: readonly UnsavedCell[],
  outcomes: readonly CellOutcome[],
  settledElsewhere: number,
): Generator<df.Task, UnsavedCell[], unknown> {
  if (unsaved.length === 0) return [];
  const tasks = saveTasks(context, runId, unsaved, outcomes, settledElsewhere);
  return stillUnsaved(unsaved, (yield context.df.Task.all(tasks)) as { saved: boolean }[]);
}

function saveTasks(
  context: df.OrchestrationContext,
  runId: string,
  unsaved: readonly UnsavedCell[],
  outcomes: readonly CellOutcome[],
  settledElsewhere: number,
): df.Task[] {
  const cellsDone = settledElsewhere + countSettled(outcomes);
  return unsaved.map((cell) => stepTask(context, 'saveCell', { runId, cell, cellsDone }));
}

function stillUnsaved(
  unsaved: readonly UnsavedCell[],
  results: readonly { readonly saved: boolean }[],
): UnsavedCell[] {
  return unsaved
    .filter((_, index) => results[index]?.saved !== true)
    .map((cell) => ({ ...cell, saveFailures: cell.saveFailures + 1 }))
    .filter((cell) => cell.saveFailures < SAVE_ATTEMPTS);
}

/** What followed another measurement was asked for before that one was known to leave work behind. */
function wasContaminated({ after, contaminated }: CellOrder, outcomes: readonly CellOutcome[]): boolean {
  if (after === undefined) return contaminated;
  return outcomes.some((one) => cellKey(one) === after.cellKey && one.leftBusy);
}

/** All shards measured, and together: the repeat counts. Otherwise it is measured again as a whole. */
function outcomeOf(plan: MeasurePlan, order: CellOrder, shards: readonly ShardOutcome[]): CellOutcome {
  const starts = shards.map((shard) => shard.startedAtMs).filter((start) => start !== null);
  const together = Math.max(...starts) - Math.min(...starts) <= START_SPREAD_MS;
  // A credential may have died in the middle. Each shard fetches its own, so another attempt has a new one, once.
  const refused = shards.some((shard) => shard.aborted);
  const measured =
    together && !(refused && order.attempt === 1) && shards.every((shard) => shard.status === 'measured');
  const limited = shards.some((shard) => shard.clientValid === false) && mayHaveMoreShards(plan, order);
  return {
    workload: order.workload,
    loop: order.loop,
    level: order.level,
    repeat: order.repeat,
    ...(order.settings !== undefined && { settings: order.settings }),
    attempt: order.attempt,
    shards: order.shards,
    status: !measured ? 'again' : limited ? 'client-limited' : 'measured',
    attempted: shards.reduce((sum, shard) => sum + shard.attempted, 0),
    failed: shards.reduce((sum, shard) => sum + shard.failed, 0),
    outputTokensPerSecond: addRates(shards.map((shard) => shard.outputTokensPerSecond)),
    aborted: refused && order.attempt > 1,
    slo: addSlo(shards.map((shard) => shard.slo)),
    leftBusy: shards.some((shard) => shard.leftBusy),
  };
}

/** Counts of shards add up; null where one was held against nothing. */
function addSlo(counts: readonly ShardOutcome['slo'][]): CellOutcome['slo'] {
  const known = counts.filter((one) => one !== null);
  if (known.length < counts.length) return null;
  const sum = (count: (one: (typeof known)[number]) => number) =>
    known.reduce((total, one) => total + count(one), 0);
  return {
    attempted: sum((one) => one.attempted),
    met: sum((one) => one.met),
    notEvaluable: sum((one) => one.notEvaluable),
  };
}

/** Rates of shards that ran at the same time add up; null where none carried anything. */
function addRates(rates: readonly (number | null)[]): number | null {
  const known = rates.filter((rate) => rate !== null);
  return known.length === 0 ? null : known.reduce((sum, rate) => sum + rate, 0);
}

/** What kept a repeat from being measured in its last attempt. */
function reasonOf(shards: readonly ShardOutcome[]): string {
  const failed = shards.find((shard) => shard.status === 'failed');
  if (failed?.message) return failed.message;
  if (shards.some((shard) => shard.status === 'busy')) {
    return 'This instance had no room for its connections (MAX_CONNECTIONS_PER_INSTANCE).';
  }
  return 'Its shards did not begin together.';
}

/** 0 to 1, from the seed and what was tried so far: the same in each replay. */
function jitter(seed: number, outcomes: readonly CellOutcome[]): number {
  const attempts = outcomes.reduce((sum, outcome) => sum + outcome.attempt, 0);
  return deriveSeed(seed, 'retry', attempts) / 2 ** 32;
}
