/**
 * One request -> Sample: a single HTTP exchange on one connection, without retry and without redirect. Every stamp
 * was taken by the connection when its socket gave the bytes, before anything was parsed.
 */

import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { RequestFailure } from '../core/failure.ts';
import type { Sample, TtftReason } from '../core/measuring/sample.ts';
import type { Route } from '../core/measuring/shard.ts';
import type { PromptInput } from '../core/requests/request-set.ts';
import { type AnswerReader, countOutput, openReader, type Reading } from './answer.ts';
import { readAnswerHeaders } from './answer-headers.ts';
import { classifyError, classifyStatus, shortenWords, type Verdict } from './classify.ts';
import { monotonicMs } from './clock.ts';
import type { Connection, ExchangeListener } from './connection.ts';
import type { Fields } from './http-answer.ts';
import { buildBodyWriter, findFamily, type PayloadFamily, promptText } from './payload-family.ts';
import { parseRetryAfterMs } from './retry.ts';

/** Azure ML keeps this many characters of `x-ms-client-request-id`. */
const REQUEST_ID_CHARACTERS = 40;
/** An error's sentence stands at its beginning; the rest of an error page is not kept. */
const ERROR_BODY_BYTES = 65_536;

/** What a target needs to be known; a ShardOrder has all of it. */
export interface TargetOrder {
  readonly route: Route;
  /** See ShardOrder. */
  readonly connectAddress?: string | null;
  readonly authorization: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestTimeoutMs: number;
  readonly requestIdPrefix: string;
  /** For the estimate of output tokens where the server tells no usage. */
  readonly charactersPerToken: number;
  /** The user's own family, where the route's api is `raw`. */
  readonly template?: PayloadFamily | null;
}

/** What is the same in every request to one target, worked out once. */
export interface Target {
  readonly order: TargetOrder;
  readonly family: PayloadFamily;
  /** The head of each request but for its id and its length. */
  readonly head: string;
  readonly outputTokens: number;
  readonly writeBody: (prompt: PromptInput, outputTokens: number) => string;
}

/** `outputTokens` is the length that most answers are asked for; any other is written as well, a little slower. */
export function prepareTarget(order: TargetOrder, outputTokens: number): Target {
  const { route } = order;
  const family = findFamily(route, order.template ?? null);
  const url = new URL(route.url);
  const headers: Readonly<Record<string, string>> = {
    host: url.host,
    connection: 'keep-alive',
    'content-type': 'application/json',
    accept: route.stream ? 'text/event-stream, application/json' : 'application/json',
    // Decoding would stand between the socket and the stamps.
    'accept-encoding': 'identity',
    'user-agent': 'foundry-bench',
    ...order.headers,
    ...(order.authorization === null ? {} : { authorization: order.authorization }),
  };
  const writeUsual = buildBodyWriter(family, route.stream, outputTokens);
  return {
    order,
    family,
    head: writeHead(`${url.pathname}${url.search}`, headers),
    outputTokens,
    writeBody: (prompt, asked) =>
      asked === outputTokens ? writeUsual(prompt) : buildBodyWriter(family, route.stream, asked)(prompt),
  };
}

/** Throws where a header is none: what is in it would end the head and begin another. */
function writeHead(path: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}`;
}

/** What comes of a request. */
export interface Answer {
  readonly sample: Sample;
  /** What `Retry-After` asked for; null without it. */
  readonly retryAfterMs: number | null;
}

/** A request that is ready to be written: what can be worked out before its moment is. */
export interface PreparedRequest {
  /** Sends it at once, and once only. `scheduledMs` is when it was wanted. */
  send(scheduledMs: number): RunningRequest;
}

export interface RunningRequest {
  /** Never rejects: what goes wrong is in the sample. */
  readonly answer: Promise<Answer>;
  /** Abandons the exchange: the answer is a sample that failed as `canceled`. */
  cancel(): void;
}

export interface RequestOrder {
  readonly index: number;
  readonly prompt: PromptInput;
  /** Told in the sample, for what the answer is held against. */
  readonly promptTokens?: number;
  /** Absent, the length that the target was prepared for. */
  readonly outputTokens?: number;
}

/** Prepares request number `index`. */
export function prepareRequest(
  connection: Connection,
  target: Target,
  request: RequestOrder,
): PreparedRequest {
  return new Exchange(connection, target, request);
}

/** The prefix gives way where both are too long together: the index tells requests apart. */
function writeRequestId(prefix: string, index: number): string {
  const suffix = `-${index}`;
  return `${prefix.slice(0, REQUEST_ID_CHARACTERS - suffix.length)}${suffix}`;
}

class Exchange implements PreparedRequest, RunningRequest, ExchangeListener {
  readonly answer: Promise<Answer>;
  readonly #connection: Connection;
  readonly #target: Target;
  readonly #requestId: string;
  readonly #ask: RequestOrder;
  #request: Buffer | null;
  readonly #sentBytes: number;
  #receivedBytes = 0;
  #settle: ((answer: Answer) => void) | null = null;
  #timeout: NodeJS.Timeout | null = null;
  /** Drops the exchange, which would go on otherwise. */
  #abandon: () => void = () => {};
  #started = false;
  #scheduledMs = 0;
  #sentMs = 0;
  #status: number | null = null;
  #headers: Readonly<Record<string, unknown>> = {};
  #trailers: Readonly<Record<string, unknown>> = {};
  #reader: AnswerReader | null = null;
  #errorBody: Buffer[] = [];
  #errorBytes = 0;

  constructor(connection: Connection, target: Target, ask: RequestOrder) {
    this.#connection = connection;
    this.#target = target;
    this.#requestId = writeRequestId(target.order.requestIdPrefix, ask.index);
    this.#ask = ask;
    const body = target.writeBody(ask.prompt, ask.outputTokens ?? target.outputTokens);
    this.#request = Buffer.from(
      `${target.head}x-ms-client-request-id: ${this.#requestId}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    this.#sentBytes = this.#request.length;
    this.answer = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  send(scheduledMs: number): RunningRequest {
    const request = this.#request;
    if (request === null) throw new Error('A prepared request is sent once.');
    this.#request = null;
    this.#scheduledMs = scheduledMs;
    this.#sentMs = scheduledMs;
    this.#abandon = this.#connection.send(request, this);
    // When the loop that sends has ended: until then the other requests of a burst wait.
    queueMicrotask(() => this.#startTimeout());
    return this;
  }

  cancel(): void {
    this.#giveUp('canceled', 'The measurement was stopped.');
  }

  #startTimeout(): void {
    if (this.#settle === null) return;
    const { requestTimeoutMs } = this.#target.order;
    this.#timeout = setTimeout(
      () => this.#giveUp('client-timeout', `No complete answer within ${requestTimeoutMs} ms.`),
      requestTimeoutMs,
    );
  }

  onStart(): void {
    this.#sentMs = monotonicMs();
    this.#started = true;
  }

  onBytes(count: number): void {
    this.#receivedBytes += count;
  }

  onHead(status: number, fields: Fields): void {
    this.#status = status;
    this.#headers = fields;
  }

  onBody(piece: Buffer, arrivedMs: number): void {
    if (this.#isGood()) {
      const contentType = String(this.#headers['content-type'] ?? '');
      this.#reader ??= openReader(this.#target.family, contentType, piece, promptText(this.#ask.prompt));
      this.#reader.push(piece, arrivedMs);
    } else if (this.#errorBytes < ERROR_BODY_BYTES) {
      this.#errorBody.push(piece);
      this.#errorBytes += piece.length;
    }
  }

  onEnd(trailers: Fields): void {
    this.#trailers = trailers;
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

  onError(error: Error): void {
    if (!this.#concludeAsRead()) this.#conclude(classifyError(error, this.#started));
  }

  /** Settles as failed and drops the exchange. */
  #giveUp(failure: RequestFailure, words: string): void {
    if (failure === 'canceled' || !this.#concludeAsRead()) this.#conclude({ failure, words });
    this.#abandon();
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
    if (this.#timeout !== null) clearTimeout(this.#timeout);
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
    const { family, order } = this.#target;
    const sentMs = this.#sentMs;
    const streamed = reading.streamed && reading.firstContentMs !== null;
    return {
      requestId: this.#requestId,
      scheduledMs: this.#scheduledMs,
      sentMs,
      ttftMs: streamed ? (reading.firstContentMs ?? 0) - sentMs : null,
      ttftReason: streamed ? null : 'not-streamed',
      ttftAnswerMs: reading.firstAnswerMs === null ? null : reading.firstAnswerMs - sentMs,
      e2eMs: (reading.lastContentMs ?? sentMs) - sentMs,
      promptTokens: reading.promptTokens,
      ...(this.#ask.promptTokens !== undefined && { promptTokensAsked: this.#ask.promptTokens }),
      outputTokensAsked: this.#ask.outputTokens ?? this.#target.outputTokens,
      cachedPromptTokens: reading.cachedPromptTokens,
      ...countOutput(reading, family, order.charactersPerToken),
      gapsMs: reading.gapsMs,
      status: this.#status,
      failure: null,
      failureDetail: null,
      flags: reading.echo ? ECHO : NO_FLAGS,
      ...this.#describeWire(),
    };
  }

  /** A failure has no time to first token and no tokens: nothing of it may enter a figure. */
  #describeFailure(verdict: Verdict | null): Sample {
    const { authorization } = this.#target.order;
    const ttftReason: TtftReason = 'no-output';
    return {
      requestId: this.#requestId,
      scheduledMs: this.#scheduledMs,
      sentMs: this.#sentMs,
      ttftMs: null,
      ttftReason,
      ttftAnswerMs: null,
      e2eMs: monotonicMs() - this.#sentMs,
      promptTokens: null,
      cachedPromptTokens: null,
      outputTokens: 0,
      tokenSource: 'estimate',
      unit: this.#target.family.unit,
      outputUnits: 0,
      gapsMs: [],
      status: this.#status,
      failure: verdict?.failure ?? 'empty-output',
      failureDetail: shortenWords(verdict?.words ?? '', authorization),
      flags: NO_FLAGS,
      ...this.#describeWire(),
    };
  }

  /** Where the connection never opened, nothing was sent. */
  #describeWire(): Pick<Sample, 'sentBytes' | 'receivedBytes' | 'rateLimit' | 'bandwidthDelayMs'> {
    return {
      sentBytes: this.#started ? this.#sentBytes : 0,
      receivedBytes: this.#receivedBytes,
      ...readAnswerHeaders(this.#headers, this.#trailers),
    };
  }
}

const ECHO: Sample['flags'] = ['echo'];
const NO_FLAGS: Sample['flags'] = [];

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
