/**
 * Bytes that come in pieces and are wanted as one. They are copied into one buffer that grows by doubling: to keep the
 * pieces themselves would cost an object of a hundred bytes for each, and a server that sends one byte at a time would
 * turn an answer within its bound into gigabytes.
 */

/** The rest of an event that a read has cut is a few hundred bytes. */
const LEAST_BYTES = 1_024;

export class GatheredBytes {
  #buffer: Buffer | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (this.#buffer === null || this.#buffer.length < length) {
      const grown = Buffer.allocUnsafe(Math.max(LEAST_BYTES, 2 * this.#length, length));
      this.#buffer?.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    piece.copy(this.#buffer, this.#length);
    this.#length = length;
  }

  /** All bytes so far, to be used before any is added; afterwards there are none. */
  take(): Buffer {
    const taken = this.#buffer?.subarray(0, this.#length) ?? EMPTY;
    this.#length = 0;
    return taken;
  }
}

const EMPTY = Buffer.alloc(0);
