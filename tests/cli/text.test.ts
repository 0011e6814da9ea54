import { describe, expect, it } from 'vitest';
import { writeDuration, writeFigure, writeUsd } from '../../src/cli/figure.ts';
import { printable, printableDocument } from '../../src/cli/printable.ts';
import { wrapLine } from '../../src/cli/report-text.ts';
import { RunDisplay } from '../../src/cli/run-display.ts';
import { costOf, describeStage, renderProgress } from '../../src/cli/run-text.ts';
import { renderTable } from '../../src/cli/text-table.ts';
import { RUN_STATES } from '../../src/core/run.ts';
import { viewRun } from '../../src/http/run-view.ts';
import { A_MOMENT_MS, aRun } from '../support/builders.ts';

const view = (fields: Parameters<typeof aRun>[0] = {}) => viewRun(aRun(fields), A_MOMENT_MS + 36_000);

describe('figures', () => {
  it.each([
    [null, '-'],
    [0, '0.00'],
    [1.234, '1.23'],
    [12.34, '12.3'],
    [123.4, '123'],
    [12_345.6, '12346'],
  ])('%s is %s', (value, text) => expect(writeFigure(value)).toBe(text));

  it.each([
    [null, '-'],
    [0, '$0.00'],
    [0.0123, '$0.0123'],
    [1.239, '$1.24'],
  ])('%s dollars are %s', (value, text) => expect(writeUsd(value)).toBe(text));

  it.each([
    [0, '0:00'],
    [7.4, '0:07'],
    [750, '12:30'],
    [3_723, '1:02:03'],
    [-1, '0:00'],
  ])('%s seconds are %s', (seconds, text) => expect(writeDuration(seconds)).toBe(text));
});

describe('text from elsewhere', () => {
  it('loses escapes, control characters and marks that turn the direction', () => {
    expect(printable('a\u001b[31mb\u001b]0;title\u0007c\nd\u202ee\u0000f\u009b')).toBe('abc def');
    expect(printable('x'.repeat(5_000))).toHaveLength(2_001);
  });
  it('keeps the lines of a document', () => {
    expect(printableDocument('a\tb\r\n\u001b[2Jc\u0007')).toBe('a\tb\nc');
  });
});

describe('a table', () => {
  const columns = [
    { title: 'cell', align: 'left' },
    { title: 'tok/s', align: 'right' },
  ] as const;
  const rows = [
    ['c1', '9.00'],
    ['c16-p512', '1234'],
  ];

  it('lines its columns up, numbers to the right', () => {
    expect(renderTable(columns, rows, 80)).toEqual([
      'cell      tok/s',
      '--------  -----',
      'c1         9.00',
      'c16-p512   1234',
    ]);
  });
  it('becomes a block per row where the screen is too narrow', () => {
    expect(renderTable(columns, rows, 14)).toEqual([
      'cell   c1',
      'tok/s  9.00',
      '',
      'cell   c16-p512',
      'tok/s  1234',
    ]);
  });
  it('wraps notes between words', () => {
    expect(wrapLine('one two three four', 9)).toEqual(['one two', '  three', '  four']);
    expect(wrapLine('one two', Number.POSITIVE_INFINITY)).toEqual(['one two']);
  });
});

describe('the progress line', () => {
  it('shows bar, cells, the cell of now, what is left and the cost', () => {
    expect(renderProgress(view(), { width: 120, unicode: false })).toBe(
      '######..................  3/12  c4-p512-o128 (repeat 1 of 3)  1:30 left  $0.0367',
    );
  });
  it('gives up the cost first, then what is left, then the cell of now', () => {
    const at = (width: number) => renderProgress(view(), { width, unicode: false });
    expect([at(76), at(64), at(40)]).toEqual([
      '######..................  3/12  c4-p512-o128 (repeat 1 of 3)  1:30 left',
      '######..................  3/12  c4-p512-o128 (repeat 1 of 3)',
      '######..................  3/12',
    ]);
  });
  it.each([0, 3, 5, 12, 40, 60, 80, 120])('is narrower than a terminal of %s columns', (width) => {
    const line = renderProgress(view(), { width, unicode: true });
    expect(line.length).toBeLessThan(Math.max(1, width));
  });
  it('never fills past its end, and has no share of nothing', () => {
    const progress = { ...aRun().progress, cellsDone: 14, current: null };
    expect(renderProgress(view({ progress }), { width: 60, unicode: false })).toContain(
      `${'#'.repeat(24)}  14/12`,
    );
    const nothing = { ...progress, cellsDone: 0, cellsPlanned: 0 };
    expect(renderProgress(view({ progress: nothing }), { width: 60, unicode: false })).toContain(
      `${'.'.repeat(24)}  0/0`,
    );
  });
});

describe('the stages', () => {
  it.each(RUN_STATES)('%s has a line of its own', (state) => {
    expect(describeStage(view({ state })).length).toBeGreaterThan(10);
  });
  it('tell why a run failed, and what the cost is where no price is known', () => {
    const failure = { code: 'deploy-failed', message: 'No\u001b[0m quota.' } as const;
    expect(describeStage(view({ state: 'failed', failure }))).toBe('deploy-failed: No quota.');
    const billing = { ...aRun().billing, pricePerHourUsd: null, priceReason: 'No list.' };
    expect(costOf(view({ billing }))).toBe('cost unknown (No list.)');
  });
});

describe('the display', () => {
  const show = (isTTY: boolean, columns?: number) => {
    let text = '';
    const screen = {
      isTTY,
      ...(columns !== undefined && { columns }),
      write: (piece: string) => (text += piece),
    };
    const display = new RunDisplay(screen, true);
    for (const cellsDone of [0, 1, 2]) display.show(view({ progress: { ...aRun().progress, cellsDone } }));
    display.show(view({ state: 'releasing' }));
    display.clear();
    return text;
  };

  it('draws over its progress line on a terminal and leaves none behind', () => {
    const text = show(true, 80);
    expect(text.split('\n').filter((line) => line !== '')).toHaveLength(2);
    expect(text.match(/\u001b\[2K/g)).toHaveLength(4);
  });
  it.each([
    ['in a pipe', false, undefined],
    ['on a terminal too narrow for a bar', true, 30],
  ])('writes plain lines %s, and not one for each poll', (_, isTTY, columns) => {
    const text = show(isTTY, columns);
    expect(text).not.toContain('\u001b');
    expect(text.trimEnd().split('\n')).toHaveLength(3);
  });
});
