import { describe, expect, test } from 'vitest';
import { gpuLimits } from '../../../src/core/renting/gpu.ts';
import { SKUS } from '../../../src/core/renting/sku.ts';
import { type ModelSize, physicalLimitOf } from '../../../src/core/report/physical-limit.ts';
import { buildReport, type ReportRow } from '../../../src/core/report/report.ts';
import { aCell, aRun } from '../../support/builders.ts';

const PHI_4: ModelSize = {
  parameters: 14.7e9,
  activeParameters: null,
  weightBytes: 29.4e9,
  kvBytesPerToken: null,
};

function row(sku: string | null, tpotMs: number | null, fields: Partial<ReportRow> = {}): ReportRow {
  const [built] = buildReport(aRun(), [aCell()]).rows;
  if (built === undefined) throw new Error('There is no row.');
  return {
    ...built,
    tpotMs: { ...built.tpotMs, mean: tpotMs },
    provenance: { ...built.provenance, sku },
    ...fields,
  };
}

test('every GPU of the SKU table has its limits, and the memory that the table counts', () => {
  expect(SKUS.filter(({ gpu }) => gpuLimits(gpu) === null)).toEqual([]);
  const whole = SKUS.filter(({ gpus }) => gpus >= 1);
  expect(whole.map(({ gpus, gpuMemoryGb }) => gpuMemoryGb / gpus)).toEqual(
    whole.map(({ gpu }) => gpuLimits(gpu)?.memoryGb),
  );
});

describe('the physical limit of a row', () => {
  // Phi-4, single stream, as published: time per token and the share of the bandwidth limit that it is.
  test.each([
    ['Standard_NC24ads_A100_v4', 22, 15.2, 0.69],
    ['Standard_NC48ads_A100_v4', 14, 7.6, 0.54],
    ['Standard_NC40ads_H100_v5', 12.5, 7.5, 0.6],
    ['Standard_NC80adis_H100_v5', 8.75, 3.7, 0.43],
  ])('of Phi-4 on %s at %s ms a token', (sku, tpotMs, floorMs, share) => {
    const limit = physicalLimitOf(row(sku, tpotMs), PHI_4, null);
    expect(limit.tpotFloorMs).toBeCloseTo(floorMs, 1);
    expect(limit.decodeBandwidthShare).toBeCloseTo(share, 2);
  });

  test('has no share for a TPOT of streams that may have been held back', () => {
    const held = row('Standard_NC24ads_A100_v4', 0.5, { mayBeBuffered: true, level: 2 });
    expect(physicalLimitOf(held, PHI_4, null)).toMatchObject({
      tpotFloorMs: expect.closeTo(15.2, 1),
      decodeBandwidthShare: null,
    });
  });

  test('reads the KV cache of every sequence, and of a mixture of experts the active weights', () => {
    const busy = row('Standard_NC24ads_A100_v4', 22, {
      meanInFlight: 10,
      promptTokensMean: 1000,
      outputTokensMean: 200,
    });
    const cached = physicalLimitOf(busy, { ...PHI_4, kvBytesPerToken: 200_000 }, null);
    expect(cached.tpotFloorMs).toBeCloseTo((29.4e9 + 10 * 1100 * 200_000) / 1.935e9);
    const experts = physicalLimitOf(busy, { ...PHI_4, activeParameters: 14.7e9 / 4 }, null);
    expect(experts.tpotFloorMs).toBeCloseTo(15.19 / 4, 1);
  });

  test('bounds prefill and throughput by arithmetic', () => {
    const limit = physicalLimitOf(
      row('Standard_NC24ads_A100_v4', 22, {
        promptTokensMean: 3120,
        outputTokensPerSecond: 500,
        requestsPerSecond: 1,
      }),
      PHI_4,
      null,
    );
    // 2 x 14.7e9 x 3,120 / 312e12 = 294 ms, of a TTFT of 100 ms: more than the hardware allows shows a cache.
    expect(limit.ttftFloorMs).toBeCloseTo(294);
    expect(limit.computeShare).toBeCloseTo((2 * 14.7e9 * 3620) / 312e12);
  });

  test('takes the fitted time per token where the route does not stream, at concurrency 1 only', () => {
    const alone = row('Standard_NC24ads_A100_v4', null);
    expect(physicalLimitOf(alone, PHI_4, 22).decodeBandwidthShare).toBeCloseTo(0.69, 2);
    expect(physicalLimitOf({ ...alone, level: 4 }, PHI_4, 22).decodeBandwidthShare).toBeNull();
  });

  test.each<[string, string | null, ModelSize | null]>([
    ['the SKU', 'Standard_Unknown', PHI_4],
    ['any SKU', null, PHI_4],
    ['the model', 'Standard_NC24ads_A100_v4', null],
  ])('is nothing where %s is not known', (_, sku, size) => {
    expect(physicalLimitOf(row(sku, 22), size, null)).toMatchObject({
      tpotFloorMs: null,
      decodeBandwidthShare: null,
      computeShare: null,
      basis: null,
    });
  });

  test('has no arithmetic without parameters and no bandwidth without weights', () => {
    const limit = physicalLimitOf(row('Standard_NC24ads_A100_v4', 22), { ...PHI_4, parameters: null }, null);
    expect(limit).toMatchObject({ ttftFloorMs: null, computeShare: null });
    expect(limit.decodeBandwidthShare).not.toBeNull();
    expect(
      physicalLimitOf(row('Standard_NC24ads_A100_v4', 22), { ...PHI_4, weightBytes: null }, null).tpotFloorMs,
    ).toBeNull();
  });
});
