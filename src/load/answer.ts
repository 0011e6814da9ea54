/**
 * Reading an answer while it comes: when content arrived, how much of it, what the usage says, and whether an error
 * hides in it. Two readers for the two ways an answer comes, chosen by what the server sent and not by what it was
 * asked for.
 */
import type { Sample } from '../core/measuring/sample.ts';
import { classifyMaskedError, isPage, readErrorWords, type Verdict } from './classify.ts';
import { GatheredBytes } from './gathered-bytes.ts';
import { type AnswerShape, type JsonPath, type PayloadFamily, readPath } from './payload-family.ts';
import { SseParser } from './sse.ts';

/** A good answer may begin with a shorter prompt by chance. */
const ECHO_LEAST_CHARACTERS = 16;
/** What a chat template puts before the prompt, such as `<s>[INST] `; an echo comes with it. */
const ECHO_LEAD_CHARACTERS = 64;

/** What an answer told, as far as it has been read. Times are on the monotonic clock. */
export interface Reading {
  /** Whether it came as events, whatever was asked for. */
  readonly streamed: boolean;
  firstContentMs: number | null;
  /** The first content that is not reasoning. */
  firstAnswerMs: number | null;
  lastContentMs: number | null;
  /** Gaps between content events of a stream. */
  readonly gapsMs: number[];
  /** Characters of content and reasoning, without an echo of the prompt. */
  characters: number;
  promptTokens: number | null;
  cachedPromptTokens: number | null;
  outputTokens: number | null;
  /** The answer began with the prompt. */
  echo: boolean;
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
 * The reader for an answer of 200 to a prompt. What says it is JSON or begins as JSON is JSON; anything else is read
 * as events, since some servers send events as text/plain.
 */
export function openReader(
  family: PayloadFamily,
  contentType: string,
  firstChunk: Buffer,
  prompt = '',
): AnswerReader {
  if (/event-stream/i.test(contentType)) return new StreamReader(family, prompt);
  if (/json/i.test(contentType)) return new BodyReader(family, prompt);
  const begin = firstChunk.subarray(0, 64);
  if (/^\s*[{[]/.test(begin.toString('latin1'))) return new BodyReader(family, prompt);
  return /^\uFEFF?\s*(data|event|id|retry)?:/.test(begin.toString('utf8'))
    ? new StreamReader(family, prompt)
    : new BodyReader(family, prompt);
}

/**
 * The output of a good answer in the unit of its family. Tokens: the server's count, otherwise
 * `characters of the text / characters per token`, at least one. Other units: what each request makes.
 */
export function countOutput(
  reading: Reading,
  family: PayloadFamily,
  charactersPerToken: number,
): Pick<Sample, 'outputTokens' | 'tokenSource' | 'unit' | 'outputUnits'> {
  const { unit, unitsPerRequest } = family;
  if (unitsPerRequest !== null) {
    return { outputTokens: 0, tokenSource: 'units', unit, outputUnits: unitsPerRequest };
  }
  const outputTokens =
    reading.outputTokens ?? Math.max(1, Math.round(reading.characters / charactersPerToken));
  const tokenSource = reading.outputTokens === null ? 'estimate' : 'usage';
  return { outputTokens, tokenSource, unit, outputUnits: outputTokens };
}

function emptyReading(streamed: boolean): Reading {
  return {
    streamed,
    firstContentMs: null,
    firstAnswerMs: null,
    lastContentMs: null,
    gapsMs: [],
    characters: 0,
    promptTokens: null,
    cachedPromptTokens: null,
    outputTokens: null,
    echo: false,
    complete: false,
    verdict: null,
  };
}

/** A complete JSON answer. Its content counts as arrived with its last byte. */
class BodyReader implements AnswerReader {
  readonly reading = emptyReading(false);
  readonly #family: PayloadFamily;
  readonly #prompt: string;
  readonly #body = new GatheredBytes();
  #arrivedMs = 0;

  constructor(family: PayloadFamily, prompt: string) {
    this.#family = family;
    this.#prompt = prompt;
  }

  push(chunk: Buffer, nowMs: number): void {
    this.#body.add(chunk);
    this.#arrivedMs = nowMs;
  }

  end(): void {
    const reading = this.reading;
    reading.complete = true;
    const body = this.#body.take().toString('utf8');
    const parsed = parseAnswer(body);
    const { answer } = this.#family;
    if (parsed === null) reading.verdict = describeNoJson(body);
    else if (!Array.isArray(parsed) && isEmptyObject(parsed)) reading.verdict = EMPTY_OBJECT;
    else reading.verdict = findFailure(parsed, answer, readReason(parsed, answer));
    if (parsed === null || reading.verdict !== null) return;
    readUsage(this.#family, parsed, reading);
    this.#readOutput(parsed, body);
  }

  #readOutput(parsed: object, body: string): void {
    const reading = this.reading;
    const shape = this.#family.answer;
    const content = findText(parsed, shape.text).text;
    const reasoning = findText(parsed, shape.reasoning).text;
    const echoed = measureEcho(content, this.#prompt);
    if (echoed > 0) reading.echo = true;
    reading.characters = content.length - echoed + reasoning.length;
    if (reading.characters > 0 || this.#holdsOther(parsed)) reading.lastContentMs = this.#arrivedMs;
    else if (reading.echo) reading.verdict = ONLY_ECHO;
    else if (!isThere(parsed, shape.text)) {
      const words = `The answer has no ${shape.text.map(writePath).join(' or ')}: ${readErrorWords(body)}`;
      reading.verdict = { failure: 'malformed-answer', words };
    }
  }

  /** An output that is no text, or may be an empty one: of a family that does not count tokens, or that says so. */
  #holdsOther(parsed: object): boolean {
    const { answer, unit } = this.#family;
    return answer.text.some((path) => {
      const value = readPath(parsed, path);
      if (value === '') return answer.mayBeEmpty;
      if (unit === 'token' || value === undefined || value === null) return false;
      return Array.isArray(value) ? value.length > 0 : typeof value !== 'string';
    });
  }
}

/** An answer that comes as events. Content counts as arrived with the bytes that held it. */
class StreamReader implements AnswerReader {
  readonly reading = emptyReading(true);
  readonly #family: PayloadFamily;
  readonly #shape: AnswerShape;
  readonly #events = new SseParser((data, event) => this.#readEvent(data, event));
  readonly #echo: EchoGate;
  #nowMs = 0;
  #twin: Twin | null = null;

  constructor(family: PayloadFamily, prompt: string) {
    this.#family = family;
    this.#shape = family.streaming?.answer ?? family.answer;
    this.#echo = new EchoGate(prompt);
  }

  push(chunk: Buffer, nowMs: number): void {
    this.#nowMs = nowMs;
    const read = this.#events.isBetweenEvents && this.reading.verdict === null ? this.#countTwins(chunk) : 0;
    if (read < chunk.length) this.#events.push(read === 0 ? chunk : chunk.subarray(read));
  }

  end(): void {
    this.#events.end();
    // Where neither an end mark nor a finish reason is agreed on, the end of the answer is the end.
    if (this.#family.endMark === null && this.#shape.finishReason.length === 0) this.#complete();
    this.#countHeld();
  }

  /** Counts the events at the beginning of a chunk that are twins of the last; gives how many bytes they take. */
  #countTwins(chunk: Buffer): number {
    const twin = this.#twin;
    let read = 0;
    while (twin !== null && read < chunk.length) {
      const end = findTwinEnd(twin, chunk, read);
      if (end === 0) break;
      this.#countContent(
        countCharacters(chunk, read + twin.before.length, end - twin.after.length),
        this.#nowMs,
      );
      read = end;
    }
    return read;
  }

  #readEvent(data: string, event: string): void {
    const reading = this.reading;
    if (reading.verdict !== null) return;
    if (data === this.#family.endMark) {
      this.#complete();
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
    const reason = readReason(parsed, this.#shape);
    reading.verdict = findFailure(parsed, this.#shape, reason);
    if (reading.verdict !== null) return;
    readUsage(this.#family, parsed, reading);
    this.#readContent(parsed, data, reason === null);
    if (reason !== null) this.#complete();
  }

  /** `goesOn`: nothing but content is in the event, so that others may be its twins. */
  #readContent(parsed: object, data: string, goesOn: boolean): void {
    const content = findText(parsed, this.#shape.text);
    const reasoning = findText(parsed, this.#shape.reasoning);
    if (content.text === '' && reasoning.text === '') return;
    // Nobody reasons before repeating the prompt.
    if (reasoning.text !== '') this.#countHeld();
    const text = content.text === '' ? '' : this.#passEcho(content.text);
    if (text === '' && reasoning.text === '') return;
    if (text !== '') this.reading.firstAnswerMs ??= this.#nowMs;
    this.#countContent(text.length + reasoning.text.length, this.#nowMs);
    const only = content.text === '' ? reasoning : reasoning.text === '' ? content : null;
    this.#twin = only !== null && goesOn ? describeTwin(data, only) : null;
  }

  /** What of a text is no echo of the prompt; empty while that cannot be told yet. */
  #passEcho(text: string): string {
    if (!this.#echo.isOpen) return text;
    const passed = this.#echo.pass(text, this.#nowMs);
    if (this.#echo.matched) this.reading.echo = true;
    if (!this.#echo.isOpen) this.#countHeld();
    return passed;
  }

  /** What was held back as the beginning of an echo and was none after all. */
  #countHeld(): void {
    for (const { characters, atMs } of this.#echo.release()) {
      this.reading.firstAnswerMs ??= atMs;
      this.#countContent(characters, atMs);
    }
  }

  #complete(): void {
    this.#countHeld();
    const reading = this.reading;
    reading.complete = true;
    if (reading.echo && reading.lastContentMs === null) reading.verdict ??= ONLY_ECHO;
  }

  #countContent(characters: number, atMs: number): void {
    const reading = this.reading;
    if (reading.lastContentMs === null) reading.firstContentMs = atMs;
    else reading.gapsMs.push(atMs - reading.lastContentMs);
    reading.lastContentMs = atMs;
    reading.characters += characters;
  }
}

const EMPTY_OBJECT: Verdict = {
  failure: 'masked-error',
  words: 'The answer is {}, which is how catalog images tell an exception or a content filter.',
};

const ONLY_ECHO: Verdict = { failure: 'echo-only', words: 'The answer holds nothing but the prompt.' };

/**
 * How many characters of a complete text repeat the prompt: all up to its end, when it stands at the beginning or
 * after no more than what a chat template puts there. 0 where it does not.
 */
function measureEcho(text: string, prompt: string): number {
  const wanted = prompt.trim();
  if (wanted.length < ECHO_LEAST_CHARACTERS || text.length < wanted.length) return 0;
  const at = text.slice(0, ECHO_LEAD_CHARACTERS + wanted.length).indexOf(wanted);
  if (at < 0) return 0;
  const after = at + wanted.length;
  // White space after an echo is no answer.
  return text.slice(after).trim() === '' ? text.length : after;
}

/**
 * Holds the first texts of a stream back while they repeat the prompt. Closed, and passing everything, from the first
 * character that differs: for nearly every answer that is the first one.
 */
class EchoGate {
  #rest: string | null;
  #began = false;
  #held: { readonly characters: number; readonly atMs: number }[] = [];
  /** The whole prompt came back. */
  matched = false;

  constructor(prompt: string) {
    const wanted = prompt.trim();
    this.#rest = wanted.length < ECHO_LEAST_CHARACTERS ? null : wanted;
  }

  /** Whether what comes may still be an echo. */
  get isOpen(): boolean {
    return this.#rest !== null;
  }

  /** What of the text is known to be no echo. */
  pass(text: string, atMs: number): string {
    const rest = this.#rest;
    if (rest === null) return text;
    const fresh = this.#began ? text : text.trimStart();
    if (fresh !== '') this.#began = true;
    if (fresh.length >= rest.length && fresh.startsWith(rest)) {
      this.#rest = null;
      this.#held = [];
      this.matched = true;
      return fresh.slice(rest.length);
    }
    if (rest.startsWith(fresh)) {
      this.#rest = rest.slice(fresh.length);
      this.#held.push({ characters: text.length, atMs });
      return '';
    }
    this.#rest = null;
    return text;
  }

  /** Gives what was held, once, and closes. */
  release(): readonly { readonly characters: number; readonly atMs: number }[] {
    this.#rest = null;
    if (this.#held.length === 0) return NOTHING_HELD;
    const held = this.#held;
    this.#held = [];
    return held;
  }
}

const NOTHING_HELD: readonly never[] = [];

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

/**
 * Characters of a text in a piece of JSON, as the text itself would count them (UTF-16): bytes but for those that
 * continue a character, two for the characters of four bytes, one for an escape.
 */
function countCharacters(chunk: Buffer, from: number, to: number): number {
  let characters = 0;
  for (let index = from; index < to; index += 1) {
    const byte = chunk[index] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    characters += byte < 0xf0 ? 1 : 2;
    if (byte === BACKSLASH) {
      index += 1;
      if (chunk[index] === LETTER_U) index += 4;
    }
  }
  return characters;
}

/** Below it are the control characters, which JSON does not allow in a string. */
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

interface FoundText {
  readonly text: string;
  /** The name of the field that held it. */
  readonly name: string;
}

const NO_TEXT: FoundText = { text: '', name: '' };

function findText(parsed: unknown, paths: readonly JsonPath[]): FoundText {
  for (const path of paths) {
    const text = readPath(parsed, path);
    if (typeof text === 'string' && text !== '') return { text, name: String(path.at(-1)) };
  }
  return NO_TEXT;
}

/** What an answer of 200 says instead of or beside content. */
function findFailure(parsed: object, shape: AnswerShape, reason: string | null): Verdict | null {
  for (const path of shape.errors) {
    const error = readPath(parsed, path);
    if (isError(error))
      return classifyMaskedError(error, readPath(parsed, [...path.slice(0, -1), 'exception']));
  }
  if (readPath(parsed, ['object']) === 'error') return classifyMaskedError(parsed);
  if (reason === 'content_filter') {
    return { failure: 'content-filter', words: 'finish_reason is content_filter.' };
  }
  if (reason === 'error' || reason === 'abort') {
    return { failure: 'masked-error', words: `finish_reason is ${reason}.` };
  }
  return null;
}

/** `"error": null` and its like are how good answers say that there is none. */
function isError(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== '';
}

function isEmptyObject(value: object): boolean {
  for (const _ in value) return false;
  return true;
}

/** The first finish reason that is a text. */
function readReason(parsed: unknown, shape: AnswerShape): string | null {
  for (const path of shape.finishReason) {
    const reason = readPath(parsed, path);
    if (typeof reason === 'string') return reason;
  }
  return null;
}

function readUsage(family: PayloadFamily, parsed: unknown, reading: Reading): void {
  const { usage } = family;
  reading.promptTokens = readCount(parsed, usage.promptTokens, 1) ?? reading.promptTokens;
  reading.outputTokens = readCount(parsed, usage.outputTokens, 1) ?? reading.outputTokens;
  reading.cachedPromptTokens = readCount(parsed, usage.cachedPromptTokens, 0) ?? reading.cachedPromptTokens;
}

/** A usage of 0 is one that was not counted, but for what a cache spared. */
function readCount(parsed: unknown, paths: readonly JsonPath[], least: 0 | 1): number | null {
  for (const path of paths) {
    const count = readPath(parsed, path);
    if (typeof count === 'number' && Number.isInteger(count) && count >= least) return count;
  }
  return null;
}

function isThere(parsed: unknown, paths: readonly JsonPath[]): boolean {
  return paths.some((path) => readPath(parsed, path) !== undefined);
}

/** The answer as an object or a list; null where it is neither. Some images write their JSON as a JSON text. */
function parseAnswer(body: string): object | null {
  const parsed = parseJson(body);
  const inner = typeof parsed === 'string' ? parseJson(parsed) : parsed;
  return typeof inner === 'object' ? inner : null;
}

function describeNoJson(body: string): Verdict {
  const what = isPage(body) ? 'a page' : 'no JSON object or list';
  return { failure: 'malformed-answer', words: `The answer is ${what}: ${readErrorWords(body)}` };
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
