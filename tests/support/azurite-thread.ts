/** Azurite in a thread of its own, so that its rows are not in the heap of who looks at that. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { TablesAddress } from '../../src/config.ts';
import { startAzurite } from './azurite.ts';

export interface AzuriteThread {
  readonly address: TablesAddress;
  close(): Promise<void>;
}

export async function startAzuriteThread(): Promise<AzuriteThread> {
  const worker = new Worker(new URL(import.meta.url));
  const address = await new Promise<TablesAddress>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return {
    address,
    close: async () => {
      await worker.terminate();
    },
  };
}

if (!isMainThread) parentPort?.postMessage((await startAzurite()).address);
