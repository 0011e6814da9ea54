/** Aggregating: the report is built from the run's rows, and from nothing else. */
import { buildReport } from '../core/report/report.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';

export function aggregateStep(services: Services): Pick<StepHandlers, 'aggregate'> {
  return {
    aggregate: async ({ runId, stoppedBy }) => {
      const run = await services.stores.runs.change(runId, (now) => ({
        stoppedBy,
        progress: { ...now.progress, current: null, etaSeconds: null },
      }));
      await services.stores.reports.save(buildReport(run, await services.stores.cells.list(runId)));
      return {};
    },
  };
}
