/**
 * A schedule's history as Markdown: what its newest result says, then every due time with what came of it. How each
 * figure was made is told by the report of its run or comparison, whose id stands in the table.
 */
import { digits, literal, literalCell, NONE, writeList, writeTable } from '../markdown.ts';
import type { HistoryEntry, ScheduleRecord, TargetResult } from './schedule-record.ts';

/** `history` is the newest first. */
export function scheduleToMarkdown(
  { name, schedule, timeZone, enabled, baseline, maxUsdPerMonth }: ScheduleRecord,
  history: readonly HistoryEntry[],
): string {
  const newest = history.find(({ result }) => result !== null)?.result?.targets ?? [];
  const blocks = [
    `# Schedule ${literal(name)}`,
    writeList([
      `Due: ${literal(schedule)} (second, minute, hour, day, month, day of week), ${literal(timeZone)}${enabled ? '' : '; paused'}`,
      `Held against: ${baseline === 'last-good' ? 'the last good result' : literal(baseline)}, over the scatter of past deployments`,
      `At most ${maxUsdPerMonth === null ? 'any sum' : `${digits(maxUsdPerMonth, 6)} USD`} a month`,
    ]),
    '## Newest result',
    newest.length === 0 ? 'Nothing was measured yet.' : writeList(newest.map(describeTarget)),
    '## History',
    history.length === 0 ? 'Nothing was due yet.' : writeTable([TITLES, ...history.flatMap(rowsOf)]),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function describeTarget({ label, check, failure, leftOut }: TargetResult): string {
  const sentences = [failure?.message, check?.sentence, ...leftOut].filter((one) => one !== undefined);
  return `${literal(label)}: ${sentences.length === 0 ? 'nothing to tell' : sentences.map(literal).join(' ')}`;
}

const TITLES = ['Due', 'Came of it', 'Id', 'USD', 'Target', 'Verdict', 'Rate / baseline', 'Expected'];

function rowsOf(entry: HistoryEntry): string[][] {
  const { dueMs, outcome, sentence, work, result } = entry;
  const head = [
    new Date(dueMs).toISOString(),
    outcome === 'started' ? (result?.state ?? 'running') : literalCell(sentence),
    literalCell(work?.id),
    digits(result?.usd ?? null, 4),
  ];
  const targets = result?.targets ?? [];
  if (targets.length === 0) return [[...head, NONE, NONE, NONE, NONE]];
  return targets.map(({ label, check }) => [
    ...head,
    literalCell(label),
    check?.verdict ?? NONE,
    digits(check?.ratio ?? null, 4),
    check === null || check.lower === null || check.upper === null
      ? NONE
      : `${digits(check.lower, 4)} to ${digits(check.upper, 4)}`,
  ]);
}
