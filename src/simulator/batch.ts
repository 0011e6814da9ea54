/**
 * Continuous batching on one instance, as a schedule of absolute times: nothing here reads a clock or sets a timer.
 *
 * The instance does one piece of work after another. A prefill reads one prompt and emits its first token at its
 * end; a step emits one token for each running sequence. Prefills go first, as in vLLM, so decoding pauses while
 * a prompt is read. Each piece begins at the scheduled end of the one before, however late the caller comes to
 * ask, so that lateness of timers never adds up.
 */
import type { InstanceTimes } from './gpu.ts';

/** One request on an instance. */
export interface Sequence {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Tokens of the prompt whose work is not to be done: a prefix cache holds them. */
  readonly cachedTokens?: number;
  /** Work in place of reading the prompt, in milliseconds, where it generates no text. */
  readonly workMs?: number;
  /** Multiplies the time of this request's own work; alone on an instance, all of its time. */
  readonly slowness?: number;
  /** When it reaches the engine; it waits there for memory and its turn. */
  readonly arrivesAtMs: number;
  /** Called for each token, in order, with the time the schedule has for it. */
  readonly onToken: (scheduledAtMs: number, position: number) => void;
}

interface Entry {
  readonly sequence: Sequence;
  emitted: number;
  removed: boolean;
}

type Work =
  | { readonly kind: 'prefill'; readonly endsAtMs: number; readonly entry: Entry }
  | { readonly kind: 'step'; readonly endsAtMs: number };

export class Batch {
  readonly #times: InstanceTimes;
  readonly #onWork: (beginMs: number, endMs: number) => void;
  /** By arrival; the first is the next to be read. */
  #waiting: Entry[] = [];
  #running: Entry[] = [];
  #work: Work | undefined;
  /** The scheduled end of the last piece of work. */
  #clockMs = Number.NEGATIVE_INFINITY;

  /** `onWork` is told of each piece of work, when it ends. */
  constructor(times: InstanceTimes, onWork: (beginMs: number, endMs: number) => void = () => {}) {
    this.#times = times;
    this.#onWork = onWork;
  }

  /** Takes a request in. It may be called from `onToken`. */
  add(sequence: Sequence): void {
    const after = this.#waiting.findLastIndex((entry) => entry.sequence.arrivesAtMs <= sequence.arrivesAtMs);
    this.#waiting.splice(after + 1, 0, { sequence, emitted: 0, removed: false });
  }

  /** Takes a request out before its end; a step under way keeps its length. */
  remove(sequence: Sequence): void {
    for (const entry of [...this.#waiting, ...this.#running]) {
      if (entry.sequence === sequence) entry.removed = true;
    }
    if (this.#work?.kind === 'prefill' && this.#work.entry.sequence === sequence)
      this.#work.entry.removed = true;
    this.#waiting = this.#waiting.filter((entry) => !entry.removed);
  }

  /** When something is due next, or undefined while there is nothing to do. */
  nextAtMs(): number | undefined {
    if (this.#work !== undefined) return this.#work.endsAtMs;
    if (this.#running.some((entry) => !entry.removed)) return this.#clockMs;
    const first = this.#waiting[0];
    return first && Math.max(this.#clockMs, first.sequence.arrivesAtMs);
  }

  /** Does all work that was to end by `nowMs`. Bounded by the tokens still to be emitted. */
  advanceTo(nowMs: number): void {
    for (;;) {
      this.#work ??= this.#begin(nowMs);
      if (this.#work === undefined || this.#work.endsAtMs > nowMs) return;
      this.#finish(this.#work);
    }
  }

  #begin(nowMs: number): Work | undefined {
    this.#running = this.#running.filter((entry) => !entry.removed && !isDone(entry));
    const first = this.#waiting[0];
    if (this.#running.length === 0) {
      if (first === undefined || first.sequence.arrivesAtMs > nowMs) return undefined;
      this.#clockMs = Math.max(this.#clockMs, first.sequence.arrivesAtMs);
    }
    if (first !== undefined && first.sequence.arrivesAtMs <= this.#clockMs && this.#hasRoomFor(first)) {
      this.#waiting.shift();
      const endsAtMs = this.#clockMs + this.#prefillMs(first.sequence);
      return { kind: 'prefill', entry: first, endsAtMs };
    }
    return { kind: 'step', endsAtMs: this.#clockMs + this.#stepMs() };
  }

  #prefillMs(sequence: Sequence): number {
    const { promptTokens, cachedTokens = 0, workMs, slowness = 1 } = sequence;
    const ms = workMs ?? this.#times.prefillMs(promptTokens - cachedTokens);
    return ms * slowness * this.#times.slownessAt(this.#clockMs);
  }

  #stepMs(): number {
    let contextTokens = 0;
    let slowness = 0;
    for (const { sequence } of this.#running) {
      contextTokens += meanContextTokens(sequence);
      slowness += sequence.slowness ?? 1;
    }
    const stepMs = this.#times.stepMs(this.#running.length, contextTokens);
    return stepMs * (slowness / this.#running.length) * this.#times.slownessAt(this.#clockMs);
  }

  #finish(work: Work): void {
    this.#onWork(this.#clockMs, work.endsAtMs);
    this.#clockMs = work.endsAtMs;
    this.#work = undefined;
    if (work.kind === 'prefill') this.#running.push(work.entry);
    for (const entry of work.kind === 'prefill' ? [work.entry] : this.#running) {
      if (entry.removed) continue;
      entry.emitted += 1;
      entry.sequence.onToken(work.endsAtMs, entry.emitted - 1);
    }
  }

  /** An empty instance takes any request: what could never fit was refused before it came here. */
  #hasRoomFor(entry: Entry): boolean {
    if (this.#running.length === 0) return true;
    const held = this.#running.reduce((sum, other) => sum + wholeTokens(other.sequence), 0);
    return (
      this.#running.length < this.#times.maxSequences &&
      held + wholeTokens(entry.sequence) <= this.#times.kvCapacityTokens
    );
  }
}

function isDone(entry: Entry): boolean {
  return entry.emitted >= entry.sequence.outputTokens;
}

function wholeTokens(sequence: Sequence): number {
  return sequence.promptTokens + sequence.outputTokens;
}

/** The context over the life of an answer; its mean stands for it, so that a step's length changes with the batch only. */
function meanContextTokens(sequence: Sequence): number {
  return sequence.promptTokens + sequence.outputTokens / 2;
}
