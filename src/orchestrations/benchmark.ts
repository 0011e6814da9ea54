/**
 * A run from its start to its end: deploy, warm up, measure, aggregate, and always release. Deterministic: time is
 * the orchestration's own, everything else is a step. Only this file waits.
 */
import type * as df from 'durable-functions';
import { STAGE_MINUTES } from '../core/plan.ts';
import {
  callStep,
  type DeployStage,
  type Ending,
  type Measured,
  type Progress,
  type RunKey,
  type StartedRun,
  sleep,
} from './steps.ts';

export const BENCHMARK = 'benchmark';
export const MEASURE = 'measure';

/** Polls grow apart to this, which keeps a 45-minute wait to about a hundred polls and a cancel well under a minute. */
const LONGEST_POLL_SECONDS = 20;
const POLL_GROWTH = 1.25;

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
    const released = yield* release(context, runId);
    yield* callStep(context, 'finishRun', { runId, ending: released ?? ending });
  }
}

function* runStages(context: df.OrchestrationContext, runId: string): Generator<df.Task, Ending, unknown> {
  const run = yield* callStep(context, 'startRun', { runId });
  if (run.ending !== null) return run.ending;
  if (run.kind === 'managed') {
    const ended = yield* deploy(context, runId, run);
    if (ended !== null) return ended;
  }
  const ended = yield* warmUp(context, runId, run);
  if (ended !== null) return ended;
  const measured = yield* measureAll(context, runId, run);
  const ending = endingOf(measured);
  yield* callStep(context, 'aggregate', { runId, stoppedBy: ending.stoppedBy });
  return ending;
}

function* deploy(
  context: df.OrchestrationContext,
  runId: string,
  run: StartedRun,
): Generator<df.Task, Ending | null, unknown> {
  const stages = [
    { step: 'deployEndpoint', stage: 'endpoint' },
    { step: 'deployModel', stage: 'deployment' },
    { step: 'deployTraffic', stage: 'traffic' },
  ] as const;
  for (const { step, stage } of stages) {
    const started = yield* callStep(context, step, { runId });
    if (started.state === 'ended') return started.ending;
    const ended = yield* waitUntilReady(context, runId, run, stage);
    if (ended !== null) return ended;
  }
  return null;
}

function* waitUntilReady(
  context: df.OrchestrationContext,
  runId: string,
  run: StartedRun,
  stage: DeployStage,
): Generator<df.Task, Ending | null, unknown> {
  const until = stageDeadline(context, run, STAGE_MINUTES[stage]);
  for (let waits = 0; nowMs(context) < until; waits += 1) {
    const progress: Progress = yield* callStep(context, 'deployProgress', { runId, stage });
    if (progress.state === 'ended') return progress.ending;
    if (progress.state === 'ready') return null;
    yield* sleep(context, pollSeconds(run, waits));
  }
  return timedOut(
    context,
    run,
    `The ${stage} was not ready after ${STAGE_MINUTES[stage]} minutes; it was given up and is deleted.`,
    'deploy-timeout',
  );
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

/**
 * Deletes the endpoint and waits until it is gone, trying again whatever refuses. Gives the ending that replaces the
 * run's own where the delete could not be confirmed within its bound; the reaper goes on from there.
 */
function* release(
  context: df.OrchestrationContext,
  runId: string,
): Generator<df.Task, Ending | null, unknown> {
  const until = nowMs(context) + STAGE_MINUTES.release * 60_000;
  let lastError: string | null = null;
  for (let waits = 0; nowMs(context) < until; waits += 1) {
    try {
      const progress = yield* callStep(context, waits === 0 ? 'releaseEndpoint' : 'releaseProgress', {
        runId,
      });
      if (progress.gone) return null;
      lastError = progress.error;
    } catch (error) {
      lastError = sentence(error);
    }
    yield* sleep(context, Math.min(LONGEST_POLL_SECONDS, 1 * POLL_GROWTH ** waits));
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
  return Math.max(run.pollSeconds, Math.min(LONGEST_POLL_SECONDS, run.pollSeconds * POLL_GROWTH ** waits));
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
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0]?.slice(0, 500) ?? 'Unknown error.';
}
