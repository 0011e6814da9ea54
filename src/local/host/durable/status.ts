/** What the management API shows of an instance. Pure. */
import { EVENT, eventName, type HistoryEvent, type JsonText, type Scheduled } from './history.ts';
import type { Instance } from './store.ts';

export interface StatusOptions {
  readonly showInput: boolean;
  /** Present when the history is to be shown. */
  readonly history?: readonly HistoryEvent[];
  readonly showHistoryOutput: boolean;
}

/** An instance as the management API shows it; times have whole seconds. */
export function describeInstance(
  instance: Instance,
  options: StatusOptions,
): Readonly<Record<string, unknown>> {
  return {
    name: instance.name,
    instanceId: instance.id,
    runtimeStatus: instance.status,
    // The client throws when input or output is absent, so both are null at least.
    input: options.showInput ? parse(instance.input) : null,
    customStatus: parse(instance.customStatus),
    output: parse(instance.output),
    createdTime: toSeconds(instance.createdMs),
    lastUpdatedTime: toSeconds(instance.updatedMs),
    ...(options.history === undefined
      ? {}
      : { historyEvents: describeHistory(options.history, options.showInput, options.showHistoryOutput) }),
  };
}

/**
 * The history for a reader: without the frames of episodes, a scheduled task and its answer as one entry, types by name,
 * results only when asked for.
 */
function describeHistory(
  history: readonly HistoryEvent[],
  showInput: boolean,
  showOutput: boolean,
): readonly Readonly<Record<string, unknown>>[] {
  const asked = new Map<number, Scheduled & { readonly Timestamp: string }>();
  const shown: Record<string, unknown>[] = [];
  for (const event of history) {
    switch (event.EventType) {
      case EVENT.OrchestratorStarted:
      case EVENT.OrchestratorCompleted:
        continue;
      case EVENT.TaskScheduled:
      case EVENT.SubOrchestrationInstanceCreated:
        asked.set(event.EventId, event);
        continue;
    }
    const { EventType, EventId, IsPlayed, ...rest } = event as HistoryEvent & Record<string, unknown>;
    const { TaskScheduledId, TimerId, Input, Result, ...fields } = rest as Record<string, unknown>;
    const task = typeof TaskScheduledId === 'number' ? asked.get(TaskScheduledId) : undefined;
    shown.push({
      EventType: eventName(EventType),
      ...fields,
      ...(task === undefined ? {} : describeTask(task, showInput)),
      ...(Input === undefined || !showInput ? {} : { Input: parseLoosely(Input) }),
      ...(Result === undefined || !showOutput ? {} : { Result: parseLoosely(Result) }),
    });
  }
  return shown;
}

function describeTask(
  task: Scheduled & { readonly Timestamp: string },
  showInput: boolean,
): Record<string, unknown> {
  if (task.EventType === EVENT.TimerCreated) return {};
  return {
    ScheduledTime: task.Timestamp,
    FunctionName: task.Name,
    ...(showInput ? { Input: parse(task.Input) } : {}),
  };
}

function parse(json: JsonText): unknown {
  return json === null ? null : JSON.parse(json);
}

/** A terminate's reason stands in the history as plain text. */
function parseLoosely(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function toSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
