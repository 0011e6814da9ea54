/** A small server on loopback that answers JSON as a test tells it, and remembers what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface JsonServer {
  readonly origin: string;
  /** Path and query of every call, in order. */
  readonly calls: string[];
  /** The `authorization` header of every call; null where it had none. */
  readonly tokens: (string | null)[];
  /** What the next calls get: a body is sent as JSON with 200, a function answers by itself. */
  answer: (url: URL, response: ServerResponse, incoming: IncomingMessage) => unknown;
  close(): Promise<void>;
}

export async function openJsonServer(answer: JsonServer['answer'] = () => ({})): Promise<JsonServer> {
  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url ?? '/', opened.origin);
    opened.calls.push(`${url.pathname}${url.search}`);
    opened.tokens.push(incoming.headers.authorization ?? null);
    const body = opened.answer(url, response, incoming);
    if (body !== undefined && !response.headersSent) response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const opened: JsonServer = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    tokens: [],
    answer,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return opened;
}

/** A credential that gives a new token at every question. */
export function numberedTokens() {
  let asked = 0;
  return {
    getToken: async () => {
      asked += 1;
      return { token: `token-${asked}`, expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
}
