/**
 * The arithmetic of the steady window: how much of a request's work lies inside it. Pure.
 *
 * The window begins when every worker has had an answer and ends when issuing stops, so neither the filling nor the
 * draining of the server is in the denominator of a throughput.
 */
import type { Sample } from '../core/measuring/sample.ts';

/** A span on the monotonic clock; an `endMs` of null is still open. */
export interface Span {
  readonly beginMs: number;
  readonly endMs: number | null;
}

/**
 * Output tokens of a finished answer whose chunks arrived inside the span: `output tokens x content events inside /
 * content events`, since an event may hold several tokens and does not tell how many. Null where the answer did not
 * stream.
 */
export function tokensByArrival(sample: Sample, span: Span): number | null {
  if (sample.ttftMs === null) return null;
  let arrivedMs = sample.sentMs + sample.ttftMs;
  let inside = isInside(arrivedMs, span) ? 1 : 0;
  for (const gapMs of sample.gapsMs) {
    arrivedMs += gapMs;
    if (isInside(arrivedMs, span)) inside += 1;
  }
  return (sample.outputTokens * inside) / (sample.gapsMs.length + 1);
}

/**
 * The share of a request's time that lies inside the span, 0 to 1: `overlap([sent, end], span) / E2E`. Tokens of an
 * answer that does not stream are taken as evenly spread over it.
 */
export function shareInside(sample: Sample, span: Span): number {
  const endMs = sample.sentMs + sample.e2eMs;
  const overlapMs =
    Math.min(endMs, span.endMs ?? Number.POSITIVE_INFINITY) - Math.max(sample.sentMs, span.beginMs);
  if (sample.e2eMs <= 0) return isInside(endMs, span) ? 1 : 0;
  return Math.max(0, Math.min(1, overlapMs / sample.e2eMs));
}

/** The end belongs to the span, the beginning does not: it is the moment of an answer that was still outside. */
export function isInside(ms: number, span: Span): boolean {
  return ms > span.beginMs && (span.endMs === null || ms <= span.endMs);
}

/**
 * Whether a stream was held back by something before us and given out at once: all content within 20 ms or 2 % of
 * E2E. Null where that cannot be told: fewer than 32 tokens, or no stream.
 */
export function isBuffered(sample: Sample): boolean | null {
  if (sample.ttftMs === null || sample.outputTokens < BUFFERED_MIN_TOKENS) return null;
  return sample.e2eMs - sample.ttftMs < Math.max(BUFFERED_SPREAD_MS, sample.e2eMs * BUFFERED_SPREAD_SHARE);
}

/**
 * Of a stream that is too short for `isBuffered`: whether all of it came at once, as it does where it was held back and
 * where the GPU is quick. Null of other answers, and of a single token, whose TTFT is right either way.
 */
export function isShortAtOnce(sample: Sample): boolean | null {
  const { ttftMs, e2eMs, outputTokens } = sample;
  if (ttftMs === null || outputTokens < 2 || outputTokens >= BUFFERED_MIN_TOKENS) return null;
  return e2eMs - ttftMs < BUFFERED_SPREAD_MS;
}

/** Fewer tokens than this may truly come within the spread. */
const BUFFERED_MIN_TOKENS = 32;
/** 32 tokens in 20 ms would be 1,600 tokens/s for one stream, which no GPU of the table reaches. */
const BUFFERED_SPREAD_MS = 20;
const BUFFERED_SPREAD_SHARE = 0.02;
