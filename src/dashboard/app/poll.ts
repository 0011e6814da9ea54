/** Reading something again and again while somebody looks at it. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiProblem } from './api.ts';

/** After a call that failed. */
const RETRY_MS = 5_000;

export interface Polled<Value> {
  /** The last that was read; null before the first. */
  readonly value: Value | null;
  /** Why the last reading failed; null where it did not. */
  readonly problem: ApiProblem | null;
  /** Reads now, whatever the timer says. */
  readonly refresh: () => void;
}

/**
 * Reads at once, and again after the wait that the value asks for (null: not again). It rests while the page is hidden
 * and where the reader gave no key. `subject` names what is read; another subject starts anew.
 */
export function usePolled<Value>(
  subject: string,
  read: () => Promise<Value>,
  waitMs: (value: Value) => number | null,
): Polled<Value> {
  const [state, setState] = useState<Omit<Polled<Value>, 'refresh'>>({ value: null, problem: null });
  const [turn, setTurn] = useState(0);
  const latest = useRef({ read, waitMs });
  latest.current = { read, waitMs };

  // The turn and the subject are what a reading is for; how to read is taken as it is then.
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (ms: number | null) => {
      if (ms !== null && !isOver && !document.hidden)
        timer = setTimeout(() => setTurn((last) => last + 1), ms);
    };
    latest.current.read().then(
      (value) => {
        if (isOver) return;
        setState({ value, problem: null });
        again(latest.current.waitMs(value));
      },
      (error: unknown) => {
        if (isOver) return;
        const problem = asProblem(error);
        setState((last) => ({ value: last.value, problem }));
        again(problem.needsKey ? null : RETRY_MS);
      },
    );
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [turn, subject]);

  const refresh = useCallback(() => setTurn((last) => last + 1), []);
  useEffect(() => {
    const onVisibility = () => {
      if (!document.hidden) refresh();
    };
    document.addEventListener('visibilitychange', onVisibility);
    return () => document.removeEventListener('visibilitychange', onVisibility);
  }, [refresh]);
  return { ...state, refresh };
}

export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem(
    'The page could not read that answer; reload it, for the host may be newer than the page.',
    {
      cause: error,
    },
  );
}

/** The time, to the second, while something counts down. */
export function useNow(everyMs: number): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return nowMs;
}
