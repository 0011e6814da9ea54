import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cellId, cellKey, shardConnections, shardCount } from '../../../src/core/measuring/cell.ts';

test('a cell is named by what loads it and by its workload', () => {
  const workload = { promptTokens: 512, outputTokens: 128 };
  expect(cellId({ loop: 'closed', level: 16 }, workload)).toBe('c16-p512-o128');
  expect(cellId({ loop: 'rate', level: 0.5 }, workload)).toBe('q0.5-p512-o128');
  expect(cellId({ loop: 'trace', level: 2 }, { ...workload, requests: 'mine' })).toBe(
    'x2-requests-mine-o128',
  );
  expect(cellId({ loop: 'closed', level: 4 }, { ...workload, name: 'chatbot' })).toBe('c4-chatbot');
});

test('keys sort as their numbers do', () => {
  const orders = [0, 1, 9, 10, 99].flatMap((workload) =>
    [1, 2, 10, 100, 512].flatMap((level) =>
      [1, 2, 10, 20].map((repeat) => ({ workload, loop: 'closed' as const, level, repeat })),
    ),
  );
  const keys = orders.map(cellKey);
  expect(keys.toSorted()).toEqual(keys);
  expect(new Set(keys).size).toBe(keys.length);
  expect(cellKey({ workload: 3, loop: 'closed', level: 16, repeat: 1 })).toBe('w003-c0016-r01');
  expect(cellKey({ workload: 3, loop: 'rate', level: 0.5, repeat: 1 })).toBe('w003-q00000500-r01');
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
        const shards = shardCount(level);
        const connections = Array.from({ length: shards }, (_, shard) =>
          shardConnections(level, shard, shards),
        );
        expect(connections.reduce((sum, one) => sum + one, 0)).toBe(level);
        expect(Math.min(...connections)).toBeGreaterThan(0);
        expect(Math.max(...connections) - Math.min(...connections)).toBeLessThanOrEqual(1);
      }),
    );
  });
});
