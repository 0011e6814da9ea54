import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePayloadTemplate } from '../../src/core/requests/payload.ts';
import { countOutput, openReader, type Reading } from '../../src/load/answer.ts';
import { PAYLOAD_FAMILIES } from '../../src/load/payload-family.ts';
import { done, event, finish, goodStream, role, tokens, usage } from './fake-endpoint.ts';

const chat = PAYLOAD_FAMILIES['openai-chat'];

/** Reads a stream with each event at its own time: 0, 10, 20, ... ms. */
function readEvents(...events: readonly string[]): Reading {
  return readAnswerTo('', ...events);
}

function readAnswerTo(prompt: string, ...events: readonly string[]): Reading {
  const reader = openReader(chat, 'text/event-stream', Buffer.alloc(0), prompt);
  for (const [index, text] of events.entries()) reader.push(Buffer.from(text), index * 10);
  reader.end();
  return reader.reading;
}

function readBody(api: keyof typeof PAYLOAD_FAMILIES, body: unknown, prompt = ''): Reading {
  const reader = openReader(PAYLOAD_FAMILIES[api], 'application/json', Buffer.alloc(0), prompt);
  reader.push(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), 5);
  reader.end();
  return reader.reading;
}

test('content begins with the first text, not with the role, and ends with the last, not with the usage', () => {
  const reading = readEvents(
    role,
    event({ content: '' }),
    event({ content: 'a' }),
    event({ content: 'b' }),
    finish,
    usage(2),
    done,
  );
  expect(reading).toMatchObject({
    firstContentMs: 20,
    lastContentMs: 30,
    gapsMs: [10],
    outputTokens: 2,
    promptTokens: 40,
    complete: true,
  });
});

test('events that look alike are counted as those that are parsed', () => {
  const texts = [
    ' a',
    '"quoted"',
    'back\\slash',
    '\\',
    'line\nbreak',
    'é𝄞',
    ' ',
    '',
    'content',
    '"content":"x"',
    'end\\"',
    '\u007f\u0001',
    'z',
  ];
  const reading = readEvents(
    event({ content: 'first' }),
    ...texts.map((content) => event({ content })),
    finish,
    done,
  );
  const filled = texts.filter((text) => text !== '');
  expect(reading.gapsMs).toHaveLength(filled.length);
  expect(reading.gapsMs.reduce((sum, gap) => sum + gap, 0)).toBe(10 * texts.length);
  // The text itself, without the escapes that JSON needs.
  expect(reading.characters).toBe(`first${texts.join('')}`.length);
  expect(reading.verdict).toBeNull();
});

test('a stream reads the same whole, cut in two anywhere, and event by event', () => {
  const texts = [' a', ' bc', '"quoted"', ' é𝄞', 'back\\', ' d', ' e', '\\"', ' f'];
  const bytes = Buffer.from(
    [role, ...texts.map((content) => event({ content })), finish, usage(9), done].join(''),
  );
  const read = (...chunks: readonly Buffer[]) => {
    const reader = openReader(chat, 'text/event-stream', Buffer.alloc(0));
    for (const chunk of chunks) reader.push(chunk, 5);
    reader.end();
    return reader.reading;
  };
  const whole = read(bytes);
  expect(whole).toMatchObject({ gapsMs: Array(8).fill(0), outputTokens: 9, complete: true, verdict: null });
  for (let at = 1; at < bytes.length; at += 1) {
    expect({ at, ...read(bytes.subarray(0, at), bytes.subarray(at)) }).toEqual({ ...whole, at });
  }
});

test('an event that looks alike but for more than its content is parsed', () => {
  const [first = '', second = ''] = tokens(2);
  const spoiled = second.replace('"choices"', '"error":{"message":"boom"},"choices"');
  expect(readEvents(first, second, spoiled).verdict).toEqual({ failure: 'masked-error', words: 'boom' });
  const ended = second.replace('"finish_reason":null', '"finish_reason":"length"');
  expect(readEvents(first, second, ended).complete).toBe(true);
  // The quote that would close it is escaped: this is no JSON at all.
  const open = second.replace('word1"', 'word1\\"');
  expect(readEvents(first, open)).toMatchObject({ verdict: { failure: 'malformed-answer' }, gapsMs: [] });
  // More fields where one string was: there is no content in it, so it is no third content event.
  const smuggled = second.replace('" word1"', '"","note":"text"');
  expect(readEvents(first, second, smuggled)).toMatchObject({ verdict: null, gapsMs: [10] });
});

const reasoning: readonly (readonly [string, readonly object[], firstAnswerMs: number | null])[] = [
  ['reasoning only', [{ reasoning: 'a' }, { reasoning: 'b' }], null],
  [
    'reasoning_content only',
    [
      { reasoning_content: 'a', content: null },
      { reasoning_content: 'b', content: null },
    ],
    null,
  ],
  ['reasoning, then content', [{ reasoning: 'a' }, { content: 'b' }], 20],
  [
    'empty content beside reasoning',
    [
      { reasoning: 'a', content: '' },
      { reasoning: 'b', content: '' },
    ],
    null,
  ],
  [
    'both spellings in one delta',
    [
      { reasoning: 'a', reasoning_content: 'a' },
      { reasoning: 'b', reasoning_content: 'b' },
    ],
    null,
  ],
];

for (const [name, deltas, firstAnswerMs] of reasoning) {
  test(`${name}: reasoning is output, counted once, and the first answer is told apart`, () => {
    const reading = readEvents(role, ...deltas.map((delta) => event(delta)), finish, usage(2), done);
    expect(reading).toMatchObject({
      firstContentMs: 10,
      firstAnswerMs,
      lastContentMs: 20,
      gapsMs: [10],
      characters: 2,
      verdict: null,
    });
  });
}

const good = tokens(8);
const streams: readonly (readonly [string, readonly string[], string])[] = [
  ['an error object before any token', [role, 'data: {"error":{"message":"boom"}}\n\n', done], 'boom'],
  [
    'an error object after eight tokens and then [DONE]',
    [...good, 'data: {"error":{"message":"boom","code":500}}\n\n', done],
    'boom',
  ],
  [
    'a named error event with plain text',
    [...good, 'event: error\ndata: engine is dead\n\n'],
    'engine is dead',
  ],
  ['a named error event with an object', [...good, 'event: error\ndata: {"message":"boom"}\n\n'], 'boom'],
  [
    'finish_reason error with an error that is text',
    [...good, event({}, { finish_reason: 'error' }).replace('"id"', '"error":"it broke","id"')],
    'it broke',
  ],
  [
    'an error beside the finish reason',
    [...good, event({}, { finish_reason: 'error', error: 'it broke' })],
    'it broke',
  ],
  [
    'finish_reason error alone',
    [...good, event({}, { finish_reason: 'error' }), done],
    'finish_reason is error.',
  ],
  [
    'the old form of an error object',
    [...good, 'data: {"object":"error","message":"boom"}\n\n', done],
    'boom',
  ],
];

for (const [name, events, words] of streams) {
  test(`${name} is a masked error with its words`, () => {
    expect(readEvents(...events).verdict).toEqual({ failure: 'masked-error', words });
  });
}

test('null, false, 0 or empty in an error field is no error', () => {
  for (const none of ['null', 'false', '0', '""', '[]']) {
    const events = tokens(2).map((text) => text.replace('"id"', `"error":${none},"id"`));
    expect(readEvents(...events, finish, done)).toMatchObject({ verdict: null, gapsMs: [10] });
  }
});

test('a stream is complete by its end mark or by a finish reason; without either it is not', () => {
  expect(readEvents(...good, done).complete).toBe(true);
  expect(readEvents(...good, finish).complete).toBe(true);
  expect(readEvents(...good).complete).toBe(false);
});

test('an event that is not JSON makes the stream malformed', () => {
  expect(readEvents(...good, 'data: {"choices":\n\n').verdict?.failure).toBe('malformed-answer');
});

const bodies: readonly (readonly [string, keyof typeof PAYLOAD_FAMILIES, unknown, string | null])[] = [
  ['a score answer', 'score', { output: 'text' }, null],
  ['{} of score', 'score', {}, 'masked-error'],
  [
    'output null with an error',
    'score',
    { output: null, error: { status_code: 500, body: 'x' } },
    'masked-error',
  ],
  [
    'output null with a too long prompt',
    'score',
    { output: null, error: { status_code: 400, body: 'maximum context length is 4096' } },
    'context-window',
  ],
  ['a score answer of another shape', 'score', { result: 'text' }, 'malformed-answer'],
  ['a list', 'score', ['text'], 'malformed-answer'],
  ['{} of a chat route', 'openai-chat', {}, 'masked-error'],
  ['an error that is text', 'score', { output: null, error: 'CUDA out of memory' }, 'masked-error'],
  ['output null without an error', 'score', { output: null }, null],
  ['a number', 'score', '7', 'malformed-answer'],
  ['null', 'score', 'null', 'malformed-answer'],
  ['a list of texts', 'score-text', ['text'], null],
  ['a list in output', 'score-text', { output: ['text'] }, null],
  ['a text in output', 'score-text', { output: 'text' }, null],
  ['a list of numbered texts', 'score-snowflake', [{ '0': 'text' }], null],
  ['JSON written as a JSON text', 'score-snowflake', JSON.stringify('[{"0":"text"}]'), null],
  ['an error in a list', 'score-snowflake', [{ error: 'boom' }], 'masked-error'],
  ['classes', 'swin', [[{ label: 'tabby', score: 0.9 }]], null],
  ['no classes', 'swin', [[]], 'malformed-answer'],
  ['a transcript', 'whisper', [{ text: ' hello' }], null],
  ['a transcript of silence', 'whisper', [{ text: '' }], null],
  ['no transcript', 'whisper', [{}], 'malformed-answer'],
  ['an image', 'sdxl-refiner', [{ generated_image: 'iVBORw==', nsfw_content_detected: null }], null],
  ['an empty image', 'sdxl-refiner', [{ generated_image: '' }], null],
  ['an output of Triton', 'triton', { outputs: [{ name: 'text_output', data: ['text'] }] }, null],
  ['an error of Triton', 'triton', { error: 'in ensemble, request timed out' }, 'masked-error'],
  ['a frame', 'muse', { results: [{ image: 'iVBORw==', actions: [], tokens: [] }] }, null],
  ['a page', 'score', '<html>', 'malformed-answer'],
  ['half of a JSON object', 'score', '{"output":"te', 'malformed-answer'],
  [
    'a chat answer',
    'openai-chat',
    { choices: [{ message: { content: 'text' }, finish_reason: 'length' }] },
    null,
  ],
  [
    'a chat answer that only reasons',
    'openai-chat',
    { choices: [{ message: { content: null, reasoning_content: 'text' } }] },
    null,
  ],
  [
    'a chat answer that was filtered',
    'openai-chat',
    { choices: [{ message: { content: 'te' }, finish_reason: 'content_filter' }] },
    'content-filter',
  ],
  ['a chat answer that is an error', 'openai-chat', { object: 'error', message: 'x' }, 'masked-error'],
  [
    'a chat answer with error null',
    'openai-chat',
    { error: null, choices: [{ message: { content: 'text' } }] },
    null,
  ],
];

for (const [name, api, body, failure] of bodies) {
  test(`${name} is ${failure ?? 'good'}`, () => {
    expect(readBody(api, body).verdict?.failure ?? null).toBe(failure);
  });
}

test('what says JSON or looks like JSON is read as JSON, what looks like events as events', () => {
  const streamed = (type: string, text: string) => openReader(chat, type, Buffer.from(text)).reading.streamed;
  expect(streamed('text/event-stream; charset=utf-8', '{')).toBe(true);
  expect(streamed('application/json', 'data: x')).toBe(false);
  expect(streamed('text/plain', goodStream(2))).toBe(true);
  expect(streamed('', ': ping\n\n')).toBe(true);
  expect(streamed('', ' {"choices":[]}')).toBe(false);
  expect(streamed('text/html', '<html>')).toBe(false);
});

test('outputs that may be empty or are none are told from good ones by their last byte', () => {
  const lastContentMs = (api: keyof typeof PAYLOAD_FAMILIES, body: unknown) =>
    readBody(api, body).lastContentMs;
  expect(lastContentMs('whisper', [{ text: '' }])).toBe(5);
  expect(lastContentMs('sdxl-refiner', [{ generated_image: '' }])).toBeNull();
  expect(lastContentMs('score', { output: '' })).toBeNull();
  expect(lastContentMs('score', { output: ['no', 'text'] })).toBeNull();
});

test('words of an answer without output tell what it says instead', () => {
  expect(readBody('score', { detail: 'Not Found' }).verdict?.words).toBe(
    'The answer has no output: Not Found',
  );
  const page =
    '<!DOCTYPE html><html><head><title>Sign in</title><style>a{}</style></head><body><h1>Who?</h1>';
  expect(readBody('score', page).verdict?.words).toBe('The answer is a page: Sign in Who?');
  const failed = {
    error: 'Error in processing request',
    exception: 'Input length of 9 exceeds context length',
  };
  expect(readBody('score-text', failed).verdict).toEqual({
    failure: 'context-window',
    words: 'Error in processing request: Input length of 9 exceeds context length',
  });
});

test('tokens that a prefix cache spared are read from the usage of a body and of a stream', () => {
  const usageOf = (cached: unknown) => ({
    usage: { prompt_tokens: 40, completion_tokens: 2, prompt_tokens_details: { cached_tokens: cached } },
  });
  const event = (cached: unknown) => `data: ${JSON.stringify({ choices: [], ...usageOf(cached) })}\n\n`;
  expect(readBody('score', { output: 'x', ...usageOf(32) })).toMatchObject({
    cachedPromptTokens: 32,
    promptTokens: 40,
  });
  expect(readEvents(...tokens(2), event(16), done)).toMatchObject({
    cachedPromptTokens: 16,
    outputTokens: 2,
  });
  expect(readEvents(...tokens(2), event(0), done).cachedPromptTokens).toBe(0);
  expect(readEvents(...tokens(2), event(null), done).cachedPromptTokens).toBeNull();
});

test('output is counted by usage, else by the text and marked, else in the unit of the family', () => {
  const count = (api: keyof typeof PAYLOAD_FAMILIES, body: unknown) =>
    countOutput(readBody(api, body), PAYLOAD_FAMILIES[api], 4);
  expect(count('score', { output: 'x'.repeat(40), usage: { completion_tokens: 7 } })).toEqual({
    outputTokens: 7,
    tokenSource: 'usage',
    unit: 'token',
    outputUnits: 7,
  });
  // Escapes, wrapper and quotes are no output.
  expect(count('score', { output: '\n"é"\\'.repeat(8), id: 'x'.repeat(500) })).toEqual({
    outputTokens: 10,
    tokenSource: 'estimate',
    unit: 'token',
    outputUnits: 10,
  });
  const units = (unit: string, outputUnits: number) => ({
    outputTokens: 0,
    tokenSource: 'units',
    unit,
    outputUnits,
  });
  expect(count('swin', [[{ label: 'tabby' }]])).toEqual(units('image', 1));
  expect(count('whisper', [{ text: 'so many words' }])).toEqual(units('audio-second', 5));
  expect(count('muse', { results: [{ image: 'iVBORw==' }] })).toEqual(units('frame', 1));
});

const PROMPT = '0-abc: Every quiet river followed another garden.';

const echoes: readonly (readonly [
  string,
  string,
  characters: number,
  echo: boolean,
  failure: string | null,
])[] = [
  ['the prompt and then an answer', `${PROMPT} An answer.`, 11, true, null],
  ['the prompt in the marks of a chat template', `<s>[INST] ${PROMPT} [/INST] Yes.`, 13, true, null],
  ['an answer alone', 'An answer.', 10, false, null],
  ['a part of the prompt', '0-abc: Every quiet river', 24, false, null],
  ['the prompt, quoted late', `${'I was asked a question. '.repeat(4)}${PROMPT}`, 145, false, null],
  ['the prompt alone', PROMPT, 0, true, 'echo-only'],
  ['the prompt and a blank line', `${PROMPT}\n\n`, 0, true, 'echo-only'],
];

for (const [name, text, characters, echo, failure] of echoes) {
  test(`an answer that is ${name} is ${echo ? 'an echo' : 'no echo'}, and the echo is no output`, () => {
    const reading = readBody('score-text', [text], PROMPT);
    expect(reading).toMatchObject({ characters, echo });
    expect(reading.verdict?.failure ?? null).toBe(failure);
  });
}

test('a short prompt at the beginning of an answer is chance', () => {
  expect(readBody('score', { output: 'Hi there, friend.' }, 'Hi there')).toMatchObject({
    echo: false,
    characters: 17,
  });
});

test('a streamed echo is no content: the first token is the first after it', () => {
  const pieces = PROMPT.match(/.{1,9}/g) ?? [];
  const reading = readAnswerTo(
    PROMPT,
    role,
    ...pieces.map((content) => event({ content })),
    event({ content: ' An' }),
    event({ content: ' answer' }),
    finish,
    done,
  );
  const firstMs = 10 * (1 + pieces.length);
  expect(reading).toMatchObject({
    echo: true,
    characters: 10,
    firstContentMs: firstMs,
    firstAnswerMs: firstMs,
    lastContentMs: firstMs + 10,
    gapsMs: [10],
  });
  expect(reading.verdict).toBeNull();
});

test('the event that ends an echo and begins the answer counts with the answer', () => {
  const reading = readAnswerTo(
    PROMPT,
    event({ content: `${PROMPT} An` }),
    event({ content: ' answer' }),
    done,
  );
  expect(reading).toMatchObject({ echo: true, characters: 10, firstContentMs: 0, gapsMs: [10] });
});

test('an answer that begins like the prompt and goes on otherwise loses nothing', () => {
  for (const end of [[' ocean'], []]) {
    const texts = [' 0-abc:', ' Every', ...end];
    const reading = readAnswerTo(PROMPT, ...texts.map((content) => event({ content })), finish, done);
    expect(reading).toMatchObject({
      echo: false,
      verdict: null,
      firstContentMs: 0,
      firstAnswerMs: 0,
      gapsMs: Array(texts.length - 1).fill(10),
      characters: texts.join('').length,
    });
  }
});

test('a stream of nothing but the prompt is a failure of its own', () => {
  const reading = readAnswerTo(PROMPT, role, event({ content: PROMPT }), finish, done);
  expect(reading.verdict?.failure).toBe('echo-only');
});

test('a stream for which no end is agreed on ends where the answer ends', () => {
  const parsed = parsePayloadTemplate({
    body: { input: '{{prompt}}' },
    streaming: { asked: { stream: true }, answer: { text: [['token', 'text']] } },
    answer: { text: [['generated_text']] },
    endMark: null,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const reader = openReader(parsed.value, 'text/event-stream', Buffer.alloc(0));
  reader.push(Buffer.from('data:{"token":{"text":" a"}}\n\ndata:{"token":{"text":" b"}}\n\n'), 1);
  expect(reader.reading.complete).toBe(false);
  reader.end();
  expect(reader.reading).toMatchObject({ complete: true, characters: 4, verdict: null });
});

test('whatever JSON comes back, it is output, nothing, or a failure, and never breaks the reader', () => {
  const names = fc.constantFrom(
    'output',
    'error',
    'choices',
    'message',
    'content',
    'delta',
    'usage',
    '0',
    'text',
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.boolean()),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(names, tie('value'), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(...Object.keys(PAYLOAD_FAMILIES)), (answer, name) => {
      const api = name as keyof typeof PAYLOAD_FAMILIES;
      const reading = readBody(api, answer, PROMPT);
      if (reading.verdict !== null) expect(reading.verdict.words).not.toBe('');
      const streamed = readAnswerTo(PROMPT, `data: ${JSON.stringify(answer)}\n\n`, done);
      for (const one of [reading, streamed]) {
        expect(one.characters > 0 && one.verdict === null && one.lastContentMs === null).toBe(false);
      }
    }),
    { numRuns: 500 },
  );
});
