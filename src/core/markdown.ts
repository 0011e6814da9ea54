/** Parts of Markdown, in which texts of others show as themselves, on GitHub and anywhere else. */
import { writeDigits } from './figure.ts';

/** Stands for a figure or a text that there is not. */
export const NONE = '-';

/** The lines are Markdown already. */
export function writeList(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

/** The first line holds the titles. Cells are Markdown already; numbers stand at the right of theirs. */
export function writeTable(
  [titles = [], ...rows]: readonly (readonly string[])[],
  align: 'left' | 'right' = 'left',
): string {
  const rule = align === 'right' ? '---:' : '---';
  return [titles, titles.map(() => rule), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** That many significant digits, without an exponent in any range that is measured. */
export function digits(value: number | null, significant: number): string {
  return value === null || !Number.isFinite(value) ? NONE : writeDigits(value, significant);
}

/** A text as itself in a table: a bar would end the cell, also inside a code span. */
export function literalCell(text: string | null | undefined): string {
  return literal(text).replaceAll('|', '\\|');
}

/** Words, numbers and plain punctuation that no Markdown renderer gives a meaning to, autolinks included. */
const PLAIN =
  /^(?!.*www\.)[A-Za-z0-9](?:[A-Za-z0-9 .,;%/'"()-]|:(?= |$)|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))*$/i;

/** Starts a block inside a list item: `1. ` or `1) `. */
const ORDERED_ITEM = /^\d+[.)]/;

/**
 * A text as itself. Where it is more than plain words it becomes a code span, in which nothing has a meaning; escaping
 * with backslashes would still let e-mail addresses, mentions and emoji codes through on GitHub. A span that holds
 * backticks is fenced by a longer run of them. Line breaks become spaces, other invisible characters (direction overrides, controls) and halves of a pair their code.
 */
export function literal(text: string | null | undefined): string {
  if (text === null || text === undefined) return NONE;
  const visible = text
    .replace(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, ' ')
    .replace(
      /[\p{Cc}\p{Cf}\p{Cs}]/gu,
      (character: string) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
    )
    .trim();
  if (visible === '') return NONE;
  if (PLAIN.test(visible) && !ORDERED_ITEM.test(visible)) return visible;
  const longestRun = Math.max(0, ...[...visible.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longestRun + 1);
  const padding = longestRun > 0 ? ' ' : '';
  return `${fence}${padding}${visible}${padding}${fence}`;
}
