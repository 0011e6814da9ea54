/** Between the settings that a run measures in turn: the deployment is updated, and warmed up again for a short while. */
import type * as df from 'durable-functions';
import { STAGE_MINUTES } from '../core/spec/plan.ts';
import { callStep, type Ending, type Halt, sleep } from './steps.ts';

/** An update takes minutes: polls grow apart to this, which keeps 45 minutes to about 140 of them. */
const LONGEST_POLL_SECONDS = 20;
const FIRST_POLL_SECONDS = 2;
const POLL_GROWTH = 1.25;

/** Puts the settings of that index into effect; null once they are and the endpoint is warm, otherwise why measuring ends. */
export function* changeSettings(
  context: df.OrchestrationContext,
  runId: string,
  settings: number,
  deadlineMs: number,
): Generator<df.Task, Halt | null, unknown> {
  const nowMs = () => context.df.currentUtcDateTime.getTime();
  const stages = [
    {
      minutes: STAGE_MINUTES.deployment,
      what: 'take effect',
      ask: () => callStep(context, 'deploySettings', { runId, settings }),
    },
    {
      minutes: STAGE_MINUTES.warmUp,
      what: 'be warm under them',
      ask: (waits: number) => callStep(context, 'warmUp', { runId, attempt: waits + 1 }),
    },
  ];
  for (const { minutes, what, ask } of stages) {
    const until = Math.min(nowMs() + minutes * 60_000, deadlineMs);
    let ready = false;
    for (let waits = 0; !ready && nowMs() < until; waits += 1) {
      const progress = yield* ask(waits);
      if (progress.state === 'ended') return haltOf(progress.ending);
      ready = progress.state === 'ready';
      if (!ready)
        yield* sleep(context, Math.min(LONGEST_POLL_SECONDS, FIRST_POLL_SECONDS * POLL_GROWTH ** waits));
    }
    if (ready) continue;
    const stoppedBy =
      nowMs() >= deadlineMs
        ? 'limits: the time or the money for measuring was used up while the settings were changed.'
        : `The settings ${settings + 1} of the list did not ${what} within ${minutes} minutes; they and those after them were not measured.`;
    return { canceled: false, stoppedBy };
  }
  return null;
}

/** What was measured under the settings before is kept. */
function haltOf({ state, failure, stoppedBy }: Ending): Halt {
  if (state === 'canceled') return { canceled: true, stoppedBy: null };
  return { canceled: false, stoppedBy: failure?.message ?? stoppedBy };
}
