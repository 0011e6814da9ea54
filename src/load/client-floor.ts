/**
 * The client floor: what this process can tell apart at the best, measured with the engine's own loop and thread
 * against a server on loopback that does almost nothing. A latency near the floor is the client's and not the
 * endpoint's. Measured once per process, before its first cell, because measuring beside a cell would disturb it.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ClientFloor } from '../core/measuring/client-floor.ts';
import { DurationHistogram } from '../core/measuring/histogram.ts';
import type { Sample } from '../core/measuring/sample.ts';
import type { ShardOrder, ShardSummary } from '../core/measuring/shard.ts';
import type { FromFloorServer, StreamWrites } from './floor-server.ts';
import { startShard } from './shard-runner.ts';

/** The concurrency of a usual cell; more would measure the one thread of the server. */
const CONNECTIONS = 16;
/** Together with three threads to start this is about 3 s; about 1,500 events and some thousand requests. */
const STREAM_SECONDS = 1;
const PLAIN_SECONDS = 0.7;
/** A machine that is not done by then is too busy to have a floor. */
const LIMIT_MS = 15_000;

let floor: Promise<ClientFloor | null> | null = null;

/** The floor of this process, measured at the first call, in about 3 s; null where it could not be measured. */
export function measureClientFloor(): Promise<ClientFloor | null> {
  floor ??= measureAgainstOwnServer().catch(() => null);
  return floor;
}

async function measureAgainstOwnServer(): Promise<ClientFloor> {
  const server = new Worker(
    new URL(import.meta.url.endsWith('.ts') ? './floor-server.ts' : './floor-server.js', import.meta.url),
    { name: 'client-floor' },
  );
  const limit = AbortSignal.timeout(LIMIT_MS);
  try {
    const listening = await hear(server, limit);
    if (listening.kind !== 'listening') throw new Error('The floor server did not begin to listen.');
    const origin = `http://127.0.0.1:${listening.port}`;
    const samples: Sample[] = [];
    const streamed = await load(
      floorOrder(`${origin}/v1/chat/completions`, STREAM_SECONDS),
      limit,
      async (batch) => {
        samples.push(...batch);
      },
    );
    const plain = await load(floorOrder(`${origin}/score`, PLAIN_SECONDS), limit, null);
    const told = hear(server, limit);
    server.postMessage('writes');
    const answer = await told;
    const lag = compareStamps(samples, answer.kind === 'writes' ? answer.writes : []);
    const [readLagP50Ms, readLagP99Ms] = [lag.quantileMs(0.5), lag.quantileMs(0.99)];
    const requestP50Ms = DurationHistogram.parse(plain.e2e).quantileMs(0.5);
    if (readLagP50Ms === null || readLagP99Ms === null || requestP50Ms === null)
      throw new Error('The floor server was not reached.');
    return {
      connections: CONNECTIONS,
      events: lag.count,
      readLagP50Ms,
      readLagP99Ms,
      requestsPerSecond: plain.whole.requests / plain.whole.seconds,
      requestP50Ms,
      loopLagP99Ms: streamed.client?.loopLagP99Ms ?? 0,
    };
  } finally {
    await server.terminate();
  }
}

async function hear(server: Worker, signal: AbortSignal): Promise<FromFloorServer> {
  const [message] = await once(server, 'message', { signal });
  return message as FromFloorServer;
}

async function load(
  order: ShardOrder,
  limit: AbortSignal,
  takeSamples: ((samples: readonly Sample[]) => Promise<void>) | null,
): Promise<ShardSummary> {
  const shard = startShard(order, takeSamples);
  const cancel = () => shard.cancel();
  limit.addEventListener('abort', cancel);
  try {
    limit.throwIfAborted();
    return await shard.summary;
  } finally {
    limit.removeEventListener('abort', cancel);
    shard.cancel();
  }
}

function floorOrder(url: string, seconds: number): ShardOrder {
  const stream = !url.endsWith('/score');
  return {
    route: { api: stream ? 'openai-chat' : 'score', url, stream },
    authorization: null,
    headers: {},
    connections: CONNECTIONS,
    workload: { promptTokens: 64, outputTokens: 8 },
    charactersPerToken: 4,
    templateTokens: 0,
    seed: 1,
    requestIdPrefix: 'floor',
    // More than can be sent: time ends it.
    load: { mode: 'count', requests: 1_000_000, maxSeconds: seconds },
    requestTimeoutMs: LIMIT_MS,
    startAtMs: null,
  };
}

/** From each write to the stamp of the same event. */
function compareStamps(samples: readonly Sample[], writes: readonly StreamWrites[]): DurationHistogram {
  const written = new Map(writes.map((one) => [one.requestId, one.writtenMs]));
  const lag = new DurationHistogram();
  for (const sample of samples) {
    const writtenMs = written.get(sample.requestId);
    if (sample.failure !== null || sample.ttftMs === null || writtenMs === undefined) continue;
    let arrivedMs = sample.sentMs + sample.ttftMs;
    writtenMs.forEach((atMs, index) => {
      if (index > 0) arrivedMs += sample.gapsMs[index - 1] ?? 0;
      lag.record(arrivedMs - atMs);
    });
  }
  return lag;
}
