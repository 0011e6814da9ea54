/**
 * Long-running operations. An operation is nothing but its two times and its outcome: what state it is in is worked
 * out when somebody asks, so no timer can be lost and a restarted simulator goes on where it was.
 */
import { randomUUID } from 'node:crypto';
import { drawBetween } from './random.ts';

export type OperationKind =
  | 'create-endpoint'
  | 'update-endpoint'
  | 'create-deployment'
  | 'update-deployment'
  | 'scale-deployment'
  | 'regenerate-keys'
  | 'delete';

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  /** The ARM id of what it works on. */
  readonly resourceId: string;
  readonly startedAtMs: number;
  endsAtMs: number;
  outcome: 'Succeeded' | 'Failed' | 'Canceled';
  error?: { readonly code: string; readonly message: string };
  /** Hangs until its time is up; a deletion of what it works on is taken all the same. */
  readonly isStuck?: boolean;
}

/** Seconds at speed 1, from and to. Endpoint and deployment together take 5 to 13 s; on Azure, minutes. */
const DURATION_SECONDS: Readonly<Record<OperationKind, readonly [number, number]>> = {
  'create-endpoint': [1, 3],
  'update-endpoint': [0.7, 1.3],
  'create-deployment': [4, 10],
  'update-deployment': [2, 5],
  'scale-deployment': [2, 5],
  'regenerate-keys': [0.3, 0.7],
  delete: [1, 3],
};
/** A stuck operation ends in failure then, as the service says by `x-ms-async-operation-timeout`. */
const STUCK_SECONDS = 90 * 60;

/**
 * An operation that starts now and ends, with that outcome, after a time drawn for this resource; or after those
 * seconds of the wall's clock, which no speed divides; or, where it is stuck, at its limit.
 */
export function startOperation(input: {
  kind: OperationKind;
  resourceId: string;
  nowMs: number;
  speed: number;
  seed: number;
  error?: { readonly code: string; readonly message: string } | undefined;
  seconds?: number | undefined;
  isStuck?: boolean;
}): Operation {
  const { kind, resourceId, nowMs, speed, seed, isStuck = false } = input;
  const [from, to] = DURATION_SECONDS[kind];
  const drawn = drawBetween(from, to, seed, 'duration', kind, resourceId.toLowerCase()) / speed;
  const seconds = isStuck ? STUCK_SECONDS : (input.seconds ?? drawn);
  const error = isStuck
    ? { code: 'OperationTimeout', message: 'The operation did not end within its time limit.' }
    : input.error;
  return {
    id: `${kind.includes('deployment') ? 'od' : 'oe'}:${randomUUID()}`,
    kind,
    resourceId,
    startedAtMs: nowMs,
    endsAtMs: nowMs + seconds * 1000,
    outcome: error === undefined ? 'Succeeded' : 'Failed',
    ...(error && { error }),
    ...(isStuck && { isStuck }),
  };
}

export function isUnderWay(operation: Operation, nowMs: number): boolean {
  return nowMs < operation.endsAtMs;
}

/** The `provisioningState` of the resource that an operation works on. */
export function provisioningState(operation: Operation, nowMs: number): string {
  if (!isUnderWay(operation, nowMs)) return operation.outcome;
  switch (operation.kind) {
    case 'create-endpoint':
    case 'create-deployment':
      return 'Creating';
    case 'update-endpoint':
    case 'update-deployment':
      return 'Updating';
    case 'scale-deployment':
      return 'Scaling';
    case 'regenerate-keys':
      return 'Succeeded';
    case 'delete':
      return 'Deleting';
  }
}

/** What the address of an `Azure-AsyncOperation` header answers. */
export function viewOperation(operation: Operation, nowMs: number) {
  const underWay = isUnderWay(operation, nowMs);
  return {
    name: operation.id,
    status: underWay ? 'InProgress' : operation.outcome,
    startTime: new Date(operation.startedAtMs).toISOString(),
    ...(!underWay && { endTime: new Date(operation.endsAtMs).toISOString() }),
    ...(!underWay && operation.error && { error: operation.error }),
  };
}

/** An operation that another one put an end to. */
export function cancelOperation(operation: Operation, nowMs: number): void {
  operation.endsAtMs = nowMs;
  operation.outcome = 'Canceled';
  operation.error = {
    code: 'OperationCanceled',
    message: 'The operation was canceled by a deletion of its resource.',
  };
}
