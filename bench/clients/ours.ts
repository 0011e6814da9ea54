/** Our engine as the activity runs it: its loop in a thread of its own, beside whatever the main thread does. */
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { startLoadThread } from '../../src/load/load-thread.ts';
import type { Client, ClientRun } from '../client.ts';
import type { ClientOrder } from '../client-order.ts';

let thread: Worker | null = null;

/** The thread is kept for the measured run: what was made hot in the warm-up is hot in it only. */
export const run: Client = async (order, requests, idPrefix) => {
  thread ??= startLoadThread(new URL('./ours-thread.ts', import.meta.url), order);
  thread.postMessage({ order, requests, idPrefix } satisfies ToThread);
  const [answer] = await once(thread, 'message');
  return answer as ClientRun;
};

export interface ToThread {
  readonly order: ClientOrder;
  readonly requests: number;
  readonly idPrefix: string;
}
