/** What an orchestrator function answers to one episode: the "out-of-process" protocol of durable-functions 3. */

export const ACTION = {
  CallActivity: 0,
  CallActivityWithRetry: 1,
  CallSubOrchestrator: 2,
  CallSubOrchestratorWithRetry: 3,
  ContinueAsNew: 4,
  CreateTimer: 5,
  WaitForExternalEvent: 6,
  CallEntity: 7,
  CallHttp: 8,
  SignalEntity: 9,
  WhenAny: 11,
  WhenAll: 12,
  LockEntities: 13,
  ReleaseEntities: 14,
} as const;

type Kind<Name extends keyof typeof ACTION> = { readonly actionType: (typeof ACTION)[Name] };

export interface RetryOptions {
  readonly firstRetryIntervalInMilliseconds: number;
  readonly maxNumberOfAttempts: number;
  readonly backoffCoefficient?: number;
  readonly maxRetryIntervalInMilliseconds?: number;
  readonly retryTimeoutInMilliseconds?: number;
}

interface ActivityCall {
  readonly functionName: string;
  /** Strings have been turned into JSON text by the library already; anything else has not. */
  readonly input?: unknown;
}

interface SubOrchestratorCall {
  readonly functionName: string;
  readonly instanceId?: string;
  readonly input?: unknown;
  readonly version?: string;
}

/** One action: what a `yield` asked for. */
export type Action =
  | (Kind<'CallActivity'> & ActivityCall)
  | (Kind<'CallActivityWithRetry'> & ActivityCall & { readonly retryOptions: RetryOptions })
  | (Kind<'CallSubOrchestrator'> & SubOrchestratorCall)
  | (Kind<'CallSubOrchestratorWithRetry'> & SubOrchestratorCall & { readonly retryOptions: RetryOptions })
  | (Kind<'ContinueAsNew'> & { readonly input?: unknown })
  | (Kind<'CreateTimer'> & { readonly fireAt: string; readonly isCanceled: boolean })
  | (Kind<'WaitForExternalEvent'> & { readonly externalEventName: string })
  | (Kind<'WhenAny' | 'WhenAll'> & { readonly compoundActions: readonly Action[] })
  | Kind<'CallEntity' | 'CallHttp' | 'SignalEntity' | 'LockEntities' | 'ReleaseEntities'>;

/**
 * The state of an orchestrator after an episode. `actions` is everything it has yielded since its execution began,
 * not only what is new.
 */
export type Answer =
  | {
      readonly kind: 'state';
      readonly isDone: boolean;
      readonly actions: readonly Action[];
      readonly output: unknown;
      /** Set when the orchestrator threw. */
      readonly error?: string;
      /** Absent means unchanged. */
      readonly customStatus?: unknown;
    }
  /** The function failed outside of the protocol. */
  | { readonly kind: 'crash'; readonly message: string; readonly stack: string };

/** Between the library's own message and the state, in the message of the error that it throws. */
const FAILURE_MARK = '\n\n$OutOfProcData$:';

/** Reads the JSON that an orchestrator function returned. */
export function parseAnswer(json: string | null): Answer {
  const state = json === null ? null : JSON.parse(json);
  if (state === null || typeof state !== 'object' || !Array.isArray(state.actions)) {
    const message =
      'It returned something else than the state of a durable orchestration; register it with df.app.orchestration.';
    return { kind: 'crash', message, stack: '' };
  }
  return {
    kind: 'state',
    isDone: state.isDone === true,
    // The schema we ask for keeps all actions in one inner array; it is absent until the first yield.
    actions: state.actions[0] ?? [],
    output: state.output,
    ...(typeof state.error === 'string' ? { error: state.error } : {}),
    ...(state.customStatus === undefined ? {} : { customStatus: state.customStatus }),
  };
}

/** Reads what an orchestrator function threw: the library puts the whole state into the error's message. */
export function parseThrown(message: string, stack: string): Answer {
  const at = message.indexOf(FAILURE_MARK);
  if (at === -1) return { kind: 'crash', message, stack };
  return parseAnswer(message.slice(at + FAILURE_MARK.length));
}
