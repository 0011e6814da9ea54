/** A schedule's history as CSV: one row per due time and target, and one where nothing was measured. */
import { type CsvField, writeCsv } from '../csv.ts';
import type { HistoryEntry, TargetResult } from './schedule-record.ts';

type Line = { readonly entry: HistoryEntry; readonly target: TargetResult | null };

const COLUMNS: readonly (readonly [name: string, read: (line: Line) => CsvField])[] = [
  ['due_at', ({ entry }) => new Date(entry.dueMs).toISOString()],
  ['outcome', ({ entry }) => entry.outcome],
  ['sentence', ({ entry }) => entry.sentence],
  ['kind', ({ entry }) => entry.work?.kind ?? null],
  ['id', ({ entry }) => entry.work?.id ?? null],
  ['state', ({ entry }) => entry.result?.state ?? null],
  [
    'ended_at',
    ({ entry: { result } }) => (result === null ? null : new Date(result.endedAtMs).toISOString()),
  ],
  ['usd', ({ entry }) => entry.result?.usd ?? null],
  ['failure', ({ entry }) => entry.result?.failure?.code ?? null],
  ['target', ({ target }) => target?.label ?? null],
  ['run_id', ({ target }) => target?.runId ?? null],
  ['target_state', ({ target }) => target?.state ?? null],
  ['verdict', ({ target }) => target?.check?.verdict ?? null],
  ['baseline', ({ target }) => target?.check?.baseline ?? null],
  ['rate_ratio', ({ target }) => target?.check?.ratio ?? null],
  ['expected_lower', ({ target }) => target?.check?.lower ?? null],
  ['expected_upper', ({ target }) => target?.check?.upper ?? null],
  ['past_runs', ({ target }) => target?.check?.runs ?? null],
  ['verdict_sentence', ({ target }) => target?.check?.sentence ?? null],
  ['left_out', ({ target }) => target?.leftOut.join(' ') ?? null],
];

/** In the order of `history`, with a header line; lines end with a line feed. */
export function scheduleToCsv(history: readonly HistoryEntry[]): string {
  const lines = history.flatMap((entry): Line[] => {
    const targets = entry.result?.targets ?? [];
    return targets.length === 0 ? [{ entry, target: null }] : targets.map((target) => ({ entry, target }));
  });
  return writeCsv(
    COLUMNS.map(([name]) => name),
    lines.map((line) => COLUMNS.map(([, read]) => read(line))),
  );
}
