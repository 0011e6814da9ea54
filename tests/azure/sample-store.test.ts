/** Kept samples on Azurite's tables. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSampleStore } from '../../src/azure/sample-store.ts';
import { SPEC_BOUNDS } from '../../src/core/spec/spec-bounds.ts';
import type { SampleStore } from '../../src/services.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';

let azurite: Azurite;
let store: SampleStore;
beforeAll(async () => {
  azurite = await startAzurite();
  store = createSampleStore(azurite.address, { getToken: async () => null });
});
afterAll(() => azurite.close());

const group = (cellKey: string, attempt = 1) => ({ runId: 'r1', cellKey, attempt });
const MOST = SPEC_BOUNDS.keptSampleBytes;
/** Lines that gzip cannot shorten much, of 100 kB each. */
const someLines = (count: number) =>
  Array.from(
    { length: count },
    (_, index) => `{"n":${index},"x":"${randomBytes(75_000).toString('base64')}"}`,
  );

it('gives the lines back in the order of shards, in as many rows as they fill', async () => {
  const lines = [someLines(25), ['{"é":"☃"}'], []];
  for (const [shard, ofShard] of lines.entries()) await store.save(group('w000-c0004-r01'), shard, ofShard);
  expect(await store.read(group('w000-c0004-r01'), 3, MOST)).toEqual(lines.flat());
});

it('a shard that was not stored is passed over, and no other repeat, attempt or run is read', async () => {
  await store.save(group('w001-c0002-r01'), 1, ['{"a":1}']);
  await store.save(group('w001-c0002-r01', 2), 0, ['{"a":2}']);
  await store.save(group('w001-c0002-r02'), 0, ['{"a":3}']);
  await store.save({ ...group('w001-c0002-r01'), runId: 'r2' }, 0, ['{"a":4}']);
  expect(await store.read(group('w001-c0002-r01'), 2, MOST)).toEqual(['{"a":1}']);
  expect(await store.read(group('w009-c0002-r01'), 2, MOST)).toEqual([]);
});

it('what a try before had stored is overwritten, its further rows included', async () => {
  await store.save(group('w002-c0001-r01'), 0, someLines(25));
  await store.save(group('w002-c0001-r01'), 0, ['{"b":1}', '{"b":2}']);
  expect(await store.read(group('w002-c0001-r01'), 1, MOST)).toEqual(['{"b":1}', '{"b":2}']);
});

it('reads no more than it may, in whole lines', async () => {
  await store.save(group('w003-c0001-r01'), 0, ['{"c":1}', '{"c":2}', '{"c":3}']);
  expect(await store.read(group('w003-c0001-r01'), 1, 20)).toEqual(['{"c":1}', '{"c":2}']);
  expect(await store.read(group('w003-c0001-r01'), 1, 0)).toEqual([]);
});
