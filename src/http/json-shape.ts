/** How deeply and how widely a JSON text is nested, told before it is parsed: what walks it afterwards is recursive. */

export interface JsonShape {
  /** Lists and objects within each other. */
  readonly depth: number;
  /** Items of lists and fields of objects, less one for each list and object that has any. */
  readonly commas: number;
}

/** Of valid JSON exactly; of anything else some shape, since parsing will refuse it. Reads each character once. */
export function shapeOfJson(text: string): JsonShape {
  let depth = 0;
  let deepest = 0;
  let commas = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (quoted) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) quoted = false;
    } else if (code === QUOTE) quoted = true;
    else if (code === COMMA) commas += 1;
    else if (code === LIST || code === OBJECT) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (code === LIST_END || code === OBJECT_END) depth -= 1;
  }
  return { depth: deepest, commas };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const LIST = 0x5b;
const LIST_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
