/** The thread of our engine: what src/load/worker.ts does, but that it keeps the samples where stamps are wanted. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import type { Sample } from '../../src/core/measuring/sample.ts';
import type { ShardOrder } from '../../src/core/measuring/shard.ts';
import { ShardLoop } from '../../src/load/loop.ts';
import type { ClientRun } from '../client.ts';
import type { ClientStamps, MemoryNote } from '../client-order.ts';
import type { ToThread } from './ours.ts';

/** The bench's longest wait for an answer; nothing of it comes near. */
const REQUEST_TIMEOUT_MS = 60_000;
/** The whole of one run. */
const MAX_SECONDS = 120;

parentPort?.on('message', async (message: ToThread) => parentPort?.postMessage(await runLoop(message)));

async function runLoop({ order, requests, idPrefix }: ToThread): Promise<ClientRun> {
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
  const stamps: ClientStamps[] = [];
  const memory: MemoryNote[] = [];
  let events = 0;
  let answers = 0;
  const onSample = (sample: Sample): void => {
    answers += 1;
    if (order.memoryAt.includes(answers)) memory.push(noteMemory(answers));
    if (sample.ttftMs !== null) events += sample.gapsMs.length + 1;
    if (order.stamps) stamps.push(readStamps(sample));
  };
  const summary = await new ShardLoop(shard, nothing, nothing, onSample).run();
  const failed = summary.attempted - summary.succeeded;
  return { succeeded: summary.succeeded, failed, events, stamps, memory };
}

const nothing = (): void => {};

let collect: (() => void) | null = null;

function noteMemory(requests: number): MemoryNote {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { requests, heldBytes: heapUsed + external, rssBytes: rss };
}

function readStamps(sample: Sample): ClientStamps {
  const contentMs: number[] = [];
  if (sample.ttftMs !== null) {
    let atMs = sample.sentMs + sample.ttftMs;
    contentMs.push(atMs);
    for (const gapMs of sample.gapsMs) {
      atMs += gapMs;
      contentMs.push(atMs);
    }
  }
  return { id: sample.requestId, sentMs: sample.sentMs, contentMs };
}
