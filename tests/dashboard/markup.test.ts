import { describe, expect, it } from 'vitest';
import { markup, writeMarkup } from '../../src/dashboard/markup.ts';

describe('markup as text', () => {
  it.each([
    ['text that ends an element', '</td><script>alert(1)</script>'],
    ['a comment', '<!-- -->'],
    ['quotes', `"'onclick='x`],
    ['an entity', '&lt;b&gt;'],
    ['line separators and a bell', 'a\u2028b\u2029c\u0007d'],
  ])('keeps %s a text', (_, text) => {
    const written = writeMarkup(markup('p', { title: text }, text));
    expect(written.match(/<[^>]*>/g)).toHaveLength(2);
    expect(written).not.toMatch(/<!--|<script/);
    expect(written.match(/"/g)).toHaveLength(2);
    expect(written).not.toContain('\u0007');
  });

  it.each([
    ['a script', () => markup('script', {}, 'x')],
    ['a style', () => markup('style', {}, 'x')],
    ['a handler', () => markup('p', { onclick: 'x' })],
    ['a style attribute', () => markup('p', { style: 'x' })],
    ['an address', () => markup('a', { href: 'javascript:x' })],
    ['a source', () => markup('img', { src: 'x' })],
    ['a name that ends its tag', () => markup('p', { 'a><b': 'x' })],
  ])('refuses %s', (_, make) => {
    expect(() => writeMarkup(make())).toThrow(/is no (element|attribute) of a report/);
  });

  it('leaves out what is null or false, and flattens lists of children', () => {
    const node = markup('p', { hidden: false, id: null, class: 'a' }, null, ['x', [markup('br')], 3]);
    expect(writeMarkup(node)).toBe('<p class="a">x<br>3</p>');
  });
});
