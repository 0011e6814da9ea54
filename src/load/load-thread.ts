/**
 * Threads that load: their own event loop and heap, so that nothing the host does (history, tables, other activities)
 * stands between a byte and its stamp, and none of their own housekeeping either.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';

/**
 * What the long-lived objects of a new thread may come to before they are first collected. V8 lowers its own limit to
 * some 20 MB as soon as it sees how few objects live long, and then collects in the first seconds of most measurements:
 * it takes the thread for 10 ms and, marking beside it, a core for 20. Of a load of 5,000 tokens a second 0.2 MB a
 * second live that long, so that a cell of a minute ends before 128 MB. Ten activities of an instance would be 1.3 GB.
 */
const FIRST_COLLECTION_MB = 128;

/** Starts one on a module that gets `data` as its `workerData`. */
export function startLoadThread(module: URL, data: unknown): Worker {
  // V8 has it for a whole process only, and reads it when a thread's heap is made: those before are as they were.
  setFlagsFromString(`--initial-old-space-size=${FIRST_COLLECTION_MB}`);
  return new Worker(module, { workerData: data, name: 'load' });
}
