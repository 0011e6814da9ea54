/** Request sets on Azurite's tables: whole or not at all, whatever is written at the same time or cut off. */
import { randomBytes } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRequestSetStore } from '../../src/azure/request-sets.ts';
import { parseRequestSet, type RequestSet } from '../../src/core/requests/request-set.ts';
import type { RequestSetStore } from '../../src/services.ts';
import { AZURITE_ACCOUNT, type Azurite, openAzuriteTable, startAzurite } from '../support/azurite.ts';

const noCredential = { getToken: async () => null };
let azurite: Azurite;
let store: RequestSetStore;

beforeAll(async () => {
  azurite = await startAzurite();
  store = createRequestSetStore(azurite.address, noCredential);
});
afterAll(() => azurite.close());

function aSet(text: string): RequestSet {
  const parsed = parseRequestSet(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

/** Text that gzip cannot shorten much: a set of several pieces. */
const aLargeSet = (megabytes: number) =>
  aSet(
    Array.from({ length: megabytes * 10 }, () =>
      JSON.stringify({ prompt: randomBytes(74_000).toString('base64') }),
    ).join('\n'),
  );

const table = (name: string) => openAzuriteTable(azurite.origin, name);

async function keysOf(name: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const row of table(name).listEntities()) keys.push(`${row.partitionKey}/${row.rowKey}`);
  return keys;
}

describe('a request set', () => {
  it('is read as it was stored, and described without its text', async () => {
    const set = aSet(
      '{"prompt":"ü \ud83d\ude00","outputTokens":3,"atSeconds":0}\n{"messages":[{"role":"user","content":"Hi"}],"atSeconds":2}',
    );
    const stored = await store.save('small', set);
    expect(stored).toEqual({ name: 'small', storedAtMs: expect.any(Number), ...set.description });
    expect(await store.describe('small')).toEqual(stored);
    expect(await store.read('small')).toEqual({ stored, lines: set.lines });
    expect(await store.list()).toContainEqual(stored);
  });

  it('of megabytes that hardly shrink is stored in pieces and read whole', async () => {
    const set = aLargeSet(4);
    await store.save('large', set);
    expect(
      (await keysOf('requestsetpieces')).filter((key) => key.startsWith('large/')).length,
    ).toBeGreaterThan(5);
    expect((await store.read('large'))?.lines).toEqual(set.lines);
    await store.remove('large');
  });

  it('that is replaced is the new one, and nothing of the old one is left', async () => {
    await store.save('changing', aLargeSet(2));
    const next = aSet('{"prompt":"next"}');
    await store.save('changing', next);
    expect((await store.read('changing'))?.lines).toEqual(next.lines);
    expect((await keysOf('requestsetpieces')).filter((key) => key.startsWith('changing/'))).toHaveLength(1);
    expect((await store.list()).filter((one) => one.name === 'changing')).toHaveLength(1);
  });

  it('that is deleted is gone with all its pieces, and only that one', async () => {
    await store.save('gone', aSet('{"prompt":"a"}'));
    await store.save('gone-not', aSet('{"prompt":"b"}'));
    expect(await store.remove('gone')).toBe(true);
    expect(await store.remove('gone')).toBe(false);
    expect(await store.read('gone')).toBeNull();
    expect(await store.describe('gone')).toBeNull();
    expect((await keysOf('requestsetpieces')).some((key) => key.startsWith('gone/'))).toBe(false);
    expect((await keysOf('requestsets')).some((key) => key.startsWith('upload/gone.'))).toBe(false);
    expect((await store.read('gone-not'))?.lines).toEqual([{ prompt: 'b' }]);
  });

  it('is never seen half: readers get one of two sets that writers take turns to store', async () => {
    const [one, other] = [aLargeSet(1), aLargeSet(1)];
    await store.save('busy', one);
    let over = false;
    const writing = (async () => {
      for (let turn = 0; turn < 3; turn += 1) await store.save('busy', turn % 2 === 0 ? other : one);
      over = true;
    })();
    const digests = [one.description.digest, other.description.digest];
    for (let reads = 0; !over && reads < 100; reads += 1) {
      const set = await store.read('busy');
      expect(digests).toContain(set?.stored.digest);
      expect(set?.lines).toEqual(set?.stored.digest === digests[0] ? one.lines : other.lines);
    }
    await writing;
  });

  it('whose two writers come at the same moment is one of the two, whole', async () => {
    const sets = [aLargeSet(1), aLargeSet(1)];
    await Promise.all(sets.map((set) => store.save('raced', set)));
    const read = await store.read('raced');
    expect(sets.map((set) => set.description.digest)).toContain(read?.stored.digest);
    expect(read?.lines).toEqual(sets.find((set) => set.description.digest === read?.stored.digest)?.lines);
  });

  it('whose upload was cut off is not there, and its pieces are swept up an hour later', async () => {
    const cutOff = {
      name: 'cut',
      upload: '00000000000000aa',
      pieces: 3,
      startedAtMs: Date.now() - 2 * 3_600_000,
    };
    const young = { ...cutOff, upload: '00000000000000bb', startedAtMs: Date.now() };
    await store.save('other', aSet('{"prompt":"a"}'));
    for (const one of [cutOff, young]) {
      const record = (value: object) => ({
        recordEncoding: 'json',
        recordParts: 1,
        record_1: JSON.stringify(value),
      });
      await table('requestsets').createEntity({
        partitionKey: 'upload',
        rowKey: `cut.${one.upload}`,
        ...record(one),
      });
      const piece = { name: 'cut', upload: one.upload, piece: 1, base64: 'AAAA' };
      await table('requestsetpieces').createEntity({
        partitionKey: 'cut',
        rowKey: `${one.upload}-001`,
        ...record(piece),
      });
    }
    expect(await store.read('cut')).toBeNull();
    expect((await store.list()).some((one) => one.name === 'cut')).toBe(false);
    await store.save('cut', aSet('{"prompt":"b"}'));
    const pieces = (await keysOf('requestsetpieces')).filter((key) => key.startsWith('cut/'));
    expect(pieces).toHaveLength(2);
    expect(pieces).toContain('cut/00000000000000bb-001');
  });

  it('that is replaced between a reader’s look at its head and its pieces is read anew', async () => {
    const [old, next] = [aSet('{"prompt":"old"}'), aSet('{"prompt":"next"}')];
    await store.save('moving', old);
    let replaced = false;
    // Before the first piece is given out, the set it belongs to is replaced.
    const relay = createServer(async (incoming, answer) => {
      if (!replaced && incoming.method === 'GET' && incoming.url?.includes('requestsetpieces')) {
        replaced = true;
        await store.save('moving', next);
      }
      const target = new URL(incoming.url ?? '/', azurite.origin);
      const outgoing = request(target, { method: incoming.method, headers: incoming.headers }, (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(answer);
      });
      incoming.pipe(outgoing);
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const { port } = relay.address() as AddressInfo;
    try {
      const endpoint = `http://127.0.0.1:${port}/${AZURITE_ACCOUNT.name}`;
      const reader = createRequestSetStore({ ...azurite.address, endpoint }, noCredential);
      expect((await reader.read('moving'))?.lines).toEqual(next.lines);
      expect(replaced).toBe(true);
    } finally {
      relay.closeAllConnections();
      await new Promise((resolve) => relay.close(resolve));
    }
  });

  it('that lost a piece is told as damaged and not read in part', async () => {
    await store.save('damaged', aLargeSet(1));
    const [first = ''] = (await keysOf('requestsetpieces')).filter((key) => key.startsWith('damaged/'));
    await table('requestsetpieces').deleteEntity('damaged', first.slice('damaged/'.length));
    await expect(store.read('damaged')).rejects.toThrow(/damaged.*Store it again/);
  });
});

it('a hundred and first set is refused; one of the hundred can be replaced', async () => {
  const own = await startAzurite();
  try {
    const full = createRequestSetStore(own.address, noCredential);
    const set = aSet('{"prompt":"a"}');
    for (let number = 0; number < 100; number += 1) await full.save(`s${number}`, set);
    await expect(full.save('one-more', set)).rejects.toThrow(/100 request sets already/);
    await full.save('s7', set);
    expect(await full.list()).toHaveLength(100);
  } finally {
    await own.close();
  }
});
