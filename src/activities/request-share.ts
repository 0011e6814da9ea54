/** The user's own requests, as the shard of a cell gets them: read once per process, dealt out, and checked. */
import { type CellOrder, cellKey } from '../core/measuring/cell.ts';
import { drawShare } from '../core/requests/draw.ts';
import { type RequestLine, shareOfLines } from '../core/requests/request-set.ts';
import type { RunRecord } from '../core/run.ts';
import type { Services } from '../services.ts';

/** Sets that a process keeps: two at most 10 MB of text each, for a run that compares them. */
const KEPT_SETS = 2;

/** Lines by the digest of their content, the one used last at the end. */
const kept = new Map<string, readonly RequestLine[]>();

/**
 * The requests of one shard; null for a workload whose prompts are made. Throws a sentence where the set is gone, or
 * where another stands in its place since the run was started: cells of one run measure the same requests.
 */
export async function readRequestShare(
  services: Services,
  run: RunRecord,
  order: Pick<CellOrder, 'settings' | 'workload' | 'loop' | 'level' | 'repeat' | 'attempt' | 'shards'>,
  shard: number,
): Promise<readonly RequestLine[] | null> {
  const workload = run.spec.workloads[order.workload];
  if (workload?.requests === undefined) return null;
  const lines = await readLines(services, workload.requests, workload.requestsDigest ?? null);
  // The same for all shards of a repeat, whose parts must not meet; another for each repeat.
  const startShare = drawShare(run.spec.seed, run.id, 'requests', cellKey(order), order.attempt);
  const share = shareOfLines(lines, { shard, shards: order.shards, startShare });
  if (share.length > 0) return share;
  throw new Error(
    `The request set "${workload.requests}" has ${lines.length} requests, too few to deal out to ${order.shards} shards; add requests or measure a lower level.`,
  );
}

async function readLines(
  services: Services,
  name: string,
  digest: string | null,
): Promise<readonly RequestLine[]> {
  const stored = await services.stores.requestSets.describe(name);
  if (stored === null)
    throw new Error(`The request set "${name}" was deleted; store it again to measure with it.`);
  if (digest !== null && stored.digest !== digest)
    throw new Error(
      `The request set "${name}" was replaced since the run was started (${digest} was asked for, ${stored.digest} is there); start a new run to measure with it.`,
    );
  const known = kept.get(stored.digest);
  const lines = known ?? (await services.stores.requestSets.read(name))?.lines;
  if (lines === undefined)
    throw new Error(`The request set "${name}" was deleted; store it again to measure with it.`);
  kept.delete(stored.digest);
  kept.set(stored.digest, lines);
  const [oldest] = kept.keys();
  if (kept.size > KEPT_SETS && oldest !== undefined) kept.delete(oldest);
  return lines;
}
