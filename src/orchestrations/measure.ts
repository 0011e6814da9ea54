/**
 * Measuring from its plan to its end: block after block, each by an orchestration of its own, until nothing is left to
 * measure or the budget is used up. Only here is the whole past, which nobody replays but once for each block.
 */
import type * as df from 'durable-functions';
import {
  addOutcomes,
  MEASUREMENTS_PER_BLOCK,
  nextBlock,
  packOutcome,
  unpackOutcome,
} from '../core/measuring/block.ts';
import type { CellOutcome } from '../core/measuring/wave.ts';
import { runBlock, saveAll } from './measure-block.ts';
import {
  type BlockInput,
  callStep,
  type Halt,
  type Measured,
  type MeasuredBlock,
  type MeasureInput,
  sleep,
} from './steps.ts';

export const MEASURE_BLOCK = 'measureBlock';

/** At the end, what could not be saved beside a wave is tried again; its shards' rows stay, whatever comes of it. */
const SAVE_ATTEMPTS = 5;
const RETRY_SECONDS = 2;

export function* measure(
  context: df.OrchestrationContext,
): Generator<df.Task, Measured | undefined, unknown> {
  const input = context.df.getInput<MeasureInput & { measureDeadlineMs: number }>();
  const { runId, measureDeadlineMs } = input;
  const plan = yield* callStep(context, 'planMeasuring', { runId, measureDeadlineMs });
  let outcomes: readonly CellOutcome[] = (input.outcomes ?? []).map(unpackOutcome);
  let unsaved = input.unsaved ?? [];
  let settings = input.settings ?? 0;
  const before = outcomes.length;
  let halt: Halt | null = null;

  // Ends: each block measures something, or finds that the time for all of it has passed.
  for (let blocks = input.blocks ?? 0; halt === null; blocks += 1) {
    // Each replay looks at the whole past for each of its blocks.
    if (outcomes.length - before >= MEASUREMENTS_PER_BLOCK) {
      const packed = outcomes.map(packOutcome);
      const carried: MeasureInput = { runId, outcomes: packed, unsaved, settings, blocks };
      context.df.continueAsNew({ ...carried, measureDeadlineMs });
      return undefined;
    }
    const next = nextBlock(plan, outcomes, context.df.currentUtcDateTime.getTime());
    if (next.kind === 'done') {
      halt = { canceled: false, stoppedBy: next.stoppedBy };
      break;
    }
    const { past, settledElsewhere } = next;
    const order: BlockInput = { runId, plan: next.plan, past, settledElsewhere, unsaved, settings };
    // Most runs are one block: another orchestration would be a message more before it begins.
    const isWhole = blocks === 0 && (next.plan.part?.repeats?.length ?? 0) < MEASUREMENTS_PER_BLOCK;
    const block: MeasuredBlock = isWhole
      ? yield* runBlock(context, order)
      : ((yield context.df.callSubOrchestrator(
          MEASURE_BLOCK,
          order,
          `${runId}-measure-${blocks}`,
        )) as MeasuredBlock);
    outcomes = addOutcomes(outcomes, block.outcomes);
    ({ unsaved, settings, halt } = block);
  }

  for (let attempt = 0; unsaved.length > 0 && attempt < SAVE_ATTEMPTS; attempt += 1) {
    unsaved = yield* saveAll(context, runId, unsaved, outcomes, 0);
    if (unsaved.length > 0) yield* sleep(context, RETRY_SECONDS * 2 ** attempt);
  }
  const measured = outcomes.filter((outcome) => outcome.status === 'measured');
  const lost =
    unsaved.length > 0
      ? `${unsaved.length} measured cells could not be saved; their shards' rows are kept.`
      : null;
  return {
    cells: measured.length,
    canceled: halt?.canceled ?? false,
    aborted: outcomes.some((outcome) => outcome.aborted),
    stoppedBy: halt?.stoppedBy ?? lost,
    succeeded: measured.reduce((sum, outcome) => sum + outcome.attempted - outcome.failed, 0),
  };
}
