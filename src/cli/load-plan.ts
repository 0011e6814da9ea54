/** What `load` was asked for, checked: every fault of the command line at once. Pure. */
import { randomInt } from 'node:crypto';
import type { Fault, Parsed } from '../core/failure.ts';
import {
  PAYLOAD_FAMILIES,
  PAYLOAD_FAMILY_NAMES,
  type PayloadFamilyName,
} from '../core/requests/payload-families.ts';
import type { Slo } from '../core/spec/slo.ts';
import { SPEC_BOUNDS } from '../core/spec/spec-bounds.ts';
import type { Workload } from '../core/spec/workload.ts';

/** As commander gives it. */
export interface LoadOptions {
  readonly url?: string;
  readonly keyEnv?: string;
  readonly api?: string;
  readonly concurrency?: string;
  readonly rate?: string;
  readonly arrival?: string;
  readonly maxInFlight?: string;
  readonly requests?: string;
  readonly seconds?: string;
  readonly promptTokens: string;
  readonly outputTokens: string;
  readonly stream?: boolean;
  readonly requestsFile?: string;
  readonly samples?: string;
  readonly warmup: string;
  readonly seed?: string;
  readonly timeout: string;
  readonly sloTtftMs?: string;
  readonly sloTpotMs?: string;
  readonly sloE2eMs?: string;
  readonly attainment?: string;
}

export interface LoadPlan {
  readonly url: string;
  /** `auto`: to be found out by asking. */
  readonly api: 'auto' | PayloadFamilyName;
  /** Null for `auto`. */
  readonly stream: boolean | null;
  readonly authorization: string | null;
  /** Null is a closed loop: each connection sends its next request when its last is answered. */
  readonly rate: { readonly requestsPerSecond: number; readonly arrival: 'poisson' | 'constant' } | null;
  /** Each with at most one request in flight. */
  readonly connections: number;
  readonly slo: Slo | null;
  readonly amount: { readonly requests: number } | { readonly seconds: number };
  readonly workload: Workload;
  /** A file of the user's own requests; null makes prompts. */
  readonly requestsFile: string | null;
  readonly samplesFile: string | null;
  readonly warmUpRequests: number;
  readonly seed: number;
  readonly timeoutMs: number;
}

export const API_NAMES = PAYLOAD_FAMILY_NAMES;

/** One thread carries 128 connections; 32 threads are more than the cores of a usual machine. */
const MOST_CONNECTIONS = 4_096;
/** As the app's default: enough for a rate whose answers take minutes, few enough to open at once. */
const USUAL_IN_FLIGHT = '256';
const MOST_RATE = 10_000;
/** The moments of an open loop by number are drawn before it begins, and kept. */
const MOST_RATED_REQUESTS = 100_000;
const USUAL_ATTAINMENT = '0.95';
/** Bounds that only keep a slip of the finger from running for weeks. */
const MOST_REQUESTS = 10_000_000;
const MOST_SECONDS = 86_400;
const MOST_TIMEOUT_SECONDS = 3_600;

export function planLoad(
  options: LoadOptions,
  env: Readonly<Record<string, string | undefined>>,
): Parsed<LoadPlan> {
  const faults: Fault[] = [];
  const refuse = (path: string, message: string) => {
    faults.push({ path, message });
  };
  const whole = (path: string, text: string, least: number, most: number): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      refuse(path, `must be a whole number from ${least} to ${most}`);
    return value;
  };
  const url = readUrl(options.url, refuse);
  const api = readApi(options.api, url, refuse);
  const rate = readRate(options, refuse);
  const connections =
    rate === null
      ? whole('--concurrency', options.concurrency ?? '1', 1, MOST_CONNECTIONS)
      : whole('--max-in-flight', options.maxInFlight ?? USUAL_IN_FLIGHT, 1, MOST_CONNECTIONS);
  const timeoutSeconds = readSeconds('--timeout', options.timeout, MOST_TIMEOUT_SECONDS, refuse);
  const amount = readAmount(options, whole, refuse);
  const plan: LoadPlan = {
    url: url?.href ?? '',
    api: api ?? 'auto',
    stream: readStream(options.stream, api, refuse),
    authorization: readAuthorization(options.keyEnv, env, refuse),
    rate,
    slo: readSlo(options, refuse),
    // A request is sent on one connection: more of them than requests would stay unused.
    connections: 'requests' in amount ? Math.min(connections, amount.requests) : connections,
    amount,
    workload: {
      promptTokens: whole('--prompt-tokens', options.promptTokens, 1, SPEC_BOUNDS.promptTokens),
      outputTokens: whole('--output-tokens', options.outputTokens, 1, SPEC_BOUNDS.outputTokens),
    },
    requestsFile: options.requestsFile ?? null,
    samplesFile: options.samples ?? null,
    warmUpRequests: whole('--warmup', options.warmup, 0, MOST_REQUESTS),
    // Prompts of a second load are new to a prefix cache that has seen the first, unless a seed is given.
    seed: options.seed === undefined ? randomInt(2 ** 32) : whole('--seed', options.seed, 0, 2 ** 32 - 1),
    timeoutMs: timeoutSeconds * 1_000,
  };
  return faults.length === 0 ? { ok: true, value: plan } : { ok: false, faults };
}

type Refuse = (path: string, message: string) => void;

function readUrl(text: string | undefined, refuse: Refuse): URL | null {
  if (text === undefined) {
    refuse(
      '--url',
      'is missing; name the address to load, such as http://127.0.0.1:8000/v1/chat/completions',
    );
    return null;
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    refuse('--url', 'must be a complete address that begins with http:// or https://');
    return null;
  }
  if (url.username !== '' || url.password !== '')
    refuse(
      '--url',
      'must not hold a name or password; put the key into a variable and name it with --key-env',
    );
  url.hash = '';
  return url;
}

/** By the address where it tells: no request is sent to find out what was not asked to be found out. */
function readApi(text: string | undefined, url: URL | null, refuse: Refuse): LoadPlan['api'] | null {
  const asked = (['auto', ...API_NAMES] as const).find((name) => name === text);
  if (asked !== undefined) return asked;
  if (text !== undefined) {
    refuse('--api', `must be one of auto, ${API_NAMES.join(', ')}`);
    return null;
  }
  if (url === null) return null;
  const told = API_NAMES.find((name) => url.pathname.endsWith(PAYLOAD_FAMILIES[name].path));
  if (told === undefined)
    refuse('--api', `is needed, since the path ${url.pathname} does not tell; --api auto asks the server`);
  return told ?? null;
}

function readStream(
  stream: boolean | undefined,
  api: LoadPlan['api'] | null,
  refuse: Refuse,
): boolean | null {
  if (api === null) return null;
  if (api === 'auto') {
    if (stream !== undefined)
      refuse(
        stream ? '--stream' : '--no-stream',
        'does not go with --api auto, which finds out; name the API',
      );
    return null;
  }
  const can = PAYLOAD_FAMILIES[api].streaming !== null;
  if (stream === true && !can) refuse('--stream', `does not go with --api ${api}, which cannot stream`);
  return stream ?? can;
}

function readAmount(
  { requests, seconds, rate }: LoadOptions,
  whole: (path: string, text: string, least: number, most: number) => number,
  refuse: Refuse,
): LoadPlan['amount'] {
  if (requests !== undefined && seconds !== undefined)
    refuse('--seconds', 'does not go with --requests; give one of them');
  if (requests !== undefined) {
    const most = rate === undefined ? MOST_REQUESTS : MOST_RATED_REQUESTS;
    return { requests: whole('--requests', requests, 1, most) };
  }
  if (seconds !== undefined) return { seconds: readSeconds('--seconds', seconds, MOST_SECONDS, refuse) };
  refuse('--requests', 'is missing; say how much with --requests N or --seconds S');
  return { requests: 1 };
}

function readSeconds(path: string, text: string, most: number, refuse: Refuse): number {
  return readAbove0(path, text, most, 'seconds', refuse);
}

function readAbove0(path: string, text: string, most: number, unit: string, refuse: Refuse): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > most)
    refuse(path, `must be a number of ${unit} above 0 and up to ${most}`);
  return value;
}

/** `--rate` makes it an open loop; what only one of the two loops has is refused in the other. */
function readRate({ rate, arrival = 'poisson', ...options }: LoadOptions, refuse: Refuse): LoadPlan['rate'] {
  if (rate === undefined) {
    for (const [path, value] of [
      ['--arrival', arrival === 'poisson' ? undefined : arrival],
      ['--max-in-flight', options.maxInFlight],
    ] as const)
      if (value !== undefined) refuse(path, 'goes with --rate only');
    return null;
  }
  if (options.concurrency !== undefined)
    refuse('--concurrency', 'does not go with --rate; --max-in-flight bounds the requests in flight');
  if (arrival !== 'poisson' && arrival !== 'constant') refuse('--arrival', 'must be poisson or constant');
  return {
    requestsPerSecond: readAbove0('--rate', rate, MOST_RATE, 'requests per second', refuse),
    arrival: arrival === 'constant' ? 'constant' : 'poisson',
  };
}

/** Null without a clause. */
function readSlo(options: LoadOptions, refuse: Refuse): Slo | null {
  const clause = (path: string, text: string | undefined) =>
    text === undefined ? null : readAbove0(path, text, MOST_TIMEOUT_SECONDS * 1_000, 'milliseconds', refuse);
  const clauses = {
    ttftMs: clause('--slo-ttft-ms', options.sloTtftMs),
    tpotMs: clause('--slo-tpot-ms', options.sloTpotMs),
    e2eMs: clause('--slo-e2e-ms', options.sloE2eMs),
  };
  const attainment = readAttainment(options.attainment ?? USUAL_ATTAINMENT, refuse);
  if (Object.values(clauses).some((ms) => ms !== null)) return { attainment, ...clauses };
  if (options.attainment !== undefined)
    refuse('--attainment', 'needs what is to be attained: --slo-ttft-ms, --slo-tpot-ms or --slo-e2e-ms');
  return null;
}

function readAttainment(text: string, refuse: Refuse): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || value < 0.5 || value > 0.999)
    refuse('--attainment', 'must be a share of requests from 0.5 to 0.999');
  return value;
}

/** Never tells the value, whatever is wrong with it. */
function readAuthorization(
  name: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  refuse: Refuse,
): string | null {
  if (name === undefined) return null;
  const key = env[name]?.trim() ?? '';
  if (key === '') refuse('--key-env', 'names a variable that is not set or is empty; it is to hold the key');
  else if (!/^[\x21-\x7e]+$/.test(key))
    refuse('--key-env', 'names a variable whose value has characters that a header cannot hold');
  return `Bearer ${key}`;
}
