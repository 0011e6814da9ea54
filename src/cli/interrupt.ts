/** Ctrl-C, counted as a person means it. */

/**
 * npm passes a Ctrl-C on to its script, which got it from the terminal already: signals this close together are one.
 */
const SAME_PRESS_MS = 500;

/** Calls back with 1 for the first interrupt, 2 for the second and so on; gives the function that stops listening. */
export function onInterrupt(callBack: (count: number) => void): () => void {
  let count = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const listen = () => {
    const nowMs = performance.now();
    if (nowMs - lastMs < SAME_PRESS_MS) return;
    lastMs = nowMs;
    count += 1;
    callBack(count);
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, listen);
  return () => {
    for (const signal of signals) process.off(signal, listen);
  };
}
