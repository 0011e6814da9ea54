/** Reading a request's body within a bound, and answering with one. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Bytes of a body that are read; far above any prompt, and what the docs leave open for Azure. */
const MAX_BODY_BYTES = 10 * 1024 * 1024;

/** Bytes of a body that is too large which are still read and dropped, so that its client hears the answer. */
const MAX_DROPPED_BYTES = 32 * 1024 * 1024;

/** The whole body, or 'too large'. A connection that breaks off rejects. */
export async function readBody(request: IncomingMessage): Promise<Buffer | 'too large'> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Left early, the iteration must not destroy the connection: the answer still has to go out on it.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
    if (bytes > MAX_DROPPED_BYTES) break;
  }
  return bytes > MAX_BODY_BYTES ? 'too large' : Buffer.concat(chunks);
}

/** Sends one answer whole: as JSON where there is a body, with its length either way. */
export function sendAnswer(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): void {
  if (response.headersSent || response.destroyed) return;
  // The rest of a body that was too large is not read: the connection cannot be used again.
  const closing = status === 413 ? { connection: 'close' } : {};
  if (body === undefined) {
    response.writeHead(status, { ...headers, ...closing, ...(status !== 204 && { 'content-length': 0 }) });
    response.end();
    return;
  }
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    ...headers,
    ...closing,
    'content-type': 'application/json; charset=utf-8',
    'content-length': bytes.length,
  });
  response.end(bytes);
}
