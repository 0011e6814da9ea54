/**
 * What sockets have read and nobody has parsed yet. Bytes are stamped when the socket gives them and wait here: first
 * all sockets that have something are read, then what they gave is parsed, in the order in which it came. So no token
 * waits unstamped behind the parsing of another connection's, and streams that a batching server writes to in one
 * step are stamped microseconds apart. One queue for all connections of a thread.
 */
import { monotonicMs } from './clock.ts';

/** After so long the sockets are read again before more is parsed, or parsing would delay the stamps all the same. */
const SLICE_MS = 0.1;
/** With more bytes than this waiting they are parsed at once: it bounds memory, and makes a flooding server wait. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

/** Bytes, or `null` for the end of them, or the error that ended them. */
export type Arrived = Buffer | null | Error;

export interface Recipient {
  take(arrived: Arrived, arrivedMs: number): void;
}

interface Arrival {
  readonly recipient: Recipient;
  readonly arrived: Arrived;
  readonly arrivedMs: number;
}

export class ArrivalQueue {
  #arrivals: Arrival[] = [];
  #next = 0;
  #waitingBytes = 0;
  #scheduled = false;

  add(recipient: Recipient, arrived: Arrived, arrivedMs: number): void {
    this.#arrivals.push({ recipient, arrived, arrivedMs });
    this.#waitingBytes += sizeOf(arrived);
    if (this.#waitingBytes > MOST_WAITING_BYTES) this.#deliver(Number.POSITIVE_INFINITY);
    else this.#schedule();
  }

  /** An immediate runs when every socket that was readable has been read, and before any is read again. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#deliver(monotonicMs() + SLICE_MS);
    });
  }

  #deliver(untilMs: number): void {
    while (this.#next < this.#arrivals.length) {
      const arrival = this.#arrivals[this.#next] as Arrival;
      this.#next += 1;
      this.#waitingBytes -= sizeOf(arrival.arrived);
      arrival.recipient.take(arrival.arrived, arrival.arrivedMs);
      if (this.#next < this.#arrivals.length && monotonicMs() >= untilMs) {
        this.#schedule();
        return;
      }
    }
    this.#arrivals = [];
    this.#next = 0;
  }
}

function sizeOf(arrived: Arrived): number {
  return arrived instanceof Uint8Array ? arrived.length : 0;
}
