/**
 * How much of a core other work takes, which no client can do anything about: a process that does nothing but look at
 * the clock sees it as gaps. A p99 of some hundred answers is as good as the share lost here is below 1 %.
 *
 * A process of its own (`watchCore` starts it on its core): the milliseconds to look on in its first argument.
 */

/** What other work took from a core while somebody looked. */
export interface CoreJitter {
  readonly lostShare: number;
  readonly longestMs: number;
}

/** Shorter gaps are the clock's own, and interrupts. */
const SHORTEST_GAP_MS = 0.2;

function watch(forMs: number): CoreJitter {
  const beganMs = performance.now();
  let [lastMs, lostMs, longestMs] = [beganMs, 0, 0];
  while (lastMs < beganMs + forMs) {
    const nowMs = performance.now();
    const gapMs = nowMs - lastMs;
    if (gapMs > SHORTEST_GAP_MS) lostMs += gapMs;
    if (gapMs > longestMs) longestMs = gapMs;
    lastMs = nowMs;
  }
  return { lostShare: lostMs / (lastMs - beganMs), longestMs };
}

process.send?.(watch(Number(process.argv[2] ?? 0)), undefined, undefined, () => process.exit(0));
