/**
 * How many connections this process loads with at once. Shards beyond it would slow each other down and measure the
 * client; one that finds no room is told so in time to be measured elsewhere.
 */
export interface ConnectionBudget {
  /** Waits up to `waitMs` for room; gives the function that frees it, or null where there was none. */
  admit(connections: number, waitMs: number): Promise<(() => void) | null>;
}

export function createConnectionBudget(limit: number): ConnectionBudget {
  let used = 0;
  const waiting = new Set<() => void>();

  const admitNow = (connections: number): (() => void) | null => {
    // A shard larger than the whole budget may run alone; refusing it for ever would help nobody.
    if (used > 0 && used + connections > limit) return null;
    used += connections;
    let freed = false;
    return () => {
      if (freed) return;
      freed = true;
      used -= connections;
      for (const wake of waiting) wake();
    };
  };

  return {
    admit: (connections, waitMs) =>
      new Promise((resolve) => {
        const free = admitNow(connections);
        if (free !== null) return resolve(free);
        const tryAgain = () => {
          const freed = admitNow(connections);
          if (freed !== null) settle(freed);
        };
        const settle = (result: (() => void) | null) => {
          clearTimeout(timer);
          waiting.delete(tryAgain);
          resolve(result);
        };
        const timer = setTimeout(() => settle(null), waitMs);
        waiting.add(tryAgain);
      }),
  };
}
