/**
 * Foreign texts in what is given out: a report as CSV and as Markdown, with any text in every place that does not come
 * from us alone. They are shown and never act, and numbers stay numbers.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import { buildReport, type Report } from '../../src/core/report/report.ts';
import { reportToCsv } from '../../src/core/report/report-csv.ts';
import { reportToMarkdown } from '../../src/core/report/report-markdown.ts';
import { viewRun } from '../../src/http/run-view.ts';
import { aCell, aFailedShardSummary, aProvenance, aRun } from '../support/builders.ts';
import { HOSTILE_TEXTS, hostileText } from './bad-input-values.ts';

function reportWith(text: string): Report {
  const summary = mergeShards([
    aFailedShardSummary({ failureExamples: { 'server-error': text }, steadyReason: text, abortedBy: 'auth' }),
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
    aCell({ provenance }),
    aCell({ level: 2, summary, provenance }),
    aCell({ level: 4, summary: null, notMeasuredReason: text, provenance }),
  ]);
  return { ...report, notes: [...report.notes, text] };
}

const anyText = fc.oneof(fc.constantFrom(...HOSTILE_TEXTS), hostileText, fc.string({ unit: 'grapheme' }));
/** What a spreadsheet takes for the beginning of a formula, and what would hide one from a look at the first sign. */
const FORMULA = /^[\s\u0000-\u001f]*[=+\-@\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

describe('a report as CSV', () => {
  it('has the header’s columns in each row, no formula in a field, and the same numbers whatever the texts say', () => {
    const [, ...plain] = readCsv(reportToCsv(reportWith('plain')));
    fc.assert(
      fc.property(anyText, (text) => {
        const [header = [], ...rows] = readCsv(reportToCsv(reportWith(text)));
        expect(rows.map((row) => row.length)).toEqual(rows.map(() => header.length));
        for (const [at, row] of rows.entries()) {
          for (const [column, field] of row.entries()) {
            expect(
              NUMBER.test(field) || !FORMULA.test(field),
              `${header[column]}: ${JSON.stringify(field)}`,
            ).toBe(true);
            const before = plain[at]?.[column] ?? '';
            if (NUMBER.test(before) && !/7/.test(before)) expect(field).toBe(before);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('a report as Markdown', () => {
  it('keeps its tables, and nothing in a foreign text is alive', () => {
    const shape = tableShape(reportToMarkdown(reportWith('plain')));
    fc.assert(
      fc.property(anyText, (text) => {
        const markdown = reportToMarkdown(reportWith(text));
        expect(tableShape(markdown)).toEqual(shape);
        const rest = withoutCode(markdown);
        // Our own text has none of these outside of code and of escapes.
        expect(rest).not.toMatch(/`|!\[|\]\(|<[a-z!/?]|https?:|javascript:|www\.|\[[^\]]*\]\[/i);
        expect(markdown).not.toMatch(
          /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/,
        );
        expect(markdown.isWellFormed()).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('has no line that a foreign text has begun', () => {
    const lines = reportToMarkdown(reportWith('x\n# Owned\n\n- item\n\n| a | b |\n')).split('\n');
    expect(lines.filter((line) => /^(# Owned|- item|\| a \| b)/.test(line))).toEqual([]);
  });
});

describe('the command line that a run shows', () => {
  const route = (url: string) => {
    const run = aRun();
    return viewRun(
      { ...run, warmUp: run.warmUp && { ...run.warmUp, route: { api: 'score', url, stream: false } } },
      0,
    );
  };

  it('is one command, whatever the address holds', () => {
    fc.assert(
      fc.property(fc.constantFrom(...HOSTILE_TEXTS, "';touch$IFS/tmp/x;'", '$(id)', '`id`', '"'), (text) => {
        const url = new URL(`https://a.eastus.inference.ml.azure.com/x/${text.toWellFormed()}`).href;
        const command = route(url).endpoint?.sampleCurl ?? '';
        expect(command).toContain('curl');
        expect(wordsOf(command)[2]).toBe(url);
        expect(
          wordsOf(command)
            .slice(3)
            .filter((word) => !word.startsWith('-')),
        ).toEqual([
          'Authorization: Bearer <key>',
          'Content-Type: application/json',
          expect.stringContaining('input_data'),
        ]);
      }),
    );
  });
});

/** The words of a command as a POSIX shell takes them; throws where anything outside of quotes means more than itself. */
function wordsOf(command: string): string[] {
  const words: string[] = [];
  let word = '';
  for (let index = 0; index < command.length; index += 1) {
    const character = command[index] ?? '';
    if (character === "'") {
      const end = command.indexOf("'", index + 1);
      if (end < 0) throw new Error('A quote is not closed.');
      word += command.slice(index + 1, end);
      index = end;
    } else if (character === '\\') {
      word += command[index + 1] ?? '';
      index += 1;
    } else if (character === ' ') {
      words.push(word);
      word = '';
    } else if (/[A-Za-z0-9./:-]/.test(character)) word += character;
    else throw new Error(`${character} stands outside of quotes.`);
  }
  return [...words, word];
}

/** RFC 4180, read independently of the library that wrote it. */
function readCsv(csv: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let quoted = false;
  for (let index = 0; index < csv.length; index += 1) {
    const character = csv[index] ?? '';
    if (quoted) {
      if (character !== '"') field += character;
      else if (csv[index + 1] === '"') {
        field += '"';
        index += 1;
      } else quoted = false;
    } else if (character === '"' && field === '') quoted = true;
    else if (character === ',' || character === '\n') {
      row.push(field);
      field = '';
      if (character === '\n') {
        rows.push(row);
        row = [];
      }
    } else field += character;
  }
  expect([field, row, quoted]).toEqual(['', [], false]);
  return rows;
}

/** The cells of each line of a table: GFM cuts at every pipe that no backslash stands before, in code as well. */
function tableShape(markdown: string): number[] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split(/(?<!\\)\|/).length);
}

/** Without code spans (CommonMark 6.1: each ends at the next run of backticks of its own length) and escapes. */
function withoutCode(markdown: string): string {
  return markdown
    .split('\n')
    .map((line) =>
      line.replace(/\\[\\`*_[\]<>|~]/g, '').replace(/(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)/g, 'CODE'),
    )
    .join('\n');
}
