/** A real server on port 0 that answers as a test tells it to, and what a test needs to speak its language. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { ShardOrder } from '../../src/core/measuring/shard.ts';
import type { TargetOrder } from '../../src/load/request.ts';

export interface Received {
  readonly index: number;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** On performance.now() of this thread. */
  readonly atMs: number;
}

export interface FakeEndpoint {
  readonly origin: string;
  readonly received: Received[];
  /** Connections that were opened. */
  readonly connections: () => number;
  readonly maxInFlight: () => number;
  close(): Promise<void>;
}

export type Answerer = (received: Received, response: ServerResponse) => void | Promise<void>;

export async function startFake(answer: Answerer): Promise<FakeEndpoint> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let inFlight = 0;
  let maxInFlight = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const chunks: Buffer[] = [];
    const atMs = performance.now();
    inFlight += 1;
    maxInFlight = Math.max(maxInFlight, inFlight);
    response.on('close', () => {
      inFlight -= 1;
    });
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const one = { index: received.length, path: request.url ?? '', headers: request.headers, body, atMs };
      received.push(one);
      void answer(one, response);
    });
  });
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    connections: () => connections,
    maxInFlight: () => maxInFlight,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** One event of a chat completion, as vLLM writes it. */
export function event(delta: object, extra: object = {}): string {
  return `data: ${JSON.stringify({ id: 'c-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...extra }] })}\n\n`;
}

export const finish = event({ content: '' }, { finish_reason: 'length' });
export const done = 'data: [DONE]\n\n';

export function usage(outputTokens: number, promptTokens = 40): string {
  return `data: ${JSON.stringify({ id: 'c-1', choices: [], usage: { prompt_tokens: promptTokens, completion_tokens: outputTokens } })}\n\n`;
}

export const role = event({ role: 'assistant', content: '' });

/** A whole good stream of so many tokens, one an event. */
export function tokens(count: number): string[] {
  return Array.from({ length: count }, (_, index) => event({ content: ` word${index}` }));
}

export function goodStream(count: number): string {
  return [role, ...tokens(count), finish, usage(count), done].join('');
}

export function scoreAnswer(outputTokens: number, promptTokens = 40): string {
  return JSON.stringify({
    output: ' word'.repeat(outputTokens),
    finish_reason: 'length',
    usage: { prompt_tokens: promptTokens, completion_tokens: outputTokens },
  });
}

export function beginStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
}

export function answerStream(response: ServerResponse, text: string): void {
  beginStream(response);
  response.end(text);
}

export function answerJson(
  response: ServerResponse,
  text: string,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(text);
}

/** Writes the bytes one by one, each in a packet of its own as far as TCP allows. */
export async function trickle(response: ServerResponse, text: string): Promise<void> {
  for (const byte of Buffer.from(text)) {
    response.write(Buffer.from([byte]));
    await turn();
  }
}

export const SECRET = 'k3y-0f-a-test-endpoint';

export function targetOrder(origin: string, change: Partial<TargetOrder> = {}): TargetOrder {
  return {
    route: { api: 'openai-chat', url: `${origin}/v1/chat/completions`, stream: true },
    authorization: `Bearer ${SECRET}`,
    headers: {},
    requestTimeoutMs: 10_000,
    requestIdPrefix: 'test',
    charactersPerToken: 4,
    ...change,
  };
}

export function scoreRoute(origin: string): TargetOrder['route'] {
  return { api: 'score', url: `${origin}/score`, stream: false };
}

export function shardOrder(origin: string, change: Partial<ShardOrder> = {}): ShardOrder {
  return {
    ...targetOrder(origin),
    connections: 2,
    workload: { promptTokens: 64, outputTokens: 8 },
    templateTokens: 0,
    seed: 42,
    load: { mode: 'steady', minRequests: 6, maxSeconds: 20 },
    startAtMs: null,
    ...change,
  };
}
