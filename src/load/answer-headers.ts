/**
 * What the front door writes around an answer: how much of its rate limits is left, and how long it held traffic back.
 * Names are in lower case. Source: Azure ML's page of online endpoint limits, for the delays; Azure's other model
 * endpoints, for the limits.
 */
import type { Sample } from '../core/measuring/sample.ts';

const RATE_LIMIT_PREFIX = 'x-ratelimit-';
/** Azure sends six at most; a value is a number or a duration. Bounds what a sample keeps of a server that babbles. */
const MOST_RATE_LIMITS = 12;
const RATE_LIMIT_CHARACTERS = 64;
/** Trailers, since the delay is known at the end only; some proxies move trailers to the headers. */
const DELAYS = ['ms-azureml-bandwidth-request-delay-ms', 'ms-azureml-bandwidth-response-delay-ms'];

type Fields = Readonly<Record<string, unknown>>;

const NO_RATE_LIMIT: Sample['rateLimit'] = {};

export function readAnswerHeaders(
  headers: Fields,
  trailers: Fields,
): Pick<Sample, 'rateLimit' | 'bandwidthDelayMs'> {
  return { rateLimit: readRateLimit(headers), bandwidthDelayMs: readBandwidthDelayMs(headers, trailers) };
}

function readRateLimit(headers: Fields): Sample['rateLimit'] {
  let limits: Record<string, string> | null = null;
  let count = 0;
  for (const name in headers) {
    if (!name.startsWith(RATE_LIMIT_PREFIX) || count >= MOST_RATE_LIMITS) continue;
    const value = firstText(headers[name]);
    if (value === null) continue;
    limits ??= {};
    limits[name.slice(RATE_LIMIT_PREFIX.length, RATE_LIMIT_CHARACTERS)] = value.slice(
      0,
      RATE_LIMIT_CHARACTERS,
    );
    count += 1;
  }
  return limits ?? NO_RATE_LIMIT;
}

function readBandwidthDelayMs(headers: Fields, trailers: Fields): number | null {
  let sumMs: number | null = null;
  for (const name of DELAYS) {
    const text = firstText(trailers[name] ?? headers[name]);
    if (text === null || !/^\d{1,9}(\.\d+)?$/.test(text.trim())) continue;
    sumMs = (sumMs ?? 0) + Number(text);
  }
  return sumMs;
}

function firstText(value: unknown): string | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' ? first : null;
}
