/** What the webhook of a schedule is told, when, and how often it is tried. Pure. */
import type { HistoryEntry, RunningWork, WorkResult } from './schedule-record.ts';

export const NOTICE_EVENTS = ['regression', 'failure', 'leaked-lease'] as const;

/** Something that the webhook is told. */
export interface Notice {
  /** The same for the same event, so that a receiver that gets it twice can tell. */
  readonly id: string;
  readonly event: (typeof NOTICE_EVENTS)[number];
  readonly atMs: number;
  readonly work: Pick<RunningWork, 'kind' | 'id'> | null;
  readonly sentences: readonly string[];
  readonly attempts: number;
  readonly state: 'pending' | 'delivered' | 'given-up';
  /** When it is tried next, while it is pending. */
  readonly nextAtMs: number;
  /** What the last attempt failed with. */
  readonly error: string | null;
}

/** A webhook that does not come back within the half hour that these take is not waited for. */
const NOTICE_ATTEMPTS = 6;
/** Before the second attempt; doubled before each further one. */
const NOTICE_WAIT_MS = 60_000;
/** Notices kept in the row, delivered or not. */
const MOST_NOTICES = 20;
/** Sentences of one notice: a comparison has at most 20 targets. */
const MOST_SENTENCES = 25;

/** The record with one notice more, unless it has one of that id. */
export function addNotice(
  notices: readonly Notice[],
  { id, event, work, sentences }: Pick<Notice, 'id' | 'event' | 'work' | 'sentences'>,
  nowMs: number,
): readonly Notice[] {
  if (notices.some((one) => one.id === id)) return notices;
  const notice: Notice = {
    id,
    event,
    atMs: nowMs,
    work,
    sentences: sentences.slice(0, MOST_SENTENCES),
    attempts: 0,
    state: 'pending',
    nextAtMs: nowMs,
    error: null,
  };
  return [...notices, notice].slice(-MOST_NOTICES);
}

/** The notice after an attempt; `error` is null where it was delivered, `hopeless` where no other attempt would help. */
export function afterAttempt(
  notice: Notice,
  outcome: { readonly error: string | null; readonly hopeless: boolean },
  nowMs: number,
): Notice {
  const attempts = notice.attempts + 1;
  if (outcome.error === null) return { ...notice, attempts, state: 'delivered', error: null };
  const over = outcome.hopeless || attempts >= NOTICE_ATTEMPTS;
  return {
    ...notice,
    attempts,
    state: over ? 'given-up' : 'pending',
    nextAtMs: nowMs + NOTICE_WAIT_MS * 2 ** (attempts - 1),
    error: outcome.error,
  };
}

/** What a result is worth telling: a target that has become slower, one that failed, an endpoint that was not deleted. */
export function noticesOf(
  work: Pick<RunningWork, 'kind' | 'id'>,
  { failure, targets }: WorkResult,
): Pick<Notice, 'id' | 'event' | 'work' | 'sentences'>[] {
  const name = (label: string) => (work.kind === 'run' ? '' : `"${label}": `);
  const failures = targets.flatMap(({ label, failure: one }) =>
    one === null ? [] : [{ code: one.code, sentence: `${name(label)}${one.message}` }],
  );
  const whole =
    failure === null || failures.length > 0 ? [] : [{ code: failure.code, sentence: failure.message }];
  const all = [...failures, ...whole];
  const sentences: Record<Notice['event'], string[]> = {
    regression: targets.flatMap(({ label, check }) =>
      check?.verdict === 'regression' ? [`${name(label)}${check.sentence}`] : [],
    ),
    failure: all.filter(({ code }) => code !== 'leaked-endpoint').map(({ sentence }) => sentence),
    'leaked-lease': all.filter(({ code }) => code === 'leaked-endpoint').map(({ sentence }) => sentence),
  };
  return NOTICE_EVENTS.filter((event) => sentences[event].length > 0).map((event) => ({
    id: `${work.id}-${event}`,
    event,
    work,
    sentences: sentences[event],
  }));
}

/** That something was due and could not be started. */
export function noticeOfEntry({
  schedule,
  dueMs,
  sentence,
}: HistoryEntry): Pick<Notice, 'id' | 'event' | 'work' | 'sentences'> {
  return {
    id: `${schedule}-${Math.floor(dueMs / 1_000)}-failure`,
    event: 'failure',
    work: null,
    sentences: [sentence],
  };
}

/** The JSON that is posted; `installation` tells whose it is. */
export function noticeBody(schedule: string, installation: string, notice: Notice): string {
  const { id, event, atMs, work, sentences } = notice;
  return JSON.stringify({
    id,
    event,
    at: new Date(atMs).toISOString(),
    installation,
    schedule,
    work: work === null ? null : { ...work, path: `/api/${work.kind}s/${work.id}` },
    sentences,
  });
}
