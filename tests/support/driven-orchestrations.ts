/**
 * The app's orchestrations on its real steps, in this process: what is started waits until the test drives it to its
 * end. Runs go by the wall's clock, whatever the services' one says, because their load does; only their timers are
 * short. It stands in for the durable engine, which the system tests run for real.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type * as df from 'durable-functions';
import { createSteps } from '../../src/activities/steps.ts';
import { BENCHMARK, benchmark, MEASURE } from '../../src/orchestrations/benchmark.ts';
import {
  COMPARISON,
  COMPARISON_LANE,
  comparison,
  comparisonLane,
} from '../../src/orchestrations/comparison.ts';
import { MEASURE_BLOCK, measure } from '../../src/orchestrations/measure.ts';
import { measureBlock } from '../../src/orchestrations/measure-block.ts';
import type { Orchestrations } from '../../src/services.ts';
import type { RealServices } from './real-services.ts';

export interface DrivenOrchestrations extends Orchestrations {
  /** Ids in the order of their starts. */
  readonly started: readonly string[];
  /** Drives everything that was started to its end. */
  finish(): Promise<void>;
}

type Orchestrator = (context: df.OrchestrationContext) => Generator<df.Task, unknown, unknown>;

const ORCHESTRATORS: Readonly<Record<string, Orchestrator>> = {
  [BENCHMARK]: benchmark,
  [MEASURE]: measure,
  [MEASURE_BLOCK]: measureBlock,
  [COMPARISON]: comparison,
  [COMPARISON_LANE]: comparisonLane,
};

/** The simulator's control plane goes by the wall's clock, so that a poll must take some time. */
const REAL_TIMER_MS = 60;
/** More than any run of a test makes. */
const MOST_TASKS = 5_000;

interface Task {
  /** Null for a timer inside a `Task.any`: it is there for what hangs, and nothing hangs. */
  readonly promise: () => Promise<unknown>;
  readonly isTimer: boolean;
  isFaulted: boolean;
  result?: unknown;
}

export function driveOrchestrations({ services }: RealServices): DrivenOrchestrations {
  const steps = createSteps({ ...services, now: Date.now }) as unknown as Readonly<
    Record<string, (input: unknown) => Promise<unknown>>
  >;
  const started: string[] = [];
  const waiting: { readonly name: string; readonly input: unknown }[] = [];
  const over = new Set<string>();

  function taskOf(run: () => Promise<unknown>, isTimer = false): Task {
    let promise: Promise<unknown> | null = null;
    return { promise: () => (promise ??= run()), isTimer, isFaulted: false };
  }

  async function drive(name: string, input: unknown): Promise<unknown> {
    let next: { readonly input: unknown } | null = { input };
    while (next !== null) {
      const current: { readonly input: unknown } = next;
      next = null;
      const context = {
        df: {
          getInput: () => current.input,
          get currentUtcDateTime() {
            return new Date();
          },
          callActivity: (step: string, of: unknown) => taskOf(async () => steps[step]?.(of)),
          callActivityWithRetry: (step: string, _retry: unknown, of: unknown) =>
            taskOf(async () => steps[step]?.(of)),
          callSubOrchestrator: (other: string, of: unknown) => taskOf(() => drive(other, of)),
          createTimer: () => ({
            ...taskOf(() => delay(REAL_TIMER_MS), true),
            cancel: () => undefined,
          }),
          continueAsNew: (again: unknown) => {
            next = { input: again };
          },
          Task: {
            all: (children: Task[]) => taskOf(() => Promise.all(children.map((child) => child.promise()))),
            any: (children: Task[]) =>
              taskOf(async () => {
                const child = children.find(({ isTimer }) => !isTimer);
                if (child === undefined) throw new Error('A Task.any of timers alone is not driven here.');
                child.result = await child.promise();
                return child;
              }),
          },
        },
      } as unknown as df.OrchestrationContext;
      const generator = (ORCHESTRATORS[name] as Orchestrator)(context);
      let step = generator.next();
      for (let tasks = 0; !step.done; tasks += 1) {
        if (tasks > MOST_TASKS) throw new Error(`The orchestration ${name} does not end.`);
        const task = step.value as unknown as Task;
        let result: unknown;
        try {
          result = await task.promise();
        } catch (error) {
          step = generator.throw(error);
          continue;
        }
        step = generator.next(result);
      }
      if (next === null) return step.value;
    }
    return undefined;
  }

  const begin = async (name: string, id: string, input: unknown) => {
    if (started.includes(id)) return;
    started.push(id);
    waiting.push({ name, input });
  };
  return {
    started,
    start: (runId) => begin(BENCHMARK, runId, { runId }),
    startComparison: (comparisonId) => begin(COMPARISON, comparisonId, { comparisonId }),
    isRunning: async (id) => started.includes(id) && !over.has(id),
    isKnown: async (id) => started.includes(id),
    finish: async () => {
      for (const { name, input } of waiting.splice(0)) await drive(name, input);
      for (const id of started) over.add(id);
    },
  };
}
