/**
 * From what came back (a status with headers and body, an error of the socket, an error inside a good status) to the
 * class of failure of core/failure.ts. Sources: Azure ML's troubleshooting page for the statuses, the open source of
 * the catalog's serving image for what comes as 424 or as 200.
 */
import { messageOf, type RequestFailure } from '../core/failure.ts';
import { redact } from '../core/redact.ts';

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
  const refusal = recognizeRefusal(`${words} ${readErrorCodes(body)}`);
  if (status === 424) return classifyModelError(headers, words, refusal);
  return { failure: classifyPlainStatus(status, headers, words, refusal), words: said };
}

function classifyPlainStatus(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  words: string,
  refusal: RequestFailure | null,
): RequestFailure {
  switch (status) {
    case 401:
    case 403:
      return refusal ?? 'auth';
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
      return refusal ?? 'bad-request';
  }
}

/**
 * 424: the container answered something other than 2xx, or broke. Its own status stands in a header; without it, it
 * crashed or its probes fail.
 */
function classifyModelError(
  headers: Readonly<Record<string, unknown>>,
  words: string,
  refusal: RequestFailure | null,
): Verdict {
  const inner = Number(firstOf(headers['ms-azureml-model-error-statuscode']));
  const reason = firstOf(headers['ms-azureml-model-error-reason']) ?? '';
  const said = ['424', Number.isInteger(inner) ? `inner ${inner}` : 'no inner status', reason, words]
    .filter((part) => part !== '')
    .join(': ');
  if (inner === 429) return { failure: classifyThrottle(headers, `${reason} ${words}`), words: said };
  if (inner === 408) return { failure: 'deadline-server', words: said };
  if ([400, 404, 413, 422].includes(inner)) {
    return { failure: refusal ?? recognizeRefusal(reason) ?? 'bad-request', words: said };
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
  const counted = Object.keys(headers).some((name) => name.startsWith('x-ratelimit-'));
  return limited || counted ? 'throttle-rate' : 'throttle-queue';
}

/** The class of an error that stands inside an answer of 200, perhaps with its exception beside it. */
export function classifyMaskedError(error: unknown, exception?: unknown): Verdict {
  const told = [error, exception]
    .filter((part) => part !== undefined && part !== null && part !== '')
    .map((part) => (typeof part === 'string' ? part : writeJson(part)));
  const words = told.map(readErrorWords).join(': ');
  return {
    failure: recognizeRefusal(`${words} ${told.map(readErrorCodes).join(' ')}`) ?? 'masked-error',
    words: words === '' ? 'An error without words.' : words,
  };
}

/** The codes that stand beside the sentence, such as `content_filter`: they say what the sentence may leave out. */
function readErrorCodes(body: string): string {
  const codes = body.slice(0, READ_CHARACTERS).matchAll(/"(?:code|type)"\s{0,9}:\s{0,9}"(\w{1,60})"/g);
  return Array.from(codes, (match) => match[1] ?? '').join(' ');
}

const CONTENT_FILTER =
  /content.?filter|content management policy|responsible.?ai|content.?safety|jailbreak|flagged.{0,40}(content|prompt)/i;

/** How engines say that prompt and output do not fit. */
const CONTEXT_WINDOW = [
  // vLLM, OpenAI, Azure, SGLang, llama.cpp: "maximum context length is", "the model's context length", "context size".
  /(maximum|max\.?|model'?s|available|configured) (prompt|context|input|sequence) (length|size|window)/i,
  /context.?(length|window|size).{0,40}(exceed|is only)|exceed.{0,60}context|context_length_exceeded/i,
  // vLLM of any age: "longer than the maximum model length", "max_tokens must be at least 1, got -904".
  /max_model_len|(maximum|max) model length|longer than the (maximum )?model/i,
  /max_(completion_)?tokens\W{0,3} must be at least 1, got -\d/i,
  // TGI: "`inputs` must have less than 4096 tokens", "`inputs` tokens + `max_new_tokens` must be <= 4096".
  /inputs\W{1,3}must have less than \d+ tokens|inputs\W{1,3}tokens \+ \W?max_new_tokens\W{1,3}must be/i,
  // TensorRT-LLM and the rest.
  /(prompt|input)( length)? (\(\d+( tokens)?\) )?(is too long|too long|exceeds (the )?(max|limit))/i,
  /reduce (the length of (the|your)|your) (input|prompt|messages)/i,
];

/** What the words of a refusal say beyond its status, as engines and content filters word it. */
function recognizeRefusal(words: string): RequestFailure | null {
  if (CONTENT_FILTER.test(words)) return 'content-filter';
  return CONTEXT_WINDOW.some((wording) => wording.test(words)) ? 'context-window' : null;
}

/**
 * The class of an error without an answer. `started` tells whether the request had been handed to a connection; what
 * fails before that is the connection's.
 */
export function classifyError(error: unknown, started: boolean): Verdict {
  const code = readCode(error);
  const words = `${code === '' ? '' : `${code}: `}${messageOf(error)}`;
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

/**
 * The sentence inside an error body, in any of the shapes that servers use; of a page its title and text; the body
 * itself where there is neither.
 */
export function readErrorWords(body: string): string {
  const text = body.slice(0, READ_CHARACTERS);
  if (isPage(text)) return readPage(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return text;
  }
  return findWords(parsed, 0) ?? text;
}

/** Whether a body is HTML or XML, as gateways and sign-in pages write it. */
export function isPage(body: string): boolean {
  return /^\uFEFF?\s*<(!|\?|[a-z])/i.test(body.slice(0, 256));
}

/** The text of a page without its marks, scripts and styles. */
function readPage(page: string): string {
  return page
    .replace(/<(script|style)\b[^>]{0,1000}>[\s\S]*?(<\/\1>|$)/gi, ' ')
    .replace(/<!--[\s\S]*?(-->|$)|<[^>]*(>|$)/g, ' ')
    .replace(/&nbsp;/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** `error.message`, `error`, `message`, `detail`, `body`: whichever comes first, at most three levels down. */
function findWords(value: unknown, depth: number): string | null {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || depth > 3) return null;
  if (Array.isArray(value)) return value.length === 0 ? null : findWords(value[0], depth + 1);
  const fields = value as Record<string, unknown>;
  for (const name of ['error', 'message', 'detail', 'body', 'reason', 'msg', 'errors']) {
    const words = findWords(fields[name], depth + 1);
    if (words !== null && words !== '') return words;
  }
  return depth === 0 ? null : writeJson(value);
}

/** JSON.parse reads what is nested a million levels deep, and JSON.stringify breaks on it. */
function writeJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return 'An error that is nested too deeply to be written.';
  }
}

/**
 * Words fit for a row: without control characters, without the value of the authorization header (whole or only its
 * secret part, in case a server echoes it), at most 300 characters.
 */
export function shortenWords(words: string, authorization: string | null): string {
  // Only the beginning is kept, with room for a secret that crosses the cut.
  let text = words.slice(0, READ_CHARACTERS).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  for (const secret of secretsOf(authorization)) text = text.replaceAll(secret, '(authorization)');
  text = redact(text).replace(/ {2,}/g, ' ').trim();
  return text.length <= WORDS_CHARACTERS ? text : `${text.slice(0, WORDS_CHARACTERS - 1)}…`;
}

function secretsOf(authorization: string | null): string[] {
  if (authorization === null) return [];
  const whole = authorization.trim();
  const secret = whole.slice(whole.indexOf(' ') + 1).trim();
  return [whole, secret, encodeURIComponent(secret)].filter((one) => one !== '');
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
