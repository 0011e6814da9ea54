/**
 * Ends comparisons that nobody steers any more, because their durable history was lost. Their runs come first: those
 * that were measuring are ended as any lost run is, and those that were still queued end here, since nobody starts them
 * again. Then the report is built of what they left.
 */
import {
  type ComparisonRecord,
  laneCount,
  laneId,
  startedRunIds,
} from '../core/comparison/comparison-record.ts';
import { HEARTBEAT_LIMIT_MS } from '../core/renting/lease.ts';
import { isFinal, type RunRecord } from '../core/run.ts';
import type { Orchestrations, Services } from '../services.ts';
import { endComparison, readRuns } from './compare.ts';
import { endLostRun } from './end-lost-runs.ts';

/** Comparisons under way are as many as GPUs; what a pass leaves over, the next one takes. */
const COMPARISONS_PER_PASS = 50;

export async function endLostComparisons(services: Services, orchestrations: Orchestrations): Promise<void> {
  for (const state of ['queued', 'running'] as const) {
    const { comparisons } = await services.stores.comparisons.list({ state, limit: COMPARISONS_PER_PASS });
    for (const record of comparisons) {
      if (services.now() - (record.startedAtMs ?? record.createdAtMs) <= HEARTBEAT_LIMIT_MS) continue;
      if (await isSteered(orchestrations, record)) continue;
      // One that the engine does not know is started instead, by the same pass.
      if (state === 'queued' && !(await orchestrations.isKnown(record.id))) continue;
      await endQueuedRuns(services, orchestrations, record);
      const runs = await readRuns(services, record);
      if (runs.every((run) => run === null || isFinal(run.state)))
        await endComparison(services, record, lossOf(record, runs));
    }
  }
}

/** Lanes go on by themselves where only the comparison's own instance is gone, and start what is left. */
async function isSteered(
  orchestrations: Orchestrations,
  { id, comparison }: ComparisonRecord,
): Promise<boolean> {
  if (await orchestrations.isRunning(id)) return true;
  for (let lane = 0; lane < laneCount(comparison); lane += 1)
    if (await orchestrations.isRunning(laneId(id, lane))) return true;
  return false;
}

async function endQueuedRuns(
  services: Services,
  orchestrations: Orchestrations,
  record: ComparisonRecord,
): Promise<void> {
  for (const id of startedRunIds(record)) {
    if (id === null || (await orchestrations.isRunning(id))) continue;
    const run = await services.stores.runs.read(id);
    if (run?.state === 'queued') await endLostRun(services, id);
  }
}

function lossOf({ comparison }: ComparisonRecord, runs: readonly (RunRecord | null)[]) {
  const whole = runs.filter((run) => run?.state === 'completed').length;
  const message = `No orchestration steers the comparison any more, as after a loss of the durable history. ${whole} of its ${comparison.targets.length} targets were measured to their end; what was saved until then is in the report. Start it again for the others.`;
  return { code: 'lost-orchestration', message } as const;
}
