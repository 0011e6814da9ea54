/** Follows a comparison to its end. */
import { isFinal } from '../core/run.ts';
import type { ComparisonView } from '../http/comparison-view.ts';
import type { ApiClient } from './api-client.ts';
import { type Followed, follow } from './follow.ts';

/** Each target may queue for a day; a comparison lasts five days at the most besides. */
const FOLLOW_LIMIT_MS = 7 * 24 * 3_600_000;

export interface ComparisonFollowing {
  readonly client: ApiClient;
  readonly comparisonId: string;
  readonly onView: (comparison: ComparisonView) => void;
  readonly onNote: (text: string) => void;
  readonly interrupt: 'cancel' | 'leave';
}

export function followComparison({
  client,
  comparisonId,
  ...following
}: ComparisonFollowing): Promise<Followed<ComparisonView>> {
  return follow({
    ...following,
    name: `Comparison ${comparisonId}`,
    read: () => client.readComparison(comparisonId),
    cancel: () => client.cancelComparison(comparisonId),
    isOver: ({ state }) => isFinal(state),
    cancelNote: 'no further target is started, every endpoint is deleted, what was measured stays.',
    limitMs: FOLLOW_LIMIT_MS,
  });
}
