/**
 * The front door of a deployment: at most 2 x maxConcurrentRequestsPerInstance x instances requests are in the
 * system, half of them running and half waiting; the rest are turned away at once (the documented rule of managed
 * online endpoints).
 */

/** One request that wants to be served. */
export interface Ticket {
  /** Called once, when an instance has a free place: at once, or when another leaves. */
  readonly onStart: (instance: number, atMs: number) => void;
}

export class Admission {
  readonly #maxConcurrentPerInstance: number;
  readonly #runningByInstance: number[];
  readonly #running = new Map<Ticket, number>();
  /** In order of arrival. */
  readonly #waiting = new Set<Ticket>();

  constructor(maxConcurrentPerInstance: number, instances: number) {
    this.#maxConcurrentPerInstance = maxConcurrentPerInstance;
    this.#runningByInstance = new Array<number>(instances).fill(0);
  }

  /** False when the system is full. */
  enter(ticket: Ticket, atMs: number): boolean {
    const capacity = 2 * this.#maxConcurrentPerInstance * this.#runningByInstance.length;
    if (this.#running.size + this.#waiting.size >= capacity) return false;
    this.#waiting.add(ticket);
    this.#startNext(atMs);
    return true;
  }

  /** Frees the place of a request that is done or gone; the longest waiting one starts at that time. */
  leave(ticket: Ticket, atMs: number): void {
    this.#waiting.delete(ticket);
    const instance = this.#running.get(ticket);
    if (instance === undefined) return;
    this.#running.delete(ticket);
    this.#runningByInstance[instance] = (this.#runningByInstance[instance] ?? 1) - 1;
    this.#startNext(atMs);
  }

  #startNext(atMs: number): void {
    const [ticket] = this.#waiting;
    const instance = this.#leastBusyInstance();
    const isFree = (this.#runningByInstance[instance] ?? 0) < this.#maxConcurrentPerInstance;
    if (ticket === undefined || !isFree) return;
    this.#waiting.delete(ticket);
    this.#running.set(ticket, instance);
    this.#runningByInstance[instance] = (this.#runningByInstance[instance] ?? 0) + 1;
    ticket.onStart(instance, atMs);
  }

  #leastBusyInstance(): number {
    return this.#runningByInstance.indexOf(Math.min(...this.#runningByInstance));
  }
}
