/** What the bench measures: each row of it with the schedule of the server, the clients and how many requests. */
import type { ClientName } from './client-order.ts';
import type { Schedule } from './schedule.ts';

/** Where the client runs. `own`: a core apart from the server's. */
export type Place =
  | 'own'
  /** The same, but the main thread of its process is busy for half of the time, as a host with other work is. */
  | 'busy-host'
  /** One core for the server, the client and its busy host. */
  | 'one-core';

export interface Row {
  readonly name: string;
  readonly kind: 'latency' | 'requests' | 'events' | 'memory' | 'burst';
  readonly schedule: Schedule;
  readonly connections: number;
  readonly requests: number;
  readonly warmUpRequests: number;
  readonly tls: boolean;
  readonly place: Place;
  readonly clients: readonly ClientName[];
}

export interface BenchPlan {
  readonly repeats: number;
  readonly rows: readonly Row[];
}

/** A token every 20 ms: a middle-sized model on one GPU of the SKU table. */
const STREAM: Schedule = { kind: 'stream', tokens: 16, ttftMs: 100, gapMs: 20, tokensPerWrite: 1 };
/** Alone, only short answers give enough of them in two seconds for a 99th percentile. */
const SHORT_STREAM: Schedule = { kind: 'stream', tokens: 4, ttftMs: 4, gapMs: 1.5, tokensPerWrite: 1 };
/** The TTFT that an error of 1 % is a share of. */
const SLOW_STREAM: Schedule = { kind: 'stream', tokens: 16, ttftMs: 300, gapMs: 20, tokensPerWrite: 1 };
/** As fast as the client reads, 16 events a write. */
const FLOOD: Schedule = { kind: 'stream', tokens: 4096, ttftMs: 0, gapMs: 0, tokensPerWrite: 16 };
/** Answers with so many events that samples which were kept would show. */
const SHORT_FLOOD: Schedule = { ...FLOOD, tokens: 64 };
const PLAIN: Schedule = { kind: 'plain' };

const STREAMING: readonly ClientName[] = ['ours', 'undici', 'fetch'];

/** Everything, in about eight minutes on two quiet cores. */
export const FULL: BenchPlan = {
  // A median needs three.
  repeats: 3,
  rows: [
    latency(1, SHORT_STREAM, false, 'own', 600),
    latency(32, STREAM, false, 'own', 960),
    latency(128, STREAM, false, 'own', 1_920),
    latency(128, STREAM, true, 'own', 1_920),
    latency(128, STREAM, false, 'busy-host', 1_280),
    latency(128, SLOW_STREAM, true, 'one-core', 896),
    {
      ...plainRow('plain requests, c = 32', 'requests', 32, 30_000, 10_000),
      clients: ['ours', 'undici', 'fetch', 'autocannon', 'origin'],
    },
    {
      ...plainRow('streamed events, 16 a write, c = 32', 'events', 32, 512, 64),
      schedule: FLOOD,
      clients: STREAMING,
    },
    // Two loads: one of a tenth of the requests, and one of all.
    {
      ...plainRow('memory of 1,000 and of 10,000 requests of 64 events, c = 32', 'memory', 32, 10_000, 500),
      schedule: SHORT_FLOOD,
      clients: ['ours'],
    },
    // Without a warm-up: a burst is what a measurement begins with.
    { ...plainRow('burst of 256', 'burst', 256, 256, 0), clients: ['ours', 'autocannon'] },
  ],
};

/** Each kind of row once and small: shows that the bench works, and no figure worth telling. */
export const QUICK: BenchPlan = {
  repeats: 1,
  rows: [
    { ...latency(4, SHORT_STREAM, true, 'own', 12), clients: ['ours', 'undici'] },
    { ...latency(4, SHORT_STREAM, false, 'one-core', 12), clients: ['ours', 'fetch'] },
    {
      ...plainRow('plain requests', 'requests', 4, 64, 8),
      clients: ['ours', 'undici', 'fetch', 'autocannon', 'origin'],
    },
    {
      ...plainRow('streamed events, 16 a write', 'events', 4, 8, 4),
      schedule: FLOOD,
      clients: ['ours', 'undici'],
    },
    {
      ...plainRow('memory of 20 and of 200 requests', 'memory', 4, 200, 20),
      schedule: SHORT_FLOOD,
      clients: ['ours'],
    },
    { ...plainRow('burst of 16', 'burst', 16, 16, 0), clients: ['ours', 'autocannon'] },
  ],
};

/** Clients that would take minutes for what the others do in a second send fewer; rates do not depend on it. */
export function requestsOf(row: Row, client: ClientName): number {
  const slow = client === 'fetch' || client === 'origin';
  return slow && row.kind !== 'latency' ? Math.ceil(row.requests / 8) : row.requests;
}

function latency(connections: number, schedule: Schedule, tls: boolean, place: Place, requests: number): Row {
  const where = {
    own: '',
    'busy-host': ', beside a busy host',
    'one-core': ', all on one core with a busy host',
  };
  return {
    name: `${tls ? 'TLS' : 'http'}, c = ${connections}${where[place]}`,
    kind: 'latency',
    schedule,
    connections,
    requests,
    // An answer on each connection, and enough for the compiler.
    warmUpRequests: Math.min(requests, Math.max(50, connections)),
    tls,
    place,
    // `fetch` takes longest, and what it costs is told by the rows without TLS on a core of its own.
    clients: tls || place !== 'own' ? ['ours', 'undici'] : STREAMING,
  };
}

function plainRow(
  name: string,
  kind: Row['kind'],
  connections: number,
  requests: number,
  warmUpRequests: number,
): Omit<Row, 'clients'> {
  return { name, kind, schedule: PLAIN, connections, requests, warmUpRequests, tls: false, place: 'own' };
}
