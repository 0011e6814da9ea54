/**
 * The way of samples out of the load thread: in batches, so that a message is not sent for each, and never more than
 * a bound of them under way, so that a slow disk holds the load up (and is seen as a send delay) and never fills the
 * memory.
 */
import type { Sample } from '../core/measuring/sample.ts';

/** A batch of samples, or of gaps where answers are long: about 100 kB. */
const BATCH_SAMPLES = 64;
const BATCH_GAPS = 8_192;
/** A sample waits no longer than this for others. */
const BATCH_MS = 100;
/** Batches that were sent and not yet taken. */
const BATCHES_UNDER_WAY = 8;

export class SampleOutlet {
  readonly #send: (samples: readonly Sample[]) => void;
  #batch: Sample[] = [];
  #gaps = 0;
  #underWay = 0;
  #timer: NodeJS.Timeout | null = null;
  #room: PromiseWithResolvers<void> | null = null;
  #bounded = true;

  constructor(send: (samples: readonly Sample[]) => void) {
    this.#send = send;
  }

  /** Takes a sample. What it gives, where it gives something, resolves when there is room for another. */
  push(sample: Sample): Promise<void> | void {
    this.#batch.push(sample);
    this.#gaps += sample.gapsMs.length;
    if (this.#batch.length >= BATCH_SAMPLES || this.#gaps >= BATCH_GAPS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_MS);
    if (!this.#bounded || this.#underWay < BATCHES_UNDER_WAY) return;
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** Sends what there is. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#gaps = 0;
    this.#underWay += 1;
    this.#send(batch);
  }

  /** The other side has taken a batch. */
  acknowledge(): void {
    this.#underWay -= 1;
    if (this.#underWay < BATCHES_UNDER_WAY) this.#makeRoom();
  }

  /** Nobody shall wait any more: the load is being abandoned. */
  release(): void {
    this.#bounded = false;
    this.#makeRoom();
  }

  #makeRoom(): void {
    this.#room?.resolve();
    this.#room = null;
  }
}
