import { expect, test } from 'vitest';
import { meanInterval } from '../../../src/core/statistics/interval.ts';
import { findKnee, type KneePoint } from '../../../src/core/statistics/knee.ts';

/** Levels with the mean of three repeats that lie `spread` of it apart. */
function curve(
  levels: readonly (readonly [level: number, throughput: number])[],
  spread = 0.01,
): KneePoint[] {
  return levels.map(([level, mean]) => ({
    level,
    throughput: meanInterval([mean * (1 - spread), mean, mean * (1 + spread)]),
  }));
}

const SATURATING = [
  [1, 45],
  [2, 88],
  [4, 170],
  [8, 320],
  [16, 560],
  [32, 580],
  [64, 575],
] as const;
const SERIAL = [
  [1, 45],
  [2, 45.1],
  [4, 44.9],
  [8, 45],
] as const;
const GROWING = [
  [1, 45],
  [2, 90],
  [4, 180],
  [8, 350],
] as const;
const AGAIN = [
  [1, 45],
  [2, 90],
  [4, 91],
  [8, 350],
] as const;
const FALLING = [
  [1, 45],
  [2, 90],
  [4, 180],
  [8, 120],
  [16, 60],
] as const;

test.each([
  ['a batching engine fills at 16', SATURATING, { kind: 'at', level: 16, next: 32 }],
  ['a serial server is full with one', SERIAL, { kind: 'at', level: 1, next: 2 }],
  ['a server that collapses is full before', FALLING, { kind: 'at', level: 4, next: 8 }],
] as const)('%s', (_, points, knee) => {
  expect(findKnee(curve(points))).toMatchObject(knee);
  expect(findKnee(curve(points).toReversed())).toMatchObject(knee);
});

test.each([
  ['still growing', GROWING, 0.01, 'still grows at the highest level, 8'],
  ['standing still and growing again', AGAIN, 0.01, 'grows again up to level 8'],
  ['too noisy', SATURATING, 0.6, 'too far apart'],
  ['two levels', GROWING.slice(0, 2), 0.01, 'at least three levels'],
] as const)('no knee is claimed of a curve that is %s', (_, points, spread, sentence) => {
  const knee = findKnee(curve(points, spread));
  expect(knee.kind).toBe('not-shown');
  expect(knee.sentence).toContain(sentence);
});

test('where one step cannot be told, the knee lies between', () => {
  const points = curve([
    [1, 45],
    [2, 90],
    [4, 180],
    [8, 205],
    [16, 206],
  ]).map((point) => (point.level === 8 ? { level: 8, throughput: meanInterval([185, 205, 225]) } : point));
  // From 4 to 8 each connection adds 6 +- 12, against 4.5; on the whole way from 4 to 16 it adds 2.
  expect(findKnee(points)).toMatchObject({ kind: 'between', from: 4, to: 8 });
});

test('one repeat a level shows nothing', () => {
  const points = GROWING.map(([level, mean]) => ({ level, throughput: meanInterval([mean]) }));
  expect(findKnee(points).sentence).toContain('Level 1 has fewer than two repeats');
});

test('equal repeats have no error and are taken at their word', () => {
  expect(findKnee(curve(SATURATING, 0))).toMatchObject({ kind: 'at', level: 16 });
});
