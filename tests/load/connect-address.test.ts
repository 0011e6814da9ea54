/** What was checked is what is connected to: a name that is asked twice may give another answer the second time. */
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { buildSharedConnector, Connection } from '../../src/load/connection.ts';
import { loadEngine } from '../../src/load/engine.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A host that no resolver knows (RFC 6761), so that only the address given can have been used. */
const HOST = 'model.invalid';

async function startScore(): Promise<{ port: number; asked: IncomingHttpHeaders[] }> {
  const asked: IncomingHttpHeaders[] = [];
  const server = createHttpServer((incoming, answer) => {
    asked.push(incoming.headers);
    incoming.resume().on('end', () => {
      answer.setHeader('content-type', 'application/json');
      answer.end(
        JSON.stringify({
          output: 'one two',
          usage: { prompt_tokens: 20, completion_tokens: 2, total_tokens: 22 },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked };
}

it('the warm-up connects to the address and names the host', async () => {
  const { port, asked } = await startScore();
  const order = {
    scoringUri: `http://${HOST}:${port}/score`,
    authorization: null,
    headers: {},
    api: 'score' as const,
    outputTokens: 2,
    requestTimeoutMs: 5_000,
    requestIdPrefix: 'a',
    seed: 1,
  };
  const probe = await loadEngine.probeRoute({ ...order, connectAddress: '127.0.0.1' });
  expect(probe.ok).toBe(true);
  expect(asked[0]?.host).toBe(`${HOST}:${port}`);
  expect((await loadEngine.probeRoute(order)).ok).toBe(false);
});

it('every connection of a shard does as well', async () => {
  const { port, asked } = await startScore();
  const shard = loadEngine.startShard({
    route: { api: 'score', url: `http://${HOST}:${port}/score`, stream: false },
    connectAddress: '127.0.0.1',
    authorization: null,
    headers: {},
    connections: 3,
    workload: { promptTokens: 8, outputTokens: 2 } as never,
    charactersPerToken: 4,
    templateTokens: 0,
    seed: 1,
    requestIdPrefix: 'b',
    load: { mode: 'count', requests: 9, maxSeconds: 20 },
    requestTimeoutMs: 5_000,
    startAtMs: null,
  });
  const summary = await shard.summary;
  expect(summary).toMatchObject({ attempted: 9, succeeded: 9 });
  expect(new Set(asked.map(({ host }) => host))).toEqual(new Set([`${HOST}:${port}`]));
});

it('TLS names the host to the server, whose certificate is checked against it', async () => {
  const hello = Promise.withResolvers<Buffer>();
  const server = createTcpServer((socket) => {
    socket.once('data', (bytes: Buffer) => {
      hello.resolve(bytes);
      socket.destroy();
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const connection = new Connection(
    new URL(`https://${HOST}:${port}/`),
    buildSharedConnector(5_000, '127.0.0.1'),
  );
  await connection.open();
  await connection.close();
  // The name stands in clear in the first message (RFC 6066).
  expect((await hello.promise).includes(HOST)).toBe(true);
});
