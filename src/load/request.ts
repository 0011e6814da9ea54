/**
 * One request -> Sample: a single HTTP exchange on one connection, without retry and without redirect. Every stamp
 * is taken first thing in the callback that undici makes from the socket's read, before anything is parsed.
 */

import type { Dispatcher } from 'undici';
import type { RequestFailure } from '../core/failure.ts';
import type { Sample, TtftReason } from '../core/sample.ts';
import type { Route } from '../core/shard.ts';
import { type AnswerReader, openReader, type Reading } from './answer.ts';
import { classifyError, classifyStatus, shortenWords, type Verdict } from './classify.ts';
import { monotonicMs } from './clock.ts';
import type { Connection } from './connection.ts';
import { buildBodyWriter, PAYLOAD_FAMILIES, type PayloadFamily } from './payload-family.ts';
import { parseRetryAfterMs } from './retry.ts';

/** Azure ML keeps this many characters of `x-ms-client-request-id`. */
const REQUEST_ID_CHARACTERS = 40;
/** An error's sentence stands at its beginning; the rest of an error page is not kept. */
const ERROR_BODY_BYTES = 65_536;

/** What a target needs to be known; a ShardOrder has all of it. */
export interface TargetOrder {
  readonly route: Route;
  readonly authorization: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestTimeoutMs: number;
  readonly requestIdPrefix: string;
  /** For the estimate of output tokens where the server tells no usage. */
  readonly charactersPerToken: number;
}

/** What is the same in every request to one target, worked out once. */
export interface Target {
  readonly order: TargetOrder;
  readonly family: PayloadFamily;
  readonly path: string;
  readonly headers: readonly string[];
  readonly writeBody: (prompt: string) => string;
}

export function prepareTarget(order: TargetOrder, outputTokens: number): Target {
  const { route } = order;
  const family: PayloadFamily = PAYLOAD_FAMILIES[route.api];
  const url = new URL(route.url);
  const headers = {
    'content-type': 'application/json',
    accept: route.stream ? 'text/event-stream, application/json' : 'application/json',
    // Decoding would stand between the socket and the stamps.
    'accept-encoding': 'identity',
    'user-agent': 'foundry-bench',
    ...order.headers,
    ...(order.authorization === null ? {} : { authorization: order.authorization }),
  };
  return {
    order,
    family,
    path: `${url.pathname}${url.search}`,
    headers: Object.entries(headers).flat(),
    writeBody: buildBodyWriter(family, route.stream, outputTokens),
  };
}

/** What comes of a request. */
export interface Answer {
  readonly sample: Sample;
  /** What `Retry-After` asked for; null without it. */
  readonly retryAfterMs: number | null;
}

export interface RunningRequest {
  /** Never rejects: what goes wrong is in the sample. */
  readonly answer: Promise<Answer>;
  /** Abandons the exchange: the answer is a sample that failed as `canceled`. */
  cancel(): void;
}

/** Sends request number `index` at once. `scheduledMs` is when it was wanted. */
export function sendRequest(
  connection: Connection,
  target: Target,
  request: { readonly index: number; readonly body: string; readonly scheduledMs: number },
): RunningRequest {
  const exchange = new Exchange(
    target,
    writeRequestId(target.order.requestIdPrefix, request.index),
    request.scheduledMs,
  );
  connection.dispatch(
    {
      path: target.path,
      method: 'POST',
      headers: [...target.headers, 'x-ms-client-request-id', exchange.requestId],
      body: request.body,
    },
    exchange,
  );
  return {
    answer: exchange.answer,
    cancel: () => exchange.giveUp('canceled', 'The measurement was stopped.'),
  };
}

/** The prefix gives way where both are too long together: the index tells requests apart. */
function writeRequestId(prefix: string, index: number): string {
  const suffix = `-${index}`;
  return `${prefix.slice(0, REQUEST_ID_CHARACTERS - suffix.length)}${suffix}`;
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly requestId: string;
  readonly answer: Promise<Answer>;
  readonly #target: Target;
  readonly #scheduledMs: number;
  readonly #timeout: NodeJS.Timeout;
  #settle: ((answer: Answer) => void) | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #sentMs: number;
  #status: number | null = null;
  #headers: Readonly<Record<string, unknown>> = {};
  #reader: AnswerReader | null = null;
  #errorBody: Buffer[] = [];
  #errorBytes = 0;

  constructor(target: Target, requestId: string, scheduledMs: number) {
    this.requestId = requestId;
    this.#target = target;
    this.#scheduledMs = scheduledMs;
    this.#sentMs = monotonicMs();
    this.answer = new Promise((resolve) => {
      this.#settle = resolve;
    });
    const { requestTimeoutMs } = target.order;
    this.#timeout = setTimeout(
      () => this.giveUp('client-timeout', `No complete answer within ${requestTimeoutMs} ms.`),
      requestTimeoutMs,
    );
  }

  /** The connection is open and the request is about to be written to it. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#sentMs = monotonicMs();
    this.#controller = controller;
    if (this.#settle === null) controller.abort(new Error('The request was given up before it was sent.'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, unknown>>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const nowMs = monotonicMs();
    if (this.#isGood()) {
      this.#reader ??= openReader(this.#target.family, String(this.#headers['content-type'] ?? ''), chunk);
      this.#reader.push(chunk, nowMs);
    } else if (this.#errorBytes < ERROR_BODY_BYTES) {
      this.#errorBody.push(chunk);
      this.#errorBytes += chunk.length;
    }
  }

  onResponseEnd(): void {
    const status = this.#status ?? 0;
    if (!this.#isGood()) {
      const body = this.#encoding() === null ? Buffer.concat(this.#errorBody).toString('utf8') : '';
      this.#conclude(classifyStatus(status, this.#headers, body));
      return;
    }
    const encoding = this.#encoding();
    if (encoding !== null) {
      const words = `The answer is compressed (${encoding}) although identity was asked for; it cannot be timed and was not read.`;
      this.#conclude({ failure: 'malformed-answer', words });
      return;
    }
    this.#reader?.end();
    this.#conclude(judge(this.#reader?.reading ?? null));
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (!this.#concludeAsRead()) this.#conclude(classifyError(error, this.#controller !== null));
  }

  /** Settles as failed and drops the exchange, which would go on otherwise. */
  giveUp(failure: RequestFailure, words: string): void {
    if (failure === 'canceled' || !this.#concludeAsRead()) this.#conclude({ failure, words });
    this.#controller?.abort(new Error(words));
  }

  /**
   * A stream that has told its end or its error has told all; that the connection then breaks, or is held open,
   * changes nothing. Gives whether it was so.
   */
  #concludeAsRead(): boolean {
    const reading = this.#reader?.reading;
    if (reading === undefined || !reading.streamed || !(reading.complete || reading.verdict !== null))
      return false;
    this.#conclude(judge(reading));
    return true;
  }

  #isGood(): boolean {
    return this.#status !== null && this.#status >= 200 && this.#status < 300;
  }

  #encoding(): string | null {
    const encoding = String(this.#headers['content-encoding'] ?? 'identity')
      .trim()
      .toLowerCase();
    return encoding === 'identity' || encoding === '' ? null : encoding;
  }

  #conclude(verdict: Verdict | null): void {
    const settle = this.#settle;
    if (settle === null) return;
    this.#settle = null;
    clearTimeout(this.#timeout);
    const reading = this.#reader?.reading ?? null;
    const sample =
      verdict === null && reading !== null ? this.#describeSuccess(reading) : this.#describeFailure(verdict);
    const retryAfter = this.#headers['retry-after'];
    settle({
      sample,
      retryAfterMs: parseRetryAfterMs(typeof retryAfter === 'string' ? retryAfter : undefined, Date.now()),
    });
  }

  #describeSuccess(reading: Reading): Sample {
    const { charactersPerToken } = this.#target.order;
    const sentMs = this.#sentMs;
    const streamed = reading.streamed && reading.firstContentMs !== null;
    return {
      requestId: this.requestId,
      scheduledMs: this.#scheduledMs,
      sentMs,
      ttftMs: streamed ? (reading.firstContentMs ?? 0) - sentMs : null,
      ttftReason: streamed ? null : 'not-streamed',
      e2eMs: (reading.lastContentMs ?? sentMs) - sentMs,
      promptTokens: reading.promptTokens,
      outputTokens: reading.outputTokens ?? Math.max(1, Math.round(reading.characters / charactersPerToken)),
      tokenSource: reading.outputTokens === null ? 'estimate' : 'usage',
      gapsMs: reading.gapsMs,
      status: this.#status,
      failure: null,
      failureDetail: null,
    };
  }

  /** A failure has no time to first token and no tokens: nothing of it may enter a figure. */
  #describeFailure(verdict: Verdict | null): Sample {
    const { authorization } = this.#target.order;
    const ttftReason: TtftReason = 'no-output';
    return {
      requestId: this.requestId,
      scheduledMs: this.#scheduledMs,
      sentMs: this.#sentMs,
      ttftMs: null,
      ttftReason,
      e2eMs: monotonicMs() - this.#sentMs,
      promptTokens: null,
      outputTokens: 0,
      tokenSource: 'estimate',
      gapsMs: [],
      status: this.#status,
      failure: verdict?.failure ?? 'empty-output',
      failureDetail: shortenWords(verdict?.words ?? '', authorization),
    };
  }
}

/** What is wrong with an answer of 200 that was read to its end; null where it is good. */
function judge(reading: Reading | null): Verdict | null {
  if (reading === null) return { failure: 'empty-output', words: 'The answer has no body.' };
  if (reading.verdict !== null) return reading.verdict;
  if (!reading.complete) {
    return {
      failure: 'truncated-stream',
      words: 'The stream ended without its end mark and without a finish reason.',
    };
  }
  return reading.lastContentMs === null
    ? { failure: 'empty-output', words: 'The answer holds no output.' }
    : null;
}
