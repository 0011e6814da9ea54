/**
 * The worker processes of a container's web server. The public serving image waits inside a call of its own routes
 * until the engine has answered, so that each worker serves one such call at a time, however many the front door lets
 * in (`WORKER_COUNT`, 1 where the deployment does not set it).
 */

/** One call that waits for a worker. */
export interface Turn {
  /** Called once, when a worker is free: at once, or when another call has left one. */
  readonly onTurn: (atMs: number) => void;
}

export class Workers {
  readonly #count: number;
  readonly #busy = new Set<Turn>();
  /** In order of arrival. */
  readonly #waiting = new Set<Turn>();

  constructor(count: number) {
    this.#count = count;
  }

  enter(turn: Turn, atMs: number): void {
    this.#waiting.add(turn);
    this.#startNext(atMs);
  }

  /** Frees the worker of a call that is done or gone; the longest waiting one has its turn at that time. */
  leave(turn: Turn, atMs: number): void {
    this.#waiting.delete(turn);
    if (this.#busy.delete(turn)) this.#startNext(atMs);
  }

  #startNext(atMs: number): void {
    const [turn] = this.#waiting;
    if (turn === undefined || this.#busy.size >= this.#count) return;
    this.#waiting.delete(turn);
    this.#busy.add(turn);
    turn.onTurn(atMs);
  }
}
