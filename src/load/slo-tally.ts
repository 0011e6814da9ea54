/** Counts which requests of a shard kept their objectives. */
import type { Sample } from '../core/measuring/sample.ts';
import { judgeSample, type Slo, type SloCounts, type StreamTimes } from '../core/spec/slo.ts';

export class SloTally {
  readonly #slo: Slo;
  readonly #fromScheduled: boolean;
  /** Whether streams were held back is known only at the end, so each request is judged for every case. */
  readonly #judged: Readonly<Record<StreamTimes, Judged>> = {
    seen: { met: 0, notEvaluable: 0, outputTokensMet: 0 },
    unsure: { met: 0, notEvaluable: 0, outputTokensMet: 0 },
    'held-back': { met: 0, notEvaluable: 0, outputTokensMet: 0 },
  };
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
    this.#judge(sample, 'seen');
    this.#judge(sample, 'unsure');
    this.#judge(sample, 'held-back');
  }

  /** A request that was never sent kept nothing. */
  addDropped(): void {
    this.#attempted += 1;
  }

  counts(streamTimes: StreamTimes): SloCounts {
    return { attempted: this.#attempted, succeeded: this.#succeeded, ...this.#judged[streamTimes] };
  }

  #judge(sample: Sample, streamTimes: StreamTimes): void {
    const verdict = judgeSample(sample, this.#slo, this.#fromScheduled, streamTimes);
    const into = this.#judged[streamTimes];
    if (verdict === 'not-evaluable') into.notEvaluable += 1;
    if (verdict !== 'met') return;
    into.met += 1;
    into.outputTokensMet += sample.outputTokens;
  }
}

interface Judged {
  met: number;
  notEvaluable: number;
  outputTokensMet: number;
}
