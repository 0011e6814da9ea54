/**
 * A sample as a line of JSON. Times have three decimals, since a microsecond is what the clock tells; `scheduledMs` and
 * `sentMs` are on the monotonic clock of the machine that loaded (process.hrtime), and mean nothing on another.
 */
import type { Sample } from './sample.ts';

/** Without the line feed. */
export function writeSampleLine(sample: Sample): string {
  return JSON.stringify({
    ...sample,
    scheduledMs: toMicroseconds(sample.scheduledMs),
    sentMs: toMicroseconds(sample.sentMs),
    ttftMs: toMicrosecondsOrNull(sample.ttftMs),
    ttftAnswerMs: toMicrosecondsOrNull(sample.ttftAnswerMs),
    e2eMs: toMicroseconds(sample.e2eMs),
    gapsMs: sample.gapsMs.map(toMicroseconds),
  });
}

function toMicrosecondsOrNull(ms: number | null): number | null {
  return ms === null ? null : toMicroseconds(ms);
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
