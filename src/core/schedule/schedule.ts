/**
 * A schedule: a comparison or a run that a timer starts again and again. `parseSchedule` turns a request body into a
 * schedule or all its faults at once; `dueNow` and `refuseCost` decide what the timer does. Pure.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { COMPARISON_ID_PATTERN, newComparisonId } from '../comparison/comparison-record.ts';
import { type Fault, messageOf, type Parsed } from '../failure.ts';
import { newRunId, RUN_ID_PATTERN } from '../run.ts';
import { issueFaults } from '../spec/issue-fault.ts';
import { amount, objectRule, whole } from '../spec/spec-rule.ts';
import { parseNcrontab } from './ncrontab.ts';

export interface Schedule {
  readonly name: string;
  /** NCRONTAB. */
  readonly schedule: string;
  /** An IANA name. */
  readonly timeZone: string;
  readonly enabled: boolean;
  /** Entries of the history: so many that measured, and so many that did not. */
  readonly keep: number;
  /** Null is no bound of its own. */
  readonly maxUsdPerMonth: number | null;
  /** What each result is held against: the newest good one, or the comparison or run of that id. */
  readonly baseline: string;
  readonly work: ScheduledWork;
  readonly webhook: WebhookOrder | null;
}

/** The body as `POST` takes it: what "latest" means, and what it costs, is looked up at each start. */
export interface ScheduledWork {
  readonly kind: 'comparison' | 'run';
  readonly body: Readonly<Record<string, unknown>>;
}

export interface WebhookOrder {
  readonly url: string;
  /** The name of the setting that holds the key of the signature. */
  readonly secretSetting: string;
}

export const LAST_GOOD = 'last-good';

/** Safe in keys, addresses and file names, and one spelling each. */
export const SCHEDULE_NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
export const SCHEDULE_NAME_RULE =
  'must be the name of a schedule: 1 to 40 lower-case letters, digits and dashes, none of them a dash at an end';

/** A timer looks at the schedules once a minute; what is due more often could never be started. */
const LEAST_GAP_MS = 60_000;
/** Due times that are looked at for the gap between them: an hour of minutes, and the same again. */
const GAPS_CHECKED = 120;
const EXPRESSION_CHARACTERS = 200;
/** Four years of weeks. */
const MOST_KEPT = 208;
const MOST_USD_PER_MONTH = 1_000_000;
const URL_CHARACTERS = 2_048;

const object = (example: string) =>
  z.record(z.string(), z.unknown(), { error: `must be an object such as ${example}` }).optional();

/** A schedule as it may be written, but for what it starts, which is planned as a call that starts one would. */
export const scheduleForm = z.strictObject(
  {
    schedule: z
      .string({ error: 'must be a text such as "0 0 6 * * 1"' })
      .min(1, 'must not be empty; write NCRONTAB such as "0 0 6 * * 1"')
      .max(EXPRESSION_CHARACTERS, `must have at most ${EXPRESSION_CHARACTERS} characters`),
    timeZone: z.string({ error: 'must be the name of a time zone such as "Europe/Berlin"' }).default('UTC'),
    enabled: z.boolean({ error: 'must be true or false' }).default(true),
    keep: whole(1, MOST_KEPT).default(26),
    maxUsdPerMonth: amount(0.01, MOST_USD_PER_MONTH).nullable().default(400),
    baseline: z
      .string({ error: `must be "${LAST_GOOD}", or the id of a comparison or run` })
      .default(LAST_GOOD),
    comparison: object('{"base":{...},"targets":[...]}'),
    run: object('{"model":{...},"target":{...}}'),
    webhook: z
      .strictObject(
        {
          url: z.string({ error: 'must be an https address' }).max(URL_CHARACTERS, 'is too long'),
          secretSetting: z
            .string({ error: 'must be the name of a setting' })
            .max(120, 'must have at most 120 characters'),
        },
        objectRule('{"url":"https://...","secretSetting":"WEBHOOK_SECRET_..."}'),
      )
      .nullable()
      .default(null),
  },
  objectRule('{"schedule":"0 0 6 * * 1","comparison":{...}}'),
);

/**
 * The schedule with every default filled in, or every fault of the input at once. What the comparison or run says is
 * left to those who plan one; `work` is there whenever there is one to plan, faults beside it or not.
 */
export function parseSchedule(
  name: string,
  input: unknown,
  nowMs: number,
): { readonly parsed: Parsed<Schedule>; readonly work: ScheduledWork | null } {
  const faults: Fault[] = SCHEDULE_NAME.test(name) ? [] : [{ path: 'name', message: SCHEDULE_NAME_RULE }];
  const result = scheduleForm.safeParse(input, { reportInput: true });
  const work = readWork(input);
  if (!result.success) faults.push(...issueFaults(result.error.issues, 'a schedule'));
  faults.push(...workFaults(input));
  if (result.success) {
    faults.push(...timetableFaults(result.data, nowMs));
    faults.push(...baselineFaults(result.data.baseline, work));
  }
  if (!result.success || work === null || faults.length > 0) return { parsed: { ok: false, faults }, work };
  const { comparison: _, run: __, ...rest } = result.data;
  return { parsed: { ok: true, value: { name, ...rest, work } }, work };
}

function readWork(input: unknown): ScheduledWork | null {
  if (typeof input !== 'object' || input === null) return null;
  const { comparison, run } = input as Readonly<Record<string, unknown>>;
  if (isObject(comparison) && run === undefined) return { kind: 'comparison', body: comparison };
  if (isObject(run) && comparison === undefined) return { kind: 'run', body: run };
  return null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function workFaults(input: unknown): Fault[] {
  if (!isObject(input)) return [];
  const { comparison, run } = input;
  if (comparison === undefined && run === undefined)
    return [{ path: 'comparison', message: 'is missing; give a "comparison", or a "run" in its place' }];
  if (comparison !== undefined && run !== undefined)
    return [{ path: 'run', message: 'stands beside "comparison"; a schedule starts one of the two' }];
  return [];
}

function timetableFaults(
  { schedule, timeZone }: Pick<Schedule, 'schedule' | 'timeZone'>,
  nowMs: number,
): Fault[] {
  let previous: Date | null = new Date(nowMs);
  try {
    const timetable = parseNcrontab(schedule, timeZone);
    previous = timetable.next(previous);
    if (previous === null) return [{ path: 'schedule', message: 'is never due; there is no such day' }];
    for (let gaps = 0; gaps < GAPS_CHECKED; gaps += 1) {
      const next: Date | null = timetable.next(previous);
      if (next === null) return [];
      if (next.getTime() - previous.getTime() < LEAST_GAP_MS)
        return [
          {
            path: 'schedule',
            message: `is due at ${previous.toISOString()} and at ${next.toISOString()}; a minute must lie between`,
          },
        ];
      previous = next;
    }
    return [];
  } catch (error) {
    const message = messageOf(error);
    return [{ path: isTimeZone(timeZone) ? 'schedule' : 'timeZone', message }];
  }
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function baselineFaults(baseline: string, work: ScheduledWork | null): Fault[] {
  if (baseline === LAST_GOOD || work === null) return [];
  const pattern = work.kind === 'comparison' ? COMPARISON_ID_PATTERN : RUN_ID_PATTERN;
  if (pattern.test(baseline)) return [];
  return [{ path: 'baseline', message: `must be "${LAST_GOOD}" or the id of a ${work.kind}` }];
}

/** What the timer does about a schedule now, as a sentence too. */
export type Due =
  | { readonly kind: 'not-due' }
  | {
      readonly kind: 'start' | 'catch-up' | 'skip';
      /** Which due time it is about: the newest; what came before it is passed over. */
      readonly dueMs: number;
      /** Due times before it that nothing was done about, and the first of all of them. */
      readonly missed: number;
      readonly sinceMs: number;
      readonly sentence: string;
    };

/** How late a start may be and still be the usual one: a pass of the timer and the one after it. */
const USUAL_DELAY_MS = 3 * 60_000;
/** What was missed longer ago than a month is not made up for, and the walk through the due times has an end. */
const CATCH_UP_MS = 31 * 24 * 3_600_000;

/**
 * What is due. `lastDueMs`: everything due until then has been dealt with. `runningId`: what the schedule has started
 * and is not over. However many due times were missed, the newest of them is the only one that is made up for.
 */
export function dueNow(
  { schedule, timeZone, enabled }: Pick<Schedule, 'schedule' | 'timeZone' | 'enabled'>,
  lastDueMs: number,
  nowMs: number,
  runningId: string | null,
): Due {
  if (!enabled) return { kind: 'not-due' };
  const timetable = parseNcrontab(schedule, timeZone);
  let dueMs: number | null = null;
  let sinceMs: number | null = null;
  let missed = -1;
  for (let at = timetable.next(new Date(Math.max(lastDueMs, nowMs - CATCH_UP_MS))); ; ) {
    if (at === null || at.getTime() > nowMs) break;
    dueMs = at.getTime();
    sinceMs ??= dueMs;
    missed += 1;
    at = timetable.next(at);
  }
  if (dueMs === null || sinceMs === null) return { kind: 'not-due' };
  const due = { dueMs, missed, sinceMs };
  const before =
    missed === 0 ? '' : ` ${missed} due ${missed === 1 ? 'time' : 'times'} before it passed without a start.`;
  if (runningId !== null)
    return {
      ...due,
      kind: 'skip',
      sentence: `Skipped what was due at ${iso(dueMs)}: ${runningId}, started before, is not over.${before}`,
    };
  if (missed > 0 || nowMs - dueMs > USUAL_DELAY_MS)
    return {
      ...due,
      kind: 'catch-up',
      sentence: `Started late, at ${iso(nowMs)}, for what was due at ${iso(dueMs)}.${before}`,
    };
  return { ...due, kind: 'start', sentence: `Started for what was due at ${iso(dueMs)}.` };
}

export interface Money {
  readonly maxUsdPerMonth: number | null;
  /** What the schedule's work of this month has cost. */
  readonly spentUsd: number;
  /** What the work may cost at the most; null where a price is unknown. */
  readonly boundUsd: number | null;
}

/** Why the work must not be started for its cost, as a clause; null where it may. */
export function refuseCost({ maxUsdPerMonth, spentUsd, boundUsd }: Money): string | null {
  if (maxUsdPerMonth === null) return null;
  if (boundUsd === null)
    return 'what it may cost is not known, so maxUsdPerMonth cannot be kept; give target.pricePerHourUsd, or maxUsdPerMonth null';
  if (spentUsd + boundUsd <= maxUsdPerMonth) return null;
  return `it may cost up to ${usd(boundUsd)}, ${usd(spentUsd)} were spent this month, and maxUsdPerMonth is ${usd(maxUsdPerMonth)}`;
}

/** When it is due next; null where it is not enabled, or never again. */
export function nextDueMs(
  { schedule, timeZone, enabled }: Pick<Schedule, 'schedule' | 'timeZone' | 'enabled'>,
  nowMs: number,
): number | null {
  return enabled ? (parseNcrontab(schedule, timeZone).next(new Date(nowMs))?.getTime() ?? null) : null;
}

/** The moment from which due times count for a schedule that is put now: the second that has begun is among them. */
export function countsFromMs(nowMs: number): number {
  return Math.floor(nowMs / 1_000) * 1_000 - 1;
}

/** The id of what is started for a due second: whoever starts it, and however often, it is one thing. */
export function scheduledId({ name, work }: Pick<Schedule, 'name' | 'work'>, dueMs: number): string {
  const second = Math.floor(dueMs / 1_000);
  const hash = createHash('sha256').update(`schedule\n${name}\n${second}`).digest('hex').slice(0, 8);
  return work.kind === 'comparison' ? newComparisonId(second * 1_000, hash) : newRunId(second * 1_000, hash);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function usd(amountUsd: number): string {
  return `$${amountUsd.toFixed(2)}`;
}
