/**
 * Runs an orchestration with scripted steps and skipped time: timers fire at once and move the clock. It stands in for
 * the durable engine, which the system tests run for real; here the steps' answers are what is varied.
 */
import type * as df from 'durable-functions';

export type Script = (name: string, input: never, call: number) => unknown;

export interface Scripted {
  readonly result: unknown;
  /** Every step and sub-orchestration in the order of their calls. */
  readonly calls: readonly { readonly name: string; readonly input: unknown }[];
  readonly elapsedMs: number;
  readonly continuedAsNew: unknown;
}

type Orchestrator = (context: df.OrchestrationContext) => Generator<df.Task, unknown, unknown>;

interface Task {
  readonly kind: 'call' | 'timer' | 'all' | 'any';
  readonly name?: string;
  readonly input?: unknown;
  readonly fireAtMs?: number;
  readonly children?: readonly Task[];
  isCompleted: boolean;
  isFaulted: boolean;
  result?: unknown;
}

/** More steps than any run makes; a loop that does not end fails here instead of hanging. */
const MOST_STEPS = 5_000;

/** `children` are sub-orchestrations that run as they are; of all others the script gives what they came to. */
export function runScripted(
  orchestrator: Orchestrator,
  input: unknown,
  script: Script,
  children: Readonly<Record<string, Orchestrator>> = {},
): Scripted {
  const calls: { name: string; input: unknown }[] = [];
  const counts = new Map<string, number>();
  const startMs = Date.UTC(2026, 0, 1);
  let nowMs = startMs;

  const task = (fields: Omit<Task, 'isCompleted' | 'isFaulted'>): Task => ({
    ...fields,
    isCompleted: false,
    isFaulted: false,
  });
  const call = (name: string, stepInput: unknown) => task({ kind: 'call', name, input: stepInput });
  const contextOf = (given: unknown, continueAsNew: (next: unknown) => void) => ({
    df: {
      getInput: () => given,
      get currentUtcDateTime() {
        return new Date(nowMs);
      },
      callActivity: call,
      callActivityWithRetry: (name: string, _retry: unknown, stepInput: unknown) => call(name, stepInput),
      callSubOrchestrator: call,
      createTimer: (at: Date) => ({
        ...task({ kind: 'timer', fireAtMs: at.getTime() }),
        cancel: () => undefined,
      }),
      continueAsNew,
      Task: {
        all: (children: Task[]) => task({ kind: 'all', children }),
        any: (children: Task[]) => task({ kind: 'any', children }),
      },
    },
  });

  /** Settles a task; a call that the script lets throw is faulted, `HANG` never completes. */
  const settle = (one: Task): void => {
    if (one.kind === 'timer') {
      nowMs = Math.max(nowMs, one.fireAtMs ?? nowMs);
      one.isCompleted = true;
    } else if (one.kind === 'call') {
      const name = one.name ?? '';
      calls.push({ name, input: one.input });
      counts.set(name, (counts.get(name) ?? 0) + 1);
      const child = children[name];
      try {
        one.result =
          child === undefined
            ? script(name, one.input as never, counts.get(name) ?? 1)
            : drive(child, one.input).result;
        one.isCompleted = one.result !== HANG;
      } catch (error) {
        one.result = error;
        one.isCompleted = true;
        one.isFaulted = true;
      }
    } else if (one.kind === 'all') {
      for (const child of one.children ?? []) settle(child);
      const faulted = one.children?.find((child) => child.isFaulted);
      one.isFaulted = faulted !== undefined;
      one.result = faulted?.result ?? one.children?.map((child) => child.result);
    } else {
      const first = one.children?.find((child) => {
        settle(child);
        return child.isCompleted;
      });
      one.result = first;
    }
  };

  function drive(one: Orchestrator, given: unknown): Pick<Scripted, 'result' | 'continuedAsNew'> {
    let continuedAsNew: unknown;
    const context = contextOf(given, (next) => {
      continuedAsNew = next;
    });
    const generator = one(context as unknown as df.OrchestrationContext);
    let step = generator.next();
    for (let steps = 0; !step.done; steps += 1) {
      if (steps > MOST_STEPS) throw new Error('The orchestration does not end.');
      const yielded = step.value as unknown as Task;
      settle(yielded);
      step = yielded.isFaulted ? generator.throw(yielded.result) : generator.next(yielded.result);
    }
    return { result: step.value, continuedAsNew };
  }

  return { ...drive(orchestrator, input), calls, elapsedMs: nowMs - startMs };
}

/** The same until its history starts anew no more; `histories` is how often it began. */
export function runToItsEnd(
  orchestrator: Orchestrator,
  input: unknown,
  script: Script,
  children: Readonly<Record<string, Orchestrator>>,
): Omit<Scripted, 'continuedAsNew'> & { readonly histories: number } {
  let next = input;
  let elapsedMs = 0;
  const calls: Scripted['calls'][number][] = [];
  for (let histories = 1; ; histories += 1) {
    if (histories > MOST_STEPS) throw new Error('The orchestration does not end.');
    const run = runScripted(orchestrator, next, script, children);
    elapsedMs += run.elapsedMs;
    calls.push(...run.calls);
    if (run.continuedAsNew === undefined) return { result: run.result, calls, elapsedMs, histories };
    next = run.continuedAsNew;
  }
}

/** What a script gives for a call that never completes. */
export const HANG = Symbol('never completes');
