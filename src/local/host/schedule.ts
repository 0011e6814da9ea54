/** When a timer trigger is due: NCRONTAB as the app itself reads it, and what a host remembers between its starts. */
import { parseNcrontab, type Timetable } from '../../core/schedule/ncrontab.ts';

export type Schedule = Timetable;

/** A schedule in `timeZone`: `UTC`, or what WEBSITE_TIME_ZONE says. Throws a sentence where it cannot be used. */
export function parseSchedule(expression: string, timeZone: string): Schedule {
  return parseNcrontab(expression, timeZone);
}

/** Whether a missed occurrence is worth remembering: Azure monitors schedules of a minute and longer. */
export function isMonitored(schedule: Schedule, useMonitor: boolean | undefined, now: Date): boolean {
  const first = schedule.next(now);
  const second = first === null ? null : schedule.next(first);
  const isFrequent = first !== null && second !== null && second.getTime() - first.getTime() < 60_000;
  return (useMonitor ?? true) && !isFrequent;
}

/** What the host remembers of a timer between its starts. */
export interface TimerStatus {
  readonly expression: string;
  readonly lastMs: number | null;
  readonly nextMs: number;
  readonly updatedMs: number;
}

/** Whether the occurrence noted in `status` was missed; a schedule that has changed since starts afresh. */
export function isPastDue(schedule: Schedule, status: TimerStatus | undefined, now: Date): boolean {
  return status !== undefined && status.expression === schedule.expression && status.nextMs <= now.getTime();
}
