/** Follows a run to its end. */
import { isFinal } from '../core/run.ts';
import type { RunView } from '../http/run-view.ts';
import type { ApiClient } from './api-client.ts';
import { follow } from './follow.ts';

/** A run may queue for 24 hours and last 24 more; one hour beside that is for its release. */
const FOLLOW_LIMIT_MS = 49 * 3_600_000;

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

export async function followRun({ client, runId, ...following }: Following): Promise<Followed> {
  const followed = await follow<RunView>({
    ...following,
    name: `Run ${runId}`,
    read: () => client.readRun(runId),
    cancel: () => client.cancelRun(runId),
    isOver: ({ state }) => isFinal(state),
    cancelNote: 'the load stops, the endpoint is deleted, what was measured stays.',
    limitMs: FOLLOW_LIMIT_MS,
  });
  return followed.kind === 'left'
    ? { kind: 'left', run: followed.view }
    : { kind: 'final', run: followed.view, canceledByUs: followed.canceledByUs };
}
