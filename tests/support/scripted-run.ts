/**
 * A run's orchestration in this process, its steps on real parts: what the durable engine does between two steps is to
 * call the next one, and to wait for as long as a timer says. Here waits are short, and the services' clock is moved
 * instead. Measuring is left out: a run that gets so far is over.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type * as df from 'durable-functions';
import { createSteps } from '../../src/activities/steps.ts';
import { benchmark } from '../../src/orchestrations/benchmark.ts';
import type { Measured } from '../../src/orchestrations/steps.ts';
import type { RealServices } from './real-services.ts';

interface Call {
  readonly kind: 'call' | 'timer' | 'any';
  readonly name?: string;
  readonly input?: unknown;
  readonly at?: Date;
  readonly children?: readonly Call[];
  isFaulted?: boolean;
  result?: unknown;
}

export interface PlayedRun {
  /** Steps in the order of their calls, waits left out. */
  readonly steps: readonly string[];
}

/** More steps than any run of a test makes. */
const MOST_STEPS = 600;
/** What a timer waits for in truth: the simulator's own times are short, and its clock is not ours to move. */
const LONGEST_WAIT_MS = 25;

const MEASURED: Measured = { cells: 1, canceled: false, aborted: false, stoppedBy: null, succeeded: 1 };

export interface PlayOptions {
  /** Called before each step, for what happens beside the run. */
  readonly before?: (step: string, call: number) => Promise<void> | void;
  /** Steps that are not what the test is about. */
  readonly instead?: Readonly<Record<string, (input: unknown) => unknown>>;
}

export async function playRun(
  real: RealServices,
  runId: string,
  options: PlayOptions = {},
): Promise<PlayedRun> {
  const handlers = createSteps(real.services) as unknown as Record<
    string,
    (input: unknown) => Promise<unknown>
  >;
  const instead: PlayOptions['instead'] = {
    warmUp: () => ({ state: 'ready' }),
    measure: () => MEASURED,
    aggregate: () => ({}),
    ...options.instead,
  };
  const steps: string[] = [];
  const counts = new Map<string, number>();
  const call = (name: string, input: unknown): Call => ({ kind: 'call', name, input });
  const context = {
    df: {
      getInput: () => ({ runId }),
      get currentUtcDateTime() {
        return new Date(real.services.now());
      },
      callActivityWithRetry: (name: string, _retry: unknown, input: unknown) => call(name, input),
      callSubOrchestrator: (name: string, input: unknown) => call(name, input),
      createTimer: (at: Date) => ({ kind: 'timer', at, cancel: () => undefined }),
      Task: { any: (children: Call[]) => ({ kind: 'any', children }) },
    },
  } as unknown as df.OrchestrationContext;

  const settle = async (task: Call): Promise<void> => {
    if (task.kind === 'timer') {
      const ms = (task.at?.getTime() ?? 0) - real.services.now();
      const truly = Math.max(0, Math.min(ms, LONGEST_WAIT_MS));
      await delay(truly);
      real.advance(Math.max(0, ms - truly));
    } else if (task.kind === 'any') {
      const [first] = task.children ?? [];
      if (first !== undefined) await settle(first);
      task.result = first;
    } else {
      const name = task.name ?? '';
      steps.push(name);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      await options.before?.(name, counts.get(name) ?? 1);
      try {
        const input = JSON.parse(JSON.stringify(task.input));
        task.result = await (instead[name]?.(input) ?? handlers[name]?.(input));
      } catch (error) {
        task.isFaulted = true;
        task.result = error;
      }
    }
  };

  const generator = benchmark(context) as Generator<unknown, void, unknown>;
  let step = generator.next();
  for (let taken = 0; !step.done; taken += 1) {
    if (taken > MOST_STEPS) throw new Error(`The run does not end: ${steps.slice(-20).join(', ')}`);
    const task = step.value as Call;
    await settle(task);
    step = task.isFaulted ? generator.throw(task.result) : generator.next(task.result);
  }
  return { steps };
}
