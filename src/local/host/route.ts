/**
 * ASP.NET Core's route templates, as Azure Functions uses them: pure parsing, matching and precedence.
 *
 * `runs/{id}`, `{id:int}`, `{id?}`, `{id=5}`, `report-{id}.csv` and `{*rest}`. Matching ignores case and a trailing
 * slash. Where several templates match, literals beat parameters, as `compareRoutes` says.
 */

export interface Route {
  readonly template: string;
  readonly segments: readonly Segment[];
}

type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | ({ readonly kind: 'parameter' } & Parameter)
  | ({ readonly kind: 'rest' } & Parameter)
  /** Literal text and parameters in one segment. */
  | { readonly kind: 'mixed'; readonly pattern: RegExp; readonly parameters: readonly Parameter[] };

interface Parameter {
  readonly name: string;
  readonly constraints: readonly Constraint[];
  readonly optional: boolean;
  readonly fallback?: string;
}

type Constraint = (value: string) => boolean;

/** Parses a template; throws a sentence naming what it does not understand. */
export function parseRoute(template: string): Route {
  const texts = splitSegments(template);
  const segments = texts.map((text) => parseSegment(template, text));
  segments.forEach((segment, index) => {
    const isLast = index === segments.length - 1;
    if (segment.kind === 'rest' && !isLast) throw fault(template, 'a catch-all parameter must come last');
    if (!isLast && isOptional(segment) && !isOptional(segments[index + 1]!)) {
      throw fault(template, 'only the last parameters can be optional');
    }
  });
  const names = segments.flatMap(parametersOf).map(({ name }) => name.toLowerCase());
  if (new Set(names).size < names.length) throw fault(template, 'a parameter stands in it twice');
  return { template, segments };
}

/** The parameters when `path` (already split and decoded by `splitPath`) matches, null otherwise. */
export function matchRoute(route: Route, path: readonly string[]): Readonly<Record<string, string>> | null {
  // Built from entries, so that a parameter may have any name, `__proto__` included.
  const values: [string, string][] = [];
  for (const [index, segment] of route.segments.entries()) {
    if (segment.kind === 'rest') {
      const rest = path.slice(index).join('/');
      if (rest === '') addFallback(segment, values);
      else if (!take(segment, rest, values)) return null;
      return Object.fromEntries(values);
    }
    const text = path[index];
    if (segment.kind === 'literal') {
      if (text?.toLowerCase() !== segment.text) return null;
    } else if (segment.kind === 'parameter') {
      if (!take(segment, text, values)) return null;
    } else {
      const match = text === undefined ? null : segment.pattern.exec(text);
      if (match === null) return null;
      if (!segment.parameters.every((parameter, at) => take(parameter, match[at + 1], values))) return null;
    }
  }
  return path.length > route.segments.length ? null : Object.fromEntries(values);
}

/** Orders routes by precedence, segment by segment, the one to try first in front (`RoutePrecedence.ComputeInbound`). */
export function compareRoutes(a: Route, b: Route): number {
  for (let index = 0; index < Math.max(a.segments.length, b.segments.length); index += 1) {
    const difference = precedence(a.segments[index]) - precedence(b.segments[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A URL's path as decoded segments, without a trailing slash; null when it is not validly encoded. */
export function splitPath(pathname: string): readonly string[] | null {
  const trimmed = pathname.replace(/^\//, '').replace(/\/$/, '');
  if (trimmed === '') return [];
  try {
    return trimmed.split('/').map(decodeURIComponent);
  } catch {
    return null;
  }
}

function take(parameter: Parameter, text: string | undefined, values: [string, string][]): boolean {
  if (text === undefined) {
    addFallback(parameter, values);
    return canBeMissing(parameter);
  }
  if (text === '' || !parameter.constraints.every((holds) => holds(text))) return false;
  values.push([parameter.name, text]);
  return true;
}

function addFallback(parameter: Parameter, values: [string, string][]): void {
  if (parameter.fallback !== undefined) values.push([parameter.name, parameter.fallback]);
}

function precedence(segment: Segment | undefined): number {
  if (segment === undefined) return 0;
  if (segment.kind === 'literal') return 1;
  if (segment.kind === 'mixed') return 2;
  const constrained = segment.constraints.length > 0;
  if (segment.kind === 'parameter') return constrained ? 2 : 3;
  return constrained ? 4 : 5;
}

function canBeMissing({ optional, fallback }: Parameter): boolean {
  return optional || fallback !== undefined;
}

/** Whether a path may end before this segment. */
function isOptional(segment: Segment): boolean {
  return segment.kind === 'rest' || (segment.kind === 'parameter' && canBeMissing(segment));
}

function parametersOf(segment: Segment): readonly Parameter[] {
  if (segment.kind === 'literal') return [];
  return segment.kind === 'mixed' ? segment.parameters : [segment];
}

/** Splits at slashes outside of braces: a `regex` constraint may hold one. */
function splitSegments(template: string): readonly string[] {
  const trimmed = template.replace(/^\/+|\/+$/g, '');
  if (trimmed === '') return [];
  const segments = [''];
  let depth = 0;
  for (const character of trimmed) {
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    if (character === '/' && depth === 0) segments.push('');
    else segments[segments.length - 1] += character;
  }
  if (segments.includes('')) throw fault(template, 'a segment of it is empty');
  return segments;
}

function parseSegment(template: string, text: string): Segment {
  const parts = splitParts(template, text);
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) {
    if (!only.isParameter) return { kind: 'literal', text: only.text.toLowerCase() };
    const stars = /^\*{1,2}/.exec(only.text)?.[0] ?? '';
    const parameter = parseParameter(template, only.text.slice(stars.length));
    return { kind: stars === '' ? 'parameter' : 'rest', ...parameter };
  }

  let source = '';
  const parameters: Parameter[] = [];
  for (const part of parts) {
    if (part.isParameter) {
      const parameter = parseParameter(template, part.text);
      if (canBeMissing(parameter)) {
        throw fault(template, 'an optional parameter must have a segment of its own');
      }
      parameters.push(parameter);
      source += '(.+?)';
    } else {
      source += part.text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    }
  }
  return { kind: 'mixed', pattern: new RegExp(`^${source}$`, 'i'), parameters };
}

/** Cuts a segment into literal text and the insides of braces; `{{` and `}}` inside a parameter stand for a brace. */
function splitParts(
  template: string,
  text: string,
): readonly { readonly isParameter: boolean; readonly text: string }[] {
  const parts: { isParameter: boolean; text: string }[] = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === '}') throw fault(template, 'a } has no {');
    if (text[at] !== '{') {
      const end = text.indexOf('{', at);
      const literal = text.slice(at, end === -1 ? undefined : end);
      if (literal.includes('}')) throw fault(template, 'a } has no {');
      parts.push({ isParameter: false, text: literal });
      at += literal.length;
      continue;
    }
    let inside = '';
    at += 1;
    while (at < text.length && (text[at] !== '}' || text[at + 1] === '}')) {
      if ((text[at] === '{' || text[at] === '}') && text[at + 1] === text[at]) at += 1;
      inside += text[at];
      at += 1;
    }
    if (at >= text.length) throw fault(template, 'a { has no }');
    at += 1;
    parts.push({ isParameter: true, text: inside });
  }
  return parts;
}

/** `name`, `name?`, `name=value`, `name:constraint:constraint(argument)?`. */
function parseParameter(template: string, text: string): Parameter {
  const name = /^[^:=?*{}/]+/.exec(text)?.[0];
  if (name === undefined) throw fault(template, 'a parameter has no name');
  let rest = text.slice(name.length);
  const constraints: Constraint[] = [];
  while (rest.startsWith(':')) {
    const word = /^:([A-Za-z]+)/.exec(rest);
    if (word?.[1] === undefined) throw fault(template, `a constraint of {${name}} has no name`);
    rest = rest.slice(word[0].length);
    let argument: string | undefined;
    if (rest.startsWith('(')) {
      // The argument ends at the first ) that closes the constraint: one before another constraint, or the end.
      const end = /\)(?=:[A-Za-z]|=|\?$|$)/.exec(rest);
      if (end === null) throw fault(template, `the constraint ${word[1]} of {${name}} has no )`);
      argument = rest.slice(1, end.index);
      rest = rest.slice(end.index + 1);
    }
    constraints.push(parseConstraint(template, word[1], argument));
  }
  if (rest === '') return { name, constraints, optional: false };
  if (rest === '?') return { name, constraints, optional: true };
  if (rest.startsWith('=')) return { name, constraints, optional: false, fallback: rest.slice(1) };
  throw fault(template, `'${rest}' after {${name}} is not understood`);
}

const NUMBER = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;
const GUID =
  /^(\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}|\([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\)|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/i;

function parseConstraint(template: string, word: string, argument: string | undefined): Constraint {
  const numbers = (argument ?? '').split(',').map((part) => Number(part.trim()));
  const [first, second] = numbers;
  const takes = (count: number): number => {
    if (argument === undefined || numbers.length !== count || !numbers.every(Number.isInteger)) {
      throw fault(template, `the constraint ${word} takes ${count} whole number${count === 1 ? '' : 's'}`);
    }
    return first!;
  };
  switch (word.toLowerCase()) {
    case 'int':
      return (value) => isInteger(value, 32);
    case 'long':
      return (value) => isInteger(value, 64);
    case 'bool':
      return (value) => /^(true|false)$/i.test(value);
    case 'decimal':
    case 'double':
    case 'float':
      return (value) => NUMBER.test(value);
    case 'datetime':
      return (value) => !Number.isNaN(Date.parse(value));
    case 'guid':
      return (value) => GUID.test(value);
    case 'alpha':
      return (value) => /^[a-z]*$/i.test(value);
    case 'required':
      return (value) => value !== '';
    case 'minlength': {
      const limit = takes(1);
      return (value) => value.length >= limit;
    }
    case 'maxlength': {
      const limit = takes(1);
      return (value) => value.length <= limit;
    }
    case 'length': {
      const from = takes(numbers.length === 2 ? 2 : 1);
      const to = second ?? from;
      return (value) => value.length >= from && value.length <= to;
    }
    case 'min': {
      const limit = takes(1);
      return (value) => isInteger(value, 64) && Number(value) >= limit;
    }
    case 'max': {
      const limit = takes(1);
      return (value) => isInteger(value, 64) && Number(value) <= limit;
    }
    case 'range': {
      const from = takes(2);
      return (value) => isInteger(value, 64) && Number(value) >= from && Number(value) <= second!;
    }
    case 'regex': {
      try {
        const pattern = new RegExp(argument ?? '', 'i');
        return (value) => pattern.test(value);
      } catch (cause) {
        throw new Error(fault(template, `the regular expression '${argument}' is not valid`).message, {
          cause,
        });
      }
    }
    default:
      throw fault(template, `the constraint '${word}' is not known`);
  }
}

/** Whether the text is a signed integer of so many bits, as .NET's `int` (32) and `long` (64). */
function isInteger(value: string, bits: 32 | 64): boolean {
  if (!/^[+-]?\d{1,19}$/.test(value)) return false;
  const number = BigInt(value.replace('+', ''));
  return number === BigInt.asIntN(bits, number);
}

function fault(template: string, what: string): Error {
  return new Error(`The route '${template}' cannot be used: ${what}.`);
}
