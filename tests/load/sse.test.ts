import { expect, test } from 'vitest';
import { SseParser } from '../../src/load/sse.ts';

function parse(chunks: readonly Buffer[]): string[] {
  const events: string[] = [];
  const parser = new SseParser((data, event) => events.push(event === '' ? data : `${event}!${data}`));
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return events;
}

const cases: readonly (readonly [name: string, text: string, events: readonly string[]])[] = [
  ['one event', 'data: a\n\n', ['a']],
  ['several events', 'data: a\n\ndata: b\n\ndata: c\n\n', ['a', 'b', 'c']],
  ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n', ['a', 'b']],
  ['CRLF within an event', 'data: a\r\ndata: b\r\n\r\n', ['a\nb']],
  ['CR alone', 'data: a\r\rdata: b\r\r', ['a', 'b']],
  ['comments and keep-alives', ': hello\n\n:\ndata: a\n: in between\n\n', ['a']],
  ['a BOM', '\uFEFFdata: a\n\n', ['a']],
  ['data of several lines', 'data: a\ndata: b\ndata\ndata:c\n\n', ['a\nb\n\nc']],
  ['no space after the colon, and only one is taken', 'data:a\n\ndata:  b\n\n', ['a', ' b']],
  ['the name of an event, which ends with it', 'event: error\ndata: a\n\ndata: b\n\n', ['error!a', 'b']],
  ['an event without data', 'event: ping\n\ndata: a\n\n', ['a']],
  ['other fields', 'id: 1\nretry: 10\ndata: a\nunknown: x\n\n', ['a']],
  ['a missing blank line at the end', 'data: a\n\ndata: b\n', ['a', 'b']],
  ['a missing line end at the end', 'data: a\n\ndata: b', ['a', 'b']],
  ['characters of two to four bytes', 'data: é€𝄞\n\ndata: 日本\n\n', ['é€𝄞', '日本']],
  ['nothing', '', []],
];

for (const [name, text, events] of cases) {
  test(`${name}: whole, split in two at every byte, and byte by byte`, () => {
    const bytes = Buffer.from(text);
    expect(parse([bytes])).toEqual(events);
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(parse([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(events);
    }
    expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(events);
  });
}

test('an event is told with the bytes that complete it, not later', () => {
  let told = 0;
  const parser = new SseParser(() => {
    told += 1;
  });
  parser.push(Buffer.from('data: a\n\ndata: b\n'));
  expect(told).toBe(1);
  parser.push(Buffer.from('\n'));
  expect(told).toBe(2);
});
