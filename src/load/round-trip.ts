/**
 * The network's round trip, as the time that TCP takes to connect (one round trip: SYN there, SYN and ACK back),
 * measured on the connections that the load needs anyway: no request and no connection is added for it.
 *
 * Many connections opened at once queue in the client's own event loop, and the last would seem far away. So the
 * first few are opened one after another and are what is measured; the rest follow together. With TLS, the first
 * ones also bring the session that the others resume.
 */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { medianOf } from '../core/statistics/moments.ts';
import { monotonicMs } from './clock.ts';
import type { Connection } from './connection.ts';

/** A median of five forgives two outliers. */
const OPENED_ALONE = 5;
/** Five connections around the world, with TLS, take about this long; it is added to what opening takes anyway. */
const ALONE_LIMIT_MS = 1_500;

/** Opens all connections; gives the median TCP connect time of those opened alone, null where none could be. */
export async function openConnections(connections: readonly Connection[]): Promise<number | null> {
  const endMs = monotonicMs() + ALONE_LIMIT_MS;
  const measured: number[] = [];
  const opening: Promise<unknown>[] = [];
  while (opening.length < Math.min(OPENED_ALONE, connections.length)) {
    const opened = connections[opening.length]?.open() ?? Promise.resolve(null);
    opening.push(opened);
    const connectMs = await settledBy(opened, endMs);
    if (connectMs === null) break;
    measured.push(connectMs);
  }
  await Promise.all([
    ...opening,
    ...connections.slice(opening.length).map((connection) => connection.open()),
  ]);
  return medianOf(measured);
}

/**
 * Watches a socket that begins to connect; gives a function that tells how long TCP took. Name resolution and an
 * address that did not answer are not in it: it counts from the last attempt.
 */
export function timeTcpConnect(socket: Socket): () => number | null {
  let attemptedMs = monotonicMs();
  let connectMs: number | null = null;
  socket.on('connectionAttempt', () => {
    attemptedMs = monotonicMs();
  });
  // Before whoever else waits for it, so that the time is known when they are told.
  socket.prependOnceListener('connect', () => {
    connectMs = monotonicMs() - attemptedMs;
  });
  return () => connectMs;
}

/** What it gives, or null where it gives nothing until then. */
async function settledBy(opened: Promise<number | null>, atMs: number): Promise<number | null> {
  const over = new AbortController();
  try {
    return await Promise.race([
      opened,
      delay(Math.max(0, atMs - monotonicMs()), null, { signal: over.signal }).catch(() => null),
    ]);
  } finally {
    over.abort();
  }
}
