import { expect, test } from 'vitest';
import { openReader, type Reading } from '../../src/load/answer.ts';
import { PAYLOAD_FAMILIES } from '../../src/load/payload-family.ts';
import { done, event, finish, goodStream, role, tokens, usage } from './fake-endpoint.ts';

const chat = PAYLOAD_FAMILIES['openai-chat'];

/** Reads a stream with each event at its own time: 0, 10, 20, ... ms. */
function readEvents(...events: readonly string[]): Reading {
  const reader = openReader(chat, 'text/event-stream', Buffer.alloc(0));
  for (const [index, text] of events.entries()) reader.push(Buffer.from(text), index * 10);
  reader.end();
  return reader.reading;
}

function readBody(api: keyof typeof PAYLOAD_FAMILIES, body: unknown): Reading {
  const reader = openReader(PAYLOAD_FAMILIES[api], 'application/json', Buffer.alloc(0));
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
    expect({ at, ...read(bytes.subarray(0, at), bytes.subarray(at)) }).toMatchObject({
      ...whole,
      at,
      characters: expect.any(Number),
    });
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

const reasoning: readonly (readonly [string, readonly object[]])[] = [
  ['reasoning only', [{ reasoning: 'a' }, { reasoning: 'b' }]],
  [
    'reasoning_content only',
    [
      { reasoning_content: 'a', content: null },
      { reasoning_content: 'b', content: null },
    ],
  ],
  ['reasoning, then content', [{ reasoning: 'a' }, { content: 'b' }]],
  [
    'empty content beside reasoning',
    [
      { reasoning: 'a', content: '' },
      { reasoning: 'b', content: '' },
    ],
  ],
  [
    'both spellings in one delta',
    [
      { reasoning: 'a', reasoning_content: 'a' },
      { reasoning: 'b', reasoning_content: 'b' },
    ],
  ],
];

for (const [name, deltas] of reasoning) {
  test(`${name}: reasoning is output, counted once`, () => {
    const reading = readEvents(role, ...deltas.map((delta) => event(delta)), finish, usage(2), done);
    expect(reading).toMatchObject({
      firstContentMs: 10,
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

test('null, false or empty in an error field is no error', () => {
  for (const none of ['null', 'false', '""']) {
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
