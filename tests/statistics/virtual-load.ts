/** A closed loop in virtual time, for what must be shown over thousands of repeats. */
import { SliceRecorder, type SliceTrace } from '../../src/core/measuring/slices.ts';

export interface VirtualLoad {
  readonly connections: number;
  readonly seconds: number;
  readonly outputTokens: number;
  /** Milliseconds that a request sent at this moment takes. */
  readonly serviceMs: (sentMs: number) => number;
  /** Milliseconds between an answer and the next request of its connection. */
  readonly idleMs?: number;
  /** All connections begin at once, and so answer at once while service times are equal. */
  readonly together?: boolean;
}

/** Runs a shard from moment 0 on and gives its trace. */
export function runVirtualLoad(load: VirtualLoad): SliceTrace {
  const { connections, seconds, outputTokens, serviceMs, idleMs = 0, together = false } = load;
  const recorder = new SliceRecorder(connections, 0);
  const endMs = seconds * 1000;
  const spreadMs = together ? 0 : serviceMs(0) / connections;
  const answered = new Set<number>();
  /** Each connection's next event, in time order when taken by the earliest. */
  const next = Array.from({ length: connections }, (_, index) => ({
    index,
    atMs: index * spreadMs,
    sentMs: null as number | null,
  }));
  for (;;) {
    const event = next.reduce((earliest, other) => (other.atMs < earliest.atMs ? other : earliest));
    if (event.atMs >= endMs) break;
    if (event.sentMs === null) {
      recorder.enter(event.atMs);
      event.sentMs = event.atMs;
      event.atMs += serviceMs(event.atMs);
      continue;
    }
    recorder.leave(event.atMs);
    recorder.complete(event.atMs, event.atMs - event.sentMs, outputTokens);
    answered.add(event.index);
    if (answered.size === connections) recorder.openWindow(event.atMs);
    event.sentMs = null;
    event.atMs += idleMs;
  }
  recorder.closeWindow(endMs);
  return recorder.trace(endMs);
}
