/**
 * The thread of the server that the client floor is measured against: answers on loopback with almost no work, and
 * remembers when it wrote each event, on the clock that the load thread stamps with.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { monotonicMs } from './clock.ts';

/** Events of a stream and the time between them: a fast GPU's pace. */
const EVENTS = 8;
const EVENT_INTERVAL_MS = 10;

export type FromFloorServer =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'writes'; readonly writes: readonly StreamWrites[] };

/** When the events of one answer were written, on the monotonic clock. */
export interface StreamWrites {
  readonly requestId: string;
  readonly writtenMs: readonly number[];
}

const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n';
const LAST_EVENTS = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":${EVENTS}}}\n\ndata: [DONE]\n\n`;
const WHOLE_ANSWER = '{"output":"word","usage":{"prompt_tokens":1,"completion_tokens":1}}';

function serve(port: NonNullable<typeof parentPort>): void {
  const tell = (message: FromFloorServer) => port.postMessage(message);
  const streams: StreamWrites[] = [];
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      if (request.url === '/score') {
        response.writeHead(200, { 'content-type': 'application/json' }).end(WHOLE_ANSWER);
        return;
      }
      const writtenMs: number[] = [];
      streams.push({ requestId: String(request.headers['x-ms-client-request-id']), writtenMs });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      writeEvents(response, writtenMs, monotonicMs());
    });
  });
  // The load thread is ended by its message; whatever it leaves open ends with this thread.
  port.on('message', () => tell({ kind: 'writes', writes: streams }));
  server.listen(0, '127.0.0.1', () =>
    tell({ kind: 'listening', port: (server.address() as AddressInfo).port }),
  );
}

/** On a schedule from the beginning, so that one late event does not delay the others. */
function writeEvents(response: ServerResponse, writtenMs: number[], beganMs: number): void {
  if (writtenMs.length === EVENTS) {
    response.end(LAST_EVENTS);
    return;
  }
  const dueMs = beganMs + (writtenMs.length + 1) * EVENT_INTERVAL_MS;
  setTimeout(
    () => {
      if (response.destroyed) return;
      writtenMs.push(monotonicMs());
      response.write(EVENT);
      writeEvents(response, writtenMs, beganMs);
    },
    Math.max(0, dueMs - monotonicMs()),
  );
}

if (parentPort !== null) serve(parentPort);
