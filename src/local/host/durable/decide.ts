/** What follows from one episode of an orchestration: pure, so that the engine only has to write it down. */
import type { Answer } from './answer.ts';
import {
  EVENT,
  type EventRaised,
  type HistoryEvent,
  type JsonText,
  type Message,
  type Scheduled,
} from './history.ts';
import { reenact } from './reenact.ts';

/** Azure keeps larger values too, in blobs and slowly; the app's rule is to pass references. In UTF-8 bytes. */
export const MAX_ACTIVITY_VALUE_BYTES = 1024 * 1024;

/** Azure refuses a longer custom status. In bytes of UTF-16. */
const MAX_CUSTOM_STATUS_BYTES = 16 * 1024;

/** Each episode replays everything, so time grows with the square; an orchestration this long needs continueAsNew. */
const MAX_HISTORY_EVENTS = 20_000;

/** What a waiting message is, beside its body. */
export interface Waiting {
  readonly seq: number;
  readonly message: Message;
}

/** What to do with the messages that wait for an instance. */
export type Episode =
  | { readonly kind: 'terminate'; readonly reason: string }
  | {
      readonly kind: 'run';
      /** Messages of this episode in order, control messages among them; whatever is left waits for a resume. */
      readonly taken: readonly Waiting[];
      readonly isSuspended: boolean;
      /** False when only the control messages were taken, and the orchestrator has nothing new to see. */
      readonly needsOrchestrator: boolean;
    };

/**
 * Chooses an episode's messages. A terminate overtakes everything; a suspended instance takes control messages only,
 * and the rest stays in the inbox until it is resumed.
 */
export function planEpisode(wasSuspended: boolean, waiting: readonly Waiting[]): Episode {
  for (const { message } of waiting) {
    if (message.EventType === EVENT.ExecutionTerminated) return { kind: 'terminate', reason: message.Input };
  }
  const taken: Waiting[] = [];
  let isSuspended = wasSuspended;
  let needsOrchestrator = false;
  for (const item of waiting) {
    const { EventType } = item.message;
    if (EventType === EVENT.ExecutionSuspended) isSuspended = true;
    else if (EventType === EVENT.ExecutionResumed) isSuspended = false;
    else if (isSuspended) continue;
    else needsOrchestrator = true;
    taken.push(item);
  }
  return { kind: 'run', taken, isSuspended, needsOrchestrator };
}

/** How an execution stands after an episode. */
export type Outcome =
  | { readonly kind: 'running' }
  | { readonly kind: 'completed'; readonly output: JsonText }
  | Failed
  | { readonly kind: 'continued'; readonly input: JsonText; readonly carriedOver: readonly EventRaised[] };

/** `reason` is the instance's output and the message in the parent's exception, `details` its second half. */
export interface Failed {
  readonly kind: 'failed';
  readonly reason: string;
  readonly details: string;
}

export interface Decision {
  readonly outcome: Outcome;
  /** What to start; empty when the execution ends. */
  readonly scheduled: readonly Scheduled[];
  readonly canceledTimers: readonly number[];
  /** Undefined means unchanged. */
  readonly customStatus: JsonText | undefined;
}

/** What the app has registered. */
export interface Registered {
  isActivity(name: string): boolean;
  isOrchestrator(name: string): boolean;
}

/**
 * Decides an episode: `history` includes its new events, `answer` is what the orchestrator said to it. Nothing completes
 * while tasks are open: a result, an error or a continueAsNew waits for them, as in Azure.
 */
export function decide(
  name: string,
  history: readonly HistoryEvent[],
  answer: Answer,
  registered: Registered,
): Decision {
  if (answer.kind === 'crash') return end(failed(name, answer.message, answer.stack));

  const { fresh, open, canceledTimers, walked, continueAsNew, fault } = reenact(history, answer.actions);
  const refusal =
    fault ??
    (history.length > MAX_HISTORY_EVENTS
      ? `Its history is longer than ${MAX_HISTORY_EVENTS} events; call continueAsNew before that.`
      : undefined) ??
    fresh.map((event) => refuseScheduled(event, registered)).find((sentence) => sentence !== undefined) ??
    refuseCustomStatus(answer.customStatus);
  if (refusal !== undefined) return end(failed(name, refusal, ''));

  const customStatus = answer.customStatus === undefined ? undefined : JSON.stringify(answer.customStatus);
  const going: Decision = { outcome: { kind: 'running' }, scheduled: fresh, canceledTimers, customStatus };
  if (!walked || open.length > 0) return going;

  if (answer.error !== undefined) return end(failed(name, answer.error, ''), customStatus);
  if (!answer.isDone) return going;
  if (continueAsNew !== undefined) return end({ kind: 'continued', ...continueAsNew }, customStatus);
  return end({ kind: 'completed', output: JSON.stringify(answer.output ?? null) }, customStatus);
}

/** A sentence when a value that an activity takes or gives is too large to be kept in the history. */
export function refuseActivityValue(
  name: string,
  what: 'input' | 'output',
  json: JsonText,
): string | undefined {
  const bytes = json === null ? 0 : Buffer.byteLength(json);
  if (bytes <= MAX_ACTIVITY_VALUE_BYTES) return undefined;
  return `The ${what} of activity '${name}' has ${bytes} bytes, and at most ${MAX_ACTIVITY_VALUE_BYTES} are kept in the durable history; store it elsewhere and pass a reference.`;
}

function refuseScheduled(event: Scheduled, registered: Registered): string | undefined {
  if (event.EventType === EVENT.TaskScheduled) {
    if (!registered.isActivity(event.Name)) return refuseUnknown(event.Name, 'activity');
    return refuseActivityValue(event.Name, 'input', event.Input);
  }
  if (event.EventType === EVENT.SubOrchestrationInstanceCreated && !registered.isOrchestrator(event.Name)) {
    return refuseUnknown(event.Name, 'orchestrator');
  }
  return undefined;
}

/** Azure's own words. */
export function refuseUnknown(name: string, kind: 'activity' | 'orchestrator'): string {
  const article = kind === 'activity' ? 'an activity' : 'an orchestrator';
  return `The function '${name}' doesn't exist, is disabled, or is not ${article} function.`;
}

function refuseCustomStatus(status: unknown): string | undefined {
  const bytes = status === undefined ? 0 : JSON.stringify(status).length * 2;
  if (bytes <= MAX_CUSTOM_STATUS_BYTES) return undefined;
  return `The custom status has ${bytes} bytes as UTF-16, and Azure keeps at most ${MAX_CUSTOM_STATUS_BYTES}; shorten it.`;
}

function failed(name: string, message: string, details: string): Failed {
  return { kind: 'failed', reason: `Orchestrator function '${name}' failed: ${message}`, details };
}

function end(outcome: Outcome, customStatus?: JsonText): Decision {
  return { outcome, scheduled: [], canceledTimers: [], customStatus };
}
