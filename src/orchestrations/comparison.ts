/**
 * A comparison from its start to its report. Its targets are measured in lanes that go side by side, each from target
 * to target, and each target by a benchmark of its own. A race besides has a judge, who looks at the rows while the
 * lanes measure on.
 *
 * Lanes are orchestrations of their own, because a task that is awaited a second time in another `Task.any` is started
 * a second time (azure-functions-durable-js, issue 574): a pool of running benchmarks that is topped up as they end
 * cannot be had in one. That keeps each history small, too.
 */
import type * as df from 'durable-functions';
import { laneId } from '../core/comparison/comparison-record.ts';
import { messageOf } from '../core/failure.ts';
import { BENCHMARK } from './benchmark.ts';
import { type ComparisonKey, callStep, type LaneKey, type RaceInput, sleep } from './steps.ts';

export const COMPARISON = 'comparison';
export const COMPARISON_LANE = 'comparisonLane';
export const RACE = 'race';

/** More targets than a comparison has (20): a lane that is given one again and again ends all the same. */
const MOST_TURNS = 50;
/** Replays read the whole history, so the judge starts anew after this many looks (about six events each). */
const LOOKS_PER_HISTORY = 100;

export function* comparison(context: df.OrchestrationContext): Generator<df.Task, void, unknown> {
  const { comparisonId } = context.df.getInput<ComparisonKey>();
  let failure: string | null = null;
  try {
    const { lanes, raceUntilMs } = yield* callStep(context, 'startComparison', { comparisonId });
    const tasks = Array.from({ length: lanes }, (_, lane) =>
      context.df.callSubOrchestrator(COMPARISON_LANE, { comparisonId, lane }, laneId(comparisonId, lane)),
    );
    if (raceUntilMs !== null) {
      const input: RaceInput = { comparisonId, untilMs: raceUntilMs };
      tasks.push(context.df.callSubOrchestrator(RACE, input, `${comparisonId}-race`));
    }
    yield context.df.Task.all(tasks);
  } catch (error) {
    failure = sentence(error);
  }
  yield* callStep(context, 'finishComparison', { comparisonId, failure });
}

/** One target after the other. A benchmark that fails is told by its run's row, and does not keep the next one waiting. */
export function* comparisonLane(context: df.OrchestrationContext): Generator<df.Task, void, unknown> {
  const { comparisonId, lane } = context.df.getInput<LaneKey>();
  for (let turn = 0; turn < MOST_TURNS; turn += 1) {
    const { runId } = yield* callStep(context, 'nextTarget', { comparisonId, lane, turn });
    if (runId === null) return;
    try {
      yield context.df.callSubOrchestrator(BENCHMARK, { runId }, runId);
    } catch {
      // Its own `finally` has released what it had; where not even that could be done, the reaper does it.
    }
  }
}

/** Looks at the race again and again until it is over. A look that fails is told nobody: the next one sees the same rows. */
export function* race(context: df.OrchestrationContext): Generator<df.Task, void, unknown> {
  const input = context.df.getInput<RaceInput>();
  for (let looks = 0; context.df.currentUtcDateTime.getTime() < input.untilMs; looks += 1) {
    if (looks >= LOOKS_PER_HISTORY) {
      context.df.continueAsNew(input);
      return;
    }
    let pollSeconds = LONGEST_POLL_SECONDS;
    try {
      const look = yield* callStep(context, 'judgeRace', { comparisonId: input.comparisonId });
      if (look.over) return;
      pollSeconds = look.pollSeconds;
    } catch {
      // Without a judge the candidates are measured in full, which costs money and spoils nothing.
    }
    yield* sleep(context, pollSeconds);
  }
}

/** After a look that failed five times. */
const LONGEST_POLL_SECONDS = 60;

/** The first line of an error as the framework hands it over, which may hold a whole stack. */
function sentence(error: unknown): string {
  const text = messageOf(error);
  return text.split('\n')[0]?.slice(0, 500) ?? 'Unknown error.';
}
