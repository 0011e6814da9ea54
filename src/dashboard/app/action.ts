/** What a button does: it happens, then the view is read again where that shows; what went wrong is told until the next time. */
import { useState } from 'preact/hooks';
import type { ApiProblem } from './api.ts';
import { asProblem } from './poll.ts';

export interface Actions {
  /** Why the last action failed; null where it did not. */
  readonly actionProblem: ApiProblem | null;
  readonly forgetProblem: () => void;
  readonly act: (action: () => Promise<unknown>) => void;
}

export function useActions(refresh: () => void = () => {}): Actions {
  const [actionProblem, setActionProblem] = useState<ApiProblem | null>(null);
  const forgetProblem = () => setActionProblem(null);
  const act = (action: () => Promise<unknown>) =>
    void action().then(
      () => {
        forgetProblem();
        refresh();
      },
      (error: unknown) => setActionProblem(asProblem(error)),
    );
  return { actionProblem, forgetProblem, act };
}
