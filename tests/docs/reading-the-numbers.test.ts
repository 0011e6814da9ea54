/** The page about the figures names each field of a row once, and nothing that is none. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { LEAST_SAMPLES } from '../../src/core/report/report.ts';
import { reportRow } from '../../src/http/contract/report.ts';

const page = readFileSync(
  path.join(import.meta.dirname, '..', '..', 'docs', 'reading-the-numbers.md'),
  'utf8',
);
const rows = page.split('\n').filter((line) => line.startsWith('| `'));
const named = rows.map((line) => /^\| `(\w+)`/.exec(line)?.[1] ?? '');

it('has a row for each field of a report row, once, and for no other', () => {
  expect(named.toSorted()).toEqual(Object.keys(reportRow.shape).sort());
});

it('says of each what it is', () => {
  expect(rows.filter((line) => (line.split('|')[2] ?? '').trim().length < 10)).toEqual([]);
});

it('tells the samples that a percentile needs as they are', () => {
  expect(page).toContain(`A p95 needs ${LEAST_SAMPLES.p95} samples and a p99 ${LEAST_SAMPLES.p99};`);
});
