/** Creating an instance: the same rule for a client's start, a restart and a sub-orchestration. */
import { randomUUID } from 'node:crypto';
import { EVENT, type JsonText, type Parent } from './history.ts';
import { type HistoryStore, isTerminal, type RuntimeStatus } from './store.ts';

export interface NewInstance {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly input: JsonText;
  readonly parent: Parent | null;
}

/** Azure's bound on an instance id, in characters. */
const MAX_ID_LENGTH = 256;

/**
 * Creates an instance with its first message; to be called inside a transaction. An id that is alive already gives
 * that instance's status and changes nothing; one that has ended is replaced, with its history and output.
 */
export function createInstance(
  store: HistoryStore,
  { id, name, version, input, parent }: NewInstance,
  nowMs: number,
): { readonly alive: RuntimeStatus } | undefined {
  const existing = store.readInstance(id);
  if (existing !== undefined && !isTerminal(existing.status)) return { alive: existing.status };
  if (existing !== undefined) store.deleteInstance(id);

  const executionId = newExecutionId();
  store.saveInstance({
    id,
    executionId,
    name,
    version,
    status: 'Pending',
    input,
    output: null,
    customStatus: null,
    createdMs: nowMs,
    updatedMs: nowMs,
    parent,
  });
  addStart(store, executionId, { id, name, version, input, parent }, nowMs);
  return undefined;
}

/** The first event of an execution. */
export function addStart(
  store: HistoryStore,
  executionId: string,
  { id, name, version, input, parent }: NewInstance,
  nowMs: number,
): void {
  store.addMessage(id, executionId, nowMs, {
    EventType: EVENT.ExecutionStarted,
    Name: name,
    Version: version,
    Input: input,
    OrchestrationInstance: { InstanceId: id, ExecutionId: executionId },
    ParentInstance: parent,
  });
}

/** Azure's words for a start with an id that is in use. */
export function describeAlive(status: RuntimeStatus): string {
  return `An Orchestration instance with the status ${status} already exists.`;
}

/** 32 hexadecimal digits. */
export function newExecutionId(): string {
  return randomUUID().replaceAll('-', '');
}

/** A sentence when an id cannot be used; it stands in URLs, unencoded. */
export function refuseInstanceId(id: string): string | undefined {
  if (
    id.length <= MAX_ID_LENGTH &&
    !/[/\\#?\u0000-\u001f\u007f-\u009f]/.test(id) &&
    !id.startsWith('@') &&
    id !== ''
  ) {
    return undefined;
  }
  return `'${id}' is not a valid instance id: 1 to ${MAX_ID_LENGTH} characters without / \\ # ? and control characters, not beginning with @.`;
}
