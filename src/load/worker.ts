/** The thread of one shard: runs the loop and talks to shard-runner.ts in messages. Nothing else happens in it. */
import { parentPort, threadId, workerData } from 'node:worker_threads';
import type { Sample } from '../core/measuring/sample.ts';
import type { ShardOrder, ShardSummary } from '../core/measuring/shard.ts';
import { ClientWatch } from './client-watch.ts';
import { heatThread } from './heat-thread.ts';
import { ShardLoop } from './loop.ts';
import { SampleOutlet } from './sample-outlet.ts';

/** How often the main thread is told how far the shard is; a person watching needs no more. */
const PROGRESS_MS = 250;

export interface WorkerOrder {
  readonly order: ShardOrder;
  /** Whether the main thread wants the samples; otherwise they stop here. */
  readonly samples: boolean;
}

export type ToWorker =
  | { readonly kind: 'start' | 'stop'; readonly atEpochMs: number }
  | { readonly kind: 'samples-taken' }
  | { readonly kind: 'cancel' };

export type FromWorker =
  | { readonly kind: 'started'; readonly threadId: number }
  | { readonly kind: 'progress'; readonly completed: number; readonly failed: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'satisfied' }
  | { readonly kind: 'samples'; readonly samples: readonly Sample[] }
  | { readonly kind: 'summary'; readonly summary: ShardSummary };

async function runShard(
  port: NonNullable<typeof parentPort>,
  { order, samples }: WorkerOrder,
): Promise<void> {
  const tell = (message: FromWorker) => port.postMessage(message);
  const watch = new ClientWatch();
  const outlet = new SampleOutlet((batch) => tell({ kind: 'samples', samples: batch }));
  const loop = new ShardLoop(
    order,
    () => tell({ kind: 'satisfied' }),
    () => tell({ kind: 'ready' }),
    (sample, dueMs) => {
      watch.note(sample, dueMs);
      if (samples) return outlet.push(sample);
    },
  );
  const tellProgress = () => tell({ kind: 'progress', ...loop.progress });
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'start') {
      watch.begin();
      loop.startAt(message.atEpochMs);
    } else if (message.kind === 'stop') loop.stopAt(message.atEpochMs);
    else if (message.kind === 'samples-taken') outlet.acknowledge();
    else {
      outlet.release();
      loop.cancel();
    }
  });
  tell({ kind: 'started', threadId });
  const timer = setInterval(tellProgress, PROGRESS_MS);
  try {
    await heatThread(order.connections, order.route.stream);
    watch.begin();
    const summary = await loop.run();
    outlet.flush();
    tellProgress();
    const { contentEvents } = watch;
    // Read before the drain, which is no part of what is judged.
    const client = watch.read(loop.roundTripMs);
    const drained = await loop.drain(summary);
    tell({ kind: 'summary', summary: { ...summary, client, contentEvents, ...drained } });
  } finally {
    clearInterval(timer);
    watch.close();
    port.close();
  }
}

if (parentPort !== null) await runShard(parentPort, workerData as WorkerOrder);
