/** Starts runs and comparisons whose start was cut off between the row and the orchestration. */
import type { Orchestrations, Services } from '../services.ts';

/** What is queued without an orchestration is started after this long: its start was cut off. */
const QUEUED_GRACE_MS = 60_000;
const QUEUED_PER_PASS = 50;

export async function startForgottenRuns(services: Services, orchestrations: Orchestrations): Promise<void> {
  const { runs } = await services.stores.runs.list({ state: 'queued', limit: QUEUED_PER_PASS });
  for (const run of runs) {
    // A comparison starts its runs itself, and a run that is started twice would fail there.
    if (run.comparisonId !== undefined || services.now() - run.createdAtMs < QUEUED_GRACE_MS) continue;
    if (!(await orchestrations.isKnown(run.id))) await orchestrations.start(run.id);
  }
  const { comparisons } = await services.stores.comparisons.list({ state: 'queued', limit: QUEUED_PER_PASS });
  for (const { id, createdAtMs } of comparisons) {
    if (services.now() - createdAtMs < QUEUED_GRACE_MS) continue;
    if (!(await orchestrations.isKnown(id))) await orchestrations.startComparison(id);
  }
}
