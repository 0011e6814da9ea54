import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cellId, cellKey, shardConnections, shardCount } from '../../src/core/cell.ts';

test('a cell is named by its level and its workload', () => {
  expect(cellId(16, { promptTokens: 512, outputTokens: 128 })).toBe('c16-p512-o128');
});

test('keys sort as their numbers do', () => {
  const orders = [0, 1, 9, 10, 99].flatMap((workload) =>
    [1, 2, 10, 100, 512].flatMap((level) => [1, 2, 10, 20].map((repeat) => ({ workload, level, repeat }))),
  );
  const keys = orders.map(cellKey);
  expect(keys.toSorted()).toEqual(keys);
  expect(new Set(keys).size).toBe(keys.length);
  expect(cellKey({ workload: 3, level: 16, repeat: 1 })).toBe('w003-c0016-r01');
});

describe('shards', () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [256, 2],
    [257, 3],
    [512, 4],
  ])('level %i is loaded by %i', (level, shards) => {
    expect(shardCount(level)).toBe(shards);
  });

  test('share the level out without loss, evenly and never to nobody', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), (level) => {
        const connections = Array.from({ length: shardCount(level) }, (_, shard) =>
          shardConnections(level, shard),
        );
        expect(connections.reduce((sum, one) => sum + one, 0)).toBe(level);
        expect(Math.min(...connections)).toBeGreaterThan(0);
        expect(Math.max(...connections) - Math.min(...connections)).toBeLessThanOrEqual(1);
      }),
    );
  });
});
