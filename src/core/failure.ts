/**
 * What can go wrong, as data. A failed request, a failed cell and a failed run are values with a code from this
 * file; exceptions are for the environment (with a cause) and for bugs.
 */

/**
 * The class of a failed request. Azure ML's front door and the catalog's serving images have their own habits:
 * an overload is a 429 with two meanings, an error of the container is a 424 whose real status stands in a header,
 * and an error of the engine may come as a 200.
 */
export const REQUEST_FAILURES = {
  'throttle-queue': 'The endpoint refused the request with 429: more requests were in flight than it admits.',
  'throttle-rate': 'The endpoint refused the request with 429: its rate limit was reached.',
  'deadline-server': 'The endpoint gave up with 408: the answer took longer than its request timeout.',
  'model-error': 'The model container failed (424, or 5xx told in the inner status).',
  gateway: 'A gateway before the model failed with 502, 503 or 504.',
  'server-error': 'The endpoint failed with 500.',
  auth: 'The endpoint refused the credential (401 or 403).',
  'bad-request':
    'The endpoint refused the request as malformed (400, 404, 413 or 422, or 424 with such an inner status).',
  'context-window': 'Prompt and output together are longer than the model can hold.',
  'content-filter': 'A content filter refused the prompt or the answer.',
  'masked-error': 'The answer said 200 and held an error.',
  'empty-output': 'The answer said 200 and held no output.',
  'echo-only': 'The answer said 200 and held nothing but the prompt.',
  'malformed-answer': 'The answer could not be read as the API promises.',
  'truncated-stream': 'The stream ended without its end mark and without a finish reason.',
  redirect: 'The endpoint answered with a redirect, which is never followed.',
  oversized: 'The answer was longer than the bound.',
  connect: 'The connection could not be opened.',
  dns: 'The host name could not be resolved.',
  tls: 'The TLS handshake failed.',
  reset: 'The connection was closed in the middle of the answer.',
  'client-timeout': 'The client gave up waiting; its timeout is longer than the endpoint’s own.',
  canceled: 'The request was abandoned because the measurement was stopped.',
} as const satisfies Record<string, string>;

export type RequestFailure = keyof typeof REQUEST_FAILURES;

/** What a class of failure says about the requests around it. */
export interface FailureTraits {
  /** It was the moment's: the same request may succeed later. */
  readonly retryable: boolean;
  /** The model may have worked on it, so that it was load for the requests beside it. */
  readonly countsAsLoad: boolean;
  /** Every further request of the cell will fail in the same way. */
  readonly hopeless: boolean;
}

const MOMENT: FailureTraits = { retryable: true, countsAsLoad: false, hopeless: false };
const MOMENT_UNDER_LOAD: FailureTraits = { retryable: true, countsAsLoad: true, hopeless: false };
const BAD_ANSWER: FailureTraits = { retryable: false, countsAsLoad: true, hopeless: false };
const HOPELESS: FailureTraits = { retryable: false, countsAsLoad: false, hopeless: true };
const LASTING: FailureTraits = { retryable: false, countsAsLoad: false, hopeless: false };

export const FAILURE_TRAITS: Readonly<Record<RequestFailure, FailureTraits>> = {
  'throttle-queue': MOMENT,
  'throttle-rate': MOMENT,
  'deadline-server': MOMENT_UNDER_LOAD,
  'model-error': BAD_ANSWER,
  gateway: MOMENT_UNDER_LOAD,
  'server-error': MOMENT_UNDER_LOAD,
  auth: HOPELESS,
  'bad-request': HOPELESS,
  'context-window': HOPELESS,
  'content-filter': BAD_ANSWER,
  'masked-error': BAD_ANSWER,
  'empty-output': BAD_ANSWER,
  'echo-only': BAD_ANSWER,
  'malformed-answer': BAD_ANSWER,
  'truncated-stream': BAD_ANSWER,
  redirect: LASTING,
  oversized: BAD_ANSWER,
  connect: MOMENT,
  dns: MOMENT,
  tls: LASTING,
  reset: MOMENT_UNDER_LOAD,
  'client-timeout': MOMENT_UNDER_LOAD,
  canceled: BAD_ANSWER,
};

/** Why a run ended as `failed`. The message is a sentence with the remedy. */
export interface RunFailure {
  readonly code:
    | 'deploy-failed'
    | 'deploy-timeout'
    | 'warm-up-failed'
    | 'measure-failed'
    | 'nothing-succeeded'
    | 'budget-exhausted'
    | 'leaked-endpoint'
    | 'lost-orchestration'
    | 'internal';
  readonly message: string;
}

/** One fault of an input: where (a path such as `target.sku` or `workloads[3].promptTokens`) and what to do. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** Either a value or every fault found at once. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** What was thrown, in its own words. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Each fault once. */
export function distinctFaults(faults: readonly Fault[]): Fault[] {
  return [...new Map(faults.map((fault) => [`${fault.path}\n${fault.message}`, fault])).values()];
}
