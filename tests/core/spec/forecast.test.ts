import { describe, expect, test } from 'vitest';
import { explainTooLargeModel, type ForecastInput, forecastCell } from '../../../src/core/spec/forecast.ts';

/** A cell of Phi-4 on one A100 with 80 GB that nothing is wrong with. */
function aCell(fields: Partial<ForecastInput> = {}): ForecastInput {
  return {
    promptTokens: 512,
    outputTokens: 128,
    concurrency: 8,
    requestsPerSecond: null,
    instances: 1,
    maxConcurrentRequestsPerInstance: 8,
    requestTimeoutSeconds: 180,
    predictedSeconds: 4,
    streamed: true,
    gpuMemoryGb: 80,
    model: PHI_4,
    ...fields,
  };
}

const PHI_4 = { contextTokens: 16_384, weightBytes: 29.4e9, kvBytesPerToken: 204_800 };
const codes = (fields: Partial<ForecastInput>) => forecastCell(aCell(fields)).map((one) => one.code);
const messageOf = (fields: Partial<ForecastInput>) => forecastCell(aCell(fields))[0]?.message;

test('a cell without trouble has no warning', () => {
  expect(forecastCell(aCell())).toEqual([]);
});

describe('each trouble is told, and not below its limit', () => {
  test.each<[string, Partial<ForecastInput>, Partial<ForecastInput>]>([
    ['admission', { concurrency: 16 }, { concurrency: 17 }],
    ['admission', { concurrency: 32, instances: 2 }, { concurrency: 33, instances: 2 }],
    ['deadline', { predictedSeconds: 180 }, { predictedSeconds: 180.5 }],
    ['context-window', { promptTokens: 16_256 }, { promptTokens: 16_257 }],
    [
      'connections',
      { concurrency: 500, maxConcurrentRequestsPerInstance: 512, gpuMemoryGb: null, predictedSeconds: 100 },
      { concurrency: 501, maxConcurrentRequestsPerInstance: 512, gpuMemoryGb: null, predictedSeconds: 100 },
    ],
    [
      'request-rate',
      {
        concurrency: null,
        requestsPerSecond: 500,
        predictedSeconds: 0.1,
        outputTokens: 1,
        maxConcurrentRequestsPerInstance: null,
      },
      {
        concurrency: null,
        requestsPerSecond: 501,
        predictedSeconds: 0.1,
        outputTokens: 1,
        maxConcurrentRequestsPerInstance: null,
      },
    ],
  ])('%s', (code, below, above) => {
    expect(codes(below)).toEqual([]);
    expect(codes(above)).toEqual([code]);
  });

  test('bandwidth, for the whole of a request’s time', () => {
    // 150 requests in flight that take 1 s, of 2,048 + 32,000 bytes each: 5.1 MB a second.
    const rate = {
      concurrency: 150,
      maxConcurrentRequestsPerInstance: 150,
      predictedSeconds: 1,
      gpuMemoryGb: null,
    };
    expect(codes({ ...rate, concurrency: 140 })).toEqual([]);
    expect(codes(rate)).toEqual(['bandwidth']);
    expect(codes({ ...rate, streamed: false })).toEqual([]);
    expect(messageOf(rate)).toContain('About 5.1 MB a second');
  });

  test('bandwidth, for the prompts that all connections send first', () => {
    const long = {
      promptTokens: 15_000,
      concurrency: 84,
      maxConcurrentRequestsPerInstance: 84,
      gpuMemoryGb: null,
    };
    expect(codes({ ...long, predictedSeconds: 60, concurrency: 83 })).toEqual([]);
    expect(codes({ ...long, predictedSeconds: 60 })).toEqual(['bandwidth']);
  });

  test('memory, by weights and KV cache of what runs at once on one instance', () => {
    // 72 GiB are usable; the weights leave 44.6 GiB, which is 15,250 tokens x 15.3 requests.
    const big = { promptTokens: 15_000, outputTokens: 250, predictedSeconds: 60 };
    expect(codes({ ...big, concurrency: 15, maxConcurrentRequestsPerInstance: 15 })).toEqual([]);
    expect(codes({ ...big, concurrency: 16, maxConcurrentRequestsPerInstance: 16 })).toEqual(['gpu-memory']);
    // Twice the instances hold twice the requests.
    expect(codes({ ...big, concurrency: 30, maxConcurrentRequestsPerInstance: 30, instances: 2 })).toEqual(
      [],
    );
    // What the endpoint queues holds no memory.
    expect(codes({ ...big, concurrency: 30, maxConcurrentRequestsPerInstance: 15 })).toEqual([]);
    expect(messageOf({ ...big, concurrency: 16, maxConcurrentRequestsPerInstance: 16 })).toBe(
      "The weights take 27.4 GiB and the KV cache of 16 requests of 15250 tokens 46.5 GiB, and about 72.0 GiB of the 80 GB of an instance's GPUs are there for both; requests will wait for memory, or the model will not start.",
    );
  });
});

test('what is not known is not warned of', () => {
  const unknown = { contextTokens: null, weightBytes: null, kvBytesPerToken: null };
  const heavy = { promptTokens: 100_000, predictedSeconds: 170, concurrency: 8 };
  expect(codes({ ...heavy, model: null })).toEqual([]);
  expect(codes({ ...heavy, model: unknown })).toEqual([]);
  expect(codes({ ...heavy, gpuMemoryGb: null, model: { ...PHI_4, contextTokens: null } })).toEqual([]);
  expect(
    codes({ concurrency: 400, predictedSeconds: 60, maxConcurrentRequestsPerInstance: null, model: null }),
  ).toEqual([]);
});

test('a rate is judged by what it keeps in flight', () => {
  const rate = { concurrency: null, requestsPerSecond: 5 };
  expect(codes({ ...rate, predictedSeconds: 3.2 })).toEqual([]);
  expect(codes({ ...rate, predictedSeconds: 3.5 })).toEqual(['admission']);
});

test('a model whose weights alone are larger than the GPUs is told so with its figures', () => {
  expect(explainTooLargeModel(141.2e9, 80)).toBe(
    "The model's weights take 131.5 GiB and the GPUs of one instance hold 80 GB; take a SKU with more GPU memory.",
  );
  expect(explainTooLargeModel(29.4e9, 80)).toBeNull();
  expect(explainTooLargeModel(null, 80)).toBeNull();
  expect(explainTooLargeModel(141.2e9, null)).toBeNull();
});
