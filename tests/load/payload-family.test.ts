import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PayloadFamily, parsePayloadTemplate } from '../../src/core/requests/payload.ts';
import { PAYLOAD_FAMILIES, type PayloadFamilyName } from '../../src/core/requests/payload-families.ts';
import { readAudio, readFrames, writeImage } from '../../src/load/media.ts';
import {
  buildBodyWriter,
  familyUrl,
  findFamily,
  forcesLength,
  readPath,
} from '../../src/load/payload-family.ts';

const P = 'a "prompt"';
const lengths = { max_tokens: 128, min_tokens: 128, ignore_eos: true, temperature: 0 };
const parameters = { max_new_tokens: 128, ...lengths, do_sample: false };
const imageUrl = (scene: 1 | 2) => `data:image/png;base64,${writeImage(P, scene)}`;
const vision = (scenes: readonly (1 | 2)[]) => ({
  input_data: {
    input_string: [
      {
        role: 'user',
        content: [
          ...scenes.map((scene) => ({ type: 'image_url', image_url: { url: imageUrl(scene) } })),
          { type: 'text', text: P },
        ],
      },
    ],
    parameters,
  },
});

/** The body of each family, as the sources write it. */
const bodies: Readonly<Record<PayloadFamilyName, unknown>> = {
  'openai-chat': { messages: [{ role: 'user', content: P }], ...lengths, stream: false },
  'openai-chat-blocking': { messages: [{ role: 'user', content: P }], ...lengths, stream: false },
  'azure-inference': {
    messages: [{ role: 'user', content: P }],
    max_tokens: 128,
    temperature: 0,
    stream: false,
  },
  score: { input_data: { input_string: [{ role: 'user', content: P }], parameters } },
  'score-text': { input_data: [P], params: { ...parameters, return_full_text: false } },
  'score-snowflake': { input_data: { input_string: [P], parameters } },
  'score-vision': vision([1]),
  'score-vision-two-images': vision([1, 2]),
  swin: { input_data: [writeImage(P)] },
  whisper: { input_data: { audio: [readAudio()], language: ['en'] } },
  'sdxl-refiner': {
    input_data: { columns: ['prompt', 'image'], data: [{ prompt: P, image: writeImage(P) }], index: [0] },
  },
  triton: {
    inputs: [
      { name: 'text_input', shape: [1, 1], datatype: 'BYTES', data: [[P]] },
      { name: 'max_tokens', shape: [1, 1], datatype: 'UINT32', data: [[128]] },
    ],
    outputs: [{ name: 'text_output' }],
  },
  muse: { input_data: { num_steps_to_predict: 1, temperature: 0.9, top_p: 1, context: readFrames() } },
};

test.each(Object.entries(bodies))('the body of %s is what its API takes', (name, body) => {
  const write = buildBodyWriter(PAYLOAD_FAMILIES[name as PayloadFamilyName], false, 128);
  expect(JSON.parse(write(P))).toEqual(body);
  expect(write(P)).not.toContain('{{');
});

test('only the families that can stream ask for a stream, each with its own fields', () => {
  const asked = (name: PayloadFamilyName) => {
    const body: unknown = JSON.parse(buildBodyWriter(PAYLOAD_FAMILIES[name], true, 8)('p'));
    return [readPath(body, ['stream']), readPath(body, ['stream_options', 'include_usage'])];
  };
  expect(asked('openai-chat')).toEqual([true, true]);
  expect(asked('azure-inference')).toEqual([true, undefined]);
  expect(asked('score')).toEqual([undefined, undefined]);
});

test('a conversation goes as it is where messages are wanted, and as its text where a text is', () => {
  const messages = [
    { role: 'system', content: 'be "brief"' },
    { role: 'user', content: 'why?' },
  ];
  const written = (name: PayloadFamilyName): unknown =>
    JSON.parse(buildBodyWriter(PAYLOAD_FAMILIES[name], false, 8)(messages));
  expect(readPath(written('openai-chat'), ['messages'])).toEqual(messages);
  expect(readPath(written('score'), ['input_data', 'input_string'])).toEqual(messages);
  expect(readPath(written('score-text'), ['input_data', 0])).toBe('be "brief"\nwhy?');
});

test('a model is named where one is known and left out where none is', () => {
  const body = (model: string | null): unknown =>
    JSON.parse(buildBodyWriter(PAYLOAD_FAMILIES['azure-inference'], false, 8, model)('p'));
  expect(readPath(body('Phi-4 "x"'), ['model'])).toBe('Phi-4 "x"');
  expect(body(null)).not.toHaveProperty('model');
});

/** A template of the user's own that uses everything, some of it twice and inside of longer texts. */
function ownFamily(): PayloadFamily {
  const parsed = parsePayloadTemplate({
    body: {
      instances: [{ text: 'Q: {{prompt}}\n"A" in {{outputTokens}} tokens:', n: '{{outputTokens}}' }],
      chat: '{{messages}}',
      again: '{{prompt}}',
      by: 'model {{model}}',
      keep: [null, true, 1.5, '{{ x }}', {}],
      sound: 'data:audio/wav;base64,{{audio}}',
    },
    answer: { text: [['output']] },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

test('any prompt stands in the body as itself, wherever it is wanted', () => {
  const write = buildBodyWriter(ownFamily(), false, 7, 'm"1');
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('$& {{outputTokens}}')),
      (prompt) => {
        expect(JSON.parse(write(prompt))).toEqual({
          instances: [{ text: `Q: ${prompt}\n"A" in 7 tokens:`, n: 7 }],
          chat: [{ role: 'user', content: prompt }],
          again: prompt,
          by: 'model m"1',
          keep: [null, true, 1.5, '{{ x }}', {}],
          sound: `data:audio/wav;base64,${readAudio()}`,
        });
      },
    ),
    { numRuns: 50 },
  );
});

test('each prompt has an image of its own, whatever its length', () => {
  const write = buildBodyWriter(PAYLOAD_FAMILIES.swin, false, 8);
  const sent = Array.from({ length: 20 }, (_, index) => write(`${index}-abc: ${'x'.repeat(5_000)}`));
  expect(new Set(sent)).toHaveLength(20);
  expect(write('0-abc: x')).toBe(write('0-abc: x'));
});

test('"raw" is the template that was given', () => {
  const own = ownFamily();
  expect(findFamily({ api: 'raw' }, own)).toBe(own);
  expect(findFamily({ api: 'score' }, own)).toBe(PAYLOAD_FAMILIES.score);
  expect(() => findFamily({ api: 'raw' }, null)).toThrow('without its template');
});

const API = 'api-version=2024-05-01-preview';
const addresses: readonly (readonly [string, PayloadFamilyName, string])[] = [
  ['https://e.x/score', 'openai-chat', 'https://e.x/v1/chat/completions'],
  ['https://e.x/score', 'score-text', 'https://e.x/score'],
  ['https://e.x/score', 'triton', 'https://e.x/v2/models/ensemble/versions/1/infer'],
  ['https://e.x/score', 'openai-chat-blocking', 'https://e.x/chat/completions'],
  ['https://e.x/v1/chat/completions', 'score', 'https://e.x/score'],
  ['https://e.x/v1/chat/completions', 'openai-chat-blocking', 'https://e.x/chat/completions'],
  ['https://e.x/v2/models/ensemble/versions/1/infer', 'muse', 'https://e.x/score'],
  ['https://e.x', 'whisper', 'https://e.x/score'],
  ['https://e.x/api/p/score?version=1', 'openai-chat', 'https://e.x/api/p/v1/chat/completions?version=1'],
  // A path of the user's own is left alone.
  ['https://e.x/custom/path', 'openai-chat', 'https://e.x/custom/path'],
  ['https://e.x/models/chat/completions?a=1', 'openai-chat', 'https://e.x/models/chat/completions?a=1'],
  // What is appended follows it, once.
  ['https://e.x/models', 'azure-inference', `https://e.x/models/chat/completions?${API}`],
  ['https://e.x/models/', 'azure-inference', `https://e.x/models/chat/completions?${API}`],
  ['https://e.x', 'azure-inference', `https://e.x/chat/completions?${API}`],
  ['https://e.x/models/chat/completions', 'azure-inference', `https://e.x/models/chat/completions?${API}`],
  [
    'https://e.x/models?api-version=2025-01-01',
    'azure-inference',
    'https://e.x/models/chat/completions?api-version=2025-01-01',
  ],
];

test.each(addresses)('%s is asked by %s at %s', (uri, name, expected) => {
  expect(familyUrl(uri, PAYLOAD_FAMILIES[name])).toBe(expected);
});

test('a template of the user’s own never leads to another host', () => {
  const at = (path: string) => new URL(familyUrl('https://e.x/score', { ...ownFamily(), path })).host;
  for (const path of ['/a', '/a?b=//c', '/@c.d/', '/a:80/b', '/%2f%2fc.d']) expect(at(path)).toBe('e.x');
});

test('a route whose server refuses forced lengths is asked without them, and with everything else', () => {
  const [forced, free] = [
    findFamily({ api: 'openai-chat' }, null),
    findFamily({ api: 'openai-chat', freeLength: true }, null),
  ];
  expect(forcesLength(forced)).toBe(true);
  expect(forcesLength(free)).toBe(false);
  const write = (family: PayloadFamily) => JSON.parse(buildBodyWriter(family, true, 16)('Hello.'));
  const { min_tokens, ignore_eos, ...rest } = write(forced);
  expect({ min_tokens, ignore_eos }).toEqual({ min_tokens: 16, ignore_eos: true });
  expect(write(free)).toEqual(rest);
  expect(forcesLength(findFamily({ api: 'whisper' }, null))).toBe(false);
});
