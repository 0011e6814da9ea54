/** Markup as Preact elements; text stays text. */
import { h, type VNode } from 'preact';
import type { Markup } from '../markup.ts';

export function drawn(node: Markup): VNode {
  const { tag, attributes, children } = node;
  // An id keeps an element, and with it whether its table is open, when the elements around it change.
  const key = attributes.id === undefined ? {} : { key: attributes.id };
  return h(
    tag,
    { ...attributes, ...key },
    ...children.map((child) => (typeof child === 'string' ? child : drawn(child))),
  );
}
