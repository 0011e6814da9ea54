/** Tells webhooks of endpoints that the reaper should delete and cannot. */
import { messageOf } from '../core/failure.ts';
import { addNotice } from '../core/schedule/notice.ts';
import type { ScheduleRecord } from '../core/schedule/schedule-record.ts';
import type { Services } from '../services.ts';
import { describeReaped, type Reaped, type Reaping } from './reap.ts';

/**
 * Leaves a notice with each schedule whose work made the endpoint; with every schedule that has a webhook where that is
 * not known, since it costs money all the same. Gives the reaping, with what could not be noted among its troubles.
 */
export async function noticeLeaks(services: Services, reaping: Reaping): Promise<Reaping> {
  const leaks = reaping.reaped.filter(({ error }) => error !== null);
  if (leaks.length === 0) return reaping;
  try {
    const listening = (await services.stores.schedules.list()).filter(({ webhook }) => webhook !== null);
    if (listening.length > 0) for (const leak of leaks) await noticeLeak(services, leak, listening);
    return reaping;
  } catch (error) {
    const why = messageOf(error);
    return { ...reaping, troubles: [...reaping.troubles, `Schedules could not be told of leaks: ${why}`] };
  }
}

async function noticeLeak(
  services: Services,
  leak: Reaped,
  listening: readonly ScheduleRecord[],
): Promise<void> {
  const workId = await findWork(services, leak.endpoint);
  const owners: ScheduleRecord[] = [];
  for (const record of listening)
    if (workId !== null && (await hasStarted(services, record, workId))) owners.push(record);
  for (const { name } of owners.length > 0 ? owners : listening) {
    await services.stores.schedules.change(name, (now) => ({
      notices: addNotice(
        now.notices,
        { id: `${leak.endpoint}-leak`, event: 'leaked-lease', work: null, sentences: [describeReaped(leak)] },
        services.now(),
      ),
    }));
  }
}

/** The run or the comparison that the endpoint was made for; null where no lease tells. */
async function findWork(services: Services, endpoint: string): Promise<string | null> {
  const lease = await services.stores.leases.read(endpoint);
  if (lease === null) return null;
  const run = await services.stores.runs.read(lease.runId);
  return run?.comparisonId ?? lease.runId;
}

async function hasStarted(
  services: Services,
  { name, running }: ScheduleRecord,
  workId: string,
): Promise<boolean> {
  if (running?.id === workId) return true;
  return (await services.stores.schedules.listHistory(name)).some(({ work }) => work?.id === workId);
}
