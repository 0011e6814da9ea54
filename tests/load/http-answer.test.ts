import { expect, test } from 'vitest';
import { type Fields, HttpAnswerError, HttpAnswerParser } from '../../src/load/http-answer.ts';

const MAX_BODY_BYTES = 1_000;

interface Read {
  readonly status: number;
  readonly fields: Fields;
  readonly body: string;
  /** Null where the answer did not become complete. */
  readonly end: { readonly trailers: Fields; readonly reusable: boolean } | null;
}

/** Reads the pieces; `closed` tells that the server then closed the connection. */
function read(pieces: readonly Buffer[], closed: boolean): Read {
  const got = { status: 0, fields: {} as Fields, body: '', end: null as Read['end'] };
  const parser = new HttpAnswerParser(
    {
      onHead: (status, fields) => Object.assign(got, { status, fields }),
      onBody: (piece) => {
        got.body += piece.toString('latin1');
      },
      onComplete: (trailers, reusable) => {
        got.end = { trailers, reusable };
      },
    },
    MAX_BODY_BYTES,
  );
  for (const piece of pieces) parser.push(piece);
  if (closed) expect(parser.end()).toBe(got.end !== null);
  return got;
}

/** Whole, cut in two at every byte, and byte by byte: the cuts of a network must not matter. */
function cuts(text: string): Buffer[][] {
  const bytes = Buffer.from(text, 'latin1');
  return [
    [bytes],
    ...Array.from({ length: bytes.length - 1 }, (_, at) => [
      bytes.subarray(0, at + 1),
      bytes.subarray(at + 1),
    ]),
    [...bytes].map((byte) => Buffer.from([byte])),
  ];
}

const HEAD = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const whole = { status: 200, body: 'hello', end: { trailers: {}, reusable: true } };
const last = { ...whole, end: { trailers: {}, reusable: false } };

const good: readonly (readonly [name: string, text: string, expected: Partial<Read>])[] = [
  ['a length', `${HEAD}Content-Length: 5\r\n\r\nhello`, whole],
  ['a length that is told twice, alike', `${HEAD}content-length: 5\r\ncontent-length: 5\r\n\r\nhello`, whole],
  ['no body', `${HEAD}content-length: 0\r\n\r\n`, { ...whole, body: '' }],
  ['204', 'HTTP/1.1 204 No Content\r\n\r\n', { ...whole, status: 204, body: '' }],
  ['a status without words', 'HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello', whole],
  ['chunks', `${CHUNKED}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`, whole],
  ['chunks with extensions and large digits', `${CHUNKED}00002;a=b\r\nhe\r\n3 \r\nllo\r\n0;x\r\n\r\n`, whole],
  [
    'a chunk that holds line ends',
    `${CHUNKED}A\r\na\r\n0\r\n\r\nbc\r\n0\r\n\r\n`,
    { ...whole, body: 'a\r\n0\r\n\r\nbc' },
  ],
  [
    'trailers',
    `${CHUNKED}5\r\nhello\r\n0\r\nMs-Delay: 3\r\nx: y\r\n\r\n`,
    { ...whole, end: { trailers: { 'ms-delay': '3', x: 'y' }, reusable: true } },
  ],
  [
    '1xx before it',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: a\r\n\r\n${HEAD}content-length: 5\r\n\r\nhello`,
    whole,
  ],
  ['a connection that closes', `${HEAD}Connection: close\r\ncontent-length: 5\r\n\r\nhello`, last],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello', last],
  [
    'HTTP/1.0 that is kept',
    'HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 5\r\n\r\nhello',
    whole,
  ],
];

for (const [name, text, expected] of good) {
  test(`an answer with ${name} is read to its end, however it is cut`, () => {
    for (const pieces of cuts(text)) expect(read(pieces, false)).toMatchObject(expected);
  });
}

test('fields are in lower case, trimmed, and all values of one name are kept', () => {
  const { fields } = read(
    [
      Buffer.from(
        `${HEAD}X-A:  b \r\nset-cookie: 1\r\nSet-Cookie: 2\r\nconstructor: c\r\ncontent-length: 0\r\n\r\n`,
      ),
    ],
    false,
  );
  expect(fields).toEqual({ 'x-a': 'b', 'set-cookie': ['1', '2'], constructor: 'c', 'content-length': '0' });
});

test('an answer of no told length ends with its connection', () => {
  for (const pieces of cuts(`${HEAD}\r\nhello`)) expect(read(pieces, true)).toMatchObject(last);
});

test('an answer that was cut is not complete', () => {
  for (const text of [HEAD, `${HEAD}content-length: 9\r\n\r\nhello`, `${CHUNKED}5\r\nhello\r\n0\r\n`])
    expect(read([Buffer.from(text)], true).end).toBeNull();
});

const bad: readonly (readonly [name: string, text: string])[] = [
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['another version', 'HTTP/2 200\r\n\r\n'],
  ['a change of protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ['two lengths', `${HEAD}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`],
  ['a length that is no number', `${HEAD}content-length: +5\r\n\r\nhello`],
  ['a folded field', `${HEAD}a: b\r\n c\r\n\r\n`],
  ['a field without a name', `${HEAD}: b\r\n\r\n`],
  ['a chunk without a size', `${CHUNKED}\r\nhello`],
  ['a chunk of no number', `${CHUNKED}xyz\r\n`],
  ['a size that never ends', `${CHUNKED}000000000`],
  ['an extension that never ends', `${CHUNKED}1;${'x'.repeat(2_000)}`],
  ['a chunk longer than its size', `${CHUNKED}2\r\nhello\r\n`],
  ['bytes after its end', `${HEAD}content-length: 2\r\n\r\nhello`],
  ['a head without end', `${HEAD}a: ${'x'.repeat(20_000)}`],
];

for (const [name, text] of bad) {
  test(`${name} is an error, not a guess`, () => {
    expect(() => read([Buffer.from(text)], false)).toThrow(HttpAnswerError);
  });
}

test('a body longer than it may be is an error of its own, told or not', () => {
  for (const text of [`${HEAD}content-length: 2000\r\n\r\n`, CHUNKED.concat('7d0\r\n'), `${HEAD}\r\n`]) {
    expect(() => read([Buffer.from(text + 'x'.repeat(1_001))], false)).toThrow(
      expect.objectContaining({ code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' }),
    );
  }
});
