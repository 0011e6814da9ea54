import { expect, test } from 'vitest';
import { createAgedCache } from '../../src/azure/aged-cache.ts';

function aCache(isWorthKeeping?: (value: string) => boolean) {
  const clock = { nowMs: 0 };
  const cache = createAgedCache<string>({
    keepMs: 100,
    limit: 2,
    now: () => clock.nowMs,
    ...(isWorthKeeping === undefined ? {} : { isWorthKeeping }),
  });
  const fetched: string[] = [];
  const read = async (key: string) =>
    (
      await cache.read(key, async () => {
        fetched.push(key);
        return `${key} at ${clock.nowMs}`;
      })
    ).value;
  return { cache, clock, fetched, read };
}

test('who asks while an answer is under way gets that one', async () => {
  const { fetched, read } = aCache();
  expect(await Promise.all([read('a'), read('b'), read('a')])).toEqual(['a at 0', 'b at 0', 'a at 0']);
  expect(fetched).toEqual(['a', 'b']);
});

test('an answer is kept for its time, and the first is dropped where there are too many', async () => {
  const { clock, fetched, read } = aCache();
  await read('a');
  clock.nowMs = 99;
  expect(await read('a')).toBe('a at 0');
  clock.nowMs = 100;
  expect(await read('a')).toBe('a at 100');
  await read('b');
  await read('c');
  await read('a');
  expect(fetched).toEqual(['a', 'a', 'b', 'c', 'a']);
});

test('a failure is told to all who asked meanwhile, and the next question is a new one', async () => {
  const { cache } = aCache();
  let asked = 0;
  const fail = () => {
    asked += 1;
    return Promise.reject(new Error(`No answer ${asked}.`));
  };
  const all = await Promise.allSettled([cache.read('a', fail), cache.read('a', fail)]);
  expect(all.map((one) => one.status === 'rejected' && one.reason.message)).toEqual([
    'No answer 1.',
    'No answer 1.',
  ]);
  await expect(cache.read('a', fail)).rejects.toThrow('No answer 2.');
});

test('what is not worth keeping is asked for again', async () => {
  const { fetched, read } = aCache((value) => !value.startsWith('guess'));
  await read('guess');
  await read('guess');
  await read('known');
  await read('known');
  expect(fetched).toEqual(['guess', 'guess', 'known']);
});
