/**
 * Makes a new load thread hot before it measures. Everything is loaded and compiled at its first use, and what is used
 * often is compiled again and again, each time better: the requests of a cold thread would be stamped late by up to
 * 10 ms while the compiler has the core. So the loop runs for a moment against a server in this very thread; nothing
 * leaves it.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ShardOrder } from '../core/measuring/shard.ts';
import { ShardLoop } from './loop.ts';

/**
 * Enough to have everything loaded and compiled once, which takes 0.1 s, and enough to have what is used most compiled
 * well, which takes 0.4 to 0.6 s of one core. What less of it costs at 128 connections: docs/performance.md.
 */
const LEAST_REQUESTS = 96;
const MOST_REQUESTS = 1_024;
/** The more streams, the more of them wait while the compiler has the core. */
const REQUESTS_PER_CONNECTION = 8;
const MOST_CONNECTIONS = 32;
/** Requests one after the other on each connection of the heating. */
const LEAST_ROUNDS = 12;
const EVENTS = 16;
/** A thread that is not hot by then measures as it is. */
const LIMIT_SECONDS = 1;

/**
 * Heats it for a load over so many connections, mostly in the way that it asks for answers. Gives how many good
 * answers it read. Never throws: a machine without a loopback measures with a cold thread.
 */
export async function heatThread(connections: number, stream: boolean): Promise<number> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => writeAnswer(request.url ?? '', response));
  });
  const most = Math.max(LEAST_REQUESTS, Math.min(MOST_REQUESTS, REQUESTS_PER_CONNECTION * connections));
  let good = 0;
  try {
    const origin = await listen(server);
    // The other way is not quite left out: a server may not do as it is asked.
    for (const way of [!stream, stream]) {
      const order = buildOrder(origin, way, way === stream ? most : LEAST_REQUESTS);
      good += (await new ShardLoop(order, () => {}).run()).succeeded;
    }
  } catch {
    // As cold as it is.
  } finally {
    server.close();
    server.closeAllConnections();
  }
  return good;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function buildOrder(origin: string, stream: boolean, requests: number): ShardOrder {
  return {
    route: {
      api: stream ? 'openai-chat' : 'score',
      url: origin + (stream ? STREAM_PATH : SCORE_PATH),
      stream,
    },
    authorization: null,
    headers: {},
    connections: Math.min(MOST_CONNECTIONS, Math.floor(requests / LEAST_ROUNDS)),
    workload: { promptTokens: 64, outputTokens: EVENTS },
    charactersPerToken: 4,
    templateTokens: 0,
    seed: 1,
    requestIdPrefix: 'heat',
    load: { mode: 'count', requests, maxSeconds: LIMIT_SECONDS },
    requestTimeoutMs: LIMIT_SECONDS * 1_000,
    startAtMs: null,
  };
}

const STREAM_PATH = '/v1/chat/completions';
const SCORE_PATH = '/score';
const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n';
const LAST_EVENTS = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":${EVENTS}}}\n\ndata: [DONE]\n\n`;
const WHOLE_ANSWER = '{"output":"word","usage":{"prompt_tokens":1,"completion_tokens":1}}';

function writeAnswer(path: string, response: ServerResponse): void {
  if (path === SCORE_PATH) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(WHOLE_ANSWER);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  writeEvents(response, EVENTS);
}

/** One event a turn of the loop, so that the client gets each in a read of its own, as from a model. */
function writeEvents(response: ServerResponse, left: number): void {
  if (left === 0) {
    response.end(LAST_EVENTS);
    return;
  }
  response.write(EVENT);
  setImmediate(() => writeEvents(response, left - 1));
}
