/**
 * The steps of a comparison: which target a lane measures next, what a race has come to, and the report at the end.
 * What is measured is measured by the steps of the runs; here is only read what they left.
 */
import {
  type ComparisonRecord,
  isComparisonOver,
  startedRunIds,
  takeTurn,
  targetRunId,
} from '../core/comparison/comparison-record.ts';
import {
  buildComparisonReport,
  type ComparisonReport,
  type TargetOutcome,
} from '../core/comparison/comparison-report.ts';
import { cellsPerRound, judgeRace, type RaceRunner, raceMetric } from '../core/comparison/race-judge.ts';
import type { RaceHistory } from '../core/comparison/race-replay.ts';
import type { RunFailure } from '../core/failure.ts';
import { repeatPlanOf } from '../core/measuring/repeats.ts';
import { isFinal, queuedRun, type RaceOver, type RunRecord } from '../core/run.ts';
import type { StepHandlers } from '../orchestrations/steps.ts';
import type { Services } from '../services.ts';

/** A run may queue for a day, and its release may take longer than its bound says. */
const QUEUE_MS = 25 * 3_600_000;
/** A race is looked at more often than ARM: what a look costs is a few rows, and what it saves is a GPU's time. */
const LEAST_POLL_SECONDS = 2;

export function comparisonSteps(
  services: Services,
): Pick<StepHandlers, 'startComparison' | 'nextTarget' | 'judgeRace' | 'finishComparison'> {
  return {
    startComparison: async ({ comparisonId }) => {
      const record = await services.stores.comparisons.change(comparisonId, (now) =>
        now.state === 'queued' ? { state: 'running', startedAtMs: services.now() } : null,
      );
      const { strategy, maxParallel, targets } = record.comparison;
      return {
        lanes: Math.min(maxParallel, targets.length),
        raceUntilMs: strategy === 'race' ? services.now() + record.boundMinutes * 60_000 + QUEUE_MS : null,
      };
    },
    nextTarget: ({ comparisonId, lane, turn }) => startNextTarget(services, comparisonId, lane, turn),
    judgeRace: async ({ comparisonId }) => ({
      over: await judge(services, await readComparison(services, comparisonId)),
      pollSeconds: Math.max(LEAST_POLL_SECONDS, services.settings.pollSeconds),
    }),
    finishComparison: async ({ comparisonId, failure }) => {
      await finish(services, await readComparison(services, comparisonId), failure);
      return {};
    },
  };
}

/** The report of what the rows hold now. */
export async function reportComparison(
  services: Services,
  record: ComparisonRecord,
): Promise<ComparisonReport> {
  return buildComparisonReport(
    record.comparison,
    await readOutcomes(services, record),
    record.spread ?? null,
  );
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
  if (isComparisonOver(record.state) || record.cancelRequestedAtMs !== null) return true;
  const runs = await readRuns(services, record);
  const isOver = runs.every((run) => run !== null && isFinal(run.state));
  if (!isOver && !mayHaveNewRound(record, runs)) return false;
  const history = await playRace(services, record, runs);
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

async function playRace(
  services: Services,
  { comparison }: ComparisonRecord,
  runs: readonly (RunRecord | null)[],
): Promise<RaceHistory> {
  const cells = await Promise.all(
    runs.map((run) => (run === null ? [] : services.stores.cells.list(run.id))),
  );
  const specs = comparison.targets.map(({ spec }) => spec);
  const runners = comparison.targets.map(({ label, spec }, target): RaceRunner => {
    const run = runs[target] ?? null;
    const { pricePerHourUsd = null, instances = 1 } = run?.billing ?? {};
    return {
      label,
      cells: cells[target] ?? [],
      hourlyUsd: pricePerHourUsd === null ? null : pricePerHourUsd * instances,
      over: run !== null && (isFinal(run.state) || run.state === 'releasing'),
      cellsPerRound: cellsPerRound(spec),
    };
  });
  const plan = {
    rounds: Math.max(...specs.map(({ measure }) => repeatPlanOf(measure.repeats).most)),
    attainment: specs[0]?.slo?.attainment ?? null,
    spread: null,
  };
  return judgeRace(
    plan,
    runners,
    raceMetric(
      cells,
      specs.some(({ slo }) => slo !== null),
    ),
  );
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

async function readOutcomes(services: Services, record: ComparisonRecord): Promise<TargetOutcome[]> {
  const runs = await readRuns(services, record);
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
    return isComparisonOver(state) ? 'It was not started.' : null;
  }
  if (run.state === 'failed') return run.failure?.message ?? 'Its run failed without a reason.';
  if (run.state === 'canceled') return 'Its run was canceled.';
  return null;
}

async function finish(services: Services, record: ComparisonRecord, trouble: string | null): Promise<void> {
  if (isComparisonOver(record.state)) return;
  const runs = await readRuns(services, record);
  await services.stores.comparisonReports.save(record.id, await reportComparison(services, record));
  const failure = failureOf(record, runs, trouble);
  await services.stores.comparisons.change(record.id, (now) =>
    isComparisonOver(now.state)
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
  trouble: string | null,
): RunFailure | null {
  if (trouble !== null) return { code: 'internal', message: trouble };
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
