/**
 * A run from its start to its end: wait for its turn, deploy where there is room, warm up, measure, aggregate, and
 * always release. Deterministic: time is the orchestration's own, everything else is a step. Only this file waits.
 */
import type * as df from 'durable-functions';
import { messageOf } from '../core/failure.ts';
import { type AttemptOutcome, nextAttempt, PAUSE_BETWEEN_ROUNDS_POLLS } from '../core/renting/placement.ts';
import { STAGE_MINUTES } from '../core/spec/plan.ts';
import {
  callStep,
  type DeployInput,
  type DeployProgress,
  type DeployStage,
  type Ending,
  type Measured,
  type ReleaseProgress,
  type RunKey,
  type StartedRun,
  sleep,
} from './steps.ts';

export const BENCHMARK = 'benchmark';
export const MEASURE = 'measure';

/** Polls grow apart to this, which keeps a 45-minute wait to about a hundred polls and a cancel well under a minute. */
const LONGEST_POLL_SECONDS = 20;
const POLL_GROWTH = 1.25;

/** A run that found no room in a day is not what its user is still waiting for. */
const QUEUE_HOURS = 24;
/** The queue is asked less and less often, up to this: a cancel is seen soon, and a day is some seven hundred questions. */
const LONGEST_QUEUE_POLL_SECONDS = 120;

/** How long the measuring sub-orchestration may outlast its own deadline: a last request (180 s) and its saving. */
const MEASURE_GRACE_MS = 10 * 60_000;

export function* benchmark(context: df.OrchestrationContext): Generator<df.Task, void, unknown> {
  const { runId } = context.df.getInput<RunKey>();
  let ending: Ending = internalFailure('The run ended before its first step.');
  try {
    ending = yield* runStages(context, runId);
  } catch (error) {
    ending = internalFailure(sentence(error));
  } finally {
    const kept = ending.state === 'completed' && (yield* keep(context, runId));
    const released = kept ? null : yield* release(context, runId);
    yield* callStep(context, 'finishRun', { runId, ending: released ?? ending });
  }
}

function* runStages(context: df.OrchestrationContext, runId: string): Generator<df.Task, Ending, unknown> {
  const admitted = yield* waitForTurn(context, runId);
  if (typeof admitted !== 'number') return admitted;
  const run = yield* callStep(context, 'startRun', { runId });
  if (run.ending !== null) return run.ending;
  if (run.kind === 'managed') {
    const ended = yield* deploy(context, runId, run, admitted);
    if (ended !== null) return ended;
  }
  const ended = yield* warmUp(context, runId, run);
  if (ended !== null) return ended;
  const measured = yield* measureAll(context, runId, run);
  const ending = endingOf(measured);
  yield* callStep(context, 'aggregate', { runId, stoppedBy: ending.stoppedBy });
  return ending;
}

/** Waits in the queue, with nothing allocated. Gives the placement to begin with, or how the run ends without one. */
function* waitForTurn(
  context: df.OrchestrationContext,
  runId: string,
): Generator<df.Task, number | Ending, unknown> {
  const until = nowMs(context) + QUEUE_HOURS * 3_600_000;
  for (let waits = 0; nowMs(context) < until; waits += 1) {
    const admission = yield* callStep(context, 'admitRun', { runId });
    if (admission.state === 'admitted') return admission.placement;
    if (admission.state === 'ended') return admission.ending;
    const { pollSeconds } = admission;
    yield* sleep(context, grown(pollSeconds, waits, LONGEST_QUEUE_POLL_SECONDS));
  }
  return failure(
    'deploy-failed',
    `The run was queued for ${QUEUE_HOURS} hours and there was never room for it; its row says what it waited for.`,
    null,
  );
}

/** Tries one placement after the other; what an attempt made is deleted before the next begins. */
function* deploy(
  context: df.OrchestrationContext,
  runId: string,
  run: StartedRun,
  firstPlacement: number,
): Generator<df.Task, Ending | null, unknown> {
  const outcomes: AttemptOutcome[] = [];
  const pauseSeconds = PAUSE_BETWEEN_ROUNDS_POLLS * run.pollSeconds;
  const waitUntilMs = Math.min(
    nowMs(context) + run.waitForCapacityMinutes * 60_000,
    run.measureDeadlineMs - STAGE_MINUTES.release * 60_000,
  );
  let lastFailure: Ending | null = null;
  let paused = false;
  // Ends: `nextAttempt` gives up after a bound of attempts, and lets no round begin after `waitUntilMs`.
  for (;;) {
    const next = nextAttempt({
      placements: run.placements,
      outcomes,
      paused,
      nowMs: nowMs(context),
      waitUntilMs,
      pauseSeconds,
    });
    if (next.kind === 'give-up') return lastFailure;
    if (next.kind === 'wait') {
      yield* sleep(context, next.seconds);
      paused = true;
      continue;
    }
    paused = false;
    const { attempt } = next;
    // The queue knows which place has room; the others follow it in their order.
    const placement = (firstPlacement + next.placement) % run.placements;
    const came = yield* deployAttempt(context, run, { runId, attempt, placement });
    if (came === null || came.state === 'ended') return came === null ? null : came.ending;
    lastFailure = { state: 'failed', failure: came.failure, stoppedBy: null };
    outcomes.push({ placement: next.placement, recourse: came.recourse });
    const leaked = yield* deleteUntilGone(context, () =>
      callStep(context, 'abandonAttempt', { runId, attempt, placement }),
    );
    if (leaked !== null) return leaked;
  }
}

type AttemptFailure = Extract<DeployProgress, { state: 'ended' | 'unplaced' }>;

/** One attempt, stage after stage; null where it stands and answers. */
function* deployAttempt(
  context: df.OrchestrationContext,
  run: StartedRun,
  input: DeployInput,
): Generator<df.Task, AttemptFailure | null, unknown> {
  const stages = [
    { step: 'deployEndpoint', stage: 'endpoint' },
    { step: 'deployModel', stage: 'deployment' },
    { step: 'deployTraffic', stage: 'traffic' },
  ] as const;
  for (const { step, stage } of stages) {
    const failed = yield* deployStage(context, run, input, step, stage);
    if (failed !== null) return failed;
  }
  return null;
}

/** Starts a stage, again while Azure is busy with something else, and waits until it is ready. */
function* deployStage(
  context: df.OrchestrationContext,
  run: StartedRun,
  input: DeployInput,
  step: 'deployEndpoint' | 'deployModel' | 'deployTraffic',
  stage: DeployStage,
): Generator<df.Task, AttemptFailure | null, unknown> {
  const until = stageDeadline(context, run, STAGE_MINUTES[stage]);
  let started = false;
  let refusal: string | null = null;
  for (let waits = 0; nowMs(context) < until; ) {
    const progress: DeployProgress = started
      ? yield* callStep(context, 'deployProgress', { ...input, stage })
      : yield* callStep(context, step, input);
    if (progress.state === 'ended' || progress.state === 'unplaced') return progress;
    refusal = progress.state === 'refused' ? progress.message : null;
    if (!started && refusal === null) {
      started = true;
      continue; // It may be there already.
    }
    if (progress.state === 'ready') return null;
    yield* sleep(context, pollSeconds(run, waits));
    waits += 1;
  }
  const why = refusal === null ? '' : ` ${refusal}`;
  const ending = timedOut(
    context,
    run,
    `The ${stage} was not ready after ${STAGE_MINUTES[stage]} minutes; it was given up and is deleted.${why}`,
    'deploy-timeout',
  );
  return { state: 'ended', ending };
}

function* warmUp(
  context: df.OrchestrationContext,
  runId: string,
  run: StartedRun,
): Generator<df.Task, Ending | null, unknown> {
  const until = stageDeadline(context, run, STAGE_MINUTES.warmUp);
  for (let attempt = 1; nowMs(context) < until; attempt += 1) {
    const progress = yield* callStep(context, 'warmUp', { runId, attempt });
    if (progress.state === 'ended') return progress.ending;
    if (progress.state === 'ready') return null;
    yield* sleep(context, pollSeconds(run, attempt));
  }
  return timedOut(
    context,
    run,
    `No request succeeded within ${STAGE_MINUTES.warmUp} minutes after the deployment was ready.`,
    'warm-up-failed',
  );
}

/** The sub-orchestration, and a timer that goes off only where it hangs: then the release must not wait for it. */
function* measureAll(
  context: df.OrchestrationContext,
  runId: string,
  run: StartedRun,
): Generator<df.Task, Measured | null, unknown> {
  const measuring = context.df.callSubOrchestrator(
    MEASURE,
    { runId, measureDeadlineMs: run.measureDeadlineMs },
    `${runId}-measure`,
  );
  const hung = context.df.createTimer(new Date(run.measureDeadlineMs + MEASURE_GRACE_MS));
  const first = yield context.df.Task.any([measuring, hung]);
  if (first !== measuring) return null;
  hung.cancel();
  if (measuring.isFaulted) throw measuring.result;
  return measuring.result as Measured;
}

function endingOf(measured: Measured | null): Ending {
  if (measured === null) {
    return failure(
      'measure-failed',
      'Measuring did not end within its bound; what was saved until then is kept.',
      'Measuring hung.',
    );
  }
  const { stoppedBy } = measured;
  if (measured.canceled) return { state: 'canceled', failure: null, stoppedBy: 'Canceled by the user.' };
  if (measured.aborted) return failure('measure-failed', stoppedBy ?? 'Measuring was aborted.', stoppedBy);
  // Everything planned was tried: it was no budget that kept it from being measured.
  if (measured.cells === 0 && stoppedBy === null)
    return failure('measure-failed', 'No cell could be measured; its row says why each was given up.', null);
  if (measured.cells === 0) {
    return failure(
      'budget-exhausted',
      'The limits left no time or money to measure even one cell; raise limits.maxMinutes or limits.maxUsd.',
      stoppedBy,
    );
  }
  if (measured.succeeded === 0)
    return failure(
      'nothing-succeeded',
      'No request succeeded; the rows tell the failures by class.',
      stoppedBy,
    );
  return { state: 'completed', failure: null, stoppedBy };
}

/** Whether the endpoint was left to its lease. Where that cannot be told, it is deleted. */
function* keep(context: df.OrchestrationContext, runId: string): Generator<df.Task, boolean, unknown> {
  try {
    return (yield* callStep(context, 'keepEndpoint', { runId })).kept;
  } catch {
    return false;
  }
}

function* release(
  context: df.OrchestrationContext,
  runId: string,
): Generator<df.Task, Ending | null, unknown> {
  return yield* deleteUntilGone(context, (waits) =>
    callStep(context, waits === 0 ? 'releaseEndpoint' : 'releaseProgress', { runId }),
  );
}

/**
 * Deletes and waits until GET says 404, trying again whatever refuses. Gives the ending that replaces the run's own
 * where the delete could not be confirmed within its bound; the reaper goes on from there.
 */
function* deleteUntilGone(
  context: df.OrchestrationContext,
  ask: (waits: number) => Generator<df.Task, ReleaseProgress, unknown>,
): Generator<df.Task, Ending | null, unknown> {
  const until = nowMs(context) + STAGE_MINUTES.release * 60_000;
  let lastError: string | null = null;
  for (let waits = 0; nowMs(context) < until; waits += 1) {
    try {
      const progress = yield* ask(waits);
      if (progress.gone) return null;
      lastError = progress.error;
    } catch (error) {
      lastError = sentence(error);
    }
    yield* sleep(context, grown(1, waits, LONGEST_POLL_SECONDS));
  }
  return failure(
    'leaked-endpoint',
    `The endpoint was not confirmed as deleted within ${STAGE_MINUTES.release} minutes and may still cost money; the reaper goes on trying. ${lastError ?? ''}`.trim(),
    null,
  );
}

function stageDeadline(context: df.OrchestrationContext, run: StartedRun, minutes: number): number {
  return Math.min(nowMs(context) + minutes * 60_000, run.measureDeadlineMs);
}

/** Where the budget ended the wait and not the stage's own bound, the ending says so. */
function timedOut(
  context: df.OrchestrationContext,
  run: StartedRun,
  message: string,
  code: 'deploy-timeout' | 'warm-up-failed',
): Ending {
  if (nowMs(context) >= run.measureDeadlineMs) {
    return failure(
      'budget-exhausted',
      'The limits of the run were used up before anything could be measured; raise limits.maxMinutes or limits.maxUsd.',
      null,
    );
  }
  return failure(code, message, null);
}

function pollSeconds(run: StartedRun, waits: number): number {
  return Math.max(run.pollSeconds, grown(run.pollSeconds, waits, LONGEST_POLL_SECONDS));
}

function grown(firstSeconds: number, waits: number, mostSeconds: number): number {
  return Math.min(mostSeconds, firstSeconds * POLL_GROWTH ** waits);
}

function nowMs(context: df.OrchestrationContext): number {
  return context.df.currentUtcDateTime.getTime();
}

function failure(
  code: NonNullable<Ending['failure']>['code'],
  message: string,
  stoppedBy: string | null,
): Ending {
  return { state: 'failed', failure: { code, message }, stoppedBy };
}

function internalFailure(message: string): Ending {
  return failure('internal', message, null);
}

/** The first line of an error as the framework hands it over, which may hold a whole stack. */
function sentence(error: unknown): string {
  const text = messageOf(error);
  return text.split('\n')[0]?.slice(0, 500) ?? 'Unknown error.';
}
