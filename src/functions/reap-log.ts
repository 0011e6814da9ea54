/** What a pass of the reaper did, in the log. Errors are what costs money until somebody looks. */
import type { InvocationContext } from '@azure/functions';
import { describeReaped, type Reaping } from '../activities/reap.ts';
import { writeLogLine } from '../core/log-line.ts';

export function logReaping(
  { reaped, troubles }: Reaping,
  context: Pick<InvocationContext, 'error' | 'warn' | 'info'>,
): void {
  for (const one of reaped) {
    const { endpoint, workspace, gone, costUsd } = one;
    const line = writeLogLine('reaped', { endpoint, workspace, gone, costUsd, message: describeReaped(one) });
    if (gone) context.warn(line);
    else context.error(line);
  }
  for (const trouble of troubles) context.error(writeLogLine('reap-trouble', { message: trouble }));
  // A pass that finds nothing says so: a watchdog that is silent cannot be told from one that is dead.
  if (reaped.length === 0 && troubles.length === 0)
    context.info(writeLogLine('reaped-nothing', { message: 'The reaper found nothing to delete.' }));
}
