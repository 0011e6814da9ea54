/** The thread of our engine: what src/load/worker.ts does, but that it keeps the samples where stamps are wanted. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import type { Sample } from '../../src/core/measuring/sample.ts';
import type { ShardOrder } from '../../src/core/measuring/shard.ts';
import { heatThread } from '../../src/load/heat-thread.ts';
import { ShardLoop } from '../../src/load/loop.ts';
import type { ClientRun } from '../client.ts';
import type { ClientOrder, MemoryNote } from '../client-order.ts';
import { StampBook } from '../stamp-book.ts';
import type { ToThread } from './ours.ts';

/** The bench's longest wait for an answer; nothing of it comes near. */
const REQUEST_TIMEOUT_MS = 60_000;
/** The whole of one run. */
const MAX_SECONDS = 120;

const { connections, tokens } = workerData as ClientOrder;
await heatThread(connections, tokens > 0);
parentPort?.on('message', async (message: ToThread) => parentPort?.postMessage(await runLoads(message)));

/** Where memory is wanted, a load of each of its sizes before, and what is held of each when its last answer has come. */
async function runLoads(message: ToThread): Promise<ClientRun> {
  const memory: MemoryNote[] = [];
  for (const requests of message.order.memoryOf)
    memory.push(noteMemory((await runLoad({ ...message, requests })).loop));
  const { loop, run } = await runLoad(message);
  return memory.length === 0 ? run : { ...run, memory: [...memory, noteMemory(loop)] };
}

async function runLoad({
  order,
  requests,
  idPrefix,
}: ToThread): Promise<{ loop: ShardLoop; run: ClientRun }> {
  const shard: ShardOrder = {
    route: { api: 'openai-chat', url: order.url, stream: order.tokens > 0 },
    authorization: null,
    headers: {},
    connections: order.connections,
    workload: { promptTokens: 64, outputTokens: Math.max(1, order.tokens) },
    charactersPerToken: 4,
    templateTokens: 0,
    seed: 1,
    requestIdPrefix: idPrefix,
    load: order.burst
      ? { mode: 'burst', maxRetries: 0 }
      : { mode: 'count', requests, maxSeconds: MAX_SECONDS },
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    startAtMs: null,
  };
  const stamps = new StampBook(order.stamps ? requests : 0, order.tokens);
  let events = 0;
  const onSample = (sample: Sample): void => {
    if (sample.ttftMs !== null) events += sample.gapsMs.length + 1;
    if (order.stamps) stamps.add(sample.requestId, sample.sentMs, momentsOf(sample));
  };
  const loop = new ShardLoop(shard, nothing, nothing, onSample);
  const { attempted, succeeded } = await loop.run();
  return { loop, run: { succeeded, failed: attempted - succeeded, events, stamps: stamps.read() } };
}

const nothing = (): void => {};

let collect: (() => void) | null = null;

/** Of a load that is over, all of which is still held. */
function noteMemory(loop: ShardLoop): MemoryNote {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  // What one collection gives back of buffers, `external` has only at the next.
  collect();
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { requests: loop.progress.completed, heldBytes: heapUsed + external, rssBytes: rss };
}

/** When each content came. */
function momentsOf(sample: Sample): readonly number[] {
  if (sample.ttftMs === null) return [];
  const contentMs = [sample.sentMs + sample.ttftMs];
  for (const gapMs of sample.gapsMs) contentMs.push((contentMs.at(-1) ?? 0) + gapMs);
  return contentMs;
}
