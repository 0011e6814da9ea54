/** NCRONTAB, the language of timer triggers: pure arithmetic on top of croner. */
import { Cron } from 'croner';
import { messageOf } from '../failure.ts';

export interface Timetable {
  readonly expression: string;
  /** The first due time after `after`, or null when there is none in croner's horizon (a 31st of February). */
  next(after: Date): Date | null;
}

/** A field as NCRONTAB reads it: numbers, names of three letters, ranges, steps, lists. croner knows more, Azure does not. */
const ITEM = String.raw`(\*|\d+|[A-Za-z]{3})(-(\d+|[A-Za-z]{3}))?(/\d+)?`;
const FIELD = new RegExp(`^${ITEM}(,${ITEM})*$`);

const TIMESPAN = /^(\d+\.)?\d{1,2}:\d{2}:\d{2}$/;

/**
 * Parses a schedule of five fields (from the minute) or six (from the second), evaluated in `timeZone` (an IANA name
 * such as `UTC`). A day matches when **both** the day of the month and the day of the week do: that is what NCRONTAB
 * means, unlike cron, where either is enough. Throws a sentence on anything else.
 */
export function parseNcrontab(expression: string, timeZone: string): Timetable {
  const fields = expression.trim().split(/\s+/);
  if (TIMESPAN.test(expression.trim())) {
    throw new Error(
      `The schedule '${expression}' is a time span, which only App Service plans can run; write an NCRONTAB expression such as '0 */5 * * * *'.`,
    );
  }
  if (fields.length < 5 || fields.length > 6 || !fields.every((field) => FIELD.test(field))) {
    throw new Error(
      `The schedule '${expression}' is not NCRONTAB: six fields {second} {minute} {hour} {day} {month} {day of week}, of numbers, names and * / , - only.`,
    );
  }
  if (/(^|[,-])[7-9]/.test(fields.at(-1) ?? '')) {
    throw new Error(`The schedule '${expression}' has a day of week above 6; Sunday is 0 in NCRONTAB.`);
  }
  let cron: Cron;
  try {
    cron = new Cron(expression, {
      paused: true,
      mode: '5-or-6-parts',
      domAndDow: true,
      // NCRONTAB's `5/15` means from 5 on, every 15.
      sloppyRanges: true,
      timezone: timeZone,
    });
    // croner looks at the time zone only when it is asked for a time.
    cron.nextRun();
  } catch (cause) {
    const message = messageOf(cause);
    throw new Error(`The schedule '${expression}' (time zone ${timeZone}) cannot be used: ${message}`, {
      cause,
    });
  }
  return { expression, next: (after) => cron.nextRun(after) };
}
