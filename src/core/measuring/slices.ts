/**
 * A repeat over time, small enough to be stored: requests in flight and answers in slices of equal length. A shard
 * records its own; the shards of a repeat begin together, so theirs add up. It is what the gates of steady.ts judge.
 *
 * The number of slices is bounded, not their length: when they run out, neighbours are merged and the slices are
 * twice as long from then on. Lengths are therefore the first one times a power of two, and any two fit together.
 */

/** Columns of equal length, one entry a slice from the shard's beginning on. */
export interface SliceTrace {
  readonly connections: number;
  readonly sliceMs: number;
  /** From when every connection had its first answer until issuing stopped, from the beginning; null: no window. */
  readonly window: { readonly beginMs: number; readonly endMs: number } | null;
  /** Request-milliseconds in flight during the slice. */
  readonly inFlightMs: readonly number[];
  /** Good answers that came in the slice, the sum of their E2E, and of their output tokens (or other units). */
  readonly completions: readonly number[];
  readonly e2eMs: readonly number[];
  readonly outputTokens: readonly number[];
}

/** 128 slices lose at most 1 in 64 of the time at the edges of a window, and fit a row with 4 kB. */
export const MAX_SLICES = 128;
/** Short enough for a window of a second, which fast endpoints reach. */
export const FIRST_SLICE_MS = 100;

/**
 * Records a shard's trace. All moments are milliseconds on one monotonic clock; they need not come in order by more
 * than the clock's own reading, and one before the beginning counts as the beginning.
 */
export class SliceRecorder {
  readonly #connections: number;
  readonly #beganMs: number;
  #sliceMs = FIRST_SLICE_MS;
  #inFlight = 0;
  #advancedMs = 0;
  #window: { beginMs: number; endMs: number | null } | null = null;
  #inFlightMs: number[] = [];
  #completions: number[] = [];
  #e2eMs: number[] = [];
  #outputTokens: number[] = [];

  constructor(connections: number, beganMs: number) {
    this.#connections = connections;
    this.#beganMs = beganMs;
  }

  /** A request was sent. */
  enter(nowMs: number): void {
    this.#advance(nowMs);
    this.#inFlight += 1;
  }

  /** It was answered, or failed. */
  leave(nowMs: number): void {
    this.#advance(nowMs);
    this.#inFlight -= 1;
  }

  /** A good answer has come. */
  complete(nowMs: number, e2eMs: number, outputTokens: number): void {
    this.#advance(nowMs);
    const slice = this.#sliceAt(Math.max(0, nowMs - this.#beganMs));
    add(this.#completions, slice, 1);
    add(this.#e2eMs, slice, e2eMs);
    add(this.#outputTokens, slice, outputTokens);
  }

  openWindow(nowMs: number): void {
    this.#window ??= { beginMs: nowMs - this.#beganMs, endMs: null };
  }

  /** Ends the window, once; without one, nothing happens. */
  closeWindow(nowMs: number): void {
    if (this.#window !== null) this.#window.endMs ??= nowMs - this.#beganMs;
  }

  /** The trace until now; a window that is open ends now. */
  trace(nowMs: number): SliceTrace {
    this.#advance(nowMs);
    const slices = this.#inFlightMs.length;
    const column = (values: readonly number[]) =>
      Array.from({ length: slices }, (_, slice) => values[slice] ?? 0);
    return {
      connections: this.#connections,
      sliceMs: this.#sliceMs,
      window:
        this.#window === null
          ? null
          : { beginMs: this.#window.beginMs, endMs: this.#window.endMs ?? nowMs - this.#beganMs },
      inFlightMs: column(this.#inFlightMs),
      completions: column(this.#completions),
      e2eMs: column(this.#e2eMs),
      outputTokens: column(this.#outputTokens),
    };
  }

  /** Spreads what is in flight over the slices since the last moment told; at most `MAX_SLICES` turns. */
  #advance(nowMs: number): void {
    const untilMs = nowMs - this.#beganMs;
    if (untilMs <= this.#advancedMs) return;
    const last = this.#sliceAt(untilMs);
    let slice = this.#sliceAt(this.#advancedMs);
    for (let fromMs = this.#advancedMs; slice <= last; slice += 1) {
      const toMs = Math.min(untilMs, (slice + 1) * this.#sliceMs);
      add(this.#inFlightMs, slice, this.#inFlight * (toMs - fromMs));
      fromMs = toMs;
    }
    this.#advancedMs = untilMs;
  }

  /** The slice of a moment, after making the slices long enough to hold it. */
  #sliceAt(ms: number): number {
    while (ms >= MAX_SLICES * this.#sliceMs) {
      this.#sliceMs *= 2;
      this.#inFlightMs = pairUp(this.#inFlightMs);
      this.#completions = pairUp(this.#completions);
      this.#e2eMs = pairUp(this.#e2eMs);
      this.#outputTokens = pairUp(this.#outputTokens);
    }
    return Math.floor(ms / this.#sliceMs);
  }
}

/**
 * The repeat of all its shards: slices add up after all were made as long as the longest, and the window is where
 * every shard has one. Throws for an empty list, which is a bug of the caller.
 */
export function mergeTraces(traces: readonly SliceTrace[]): SliceTrace {
  if (traces.length === 0) throw new Error('A repeat without a shard has no trace.');
  const sliceMs = Math.max(...traces.map((trace) => trace.sliceMs));
  const alike = traces.map((trace) => lengthen(trace, sliceMs));
  const slices = Math.max(...alike.map((trace) => trace.inFlightMs.length));
  const column = (values: (trace: SliceTrace) => readonly number[]) =>
    Array.from({ length: slices }, (_, slice) =>
      alike.reduce((sum, trace) => sum + (values(trace)[slice] ?? 0), 0),
    );
  return {
    connections: traces.reduce((sum, trace) => sum + trace.connections, 0),
    sliceMs,
    window: commonWindow(traces),
    inFlightMs: column((trace) => trace.inFlightMs),
    completions: column((trace) => trace.completions),
    e2eMs: column((trace) => trace.e2eMs),
    outputTokens: column((trace) => trace.outputTokens),
  };
}

function commonWindow(traces: readonly SliceTrace[]): SliceTrace['window'] {
  const windows = traces.map((trace) => trace.window).filter((window) => window !== null);
  if (windows.length < traces.length) return null;
  const beginMs = Math.max(...windows.map((window) => window.beginMs));
  const endMs = Math.min(...windows.map((window) => window.endMs));
  return endMs > beginMs ? { beginMs, endMs } : null;
}

function lengthen(trace: SliceTrace, sliceMs: number): SliceTrace {
  let { inFlightMs, completions, e2eMs, outputTokens } = trace;
  for (let ms = trace.sliceMs; ms < sliceMs; ms *= 2) {
    inFlightMs = pairUp(inFlightMs);
    completions = pairUp(completions);
    e2eMs = pairUp(e2eMs);
    outputTokens = pairUp(outputTokens);
  }
  return { ...trace, sliceMs, inFlightMs, completions, e2eMs, outputTokens };
}

function pairUp(values: readonly number[]): number[] {
  return Array.from(
    { length: Math.ceil(values.length / 2) },
    (_, pair) => (values[2 * pair] ?? 0) + (values[2 * pair + 1] ?? 0),
  );
}

function add(values: number[], index: number, amount: number): void {
  while (values.length <= index) values.push(0);
  values[index] = (values[index] ?? 0) + amount;
}
