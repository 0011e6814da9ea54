/** What every form does that starts something: it shows the plan, and starts only what the shown plan is of. */
import { useRef, useState } from 'preact/hooks';
import type { Fault } from '../../core/failure.ts';
import { writeUsd } from '../wording.ts';
import type { Api, ApiProblem } from './api.ts';
import { newKey } from './idempotency-key.ts';
import { asProblem } from './poll.ts';

/** What every plan says first. */
interface Bounded {
  readonly plan: { readonly boundUsd: number | null };
}

/** A plan together with the body that it is of, and the key under which that body starts one at the most. */
interface Planned<Answer> {
  readonly answer: Answer;
  readonly body: object;
  readonly idempotencyKey: string;
}

export interface PlannedStart<Answer> {
  readonly planned: Planned<Answer> | null;
  /** Why the last body was refused; none where it was not. */
  readonly faults: readonly Fault[];
  readonly problem: ApiProblem | null;
  readonly busy: 'planning' | 'starting' | null;
  /** The element that tells what is wrong; it takes the focus then. */
  readonly summary: preact.RefObject<HTMLDivElement | null>;
  /** Another form has another plan. */
  readonly forget: () => void;
  readonly plan: (compose: () => object) => Promise<void>;
  readonly start: () => void;
}

export interface StartedAt {
  readonly api: Api;
  /** Where to POST what is to be started. */
  readonly path: string;
  readonly onStarted: (id: string) => void;
}

export function usePlannedStart<Answer extends Bounded>({
  api,
  path,
  onStarted,
}: StartedAt): PlannedStart<Answer> {
  const [planned, setPlanned] = useState<Planned<Answer> | null>(null);
  const [faults, setFaults] = useState<readonly Fault[]>(NO_FAULTS);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [busy, setBusy] = useState<'planning' | 'starting' | null>(null);
  const summary = useRef<HTMLDivElement>(null);
  const version = useRef(0);
  const keys = useRef(new Map<string, string>());

  /** A body has one key as long as the form is shown: whether a start that failed has started it, nobody may know. */
  const keyOf = (body: object): string => {
    const text = JSON.stringify(body);
    const key = keys.current.get(text) ?? newKey();
    keys.current.set(text, key);
    return key;
  };

  const attempt = async (what: 'planning' | 'starting', action: () => Promise<void>) => {
    setBusy(what);
    setProblem(null);
    setFaults(NO_FAULTS);
    try {
      await action();
    } catch (error) {
      const wrong = asProblem(error);
      if (wrong.status === 400 && wrong.faults.length > 0) {
        setPlanned(null);
        setFaults(wrong.faults);
      } else {
        // The plan stays, and a second attempt goes under the same key: it starts no second one.
        setProblem(wrong);
      }
      requestAnimationFrame(() => summary.current?.focus());
    } finally {
      setBusy(null);
    }
  };

  return {
    planned,
    faults,
    problem,
    busy,
    summary,
    forget: () => {
      version.current += 1;
      setPlanned(null);
    },
    plan: (compose) =>
      attempt('planning', async () => {
        const asked = version.current;
        const body = compose();
        const answer = await api.send<Answer>('POST', '/api/plans', body);
        if (asked === version.current) setPlanned({ answer, body, idempotencyKey: keyOf(body) });
      }),
    start: () => {
      if (planned === null) return;
      const { body, idempotencyKey } = planned;
      void attempt('starting', async () => {
        const started = await api.send<{ id: string }>('POST', path, body, {
          'idempotency-key': idempotencyKey,
        });
        onStarted(started.id);
      });
    },
  };
}

const NO_FAULTS: readonly Fault[] = [];

/** The plan, and the two buttons below it; that which starts works only while a plan is shown. */
export function PlanSection<Answer extends Bounded>(props: {
  readonly noun: 'run' | 'comparison';
  readonly starting: PlannedStart<Answer>;
  readonly children: (answer: Answer) => preact.ComponentChildren;
}) {
  const { noun, starting, children } = props;
  const { planned, busy, start } = starting;
  return (
    <section class="plan" aria-labelledby="plan-title" aria-live="polite">
      <h3 id="plan-title">The plan</h3>
      {planned === null ? (
        <p class="quiet">
          {busy === 'planning'
            ? 'Working it out.'
            : 'Nothing is created before you have seen what it can cost.'}
        </p>
      ) : (
        children(planned.answer)
      )}
      <p class="actions">
        <button type="submit" class={planned === null ? 'primary' : ''} disabled={busy !== null}>
          {planned === null ? 'Work out the plan' : 'Work it out again'}
        </button>
        <button
          type="button"
          class={planned === null ? '' : 'primary'}
          disabled={planned === null || busy !== null}
          onClick={start}
        >
          {startLabel(noun, planned, busy)}
        </button>
      </p>
    </section>
  );
}

function startLabel(noun: string, planned: Planned<Bounded> | null, busy: string | null): string {
  if (busy === 'starting') return 'Starting';
  if (planned === null) return `Start the ${noun}`;
  const { boundUsd } = planned.answer.plan;
  return boundUsd === null
    ? `Start the ${noun}, at a cost that is unknown`
    : `Start the ${noun}, for ${writeUsd(boundUsd)} at most`;
}
