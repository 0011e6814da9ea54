/** Counts which requests of a shard kept their objectives. */
import type { Sample } from '../core/measuring/sample.ts';
import { judgeSample, type Slo, type SloCounts } from '../core/spec/slo.ts';

export class SloTally {
  readonly #slo: Slo;
  readonly #fromScheduled: boolean;
  /**
   * Whether streams were held back is known only at the end, and then their times to the first token are none: what
   * they would have decided is counted a second time without them.
   */
  readonly #asTold = { met: 0, notEvaluable: 0, outputTokensMet: 0 };
  readonly #withoutTtft = { met: 0, notEvaluable: 0, outputTokensMet: 0 };
  #attempted = 0;
  #succeeded = 0;

  constructor(slo: Slo, fromScheduled: boolean) {
    this.#slo = slo;
    this.#fromScheduled = fromScheduled;
  }

  add(sample: Sample): void {
    this.#attempted += 1;
    if (sample.failure !== null) return;
    this.#succeeded += 1;
    this.#judge(sample, this.#asTold);
    const needsTtft = this.#slo.ttftMs !== null || this.#slo.tpotMs !== null;
    this.#judge(needsTtft ? { ...sample, ttftMs: null } : sample, this.#withoutTtft);
  }

  /** A request that was never sent kept nothing. */
  addDropped(): void {
    this.#attempted += 1;
  }

  counts(streamsHeldBack: boolean): SloCounts {
    const judged = streamsHeldBack ? this.#withoutTtft : this.#asTold;
    return { attempted: this.#attempted, succeeded: this.#succeeded, ...judged };
  }

  #judge(sample: Sample, into: { met: number; notEvaluable: number; outputTokensMet: number }): void {
    const verdict = judgeSample(sample, this.#slo, this.#fromScheduled);
    if (verdict === 'not-evaluable') into.notEvaluable += 1;
    if (verdict !== 'met') return;
    into.met += 1;
    into.outputTokensMet += sample.outputTokens;
  }
}
