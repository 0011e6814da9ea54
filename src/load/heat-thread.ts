/**
 * Makes a new load thread hot before it measures. Everything is compiled and loaded at its first use (undici's HTTP
 * parser is WebAssembly), which takes 10 to 30 ms of the event loop: the first requests of a cold thread would be
 * stamped late by as much. So the loop runs for a moment against a server in this very thread; nothing leaves it.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ShardOrder } from '../core/measuring/shard.ts';
import { ShardLoop } from './loop.ts';

/** Enough for the compiler to have seen the hot functions; about 100 ms. */
const REQUESTS = 96;
const CONNECTIONS = 8;
const EVENTS = 16;
/** A thread that is not hot by then measures as it is. */
const LIMIT_SECONDS = 1;

/** Gives how many good answers it read. Never throws: a machine without a loopback measures with a cold thread. */
export async function heatThread(): Promise<number> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => writeAnswer(request.url ?? '', response));
  });
  try {
    const origin = await listen(server);
    const streamed = await new ShardLoop(heatOrder(`${origin}/v1/chat/completions`, true), () => {}).run();
    const whole = await new ShardLoop(heatOrder(`${origin}/score`, false), () => {}).run();
    return streamed.succeeded + whole.succeeded;
  } catch {
    return 0;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function heatOrder(url: string, stream: boolean): ShardOrder {
  return {
    route: { api: stream ? 'openai-chat' : 'score', url, stream },
    authorization: null,
    headers: {},
    connections: CONNECTIONS,
    workload: { promptTokens: 64, outputTokens: EVENTS },
    charactersPerToken: 4,
    templateTokens: 0,
    seed: 1,
    requestIdPrefix: 'heat',
    load: { mode: 'count', requests: REQUESTS, maxSeconds: LIMIT_SECONDS },
    requestTimeoutMs: LIMIT_SECONDS * 1_000,
    startAtMs: null,
  };
}

const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n';
const LAST_EVENTS = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":${EVENTS}}}\n\ndata: [DONE]\n\n`;
const WHOLE_ANSWER = '{"output":"word","usage":{"prompt_tokens":1,"completion_tokens":1}}';

function writeAnswer(path: string, response: ServerResponse): void {
  if (path === '/score') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(WHOLE_ANSWER);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let event = 0; event < EVENTS; event += 1) response.write(EVENT);
  response.end(LAST_EVENTS);
}
