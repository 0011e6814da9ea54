import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LengthRatioTally, ratioRange } from '../../../src/core/measuring/length-ratios.ts';
import { addCounts } from '../../../src/core/measuring/summary.ts';

function tally(lengths: readonly number[], asked = 100) {
  const counted = new LengthRatioTally();
  for (const length of lengths) counted.add(length, asked);
  return counted.toJSON();
}

test('the range is that of 5 % and 95 % of the requests, and one outlier is not in it', () => {
  const lengths = [1, ...Array<number>(98).fill(100), 150];
  expect(ratioRange(tally(lengths))).toEqual({ count: 100, p5: 1, p95: 1 });
  expect(ratioRange(tally([...lengths, ...Array<number>(10).fill(20)]))).toMatchObject({ p5: 0.2, p95: 1 });
});

test('two percent too long is told from as long as asked', () => {
  expect(ratioRange(tally(Array<number>(10).fill(522), 512))).toEqual({ count: 10, p5: 1.02, p95: 1.02 });
});

test('nothing counted is no range, and a length that nobody asked for is not counted', () => {
  expect(ratioRange({})).toBeNull();
  expect(ratioRange(tally([5], 0))).toBeNull();
});

test('parts merge to the whole, in bounded room whatever the lengths are', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 300 }),
      fc.nat(),
      (lengths, at) => {
        const cut = at % lengths.length;
        const merged = addCounts([tally(lengths.slice(0, cut)), tally(lengths.slice(cut))]);
        expect(merged).toEqual(tally(lengths));
        expect(Object.keys(merged).length).toBeLessThanOrEqual(801);
        const range = ratioRange(tally(lengths));
        expect(range?.p5).toBeLessThanOrEqual(range?.p95 ?? 0);
      },
    ),
  );
});
