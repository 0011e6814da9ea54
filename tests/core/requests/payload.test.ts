import { expect, test } from 'vitest';
import {
  type PayloadFamily,
  parsePayloadTemplate,
  placeholdersOf,
  TEMPLATE_BOUNDS,
} from '../../../src/core/requests/payload.ts';
import { PAYLOAD_FAMILIES, PAYLOAD_FAMILY_NAMES } from '../../../src/core/requests/payload-families.ts';

const least = { body: { input: '{{prompt}}' }, answer: { text: [['output']] } };

function faultsOf(input: unknown, at?: string): string[] {
  const parsed = parsePayloadTemplate(input, at);
  return parsed.ok ? [] : parsed.faults.map((fault) => `${fault.path}: ${fault.message}`);
}

/** Values inside each other, so many levels deep. */
function nest(levels: number, inner: unknown): unknown {
  let value = inner;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

test('the least template gets every default: /score, no stream, tokens, an error under "error"', () => {
  expect(parsePayloadTemplate(least)).toEqual({
    ok: true,
    value: {
      path: '/score',
      pathRule: 'replace',
      body: { input: '{{prompt}}' },
      streaming: null,
      answer: { text: [['output']], reasoning: [], finishReason: [], errors: [['error']], mayBeEmpty: false },
      usage: { promptTokens: [], outputTokens: [], cachedPromptTokens: [] },
      endMark: '[DONE]',
      unit: 'token',
      unitsPerRequest: null,
    } satisfies PayloadFamily,
  });
});

test.each(PAYLOAD_FAMILY_NAMES)('the family %s is a template that a user could have written', (name) => {
  const family = PAYLOAD_FAMILIES[name];
  expect(parsePayloadTemplate(JSON.parse(JSON.stringify(family)))).toEqual({ ok: true, value: family });
});

const faults: readonly (readonly [string, unknown, readonly (string | RegExp)[]])[] = [
  ['nothing', undefined, ['template: is missing; it must be an object such as']],
  ['a list', [], ['template: must be an object such as']],
  [
    'an empty object',
    {},
    [
      'template.body: is missing; it must be the request body',
      'template.answer: is missing; it must be an object',
    ],
  ],
  [
    'an unknown field',
    { ...least, method: 'GET' },
    ['template.method: is not a field of a template; remove it'],
  ],
  [
    'several faults at once, each with its path',
    {
      ...least,
      path: 'score',
      unit: 'word',
      answer: { text: [], errors: [['a', -1]], mayBeEmpty: 'no' },
      usage: { outputTokens: ['usage'] },
    },
    [
      'template.path: must begin with one "/"',
      'template.answer.text: must name at least one path',
      'template.answer.errors[0][1]: must be the name of a field or a place',
      'template.answer.mayBeEmpty: must be true or false',
      'template.usage.outputTokens[0]: must be a path as a list',
      'template.unit: must be one of "token"',
    ],
  ],
  [
    'an address for a path',
    { ...least, path: 'https://a.b/score' },
    ['template.path: must begin with one "/"'],
  ],
  [
    'a foreign host for a path',
    { ...least, path: '//a.b/score' },
    ['template.path: must begin with one "/"'],
  ],
  ['a path that climbs', { ...least, path: '/a/../b' }, ['template.path: must not hold "." or ".."']],
  [
    'a body without a prompt',
    { ...least, body: { input: 'always the same' } },
    ['template.body: holds neither {{prompt}} nor {{messages}}'],
  ],
  [
    'a placeholder that does not exist',
    { ...least, body: { input: ['{{prompt}}', 'a {{promt}} here'] } },
    ['template.body.input[1]: holds {{promt}}, which is none of {{prompt}}, {{messages}}'],
  ],
  [
    'a list inside a text',
    { ...least, body: { input: 'say {{messages}}', more: '{{prompt}}' } },
    ['template.body.input: must be {{messages}} alone'],
  ],
  [
    'a placeholder as a name',
    { ...least, body: { '{{prompt}}': 1 } },
    ['template.body.{{prompt}}: is a name, where no placeholder may stand'],
  ],
  [
    'names of the prototype, in bodies and in paths',
    JSON.parse(
      '{"body":{"input":"{{prompt}}","__proto__":{"x":1},"a":[{"constructor":1}]},"answer":{"text":[["__proto__","x"]]}}',
    ),
    [
      'template.body.__proto__: is a name that no field may have',
      'template.body.a[0].constructor: is a name that no field may have',
      'template.answer.text[0][0]: is a name that no field may have',
    ],
  ],
  [
    'units that are not tokens without their number',
    { ...least, unit: 'image' },
    ['template.unitsPerRequest: is missing; it must say how many of the unit (image)'],
  ],
  [
    'tokens with a number',
    { ...least, unitsPerRequest: 3 },
    ['template.unitsPerRequest: must be null for tokens'],
  ],
  [
    'no units at all',
    { ...least, unit: 'frame', unitsPerRequest: 0 },
    ['template.unitsPerRequest: must be from'],
  ],
  [
    'a stream without the shape of its events',
    { ...least, streaming: {} },
    ['template.streaming.answer: is missing'],
  ],
  [
    'what is no JSON',
    { ...least, body: { input: '{{prompt}}', x: Number.NaN } },
    ['template.body.x: is no JSON value'],
  ],
];

test.each(faults)('%s is refused', (_, input, expected) => {
  const found = faultsOf(input);
  for (const [index, words] of expected.entries()) expect(found[index]).toContain(words);
  expect(found).toHaveLength(expected.length);
});

test('a fault tells where the template stands in what it is a part of', () => {
  expect(faultsOf({ ...least, unit: 'word' }, 'api.template')[0]).toMatch(/^api\.template\.unit: /);
  expect(faultsOf({ ...least, unit: 'word' }, '')[0]).toMatch(/^unit: /);
  expect(faultsOf(undefined, '')[0]).toMatch(/^\(body\): /);
});

test('a template may have 400,000 characters and not one more, in any script', () => {
  const frame = JSON.stringify({ ...least, body: { input: '{{prompt}}', more: '' } }).length;
  const { characters } = TEMPLATE_BOUNDS;
  for (const letter of ['x', 'д', '"']) {
    const written = JSON.stringify(letter).length - 2;
    const fits = Math.floor((characters - frame) / written);
    const sized = (count: number) => ({
      ...least,
      body: { input: '{{prompt}}', more: letter.repeat(count) },
    });
    expect(faultsOf(sized(fits))).toEqual([]);
    expect(faultsOf(sized(fits + 1))).toEqual(['template: must have at most 400000 characters as JSON']);
  }
});

test('a body may be nested 32 levels deep; one of a million is refused and breaks nothing', () => {
  const deep = (levels: number) => ({ ...least, body: { input: '{{prompt}}', more: nest(levels, 1) } });
  // The template and its body are the first two levels.
  expect(faultsOf(deep(TEMPLATE_BOUNDS.depth - 2))).toEqual([]);
  expect(faultsOf(deep(TEMPLATE_BOUNDS.depth - 1))[0]).toContain('is nested deeper than 32 levels');
  expect(faultsOf(deep(1_000_000))).toHaveLength(1);
});

test('a million values are refused without a look at each', () => {
  const wide = { ...least, body: { input: '{{prompt}}', more: Array(1_000_000).fill({ a: [] }) } };
  expect(faultsOf(wide)).toEqual(['template: must have at most 400000 characters as JSON']);
});

test('200 placeholders may stand in a template, over all its bodies, and not 201', () => {
  const many = (inBody: number) => ({
    ...least,
    body: { input: Array(inBody).fill('{{prompt}}') },
    streaming: { asked: { n: '{{outputTokens}}' }, answer: { text: [['t']] } },
  });
  expect(faultsOf(many(199))).toEqual([]);
  expect(faultsOf(many(200))).toEqual([
    'template.streaming.asked.n: holds placeholder number 201; 200 are allowed',
  ]);
});

test('braces that are no placeholder are text', () => {
  const template = { ...least, body: { input: '{{prompt}}', jinja: '{{ x }} {{}} {x}' } };
  expect(faultsOf(template)).toEqual([]);
});

test('a family tells what its requests take from a workload', () => {
  const of = (name: keyof typeof PAYLOAD_FAMILIES) => [...placeholdersOf(PAYLOAD_FAMILIES[name])].sort();
  expect(of('openai-chat')).toEqual(['messages', 'outputTokens']);
  expect(of('score-vision')).toEqual(['image', 'outputTokens', 'prompt']);
  expect(of('whisper')).toEqual(['audio']);
  expect(of('muse')).toEqual(['frames']);
});
