/** So many runs in Azurite, and the list of them through `GET /api/runs`, page after page, with what that takes of the heap. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createStores } from '../../../src/azure/tables/stores.ts';
import { newRunId } from '../../../src/core/run.ts';
import { listRuns } from '../../../src/http/runs.ts';
import type { Orchestrations, Services } from '../../../src/services.ts';
import { startAzuriteThread } from '../../support/azurite-thread.ts';
import { A_MOMENT_MS, aRun } from '../../support/builders.ts';

export interface PagedRuns {
  readonly pages: number;
  /** Ids in the order in which they came. */
  readonly ids: readonly string[];
  /** The most that one page took of the heap before anything was collected, in bytes. */
  readonly mostPerPage: number;
  /** What was still there after the last page, beyond what was there after the first, in bytes. */
  readonly kept: number;
}

const PAGE = 200;
/** Writes side by side. */
const AT_ONCE = 16;
const MOST_PAGES = 1_000;

export async function pageThroughRuns(count: number): Promise<PagedRuns> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heap = () => getHeapStatistics().used_heap_size;
  const azurite = await startAzuriteThread();
  try {
    const stores = createStores(azurite.address, { getToken: async () => null });
    const left = Array.from({ length: count }, (_, index) => index).values();
    const write = async () => {
      for (const index of left) {
        const createdAtMs = A_MOMENT_MS + index * 1_000;
        const id = newRunId(createdAtMs, index.toString(16).padStart(8, '0'));
        await stores.runs.insert(aRun({ id, createdAtMs, state: 'completed' }));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, write));

    const services = { stores, now: Date.now } as Services;
    const ids: string[] = [];
    let continuation: string | null = null;
    let mostPerPage = 0;
    let afterFirst = 0;
    let pages = 0;
    do {
      collect();
      const before = heap();
      const query = new URLSearchParams({ limit: String(PAGE), ...(continuation && { continuation }) });
      const answer = await listRuns({
        services,
        orchestrations: {} as Orchestrations,
        request: { params: {}, query, headers: new Headers(), text: async () => '' },
      });
      // The first page brings the code that makes it.
      if (pages > 0) mostPerPage = Math.max(mostPerPage, heap() - before);
      const body = JSON.parse(answer.body) as { runs: { id: string }[]; continuation: string | null };
      ids.push(...body.runs.map(({ id }) => id));
      ({ continuation } = body);
      pages += 1;
      if (pages === 1) {
        collect();
        afterFirst = heap();
      }
    } while (continuation !== null && pages < MOST_PAGES);
    collect();
    return { pages, ids, mostPerPage, kept: heap() - afterFirst };
  } finally {
    await azurite.close();
  }
}
