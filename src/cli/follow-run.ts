/** Follows a run to its end. */
import { isFinal } from '../core/run.ts';
import type { RunView } from '../http/run-view.ts';
import type { ApiClient } from './api-client.ts';
import { type Followed, follow } from './follow.ts';

/** A run may queue for 24 hours and last 24 more; one hour beside that is for its release. */
const FOLLOW_LIMIT_MS = 49 * 3_600_000;

export interface RunFollowing {
  readonly client: ApiClient;
  readonly runId: string;
  readonly onView: (run: RunView) => void;
  readonly onNote: (text: string) => void;
  readonly interrupt: 'cancel' | 'leave';
}

export function followRun({ client, runId, ...following }: RunFollowing): Promise<Followed<RunView>> {
  return follow({
    ...following,
    name: `Run ${runId}`,
    read: () => client.readRun(runId),
    cancel: () => client.cancelRun(runId),
    isOver: ({ state }) => isFinal(state),
    cancelNote: 'the load stops, the endpoint is deleted, what was measured stays.',
    limitMs: FOLLOW_LIMIT_MS,
  });
}
