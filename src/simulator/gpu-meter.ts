/** How busy the GPUs of one deployment were, minute by minute: what Azure Monitor calls their utilization. */

export const MINUTE_MS = 60_000;
/** A day of minutes; a deployment that lives longer forgets its first ones. */
const MINUTES_KEPT = 1_440;

export class GpuMeter {
  /** Milliseconds of work in each minute since 1970, of all instances together. */
  readonly #busyMs = new Map<number, number>();

  /** A prefill or a step was under way from then to then, in epoch milliseconds. */
  note(beginMs: number, endMs: number): void {
    for (let fromMs = beginMs; fromMs < endMs; ) {
      const minute = Math.floor(fromMs / MINUTE_MS);
      const toMs = Math.min(endMs, (minute + 1) * MINUTE_MS);
      this.#busyMs.set(minute, (this.#busyMs.get(minute) ?? 0) + toMs - fromMs);
      fromMs = toMs;
    }
    const [oldest] = this.#busyMs.keys();
    if (this.#busyMs.size > MINUTES_KEPT && oldest !== undefined) this.#busyMs.delete(oldest);
  }

  /** Percent of the minute in which the GPUs worked, the mean of so many instances. */
  percentIn(minute: number, instances: number): number {
    return Math.min(100, ((this.#busyMs.get(minute) ?? 0) / (MINUTE_MS * instances)) * 100);
  }
}
