import { expect, test } from 'vitest';
import { spreadOf } from '../../../src/core/comparison/deployment-spread.ts';
import { raceCandidate, raceTimeline } from '../../../src/core/comparison/race-replay.ts';
import { deploymentRates } from '../../../src/core/comparison/target-rates.ts';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { aCell, aFailedShardSummary, aProvenance, aShardSummary } from '../../support/builders.ts';

const on = (endpoint: string) => ({ provenance: aProvenance({ endpoint }) });

test('rates are by deployment, cell and repeat, in an order that rows do not decide', () => {
  const cells = [
    aCell({ repeat: 2, ...on('b') }),
    aCell({ repeat: 1, level: 2, ...on('a') }),
    aCell({ repeat: 1, ...on('a') }),
    aCell({ repeat: 3, ...on('a') }),
  ];
  const expected = [
    { deployment: 'a', cells: { 'c1-p512-o128': [256, 256], 'c2-p512-o128': [256] } },
    { deployment: 'b', cells: { 'c1-p512-o128': [256] } },
  ];
  expect(deploymentRates(cells, 'throughput')).toEqual(expected);
  expect(deploymentRates(cells.toReversed(), 'throughput')).toEqual(expected);
});

test('a repeat in which nothing succeeded carried nothing; one that may not be built on is left out', () => {
  const cells = [
    aCell({ summary: mergeShards([aFailedShardSummary()]) }),
    aCell({ repeat: 2, contaminated: true }),
    aCell({ repeat: 3, summary: null, notMeasuredReason: 'Its shards missed each other.' }),
    aCell({ repeat: 4 }),
  ];
  expect(deploymentRates(cells, 'throughput')).toMatchObject([{ cells: { 'c1-p512-o128': [0, 256] } }]);
});

test('goodput that no clause can judge is no rate', () => {
  expect(deploymentRates([aCell()], 'goodput')).toEqual([]);
});

test('a round of a race costs what its cheapest level costs, and nothing where a workload carried nothing', () => {
  const other = { promptTokens: 64, outputTokens: 16 };
  const twice = mergeShards([aShardSummary({ steady: { ...aShardSummary().whole, seconds: 5 } })]);
  const failed = mergeShards([aFailedShardSummary()]);
  const cells = [
    aCell({ repeat: 1 }),
    aCell({ repeat: 1, level: 4, summary: twice }),
    aCell({ repeat: 2 }),
    aCell({ repeat: 2, workload: other, summary: failed }),
  ];
  const timeline = raceTimeline({ label: 'a', cells, hourlyUsd: 3.6 }, 'throughput');
  const { costs, objectives } = raceCandidate(timeline, 2);
  // 2,560 tokens in 5 seconds are 512 a second: 3.6 / 3,600 / 512 x 10^6.
  expect(costs).toEqual([expect.closeTo(1.953, 3), null]);
  expect(objectives).toBeNull();
  expect(raceCandidate(timeline, 1).costs).toHaveLength(1);
  const unpriced = raceTimeline({ label: 'a', cells, hourlyUsd: null }, 'throughput');
  expect(raceCandidate(unpriced, 1).costs).toEqual([null]);
});

test('the spread between deployments is pooled over sides, each of what is the same', () => {
  const side = (sameAs: string, ...rates: readonly number[]) => ({
    sameAs,
    deployments: rates.map((rate, index) => ({ deployment: `d${index}`, cells: { c1: [rate] } })),
  });
  expect(spreadOf([side('a', 100), side('b', 200)])).toBeNull();
  const squares = (values: readonly number[]) => {
    const logs = values.map(Math.log);
    const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
    return logs.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };
  // The second of "a" came later, on a deployment of its own.
  const spread = spreadOf([side('a', 100), side('b', 200, 202, 204), side('a', 102), side('c', 50, 50)]);
  expect(spread).toEqual({
    variance: expect.closeTo((squares([100, 102]) + squares([200, 202, 204])) / 4, 10),
    degreesOfFreedom: 4,
  });
});
