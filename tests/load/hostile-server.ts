/**
 * A server that means harm, on bare TCP: it writes whatever bytes a test tells it to, whatever HTTP says about them.
 * A flood is written from one buffer and waits for the socket, so that what grows is the client's memory alone.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach } from 'vitest';

export interface HostileServer {
  readonly origin: string;
  /** Requests that were read to their end. */
  readonly requests: () => number;
  readonly connections: () => number;
  close(): Promise<void>;
}

/** Answers request number `index` (from 0) of the server on its socket. */
export type Attack = (socket: Socket, index: number, request: string) => unknown;

const open: HostileServer[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** `when`: after the whole request (as servers do), at its first byte, or at once when a connection opens. */
export async function openHostile(
  attack: Attack,
  when: 'after-request' | 'at-first-byte' | 'at-connection' = 'after-request',
): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  let requests = 0;
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    connections += 1;
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    const start = (request: string) => {
      const index = requests;
      requests += 1;
      void Promise.resolve(attack(socket, index, request)).catch(() => {});
    };
    if (when === 'at-connection') start('');
    let text = '';
    let begun = false;
    socket.on('data', (chunk: Buffer) => {
      if (when === 'at-connection') return;
      text += chunk.toString('latin1');
      if (when === 'at-first-byte') {
        if (!begun) start(text);
        begun = true;
        return;
      }
      for (let end = endOfRequest(text); end > 0; end = endOfRequest(text)) {
        start(text.slice(0, end));
        text = text.slice(end);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hostile: HostileServer = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  open.push(hostile);
  return hostile;
}

function endOfRequest(text: string): number {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return 0;
  const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
  return text.length >= head + 4 + length ? head + 4 + length : 0;
}

/**
 * Writes the same bytes again and again until so many were written or nobody takes them any more. Gives how many it
 * wrote; what the client has read is less by what the system's buffers hold.
 */
export async function flood(
  socket: Socket,
  piece: Buffer,
  bytes = Number.POSITIVE_INFINITY,
): Promise<number> {
  let go = () => {};
  const onGo = () => go();
  socket.on('drain', onGo).on('close', onGo);
  let written = 0;
  for (; written < bytes && !socket.destroyed; written += piece.length) {
    if (socket.write(piece)) continue;
    await new Promise<void>((resolve) => {
      go = resolve;
      if (socket.destroyed) resolve();
    });
  }
  socket.off('drain', onGo).off('close', onGo);
  return written;
}

export function head(status: number, fields: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n`;
}

export function chunk(data: string | Buffer): Buffer {
  const bytes = Buffer.from(data);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

export const SSE = { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' } as const;
export const JSON_CHUNKED = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } as const;
export const LAST_CHUNK = '0\r\n\r\n';

/**
 * The most that this process's memory grew while `work` ran, over what it was before: heap and buffers, looked at
 * every few milliseconds. What the collector has not taken yet counts too, so limits leave room for it.
 */
export async function peakGrowth<Result>(
  work: () => Promise<Result>,
): Promise<{ result: Result; bytes: number }> {
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, used());
  }, 5);
  try {
    return { result: await work(), bytes: Math.max(peak, used()) - before };
  } finally {
    clearInterval(timer);
  }
}
