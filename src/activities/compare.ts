/**
 * The steps of a comparison: which target a lane measures next, what a race has come to, and the report at the end.
 * What is measured is measured by the steps of the runs; here is only read what they left.
 */
import {
  type ComparisonRecord,
  laneCount,
  startedRunIds,
  takeTurn,
  targetRunId,
} from '../core/comparison/comparison-record.ts';
import { buildComparisonReport, type ComparisonReport } from '../core/comparison/comparison-report.ts';
import { cellsPerRound } from '../core/comparison/race-judge.ts';
import { raceOf } from '../core/comparison/race-of.ts';
import type { RaceHistory } from '../core/comparison/race-replay.ts';
import type { TargetOutcome } from '../core/comparison/target-outcome.ts';
import type { RunFailure } from '../core/failure.ts';
import { isFinal, queuedRun, type RaceOver, type RunRecord } from '../core/run.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';
import { readKnownSpread } from './known-spread.ts';

/** A run may queue for a day, and its release may take longer than its bound says. */
const QUEUE_MS = 25 * 3_600_000;
/** A race is looked at more often than ARM: what a look costs is a few rows, and what it saves is a GPU's time. */
const LEAST_POLL_SECONDS = 2;

export function comparisonSteps(
  services: Services,
): Pick<StepHandlers, 'startComparison' | 'nextTarget' | 'judgeRace' | 'finishComparison'> {
  return {
    startComparison: async ({ comparisonId }) => {
      const queued = await readComparison(services, comparisonId);
      const spread = queued.spread ?? (await readKnownSpread(services, queued));
      const record = await services.stores.comparisons.change(comparisonId, (now) =>
        now.state === 'queued' ? { state: 'running', startedAtMs: services.now(), spread } : null,
      );
      const { strategy } = record.comparison;
      return {
        lanes: laneCount(record.comparison),
        raceUntilMs: strategy === 'race' ? services.now() + record.boundMinutes * 60_000 + QUEUE_MS : null,
      };
    },
    nextTarget: ({ comparisonId, lane, turn }) => startNextTarget(services, comparisonId, lane, turn),
    judgeRace: async ({ comparisonId }) => ({
      over: await judge(services, await readComparison(services, comparisonId)),
      pollSeconds: Math.max(LEAST_POLL_SECONDS, services.settings.pollSeconds),
    }),
    finishComparison: async ({ comparisonId, failure }) => {
      const trouble = failure === null ? null : ({ code: 'internal', message: failure } as const);
      await endComparison(services, await readComparison(services, comparisonId), trouble);
      return {};
    },
  };
}

/** The report of what the rows hold now. */
export async function reportComparison(
  services: Services,
  record: ComparisonRecord,
): Promise<ComparisonReport> {
  const outcomes = await readOutcomes(services, record, await readRuns(services, record));
  return buildComparisonReport(record.comparison, outcomes, record.spread ?? null);
}

/** Runs of a comparison by target; null for one that was not started. */
export async function readRuns(
  services: Services,
  record: ComparisonRecord,
): Promise<readonly (RunRecord | null)[]> {
  return Promise.all(startedRunIds(record).map((id) => (id === null ? null : services.stores.runs.read(id))));
}

/** Asks every run that was started to stop. Comes after the comparison's own row says so. */
export async function cancelRuns(services: Services, record: ComparisonRecord): Promise<void> {
  for (const id of startedRunIds(record)) if (id !== null) await cancelRun(services, id);
}

async function cancelRun(services: Services, id: string): Promise<void> {
  if ((await services.stores.runs.read(id)) === null) return; // Its step will see the comparison's row.
  await services.stores.runs.change(id, (run) =>
    isFinal(run.state) || run.cancelRequestedAtMs !== null ? null : { cancelRequestedAtMs: services.now() },
  );
}

async function readComparison(services: Services, id: string): Promise<ComparisonRecord> {
  const record = await services.stores.comparisons.read(id);
  if (record === null) throw new Error(`The comparison ${id} has no row; it was deleted while it ran.`);
  return record;
}

async function startNextTarget(
  services: Services,
  comparisonId: string,
  lane: number,
  turn: number,
): Promise<{ readonly runId: string | null }> {
  const { stores } = services;
  let target: number | null = null;
  const record = await stores.comparisons.change(comparisonId, (now) => {
    const taken = takeTurn(now, lane, turn);
    target = taken?.target ?? null;
    return taken === null || taken.turns === now.turns ? null : { turns: taken.turns };
  });
  if (target === null) return { runId: null };
  const spec = record.comparison.targets[target]?.spec;
  const plan = record.plans[target];
  if (spec === undefined || plan === undefined)
    throw new Error(`The comparison ${comparisonId} has no target ${target}.`);
  const runId = targetRunId(comparisonId, target);
  await stores.runs.insert({ ...queuedRun(runId, { spec, plan }, services.now()), comparisonId });
  // A cancel that came before the run had a row did not reach it.
  if ((await readComparison(services, comparisonId)).cancelRequestedAtMs !== null)
    await cancelRun(services, runId);
  return { runId };
}

/** Tells who is out; gives whether there is nothing left to judge. */
async function judge(services: Services, record: ComparisonRecord): Promise<boolean> {
  if (isFinal(record.state) || record.cancelRequestedAtMs !== null) return true;
  const runs = await readRuns(services, record);
  const isOver = runs.every((run) => run !== null && isFinal(run.state));
  if (!isOver && !mayHaveNewRound(record, runs)) return false;
  const outcomes = await readOutcomes(services, record, runs);
  const { history } = raceOf(record.comparison, outcomes, record.spread ?? null);
  for (const [target, run] of runs.entries()) {
    const label = record.comparison.targets[target]?.label;
    const raceOver = label === undefined || run === null ? null : verdictOn(label, history);
    if (raceOver !== null && run !== null) await stopRun(services, run, raceOver);
  }
  // Last, because who is known to have been judged is not judged again.
  await services.stores.comparisons.change(record.id, () => ({ race: history }));
  return isOver || history.ended !== null;
}

/** Cheap, from the runs' rows alone: whether everyone who is still in the race has measured another round. */
function mayHaveNewRound(record: ComparisonRecord, runs: readonly (RunRecord | null)[]): boolean {
  const known = record.race?.rounds.length ?? 0;
  return runs.every((run, target) => {
    if (run === null) return false;
    const spec = record.comparison.targets[target]?.spec;
    if (run.raceOver !== undefined || isFinal(run.state) || spec === undefined) return true;
    return run.progress.cellsDone >= (known + 1) * cellsPerRound(spec);
  });
}

/** Who was dropped, and who is left alone because others were; null for whoever measures on. */
function verdictOn(label: string, { rounds, drops, ended }: RaceHistory): RaceOver | null {
  const drop = drops.find((one) => one.label === label);
  if (drop !== undefined) return { verdict: 'dropped', round: drop.round, sentence: drop.sentence };
  // Where nobody was dropped, the others failed by themselves: then the last one is measured in full.
  if (ended === null || drops.length === 0) return null;
  return { verdict: 'won', round: rounds.length, sentence: ended };
}

async function stopRun(services: Services, run: RunRecord, raceOver: RaceOver): Promise<void> {
  await services.stores.runs.change(run.id, (now) =>
    isFinal(now.state) || now.raceOver !== undefined ? null : { raceOver },
  );
}

async function readOutcomes(
  services: Services,
  record: ComparisonRecord,
  runs: readonly (RunRecord | null)[],
): Promise<TargetOutcome[]> {
  const outcomes: TargetOutcome[] = [];
  for (const [target, { label }] of record.comparison.targets.entries()) {
    const run = runs[target] ?? null;
    // One after the other: a thousand rows of one run are enough at a time.
    const cells = run === null ? [] : await services.stores.cells.list(run.id);
    outcomes.push({
      label,
      runs: run === null ? [] : [{ run, cells }],
      failure: explainTarget(run, record),
    });
  }
  return outcomes;
}

/** Why a target has nothing, or not everything; null where all went well, or may still. */
export function explainTarget(
  run: RunRecord | null,
  { cancelRequestedAtMs, state }: Pick<ComparisonRecord, 'cancelRequestedAtMs' | 'state'>,
): string | null {
  if (run === null) {
    if (cancelRequestedAtMs !== null) return 'It was not started, because the comparison was canceled.';
    return isFinal(state) ? 'It was not started.' : null;
  }
  if (run.state === 'failed') return run.failure?.message ?? 'Its run failed without a reason.';
  if (run.state === 'canceled') return 'Its run was canceled.';
  return null;
}

/** Its report and its final state; `trouble` is what else than its targets has failed. */
export async function endComparison(
  services: Services,
  record: ComparisonRecord,
  trouble: RunFailure | null,
): Promise<void> {
  if (isFinal(record.state)) return;
  const runs = await readRuns(services, record);
  const failure = failureOf(record, runs, trouble);
  // What was not started yet will not be any more.
  const over = { ...record, state: failure === null ? 'completed' : 'failed' } as const;
  await services.stores.comparisonReports.save(record.id, await reportComparison(services, over));
  await services.stores.comparisons.change(record.id, (now) =>
    isFinal(now.state)
      ? null
      : {
          state: failure !== null ? 'failed' : now.cancelRequestedAtMs !== null ? 'canceled' : 'completed',
          failure,
          endedAtMs: services.now(),
        },
  );
}

/** A target that fails is told beside the others; the comparison fails where none of them came to an end. */
function failureOf(
  record: ComparisonRecord,
  runs: readonly (RunRecord | null)[],
  trouble: RunFailure | null,
): RunFailure | null {
  if (trouble !== null) return trouble;
  const leaked = runs.findIndex((run) => run?.failure?.code === 'leaked-endpoint');
  if (leaked >= 0) {
    const label = record.comparison.targets[leaked]?.label;
    return {
      code: 'leaked-endpoint',
      message: `"${label}": ${runs[leaked]?.failure?.message}`,
    };
  }
  if (record.cancelRequestedAtMs !== null || runs.some((run) => run?.state === 'completed')) return null;
  return {
    code: 'nothing-succeeded',
    message: 'No target was measured to its end; each says why.',
  };
}
