/**
 * Reads the part of Bicep that `infra/` is written in: declarations, object and array literals, `for` and `if`. What
 * it does not know it keeps as the text of an expression; what it cannot follow it refuses with the line.
 */

/** A value as written: only what stands there literally is known, everything else is an expression. */
export type Value =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'object'; readonly properties: ReadonlyMap<string, Value> }
  | { readonly kind: 'array'; readonly items: readonly Value[] }
  | {
      readonly kind: 'loop';
      /** The item's name, and the index's where it has one. */
      readonly variables: readonly string[];
      readonly over: Value;
      /** The condition of each item; null where there is none. */
      readonly condition: Value | null;
      readonly body: Value;
    }
  | { readonly kind: 'expression'; readonly text: string };

export interface Declaration {
  readonly keyword: 'targetScope' | 'param' | 'var' | 'resource' | 'module' | 'output';
  readonly name: string;
  /** `type@version` of a resource, path of a module, type of a param or an output, otherwise empty. */
  readonly type: string;
  readonly existing: boolean;
  /** The condition of a resource that is declared with `if`. */
  readonly condition: Value | null;
  /** A param's default, otherwise what stands after the equals sign. */
  readonly value: Value | null;
}

export function readBicep(text: string): readonly Declaration[] {
  return new BicepReader(blankComments(text)).readFile();
}

/** A value by its text, as it may stand within an expression. */
export function readBicepValue(text: string): Value {
  return new BicepReader(text).readOnlyValue();
}

/** The names that a value refers to: neither its functions nor its property names nor its loops' own variables. */
export function namesIn(value: Value): ReadonlySet<string> {
  switch (value.kind) {
    case 'literal':
      return new Set();
    case 'object': {
      const keys = [...value.properties.keys()].map(
        (key): Value => ({ kind: 'expression', text: `'${key}'` }),
      );
      return new Set([...keys, ...value.properties.values()].flatMap((part) => [...namesIn(part)]));
    }
    case 'array':
      return new Set(value.items.flatMap((item) => [...namesIn(item)]));
    case 'loop': {
      const inside = [value.body, value.condition]
        .flatMap((part) => (part === null ? [] : [...namesIn(part)]))
        .filter((name) => !value.variables.includes(name));
      return new Set([...namesIn(value.over), ...inside]);
    }
    case 'expression':
      return namesInCode(codeOf(value.text));
  }
}

/** Every expression within a value, strings taken out except for what they interpolate. */
export function codesIn(value: Value): readonly string[] {
  switch (value.kind) {
    case 'literal':
      return [];
    case 'object':
      return [...value.properties.values()].flatMap(codesIn);
    case 'array':
      return value.items.flatMap(codesIn);
    case 'loop':
      return [value.over, value.condition, value.body].flatMap((part) =>
        part === null ? [] : codesIn(part),
      );
    case 'expression':
      return [codeOf(value.text)];
  }
}

/** A property by its path, or null where it is not written out. */
export function propertyOf(value: Value | null, ...path: readonly string[]): Value | null {
  let found: Value | null = value;
  for (const key of path) found = found?.kind === 'object' ? (found.properties.get(key) ?? null) : null;
  return found;
}

const NOT_NAMES = new Set(['true', 'false', 'null', 'az', 'sys']);

function namesInCode(code: string): ReadonlySet<string> {
  const names = new Set<string>();
  const lambdaParameters = new Set([...code.matchAll(/([A-Za-z_]\w*)\s*=>/g)].map((match) => match[1] ?? ''));
  for (const match of code.matchAll(/(?<![.\w])[A-Za-z_]\w*/g)) {
    const before = code.slice(0, match.index).trimEnd().at(-1);
    const after = code.slice(match.index + match[0].length).trimStart();
    // A ternary's middle may stand before a colon as well, but not directly after a brace or a comma.
    const isKey = after.startsWith(':') && (before === '{' || before === ',');
    if (isKey || after.startsWith('(') || NOT_NAMES.has(match[0]) || lambdaParameters.has(match[0])) continue;
    names.add(match[0]);
  }
  return names;
}

/** The text without its strings, but with what they interpolate. */
function codeOf(text: string): string {
  let code = '';
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== "'") {
      code += text[at];
      continue;
    }
    const end = endOfString(text, at);
    code += ' ';
    for (const inner of interpolationsOf(text.slice(at, end))) code += ` (${codeOf(inner)}) `;
    at = end - 1;
  }
  return code;
}

function interpolationsOf(string: string): readonly string[] {
  const found: string[] = [];
  for (let at = 1; at < string.length - 1; at += 1) {
    if (string[at] === '\\') at += 1;
    else if (string.startsWith('${', at)) {
      const end = endOfInterpolation(string, at);
      found.push(string.slice(at + 2, end - 1));
      at = end - 1;
    }
  }
  return found;
}

/** Where the string that begins at `from` ends, after its closing quote. */
function endOfString(text: string, from: number): number {
  if (text.startsWith("'''", from)) throw new Error("The reader does not know ''' strings.");
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text.startsWith('${', at)) at = endOfInterpolation(text, at) - 1;
    else if (text[at] === "'") return at + 1;
    else if (text[at] === '\n') break;
  }
  throw new Error(`The string at line ${lineAt(text, from)} is not closed.`);
}

function endOfInterpolation(text: string, from: number): number {
  let depth = 1;
  for (let at = from + 2; at < text.length; at += 1) {
    if (text[at] === "'") at = endOfString(text, at) - 1;
    else if (text[at] === '{') depth += 1;
    else if (text[at] === '}') depth -= 1;
    if (depth === 0) return at + 1;
  }
  throw new Error(`The interpolation at line ${lineAt(text, from)} is not closed.`);
}

/** Comments become spaces, so that every position and line stays where it was. */
function blankComments(text: string): string {
  let blanked = '';
  for (let at = 0; at < text.length; ) {
    let end = at + 1;
    if (text[at] === "'") end = endOfString(text, at);
    const comment = text.startsWith('//', at) ? '\n' : text.startsWith('/*', at) ? '*/' : null;
    if (comment === null) {
      blanked += text.slice(at, end);
    } else {
      const close = text.indexOf(comment, at + 2);
      end = close === -1 ? text.length : comment === '\n' ? close : close + 2;
      blanked += text.slice(at, end).replace(/[^\n]/g, ' ');
    }
    at = end;
  }
  return blanked;
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}

class BicepReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readFile(): readonly Declaration[] {
    const declarations: Declaration[] = [];
    for (;;) {
      this.#skip(/\s*/y);
      if (this.#at === this.#text.length) return declarations;
      if (this.#text[this.#at] === '@') this.#readDecorator();
      else declarations.push(this.#readDeclaration());
    }
  }

  readOnlyValue(): Value {
    return this.#readValue();
  }

  #readDecorator(): void {
    this.#take(/@[\w.]+/y, 'a decorator');
    this.#readBalanced('\n');
  }

  #readDeclaration(): Declaration {
    const keyword = this.#take(/targetScope|param|var|resource|module|output/y, 'a declaration');
    const named = {
      keyword: keyword as Declaration['keyword'],
      existing: false,
      condition: null,
      value: null,
    };
    if (keyword === 'targetScope') return { ...named, name: keyword, type: '', value: this.#readAssigned() };
    this.#skip(/ +/y);
    const name = this.#take(/[A-Za-z_]\w*/y, 'a name');
    this.#skip(/ +/y);
    if (keyword === 'var') return { ...named, name, type: '', value: this.#readAssigned() };
    if (keyword === 'param' || keyword === 'output') {
      const type = this.#take(/\w+/y, 'a type');
      this.#skip(/ +/y);
      return { ...named, name, type, value: this.#text[this.#at] === '=' ? this.#readAssigned() : null };
    }
    const type = this.#take(/'[^'\n]+'/y, 'a type or a path').slice(1, -1);
    this.#skip(/ +/y);
    const existing = this.#skip(/existing\b */y);
    this.#take(/= */y, '"="');
    const condition = this.#readCondition();
    return { ...named, name, type, existing, condition, value: this.#readWhole() };
  }

  #readAssigned(): Value {
    this.#take(/ *= */y, '"="');
    return this.#readWhole();
  }

  #readCondition(): Value | null {
    if (!this.#skip(/if *\(/y)) return null;
    const condition = this.#readExpression(')');
    this.#take(/\) */y, '")"');
    return condition;
  }

  /** A value and the end of its line. */
  #readWhole(): Value {
    const value = this.#readValue();
    this.#take(/[ \r]*(\n|$)/y, 'the end of the line');
    return value;
  }

  #readValue(): Value {
    if (this.#text[this.#at] === '{') return this.#readObject();
    if (this.#text[this.#at] === '[') return this.#readArray();
    const text = this.#readBalanced('\n').trim();
    if (text === '') throw this.#error('a value');
    if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' };
    if (text === 'null') return { kind: 'literal', value: null };
    if (/^-?\d+$/.test(text)) return { kind: 'literal', value: Number(text) };
    const isString = text.startsWith("'") && endOfString(text, 0) === text.length;
    if (isString && !text.includes('${'))
      return { kind: 'literal', value: text.slice(1, -1).replace(/\\(.)/g, '$1') };
    return { kind: 'expression', text };
  }

  #readObject(): Value {
    const properties = new Map<string, Value>();
    this.#take(/\{[\s,]*/y, '"{"');
    while (!this.#skip(/\}/y)) {
      const key = this.#take(/[A-Za-z_]\w*|'[^'\n]+'/y, 'a property').replace(/^'|'$/g, '');
      this.#take(/ *: */y, '":"');
      if (properties.has(key)) throw this.#error(`another property than "${key}", which is already there`);
      properties.set(key, this.#readValue());
      this.#endItem('}');
    }
    return { kind: 'object', properties };
  }

  #readArray(): Value {
    this.#take(/\[[\s,]*/y, '"["');
    if (this.#skip(/for +/y)) {
      const variables = this.#take(/\w+|\(\w+, *\w+\)/y, 'the variable of the loop').match(/\w+/g) ?? [];
      this.#take(/ +in +/y, '"in"');
      const over = this.#text[this.#at] === '[' ? this.#readArray() : this.#readExpression(':');
      this.#take(/ *: */y, '":"');
      const condition = this.#readCondition();
      const body = this.#readValue();
      this.#take(/\s*\]/y, '"]"');
      return { kind: 'loop', variables, over, condition, body };
    }
    const items: Value[] = [];
    while (!this.#skip(/\]/y)) {
      items.push(this.#readValue());
      this.#endItem(']');
    }
    return { kind: 'array', items };
  }

  #readExpression(stop: string): Value {
    return { kind: 'expression', text: this.#readBalanced(stop).trim() };
  }

  /** Items end with a line, a comma or the bracket that closes them. */
  #endItem(close: string): void {
    this.#skip(/[ \r]*/y);
    if (this.#text[this.#at] !== close) this.#take(/[\n,][\s,]*/y, `a line end, "," or "${close}"`);
  }

  /** Text up to `stop`, a comma or a closing bracket, none of which counts within brackets or strings. */
  #readBalanced(stop: string): string {
    const start = this.#at;
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text.charAt(this.#at);
      if (depth === 0 && (character === stop || ',)]}'.includes(character))) break;
      if (character === "'") this.#at = endOfString(this.#text, this.#at) - 1;
      else if ('([{'.includes(character)) depth += 1;
      else if (')]}'.includes(character)) depth -= 1;
    }
    return this.#text.slice(start, this.#at);
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return false;
    this.#at += match[0].length;
    return true;
  }

  #take(pattern: RegExp, what: string): string {
    const start = this.#at;
    if (!this.#skip(pattern)) throw this.#error(what);
    return this.#text.slice(start, this.#at);
  }

  #error(what: string): Error {
    const found = JSON.stringify(this.#text.slice(this.#at, this.#at + 30));
    return new Error(`Line ${lineAt(this.#text, this.#at)}: expected ${what}, found ${found}.`);
  }
}
