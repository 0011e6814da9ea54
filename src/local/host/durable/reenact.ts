/**
 * The heart of the engine: walks an orchestrator's actions against its history, and finds what is to be started.
 *
 * The orchestrator says *what* it wants as a list of actions. It does not say which task ids these have, when a
 * retry is due, or what has been scheduled already; it works the ids out for itself while it replays, from one counter
 * per execution, in the order in which tasks become active. So the host must walk the same list over the same
 * history and arrive at the same numbers. This mirrors azure-functions-durable-extension's
 * `ProcessAsyncActionsV2` and durabletask's `TaskOrchestrationContext` and `RetryInterceptor`.
 *
 * Pure and synchronous: one event settles at most one task, so there is only one chain of continuations at a time and
 * callbacks give the same order as .NET's awaits do.
 *
 * Two habits of Azure's are kept on purpose, since code that runs here must run there:
 * - A task that is yielded again inside another `Task.any` or `Task.all` is started again (azure-functions-durable-js
 *   issue 574).
 * - `Task.all` throws into the orchestrator at the first failure, but what the orchestrator asks for next starts only
 *   when all members have ended.
 */
import { ACTION, type Action, type RetryOptions } from './answer.ts';
import { EVENT, type EventRaised, type HistoryEvent, type JsonText, type Scheduled } from './history.ts';

export interface Reenactment {
  /** What is to be started now, in the order of the task ids. */
  readonly fresh: readonly Scheduled[];
  /** Ids of tasks that have no answer yet, canceled timers left out. While there is one, nothing completes. */
  readonly open: readonly number[];
  /** Ids of timers that were canceled and have not fired; they need not fire any more. */
  readonly canceledTimers: readonly number[];
  /** Whether every action has come to its end. */
  readonly walked: boolean;
  /** Present when the orchestrator asked for it, with the events that arrived after it did. */
  readonly continueAsNew?: { readonly input: JsonText; readonly carriedOver: readonly EventRaised[] };
  /** A sentence: history and actions do not fit each other, or an action that this host does not have. */
  readonly fault?: string;
}

type Settle = (succeeded: boolean) => void;

/** DTFx's default for an absent maximum. */
const DEFAULT_MAX_RETRY_INTERVAL_MS = 6 * 24 * 3_600_000;

const UNSUPPORTED: Readonly<Record<number, string>> = {
  [ACTION.CallEntity]: 'callEntity',
  [ACTION.CallHttp]: 'callHttp',
  [ACTION.SignalEntity]: 'signalEntity',
  [ACTION.LockEntities]: 'lock',
  [ACTION.ReleaseEntities]: 'the release of a lock',
};

/** Walks `actions` over `history`, which includes the new events of this episode. */
export function reenact(history: readonly HistoryEvent[], actions: readonly Action[]): Reenactment {
  const walk = new Walk(actions);
  for (const event of history) {
    walk.play(event);
    if (walk.fault !== undefined) break;
  }
  return walk.result();
}

/** One walk: the state that a list of actions has built up after some events. Lives for one call of `reenact`. */
class Walk {
  fault: string | undefined;
  readonly #actions: readonly Action[];
  #cursor = 0;
  #isAdvancing = false;
  #nextId = 0;
  #nowMs = 0;
  #executionId = '';
  readonly #open = new Map<number, Settle>();
  readonly #fresh = new Map<number, Scheduled>();
  readonly #canceled = new Set<number>();
  readonly #waiters = new Map<string, Settle[]>();
  readonly #earlyEvents = new Map<string, number>();
  #continued: { input: JsonText; carriedOver: EventRaised[] } | undefined;

  constructor(actions: readonly Action[]) {
    this.#actions = actions;
  }

  play(event: HistoryEvent): void {
    switch (event.EventType) {
      case EVENT.OrchestratorStarted:
        this.#nowMs = Date.parse(event.Timestamp);
        return;
      case EVENT.ExecutionStarted:
        this.#executionId = event.OrchestrationInstance.ExecutionId;
        this.#advance();
        return;
      case EVENT.TaskScheduled:
      case EVENT.SubOrchestrationInstanceCreated:
      case EVENT.TimerCreated:
        this.#confirm(event);
        return;
      case EVENT.TaskCompleted:
      case EVENT.SubOrchestrationInstanceCompleted:
        this.#settle(event.TaskScheduledId, true);
        return;
      case EVENT.TaskFailed:
      case EVENT.SubOrchestrationInstanceFailed:
        this.#settle(event.TaskScheduledId, false);
        return;
      case EVENT.TimerFired:
        this.#settle(event.TimerId, true);
        return;
      case EVENT.EventRaised:
        this.#raise(event);
        return;
      default:
        // Frames and control events; nothing waits for them.
        return;
    }
  }

  result(): Reenactment {
    return {
      fresh: [...this.#fresh.values()],
      open: [...this.#open.keys()].filter((id) => !this.#canceled.has(id)),
      canceledTimers: [...this.#canceled],
      walked: this.#cursor === this.#actions.length,
      ...(this.#continued === undefined ? {} : { continueAsNew: this.#continued }),
      ...(this.fault === undefined ? {} : { fault: this.fault }),
    };
  }

  /** Runs actions, one after the other, until one has to wait. A failed one is the orchestrator's business, not ours. */
  #advance(): void {
    // An action that settles at once comes back in here; the loop below sees the cursor it has moved.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    let started = -1;
    while (started < this.#cursor && this.#cursor < this.#actions.length && this.fault === undefined) {
      started = this.#cursor;
      this.#run(this.#actions[started]!, () => {
        this.#cursor += 1;
        this.#advance();
      });
    }
    this.#isAdvancing = false;
  }

  #run(action: Action, settle: Settle): void {
    switch (action.actionType) {
      case ACTION.CallActivity:
      case ACTION.CallSubOrchestrator:
        this.#call(action, settle);
        return;
      case ACTION.CallActivityWithRetry:
      case ACTION.CallSubOrchestratorWithRetry:
        this.#callWithRetry(action, settle);
        return;
      case ACTION.CreateTimer: {
        const id = this.#startTimer(Date.parse(action.fireAt), settle);
        if (action.isCanceled) this.#canceled.add(id);
        return;
      }
      case ACTION.WaitForExternalEvent:
        this.#wait(action.externalEventName, settle);
        return;
      case ACTION.WhenAny:
        this.#runAll(action.compoundActions, settle, 'first');
        return;
      case ACTION.WhenAll:
        this.#runAll(action.compoundActions, settle, 'all');
        return;
      case ACTION.ContinueAsNew:
        this.#continued ??= { input: JSON.stringify(action.input ?? null), carriedOver: [] };
        settle(true);
        return;
      default:
        this.fault = `The local host does not support ${UNSUPPORTED[action.actionType] ?? `action ${(action as Action).actionType}`}; use an activity instead, or run the app on Core Tools.`;
    }
  }

  #runAll(actions: readonly Action[], settle: Settle, until: 'first' | 'all'): void {
    let left = actions.length;
    let hasSettled = false;
    let succeeded = true;
    const end: Settle = (memberSucceeded) => {
      left -= 1;
      succeeded &&= memberSucceeded;
      if (hasSettled || (until === 'all' && left > 0)) return;
      hasSettled = true;
      settle(succeeded);
    };
    for (const action of actions) this.#run(action, end);
  }

  #call(action: Extract<Action, { readonly functionName: string }>, settle: Settle): void {
    const id = this.#nextId++;
    this.#open.set(id, settle);
    if (action.actionType === ACTION.CallActivity || action.actionType === ACTION.CallActivityWithRetry) {
      const { input } = action;
      this.#fresh.set(id, {
        EventType: EVENT.TaskScheduled,
        EventId: id,
        Name: action.functionName,
        Input: typeof input === 'string' ? input : toJson(input),
      });
      return;
    }
    this.#fresh.set(id, {
      EventType: EVENT.SubOrchestrationInstanceCreated,
      EventId: id,
      Name: action.functionName,
      Version: action.version ?? '',
      InstanceId: action.instanceId || `${this.#executionId}:${id}`,
      Input: toJson(action.input),
    });
  }

  /**
   * Every failure is followed by a timer, the last one by a timer that is due at once: the library waits for it
   * before it throws, and both sides count its id.
   */
  #callWithRetry(action: Extract<Action, { readonly retryOptions: RetryOptions }>, settle: Settle): void {
    const options = action.retryOptions;
    if (options.retryTimeoutInMilliseconds !== undefined) {
      this.fault = `The retry options for '${action.functionName}' set retryTimeoutInMilliseconds, on which durable-functions 3 waits for ever; bound the retries with maxNumberOfAttempts instead.`;
      return;
    }
    const attempt = (number: number): void => {
      this.#call(action, (succeeded) => {
        if (succeeded) {
          settle(true);
        } else if (number >= options.maxNumberOfAttempts) {
          this.#startTimer(this.#nowMs, () => settle(false));
        } else {
          this.#startTimer(this.#nowMs + retryDelayMs(options, number), () => attempt(number + 1));
        }
      });
    };
    attempt(1);
  }

  #startTimer(fireAtMs: number, settle: Settle): number {
    const id = this.#nextId++;
    const fireAt = new Date(fireAtMs);
    if (Number.isNaN(fireAt.getTime())) {
      this.fault = `Timer ${id} has no valid time to fire at; pass createTimer a valid Date.`;
      return id;
    }
    this.#open.set(id, settle);
    this.#fresh.set(id, { EventType: EVENT.TimerCreated, EventId: id, FireAt: fireAt.toISOString() });
    return id;
  }

  /** Those who wait for the same name are served last come, first served; events before the wait are kept in order. */
  #wait(name: string, settle: Settle): void {
    const early = this.#earlyEvents.get(name) ?? 0;
    if (early > 0) {
      this.#earlyEvents.set(name, early - 1);
      settle(true);
      return;
    }
    const waiters = this.#waiters.get(name) ?? [];
    waiters.push(settle);
    this.#waiters.set(name, waiters);
  }

  #raise(event: EventRaised): void {
    if (this.#continued !== undefined) {
      const { Name, Input } = event;
      this.#continued.carriedOver.push({ EventType: EVENT.EventRaised, Name, Input });
      return;
    }
    const waiter = this.#waiters.get(event.Name)?.pop();
    if (waiter === undefined) this.#earlyEvents.set(event.Name, (this.#earlyEvents.get(event.Name) ?? 0) + 1);
    else waiter(true);
  }

  /** An answer to a task that is not open is a second answer, which at-least-once delivery allows. */
  #settle(id: number, succeeded: boolean): void {
    const settle = this.#open.get(id);
    this.#open.delete(id);
    this.#canceled.delete(id);
    settle?.(succeeded);
  }

  /** The history says that this was scheduled; the actions must say the same, or the orchestrator is not deterministic. */
  #confirm(event: Scheduled): void {
    const expected = this.#fresh.get(event.EventId);
    if (expected === undefined || describeScheduled(expected) !== describeScheduled(event)) {
      const found = expected === undefined ? 'nothing' : describeScheduled(expected);
      this.fault = `Non-deterministic workflow detected: task ${event.EventId} was ${describeScheduled(event)} when it was first run, and is ${found} in this replay. An orchestrator must do the same at each replay: take time, ids and settings from context.df or from activities.`;
      return;
    }
    this.#fresh.delete(event.EventId);
  }
}

/** min(first x coefficient^(attempt - 1), maximum), as durabletask's `RetryInterceptor` computes it. */
function retryDelayMs(options: RetryOptions, attempt: number): number {
  const delayMs =
    options.firstRetryIntervalInMilliseconds * (options.backoffCoefficient ?? 1) ** (attempt - 1);
  return Math.min(delayMs, options.maxRetryIntervalInMilliseconds ?? DEFAULT_MAX_RETRY_INTERVAL_MS);
}

function describeScheduled(event: Scheduled): string {
  if (event.EventType === EVENT.TimerCreated) return 'a timer';
  if (event.EventType === EVENT.TaskScheduled) return `the activity '${event.Name}'`;
  return `the sub-orchestration '${event.Name}'`;
}

function toJson(value: unknown): JsonText {
  return value === undefined || value === null ? null : JSON.stringify(value);
}
