/** A timer's last word: written after each of its passes, read by the health call. */
import type { Services } from '../services.ts';

/** The app's timers, each under the name of its function. */
export const TIMERS = ['reap', 'schedules'] as const;
export type TimerName = (typeof TIMERS)[number];

/** Notes that the timer has just made a pass. That it cannot be noted is no reason for the pass to fail. */
export async function noteBeat(services: Services, timer: TimerName, troubles: number): Promise<void> {
  const { beats } = services.stores;
  try {
    const previous = (await beats.list()).find((beat) => beat.timer === timer);
    await beats.save({ timer, atMs: services.now(), previousAtMs: previous?.atMs ?? null, troubles });
  } catch {
    // The pass itself has met the same tables and told its trouble; without this beat the health call tells it too.
  }
}
