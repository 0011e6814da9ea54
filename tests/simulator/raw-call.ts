/** A call whose answer is kept as it came over the wire, however broken it is. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';

export interface WireAnswer {
  readonly status: number | null;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly bytes: Buffer;
  readonly text: string;
  /** When each piece came, in milliseconds from the request. */
  readonly arrivedAtMs: readonly number[];
  /** Whether HTTP has it whole. */
  readonly complete: boolean;
  /** Why it broke off, or null. */
  readonly error: string | null;
}

/** Posts and reads the answer to its end, or up to so many bytes or so long, and then leaves. */
export function wireCall(
  url: string,
  key: string,
  body: unknown,
  options: { maxBytes?: number; maxMs?: number; agent?: Agent } = {},
): Promise<WireAnswer> {
  const { maxBytes = 5_000_000, maxMs = 10_000, agent } = options;
  const own = agent ?? new Agent();
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let received = 0;
    const arrivedAtMs: number[] = [];
    const sentAtMs = performance.now();
    let status: number | null = null;
    let headers: IncomingHttpHeaders = {};
    let trailers: NodeJS.Dict<string> = {};
    let complete = false;
    let isOver = false;
    const end = (error: string | null) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      if (agent === undefined) own.destroy();
      const bytes = Buffer.concat(pieces);
      resolve({
        status,
        headers,
        trailers,
        bytes,
        text: bytes.toString('utf8'),
        arrivedAtMs,
        complete,
        error,
      });
    };
    const call = request(
      url,
      { method: 'POST', agent: own, headers: { authorization: `Bearer ${key}` } },
      (answer) => {
        status = answer.statusCode ?? null;
        headers = answer.headers;
        answer.on('data', (piece: Buffer) => {
          pieces.push(piece);
          arrivedAtMs.push(performance.now() - sentAtMs);
          received += piece.length;
          if (received >= maxBytes) call.destroy();
        });
        answer.on('end', () => {
          trailers = answer.trailers;
          complete = answer.complete;
          end(null);
        });
        answer.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
        answer.on('close', () => end('closed'));
      },
    );
    call.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    const timer = setTimeout(() => call.destroy(), maxMs);
    call.end(JSON.stringify(body));
  });
}

/** Every byte that a connection gets for one posted body until the other side closes it. */
export async function bytesOfCall(url: string, key: string, body: unknown): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  const text = JSON.stringify(body);
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${key}\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );
  const pieces: Buffer[] = [];
  for await (const piece of socket as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** The data of each event of a stream. */
export function dataOf(text: string): string[] {
  return text
    .split(/\r?\n\r?\n/)
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice(6));
}
