/** Runs a shard in a load thread and tells how far it is. */
import type { Worker } from 'node:worker_threads';
import { messageOf } from '../core/failure.ts';
import type { Sample } from '../core/measuring/sample.ts';
import type { ShardOrder, ShardSummary } from '../core/measuring/shard.ts';
import { shortenWords } from './classify.ts';
import { startLoadThread } from './load-thread.ts';
import type { FromWorker, ToWorker, WorkerOrder } from './worker.ts';

export interface RunningShard {
  /** For an order that waits to be told: resolves when it can begin at any moment, or has ended without. */
  readonly ready: Promise<void>;
  /** When to begin, for an order that waits to be told. */
  startAt(epochMs: number): void;
  /**
   * Resolves when the shard has what it needs (steady: its minimum of answers inside the window; burst and count:
   * all answered), when its time is over, or when it ended otherwise. A steady shard goes on loading until stopped.
   */
  readonly satisfied: Promise<void>;
  readonly progress: () => { readonly completed: number; readonly failed: number };
  /** No new request after this epoch time. A steady shard that is never told stops after its maxSeconds. */
  stopAt(epochMs: number): void;
  /** Abandons everything in flight; the summary tells what was measured until then. */
  cancel(): void;
  /** Rejects, with a sentence, only where the thread itself broke. */
  readonly summary: Promise<ShardSummary>;
  /** Node's number of the thread, null before it runs. */
  readonly threadId: () => number | null;
}

/**
 * Takes samples as they come, in batches. It must not reject. The load is held up where it takes longer than the
 * samples take to come, so that no more than a bound of them is ever kept.
 */
export type TakeSamples = (samples: readonly Sample[]) => Promise<void>;

/** Without `takeSamples`, samples stop in the thread and only their summary comes out. */
export function startShard(order: ShardOrder, takeSamples: TakeSamples | null = null): RunningShard {
  const worker = startLoadThread(
    new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
    { order, samples: takeSamples !== null } satisfies WorkerOrder,
  );
  const state = { completed: 0, failed: 0, threadId: null as number | null };
  const ready = Promise.withResolvers<void>();
  const satisfied = Promise.withResolvers<void>();
  const tell = (message: ToWorker) => worker.postMessage(message);
  let taken = Promise.resolve();
  const onSamples = (samples: readonly Sample[]) => {
    taken = taken.then(() => takeSamples?.(samples)).then(() => tell({ kind: 'samples-taken' }));
  };
  const summary = awaitSummary(worker, order, state, {
    ready: ready.resolve,
    satisfied: satisfied.resolve,
    samples: onSamples,
  }).then(async (told) => {
    await taken;
    return told;
  });
  // Whoever awaits `summary` is told; nobody has to await it at once.
  summary
    .catch(() => {})
    .finally(() => {
      ready.resolve();
      satisfied.resolve();
    });
  return {
    ready: ready.promise,
    startAt: (epochMs) => tell({ kind: 'start', atEpochMs: epochMs }),
    satisfied: satisfied.promise,
    progress: () => ({ completed: state.completed, failed: state.failed }),
    stopAt: (epochMs) => tell({ kind: 'stop', atEpochMs: epochMs }),
    cancel: () => tell({ kind: 'cancel' }),
    summary,
    threadId: () => state.threadId,
  };
}

/** The thread ends by itself after its summary; it is terminated all the same, whatever happened. */
async function awaitSummary(
  worker: Worker,
  order: ShardOrder,
  state: { completed: number; failed: number; threadId: number | null },
  on: {
    readonly ready: () => void;
    readonly satisfied: () => void;
    readonly samples: (samples: readonly Sample[]) => void;
  },
): Promise<ShardSummary> {
  try {
    return await new Promise<ShardSummary>((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'started') state.threadId = message.threadId;
        else if (message.kind === 'progress')
          Object.assign(state, { completed: message.completed, failed: message.failed });
        else if (message.kind === 'ready') on.ready();
        else if (message.kind === 'satisfied') on.satisfied();
        else if (message.kind === 'samples') on.samples(message.samples);
        else if (message.kind === 'summary') resolve(message.summary);
      });
      worker.on('error', (error) => {
        const words = shortenWords(messageOf(error), order.authorization);
        reject(new Error(`The load thread of a shard with ${order.connections} connections broke: ${words}`));
      });
      worker.on('exit', (code) => {
        reject(
          new Error(
            `The load thread of a shard with ${order.connections} connections ended with code ${code} and without a summary.`,
          ),
        );
      });
    });
  } finally {
    await worker.terminate();
  }
}
