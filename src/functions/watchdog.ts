/**
 * Binds the watchdog: the reaper's timer and nothing else, from the endpoints' tags alone. It stays alive when the app
 * is stopped, broken, or has lost its tables, because it shares none of them.
 */
import { app } from '@azure/functions';
import { reapByTags } from '../activities/reap.ts';
import type { WatchdogConfig } from '../config.ts';
import { createWatchdogServices } from '../main.ts';
import { logReaping } from './reap-log.ts';

export function registerWatchdog(config: WatchdogConfig): void {
  const services = createWatchdogServices(config);
  app.timer('watchdog', {
    schedule: config.reapSchedule,
    handler: async (_timer, context) => logReaping(await reapByTags(services), context),
  });
}
