/** What a row says of lengths, bytes and kept samples, in each form of the report; and rows that were stored before. */
import { describe, expect, test } from 'vitest';
import type { ShardSummary } from '../../../src/core/measuring/shard.ts';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord, type Report } from '../../../src/core/report/report.ts';
import { reportToCsv } from '../../../src/core/report/report-csv.ts';
import { reportToMarkdown } from '../../../src/core/report/report-markdown.ts';
import { aCell, aHistogram, aRun, aShardSummary } from '../../support/builders.ts';

const NEW: Partial<ShardSummary> = {
  outputLengths: { 100: 2, 200: 18 },
  promptLengths: { 204: 20 },
  keptSamples: 15,
  wire: {
    whole: { sent: 60_000, received: 600_000 },
    steady: { sent: 50_000, received: 500_000 },
    delays: aHistogram(120),
    rateLimit: { 'remaining-tokens': '9000' },
  },
};

const aRepeat = (repeat: number, fields: Partial<ShardSummary> = NEW): CellRecord =>
  aCell({ repeat, summary: mergeShards([aShardSummary(fields)]) });

/** The fields of a report's first row as the CSV has them. */
function csvOf(report: Report): Record<string, string> {
  const [header = '', row = ''] = reportToCsv(report).split('\n');
  // Fields that hold a comma are quoted and stand before those that are asked for here.
  const [names, values] = [header.split(','), row.split(',')];
  const shift = values.length - names.length;
  return Object.fromEntries(names.map((name, index) => [name, values[index + shift] ?? '']));
}

describe('a row', () => {
  test('has the range of lengths over all its repeats, and of what was kept the sum', () => {
    const { rows, notes } = buildReport(aRun(), [
      aRepeat(1),
      aRepeat(2, { ...NEW, outputLengths: { 200: 20 }, keptSamples: 20 }),
    ]);
    expect(rows[0]).toMatchObject({
      outputLengthRatio: { count: 40, p5: 0.5, p95: 1 },
      promptLengthRatio: { count: 40, p5: 1.02, p95: 1.02 },
      keptSamples: 35,
    });
    expect(notes.join()).toContain('samples?cell=c1-p512-o128); of 1 only the first of each shard');
  });

  test('that was stored by a version that did not count is read, with nulls, and says nothing of kept samples', () => {
    const { rows, notes } = buildReport(aRun(), [aRepeat(1, {})]);
    expect(rows[0]).toMatchObject({
      outputLengthRatio: null,
      promptLengthRatio: null,
      wire: null,
      gpu: null,
    });
    expect(rows[0]).not.toHaveProperty('keptSamples');
    expect(notes.join()).not.toContain('kept');
  });

  test('whose streams may have been held back is named in a note, unless one of its repeats could tell', () => {
    const untold = aRepeat(1, { mayBeBuffered: true });
    const { rows, notes } = buildReport(aRun(), [untold, aRepeat(2, { mayBeBuffered: true })]);
    expect(rows[0]).toMatchObject({ ttftReason: null, mayBeBuffered: true });
    expect(notes.join()).toMatch(/In c1-p512-o128, all of an answer came at once .* TTFT may be the time of/);
    expect(buildReport(aRun(), [untold, aRepeat(2)]).notes.join()).not.toContain('came at once');
  });

  test('of such a version beside one that counts has what the other says', () => {
    const [row] = buildReport(aRun(), [aRepeat(1, {}), aRepeat(2)]).rows;
    expect(row).toMatchObject({ outputLengthRatio: { count: 20 }, wire: { delayedAnswers: 1 } });
  });
});

describe('a report', () => {
  const gpu = { utilisation: 0.875, minutes: 2, reason: null };
  const report = buildReport(aRun(), [{ ...aRepeat(1), gpu }]);

  test('as CSV has them behind the columns that there were', () => {
    expect(csvOf(report)).toMatchObject({
      output_length_ratio_p5: '0.5',
      output_length_ratio_p95: '1',
      prompt_length_ratio_p5: '1.02',
      sent_bytes_per_second: '5000',
      received_bytes_per_second: '50000',
      bandwidth_delayed_answers: '1',
      gpu_utilisation: '0.875',
      kept_samples: '15',
    });
    const [header = ''] = reportToCsv(report).split('\n');
    expect(header.indexOf('created_at')).toBeLessThan(header.indexOf('output_length_ratio_p5'));
  });

  test('as Markdown has a table of them, where there is anything to show', () => {
    const markdown = reportToMarkdown(report);
    expect(markdown).toContain('## Lengths and bytes');
    expect(markdown).toContain('| 1.02 to 1.02 | 0.5 to 1 | 5 | 50 | 1, by 120 ms | 87.5 |');
    expect(reportToMarkdown(buildReport(aRun(), [aRepeat(1, {})]))).not.toContain('## Lengths and bytes');
  });

  test('that was stored before has none of it and is written in every form', () => {
    const rows = report.rows.map(
      ({ wire, gpu: _, outputLengthRatio, promptLengthRatio, keptSamples, ...old }) => old,
    );
    const before: Report = { ...report, rows };
    expect(csvOf(before)).toMatchObject({
      output_length_ratio_p5: '',
      kept_samples: '',
      gpu_utilisation: '',
    });
    expect(reportToMarkdown(before)).not.toContain('## Lengths and bytes');
  });
});
