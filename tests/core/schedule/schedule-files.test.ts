/** A schedule's history as CSV and as Markdown: one line per due time and target, foreign texts inert. */
import { describe, expect, it } from 'vitest';
import { scheduleToCsv } from '../../../src/core/schedule/schedule-csv.ts';
import { scheduleToMarkdown } from '../../../src/core/schedule/schedule-markdown.ts';
import {
  type HistoryEntry,
  putSchedule,
  type ScheduleRecord,
  type TargetResult,
} from '../../../src/core/schedule/schedule-record.ts';
import { A_MOMENT_MS } from '../../support/builders.ts';

const HOUR_MS = 3_600_000;
const A_RECORD: ScheduleRecord = putSchedule(
  null,
  {
    name: 'weekly',
    schedule: '0 0 6 * * 1',
    timeZone: 'UTC',
    enabled: true,
    keep: 2,
    maxUsdPerMonth: 400,
    baseline: 'last-good',
    work: { kind: 'comparison', body: {} },
    webhook: null,
  },
  'api',
  A_MOMENT_MS,
);

const A_TARGET: TargetResult = {
  label: 'A100',
  runId: 'r1',
  state: 'completed',
  failure: null,
  good: false,
  sameAs: 'x',
  deployments: [],
  check: {
    verdict: 'regression',
    baseline: 'r0',
    ratio: 0.823456789,
    lower: 0.95,
    upper: 1.05,
    runs: 7,
    sentence: 'Regression: 82.3 % of the rate.',
  },
  leftOut: ['r-1 had another image.'],
};

const HOSTILE: TargetResult = { ...A_TARGET, label: '=cmd|"/c"!A1 <b>', check: null, leftOut: [] };

const HISTORY: readonly HistoryEntry[] = [
  {
    schedule: 'weekly',
    dueMs: A_MOMENT_MS + HOUR_MS,
    atMs: A_MOMENT_MS + HOUR_MS,
    outcome: 'started',
    sentence: 'Started.',
    work: { kind: 'comparison', id: 'c1' },
    result: {
      state: 'completed',
      endedAtMs: A_MOMENT_MS + 2 * HOUR_MS,
      failure: null,
      usd: 3.5,
      targets: [A_TARGET, HOSTILE],
    },
  },
  {
    schedule: 'weekly',
    dueMs: A_MOMENT_MS,
    atMs: A_MOMENT_MS,
    outcome: 'skipped',
    sentence: 'The last one, c0, was still running.',
    work: null,
    result: null,
  },
];

describe('a history as CSV', () => {
  const lines = scheduleToCsv(HISTORY).trimEnd().split('\n');
  const fields = lines.map((line) => line.split(','));
  const fieldOf = (line: number, column: string) => fields[line]?.[fields[0]?.indexOf(column) ?? -1];

  it('has a row for each target, and one where nothing was started', () => {
    expect(lines).toHaveLength(4);
    expect(fieldOf(1, 'due_at')).toBe(new Date(A_MOMENT_MS + HOUR_MS).toISOString());
    expect([1, 2].map((line) => fieldOf(line, 'id'))).toEqual(['c1', 'c1']);
    expect(fieldOf(1, 'verdict')).toBe('regression');
    expect(fieldOf(1, 'rate_ratio')).toBe('0.823457');
    expect(fieldOf(1, 'expected_lower')).toBe('0.95');
    expect(fieldOf(1, 'past_runs')).toBe('7');
    expect(fieldOf(2, 'verdict')).toBe('');
    expect(fieldOf(3, 'outcome')).toBe('skipped');
    expect(lines[3]).toContain('"The last one, c0, was still running."');
  });

  it('lets no label be a formula', () => {
    expect(lines[2]).toContain(`"'=cmd`);
  });
});

describe('a history as Markdown', () => {
  const text = scheduleToMarkdown(A_RECORD, HISTORY);

  it('says first what the newest result says, then what came of each due time', () => {
    expect(text).toContain('# Schedule weekly');
    expect(text).toContain('- A100: Regression: 82.3 % of the rate. r-1 had another image.');
    expect(text).toContain('| completed | c1 | 3.5 | A100 | regression | 0.8235 | 0.95 to 1.05 |');
    expect(text).toContain('| The last one, c0, was still running. | - | - | - | - | - | - |');
    expect(text).toContain('At most 400 USD a month');
  });

  it('shows a hostile label as itself, in one cell', () => {
    expect(text).toContain('| `=cmd\\|"/c"!A1 <b>` |');
  });

  it('says where there is nothing yet', () => {
    const empty = scheduleToMarkdown({ ...A_RECORD, maxUsdPerMonth: null, enabled: false }, []);
    expect(empty).toContain('Nothing was measured yet.');
    expect(empty).toContain('Nothing was due yet.');
    expect(empty).toContain('At most any sum a month');
    expect(empty).toContain('; paused');
  });
});
