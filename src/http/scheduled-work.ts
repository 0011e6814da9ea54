/** Plans what a schedule starts, as the call that starts one would: with the same checks and the same faults. */
import type { PlannedWork } from '../activities/run-schedules.ts';
import type { Parsed } from '../core/failure.ts';
import type { ScheduledWork } from '../core/schedule/schedule.ts';
import type { Services } from '../services.ts';
import { planComparisonRequest } from './comparison-request.ts';
import { planRequest } from './plan-request.ts';
import { Problem } from './problem.ts';

/** The plan, or the faults with their paths below `comparison` or `run`. Throws where something could not be looked up. */
export async function planScheduledWork(
  services: Services,
  { kind, body }: ScheduledWork,
): Promise<Parsed<PlannedWork>> {
  try {
    if (kind === 'run') {
      const { spec, plan } = await planRequest(services, body);
      return { ok: true, value: { kind, spec, plan } };
    }
    const { comparison, plan } = await planComparisonRequest(services, body);
    return { ok: true, value: { kind, comparison, plan } };
  } catch (error) {
    if (!(error instanceof Problem) || error.faults.length === 0) throw error;
    const faults = error.faults.map(({ path, message }) => ({
      path: path === '(body)' ? kind : `${kind}.${path}`,
      message,
    }));
    return { ok: false, faults };
  }
}
