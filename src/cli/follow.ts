/**
 * Follows a run or a comparison to its end, through restarts of the app, and cancels it gracefully where the reader
 * interrupts.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { ApiError } from './api-client.ts';
import { onInterrupt } from './interrupt.ts';

/** A poll costs the app one read of a row. */
const POLL_MS = 500;

/** A host that was killed and started again, or an app that was deployed anew, is back within this. */
const SILENCE_LIMIT_MS = 120_000;

/** A release is given up after 20 minutes; what was canceled is final soon after. */
const CANCEL_LIMIT_MS = 25 * 60_000;

export interface Following<View> {
  /** As it is called in a sentence: `Run r123`. */
  readonly name: string;
  readonly read: () => Promise<View>;
  readonly cancel: () => Promise<unknown>;
  readonly isOver: (view: View) => boolean;
  readonly onView: (view: View) => void;
  readonly onNote: (text: string) => void;
  /** What a cancel does, for the reader. */
  readonly cancelNote: string;
  /** `cancel`: the first interrupt cancels and waits; `leave`: it only stops following. */
  readonly interrupt: 'cancel' | 'leave';
  readonly limitMs: number;
}

export type Followed<View> =
  | { readonly kind: 'final'; readonly view: View; readonly canceledByUs: boolean }
  /** The reader would not wait; the last that was seen, if anything. */
  | { readonly kind: 'left'; readonly view: View | null };

export async function follow<View>(following: Following<View>): Promise<Followed<View>> {
  const { interrupt, onNote } = following;
  const startMs = performance.now();
  let presses = 0;
  let canceling: { readonly sinceMs: number; accepted: boolean } | null = null;
  let seen: View | null = null;
  let heardMs = startMs;
  let pause = new AbortController();
  const stopListening = onInterrupt((count) => {
    presses = count;
    pause.abort();
  });
  try {
    for (;;) {
      const nowMs = performance.now();
      if (presses > 1 || (presses > 0 && interrupt === 'leave')) return { kind: 'left', view: seen };
      if (canceling !== null && nowMs - canceling.sinceMs > CANCEL_LIMIT_MS)
        return { kind: 'left', view: seen };
      if (nowMs - startMs > following.limitMs) {
        const hours = Math.round(following.limitMs / 3_600_000);
        throw new ApiError(
          `${following.name} did not end within ${hours} hours; it is not followed further.`,
          null,
        );
      }
      if (presses > 0 && canceling === null) {
        canceling = { sinceMs: nowMs, accepted: false };
        onNote(`Canceling: ${following.cancelNote} Ctrl-C again leaves at once.`);
      }
      try {
        if (canceling !== null && !canceling.accepted) {
          await cancelUnlessOver(following.cancel);
          canceling.accepted = true;
        }
        seen = await following.read();
        heardMs = performance.now();
        following.onView(seen);
        if (following.isOver(seen)) return { kind: 'final', view: seen, canceledByUs: canceling !== null };
      } catch (error) {
        if (!isPassing(error) || performance.now() - heardMs > SILENCE_LIMIT_MS) throw error;
      }
      pause = new AbortController();
      await wait(POLL_MS, null, { signal: pause.signal }).catch(() => {});
    }
  } finally {
    stopListening();
  }
}

/** What ended meanwhile (409) needs no cancel. */
async function cancelUnlessOver(cancel: () => Promise<unknown>): Promise<void> {
  try {
    await cancel();
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
}

/** What may be over at the next poll: no answer, or a gateway that has no app behind it for the moment. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof ApiError && (error.status === null || [429, 500, 502, 503, 504].includes(error.status))
  );
}
