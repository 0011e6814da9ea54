/**
 * The loop around the deciding part: takes what is due from the store, asks the orchestrator or runs the activity, and
 * writes what follows in one transaction.
 *
 * Everything it needs is in the store, so a start after a kill is an ordinary start: an activity whose result was not
 * written runs again (at least once), an episode that was not written is replayed.
 */
import type { AppFunction } from '../app.ts';
import type { DurableConfig } from '../host-config.ts';
import { describeError, type Invoker, invoke, type Log, returnedJson } from '../invoke.ts';
import { type Answer, parseAnswer, parseThrown } from './answer.ts';
import { type Decision, decide, planEpisode, refuseActivityValue, refuseUnknown } from './decide.ts';
import {
  EVENT,
  type ExecutionStarted,
  type HistoryEvent,
  type JsonText,
  type Message,
  type Scheduled,
  stampEvent,
} from './history.ts';
import { addStart, createInstance, describeAlive, newExecutionId } from './instances.ts';
import { type ActivityTask, type HistoryStore, type Instance, isTerminal } from './store.ts';
import { refuseVersion } from './version.ts';

/** Node's own bound on a timer, in milliseconds (24.8 days); a later due time is waited for in turns. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Azure splits timers beyond six days into legs of three, since its queues cannot hold a message for longer. A row can
 * wait for ever, so the library is told a limit that no timer reaches (a hundred years).
 */
const MAXIMUM_SHORT_TIMER = '36500.00:00:00';

export interface EngineOptions {
  readonly store: HistoryStore;
  readonly invoker: Invoker;
  readonly config: DurableConfig;
  readonly log: Log;
  /** Epoch milliseconds; another clock than the machine's has to call `wake` where it jumps. */
  readonly now?: () => number;
}

/** Runs orchestrations and activities from `start` to `stop`. */
export class DurableEngine {
  readonly #store: HistoryStore;
  readonly #invoker: Invoker;
  readonly #config: DurableConfig;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #orchestrators: ReadonlyMap<string, AppFunction>;
  readonly #activities: ReadonlyMap<string, AppFunction>;
  /** Tasks whose activity runs in this process, by seq. */
  readonly #running = new Set<number>();
  /** Instances whose episode runs in this process. */
  readonly #busy = new Set<string>();
  /** Instances that cannot go on until the host starts again or somebody terminates them. */
  readonly #parked = new Set<string>();
  readonly #work = new Set<Promise<void>>();
  #state: 'new' | 'started' | 'stopping' | 'stopped' = 'new';
  #isWoken = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ store, invoker, config, log, now = Date.now }: EngineOptions) {
    this.#store = store;
    this.#invoker = invoker;
    this.#config = config;
    this.#log = log;
    this.#now = now;
    this.#orchestrators = byName(invoker.app.functions, 'orchestration');
    this.#activities = byName(invoker.app.functions, 'activity');
  }

  isOrchestrator(name: string): boolean {
    return this.#orchestrators.has(name.toLowerCase());
  }

  isActivity(name: string): boolean {
    return this.#activities.has(name.toLowerCase());
  }

  start(): void {
    this.#state = 'started';
    this.wake();
  }

  /** Looks for due work soon; to be called after each write to the store. Gives a parked instance another try. */
  wake(instanceId?: string): void {
    if (instanceId !== undefined) this.#parked.delete(instanceId);
    if (this.#isWoken || this.#state !== 'started') return;
    this.#isWoken = true;
    setImmediate(() => {
      this.#isWoken = false;
      this.#pump();
    });
  }

  /** Starts nothing more, and waits up to `graceMs` for what runs. What is not done by then runs again next time. */
  async stop(graceMs: number): Promise<void> {
    this.#state = 'stopping';
    clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.allSettled(this.#work), grace]);
    clearTimeout(timer);
    this.#state = 'stopped';
  }

  /** Starts as much of the due work as the limits allow; the end of each piece of work wakes the engine again. */
  #pump(): void {
    if (this.#state !== 'started') return;
    const nowMs = this.#now();

    const { maxConcurrentActivities, maxConcurrentOrchestrations } = this.#config;
    for (const task of this.#store.readTasks(maxConcurrentActivities + this.#running.size)) {
      if (this.#running.size >= maxConcurrentActivities) break;
      if (this.#running.has(task.seq)) continue;
      this.#running.add(task.seq);
      this.#track(this.#runActivity(task), `Activity '${task.name}' of ${task.instanceId}`, () => {
        this.#running.delete(task.seq);
      });
    }

    const skipped = this.#busy.size + this.#parked.size;
    for (const id of this.#store.readyInstances(nowMs, maxConcurrentOrchestrations + skipped)) {
      if (this.#busy.size >= maxConcurrentOrchestrations) break;
      if (this.#busy.has(id) || this.#parked.has(id)) continue;
      this.#busy.add(id);
      this.#track(this.#runEpisode(id), `Instance ${id}`, () => {
        this.#busy.delete(id);
      });
    }

    clearTimeout(this.#timer);
    const dueMs = this.#store.nextDueMs(nowMs);
    if (dueMs !== undefined) {
      this.#timer = setTimeout(() => this.wake(), Math.min(dueMs - nowMs, MAX_TIMEOUT_MS));
    }
  }

  /**
   * Keeps track of work until it ends. Work fails only when the store does, or by a mistake of ours: then it is left
   * alone until the next start (`release` is not called), since trying at once would only fail in a loop.
   */
  #track(work: Promise<void>, what: string, release: () => void): void {
    const tracked = work
      .then(release, (error: unknown) => {
        const { message, stack } = describeError(error);
        this.#write(
          'critical',
          `${what} could not be taken on and rests until the next start: ${message}\n${stack}`,
        );
      })
      .finally(() => {
        this.#work.delete(tracked);
        this.wake();
      });
    this.#work.add(tracked);
  }

  // --- activities

  async #runActivity(task: ActivityTask): Promise<void> {
    const message = await this.#callActivity(task);
    if (this.#state === 'stopped') return;
    this.#store.transact(() => {
      // The row is gone when the instance has ended or gone on as new meanwhile; then nobody waits for the answer.
      if (!this.#store.deleteTask(task.seq)) return;
      this.#store.addMessage(task.instanceId, task.executionId, this.#now(), message);
    });
  }

  async #callActivity(task: ActivityTask): Promise<Message> {
    const { taskId: TaskScheduledId, name, input } = task;
    const fail = (message: string, Details: string): Message => ({
      EventType: EVENT.TaskFailed,
      TaskScheduledId,
      Reason: `Activity function '${name}' failed: ${message}`,
      Details,
    });
    const target = this.#activities.get(name.toLowerCase());
    // Possible only when the app has changed since the task was scheduled.
    if (target === undefined) return fail(refuseUnknown(name, 'activity'), '');
    try {
      const response = await invoke(this.#invoker, target, {
        data: input === null ? {} : { string: input },
        triggerMetadata: { instanceId: { string: task.instanceId } },
      });
      const Result = returnedJson(response);
      const refusal = refuseActivityValue(name, 'output', Result);
      if (refusal !== undefined) return fail(refusal, '');
      return { EventType: EVENT.TaskCompleted, TaskScheduledId, Result };
    } catch (error) {
      const { message, stack } = describeError(error);
      this.#write('warning', `Activity '${name}' of ${task.instanceId} failed: ${stack}`);
      return fail(message, stack);
    }
  }

  // --- orchestrations

  async #runEpisode(id: string): Promise<void> {
    const nowMs = this.#now();
    const instance = this.#store.readInstance(id);
    if (instance === undefined || isTerminal(instance.status)) {
      this.#store.transact(() => this.#store.deleteWork(id));
      return;
    }
    const messages = this.#store.readMessages(id, nowMs);
    const isCurrent = (message: (typeof messages)[number]) =>
      message.executionId === null || message.executionId === instance.executionId;
    const stale = messages.filter((message) => !isCurrent(message)).map(({ seq }) => seq);

    const episode = planEpisode(instance.status === 'Suspended', messages.filter(isCurrent));
    const past = this.#store.readHistory(id);
    const timestamp = nextTimestamp(past, nowMs);
    if (episode.kind === 'terminate') {
      this.#store.transact(() => this.#terminate(instance, episode.reason, timestamp, nowMs));
      return;
    }

    const { taken, isSuspended, needsOrchestrator } = episode;
    const seqs = [...stale, ...taken.map(({ seq }) => seq)];
    const received = taken.map(({ message }) => stampEvent(message, timestamp));
    if (!needsOrchestrator) {
      this.#store.transact(() => {
        this.#store.deleteMessages(seqs);
        this.#store.appendHistory(id, received);
        const awake = past.some(isStart) ? 'Running' : 'Pending';
        this.#store.saveInstance({
          ...instance,
          status: isSuspended ? 'Suspended' : awake,
          updatedMs: nowMs,
        });
      });
      return;
    }

    const refusal = refuseVersion(instance.version, this.#config);
    if (refusal !== undefined && this.#config.versionFailureStrategy === 'Reject') {
      this.#parked.add(id);
      this.#write('warning', `Instance ${id} rests: ${refusal}`);
      return;
    }
    const added = [stampEvent({ EventType: EVENT.OrchestratorStarted }, timestamp), ...received];
    const history = [...past, ...added];
    const answer: Answer =
      refusal === undefined
        ? await this.#askOrchestrator(instance, history)
        : { kind: 'crash', message: refusal, stack: '' };
    if ((this.#state as string) === 'stopped') return;

    const decision = decide(instance.name, history, answer, this);
    this.#store.transact(() => {
      this.#store.deleteMessages(seqs);
      this.#commit(instance, isSuspended, added, decision, timestamp, this.#now());
    });
  }

  async #askOrchestrator(instance: Instance, history: readonly HistoryEvent[]): Promise<Answer> {
    const target = this.#orchestrators.get(instance.name.toLowerCase());
    if (target === undefined) {
      return { kind: 'crash', message: refuseUnknown(instance.name, 'orchestrator'), stack: '' };
    }
    const started = history.find(isStart);
    if (started === undefined) throw new Error(`Instance ${instance.id} has messages but was never started.`);
    const payload = {
      history,
      input: started.Input === null ? null : (JSON.parse(started.Input) as unknown),
      instanceId: instance.id,
      isReplaying: started.IsPlayed,
      parentInstanceId: started.ParentInstance?.InstanceId ?? null,
      // The library speaks the newer of the two; 2 is V3, the last schema without entity locks.
      upperSchemaVersion: 1,
      upperSchemaVersionNew: 2,
      longRunningTimerIntervalDuration: '3.00:00:00',
      maximumShortTimerDuration: MAXIMUM_SHORT_TIMER,
      // The misspelling is the protocol's; only callHttp reads it.
      defaultHttpAsyncRequestSleepTimeMillseconds: 30_000,
    };
    try {
      const response = await invoke(this.#invoker, target, {
        data: { string: JSON.stringify(payload) },
        triggerMetadata: { instanceId: { string: instance.id } },
      });
      return parseAnswer(returnedJson(response));
    } catch (error) {
      const { message, stack } = describeError(error);
      return parseThrown(message, stack);
    }
  }

  /** Writes an episode down; inside a transaction. */
  #commit(
    instance: Instance,
    isSuspended: boolean,
    added: readonly HistoryEvent[],
    { outcome, scheduled, canceledTimers, customStatus: newStatus }: Decision,
    timestamp: string,
    nowMs: number,
  ): void {
    const { id } = instance;
    const customStatus = newStatus === undefined ? instance.customStatus : newStatus;
    const updated: Instance = {
      ...instance,
      customStatus,
      updatedMs: nowMs,
      status: isSuspended ? 'Suspended' : 'Running',
    };
    const completed = stampEvent({ EventType: EVENT.OrchestratorCompleted }, timestamp);

    if (outcome.kind === 'running') {
      const asked = scheduled.map((event) => stampEvent(event, timestamp));
      this.#store.appendHistory(id, [...added, ...asked, completed]);
      this.#store.saveInstance(updated);
      for (const event of scheduled) this.#schedule(instance, event, nowMs);
      this.#store.deleteTimers(id, canceledTimers);
      return;
    }

    if (outcome.kind === 'continued') {
      this.#continueAsNew(updated, outcome.input, nowMs);
      // Due since ever: they came before any event that still waits, and must be seen before it.
      for (const event of outcome.carriedOver) this.#store.addMessage(id, null, 0, event);
      return;
    }

    const output = outcome.kind === 'completed' ? outcome.output : JSON.stringify(outcome.reason);
    const status = outcome.kind === 'completed' ? 'Completed' : 'Failed';
    const ended = stampEvent(
      { EventType: EVENT.ExecutionCompleted, OrchestrationStatus: status, Result: output },
      timestamp,
    );
    this.#store.appendHistory(id, [...added, ended, completed]);
    this.#store.deleteWork(id);
    this.#store.saveInstance({ ...updated, status, output });
    if (outcome.kind === 'failed') this.#write('warning', `Instance ${id} failed: ${outcome.reason}`);
    this.#answerParent(instance, nowMs, (TaskScheduledId) =>
      outcome.kind === 'completed'
        ? { EventType: EVENT.SubOrchestrationInstanceCompleted, TaskScheduledId, Result: outcome.output }
        : {
            EventType: EVENT.SubOrchestrationInstanceFailed,
            TaskScheduledId,
            Reason: outcome.reason,
            Details: outcome.details,
          },
    );
  }

  #schedule(instance: Instance, event: Scheduled, nowMs: number): void {
    const { id, executionId } = instance;
    if (event.EventType === EVENT.TaskScheduled) {
      const { EventId: taskId, Name: name, Input: input } = event;
      this.#store.addTask({ instanceId: id, executionId, taskId, name, input });
      return;
    }
    if (event.EventType === EVENT.TimerCreated) {
      const fired: Message = { EventType: EVENT.TimerFired, TimerId: event.EventId, FireAt: event.FireAt };
      this.#store.addMessage(id, executionId, Date.parse(event.FireAt), fired);
      return;
    }
    const child = {
      id: event.InstanceId,
      name: event.Name,
      version: event.Version || this.#config.defaultVersion,
      input: event.Input,
      parent: { InstanceId: id, ExecutionId: executionId, TaskId: event.EventId },
    };
    const refused = createInstance(this.#store, child, nowMs);
    if (refused !== undefined) {
      this.#store.addMessage(id, executionId, nowMs, {
        EventType: EVENT.SubOrchestrationInstanceFailed,
        TaskScheduledId: event.EventId,
        Reason: `Orchestrator function '${event.Name}' failed: ${describeAlive(refused.alive)}`,
        Details: '',
      });
    }
  }

  /** A new execution of the same instance: an empty history, and events that wait are kept. */
  #continueAsNew(instance: Instance, input: JsonText, nowMs: number): void {
    const { id, name, version, parent } = instance;
    const executionId = newExecutionId();
    this.#store.deleteHistory(id);
    this.#store.deleteWork(id, instance.executionId);
    // Azure, too, shows the time of the latest execution as the time of creation.
    this.#store.saveInstance({ ...instance, executionId, input, createdMs: nowMs });
    addStart(this.#store, executionId, { id, name, version, input, parent }, nowMs);
  }

  /** Running activities are not stopped and children go on, as in Azure; their answers find nobody. */
  #terminate(instance: Instance, reason: string, timestamp: string, nowMs: number): void {
    const { id } = instance;
    const event: Message = { EventType: EVENT.ExecutionTerminated, Input: reason };
    this.#store.appendHistory(id, [stampEvent(event, timestamp)]);
    this.#store.deleteWork(id);
    this.#store.saveInstance({
      ...instance,
      status: 'Terminated',
      output: JSON.stringify(reason),
      updatedMs: nowMs,
    });
    this.#answerParent(instance, nowMs, (TaskScheduledId) => ({
      EventType: EVENT.SubOrchestrationInstanceFailed,
      TaskScheduledId,
      Reason: `Orchestrator function '${instance.name}' was terminated: ${reason}`,
      Details: '',
    }));
  }

  #answerParent({ parent }: Instance, nowMs: number, answer: (taskId: number) => Message): void {
    if (parent === null) return;
    const waiting = this.#store.readInstance(parent.InstanceId);
    if (waiting === undefined || isTerminal(waiting.status) || waiting.executionId !== parent.ExecutionId)
      return;
    this.#store.addMessage(parent.InstanceId, parent.ExecutionId, nowMs, answer(parent.TaskId));
  }

  #write(level: 'warning' | 'critical', message: string): void {
    this.#log({ level, category: 'Host.Durable', message });
  }
}

function byName(
  functions: readonly AppFunction[],
  kind: AppFunction['kind'],
): ReadonlyMap<string, AppFunction> {
  return new Map(functions.filter((one) => one.kind === kind).map((one) => [one.name.toLowerCase(), one]));
}

function isStart(event: HistoryEvent): event is HistoryEvent & ExecutionStarted {
  return event.EventType === EVENT.ExecutionStarted;
}

/** The time of an episode; strictly later than the one before it, whatever the clock says. */
function nextTimestamp(past: readonly HistoryEvent[], nowMs: number): string {
  const last = past.at(-1);
  const lastMs = last === undefined ? 0 : Date.parse(last.Timestamp);
  return new Date(Math.max(nowMs, lastMs + 1)).toISOString();
}
