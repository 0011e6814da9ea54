/**
 * Answers of a generating model that go wrong on their way: errors under a good status, answers that break off, and
 * those of a hostile server. Each begins as the good answer would and takes its time.
 */
import { gzipSync } from 'node:zlib';
import {
  type Answering,
  type Emit,
  eventsOf,
  isReplayed,
  modelTime,
  openAnswer,
  wholeAnswer,
  writeStreamHead,
} from './answer.ts';
import { type Completion, chatEvents } from './chat.ts';
import type { Way } from './outlet.ts';
import type { ScoringFault } from './serving-settings.ts';
import { tokenText } from './tokens.ts';

/** Bytes of one write of a body that is too large, and of one part of a bomb. */
const PIECE_BYTES = 1_000_000;
/** MB of a huge body, and of what a bomb unpacks to. */
const HUGE_MB = 1000;
/** Between two tokens of an answer that never ends. */
const ENDLESS_TOKEN_MS = 20;
/** Between the last token and a reset: about a token's time, in which a client reads it. */
const RESET_AFTER_MS = 20;
/** Bytes by which a wrong content-length is wrong. */
const WRONG_BY = 40;
/** Not UTF-8 in any place: an overlong form, a lone continuation, a byte that no character has. */
const NOT_UTF8 = Buffer.from([0xc0, 0xaf, 0x80, 0xff]);
const ENGINE_DIED = 'EngineDeadError: the engine has died and answers no more requests.';

type Spoiler = (answering: Answering, at: number | null) => Emit;

const SPOILERS: Readonly<Record<string, Spoiler>> = {
  masked: (answering, at) => breakOff(answering, at ?? 0, maskedError),
  'masked-empty': (answering) => breakOff(answering, 0, emptyObject),
  error: (answering, at) => breakOff(answering, at ?? 0, maskedError),
  'error-event': (answering, at) => breakOff(answering, at ?? 0, namedError),
  'finish-error': (answering, at) => breakOff(answering, at ?? Number.POSITIVE_INFINITY, finishedByError),
  empty: (answering) => breakOff(answering, 0, nothing),
  echo: (answering) => openAnswer({ ...answering, prompt: { ...answering.prompt, returnFullText: true } }),
  408: (answering) => breakOff(answering, 0, silence, 'stays'),
  stall: (answering, at) => breakOff(answering, at ?? 0, stall, 'stays'),
  reset: (answering, at) => breakOff(answering, at ?? 0, reset),
  truncated: (answering, at) => breakOff(answering, at ?? 0, truncate),
  endless: (answering) => breakOff(answering, 0, writeForEver, 'stays'),
  huge: (answering, at) => breakOff(answering, 0, () => void writeHuge(answering, at ?? HUGE_MB), 'stays'),
  bomb: (answering, at) => breakOff(answering, 0, () => void writeBomb(answering, at ?? HUGE_MB), 'stays'),
  utf8: (answering) => openAnswer({ ...answering, way: new MangledWay(answering) }),
  'length-more': (answering) => lieAboutLength(answering, WRONG_BY),
  'length-less': (answering) => lieAboutLength(answering, -WRONG_BY),
  dribble: (answering) => openAnswer({ ...answering, way: new DribblingWay(answering) }),
};

/** Whether an answer can go wrong in that way. */
export function isSpoiling(what: string): boolean {
  return Object.hasOwn(SPOILERS, what);
}

/** The answer as this fault has it, or undefined where it does not touch answers. */
export function spoilAnswer(answering: Answering, fault: ScoringFault): Emit | undefined {
  return isSpoiling(fault.what) ? SPOILERS[fault.what]?.(answering, fault.at) : undefined;
}

/**
 * A good answer up to so many tokens, or to its last where it has fewer; what comes then is the fault's. The call
 * leaves its place then, or stays in it until the client goes or the deployment's timeout cuts it.
 */
function breakOff(
  answering: Answering,
  after: number,
  act: (answering: Answering) => void,
  place: 'leaves' | 'stays' = 'leaves',
): Emit {
  // What is whole, or replayed, has sent nothing before its last token.
  const isLive = answering.prompt.stream && !isReplayed(answering);
  const good = isLive ? openAnswer({ ...answering, end: () => {} }) : () => {};
  const last = Math.min(after, answering.completion.outputTokens - 1);
  let isOver = false;
  return (position, _isLast, scheduledAtMs) => {
    if (isOver) return;
    if (position < last) return good(position, false, scheduledAtMs);
    isOver = true;
    if (position < after) good(position, false, scheduledAtMs);
    if (place === 'leaves') answering.end(scheduledAtMs);
    if (!answering.response.destroyed) act(answering);
  };
}

/** An error of the engine under a good status: an event of its own, or the body of an answer. */
function maskedError(answering: Answering): void {
  const error = {
    object: 'error',
    message: ENGINE_DIED,
    type: 'InternalServerError',
    param: null,
    code: 500,
  };
  const isChat = answering.route.endsWith('/chat/completions');
  sendLast(
    answering,
    (events) => events.data({ error }) + events.done(),
    () => (isChat ? { error } : { output: null, error: { status_code: 500, body: JSON.stringify(error) } }),
  );
}

/** What the public image answers where something throws. */
function emptyObject(answering: Answering): void {
  sendLast(
    answering,
    (events) => events.data({}) + events.done(),
    () => ({}),
  );
}

/** An event with a name, and a sentence that is no JSON. */
function namedError(answering: Answering): void {
  sendLast(
    answering,
    (events) => events.named('error', ENGINE_DIED),
    () => withError(answering.bodyOf(answering.completion, 'the model')),
  );
}

/** The answer ends with an error for its reason, and a sentence where others have an object. */
function finishedByError(answering: Answering): void {
  const failed: Answering = { ...answering, completion: { ...answering.completion, finishReason: 'error' } };
  sendLast(
    failed,
    (events) => events.finish(ENGINE_DIED) + events.done(),
    () => withError(wholeAnswer(failed)),
  );
}

/** The model ends at once: a good answer without a word. */
function nothing(answering: Answering): void {
  const completion: Completion = { ...answering.completion, outputTokens: 1, finishReason: 'stop' };
  const { includeUsage } = answering.prompt;
  sendLast(
    { ...answering, completion },
    (events) => events.role() + events.finish() + (includeUsage ? events.usage() : '') + events.done(),
    () => answering.bodyOf(completion, ''),
  );
}

/** Nothing at all, so that the deployment's timeout answers. */
function silence(): void {}

/** The head, where there was none yet, and then nothing more until the timeout cuts it. */
function stall(answering: Answering): void {
  if (!answering.prompt.stream) return;
  writeStreamHead(answering);
  answering.response.flushHeaders();
}

/** A reset takes with it what the client has not read yet; so it comes a moment after the last token. */
function reset({ response }: Answering): void {
  const { socket } = response;
  if (response.headersSent) setTimeout(() => socket?.resetAndDestroy(), RESET_AFTER_MS);
  else socket?.resetAndDestroy();
}

/** A stream that ends without its end mark, as HTTP has it whole; of a whole answer, its first half. */
function truncate(answering: Answering): void {
  if (answering.prompt.stream) {
    writeStreamHead(answering);
    answering.response.end();
    return;
  }
  const body = JSON.stringify(wholeAnswer(answering));
  sendJson(answering, Buffer.from(body.slice(0, body.length / 2)));
}

function writeForEver(answering: Answering): void {
  const { response, answerSeed } = answering;
  const events = openBody(answering);
  let position = 0;
  const timer = setInterval(() => {
    if (response.destroyed) return clearInterval(timer);
    if (response.writableNeedDrain) return;
    const word = tokenText(answerSeed, position);
    response.write(answering.prompt.stream ? events.token(word) : word);
    position += 1;
  }, ENDLESS_TOKEN_MS);
  response.once('close', () => clearInterval(timer));
}

/** One text of so many MB, written as fast as it is read. */
async function writeHuge(answering: Answering, megabytes: number): Promise<void> {
  const { response } = answering;
  openBody(answering);
  if (answering.prompt.stream) response.write('data: {"choices":[{"delta":{"content":"');
  const piece = Buffer.alloc(PIECE_BYTES, 'a');
  for (let written = 0; written < megabytes && !response.destroyed; written += 1) {
    if (!response.write(piece)) await drained(answering);
  }
  response.end('"}');
}

/** A thousandth of the size on the wire: gzip may have parts one after the other, so one part is made and repeated. */
async function writeBomb(answering: Answering, megabytes: number): Promise<void> {
  const { response, prompt } = answering;
  response.writeHead(200, { 'content-type': contentType(answering), 'content-encoding': 'gzip' });
  const part = gzipSync(Buffer.alloc(PIECE_BYTES, 'a'));
  response.write(gzipSync(`${prompt.stream ? 'data: ' : ''}{"output":"`));
  for (let written = 0; written < megabytes && !response.destroyed; written += 1) {
    if (!response.write(part)) await drained(answering);
  }
  response.end(gzipSync('"}'));
}

/** The whole of an answer, events or not, under a content-length that is wrong by so many bytes; then it closes. */
function lieAboutLength(answering: Answering, wrongBy: number): Emit {
  const { response, prompt, end } = answering;
  const events = eventsOf(answering);
  const pieces: string[] = [];
  return (position, isLast, scheduledAtMs) => {
    if (prompt.stream) pieces.push(events(position, isLast));
    if (!isLast) return;
    end(scheduledAtMs);
    if (response.destroyed) return;
    const bytes = Buffer.from(prompt.stream ? pieces.join('') : JSON.stringify(wholeAnswer(answering)));
    response.writeHead(200, {
      'content-type': contentType(answering),
      'content-length': bytes.length + wrongBy,
    });
    response.write(bytes, () => response.socket?.end());
  };
}

/** Puts bytes that are not UTF-8 before the first word of each text. */
class MangledWay implements Way {
  readonly #answering: Answering;

  constructor(answering: Answering) {
    this.#answering = answering;
  }

  answer(_status: number, _headers: Readonly<Record<string, string>>, body: unknown): void {
    sendJson(this.#answering, mangle(JSON.stringify(body)));
  }

  write(bytes: string | Buffer, nowMs: number): void {
    this.#answering.way.write(mangle(bytes), nowMs);
  }

  end(bytes: string | Buffer, nowMs: number): void {
    this.#answering.way.end(mangle(bytes), nowMs);
  }
}

/** Writes byte by byte, each by itself. */
class DribblingWay implements Way {
  readonly #answering: Answering;
  #bytes = Buffer.alloc(0);
  #isEnding = false;
  #isRunning = false;

  constructor(answering: Answering) {
    this.#answering = answering;
  }

  answer(_status: number, _headers: Readonly<Record<string, string>>, body: unknown): void {
    const text = JSON.stringify(body);
    this.#answering.response.writeHead(200, {
      'content-type': contentType(this.#answering),
      'content-length': Buffer.byteLength(text),
    });
    this.end(text);
  }

  write(bytes: string | Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, Buffer.from(bytes)]);
    if (!this.#isRunning) this.#next();
  }

  end(bytes: string | Buffer): void {
    this.#isEnding = true;
    this.write(bytes);
  }

  #next(): void {
    const { response } = this.#answering;
    this.#isRunning = this.#bytes.length > 0 && !response.destroyed;
    if (this.#isRunning) {
      response.write(this.#bytes.subarray(0, 1), () => setImmediate(() => this.#next()));
      this.#bytes = this.#bytes.subarray(1);
    } else if (this.#isEnding) response.end();
  }
}

function mangle(bytes: string | Buffer): Buffer {
  const [before = '', ...rest] = String(bytes).split(/(?<="(?:content|output|text)":")(?!")/);
  return Buffer.concat([Buffer.from(before), ...rest.flatMap((part) => [NOT_UTF8, Buffer.from(part)])]);
}

type Events = ReturnType<typeof chatEvents>;

/** The end of a stream, with its head where that is not written yet; or a whole answer. */
function sendLast(answering: Answering, events: (events: Events) => string, body: () => unknown): void {
  const { prompt, way, completion, settings } = answering;
  if (prompt.stream) {
    writeStreamHead(answering);
    way.end(events(chatEvents(completion, settings.newline)), performance.now());
  } else {
    way.answer(200, modelTime(answering.startedAtMs), body(), performance.now());
  }
}

function withError(body: unknown): object {
  return { ...(body as object), error: ENGINE_DIED };
}

/** Writes the head, and the begin of one text, of a body that will not be a good one. */
function openBody(answering: Answering): Events {
  const { response, prompt, completion, settings } = answering;
  const events = chatEvents(completion, settings.newline);
  if (prompt.stream) {
    writeStreamHead(answering);
    response.write(events.role());
  } else {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
    response.write('{"output":"');
  }
  return events;
}

function sendJson({ response }: Answering, bytes: Buffer): void {
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': bytes.length,
  });
  response.end(bytes);
}

function contentType({ prompt }: Answering): string {
  return prompt.stream ? 'text/event-stream; charset=utf-8' : 'application/json; charset=utf-8';
}

function drained({ response }: Answering): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
