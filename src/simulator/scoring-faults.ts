/**
 * Faults of scoring calls that have an answer of their own: at the front door, before the container hears of the call,
 * and of the container, which the front door turns into a 424. What happens to an answer on its way is in
 * `spoiled-answer.ts`.
 */
import { PayloadError } from './chat.ts';
import type { ScoringFault } from './serving-settings.ts';
import { isSpoiling } from './spoiled-answer.ts';

/** The address of a cloud's metadata service, which no client may follow a redirect to. */
const METADATA_ADDRESS =
  'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/';
/** What a quota of tokens per minute shows as its limits. */
const QUOTA_TOKENS = 30_000;
const QUOTA_REQUESTS = 300;
/** Seconds a client is told to wait where the fault does not say. */
const WAIT_SECONDS = 2;

/** An answer that the front door gives by itself; a body that is a text is sent as one. */
export interface DoorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** What the front door answers for this fault, or undefined where the fault lies behind it. */
export function doorAnswer(fault: ScoringFault, epochMs: number): DoorAnswer | undefined {
  const seconds = fault.at ?? WAIT_SECONDS;
  switch (fault.what) {
    case '401':
      return refusal(401, 'Unauthorized: the bearer is not a key or token of this endpoint.');
    case '403':
      return refusal(403, 'Access is denied by the network rules of this endpoint.');
    case '404':
      return refusal(404, 'The endpoint has no deployment with traffic.');
    case '413':
      return refusal(413, 'The request is larger than the front door takes.');
    case '429':
      return TOO_MANY_PENDING;
    case '429-after':
      return { ...TOO_MANY_PENDING, headers: { ...TOO_MANY_PENDING.headers, 'retry-after': `${seconds}` } };
    case '429-date':
      return {
        ...TOO_MANY_PENDING,
        headers: {
          ...TOO_MANY_PENDING.headers,
          'retry-after': new Date(epochMs + seconds * 1000).toUTCString(),
        },
      };
    case '429-rate':
      return RATE_LIMITED;
    case '429-tokens':
      return refusal(
        429,
        `Requests have exceeded the token rate limit of your current pricing tier. Please retry after ${seconds} seconds.`,
        {
          'retry-after': `${seconds}`,
          'retry-after-ms': `${seconds * 1000}`,
          'x-ratelimit-limit-requests': `${QUOTA_REQUESTS}`,
          'x-ratelimit-limit-tokens': `${QUOTA_TOKENS}`,
          'x-ratelimit-remaining-requests': `${QUOTA_REQUESTS - 1}`,
          'x-ratelimit-remaining-tokens': '0',
          'x-ratelimit-reset-requests': '1',
          'x-ratelimit-reset-tokens': `${seconds}`,
        },
      );
    case '500':
      return refusal(500, 'Internal Server Error');
    case '502':
      return page(502, 'Bad Gateway');
    case '503':
      return text(503, 'upstream connect error or disconnect/reset before headers. reset reason: overflow');
    case '504':
      return text(504, 'upstream request timeout');
    case 'redirect':
      return { status: 307, headers: { location: METADATA_ADDRESS }, body: '' };
    default:
      return undefined;
  }
}

/** More than twice the limit in the system: a text without words; the reason stands in a header. */
export const TOO_MANY_PENDING: DoorAnswer = {
  status: 429,
  headers: { 'ms-azureml-model-error-reason': 'too_many_pending_request' },
  body: '',
};

export const RATE_LIMITED: DoorAnswer = refusal(
  429,
  'Rate limit is exceeded: the endpoint takes no more requests per second.',
);

/** A deployment that is not ready, or a container that has crashed. */
export const NOT_READY: DoorAnswer = {
  status: 424,
  headers: { 'ms-azureml-model-error-reason': 'model_not_ready' },
  body: '',
};

export function refusal(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): DoorAnswer {
  return { status, headers, body: { error: { code: String(status), message } } };
}

/** What the container answers for this fault, in place of an answer; 'crashed' where it does not answer. */
export function containerFault(fault: ScoringFault): PayloadError | 'crashed' | undefined {
  switch (fault.what) {
    case '424':
      return fault.at === null ? 'crashed' : new PayloadError(fault.at, innerMessage(fault.at));
    case 'context':
      return new PayloadError(
        400,
        "This model's maximum context length is 16384 tokens. However, you requested 20480 tokens (16384 in the messages, 4096 in the completion). Please reduce the length of the messages or completion.",
      );
    case 'filter':
      return new PayloadError(
        400,
        "The response was filtered due to the prompt triggering Azure's content management policy.",
      );
    default:
      return undefined;
  }
}

/** Whether a fault of that name exists, so that a misspelt one is told and not passed over. */
export function isKnownFault(fault: ScoringFault): boolean {
  return doorAnswer(fault, 0) !== undefined || containerFault(fault) !== undefined || isSpoiling(fault.what);
}

function innerMessage(status: number): string {
  switch (status) {
    case 400:
      return 'The request is not valid.';
    case 404:
      return 'The model does not exist.';
    case 408:
      return 'The engine did not answer in time.';
    case 429:
      return 'Too many requests are queued in the engine.';
    case 502:
      return 'Downstream unavailable';
    case 503:
      return 'The engine is not ready: EngineDeadError.';
    default:
      return status < 500
        ? 'The request is refused.'
        : 'CUDA error: an illegal memory access was encountered.';
  }
}

function text(status: number, body: string): DoorAnswer {
  return { status, headers: { 'content-type': 'text/plain' }, body };
}

function page(status: number, title: string): DoorAnswer {
  return {
    status,
    headers: { 'content-type': 'text/html' },
    body: `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n</body>\r\n</html>\r\n`,
  };
}
