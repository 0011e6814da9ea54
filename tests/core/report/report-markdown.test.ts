import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord, type Report } from '../../../src/core/report/report.ts';
import { reportToMarkdown } from '../../../src/core/report/report-markdown.ts';
import {
  aCell,
  aFailedShardSummary,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
} from '../../support/builders.ts';

const HOSTILE = [
  'a|b',
  'a\\|b',
  '```',
  '`',
  'a ` b `` c',
  'one\ntwo',
  'one\n\n# two',
  '[x](javascript:alert(1))',
  '![x](http://127.0.0.1:9/x)',
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script>',
  '<!--',
  'http://127.0.0.1:9/x',
  'www.example.com',
  'someone@example.com',
  '&lt;b&gt;',
  '**bold** _emphasis_ ~~struck~~',
  'one\u2028two\u2029three',
  '\u202egnp.exe\u202c',
  '\u001b[2J\u0000',
  '\ud800',
  '- item',
  '1. item',
];

describe('a report as Markdown', () => {
  test('tells what was measured, the cells, the best throughput and the notes', () => {
    const markdown = markdownOf([
      aCell(),
      aCell({ level: 2, summary: mergeShards([aShardSummary(), aShardSummary()]) }),
    ]);
    expect(markdown).toContain('# Benchmark of Phi-4 on Standard_NC24ads_A100_v4\n');
    expect(markdown).toContain('- Model: AzureML / Phi-4, version 7');
    expect(markdown).toContain('- SKU: Standard_NC24ads_A100_v4, instances: 1, region: eastus2');
    expect(markdown).toContain('- Price: 3.67 USD per hour and instance, 1 paid for');
    expect(markdown).toContain('Closed loop');
    const best = markdown.slice(markdown.indexOf('## Best throughput'));
    for (const line of [
      'Concurrency: 2',
      'Prompt size: 512',
      'Response size: 128',
      'Throughput: 512 ',
      'Average latency: 0.5 s',
      'Average TTFT: 0.1 s',
    ]) {
      expect(best).toContain(`- ${line}`);
    }
  });

  test('every row of the table has as many cells as its header', () => {
    const markdown = markdownOf([
      aCell(),
      aCell({ level: 4, summary: null, notMeasuredReason: 'missed | each other' }),
    ]);
    const rows = tableOf(markdown);
    expect(rows).toHaveLength(4);
    expect(new Set(rows.map((row) => row.length)).size).toBe(1);
    expect(rows[1]).toEqual(rows[0]?.map(() => '---:'));
  });

  test('shows a dash where nothing succeeded, with the classes of what failed', () => {
    const markdown = markdownOf([aCell({ summary: mergeShards([aFailedShardSummary()]) })]);
    const [header = [], , row = []] = tableOf(markdown);
    const shown = Object.fromEntries(header.map((title, index) => [title, row[index]]));
    expect(shown).toMatchObject({
      Succeeded: '0',
      Failed: '20',
      'Output tokens/s': '-',
      'TTFT p50 ms': '-',
      'E2E p99 ms': '-',
    });
    expect(shown['USD per million output tokens']).toBe('-');
    expect(markdown).toContain(
      '- server-error: 20. The endpoint failed with 500. Example: Internal Server Error',
    );
    expect(markdown).toContain('No request succeeded, so there is none.');
    expect(markdown).not.toMatch(/NaN|Infinity|null|undefined/);
  });

  test('says where the samples are too few for a percentile', () => {
    const markdown = markdownOf([
      aCell({ summary: mergeShards([aShardSummary({ e2e: aHistogram(...Array(100).fill(10)) })]) }),
    ]);
    const [header = [], , row = []] = tableOf(markdown);
    expect(row[header.indexOf('E2E p95 ms')]).toBe('10.01');
    expect(row[header.indexOf('E2E p99 ms')]).toBe('n<299');
    expect(row[header.indexOf('TTFT p95 ms')]).toBe('n<59');
    expect(markdown).toContain('n<59, n<299: too few samples');
  });

  test('gives the reason where there is no TTFT, and where there was no steady window', () => {
    const unsteady = aShardSummary({
      steady: null,
      steadyReason: 'Too few.',
      ttft: aHistogram(),
      ttftReason: 'not-streamed',
    });
    const markdown = markdownOf([aCell({ summary: mergeShards([unsteady]) })]);
    const [header = [], , row = []] = tableOf(markdown);
    expect(row[header.indexOf('TTFT p50 ms')]).toBe('not-streamed');
    expect(row[header.indexOf('Output tokens/s')]).toMatch(/ \\\*$/);
    expect(markdown).toContain('\\* over the whole measurement');
  });

  test('a simulated run and a partial report say so before anything else', () => {
    const cells = [aCell({ provenance: aProvenance({ simulated: true, simulatorGpuSpeed: 4 }) })];
    const markdown = reportToMarkdown(buildReport(aRun(), cells), true);
    const [, second, third] = markdown.split('\n\n');
    expect(second).toMatch(/^> \*\*SIMULATED\*\* at 4 x GPU speed/);
    expect(third).toMatch(/^> \*\*PARTIAL\.\*\*/);
    expect(markdownOf([aCell()])).not.toMatch(/SIMULATED|PARTIAL/);
  });

  test('an unknown price is told with its reason, and a run that stopped early with what stopped it', () => {
    const run = aRun({
      billing: { ...aRun().billing, pricePerHourUsd: null, priceReason: 'The price list could not be read.' },
      stoppedBy: 'limits.maxCells: 3 measurements were made.',
    });
    const markdown = reportToMarkdown(buildReport(run, [aCell()]));
    expect(markdown).toContain('- Price: unknown. The price list could not be read.');
    expect(markdown).toContain('limits.maxCells: 3 measurements were made.');
  });

  test('without a cell it says that nothing was measured', () => {
    const markdown = markdownOf([]);
    expect(markdown).toContain('Nothing was measured.');
    expect(tableOf(markdown)).toHaveLength(0);
  });

  test.each(HOSTILE)('foreign text %j changes nothing but its own words', (text) => {
    const plain = skeletonOf(reportToMarkdown(withForeignText('PLAIN')));
    expect(skeletonOf(reportToMarkdown(withForeignText(text)))).toEqual(plain);
  });

  test('foreign text is shown as it is, with invisible characters as their code', () => {
    const shown = (text: string) => reportToMarkdown(withForeignText(text));
    expect(shown('a|b')).toContain('SKU: `a|b`,');
    expect(shown('a ` b `` c')).toContain('SKU: ``` a ` b `` c ```,');
    expect(shown('<img src=x onerror=alert(1)>')).toContain('SKU: `<img src=x onerror=alert(1)>`,');
    expect(shown('one\u2028two')).toContain('SKU: one two,');
    expect(shown('\u202egnp')).toContain('SKU: `\\u202egnp`,');
    expect(shown('Standard_NC24ads_A100_v4')).toContain('SKU: Standard_NC24ads_A100_v4,');
  });
});

function markdownOf(cells: readonly CellRecord[]): string {
  return reportToMarkdown(buildReport(aRun(), cells));
}

/** A report with the text in every place that does not come from us alone. */
function withForeignText(text: string): Report {
  const summary = mergeShards([
    aFailedShardSummary({ failureExamples: { 'server-error': text }, steadyReason: text }),
  ]);
  const provenance = aProvenance({
    endpoint: text,
    deployment: text,
    sku: text,
    region: text,
    clientRegion: text,
    model: { registry: text, name: text, version: text },
  });
  const run = aRun({
    stoppedBy: text,
    billing: { ...aRun().billing, pricePerHourUsd: null, priceReason: text },
  });
  const report = buildReport(run, [
    aCell({ summary, provenance }),
    aCell({ level: 2, summary: null, notMeasuredReason: text, provenance }),
  ]);
  return { ...report, notes: [...report.notes, text] };
}

function tableOf(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

/**
 * The lines of a document with every code span (CommonMark 6.1: it ends at the next run of backticks of its own
 * length) and every plain word of the foreign text reduced to one mark. What is left is what a renderer gives a meaning to.
 */
function skeletonOf(markdown: string): string[] {
  return markdown.split('\n').map((line) => {
    const withoutSpans = line.replace(/(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)/g, 'PLAIN');
    return withoutSpans.replace(/one two three|one two/g, 'PLAIN');
  });
}
