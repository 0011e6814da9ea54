/** Aggregating: the report is built from the run's rows, and from nothing else. */
import { buildReport } from '../core/report/report.ts';
import type { RunRecord } from '../core/run.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { addGpuUse } from './gpu-use.ts';

export function aggregateStep(services: Services): Pick<StepHandlers, 'aggregate'> {
  return {
    aggregate: async ({ runId, stoppedBy }) => {
      const run = await services.stores.runs.change(runId, (now) => ({
        stoppedBy,
        progress: { ...now.progress, current: null, etaSeconds: null },
      }));
      await addGpuUse(services, run, await services.stores.cells.list(runId));
      await storeReport(services, run);
      return {};
    },
  };
}

/** The report of what the rows hold now. */
export async function storeReport({ stores }: Pick<Services, 'stores'>, run: RunRecord): Promise<void> {
  await stores.reports.save(buildReport(run, await stores.cells.list(run.id)));
}
