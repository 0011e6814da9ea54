/**
 * The typed contract between orchestrations and activities: each step's input and output, which cross durable history
 * and so stay small (under 2 kB) and hold no secret. A shape never changes while runs are in flight: a changed step
 * gets a new name.
 */
import * as df from 'durable-functions';
import type { RunFailure } from '../core/failure.ts';
import type { MeasureBlock, PackedOutcome } from '../core/measuring/block.ts';
import type { CellOrder } from '../core/measuring/cell.ts';
import type { CellOutcome, MeasurePlan } from '../core/measuring/wave.ts';
import type { SloCounts } from '../core/spec/slo.ts';

export interface RunKey {
  readonly runId: string;
}

export interface ComparisonKey {
  readonly comparisonId: string;
}

/** One of the lanes in which a comparison's targets go side by side. */
export interface LaneKey extends ComparisonKey {
  readonly lane: number;
}

/** Polls a race until it is over, and no longer than until then. */
export interface RaceInput extends ComparisonKey {
  readonly untilMs: number;
}

/** What the orchestration needs to know of its comparison to steer it. */
export interface StartedComparison {
  readonly lanes: number;
  /** Epoch milliseconds by which the race among its targets is over; null where there is none. */
  readonly raceUntilMs: number | null;
}

/** What the orchestration needs to know of its run to steer it. */
export interface StartedRun {
  readonly kind: 'managed' | 'endpoint' | 'existing';
  readonly pollSeconds: number;
  /** How many places the endpoint may go to; 0 where nothing is deployed. */
  readonly placements: number;
  readonly waitForCapacityMinutes: number;
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

/**
 * One attempt to deploy, at one of the target's placements. Runs that were in flight before there were several send
 * neither number: theirs is the first attempt at the first placement.
 */
export interface DeployInput extends RunKey {
  /** From 1; part of the endpoint's name. */
  readonly attempt?: number;
  /** Index into the target's placements. */
  readonly placement?: number;
}

/** Where an attempt to deploy stands. */
export type DeployProgress =
  | Progress
  /** Azure would not begin now, because of what is still under way: the same step again in a while. */
  | { readonly state: 'refused'; readonly message: string }
  /** This attempt came to nothing; another may not. The failure is the run's own where none follows. */
  | {
      readonly state: 'unplaced';
      readonly recourse: 'again' | 'elsewhere';
      readonly failure: RunFailure;
    };

/** Whether a run may begin to rent: `queued` waits for quota, for GPUs or for the day's money. */
export type Admission =
  | { readonly state: 'admitted'; readonly placement: number }
  | { readonly state: 'queued'; readonly pollSeconds: number }
  | { readonly state: 'ended'; readonly ending: Ending };

/** A shard's outcome, without its figures: those stand in its row. */
export interface ShardOutcome {
  /**
   * `busy`: no room for its connections. `late`: its siblings had begun, or did not come. `stopped`: its run shall
   * measure no further and keep what it has, as the message says.
   */
  readonly status: 'measured' | 'busy' | 'late' | 'canceled' | 'stopped' | 'failed';
  readonly startedAtMs: number | null;
  readonly attempted: number;
  readonly failed: number;
  /** Of this shard's connections; null where nothing succeeded. */
  readonly outputTokensPerSecond: number | null;
  readonly aborted: boolean;
  /** Whether it measured the server and not the client; null where that cannot be told. */
  readonly clientValid: boolean | null;
  /** Requests that kept the run's objectives; null where it has none. */
  readonly slo: Pick<SloCounts, 'attempted' | 'met' | 'notEvaluable'> | null;
  /** It abandoned requests that the endpoint had not done with when it ended. */
  readonly leftBusy: boolean;
  /** For `failed` and `stopped`: what kept the shard from being measured. */
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
  readonly outcomes: readonly PackedOutcome[];
  readonly unsaved: readonly UnsavedCell[];
  /** Index of the settings that the deployment has; absent for the first. */
  readonly settings?: number;
  /** Blocks so far; absent for none. */
  readonly blocks?: number;
}

/** A block of measuring: its plan, and what it depends on. */
export interface BlockInput extends RunKey, Omit<MeasureBlock, 'kind'> {
  /** Of the block before; they are saved beside its first wave. */
  readonly unsaved: readonly UnsavedCell[];
  readonly settings: number;
}

/** What a block came to. */
export interface MeasuredBlock {
  readonly outcomes: readonly CellOutcome[];
  readonly unsaved: readonly UnsavedCell[];
  readonly settings: number;
  /** Why nothing further is measured; null where the run goes on. */
  readonly halt: Halt | null;
}

/** Why nothing further is measured. */
export interface Halt {
  readonly canceled: boolean;
  readonly stoppedBy: string | null;
}

export interface UnsavedCell extends CellOrder {
  /** Why nothing was measured, where its attempts are used up; null where it was measured. */
  readonly gaveUpReason: string | null;
  /** How often saving it has failed. */
  readonly saveFailures: number;
}

export interface Steps {
  /** Asks for a place in the ledger, again and again while the run is queued. */
  readonly admitRun: Step<RunKey, Admission>;
  /** Moves the run out of `queued`. */
  readonly startRun: Step<RunKey, StartedRun>;
  readonly deployEndpoint: Step<DeployInput, DeployProgress>;
  readonly deployModel: Step<DeployInput, DeployProgress>;
  readonly deployTraffic: Step<DeployInput, DeployProgress>;
  readonly deployProgress: Step<DeployInput & { readonly stage: DeployStage }, DeployProgress>;
  /** Changes the deployment to the settings of that index, again and again until they hold. */
  readonly deploySettings: Step<RunKey & { readonly settings: number }, Progress>;
  /** Deletes the endpoint of an attempt that came to nothing, while the run goes on. */
  readonly abandonAttempt: Step<DeployInput, ReleaseProgress>;
  /** Finds the route and what prompts are worth, with a few requests that are not measured. */
  readonly warmUp: Step<RunKey & { readonly attempt: number }, Progress>;
  readonly planMeasuring: Step<RunKey & { readonly measureDeadlineMs: number }, MeasurePlan>;
  readonly measureCell: Step<RunKey & { readonly order: CellOrder; readonly shard: number }, ShardOutcome>;
  readonly saveCell: Step<
    RunKey & { readonly cell: UnsavedCell; readonly cellsDone: number },
    { readonly saved: boolean }
  >;
  readonly aggregate: Step<RunKey & { readonly stoppedBy: string | null }, Record<string, never>>;
  /** Leaves the endpoint to its lease instead of deleting it, where the user wants it for further runs. */
  readonly keepEndpoint: Step<RunKey, { readonly kept: boolean }>;
  readonly releaseEndpoint: Step<RunKey, ReleaseProgress>;
  readonly releaseProgress: Step<RunKey, ReleaseProgress>;
  /** The last step: writes the final state, after GET has said 404 or the endpoint was left to its lease. */
  readonly finishRun: Step<RunKey & { readonly ending: Ending }, Record<string, never>>;
  /** Moves the comparison out of `queued`. */
  readonly startComparison: Step<ComparisonKey, StartedComparison>;
  /** Takes the next target for a lane and writes its run's row; null where none is left. */
  readonly nextTarget: Step<LaneKey & { readonly turn: number }, { readonly runId: string | null }>;
  /** Looks at the rows and tells candidates that are out to measure no further. */
  readonly judgeRace: Step<ComparisonKey, { readonly over: boolean; readonly pollSeconds: number }>;
  /** The last step of a comparison: its report and its final state. */
  readonly finishComparison: Step<ComparisonKey & { readonly failure: string | null }, Record<string, never>>;
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
