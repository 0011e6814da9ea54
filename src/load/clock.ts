/**
 * The one clock of the load engine and the one place where it meets the wall clock. Everything measured is on the
 * monotonic clock (the same as process.hrtime, in milliseconds): a wall clock may be set back in the middle of a run.
 */

/** performance.now() counts from the start of the process; this is what process.hrtime had counted by then. */
const PROCESS_START_MS = measureProcessStart();

/**
 * The two clocks are read one after the other, and what passes between is the error. The first reading loads code and
 * takes milliseconds, and any may be interrupted: the closest of several pairs counts (below a microsecond).
 */
function measureProcessStart(): number {
  let startMs = 0;
  let closestMs = Number.POSITIVE_INFINITY;
  for (let pair = 0; pair < 20; pair += 1) {
    const beforeMs = performance.now();
    const monotonic = Number(process.hrtime.bigint()) / 1e6;
    const apartMs = performance.now() - beforeMs;
    if (apartMs >= closestMs) continue;
    closestMs = apartMs;
    startMs = monotonic - beforeMs - apartMs / 2;
  }
  return startMs;
}

/** Milliseconds on the monotonic clock, with fractions; comparable between the threads of this machine. */
export function monotonicMs(): number {
  return PROCESS_START_MS + performance.now();
}

/**
 * The monotonic time of a moment told in epoch milliseconds. The offset is taken anew at each call and not from
 * performance.timeOrigin, which keeps the wall clock's error of the day the process started.
 */
export function epochToMonotonicMs(epochMs: number): number {
  return monotonicMs() + (epochMs - Date.now());
}

/** The epoch milliseconds of a moment on the monotonic clock. */
export function monotonicToEpochMs(ms: number): number {
  return Date.now() + (ms - monotonicMs());
}
