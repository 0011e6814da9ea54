/**
 * One event of the log as one line of JSON, with the ids that belong to it: `event` says what happened, `runId`, `cell`
 * and `endpoint` to what. In Application Insights, `traces | extend e = parse_json(message) | where e.runId == "..."`
 * is the story of a run.
 */
import { redact } from './redact.ts';

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Application Insights keeps 32,768 characters of a message; what is longer than a stack with its causes is a body. */
const MOST_CHARACTERS = 8_000;

/** The line; fields that are undefined are left out. Texts are redacted and cut, and JSON lets none of them act. */
export function writeLogLine(event: string, fields: LogFields): string {
  const clean = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? cut(redact(value)) : value,
    ]),
  );
  // A log is read on terminals and by programs that take these for the end of a line.
  return JSON.stringify({ event, ...clean }).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function cut(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}...`.toWellFormed();
}
