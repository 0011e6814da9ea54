/**
 * A report of a run or of a comparison as one HTML file that can be mailed: it loads nothing, runs nothing, and shows
 * the same charts as the page, drawn beforehand. Every text in it is escaped, and its policy admits its own style and
 * nothing else.
 */
import { createHash } from 'node:crypto';
import type { ComparisonRecord } from '../core/comparison/comparison-record.ts';
import type { ComparisonReport } from '../core/comparison/comparison-report.ts';
import type { Report, ReportRow } from '../core/report/report.ts';
import { comparisonSections } from './comparison-sections.ts';
import { type Markup, markup, writeMarkup } from './markup.ts';
import { reportSections } from './report-sections.ts';
import { STYLE } from './style.ts';
import { NONE, writeShare, writeUsd } from './wording.ts';

/** A run's file. `partial` where it still measures. */
export function reportToHtml(report: Report, partial: boolean): string {
  return writeFile(modelOf(report), runFacts(report), runSections(report, partial));
}

/** A comparison's file. `partial` where it still measures. */
export function comparisonToHtml(
  report: ComparisonReport,
  { id, createdAtMs, comparison }: Pick<ComparisonRecord, 'id' | 'createdAtMs' | 'comparison'>,
  partial: boolean,
): string {
  const facts: [string, string][] = [
    ['Comparison', id],
    ['Created', writeMoment(createdAtMs)],
    ['Targets', comparison.targets.map(({ label }) => label).join(', ')],
    ['Strategy', comparison.strategy],
    ['Differences that matter', `from ${writeShare(comparison.threshold)} on`],
  ];
  const title = `Comparison of ${comparison.targets.length} targets`;
  return writeFile(title, facts, comparisonSections(report, partial));
}

function writeFile(
  title: string,
  facts: readonly (readonly [name: string, value: string])[],
  sections: readonly Markup[],
): string {
  const body = [
    markup('header', {}, markup('p', { class: 'brand' }, 'foundry-bench')),
    markup(
      'main',
      {},
      markup('h1', {}, title),
      markup(
        'dl',
        {},
        ...facts.flatMap(([name, value]) => [markup('dt', {}, name), markup('dd', {}, value)]),
      ),
      markup('h2', {}, 'Results'),
      ...sections,
    ),
    markup(
      'footer',
      {},
      markup('p', {}, 'Made by foundry-bench. The file loads nothing and runs nothing; all of it is here.'),
    ),
  ];
  const policy = `default-src 'none'; style-src 'sha256-${hashOf(STYLE)}'; base-uri 'none'; form-action 'none'`;
  const head = [
    markup('meta', { charset: 'utf-8' }),
    markup('meta', { 'http-equiv': 'Content-Security-Policy', content: policy }),
    markup('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    markup('meta', { name: 'color-scheme', content: 'light dark' }),
    markup('meta', { name: 'referrer', content: 'no-referrer' }),
    markup('title', {}, `foundry-bench: ${title}`),
  ].map(writeMarkup);
  return `<!doctype html>
<html lang="en">
<head>
${head.join('\n')}
<style>${STYLE}</style>
</head>
<body>
${body.map(writeMarkup).join('\n')}
</body>
</html>
`;
}

function runSections(report: Report, partial: boolean): Markup[] {
  if (report.rows.length === 0) return [markup('p', { class: 'empty' }, 'Nothing was measured.')];
  return reportSections(report, partial);
}

function writeMoment(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** What was measured, as read back; from the first row, since all rows of a run have the same. */
function runFacts(report: Report): [string, string][] {
  const row = report.rows[0];
  const { pricePerHourUsd, priceReason } = report.cost;
  return [
    ['Run', report.runId],
    ['Created', writeMoment(report.createdAtMs)],
    ['Machine', machineOf(row)],
    ['Region', row?.provenance.region ?? NONE],
    ['Route', row?.provenance.route ?? NONE],
    [
      'Price',
      pricePerHourUsd === null ? (priceReason ?? NONE) : `${writeUsd(pricePerHourUsd)} per hour and instance`,
    ],
  ];
}

function modelOf(report: Report): string {
  const model = report.rows[0]?.provenance.model ?? null;
  if (model === null) return 'an endpoint that exists';
  return model.version === null ? model.name : `${model.name} version ${model.version}`;
}

function machineOf(row: ReportRow | undefined): string {
  const { sku = null, instances = null } = row?.provenance ?? {};
  return sku === null ? NONE : `${instances ?? 1} x ${sku}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
