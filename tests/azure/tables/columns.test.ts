import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { decodeColumns, encodeColumns } from '../../../src/azure/tables/columns.ts';

const MAX_PROPERTY_BYTES = 65_536;
const MAX_ROW_BYTES = 1_048_576;

describe('columns', () => {
  it.each([
    ['a short record', { text: 'a' }],
    ['exactly one column', { text: 'x'.repeat(30_000 - 11) }],
    ['one character more', { text: 'x'.repeat(30_000 - 10) }],
    ['surrogate pairs at every cut', { text: `x${'😀'.repeat(60_000)}` }],
    ['half a surrogate pair', { text: 'a\ud83db' }],
    ['text outside Latin, gzipped', { text: 'é😀漢'.repeat(150_000) }],
    [
      'two megabytes of rows',
      Array.from({ length: 1_000 }, (_, n) => ({ n, text: `row ${n} `.repeat(250) })),
    ],
  ])('keeps %s within the limits and reads it back equal', (_name, value) => {
    const columns = encodeColumns(value);
    let rowBytes = 0;
    for (const column of Object.values(columns)) {
      const bytes =
        typeof column === 'string' ? column.length * 2 : column instanceof Uint8Array ? column.length : 8;
      expect(bytes).toBeLessThanOrEqual(MAX_PROPERTY_BYTES);
      rowBytes += bytes;
    }
    expect(rowBytes).toBeLessThan(MAX_ROW_BYTES * 0.95);
    expect(isDeepStrictEqual(decodeColumns(columns), value)).toBe(true);
  });

  it('stores nothing but ASCII, which no server spoils', () => {
    for (const column of Object.values(encodeColumns({ text: `x${'é😀漢'.repeat(5_000)}` }))) {
      if (typeof column === 'string') expect(/^[\x20-\x7e]*$/.test(column)).toBe(true);
    }
  });

  it('refuses what no row can hold, with a sentence', () => {
    expect(() => encodeColumns(randomBytes(900_000).toString('hex'))).toThrow(
      /a row holds 900 kB; measure fewer cells/,
    );
  });

  it.each([
    ['a lost column', { record_2: undefined }],
    ['a column of another type', { record_1: 7 }],
    ['no count', { recordParts: undefined }],
    ['an absurd count', { recordParts: 1e9 }],
    ['cut text', { record_2: 'xxx' }],
    ['an unknown encoding', { recordEncoding: 'zip' }],
  ])('tells %s', (_name, damage) => {
    expect(() => decodeColumns({ ...encodeColumns({ text: 'x'.repeat(50_000) }), ...damage })).toThrow();
  });

  it('tells damaged gzip', () => {
    const columns = encodeColumns('x'.repeat(1_000_000));
    expect(columns.recordEncoding).toBe('gzip');
    expect(() => decodeColumns({ ...columns, record_1: Buffer.from('nonsense') })).toThrow(
      'cannot be unpacked',
    );
  });
});
