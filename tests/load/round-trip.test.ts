import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Connection } from '../../src/load/connection.ts';
import { openConnections, timeTcpConnect } from '../../src/load/round-trip.ts';

const close: (() => void)[] = [];
afterEach(() => {
  for (const one of close.splice(0)) one();
});

/** Connections that take as long to open as told, and how many were opening at once. */
function scripted(times: readonly (number | null)[]) {
  const state = { opening: 0, most: 0, opened: 0 };
  const connections = times.map((ms) => ({
    open: async () => {
      state.opening += 1;
      state.most = Math.max(state.most, state.opening);
      await wait(ms ?? 1);
      state.opening -= 1;
      state.opened += 1;
      return ms;
    },
  }));
  return { state, connections: connections as unknown as Connection[] };
}

test.each([
  ['one', [7], 7],
  ['two', [4, 8], 6],
  ['five, with an outlier', [3, 90, 2, 4, 3], 3],
  ['more than five: the others say nothing', [2, 2, 2, 2, 2, 40, 40, 40, 40, 40, 40, 40], 2],
  ['none', [], null],
  ['none that can be opened', [null, null], null],
])('the round trip of %s is the median of those that were opened alone', async (_, times, expected) => {
  const { connections, state } = scripted(times);
  expect(await openConnections(connections)).toBe(expected);
  expect(state.opened).toBe(times.length);
});

test('the first five are opened one after another and the rest at once', async () => {
  const alone = scripted([5, 5, 5, 5, 5]);
  await openConnections(alone.connections);
  expect(alone.state.most).toBe(1);
  const many = scripted(Array.from({ length: 45 }, () => 5));
  await openConnections(many.connections);
  expect(many.state.most).toBe(40);
});

test('one that does not open is not waited for alone', async () => {
  const { connections, state } = scripted([5, 2_200, 5, 5]);
  const beganMs = performance.now();
  expect(await openConnections(connections)).toBe(5);
  expect(state.most).toBe(3);
  expect(performance.now() - beganMs).toBeLessThan(10_000);
});

test('the time of a socket is that of its TCP connect, and null where there was none', async () => {
  const server = createServer((socket: Socket) => socket.on('error', () => {}));
  close.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const socket = connect(port, '127.0.0.1');
  close.push(() => socket.destroy());
  // Whoever listened first is told first, and wants to know the time by then.
  let told: number | null = null;
  socket.once('connect', () => {
    told = connectMs();
  });
  const connectMs = timeTcpConnect(socket);
  expect(connectMs()).toBeNull();
  await expect.poll(() => told).not.toBeNull();
  expect(told).toBeGreaterThan(0);

  const refused = connect(1, '127.0.0.1');
  refused.on('error', () => {});
  const none = timeTcpConnect(refused);
  await new Promise((resolve) => refused.once('close', resolve));
  expect(none()).toBeNull();
});
