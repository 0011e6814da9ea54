/** The thread of one shard: runs the loop and talks to shard-runner.ts in messages. Nothing else happens in it. */
import { parentPort, threadId, workerData } from 'node:worker_threads';
import type { ShardOrder, ShardSummary } from '../core/shard.ts';
import { ShardLoop } from './loop.ts';

/** How often the main thread is told how far the shard is; a person watching needs no more. */
const PROGRESS_MS = 250;

export type ToWorker =
  | { readonly kind: 'start' | 'stop'; readonly atEpochMs: number }
  | { readonly kind: 'cancel' };

export type FromWorker =
  | { readonly kind: 'started'; readonly threadId: number }
  | { readonly kind: 'progress'; readonly completed: number; readonly failed: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'satisfied' }
  | { readonly kind: 'summary'; readonly summary: ShardSummary };

async function runShard(port: NonNullable<typeof parentPort>, order: ShardOrder): Promise<void> {
  const tell = (message: FromWorker) => port.postMessage(message);
  const loop = new ShardLoop(
    order,
    () => tell({ kind: 'satisfied' }),
    () => tell({ kind: 'ready' }),
  );
  const tellProgress = () => tell({ kind: 'progress', ...loop.progress });
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'start') loop.startAt(message.atEpochMs);
    else if (message.kind === 'stop') loop.stopAt(message.atEpochMs);
    else loop.cancel();
  });
  tell({ kind: 'started', threadId });
  const timer = setInterval(tellProgress, PROGRESS_MS);
  try {
    const summary = await loop.run();
    tellProgress();
    tell({ kind: 'summary', summary });
  } finally {
    clearInterval(timer);
    port.close();
  }
}

if (parentPort !== null) await runShard(parentPort, workerData as ShardOrder);
