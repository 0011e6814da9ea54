/** Follows a run to its end, through restarts of the app, and cancels it gracefully where the reader interrupts. */
import { setTimeout as wait } from 'node:timers/promises';
import { isFinal } from '../core/run.ts';
import type { RunView } from '../http/run-view.ts';
import { type ApiClient, ApiError } from './api-client.ts';
import { onInterrupt } from './interrupt.ts';

/** A poll costs the app one read of a row. */
const POLL_MS = 500;

/** A host that was killed and started again, or an app that was deployed anew, is back within this. */
const SILENCE_LIMIT_MS = 120_000;

/** A run may queue for 24 hours and last 24 more; one hour beside that is for its release. */
const FOLLOW_LIMIT_MS = 49 * 3_600_000;

/** A release is given up after 20 minutes; the run is final soon after. */
const CANCEL_LIMIT_MS = 25 * 60_000;

export interface Following {
  readonly client: ApiClient;
  readonly runId: string;
  readonly onView: (run: RunView) => void;
  readonly onNote: (text: string) => void;
  /** `cancel`: the first interrupt cancels the run and waits; `leave`: it only stops following. */
  readonly interrupt: 'cancel' | 'leave';
}

export type Followed =
  | { readonly kind: 'final'; readonly run: RunView; readonly canceledByUs: boolean }
  /** The reader would not wait; the last that was seen of the run, if anything. */
  | { readonly kind: 'left'; readonly run: RunView | null };

export async function followRun({ client, runId, onView, onNote, interrupt }: Following): Promise<Followed> {
  const startMs = performance.now();
  let presses = 0;
  let canceling: { readonly sinceMs: number; accepted: boolean } | null = null;
  let seen: RunView | null = null;
  let heardMs = startMs;
  let pause = new AbortController();
  const stopListening = onInterrupt((count) => {
    presses = count;
    pause.abort();
  });
  try {
    for (;;) {
      const nowMs = performance.now();
      if (presses > 1 || (presses > 0 && interrupt === 'leave')) return { kind: 'left', run: seen };
      if (canceling !== null && nowMs - canceling.sinceMs > CANCEL_LIMIT_MS)
        return { kind: 'left', run: seen };
      if (nowMs - startMs > FOLLOW_LIMIT_MS) {
        throw new ApiError(`Run ${runId} did not end in two days; it is not followed further.`, null);
      }
      if (presses > 0 && canceling === null) {
        canceling = { sinceMs: nowMs, accepted: false };
        onNote(
          'Canceling: the load stops, the endpoint is deleted, what was measured stays. Ctrl-C again leaves at once.',
        );
      }
      try {
        if (canceling !== null && !canceling.accepted) {
          await cancelRun(client, runId);
          canceling.accepted = true;
        }
        seen = await client.readRun(runId);
        heardMs = performance.now();
        onView(seen);
        if (isFinal(seen.state)) return { kind: 'final', run: seen, canceledByUs: canceling !== null };
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

/** A run that ended meanwhile (409) needs no cancel. */
async function cancelRun(client: ApiClient, runId: string): Promise<void> {
  try {
    await client.cancelRun(runId);
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
