/**
 * The events of a durable history, spelled as the Durable Task framework spells them on the wire to JavaScript:
 * PascalCase fields and an integer EventType. `durable-functions` reads them; so does our re-enactment.
 */

export const EVENT = {
  ExecutionStarted: 0,
  ExecutionCompleted: 1,
  ExecutionTerminated: 3,
  TaskScheduled: 4,
  TaskCompleted: 5,
  TaskFailed: 6,
  SubOrchestrationInstanceCreated: 7,
  SubOrchestrationInstanceCompleted: 8,
  SubOrchestrationInstanceFailed: 9,
  TimerCreated: 10,
  TimerFired: 11,
  OrchestratorStarted: 12,
  OrchestratorCompleted: 13,
  EventRaised: 15,
  ExecutionSuspended: 19,
  ExecutionResumed: 20,
} as const;

export type EventName = keyof typeof EVENT;
type Kind<Name extends EventName> = { readonly EventType: (typeof EVENT)[Name] };

/** Who waits for a child orchestration: the parent's execution, and the parent's task id for it. */
export interface Parent {
  readonly InstanceId: string;
  readonly ExecutionId: string;
  readonly TaskId: number;
}

/** JSON text, or null for "nothing": the library parses it, so the field may never be absent. */
export type JsonText = string | null;

export type ExecutionStarted = Kind<'ExecutionStarted'> & {
  readonly Name: string;
  readonly Version: string;
  readonly Input: JsonText;
  readonly OrchestrationInstance: { readonly InstanceId: string; readonly ExecutionId: string };
  readonly ParentInstance: Parent | null;
};

/** What arrives for an orchestration from outside of it. */
export type Message =
  | ExecutionStarted
  | (Kind<'TaskCompleted'> & { readonly TaskScheduledId: number; readonly Result: JsonText })
  | (Kind<'TaskFailed'> & {
      readonly TaskScheduledId: number;
      readonly Reason: string;
      readonly Details: string;
    })
  | (Kind<'SubOrchestrationInstanceCompleted'> & {
      readonly TaskScheduledId: number;
      readonly Result: JsonText;
    })
  | (Kind<'SubOrchestrationInstanceFailed'> & {
      readonly TaskScheduledId: number;
      readonly Reason: string;
      readonly Details: string;
    })
  | (Kind<'TimerFired'> & { readonly TimerId: number; readonly FireAt: string })
  | EventRaised
  | (Kind<'ExecutionTerminated'> & { readonly Input: string })
  | (Kind<'ExecutionSuspended'> & { readonly Reason: string })
  | (Kind<'ExecutionResumed'> & { readonly Reason: string });

export type EventRaised = Kind<'EventRaised'> & { readonly Name: string; readonly Input: JsonText };

/** What an orchestration asks for; EventId is its task id. */
export type Scheduled =
  | (Kind<'TaskScheduled'> & { readonly EventId: number; readonly Name: string; readonly Input: JsonText })
  | (Kind<'SubOrchestrationInstanceCreated'> & {
      readonly EventId: number;
      readonly Name: string;
      readonly Version: string;
      readonly InstanceId: string;
      readonly Input: JsonText;
    })
  | (Kind<'TimerCreated'> & { readonly EventId: number; readonly FireAt: string });

type Frame =
  | Kind<'OrchestratorStarted'>
  | Kind<'OrchestratorCompleted'>
  | (Kind<'ExecutionCompleted'> & { readonly OrchestrationStatus: string; readonly Result: JsonText });

/** An event as it is stored and replayed. `IsPlayed` is false only in the episode that adds it. */
export type HistoryEvent = (Message | Scheduled | Frame) & {
  readonly EventId: number;
  readonly IsPlayed: boolean;
  readonly Timestamp: string;
};

/** Stamps an event of a new episode; whatever is not scheduled by the orchestration has EventId -1. */
export function stampEvent(body: Message | Scheduled | Frame, timestamp: string): HistoryEvent {
  return { EventId: -1, IsPlayed: false, Timestamp: timestamp, ...body };
}

/** The name of an event type, as the management API shows it. */
export function eventName(eventType: number): EventName {
  const entry = Object.entries(EVENT).find(([, value]) => value === eventType);
  if (entry === undefined) throw new Error(`There is no history event of type ${eventType}.`);
  return entry[0] as EventName;
}
