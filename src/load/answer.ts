/**
 * Reading an answer while it comes: when content arrived, how much of it, what the usage says, and whether an error
 * hides in it. Two readers for the two ways an answer comes, chosen by what the server sent and not by what it was
 * asked for.
 */
import { classifyMaskedError, type Verdict } from './classify.ts';
import { type AnswerShape, type JsonPath, type PayloadFamily, readPath } from './payload-family.ts';
import { SseParser } from './sse.ts';

/** What an answer told, as far as it has been read. Times are on the monotonic clock. */
export interface Reading {
  /** Whether it came as events, whatever was asked for. */
  readonly streamed: boolean;
  firstContentMs: number | null;
  lastContentMs: number | null;
  /** Gaps between content events of a stream. */
  readonly gapsMs: number[];
  /** Characters of content and reasoning. */
  characters: number;
  promptTokens: number | null;
  outputTokens: number | null;
  /** The end mark or a finish reason was seen: what came is the whole. */
  complete: boolean;
  /** The first failure that the answer told; nothing after it is read. */
  verdict: Verdict | null;
}

export interface AnswerReader {
  readonly reading: Reading;
  /** `nowMs` is when the bytes arrived. */
  push(chunk: Buffer, nowMs: number): void;
  /** No more bytes come: the answer ended as HTTP promises it to end. */
  end(): void;
}

/**
 * The reader for an answer of 200. What says it is JSON or begins as JSON is JSON; anything else is read as events,
 * since some servers send events as text/plain.
 */
export function openReader(family: PayloadFamily, contentType: string, firstChunk: Buffer): AnswerReader {
  if (/event-stream/i.test(contentType)) return new StreamReader(family);
  if (/json/i.test(contentType)) return new BodyReader(family);
  return /^\s*[{[]/.test(firstChunk.subarray(0, 64).toString('latin1'))
    ? new BodyReader(family)
    : /^\uFEFF?\s*(data|event|id|retry)?:/.test(firstChunk.subarray(0, 64).toString('utf8'))
      ? new StreamReader(family)
      : new BodyReader(family);
}

function emptyReading(streamed: boolean): Reading {
  return {
    streamed,
    firstContentMs: null,
    lastContentMs: null,
    gapsMs: [],
    characters: 0,
    promptTokens: null,
    outputTokens: null,
    complete: false,
    verdict: null,
  };
}

/** A complete JSON answer. Its content counts as arrived with its last byte. */
class BodyReader implements AnswerReader {
  readonly reading = emptyReading(false);
  readonly #family: PayloadFamily;
  readonly #chunks: Buffer[] = [];
  #arrivedMs = 0;

  constructor(family: PayloadFamily) {
    this.#family = family;
  }

  push(chunk: Buffer, nowMs: number): void {
    this.#chunks.push(chunk);
    this.#arrivedMs = nowMs;
  }

  end(): void {
    const reading = this.reading;
    reading.complete = true;
    const parsed = parseJson(Buffer.concat(this.#chunks).toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      reading.verdict = { failure: 'malformed-answer', words: 'The answer is not a JSON object.' };
      return;
    }
    if (this.#family.emptyObjectIsError && Object.keys(parsed).length === 0) {
      reading.verdict = {
        failure: 'masked-error',
        words: 'The answer is {}, which is how this image tells an exception or a content filter.',
      };
      return;
    }
    const shape = this.#family.answer;
    reading.verdict = findError(parsed, shape);
    if (reading.verdict !== null) return;
    readUsage(this.#family, parsed, reading);
    const content = contentOf(parsed, shape.content).text;
    const reasoning = contentOf(parsed, shape.reasoning).text;
    if (
      content === '' &&
      reasoning === '' &&
      !shape.content.some((path) => readPath(parsed, path) !== undefined)
    ) {
      reading.verdict = {
        failure: 'malformed-answer',
        words: `The answer has no ${shape.content.map(writePath).join(' or ')}.`,
      };
      return;
    }
    if (content === '' && reasoning === '') return;
    reading.characters = content.length + reasoning.length;
    reading.lastContentMs = this.#arrivedMs;
  }
}

/** An answer that comes as events. Content counts as arrived with the bytes that held it. */
class StreamReader implements AnswerReader {
  readonly reading = emptyReading(true);
  readonly #family: PayloadFamily;
  readonly #shape: AnswerShape;
  readonly #events = new SseParser((data, event) => this.#readEvent(data, event));
  #nowMs = 0;
  #twin: Twin | null = null;

  constructor(family: PayloadFamily) {
    this.#family = family;
    this.#shape = family.streaming?.answer ?? family.answer;
  }

  push(chunk: Buffer, nowMs: number): void {
    this.#nowMs = nowMs;
    const read = this.#events.isBetweenEvents && this.reading.verdict === null ? this.#countTwins(chunk) : 0;
    if (read < chunk.length) this.#events.push(read === 0 ? chunk : chunk.subarray(read));
  }

  end(): void {
    this.#events.end();
  }

  /** Counts the events at the beginning of a chunk that are twins of the last; gives how many bytes they take. */
  #countTwins(chunk: Buffer): number {
    const twin = this.#twin;
    let read = 0;
    while (twin !== null && read < chunk.length) {
      const end = findTwinEnd(twin, chunk, read);
      if (end === 0) break;
      this.#countContent(countCharacters(chunk, read + twin.before.length, end - twin.after.length));
      read = end;
    }
    return read;
  }

  #readEvent(data: string, event: string): void {
    const reading = this.reading;
    if (reading.verdict !== null) return;
    if (data === this.#family.endMark) {
      reading.complete = true;
      return;
    }
    const parsed = parseJson(data);
    if (event === 'error') {
      reading.verdict = classifyMaskedError(parsed ?? data);
      return;
    }
    if (typeof parsed !== 'object' || parsed === null) {
      reading.verdict = {
        failure: 'malformed-answer',
        words: `An event of the stream is not JSON: ${data.slice(0, 100)}`,
      };
      return;
    }
    reading.verdict = findError(parsed, this.#shape);
    if (reading.verdict !== null) return;
    readUsage(this.#family, parsed, reading);
    if (typeof readPath(parsed, this.#shape.finishReason) === 'string') reading.complete = true;
    const content = contentOf(parsed, this.#shape.content);
    const reasoning = contentOf(parsed, this.#shape.reasoning);
    const characters = content.text.length + reasoning.text.length;
    if (characters === 0) return;
    this.#countContent(characters);
    const only = content.text === '' ? reasoning : reasoning.text === '' ? content : null;
    this.#twin = only === null || reading.complete ? null : describeTwin(data, only);
  }

  #countContent(characters: number): void {
    const reading = this.reading;
    if (reading.lastContentMs === null) reading.firstContentMs = this.#nowMs;
    else reading.gapsMs.push(this.#nowMs - reading.lastContentMs);
    reading.lastContentMs = this.#nowMs;
    reading.characters += characters;
  }
}

/**
 * An event that was parsed, as the bytes before and after its content. The events of a stream differ in nothing but
 * their content, and one that has the same bytes around another non-empty string means the same: more content. So
 * most events are neither decoded nor parsed, which is what keeps the client's own time out of the gaps: it takes a
 * tenth of the time of JSON.parse. An event framed in another way than `data: ...` and a blank line has no twins and
 * is parsed.
 */
interface Twin {
  readonly before: Buffer;
  readonly after: Buffer;
}

/**
 * The twin of an event that bears content and nothing else that is read; null where the content's field does not
 * stand in it exactly once, so that it cannot be told which of them is the content.
 */
function describeTwin(data: string, content: FoundText): Twin | null {
  const name = JSON.stringify(content.name);
  const at = data.indexOf(name);
  if (at < 0 || at !== data.lastIndexOf(name)) return null;
  const text = JSON.stringify(content.text);
  const from = data.indexOf('"', at + name.length);
  if (from < 0 || !data.startsWith(text, from)) return null;
  return {
    before: Buffer.from(`data: ${data.slice(0, from + 1)}`),
    after: Buffer.from(`${data.slice(from + text.length - 1)}\n\n`),
  };
}

/**
 * Where the event that begins at `from` ends, when it is whole and a twin; 0 otherwise. Its content ends at the first
 * quote, which must not be escaped (an event with an escaped one is parsed); with that, what stands between is one
 * JSON string. Loops and no Buffer.compare: a call out of the compiled code costs more than comparing 200 bytes.
 */
function findTwinEnd(twin: Twin, chunk: Buffer, from: number): number {
  const { before, after } = twin;
  const content = from + before.length;
  if (content + 1 + after.length > chunk.length) return 0;
  for (let index = 0; index < before.length; index += 1) {
    if (chunk[from + index] !== before[index]) return 0;
  }
  let quote = content;
  while (quote < chunk.length && chunk[quote] !== QUOTE && (chunk[quote] ?? 0) >= SPACE) quote += 1;
  const end = quote + after.length;
  if (quote === content || chunk[quote - 1] === BACKSLASH || end > chunk.length) return 0;
  for (let index = 0; index < after.length; index += 1) {
    if (chunk[quote + index] !== after[index]) return 0;
  }
  return end;
}

/** Characters in a piece of UTF-8: its bytes but for those that continue a character. */
function countCharacters(chunk: Buffer, from: number, to: number): number {
  let characters = 0;
  for (let index = from; index < to; index += 1) {
    if (((chunk[index] ?? 0) & 0xc0) !== 0x80) characters += 1;
  }
  return characters;
}

/** Below it are the control characters, which JSON does not allow in a string. */
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

interface FoundText {
  readonly text: string;
  /** The name of the field that held it. */
  readonly name: string;
}

const NO_TEXT: FoundText = { text: '', name: '' };

function contentOf(parsed: unknown, paths: readonly JsonPath[]): FoundText {
  for (const path of paths) {
    const text = readPath(parsed, path);
    if (typeof text === 'string' && text !== '') return { text, name: String(path.at(-1)) };
  }
  return NO_TEXT;
}

/** An error beside or instead of content. `"error": null` is how good answers say that there is none. */
function findError(parsed: object, shape: AnswerShape): Verdict | null {
  for (const path of shape.errors) {
    const error = readPath(parsed, path);
    if (error !== undefined && error !== null && error !== false && error !== '')
      return classifyMaskedError(error);
  }
  if (readPath(parsed, ['object']) === 'error') return classifyMaskedError(parsed);
  const finishReason = readPath(parsed, shape.finishReason);
  if (finishReason === 'content_filter')
    return { failure: 'content-filter', words: 'finish_reason is content_filter.' };
  if (finishReason === 'error' || finishReason === 'abort') {
    return { failure: 'masked-error', words: `finish_reason is ${finishReason}.` };
  }
  return null;
}

function readUsage(family: PayloadFamily, parsed: unknown, reading: Reading): void {
  reading.promptTokens = readCount(parsed, family.usage.promptTokens) ?? reading.promptTokens;
  reading.outputTokens = readCount(parsed, family.usage.outputTokens) ?? reading.outputTokens;
}

function readCount(parsed: unknown, path: JsonPath): number | null {
  const count = readPath(parsed, path);
  return typeof count === 'number' && Number.isInteger(count) && count > 0 ? count : null;
}

/** Parsed JSON, or undefined where it is none (JSON has no undefined). */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function writePath(path: JsonPath): string {
  return path.join('.');
}
