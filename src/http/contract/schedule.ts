/** Schedules: what may be put, how one is shown, and its history. */
import { z } from 'zod';
import type { SpreadHistory } from '../../core/comparison/pair-test.ts';
import { FINAL_STATES } from '../../core/run.ts';
import { NOTICE_EVENTS } from '../../core/schedule/notice.ts';
import type { RegressionVerdict } from '../../core/schedule/regression.ts';
import { scheduleForm, type WebhookOrder } from '../../core/schedule/schedule.ts';
import type { HistoryView, NoticeView, ScheduleView, WorkView } from '../schedule-view.ts';
import { comparisonRequest } from './comparison.ts';
import { count, maybe, text, time } from './figure.ts';
import { runFailure, runState } from './run.ts';
import type { Shape } from './shape.ts';
import { specRequest } from './spec.ts';

const { shape } = scheduleForm;

/** The body of `PUT /api/schedules/{name}`. */
export const scheduleRequest = scheduleForm
  .extend({
    schedule: shape.schedule.describe('NCRONTAB: second, minute, hour, day, month, day of week.'),
    timeZone: shape.timeZone.describe('Its IANA name.'),
    keep: shape.keep.describe('Entries of the history that are kept.'),
    maxUsdPerMonth: shape.maxUsdPerMonth.describe('What would cost more is not started; null is no bound.'),
    baseline: shape.baseline.describe(
      'What each result is held against: "last-good", or the id of a comparison or run.',
    ),
    comparison: comparisonRequest.optional(),
    run: specRequest.optional(),
    webhook: shape.webhook.describe('Told of regressions, failures and endpoints that are left.'),
  })
  .describe('Either a comparison or a run.')
  .meta({ id: 'ScheduleRequest' });

const webhook = z.strictObject({
  url: text,
  secretSetting: text.describe('The setting that holds the key of the signature.'),
} satisfies Shape<WebhookOrder>);

const work = {
  kind: z.enum(['comparison', 'run']),
  id: text,
  links: z.strictObject({ self: text, results: text }),
} satisfies Shape<WorkView>;

const notice = z.strictObject({
  id: text,
  event: z.enum(NOTICE_EVENTS),
  sentences: z.array(text),
  state: z.enum(['pending', 'delivered', 'given-up']),
  attempts: count,
  error: text.nullable(),
  at: time,
} satisfies Shape<NoticeView>);

const spread = z.strictObject({
  variance: z.number(),
  degreesOfFreedom: z.number(),
} satisfies Shape<SpreadHistory>);

/** As it was put: what "latest" means is looked up at each start. */
const asPut = z.record(z.string(), z.unknown()).exactOptional();

const fields = {
  name: text,
  schedule: text,
  timeZone: text,
  enabled: z.boolean(),
  keep: count,
  maxUsdPerMonth: maybe,
  baseline: text,
  comparison: asPut,
  run: asPut,
  webhook: webhook.nullable(),
  origin: z.enum(['api', 'settings']),
  createdAt: time,
  changedAt: time,
  nextDueAt: time.nullable(),
  running: z.strictObject({ ...work, dueAt: time, boundUsd: maybe }).nullable(),
  spent: z.strictObject({ month: text.describe('Such as 2026-11, in UTC.'), usd: z.number() }),
  spread: spread.nullable().describe('Between deployments of its targets: variance of log rates.'),
  notices: z.array(notice).describe('What the webhook was told, or is still to be told; newest last.'),
  links: z.strictObject({ self: text, results: text }),
} satisfies Shape<ScheduleView>;

export const schedule = z.strictObject(fields).meta({ id: 'Schedule' });

export const scheduleList = z.strictObject({ schedules: z.array(schedule) }).meta({ id: 'ScheduleList' });

const check = z.strictObject({
  verdict: z.enum(['regression', 'improvement', 'no-change-shown', 'not-comparable']),
  baseline: text.nullable(),
  ratio: maybe.describe('Rate by that of the baseline.'),
  lower: maybe,
  upper: maybe,
  runs: count.describe('Past runs that tell the scatter.'),
  sentence: text,
} satisfies Shape<RegressionVerdict>);

const target = z.strictObject({
  label: text,
  runId: text.nullable(),
  state: runState.nullable(),
  failure: runFailure.nullable(),
  good: z.boolean().describe('It completed and was no regression: others may be held against it.'),
  check: check.nullable(),
  leftOut: z.array(text).describe('Why earlier results were left out of the check.'),
} satisfies Shape<HistoryView['targets'][number]>);

const entry = z
  .strictObject({
    dueAt: time,
    at: time,
    outcome: z.enum(['started', 'skipped', 'too-dear', 'not-started']),
    sentence: text,
    work: z.strictObject(work).nullable(),
    state: z.enum(FINAL_STATES).nullable(),
    endedAt: time.nullable(),
    usd: maybe,
    failure: runFailure.nullable(),
    targets: z.array(target),
  } satisfies Shape<HistoryView>)
  .meta({ id: 'ScheduleEntry' });

export const scheduleWithHistory = z
  .strictObject({ ...fields, history: z.array(entry) })
  .meta({ id: 'ScheduleWithHistory' });

export const scheduleHistory = z
  .strictObject({ name: text, history: z.array(entry) })
  .meta({ id: 'ScheduleHistory' });

export const scheduleDeleted = z
  .strictObject({ name: text, deleted: z.literal(true), stillRunning: text.nullable() })
  .meta({ id: 'ScheduleDeleted' });
