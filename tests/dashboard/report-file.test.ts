import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { buildReport } from '../../src/core/report/report.ts';
import { reportToHtml } from '../../src/dashboard/report-file.ts';
import { aCell, aProvenance, aRun } from '../support/builders.ts';
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
