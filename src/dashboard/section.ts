/** Pieces of which the sections of a report are made, of a run's and of a comparison's. */
import type { Estimate } from './charts/chart.ts';
import { type Child, type Markup, markup } from './markup.ts';
import { NONE, writeDigits } from './wording.ts';

export const SIMULATED = markup(
  'p',
  { class: 'banner simulated' },
  'SIMULATED. A model of a GPU answered; the numbers say nothing about a real SKU.',
);

/** A table in a region that scrolls sideways by itself, by keyboard too. */
export function scrollTable(
  name: string,
  { label, caption }: { readonly label: string; readonly caption: string },
  head: readonly Markup[],
  body: readonly Markup[],
): Markup {
  return markup(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': label, tabindex: 0 },
    markup(
      'table',
      { class: name },
      markup('caption', {}, caption),
      markup('thead', {}, markup('tr', {}, ...head)),
      markup('tbody', {}, ...body),
    ),
  );
}

export function headCell(
  title: string,
  unit: string | null = null,
  name: 'number' | null = 'number',
): Markup {
  return markup('th', { scope: 'col', class: name }, title, unit === null ? null : markup('small', {}, unit));
}

/** What is shown is rounded; the value of its `data` is exact. */
export function exactly(value: number, digits: number): Markup {
  return markup('data', { value }, writeDigits(value, digits));
}

export function numberCell(value: number | null | undefined, digits: number, instead = NONE): Markup {
  const shown: Child = value === null || value === undefined ? instead : exactly(value, digits);
  return markup('td', { class: 'number' }, shown);
}

/** The value, and below it how far it may be off. */
export function estimateCell(estimate: Estimate | null, ...below: readonly Child[]): Markup {
  if (estimate === null) return markup('td', { class: 'number' }, NONE, ...below);
  const { value, lower, upper } = estimate;
  const range =
    lower === null || upper === null
      ? null
      : markup('small', {}, `${writeDigits(lower)} to ${writeDigits(upper)}`);
  return markup('td', { class: 'number' }, exactly(value, 3), range, ...below);
}

export function notesSection(notes: readonly string[]): Markup {
  if (notes.length === 0) return markup('div');
  return markup(
    'div',
    {},
    markup('h3', {}, 'Before you build on it'),
    markup('ul', { class: 'notes' }, ...notes.map((text) => markup('li', {}, text))),
  );
}
