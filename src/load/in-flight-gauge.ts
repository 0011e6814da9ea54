/**
 * How many requests are in flight, over time. Counted from what enters and leaves and not from latencies, so that
 * it can check them (Little's law).
 */
export class InFlightGauge {
  #inFlight = 0;
  #highest = 0;
  #sinceMs: number | null = null;
  #requestMs = 0;

  enter(nowMs: number): void {
    this.#advance(nowMs);
    this.#inFlight += 1;
    this.#highest = Math.max(this.#highest, this.#inFlight);
  }

  leave(nowMs: number): void {
    this.#advance(nowMs);
    this.#inFlight -= 1;
  }

  /** Request-milliseconds from the first entry until now. */
  integral(nowMs: number): number {
    this.#advance(nowMs);
    return this.#requestMs;
  }

  /** Time-weighted mean over a span that nothing was in flight outside of; 0 for a span without length. */
  mean(beginMs: number, endMs: number): number {
    return endMs > beginMs ? this.integral(endMs) / (endMs - beginMs) : 0;
  }

  get highest(): number {
    return this.#highest;
  }

  #advance(nowMs: number): void {
    // The clock does not go back, but a moment told later may lie before one told earlier.
    if (this.#sinceMs !== null && nowMs > this.#sinceMs)
      this.#requestMs += this.#inFlight * (nowMs - this.#sinceMs);
    this.#sinceMs = Math.max(nowMs, this.#sinceMs ?? nowMs);
  }
}
