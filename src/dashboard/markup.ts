/**
 * Elements as plain data: what the page hands to Preact and the mailed report writes as text, so that a chart is drawn
 * once for both and can be looked at in a test without a document. A text is only ever a text.
 */

export interface Markup {
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: readonly (Markup | string)[];
}

export type Attributes = Readonly<Record<string, string | number | boolean>>;
export type Child = Markup | string | number | null | readonly Child[];

/** An element. Attributes that are null or false are left out; children that are null are none. */
export function markup(
  tag: string,
  attributes: Readonly<Record<string, string | number | boolean | null>> = {},
  ...children: readonly Child[]
): Markup {
  const given = Object.entries(attributes).filter(([, value]) => value !== null && value !== false);
  return { tag, attributes: Object.fromEntries(given) as Attributes, children: children.flatMap(flatten) };
}

function flatten(child: Child): (Markup | string)[] {
  if (child === null) return [];
  if (Array.isArray(child)) return (child as readonly Child[]).flatMap(flatten);
  return [typeof child === 'number' ? String(child) : (child as Markup | string)];
}

/** HTML of an element, every text and value escaped. Throws for a name of ours that could run or style something. */
export function writeMarkup(node: Markup | string): string {
  if (typeof node === 'string') return escapeText(node);
  const { tag, attributes, children } = node;
  if (!SAFE_TAG.test(tag)) throw new Error(`<${tag}> is no element of a report.`);
  const written = Object.entries(attributes).map(([name, value]) => writeAttribute(name, value));
  const open = `<${tag}${written.join('')}>`;
  return VOID_TAGS.has(tag) ? open : `${open}${children.map(writeMarkup).join('')}</${tag}>`;
}

const SAFE_TAG = /^(?!script$|style$|iframe$|object$|embed$|base$)[a-zA-Z][a-zA-Z0-9]*$/;
/** Names are ours, never data's. No handler, no style, and no address but one inside the document. */
const SAFE_ATTRIBUTE = /^(?!on|style$|src|href$|xlink)[a-zA-Z][a-zA-Z-]*\d*$/;
const VOID_TAGS = new Set(['br', 'hr', 'meta', 'col']);

function writeAttribute(name: string, value: string | number | boolean): string {
  if (!SAFE_ATTRIBUTE.test(name)) throw new Error(`"${name}" is no attribute of a report.`);
  return value === true ? ` ${name}` : ` ${name}="${escapeText(String(value))}"`;
}

/** Text for any place between tags or in a quoted attribute; what HTML cannot hold becomes U+FFFD. */
export function escapeText(text: string): string {
  return text
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
