/**
 * What the timer of schedules does, once a minute: it looks at what is over, starts what is due, and tells webhooks
 * what they are to be told. Each step leaves its row before the next begins, so that a pass that is cut off is gone on
 * with by the next: what is started has an id that follows from its due second, and a message that was not taken is
 * still in the schedule's row.
 */
import type { Comparison, ComparisonPlan } from '../core/comparison/comparison.ts';
import { queuedComparison } from '../core/comparison/comparison-record.ts';
import { type Fault, messageOf, type Parsed } from '../core/failure.ts';
import { queuedRun, type RunRecord } from '../core/run.ts';
import {
  addNotice,
  afterAttempt,
  type Notice,
  noticeBody,
  noticeOfEntry,
  noticesOf,
} from '../core/schedule/notice.ts';
import {
  type Due,
  dueNow,
  parseSchedule,
  refuseCost,
  type ScheduledWork,
  scheduledId,
} from '../core/schedule/schedule.ts';
import { spreadOfHistory } from '../core/schedule/schedule-check.ts';
import {
  addSpending,
  type HistoryEntry,
  outgrown,
  putSchedule,
  type ScheduleRecord,
  spentInMonth,
} from '../core/schedule/schedule-record.ts';
import type { Orchestrations, Services } from '../services.ts';
import { judgeWork, readOver } from './scheduled-result.ts';

/** What a comparison or run of a schedule comes to now, planned and checked as a call would. Throws where that cannot be told. */
export type PlanWork = (services: Services, work: ScheduledWork) => Promise<Parsed<PlannedWork>>;

export type PlannedWork =
  | ({ readonly kind: 'run' } & Pick<RunRecord, 'spec' | 'plan'>)
  | { readonly kind: 'comparison'; readonly comparison: Comparison; readonly plan: ComparisonPlan };

export interface SchedulePass {
  /** What was done, a sentence each. */
  readonly done: readonly string[];
  readonly troubles: readonly string[];
}

/** The settings' own schedule. */
export const DEFAULT_NAME = 'default';

/** A pass tells no further webhook after this; the timer fires every minute and leaves out what falls into a pass. */
const PASS_MS = 4 * 60_000;
/** While ARM or the catalog do not answer, what is due is tried again for a quarter of an hour. */
const PLAN_AGAIN_MS = 15 * 60_000;
/** Faults told of what could not be planned. */
const MOST_FAULTS = 5;

export async function runSchedules(
  services: Services,
  orchestrations: Orchestrations,
  plan: PlanWork,
): Promise<SchedulePass> {
  const deadlineMs = services.now() + PASS_MS;
  const done: string[] = [];
  const troubles: string[] = [];
  const attempt = async (name: string, step: () => Promise<string | null>) => {
    try {
      const sentence = await step();
      if (sentence !== null) done.push(`Schedule ${name}: ${sentence}`);
    } catch (error) {
      troubles.push(`Schedule ${name}: ${messageOf(error)}`);
    }
  };
  await attempt(DEFAULT_NAME, () => defineDefault(services));
  for (const { name } of await services.stores.schedules.list()) {
    await attempt(name, () => settle(services, name));
    await attempt(name, () => startDue(services, orchestrations, plan, name));
  }
  for (const record of await services.stores.schedules.list()) {
    for (const notice of record.notices) {
      if (notice.state !== 'pending' || notice.nextAtMs > services.now()) continue;
      if (services.now() < deadlineMs) await attempt(record.name, () => deliver(services, record, notice));
    }
  }
  return { done, troubles };
}

/** The schedule of the settings, as long as no call has put another in its place. */
async function defineDefault(services: Services): Promise<string | null> {
  const { schedules } = services.stores;
  const wanted = services.settings.defaultSchedule;
  const existing = await schedules.read(DEFAULT_NAME);
  if (existing !== null && existing.origin !== 'settings') return null;
  if (wanted === null) {
    if (existing === null || !existing.enabled) return null;
    await schedules.change(DEFAULT_NAME, (now) => (now.origin === 'settings' ? { enabled: false } : null));
    return 'Turned off, since the settings define it no longer.';
  }
  const nowMs = services.now();
  const kind = 'targets' in wanted.spec ? 'comparison' : 'run';
  const { parsed } = parseSchedule(DEFAULT_NAME, { schedule: wanted.schedule, [kind]: wanted.spec }, nowMs);
  if (!parsed.ok)
    throw new Error(`COMPARISON_SCHEDULE and COMPARISON_SPEC cannot be used: ${tellFaults(parsed.faults)}`);
  const { schedule, work } = parsed.value;
  const isSame =
    existing?.enabled === true &&
    existing.schedule === schedule &&
    JSON.stringify(existing.work) === JSON.stringify(work);
  if (isSame) return null;
  await schedules.put(DEFAULT_NAME, (now) =>
    now !== null && now.origin !== 'settings' ? now : putSchedule(now, parsed.value, 'settings', nowMs),
  );
  return 'Defined by the settings COMPARISON_SCHEDULE and COMPARISON_SPEC.';
}

/** What is over is judged, entered into the history, and makes way for the next. */
async function settle(services: Services, name: string): Promise<string | null> {
  const { schedules } = services.stores;
  const record = await schedules.read(name);
  const running = record?.running ?? null;
  if (record === null || running === null) return null;
  const over = await readOver(services, running);
  if (over === null) return null;
  const history = await schedules.listHistory(name);
  const earlier = history.filter(({ dueMs }) => dueMs !== running.dueMs);
  const { kind, id, dueMs } = running;
  const result = await judgeWork(services, record, over, earlier);
  const entry: HistoryEntry = {
    schedule: name,
    atMs: services.now(),
    outcome: 'started',
    sentence: 'Started.',
    work: { kind, id },
    ...history.find((one) => one.dueMs === dueMs),
    dueMs,
    result,
  };
  await schedules.saveHistory(entry);
  const now = [entry, ...earlier];
  await schedules.change(name, (latest) =>
    latest.running?.id === id
      ? {
          running: null,
          spent: addSpending(latest.spent, result.usd ?? running.boundUsd ?? 0, services.now()),
          spread: spreadOfHistory(now),
          notices: tellAll(latest, noticesOf({ kind, id }, result), services.now()),
        }
      : null,
  );
  for (const old of outgrown(now, record.keep)) await schedules.removeHistory(old);
  return `${id} is ${result.state}. ${result.targets.map(({ check }) => check?.sentence ?? '').join(' ')}`.trim();
}

/** A schedule without a webhook has nobody to tell; its history says the same. */
function tellAll(
  { webhook, notices }: ScheduleRecord,
  fresh: readonly Pick<Notice, 'id' | 'event' | 'work' | 'sentences'>[],
  nowMs: number,
): readonly Notice[] {
  if (webhook === null) return notices;
  return fresh.reduce((all, one) => addNotice(all, one, nowMs), notices);
}

async function startDue(
  services: Services,
  orchestrations: Orchestrations,
  plan: PlanWork,
  name: string,
): Promise<string | null> {
  const record = await services.stores.schedules.read(name);
  if (record === null) return null;
  const due = dueNow(record, record.lastDueMs, services.now(), record.running?.id ?? null);
  if (due.kind === 'not-due') return null;
  if (due.kind === 'skip') return pass(services, record, due, 'skipped', due.sentence);
  const planned = await planDue(services, plan, record, due);
  if (!planned.ok) {
    const why = `Could not start what was due at ${iso(due.dueMs)}: ${tellFaults(planned.faults)}`;
    return pass(services, record, due, 'not-started', why);
  }
  const { boundUsd } = planned.value.plan;
  const spentUsd = spentInMonth(record, services.now());
  const refusal = refuseCost({ maxUsdPerMonth: record.maxUsdPerMonth, spentUsd, boundUsd });
  if (refusal !== null) {
    const why = `Did not start what was due at ${iso(due.dueMs)}, because ${refusal}.`;
    return pass(services, record, due, 'too-dear', why);
  }
  return start(services, orchestrations, record, due, planned.value);
}

/** What cannot be looked up now is tried again by the next passes; then that is told as the fault. */
async function planDue(
  services: Services,
  plan: PlanWork,
  { work }: ScheduleRecord,
  { sinceMs }: Exclude<Due, { kind: 'not-due' }>,
): Promise<Parsed<PlannedWork>> {
  try {
    return await plan(services, work);
  } catch (error) {
    if (services.now() - sinceMs < PLAN_AGAIN_MS) throw error;
    return { ok: false, faults: [{ path: work.kind, message: `cannot be planned: ${messageOf(error)}` }] };
  }
}

/** Nothing is started for the due time, which is recorded and over. */
async function pass(
  services: Services,
  { name }: ScheduleRecord,
  { dueMs }: Exclude<Due, { kind: 'not-due' }>,
  outcome: Exclude<HistoryEntry['outcome'], 'started'>,
  sentence: string,
): Promise<string> {
  const { schedules } = services.stores;
  const atMs = services.now();
  const entry: HistoryEntry = { schedule: name, dueMs, atMs, outcome, sentence, work: null, result: null };
  await schedules.saveHistory(entry);
  const record = await schedules.change(name, (now) => ({
    lastDueMs: Math.max(now.lastDueMs, dueMs),
    notices: tellAll(now, outcome === 'not-started' ? [noticeOfEntry(entry)] : [], atMs),
  }));
  for (const old of outgrown(await schedules.listHistory(name), record.keep))
    await schedules.removeHistory(old);
  return sentence;
}

/** Whoever inserts the row starts the orchestration; where that is cut off in between, the reaper's timer does it. */
async function start(
  services: Services,
  orchestrations: Orchestrations,
  record: ScheduleRecord,
  { dueMs, sentence }: Exclude<Due, { kind: 'not-due' }>,
  planned: PlannedWork,
): Promise<string> {
  const { runs, comparisons, schedules } = services.stores;
  const { name, work } = record;
  const id = scheduledId(record, dueMs);
  const nowMs = services.now();
  if (planned.kind === 'run') {
    if ((await runs.insert(queuedRun(id, planned, nowMs))) === 'inserted') await orchestrations.start(id);
  } else {
    const { comparison, plan } = planned;
    const queued = { ...queuedComparison(id, comparison, plan, nowMs), spread: record.spread };
    if ((await comparisons.insert(queued)) === 'inserted') await orchestrations.startComparison(id);
  }
  await schedules.saveHistory({
    schedule: name,
    dueMs,
    atMs: nowMs,
    outcome: 'started',
    sentence,
    work: { kind: work.kind, id },
    result: null,
  });
  await schedules.change(name, (now) =>
    now.running === null
      ? {
          lastDueMs: Math.max(now.lastDueMs, dueMs),
          running: { kind: work.kind, id, dueMs, boundUsd: planned.plan.boundUsd },
        }
      : null,
  );
  return `${sentence} It is ${id}.`;
}

/** One attempt at one message. */
async function deliver(services: Services, record: ScheduleRecord, notice: Notice): Promise<string | null> {
  const { name, webhook } = record;
  const outcome =
    webhook === null
      ? { error: 'The schedule has no webhook any more.', hopeless: true }
      : await services.webhooks.post(webhook, {
          id: notice.id,
          event: notice.event,
          body: noticeBody(name, services.settings.owner, notice),
        });
  await services.stores.schedules.change(name, (now) => ({
    notices: now.notices.map((one) =>
      one.id === notice.id && one.state === 'pending' ? afterAttempt(one, outcome, services.now()) : one,
    ),
  }));
  if (outcome.error !== null) throw new Error(`The webhook was not told of ${notice.id}: ${outcome.error}`);
  return `The webhook was told of ${notice.id}.`;
}

function tellFaults(faults: readonly Fault[]): string {
  const told = faults.slice(0, MOST_FAULTS).map(({ path, message }) => `${path} ${message}`);
  const more = faults.length > MOST_FAULTS ? `; and ${faults.length - MOST_FAULTS} more` : '';
  return `${told.join('; ')}${more}.`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
