/** Tables as plain text: columns on a wide screen, one block of lines per row on a narrow one. */

import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

const GAP = '  ';

/** The lines of the table, none wider than `width` columns where columns can be kept at all. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => lengthOf(row[index] ?? ''))),
  );
  const total = widths.reduce((sum, one) => sum + one, 0) + GAP.length * (columns.length - 1);
  if (total > width)
    return rows.flatMap((row, index) => [...(index > 0 ? [''] : []), ...renderBlock(columns, row)]);
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? '';
        const blanks = ' '.repeat(Math.max(0, (widths[index] ?? 0) - lengthOf(cell)));
        return align === 'right' ? blanks + cell : cell + blanks;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(columns.map((column) => column.title)),
    widths.map((one) => '-'.repeat(one)).join(GAP),
    ...rows.map(line),
  ];
}

function renderBlock(columns: readonly Column[], row: readonly string[]): string[] {
  const titleWidth = Math.max(...columns.map((column) => column.title.length));
  return columns.map((column, index) => `${column.title.padEnd(titleWidth)}${GAP}${row[index] ?? ''}`);
}

/** Of what is seen: colours take no place. */
function lengthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
