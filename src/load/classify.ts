/**
 * From what came back (a status with headers and body, an error of the socket, an error inside a good status) to the
 * class of failure of core/failure.ts. Sources: Azure ML's troubleshooting page for the statuses, the open source of
 * the catalog's serving image for what comes as 424 or as 200.
 */
import type { RequestFailure } from '../core/failure.ts';

/** Enough for a server's sentence; a row keeps one of each class. */
const WORDS_CHARACTERS = 300;
/** An error page may be megabytes; its sentence stands at its beginning. */
const READ_CHARACTERS = 65_536;

/** A failure and the words for it, not yet shortened. */
export interface Verdict {
  readonly failure: RequestFailure;
  readonly words: string;
}

/** The class of an answer whose status is not 2xx. Header names are in lower case. */
export function classifyStatus(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  body: string,
): Verdict {
  const words = readErrorWords(body);
  const said = `${status}${words === '' ? '' : `: ${words}`}`;
  if (status >= 300 && status < 400)
    return { failure: 'redirect', words: `${status} to ${nameLocation(headers.location)}` };
  if (status === 424) return classifyModelError(headers, words);
  return { failure: classifyPlainStatus(status, headers, words), words: said };
}

function classifyPlainStatus(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  words: string,
): RequestFailure {
  switch (status) {
    case 401:
    case 403:
      return recognizeRefusal(words) ?? 'auth';
    case 408:
      return 'deadline-server';
    case 429:
      return classifyThrottle(headers, words);
    case 502:
    case 503:
    case 504:
      return 'gateway';
    default:
      if (status >= 500) return 'server-error';
      return recognizeRefusal(words) ?? 'bad-request';
  }
}

/**
 * 424: the container answered something other than 2xx, or broke. Its own status stands in a header; without it, it
 * crashed or its probes fail.
 */
function classifyModelError(headers: Readonly<Record<string, unknown>>, words: string): Verdict {
  const inner = Number(firstOf(headers['ms-azureml-model-error-statuscode']));
  const reason = firstOf(headers['ms-azureml-model-error-reason']) ?? '';
  const said = ['424', Number.isInteger(inner) ? `inner ${inner}` : 'no inner status', reason, words]
    .filter((part) => part !== '')
    .join(': ');
  if (inner === 429) return { failure: classifyThrottle(headers, `${reason} ${words}`), words: said };
  if (inner === 408) return { failure: 'deadline-server', words: said };
  if ([400, 404, 413, 422].includes(inner)) {
    return { failure: recognizeRefusal(`${reason} ${words}`) ?? 'bad-request', words: said };
  }
  return { failure: 'model-error', words: said };
}

/**
 * Azure ML has two 429s: more than twice max_concurrent_requests_per_instance x instances in flight (by far the usual
 * one), and more requests per second than the endpoint may get.
 */
function classifyThrottle(headers: Readonly<Record<string, unknown>>, words: string): RequestFailure {
  if (/pending|queue|concurren|in flight|in-flight|in parallel/i.test(words)) return 'throttle-queue';
  const limited = /\brate\b|per (second|minute)|quota|tokens? limit/i.test(words);
  return limited || headers['x-ratelimit-limit-requests'] !== undefined ? 'throttle-rate' : 'throttle-queue';
}

/** The class of an error that stands inside an answer of 200. */
export function classifyMaskedError(error: unknown): Verdict {
  const words = readErrorWords(typeof error === 'string' ? error : JSON.stringify(error));
  return {
    failure: recognizeRefusal(words) ?? 'masked-error',
    words: words === '' ? 'An error without words.' : words,
  };
}

/** What the words of a refusal say beyond its status, as engines and content filters word it. */
function recognizeRefusal(words: string): RequestFailure | null {
  if (/content.?filter|content management policy|responsible.?ai|content.?safety/i.test(words))
    return 'content-filter';
  if (
    /maximum context length|max_model_len|maximum model length|context.?(length|window).{0,40}exceed|exceed.{0,60}context|context_length_exceeded|prompt is too long|prompt too long|longer than the (maximum )?model/i.test(
      words,
    )
  ) {
    return 'context-window';
  }
  return null;
}

/**
 * The class of an error without an answer. `started` tells whether the request had been handed to a connection; what
 * fails before that is the connection's.
 */
export function classifyError(error: unknown, started: boolean): Verdict {
  const code = readCode(error);
  const words = `${code === '' ? '' : `${code}: `}${error instanceof Error ? error.message : String(error)}`;
  return { failure: classifyCode(code, words, started), words };
}

function classifyCode(code: string, words: string, started: boolean): RequestFailure {
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' || code === 'UND_ERR_HEADERS_OVERFLOW') return 'oversized';
  if (code === 'UND_ERR_INVALID_ARG') return 'bad-request';
  if (/^(ENOTFOUND|EAI_)/.test(code)) return 'dns';
  if (
    /^(CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/.test(
      code,
    )
  )
    return 'tls';
  if (/before secure TLS connection/.test(words)) return 'tls';
  if (!started) return 'connect';
  // A chunked answer that was cut is told by the parser, but it is a connection that ended.
  if (code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE') return 'malformed-answer';
  return 'reset';
}

function readCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** The sentence inside an error body, in any of the shapes that servers use; the body itself where there is none. */
export function readErrorWords(body: string): string {
  const text = body.slice(0, READ_CHARACTERS);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return text;
  }
  return findWords(parsed, 0) ?? text;
}

/** `error.message`, `error`, `message`, `detail`, `body`: whichever comes first, at most three levels down. */
function findWords(value: unknown, depth: number): string | null {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || depth > 3) return null;
  const fields = value as Record<string, unknown>;
  for (const name of ['error', 'message', 'detail', 'body', 'reason']) {
    const words = findWords(fields[name], depth + 1);
    if (words !== null && words !== '') return words;
  }
  return depth === 0 ? null : JSON.stringify(value);
}

/**
 * Words fit for a row: without control characters, without the value of the authorization header (whole or only its
 * secret part, in case a server echoes it), at most 300 characters.
 */
export function shortenWords(words: string, authorization: string | null): string {
  // Only the beginning is kept, with room for a secret that crosses the cut.
  let text = words.slice(0, READ_CHARACTERS).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  for (const secret of secretsOf(authorization)) text = text.replaceAll(secret, '(authorization)');
  text = text.replace(/ {2,}/g, ' ').trim();
  return text.length <= WORDS_CHARACTERS ? text : `${text.slice(0, WORDS_CHARACTERS - 1)}…`;
}

function secretsOf(authorization: string | null): string[] {
  if (authorization === null) return [];
  const whole = authorization.trim();
  return [whole, whole.slice(whole.indexOf(' ') + 1).trim()].filter((secret) => secret !== '');
}

/** A redirect's target without its query, which may hold a token. */
function nameLocation(location: unknown): string {
  const text = firstOf(location);
  return text === undefined ? 'nowhere' : (text.split(/[?#]/)[0] ?? '');
}

function firstOf(header: unknown): string | undefined {
  const value: unknown = Array.isArray(header) ? header[0] : header;
  return typeof value === 'string' ? value : undefined;
}
