import { expect, test } from 'vitest';
import { StampBook } from '../../bench/stamp-book.ts';

test('what was noted is read in its order, whatever the number of contents', () => {
  const book = new StampBook(3, 2);
  book.add('m-0', 10.5, [11.25, 12]);
  book.add('m-1', 20, []);
  book.add('m-2', 30, [31]);
  expect(book.read()).toEqual([
    { id: 'm-0', sentMs: 10.5, contentMs: [11.25, 12] },
    { id: 'm-1', sentMs: 20, contentMs: [] },
    { id: 'm-2', sentMs: 30, contentMs: [31] },
  ]);
});

test('an answer that is longer than asked for, or one too many, is refused and never written over another', () => {
  const book = new StampBook(2, 1);
  expect(() => book.add('m-0', 1, [2, 3])).toThrow('Answer m-0 has 2 contents where 1 were asked for.');
  book.add('m-1', 4, [5]);
  book.add('m-2', 6, [7]);
  expect(() => book.add('m-3', 8, [9])).toThrow(RangeError);
  expect(book.read().map(({ id }) => id)).toEqual(['m-1', 'm-2']);
});
