/** Values that people and attackers send where something else is meant, as generators. */
import fc from 'fast-check';

/** Texts that mean something to a spreadsheet, a browser, a shell, a query, a path, a terminal or an object. */
export const HOSTILE_TEXTS = [
  '',
  ' ',
  '\t',
  '.',
  '..',
  '../../etc/passwd',
  'a/b',
  'a\\b',
  'a#b',
  'a?b',
  'a%2Fb',
  '%',
  '100%',
  '%00',
  '%zz',
  "it's",
  "x' or 'a' eq 'a",
  "'; drop table runs; --",
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '\t=cmd|x!A0',
  '＝1',
  'a|b',
  '```',
  '[x](javascript:alert(1))',
  '![x](http://127.0.0.1:9/x)',
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script>',
  '<!--',
  '{{prompt}}',

  '\u0000',
  '\u001b[2J',
  '\u001b]8;;http://x\u0007',
  '\u2028',
  '\u202e',
  '\ufeff',
  '\ud800',
  'e\u0301',
  '\u00e9',
  '𝄞😀',
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'null',
  'NaN',
  'Infinity',
  '1e999',
  '0x10',
  '9007199254740993',
  'a'.repeat(600),
  'é'.repeat(40_000),
  'http://169.254.169.254/metadata/instance',
  'https://user:pass@a.inference.ml.azure.com/score',
  'azureml://registries/x/models/y/versions/1',
] as const;

export const HOSTILE_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'a b',
  '',
  '=1',
  '<b>',
  '\u0000',
];

const HOSTILE_NUMBERS = [
  0,
  -0,
  -1,
  0.5,
  1e21,
  1e308,
  -1e308,
  5e-324,
  2 ** 31,
  2 ** 53,
  2 ** 53 + 2,
  999_999_999_999,
] as const;

export const hostileText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
);

const scalar = fc.oneof(
  hostileText,
  fc.constantFrom(...HOSTILE_NUMBERS),
  fc.constantFrom(true, false, null),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** Any JSON, as its text: names of every object's own among the fields, which an object literal could not hold. */
export const hostileJson: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar.map((value) => JSON.stringify(value)),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...HOSTILE_NAMES), hostileText), tie('value')), {
        maxLength: 4,
      })
      .map((fields) => `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`),
  ),
})).value;

/** Every place in a JSON value, as a path. */
export function placesIn(
  value: unknown,
  path: readonly (string | number)[] = [],
): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inside = Array.isArray(value)
    ? value.flatMap((item, index) => placesIn(item, [...path, index]))
    : Object.entries(value).flatMap(([name, item]) => placesIn(item, [...path, name]));
  return [path, ...inside];
}

/** The value as JSON with another JSON text in one place. */
export function replaceIn(value: unknown, path: readonly (string | number)[], json: string): string {
  const [step, ...rest] = path;
  if (step === undefined) return json;
  if (Array.isArray(value))
    return `[${value.map((item, index) => (index === step ? replaceIn(item, rest, json) : JSON.stringify(item))).join(',')}]`;
  const fields = Object.entries(value as object).map(
    ([name, item]) =>
      `${JSON.stringify(name)}:${name === step ? replaceIn(item, rest, json) : JSON.stringify(item)}`,
  );
  return `{${fields.join(',')}}`;
}

/** The object in one place with one field more. */
export function addField(
  value: unknown,
  path: readonly (string | number)[],
  name: string,
  json: string,
): string {
  let at: unknown = value;
  for (const step of path) at = (at as Record<string | number, unknown>)[step];
  const fields = Object.entries(at as object).map(
    ([own, item]) => `${JSON.stringify(own)}:${JSON.stringify(item)}`,
  );
  return replaceIn(value, path, `{${[...fields, `${JSON.stringify(name)}:${json}`].join(',')}}`);
}

export function objectsIn(value: unknown): (readonly (string | number)[])[] {
  return placesIn(value).filter((path) => {
    let at: unknown = value;
    for (const step of path) at = (at as Record<string | number, unknown>)[step];
    return typeof at === 'object' && at !== null && !Array.isArray(at);
  });
}
