/** One instance that runs in real time: a batch's schedule and the single timer that follows it. */
import { Batch, type Sequence } from './batch.ts';
import type { InstanceTimes } from './gpu.ts';

export class Engine {
  readonly #batch: Batch;
  #timer: NodeJS.Timeout | undefined;
  #advancing = false;

  constructor(times: InstanceTimes, onWork: (beginMs: number, endMs: number) => void) {
    this.#batch = new Batch(times, onWork);
  }

  add(sequence: Sequence): void {
    this.#batch.add(sequence);
    this.#arm();
  }

  remove(sequence: Sequence): void {
    this.#batch.remove(sequence);
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#advancing) return; // armed at the end of the advance
    clearTimeout(this.#timer);
    const nextAtMs = this.#batch.nextAtMs();
    if (nextAtMs === undefined) return;
    // Rounded up: a timer that fires a fraction early would only be set again.
    this.#timer = setTimeout(() => this.#advance(), Math.max(0, Math.ceil(nextAtMs - performance.now())));
  }

  #advance(): void {
    this.#advancing = true;
    try {
      this.#batch.advanceTo(performance.now());
    } finally {
      this.#advancing = false;
      this.#arm();
    }
  }
}
