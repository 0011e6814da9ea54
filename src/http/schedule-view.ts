/** What the calls show of a schedule. Times are ISO 8601; of the webhook's secret there is only the setting's name. */

import type { SpreadHistory } from '../core/comparison/pair-test.ts';
import type { RunFailure } from '../core/failure.ts';
import type { Notice } from '../core/schedule/notice.ts';
import {
  nextDueMs,
  type Schedule,
  type ScheduledWork,
  type WebhookOrder,
} from '../core/schedule/schedule.ts';
import {
  type HistoryEntry,
  monthOf,
  type ScheduleRecord,
  spentInMonth,
  type TargetResult,
  type WorkResult,
} from '../core/schedule/schedule-record.ts';
import { comparisonLinks } from './comparison-view.ts';
import { isoTime, runLinks } from './run-view.ts';

export interface ScheduleView extends Omit<Schedule, 'work' | 'webhook'> {
  /** One of the two is there. */
  readonly comparison?: ScheduledWork['body'];
  readonly run?: ScheduledWork['body'];
  readonly webhook: WebhookOrder | null;
  /** `settings` where COMPARISON_SCHEDULE and COMPARISON_SPEC define it. */
  readonly origin: ScheduleRecord['origin'];
  readonly createdAt: string;
  readonly changedAt: string;
  readonly nextDueAt: string | null;
  readonly running: (WorkView & { readonly dueAt: string; readonly boundUsd: number | null }) | null;
  readonly spent: { readonly month: string; readonly usd: number };
  /** Between deployments of its targets, as the history shows it: variance of log rates. */
  readonly spread: SpreadHistory | null;
  /** What the webhook was told, or is still to be told; newest last. */
  readonly notices: readonly NoticeView[];
  readonly links: { readonly self: string; readonly results: string };
}

export interface WorkView {
  readonly kind: ScheduledWork['kind'];
  readonly id: string;
  readonly links: { readonly self: string; readonly results: string };
}

export interface NoticeView
  extends Pick<Notice, 'id' | 'event' | 'sentences' | 'state' | 'attempts' | 'error'> {
  readonly at: string;
}

export interface HistoryView {
  readonly dueAt: string;
  readonly at: string;
  readonly outcome: HistoryEntry['outcome'];
  readonly sentence: string;
  readonly work: WorkView | null;
  readonly state: WorkResult['state'] | null;
  readonly endedAt: string | null;
  readonly usd: number | null;
  readonly failure: RunFailure | null;
  readonly targets: readonly Omit<TargetResult, 'deployments' | 'sameAs'>[];
}

export function viewSchedule(record: ScheduleRecord, nowMs: number): ScheduleView {
  const { name, schedule, timeZone, enabled, keep, maxUsdPerMonth, baseline, work, webhook } = record;
  const { running, notices, spread, origin } = record;
  const nextMs = nextDueMs(record, nowMs);
  return {
    name,
    schedule,
    timeZone,
    enabled,
    keep,
    maxUsdPerMonth,
    baseline,
    [work.kind]: work.body,
    webhook,
    origin,
    createdAt: isoTime(record.createdAtMs),
    changedAt: isoTime(record.changedAtMs),
    nextDueAt: nextMs === null ? null : isoTime(nextMs),
    running:
      running === null
        ? null
        : { ...viewWork(running), dueAt: isoTime(running.dueMs), boundUsd: running.boundUsd },
    spent: { month: monthOf(nowMs), usd: spentInMonth(record, nowMs) },
    spread,
    notices: notices.map(({ id, event, sentences, state, attempts, error, atMs }) => ({
      id,
      event,
      sentences,
      state,
      attempts,
      error,
      at: isoTime(atMs),
    })),
    links: { self: `/api/schedules/${name}`, results: `/api/schedules/${name}/results` },
  };
}

export function viewHistory(entry: HistoryEntry): HistoryView {
  const { outcome, sentence, work, result } = entry;
  return {
    dueAt: isoTime(entry.dueMs),
    at: isoTime(entry.atMs),
    outcome,
    sentence,
    work: work === null ? null : viewWork(work),
    state: result?.state ?? null,
    endedAt: result === null ? null : isoTime(result.endedAtMs),
    usd: result?.usd ?? null,
    failure: result?.failure ?? null,
    targets: (result?.targets ?? []).map(({ deployments: _, sameAs: __, ...target }) => target),
  };
}

function viewWork({ kind, id }: Pick<WorkView, 'kind' | 'id'>): WorkView {
  const { self, results } = kind === 'run' ? runLinks(id) : comparisonLinks(id);
  return { kind, id, links: { self, results } };
}
