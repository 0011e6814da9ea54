/**
 * A run's report as one HTML file that can be mailed: it loads nothing, runs nothing, and shows the same charts as the
 * page, drawn beforehand. Every text in it is escaped, and its policy admits its own style and nothing else.
 */
import { createHash } from 'node:crypto';
import type { Report, ReportRow } from '../core/report/report.ts';
import { type Markup, markup, writeMarkup } from './markup.ts';
import { type AnyReport, reportSections } from './report-sections.ts';
import { STYLE } from './style.ts';
import { NONE, writeUsd } from './wording.ts';

/** The file's text. `partial` where the run still measures. */
export function reportToHtml(report: Report, partial: boolean): string {
  const title = `foundry-bench: ${modelOf(report)}`;
  const body = [
    markup('header', {}, markup('p', { class: 'brand' }, 'foundry-bench')),
    markup('main', {}, markup('h1', {}, modelOf(report)), factsOf(report), ...sectionsOf(report, partial)),
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
    markup('title', {}, title),
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

function sectionsOf(report: AnyReport, partial: boolean): Markup[] {
  if (report.rows.length === 0) return [markup('p', { class: 'empty' }, 'Nothing was measured.')];
  return [markup('h2', {}, 'Results'), ...reportSections(report, partial)];
}

/** What was measured, as read back; from the first row, since all rows of a run have the same. */
function factsOf(report: Report): Markup {
  const row = report.rows[0];
  const { pricePerHourUsd, priceReason } = report.cost;
  const facts: [string, string][] = [
    ['Run', report.runId],
    ['Created', `${new Date(report.createdAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`],
    ['Machine', machineOf(row)],
    ['Region', row?.provenance.region ?? NONE],
    ['Route', row?.provenance.route ?? NONE],
    [
      'Price',
      pricePerHourUsd === null ? (priceReason ?? NONE) : `${writeUsd(pricePerHourUsd)} per hour and instance`,
    ],
  ];
  return markup(
    'dl',
    {},
    ...facts.flatMap(([name, value]) => [markup('dt', {}, name), markup('dd', {}, value)]),
  );
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
