/**
 * Server-sent events from bytes, at any chunk boundary (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * Our own and not eventsource-parser: it works on whole lines of bytes and so needs no streaming text decoder, which
 * is where most of the time of a read with sixteen events goes.
 *
 * One deviation from the standard: an event whose closing blank line is missing at the end of the stream counts,
 * because servers that forget it have still sent it.
 */
import { GatheredBytes } from './gathered-bytes.ts';
import { HttpAnswerError } from './http-answer.ts';

/** Servers write an event's data on one line; millions of empty ones are an attack. */
const MAX_DATA_LINES = 10_000;

const LF = 0x0a;
const CR = 0x0d;

export class SseParser {
  readonly #onEvent: (data: string, event: string) => void;
  /** Bytes after the last line end. */
  readonly #rest = new GatheredBytes();
  #skipLf = false;
  #first = true;
  #data: string | null = null;
  #dataLines = 0;
  #event = '';

  /** `onEvent` gets the data (lines joined by LF) and the event's name (empty where none was given). */
  constructor(onEvent: (data: string, event: string) => void) {
    this.#onEvent = onEvent;
  }

  /** Whether the next byte begins an event: all that came before has been told. */
  get isBetweenEvents(): boolean {
    return (
      this.#rest.length === 0 && this.#data === null && this.#event === '' && !this.#skipLf && !this.#first
    );
  }

  push(chunk: Buffer): void {
    const begin = this.#skipLf && chunk[0] === LF ? 1 : 0;
    if (chunk.length > 0) this.#skipLf = false;
    const lf = chunk.lastIndexOf(LF);
    const end = Math.max(lf, chunk.lastIndexOf(CR)) + 1;
    if (end <= begin) {
      if (chunk.length > begin) this.#rest.add(chunk.subarray(begin));
      return;
    }
    // The LF of a CRLF may come with the next chunk, and would be a blank line of its own.
    if (end === chunk.length && lf !== end - 1) this.#skipLf = true;
    let lines = chunk.subarray(begin, end);
    if (this.#rest.length > 0) {
      this.#rest.add(lines);
      lines = this.#rest.take();
    }
    const text = lines.toString('utf8');
    if (end < chunk.length) this.#rest.add(chunk.subarray(end));
    this.#readLines(text);
  }

  /** Tells that no more bytes come. */
  end(): void {
    if (this.#rest.length > 0) this.#readLines(`${this.#rest.take().toString('utf8')}\n`);
    this.#dispatch();
  }

  /** `text` ends with a line end. */
  #readLines(text: string): void {
    let lines = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
    if (this.#first) {
      this.#first = false;
      if (lines.startsWith('\uFEFF')) lines = lines.slice(1);
    }
    let from = 0;
    while (from < lines.length) {
      const to = lines.indexOf('\n', from);
      if (to === from) this.#dispatch();
      else this.#readLine(lines, from, to);
      from = to + 1;
    }
  }

  #readLine(text: string, from: number, to: number): void {
    if (text.startsWith('data:', from)) {
      const value = text.slice(text[from + 5] === ' ' ? from + 6 : from + 5, to);
      this.#addData(value);
    } else if (text.startsWith('event:', from)) {
      this.#event = text.slice(text[from + 6] === ' ' ? from + 7 : from + 6, to);
    } else if (to - from === 4 && text.startsWith('data', from)) {
      this.#addData('');
    }
    // Comments (":..."), "id", "retry" and unknown fields carry nothing that is measured.
  }

  #addData(value: string): void {
    this.#dataLines += 1;
    if (this.#dataLines > MAX_DATA_LINES) {
      throw new HttpAnswerError(
        `An event of the stream has more than ${MAX_DATA_LINES} lines.`,
        'UND_ERR_RES_EXCEEDED_MAX_SIZE',
      );
    }
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
  }

  #dispatch(): void {
    const data = this.#data;
    const event = this.#event;
    this.#data = null;
    this.#dataLines = 0;
    this.#event = '';
    if (data !== null) this.#onEvent(data, event);
  }
}
