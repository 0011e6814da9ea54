/** Timer triggers: fires each when it is due, never twice at once, and remembers what was missed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppFunction } from './app.ts';
import type { RetryContext, RetryPolicy } from './core-shim.ts';
import type { HistoryStore } from './durable/store.ts';
import { expandSettings } from './host-config.ts';
import { describeError, type Invoker, invoke } from './invoke.ts';
import { isMonitored, isPastDue, parseSchedule, type Schedule, type TimerStatus } from './schedule.ts';

/** Node's own bound on a timer, in milliseconds (24.8 days); a later due time is waited for in turns. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** What "unlimited" retries (-1) mean here: at a retry a minute, more than an hour of a broken timer. */
const MAX_RETRIES = 100;

/** What Azure shows as the last run of a timer that has never run. */
const NEVER = '0001-01-01T00:00:00+00:00';

/** One timer function with its schedule worked out. */
export interface Timer {
  readonly target: AppFunction;
  readonly schedule: Schedule;
  readonly isMonitored: boolean;
  readonly runsOnStartup: boolean;
}

/** Works out a timer function's schedule; throws a sentence when it cannot be used. */
export function readTimer(target: AppFunction): Timer {
  const { schedule: expression, useMonitor, runOnStartup } = target.trigger;
  try {
    const timeZone = process.env.WEBSITE_TIME_ZONE ?? 'UTC';
    const schedule = parseSchedule(expandSettings(String(expression), process.env), timeZone);
    const wanted = typeof useMonitor === 'boolean' ? useMonitor : undefined;
    return {
      target,
      schedule,
      isMonitored: isMonitored(schedule, wanted, new Date()),
      runsOnStartup: runOnStartup === true,
    };
  } catch (cause) {
    throw new Error(`Timer '${target.name}' cannot run: ${describeError(cause).message}`, { cause });
  }
}

/** Runs the timers until `signal` aborts; resolves when the last run has ended. */
export async function runTimers(
  timers: readonly Timer[],
  store: HistoryStore,
  invoker: Invoker,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(timers.map((timer) => runTimer(timer, store, invoker, signal)));
}

/**
 * One timer's life: a run is over before the next one is looked for, so that there is never a second at once, and
 * what became due meanwhile is skipped, as in Azure.
 */
async function runTimer(
  { target, schedule, isMonitored, runsOnStartup }: Timer,
  store: HistoryStore,
  invoker: Invoker,
  signal: AbortSignal,
): Promise<void> {
  let status = isMonitored ? store.readTimer(target.name) : undefined;
  if (status?.expression !== schedule.expression) status = undefined;
  const isLate = isPastDue(schedule, status, new Date());
  if (isLate || runsOnStartup) await fire(target, status, isLate, invoker, signal);
  let lastMs = isLate || runsOnStartup ? Date.now() : (status?.lastMs ?? null);

  while (!signal.aborted) {
    const next = schedule.next(new Date());
    if (next === null) return;
    status = { expression: schedule.expression, lastMs, nextMs: next.getTime(), updatedMs: Date.now() };
    if (isMonitored) {
      const saved = status;
      store.transact(() => store.saveTimer(target.name, saved));
    }
    await sleepUntil(next.getTime(), signal);
    if (signal.aborted) return;
    lastMs = Date.now();
    await fire(target, status, false, invoker, signal);
  }
}

/** Fires once, with the retries of the function's own policy. A failure is logged and the timer goes on. */
async function fire(
  target: AppFunction,
  status: TimerStatus | undefined,
  isPastDue: boolean,
  invoker: Invoker,
  signal: AbortSignal,
): Promise<void> {
  const data = { json: JSON.stringify(describeFiring(status, isPastDue)) };
  const policy = target.metadata.retryOptions;
  const allowed = policy?.maxRetryCount ?? 0;
  const maxRetryCount = allowed < 0 ? MAX_RETRIES : Math.min(allowed, MAX_RETRIES);
  let retryContext: RetryContext | undefined;
  for (let retryCount = 0; retryCount <= maxRetryCount && !signal.aborted; retryCount += 1) {
    try {
      await invoke(invoker, target, { data, ...(retryContext === undefined ? {} : { retryContext }) });
      return;
    } catch (error) {
      const { message, stack } = describeError(error);
      invoker.log({
        level: 'error',
        category: 'Host.Timer',
        message: `Timer '${target.name}' failed (attempt ${retryCount + 1} of ${maxRetryCount + 1}): ${stack}`,
      });
      if (retryCount === maxRetryCount) return;
      retryContext = {
        retryCount: retryCount + 1,
        maxRetryCount: allowed,
        exception: { message, stackTrace: stack },
      };
      if (policy !== undefined) await sleepUntil(Date.now() + retryDelayMs(policy, retryCount), signal);
    }
  }
}

/** PascalCase: the library turns the keys of timers, and only of timers, into camelCase. */
function describeFiring(
  status: TimerStatus | undefined,
  isPastDue: boolean,
): Readonly<Record<string, unknown>> {
  const time = (ms: number | null | undefined): string =>
    ms === null || ms === undefined ? NEVER : new Date(ms).toISOString();
  return {
    Schedule: { AdjustForDST: true },
    ScheduleStatus: {
      Last: time(status?.lastMs),
      LastUpdated: time(status?.updatedMs),
      Next: time(status?.nextMs),
    },
    IsPastDue: isPastDue,
  };
}

function retryDelayMs(policy: RetryPolicy, retryCount: number): number {
  if (policy.retryStrategy === 'fixedDelay') return (policy.delayInterval?.seconds ?? 0) * 1000;
  const minimumMs = (policy.minimumInterval?.seconds ?? 0) * 1000;
  return Math.min(minimumMs * 2 ** retryCount, (policy.maximumInterval?.seconds ?? 0) * 1000);
}

/** Sleeps in turns of what Node can wait for; returns early when `signal` aborts. */
async function sleepUntil(dueMs: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = dueMs - Date.now(); leftMs > 0 && !signal.aborted; leftMs = dueMs - Date.now()) {
    try {
      await sleep(Math.min(leftMs, MAX_TIMEOUT_MS), undefined, { signal });
    } catch {
      return;
    }
  }
}
