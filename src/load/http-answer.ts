/**
 * HTTP/1.1 answers from bytes (RFC 9112), for a client that has one request in flight on a connection. Our own and not
 * undici's, because undici parses each read before the next socket is read, so that a stamp waits behind the parsing
 * of other connections; here the bytes were stamped long before they come (arrival-queue.ts).
 *
 * It is strict where leniency would be a guess about where an answer ends: what is not HTTP/1.1 is an error.
 */

/** Node's own servers and clients allow as much for a head, and for trailers. */
const MAX_HEAD_BYTES = 16_384;
/** Hexadecimal digits of a chunk's size: 4 GB, more than any answer may have. */
const MAX_SIZE_DIGITS = 8;
/** Extensions of a chunk are read over; nobody sends them. */
const MAX_EXTENSION_BYTES = 1_024;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

export type Fields = Readonly<Record<string, string | readonly string[]>>;

/** What is told while an answer is read. */
export interface AnswerListener {
  /** The head of the final answer (1xx are read over). Names are in lower case. */
  onHead(status: number, fields: Fields): void;
  /** A piece of the body, without its framing. It is the listener's to keep. */
  onBody(piece: Buffer): void;
  /** The answer is complete. `reusable` tells whether the connection can carry the next request. */
  onComplete(trailers: Fields, reusable: boolean): void;
}

/** Bytes that are no HTTP/1.1 answer, or too many of them; the codes are of the kind that classify.ts knows. */
export class HttpAnswerError extends Error {
  readonly code: 'HPE_INVALID_ANSWER' | 'UND_ERR_HEADERS_OVERFLOW' | 'UND_ERR_RES_EXCEEDED_MAX_SIZE';

  constructor(message: string, code: HttpAnswerError['code'] = 'HPE_INVALID_ANSWER') {
    super(message);
    this.code = code;
  }
}

type State =
  | 'head'
  | 'sized'
  | 'size'
  | 'extension'
  | 'size-lf'
  | 'chunk'
  | 'chunk-end'
  | 'trailers'
  | 'to-close'
  | 'complete';

export class HttpAnswerParser {
  readonly #listener: AnswerListener;
  readonly #maxBodyBytes: number;
  #state: State = 'head';
  /** Pieces of a head or of trailers that is not yet whole. */
  #partial: Buffer | null = null;
  /** Bytes that the body, or the chunk with its line end, still has. */
  #remaining = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  #bodyBytes = 0;
  #reusable = true;

  constructor(listener: AnswerListener, maxBodyBytes: number) {
    this.#listener = listener;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Takes the next bytes; throws an HttpAnswerError, after which no more may be given. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'head':
        case 'trailers':
          at = this.#readFields(chunk, at);
          break;
        case 'sized':
        case 'chunk':
        case 'to-close':
          at = this.#readBody(chunk, at);
          break;
        case 'complete':
          // What comes after the end answers no request: nothing on this connection can be trusted any more.
          throw new HttpAnswerError('The server sent bytes after the end of its answer.');
        default:
          at = this.#readFraming(chunk, at);
      }
    }
  }

  /** The server closed the connection. Gives whether that was the end of the answer. */
  end(): boolean {
    if (this.#state === 'to-close') this.#complete({});
    return this.#state === 'complete';
  }

  #readBody(chunk: Buffer, from: number): number {
    const to = this.#state === 'to-close' ? chunk.length : Math.min(chunk.length, from + this.#remaining);
    this.#bodyBytes += to - from;
    if (this.#bodyBytes > this.#maxBodyBytes) {
      throw new HttpAnswerError(
        `The answer is longer than ${this.#maxBodyBytes} bytes.`,
        'UND_ERR_RES_EXCEEDED_MAX_SIZE',
      );
    }
    this.#remaining -= to - from;
    this.#listener.onBody(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
    if (this.#state === 'to-close' || this.#remaining > 0) return to;
    if (this.#state === 'sized') this.#complete({});
    else this.#expect('chunk-end', 2);
    return to;
  }

  /** One byte of what stands around chunks: `size[;extension] CRLF` before and `CRLF` after each. */
  #readFraming(chunk: Buffer, at: number): number {
    const byte = chunk[at] ?? 0;
    switch (this.#state) {
      case 'size': {
        const digit = hexDigit(byte);
        if (digit >= 0 && this.#sizeDigits < MAX_SIZE_DIGITS) {
          this.#sizeDigits += 1;
          this.#remaining = this.#remaining * 16 + digit;
        } else if (this.#sizeDigits > 0 && byte === CR) this.#state = 'size-lf';
        else if (this.#sizeDigits > 0 && (byte === SEMICOLON || byte === 0x20 || byte === 0x09)) {
          this.#state = 'extension';
          this.#extensionBytes = 0;
        } else throw new HttpAnswerError('The size of a chunk is not a hexadecimal number.');
        break;
      }
      case 'extension':
        this.#extensionBytes += 1;
        if (byte === CR) this.#state = 'size-lf';
        else if (byte === LF || this.#extensionBytes > MAX_EXTENSION_BYTES)
          throw new HttpAnswerError('The extension of a chunk does not end as it must.');
        break;
      case 'size-lf':
        if (byte !== LF) throw new HttpAnswerError('The line of a chunk’s size does not end in CRLF.');
        this.#state = this.#remaining > 0 ? 'chunk' : 'trailers';
        break;
      default:
        if (byte !== (this.#remaining === 2 ? CR : LF))
          throw new HttpAnswerError('A chunk is longer than its size says.');
        this.#remaining -= 1;
        if (this.#remaining === 0) this.#expect('size', 0);
    }
    return at + 1;
  }

  #expect(state: State, remaining: number): void {
    this.#state = state;
    this.#remaining = remaining;
    this.#sizeDigits = 0;
  }

  /** Reads a head or trailers as far as they are there. */
  #readFields(chunk: Buffer, from: number): number {
    const before = this.#partial?.length ?? 0;
    const rest = from === 0 ? chunk : chunk.subarray(from);
    const bytes = this.#partial === null ? rest : Buffer.concat([this.#partial, rest]);
    // Trailers may be none: then the blank line is all.
    const none = this.#state === 'trailers' && bytes[0] === CR && bytes[1] === LF;
    // Three bytes back: the end may have begun in the piece before.
    const end = none ? -2 : bytes.indexOf(END_OF_HEAD, Math.max(0, before - 3));
    if (end === -1) {
      if (bytes.length > MAX_HEAD_BYTES)
        throw new HttpAnswerError(
          `A head is longer than ${MAX_HEAD_BYTES} bytes.`,
          'UND_ERR_HEADERS_OVERFLOW',
        );
      this.#partial = bytes;
      return chunk.length;
    }
    this.#partial = null;
    const text = none ? '' : bytes.toString('latin1', 0, end);
    if (this.#state === 'trailers') this.#complete(parseFields(text === '' ? [] : text.split('\r\n')));
    else this.#readHead(text);
    return from + end + 4 - before;
  }

  #readHead(text: string): void {
    const lines = text.split('\r\n');
    const started = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/.exec(lines.shift() ?? '');
    if (started === null) throw new HttpAnswerError('The server does not speak HTTP/1.1.');
    const status = Number(started[2]);
    if (status === 101)
      throw new HttpAnswerError('The server changed to another protocol, which was not asked for.');
    if (status < 200) return;
    const fields = parseFields(lines);
    const connection = textOf(fields.connection).toLowerCase();
    this.#reusable = started[1] === '1' ? !connection.includes('close') : connection.includes('keep-alive');
    const length = readLength(fields['content-length']);
    const coding = textOf(fields['transfer-encoding']).toLowerCase();
    this.#listener.onHead(status, fields);
    if (status === 204 || status === 304 || (coding === '' && length === 0)) this.#complete({});
    else if (/(^|[\s,])chunked\s*$/.test(coding)) this.#expect('size', 0);
    else if (coding === '' && length !== null) this.#expect('sized', length);
    else {
      this.#reusable = false;
      this.#expect('to-close', 0);
    }
  }

  #complete(trailers: Fields): void {
    this.#state = 'complete';
    this.#listener.onComplete(trailers, this.#reusable);
  }
}

function parseFields(lines: readonly string[]): Fields {
  const fields: Record<string, string | string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    // A name with a space in it, or none, is a folded line or no field at all.
    if (colon <= 0 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
      throw new HttpAnswerError('A header field is malformed.');
    const value = line.slice(colon + 1).trim();
    const known = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (known === undefined) fields[name] = value;
    else fields[name] = Array.isArray(known) ? [...known, value] : [known, value];
  }
  return fields;
}

/** All values of a field as one list. */
function textOf(value: Fields[string] | undefined): string {
  return typeof value === 'string' ? value : (value ?? []).join(', ');
}

/** Two lengths that differ, or one that is no number, leave open where the answer ends. */
function readLength(value: Fields[string] | undefined): number | null {
  if (value === undefined) return null;
  const [length = '', ...others] = typeof value === 'string' ? [value] : value;
  if (!/^\d{1,15}$/.test(length) || others.some((other) => other !== length))
    throw new HttpAnswerError('The length of the answer is malformed.');
  return Number(length);
}

/** The value of a hexadecimal digit, -1 of any other byte. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
