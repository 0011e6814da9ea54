/**
 * Requests of an open loop whose time has come while every connection was busy. They wait in the order in which they
 * came and are sent late, which their response time tells; but only so many, and only so long. Pure.
 *
 * A queue without a bound would measure itself: where the server carries less than is asked of it, waiting grows for as
 * long as one measures, and says nothing but that. What is dropped counts as a request that did not meet its
 * objectives.
 */

/** A request that waits: its number, and when it was to be sent. */
export interface Waiting {
  readonly index: number;
  readonly scheduledMs: number;
}

/** A burst of a Poisson load finds room even before one or two connections. */
const LEAST_PLACES = 16;

export class Backlog {
  readonly #places: number;
  readonly #patienceMs: number;
  /** The earliest first. */
  readonly #waiting: Waiting[] = [];

  /**
   * As many may wait as there are connections: who is behind so many waits for about one whole answer more than its
   * own. None waits longer than a request may take (`patienceMs`): its user would have gone.
   */
  constructor(connections: number, patienceMs: number) {
    this.#places = Math.max(LEAST_PLACES, connections);
    this.#patienceMs = patienceMs;
  }

  /** Whether there was a place for it. */
  add(request: Waiting): boolean {
    if (this.#waiting.length >= this.#places) return false;
    this.#waiting.push(request);
    return true;
  }

  /** The next to be sent, null where none waits; and those that have waited too long, which are gone now. */
  take(nowMs: number): { readonly next: Waiting | null; readonly tooLate: readonly Waiting[] } {
    const patient = this.#waiting.findIndex(({ scheduledMs }) => nowMs - scheduledMs <= this.#patienceMs);
    const tooLate = this.#waiting.splice(0, patient < 0 ? this.#waiting.length : patient);
    return { next: this.#waiting.shift() ?? null, tooLate };
  }

  /** All that wait; they are gone now. */
  clear(): readonly Waiting[] {
    return this.#waiting.splice(0);
  }
}
