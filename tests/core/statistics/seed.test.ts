import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deriveSeed, shuffle } from '../../../src/core/statistics/seed.ts';

test('a shuffle keeps every element and leaves the list alone', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.nat(), (list, seed) => {
      const before = [...list];
      expect(shuffle(list, seed).toSorted((one, other) => one - other)).toEqual(
        list.toSorted((one, other) => one - other),
      );
      expect(list).toEqual(before);
    }),
  );
});

test('the same seed gives the same order, also in another year', () => {
  // Stored runs are repeated from their seeds, so these values must not change with a release.
  expect(shuffle([1, 2, 3, 4, 5, 6], 42)).toEqual([3, 5, 6, 4, 1, 2]);
  expect(deriveSeed(42, 'levels', 1)).toBe(3_173_384_999);
});

test('every place is about equally likely', () => {
  const firsts = new Map<number, number>();
  for (let seed = 0; seed < 4_000; seed += 1) {
    const [first = 0] = shuffle([0, 1, 2, 3], deriveSeed(seed, 'even'));
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  // 1,000 expected, a standard deviation of 27: six of them on either side.
  for (const count of firsts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(165);
});

test('each part of a seeded thing has a seed of its own', () => {
  const seeds = new Set<number>();
  for (let repeat = 0; repeat < 100; repeat += 1) {
    for (const part of ['levels', 'ramp', 'prompt']) seeds.add(deriveSeed(42, part, repeat));
  }
  expect(seeds.size).toBe(300);
  for (const seed of seeds) expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32).toBe(true);
});
