/** A rate limit as a bucket: it holds what one second brings, and fills evenly. Nothing here reads a clock. */
export class Rate {
  readonly #perMs: number;
  readonly #most: number;
  #level: number;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1000;
    this.#most = perSecond;
    this.#level = perSecond;
  }

  /** Takes it where all of it is there. */
  tryTake(amount: number, nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#level < amount) return false;
    this.#level -= amount;
    return true;
  }

  /** Takes it in any case and gives the milliseconds until it would have been there; who comes later waits longer. */
  take(amount: number, nowMs: number): number {
    this.#fill(nowMs);
    this.#level -= amount;
    return this.#level >= 0 ? 0 : -this.#level / this.#perMs;
  }

  #fill(nowMs: number): void {
    const sinceMs = nowMs - this.#atMs;
    if (sinceMs <= 0) return;
    this.#atMs = nowMs;
    this.#level = sinceMs === Number.POSITIVE_INFINITY ? this.#most : this.#level + sinceMs * this.#perMs;
    if (this.#level > this.#most) this.#level = this.#most;
  }
}
