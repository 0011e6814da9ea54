import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { buildSharedConnector, Connection } from '../../src/load/connection.ts';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A server on bare sockets: it writes what a test wants, when it wants it. */
async function startServer(answer: (socket: Socket, request: number) => void) {
  const sockets: Socket[] = [];
  let requests = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', () => answer(socket, requests++));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [connection, other] = [0, 1].map(() => new Connection(url, buildSharedConnector(5_000))) as [
    Connection,
    Connection,
  ];
  closers.push(() => {
    void connection.close();
    void other.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { connection, other, sockets };
}

interface Told {
  readonly status: number;
  readonly body: string;
  readonly arrivedMs: readonly number[];
  readonly error: string | null;
}

function ask(connection: Connection, onBody = () => {}): Promise<Told> {
  return new Promise((resolve) => {
    const told = { status: 0, body: '', arrivedMs: [] as number[], error: null as string | null };
    connection.send(Buffer.from('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n'), {
      onStart() {},
      onBytes() {},
      onHead(status) {
        told.status = status;
      },
      onBody(piece, arrivedMs) {
        told.body += piece.toString();
        told.arrivedMs.push(arrivedMs);
        onBody();
      },
      onEnd: () => resolve(told),
      onError: (error) => resolve({ ...told, error: error.message }),
    });
  });
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n';

test('requests follow each other on the connection that was opened before', async () => {
  const { connection, sockets } = await startServer((socket) => socket.write(`${OK}\r\nok`));
  expect(await connection.open()).toBeGreaterThan(0);
  for (let request = 0; request < 3; request += 1)
    expect(await ask(connection)).toMatchObject({ status: 200, body: 'ok', error: null });
  expect(sockets).toHaveLength(1);
});

test('a connection that its server is about to close is replaced before the next request', async () => {
  const { connection, sockets } = await startServer((socket) =>
    socket.write(`${OK}keep-alive: timeout=1\r\n\r\nok`),
  );
  await connection.open();
  for (let request = 0; request < 3; request += 1)
    expect(await ask(connection)).toMatchObject({ error: null });
  expect(sockets).toHaveLength(3);
});

test('a connection that was closed, reset or never opened is replaced before the next request', async () => {
  const { connection, sockets } = await startServer((socket) => socket.write(`${OK}\r\nok`));
  expect(await ask(connection)).toMatchObject({ error: null });
  for (const cut of [() => sockets.at(-1)?.end(), () => sockets.at(-1)?.resetAndDestroy()]) {
    cut();
    await delay(50);
    expect(await ask(connection)).toMatchObject({ body: 'ok', error: null });
  }
  expect(sockets).toHaveLength(3);
});

test('bytes that nobody asked for cost the connection and not the next request', async () => {
  const { connection, sockets } = await startServer((socket) => socket.write(`${OK}\r\nok`));
  expect(await ask(connection)).toMatchObject({ error: null });
  sockets[0]?.write(`${OK}\r\nno`);
  await delay(50);
  expect(await ask(connection)).toMatchObject({ body: 'ok', error: null });
  expect(sockets).toHaveLength(2);
});

test('what came before a reset is told before the error', async () => {
  const { connection } = await startServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok', () =>
      setTimeout(() => socket.resetAndDestroy(), 20),
    );
  });
  const told = await ask(connection);
  expect(told).toMatchObject({ status: 200, body: 'ok' });
  expect(told.error).not.toBeNull();
});

test('bytes are stamped when their socket is read, and not when the parsing of another’s is done', async () => {
  const asked: Socket[] = [];
  const { connection, other } = await startServer((socket) => {
    asked.push(socket);
    if (asked.length === 2) for (const one of asked) one.write(`${OK}\r\nok`);
  });
  const slow = ask(connection, () => {
    const untilMs = performance.now() + 60;
    while (performance.now() < untilMs);
  });
  const quick = ask(other);
  const [first = 0, second = 0] = [(await slow).arrivedMs[0], (await quick).arrivedMs[0]];
  expect(Math.abs(second - first)).toBeLessThan(40);
});

test('an abandoned exchange says nothing more', async () => {
  const { connection } = await startServer(() => {});
  const said: string[] = [];
  await connection.open();
  const abandon = connection.send(Buffer.from('POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n'), {
    onStart: () => said.push('start'),
    onBytes: () => said.push('bytes'),
    onHead: () => said.push('head'),
    onBody: () => said.push('body'),
    onEnd: () => said.push('end'),
    onError: () => said.push('error'),
  });
  abandon();
  await delay(50);
  expect(said).toEqual(['start']);
});
