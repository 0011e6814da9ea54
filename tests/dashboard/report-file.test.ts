import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { ComparisonReport, Standing } from '../../src/core/comparison/comparison-report.ts';
import { buildReport } from '../../src/core/report/report.ts';
import { comparisonToHtml, reportToHtml } from '../../src/dashboard/report-file.ts';
import { A_MOMENT_MS, aCell, aProvenance, aRun } from '../support/builders.ts';
import { COMPARISON_ID, sampleComparison, sampleComparisonReport } from './sample-comparison.ts';
import { sampleReport } from './sample-run.ts';

const HOSTILE = `</style></script><script>alert(1)</script><!-- "' \u2028 javascript:alert(1)`;

test('the file holds every chart, every cell and nothing to load or to run', () => {
  const html = reportToHtml(sampleReport(), false);
  expect(html.match(/<figure /g)).toHaveLength(9);
  expect(html).not.toMatch(/<script|<link|<img|<iframe|<object|\ssrc=|href=|url\(|@import/);
  expect(html.match(/<style>/g)).toHaveLength(1);
  expect(html).toContain('SIMULATED');
  for (const row of sampleReport().rows)
    expect(html).toContain(`<data value="${row.outputTokensPerSecond}">`);
});

test('its policy admits its own style and nothing else', () => {
  const html = reportToHtml(sampleReport(), false);
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  expect(html).toContain(
    `<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;;`,
  );
});

test('hostile text is a text wherever it stands', () => {
  const report = buildReport(aRun({ stoppedBy: HOSTILE }), [
    aCell({
      provenance: aProvenance({
        sku: HOSTILE,
        region: HOSTILE,
        model: { registry: 'a', name: HOSTILE, version: HOSTILE },
      }),
    }),
    aCell({ level: 2, summary: null, notMeasuredReason: HOSTILE }),
  ]);
  const html = reportToHtml({ ...report, notes: [HOSTILE], runId: HOSTILE }, true);
  expect(html).not.toMatch(/<script|<!--|<\/style><\/script>/);
  expect(html.match(/<\/style>/g)).toHaveLength(1);
  expect(html).toContain('&lt;/script&gt;');
  expect(html).toContain('So far:');
});

test('a report without a row says so', () => {
  expect(reportToHtml(buildReport(aRun(), []), false)).toContain('Nothing was measured.');
});

const RECORD = { id: COMPARISON_ID, createdAtMs: A_MOMENT_MS, comparison: sampleComparison() };

test("a comparison's file holds its answer, every chart, every level and nothing to load or to run", () => {
  const report = sampleComparisonReport({ race: true, simulated: true });
  const html = comparisonToHtml(report, RECORD, false);
  const ids = [...html.matchAll(/<figure class="chart" id="chart-([^"]*)"/g)].map(([, id]) => id);
  expect(ids).toEqual(['cost-0', 'rate-0', 'gpu-0', 'front-0', 'race']);
  expect(html).not.toMatch(/<script|<link|<img|<iframe|<object|\ssrc=|href=|url\(|@import/);
  expect(html).toContain('SIMULATED');
  expect(html).toContain(COMPARISON_ID);
  for (const { table } of report.workloads)
    for (const { entries } of table)
      for (const entry of entries) expect(html).toContain(`<data value="${entry?.outputTokensPerSecond}">`);
  for (const { result } of report.pairs) expect(html).toContain(`<data value="${result.ratio}">`);
});

test("hostile labels are texts in a comparison's file", () => {
  const report = JSON.parse(
    JSON.stringify(sampleComparisonReport()).replaceAll('"A100"', JSON.stringify(HOSTILE)),
  );
  const html = comparisonToHtml({ ...report, headline: [HOSTILE], warnings: [HOSTILE] }, RECORD, true);
  expect(html).not.toMatch(/<script|<!--|<\/style><\/script>/);
  expect(html.match(/<\/style>/g)).toHaveLength(1);
  expect(html).toContain('So far:');
});

test('a comparison of which nothing was measured says so, and why', () => {
  const report = { ...sampleComparisonReport(), workloads: [], warnings: ['"A100": No capacity.'] };
  const html = comparisonToHtml(report, RECORD, false);
  expect(html).toContain('Nothing was measured.');
  expect(html).toContain('&quot;A100&quot;: No capacity.');
  expect(html).not.toContain('<figure');
});

test('a figure has an interval only where one is known of it', () => {
  const { workloads, ...rest } = sampleComparisonReport();
  const within = (standing: Standing) => ({ ...standing, value: standing.value * 0.9 });
  // As with objectives: what counts is less than the throughput, and nothing is known of how far it may be off.
  const judged = workloads.map((workload) => ({
    ...workload,
    byCost: workload.byCost.map(within),
    byGoodput: workload.byGoodput.map(within),
  }));
  const intervals = (report: ComparisonReport) =>
    comparisonToHtml(report, RECORD, false).match(/class="interval"/g)?.length ?? 0;
  // Three targets, two charts, two widths.
  expect(intervals({ ...rest, workloads })).toBe(12);
  expect(intervals({ ...rest, workloads: judged })).toBe(0);
});

test('what is paid by the token costs the same at any rate: its cost has no interval, and its prices are told', () => {
  const { targets, ...rest } = sampleComparisonReport();
  const prices = { input: 2.5, output: 10 };
  const paid = targets.map((target) =>
    target.label === 'H100' ? { ...target, hourlyUsd: null, tokenPricesUsdPerMillion: prices } : target,
  );
  const html = comparisonToHtml({ ...rest, targets: paid }, RECORD, false);
  // Three targets with intervals of rates and two with intervals of costs, in two widths.
  expect(html.match(/class="interval"/g)).toHaveLength(10);
  expect(html).toContain('what is paid by the token has none');
  expect(html).toContain('2.50 in, 10.0 out');
});

test('verdicts name what the others are held against, which is not always the cheapest', () => {
  const { pairs, ...rest } = sampleComparisonReport();
  const [first] = pairs;
  const html = comparisonToHtml({ ...rest, pairs }, RECORD, false);
  expect(html).toContain(`<caption>Each other target against ${first?.first}</caption>`);
});

test('a tiny p is told without digits', () => {
  const { pairs, ...rest } = sampleComparisonReport();
  const tiny = pairs.map((pair) => ({ ...pair, result: { ...pair.result, pValue: 4.6e-14 } }));
  const html = comparisonToHtml({ ...rest, pairs: tiny }, RECORD, false);
  expect(html).toContain('<data value="4.6e-14">&lt; 0.0001</data>');
});
