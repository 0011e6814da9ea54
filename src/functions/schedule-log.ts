/** What a pass over the schedules did, in the log. One that had nothing to do is silent: it comes every minute. */
import type { InvocationContext } from '@azure/functions';
import type { SchedulePass } from '../activities/run-schedules.ts';

export function logSchedules(
  { done, troubles }: SchedulePass,
  context: Pick<InvocationContext, 'error' | 'info'>,
): void {
  for (const sentence of done) context.info(sentence);
  for (const trouble of troubles) context.error(trouble);
}
