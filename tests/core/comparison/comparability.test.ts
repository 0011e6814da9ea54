import { describe, expect, test } from 'vitest';
import {
  type ComparableSide,
  explainUnequalRoundTrips,
  findIdenticalSamples,
  findIncomparabilities,
} from '../../../src/core/comparison/comparability.ts';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord } from '../../../src/core/report/report.ts';
import {
  aCell,
  aFailedShardSummary,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
} from '../../support/builders.ts';

const SAME_ROUTE = { routeIsCompared: false };

function side(label: string, cell: Partial<CellRecord> = {}, image: string | null = null): ComparableSide {
  return { label, rows: buildReport(aRun(), [aCell(cell)]).rows, image };
}

function shards(fields: Parameters<typeof aShardSummary>[0]): Partial<CellRecord> {
  return { summary: mergeShards([aShardSummary(fields)]) };
}

function codes(one: ComparableSide, other: ComparableSide, settings = SAME_ROUTE): string[] {
  return findIncomparabilities(one, other, settings).map(({ code }) => code);
}

describe('two sides', () => {
  test('that were made alike are comparable, on whatever SKU', () => {
    const h100 = aProvenance({
      sku: 'Standard_NC40ads_H100_v5',
      instances: 2,
      region: 'westus3',
      endpoint: 'other',
    });
    expect(codes(side('a'), side('b', { provenance: h100 }))).toEqual([]);
  });

  test.each<[string, Partial<CellRecord>, string[]]>([
    ['token source', shards({ tokenSource: 'estimate' }), ['token-source']],
    ['route', { provenance: aProvenance({ route: 'score', streamed: false }) }, ['route', 'streaming']],
    [
      'model version',
      { provenance: aProvenance({ model: { registry: 'AzureML', name: 'Phi-4', version: '8' } }) },
      ['model'],
    ],
    ['forced length', { provenance: aProvenance({ lengthForced: false }) }, ['forced-length']],
    [
      'prompt source',
      { provenance: aProvenance({ promptSource: 'synthetic-estimated' }) },
      ['prompt-source'],
    ],
    ['load', { loop: 'rate' }, ['loop']],
    ['isolation', { provenance: aProvenance({ isolation: 'shared' }) }, ['isolation']],
    ['unit', shards({ unit: 'image' }), ['unit']],
    ['simulator', { provenance: aProvenance({ simulated: true, simulatorGpuSpeed: 2 }) }, ['simulated']],
  ])('that differ in %s are not', (_, cell, expected) => {
    expect(codes(side('a'), side('b', cell))).toEqual(expected);
    expect(codes(side('b', cell), side('a'))).toEqual(expected);
  });

  test('of different images are not, and an unknown image is held against nobody', () => {
    expect(codes(side('a', {}, 'vllm:1'), side('b', {}, 'vllm:2'))).toEqual(['image']);
    expect(codes(side('a', {}, 'vllm:1'), side('b'))).toEqual([]);
  });

  test('may differ in the route where routes are compared', () => {
    const score = side('b', { provenance: aProvenance({ route: 'score', streamed: false }) });
    expect(codes(side('a'), score, { routeIsCompared: true })).toEqual([]);
  });

  test('are not told apart by rows in which nothing succeeded', () => {
    const failed = side('b', {
      summary: mergeShards([aFailedShardSummary()]),
      provenance: aProvenance({ lengthForced: false }),
    });
    expect(codes(side('a'), failed)).toEqual([]);
  });

  test('name what they differ in', () => {
    const [found] = findIncomparabilities(
      side('a'),
      side('b', shards({ tokenSource: 'estimate' })),
      SAME_ROUTE,
    );
    expect(found?.sentence).toBe('The token source of "a" is usage, and of "b" estimate.');
  });
});

describe('times to first token', () => {
  const away = (roundTripMs: number | null) =>
    shards({
      client: {
        watchedSeconds: 10,
        loopLagP99Ms: 1,
        loopLagMaxMs: 2,
        busyShare: 0.1,
        cpuSeconds: 1,
        gcPauseMs: 0,
        gcLongestMs: 0,
        sendDelayMeanMs: 0.1,
        sendDelayP99Ms: 0.2,
        roundTripMs,
      },
    });

  test.each([
    [10, 12, true],
    [10, 40, false],
    [10, null, true],
  ])('over round trips of %s and %s ms: comparable is %s', (here, there, comparable) => {
    const sentence = explainUnequalRoundTrips(side('a', away(here)), side('b', away(there)));
    expect(sentence === null).toBe(comparable);
  });

  test('the sentence leaves throughput alone', () => {
    expect(explainUnequalRoundTrips(side('a', away(10)), side('b', away(40)))).toContain('throughput is');
  });
});

describe('latencies that are the same numbers', () => {
  const values = Array.from({ length: 30 }, (_, index) => 100 + index * 1.7);
  const cell = (e2e: readonly number[]) => aCell(shards({ e2e: aHistogram(...e2e) }));

  test('under two labels are told', () => {
    const found = findIdenticalSamples([
      { label: 'a', cells: [cell(values)] },
      { label: 'b', cells: [cell(values)] },
    ]);
    expect(found).toEqual([
      '"a" c1-p512-o128 (repeat 1) and "b" c1-p512-o128 (repeat 1) hold exactly the same latencies: one of them is not a measurement of its own.',
    ]);
  });

  test('are not told of a few samples, or where one differs', () => {
    const twins = (one: readonly number[], other: readonly number[]) =>
      findIdenticalSamples([
        { label: 'a', cells: [cell(one)] },
        { label: 'b', cells: [cell(other)] },
      ]);
    expect(twins(values.slice(0, 19), values.slice(0, 19))).toEqual([]);
    expect(twins(values, values.with(3, 117.2))).toEqual([]);
  });
});
