/**
 * The typed contract between orchestrations and activities: each step's input and output, which cross durable history
 * and so stay small (under 2 kB) and hold no secret. A shape never changes while runs are in flight: a changed step
 * gets a new name.
 */
import * as df from 'durable-functions';
import type { CellOrder } from '../core/cell.ts';
import type { RunFailure } from '../core/failure.ts';
import type { CellOutcome, MeasurePlan } from '../core/wave.ts';

export interface RunKey {
  readonly runId: string;
}

/** What the orchestration needs to know of its run to steer it. */
export interface StartedRun {
  readonly kind: 'managed' | 'existing';
  readonly pollSeconds: number;
  /** Epoch milliseconds after which nothing is deployed or measured any more. */
  readonly measureDeadlineMs: number;
  /** Set where there is nothing to start: the run was canceled while it was queued. */
  readonly ending: Ending | null;
}

/** How a run ends, apart from its release. */
export interface Ending {
  readonly state: 'completed' | 'failed' | 'canceled';
  readonly failure: RunFailure | null;
  readonly stoppedBy: string | null;
}

export type DeployStage = 'endpoint' | 'deployment' | 'traffic';

/** Where a wait stands: go on, wait, or end the run. */
export type Progress =
  | { readonly state: 'ready' | 'waiting' }
  | { readonly state: 'ended'; readonly ending: Ending };

/** A shard's outcome, without its figures: those stand in its row. */
export interface ShardOutcome {
  /** `busy`: no room for its connections. `late`: its siblings had begun, or did not come. */
  readonly status: 'measured' | 'busy' | 'late' | 'canceled' | 'failed';
  readonly startedAtMs: number | null;
  readonly attempted: number;
  readonly failed: number;
  /** Of this shard's connections; null where nothing succeeded. */
  readonly outputTokensPerSecond: number | null;
  readonly aborted: boolean;
  /** For `failed`: what kept the shard from being measured. */
  readonly message: string | null;
}

/** What the measuring sub-orchestration came to. */
export interface Measured {
  readonly cells: number;
  readonly canceled: boolean;
  readonly aborted: boolean;
  readonly stoppedBy: string | null;
  /** Requests that succeeded, over all cells. */
  readonly succeeded: number;
}

/** State of the measuring loop as it is carried over when its history starts anew. */
export interface MeasureInput extends RunKey {
  readonly outcomes: readonly CellOutcome[];
  readonly unsaved: readonly UnsavedCell[];
}

export interface UnsavedCell extends CellOrder {
  /** Why nothing was measured, where its attempts are used up; null where it was measured. */
  readonly gaveUpReason: string | null;
  /** How often saving it has failed. */
  readonly saveFailures: number;
}

export interface Steps {
  /** The first step: moves the run out of `queued`. */
  readonly startRun: Step<RunKey, StartedRun>;
  readonly deployEndpoint: Step<RunKey, Progress>;
  readonly deployModel: Step<RunKey, Progress>;
  readonly deployTraffic: Step<RunKey, Progress>;
  readonly deployProgress: Step<RunKey & { readonly stage: DeployStage }, Progress>;
  /** Finds the route and what prompts are worth, with a few requests that are not measured. */
  readonly warmUp: Step<RunKey & { readonly attempt: number }, Progress>;
  readonly planMeasuring: Step<RunKey & { readonly measureDeadlineMs: number }, MeasurePlan>;
  readonly measureCell: Step<RunKey & { readonly order: CellOrder; readonly shard: number }, ShardOutcome>;
  readonly saveCell: Step<
    RunKey & { readonly cell: UnsavedCell; readonly cellsDone: number },
    { readonly saved: boolean }
  >;
  readonly aggregate: Step<RunKey & { readonly stoppedBy: string | null }, Record<string, never>>;
  readonly releaseEndpoint: Step<RunKey, ReleaseProgress>;
  readonly releaseProgress: Step<RunKey, ReleaseProgress>;
  /** The last step: writes the final state, after GET has said 404. */
  readonly finishRun: Step<RunKey & { readonly ending: Ending }, Record<string, never>>;
}

export interface ReleaseProgress {
  /** True when GET said 404, or nothing was ever created. */
  readonly gone: boolean;
  /** Why deleting failed this time; it is tried again. */
  readonly error: string | null;
}

interface Step<In, Out> {
  readonly input: In;
  readonly output: Out;
}

export type StepName = keyof Steps;

/** Activities by step name, each giving its output in time or throwing to be tried again. */
export type StepHandlers = {
  readonly [N in StepName]: (input: Steps[N]['input']) => Promise<Steps[N]['output']>;
};

/**
 * How often a step that throws is tried again: 5, 10, 20 and 40 seconds later, which outlasts a throttled control
 * plane and a storage failover. What cannot succeed later is not thrown but told in the step's output.
 */
function stepRetry(): df.RetryOptions {
  const retry = new df.RetryOptions(5_000, 5);
  retry.backoffCoefficient = 2;
  return retry;
}

/** Runs a step and gives its output, typed. */
export function* callStep<N extends StepName>(
  context: df.OrchestrationContext,
  name: N,
  input: Steps[N]['input'],
): Generator<df.Task, Steps[N]['output'], unknown> {
  return (yield context.df.callActivityWithRetry(name, stepRetry(), input)) as Steps[N]['output'];
}

/** A step as a task for `Task.all`. Such steps never throw, because `Task.all` would leave their siblings behind. */
export function stepTask<N extends 'measureCell' | 'saveCell'>(
  context: df.OrchestrationContext,
  name: N,
  input: Steps[N]['input'],
): df.Task {
  return context.df.callActivity(name, input);
}

export function* sleep(context: df.OrchestrationContext, seconds: number): Generator<df.Task, void, unknown> {
  yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + seconds * 1_000));
}
