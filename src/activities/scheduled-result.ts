/** What a schedule's work came to: read from the rows of its runs, and held against the results before it. */
import type { RunFailure } from '../core/failure.ts';
import { accruedUsd, isFinal, type RunRecord } from '../core/run.ts';
import { LAST_GOOD } from '../core/schedule/schedule.ts';
import {
  checkTarget,
  type MeasuredTarget,
  type PastTarget,
  ratesOf,
} from '../core/schedule/schedule-check.ts';
import type {
  HistoryEntry,
  RunningWork,
  ScheduleRecord,
  TargetResult,
  WorkResult,
} from '../core/schedule/schedule-record.ts';
import { sumKnown } from '../core/statistics/moments.ts';
import type { Services } from '../services.ts';
import { readRuns } from './compare.ts';

type Work = Pick<RunningWork, 'kind' | 'id'>;

/** Earlier results that one target is held against: their spread is known well by then, and each is a report to read. */
const MOST_PAST = 30;

/** The name of the one target that a run has. */
const RUN_LABEL = 'run';

/** What is over, with what it measured; null while it lasts. */
export interface OverWork {
  readonly state: WorkResult['state'];
  readonly endedAtMs: number;
  readonly failure: RunFailure | null;
  readonly usd: number | null;
  readonly targets: readonly OverTarget[];
}

export interface OverTarget extends MeasuredTarget {
  readonly run: RunRecord | null;
}

export async function readOver(services: Services, work: Work): Promise<OverWork | null> {
  return work.kind === 'run' ? readRunOver(services, work.id) : readComparisonOver(services, work.id);
}

async function readRunOver(services: Services, id: string): Promise<OverWork | null> {
  const run = await services.stores.runs.read(id);
  if (run === null) return lost(services, id);
  if (!isFinal(run.state)) return null;
  return {
    state: run.state,
    endedAtMs: run.endedAtMs ?? services.now(),
    failure: run.failure,
    usd: accruedUsd(run.billing, services.now()),
    targets: [await readTarget(services, RUN_LABEL, run)],
  };
}

async function readComparisonOver(services: Services, id: string): Promise<OverWork | null> {
  const record = await services.stores.comparisons.read(id);
  if (record === null) return lost(services, id);
  if (!isFinal(record.state)) return null;
  const runs = await readRuns(services, record);
  const targets: OverTarget[] = [];
  // One after the other: a thousand rows of one run are enough at a time.
  for (const [target, { label }] of record.comparison.targets.entries())
    targets.push(await readTarget(services, label, runs[target] ?? null));
  return {
    state: record.state,
    endedAtMs: record.endedAtMs ?? services.now(),
    failure: record.failure,
    usd: sumKnown(runs.map((run) => (run === null ? 0 : accruedUsd(run.billing, services.now())))),
    targets,
  };
}

function lost(services: Services, id: string): OverWork {
  const message = `${id} has no row any more; what it measured is not known.`;
  return {
    state: 'failed',
    endedAtMs: services.now(),
    failure: { code: 'internal', message },
    usd: null,
    targets: [],
  };
}

async function readTarget(services: Services, label: string, run: RunRecord | null): Promise<OverTarget> {
  if (run === null) return { label, run, rows: [], image: null, sameAs: '', deployments: [] };
  const [cells, report] = await Promise.all([
    services.stores.cells.list(run.id),
    services.stores.reports.read(run.id),
  ]);
  return { label, run, rows: report?.rows ?? [], image: imageOf(run), ...ratesOf(run.spec, cells) };
}

function imageOf(run: RunRecord | null): string | null {
  return run?.endpoint?.image ?? null;
}

/** The result of what is over, each target checked against its history. `history` is newest first. */
export async function judgeWork(
  services: Services,
  { baseline, work: { kind } }: Pick<ScheduleRecord, 'baseline' | 'work'>,
  over: OverWork,
  history: readonly HistoryEntry[],
): Promise<WorkResult> {
  const pinned = baseline === LAST_GOOD ? null : await readOver(services, { kind, id: baseline });
  const targets: TargetResult[] = [];
  for (const target of over.targets) {
    const past = await readPast(services, target, history);
    if (pinned !== null && past.every(({ id }) => id !== baseline))
      past.push(...pinnedTarget(pinned, target.label, baseline));
    const check = checkTarget(past, target, baseline);
    const completed = target.run?.state === 'completed';
    targets.push({
      label: target.label,
      runId: target.run?.id ?? null,
      state: target.run?.state ?? null,
      failure: failureOf(target, over),
      good: completed && check !== null && check.verdict.verdict !== 'regression',
      sameAs: target.sameAs,
      deployments: target.deployments,
      check: check?.verdict ?? null,
      leftOut: check?.leftOut ?? [],
    });
  }
  const { state, endedAtMs, failure, usd } = over;
  return { state, endedAtMs, failure, usd, targets };
}

function failureOf({ run }: OverTarget, { state }: OverWork): RunFailure | null {
  if (run !== null) return run.failure;
  return state === 'canceled' ? null : { code: 'internal', message: 'It was not started.' };
}

/** The good results of the same thing, the newest first; others are told as left out without a look at their reports. */
async function readPast(
  services: Services,
  { label, sameAs }: OverTarget,
  history: readonly HistoryEntry[],
): Promise<PastTarget[]> {
  const past: PastTarget[] = [];
  for (const { work, dueMs, result } of history) {
    const found = result?.targets.find((one) => one.label === label && one.good);
    if (work === null || found === undefined || past.length >= MOST_PAST) continue;
    const isSame = found.sameAs === sameAs && found.runId !== null;
    const [report, run] = isSame
      ? await Promise.all([services.stores.reports.read(found.runId), services.stores.runs.read(found.runId)])
      : [null, null];
    past.push({
      id: work.id,
      atMs: dueMs,
      good: true,
      label,
      sameAs: found.sameAs,
      deployments: found.deployments,
      rows: report?.rows ?? [],
      image: imageOf(run),
    });
  }
  return past;
}

function pinnedTarget(pinned: OverWork, label: string, id: string): PastTarget[] {
  const found = pinned.targets.find((one) => one.label === label);
  if (found === undefined) return [];
  const { rows, image, sameAs, deployments } = found;
  const good = found.run?.state === 'completed';
  return [{ id, atMs: pinned.endedAtMs, good, label, rows, image, sameAs, deployments }];
}
