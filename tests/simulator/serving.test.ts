import { expect, test } from 'vitest';
import { Batch } from '../../src/simulator/batch.ts';
import { driftingTimes, type InstanceTimes, workMs } from '../../src/simulator/gpu.ts';
import { PrefixCache } from '../../src/simulator/prefix-cache.ts';
import { drawSlowness } from '../../src/simulator/serving.ts';
import {
  DOCUMENTED_BOUNDS,
  findDueFault,
  readEndpointBounds,
  readScoringSentinels,
  readServingSettings,
  readTrafficLateMs,
} from '../../src/simulator/serving-settings.ts';
import { findSku } from '../../src/simulator/skus.ts';

const settingsOf = (name: string, environment: Record<string, string> = {}) =>
  readServingSettings(readScoringSentinels([name], [environment]), environment);

test('without a sentinel nothing is changed', () => {
  expect(settingsOf('Phi-4')).toEqual({
    workers: 1,
    bufferedStream: false,
    mostTokensPerChunk: 1,
    newline: '\n',
    commentEvery: 0,
    outputOnly: false,
    masksErrors: false,
    prefixCache: false,
    driftPercentPerHour: 0,
    noisePercent: 0,
    readyLateMs: 0,
    faults: [],
  });
  expect(readEndpointBounds(new Map())).toEqual(DOCUMENTED_BOUNDS);
  expect(readTrafficLateMs(new Map())).toBe(0);
});

test.each([
  ['fault-score-429', { what: '429', at: null, every: 1 }],
  ['Phi-4-fault-score-429-after-7.3', { what: '429-after', at: 7, every: 3 }],
  ['fault-score-424-503.10', { what: '424', at: 503, every: 10 }],
  ['fault-score-reset-8', { what: 'reset', at: 8, every: 1 }],
  ['fault-score-masked-empty', { what: 'masked-empty', at: null, every: 1 }],
])('%s is read as that fault', (name, fault) => {
  expect(settingsOf(name).faults).toEqual([fault]);
  expect(settingsOf('Phi-4', { SIMULATOR_FAULTS: name }).faults).toEqual([fault]);
});

test('several faults take turns by their numbers, and words of the control plane are none', () => {
  const { faults } = settingsOf('x-fault-deploy-oom-fault-score-500.2-fault-score-429.3');
  const hits = [1, 2, 3, 4, 5, 6].map((count) => findDueFault(faults, count)?.what);
  expect(hits).toEqual([undefined, '500', '429', '500', undefined, '500']);
});

test.each([
  ['8', 8],
  ['0', 1],
  ['many', 1],
  [undefined, 1],
])('WORKER_COUNT %s means %s workers', (value, workers) => {
  expect(settingsOf('x', value === undefined ? {} : { WORKER_COUNT: value }).workers).toBe(workers);
});

test('limits may be lowered by numbers', () => {
  const faults = readScoringSentinels(
    ['fault-limit-bandwidth.200-fault-limit-requests.5', 'fault-limit-connections.2'],
    [{ SIMULATOR_FAULTS: 'fault-limit-body.9' }],
  );
  expect(readEndpointBounds(faults)).toEqual({
    ...DOCUMENTED_BOUNDS,
    bytesPerSecond: 200_000,
    requestsPerSecond: 5,
    connections: 2,
    bodyBytes: 9000,
  });
});

const TIMES: InstanceTimes = {
  fixedMs: 0,
  prefillMs: (tokens) => tokens,
  stepMs: () => 1,
  slownessAt: () => 1,
  maxSequences: 8,
  kvCapacityTokens: 1000,
};
const HOUR_MS = 3_600_000;

/** Times of the tokens of one request that is alone on an instance. */
function tokenTimes(times: InstanceTimes, change: object, arrivesAtMs = 0): number[] {
  const batch = new Batch(times);
  const at: number[] = [];
  batch.add({ promptTokens: 10, outputTokens: 3, arrivesAtMs, onToken: (ms) => void at.push(ms), ...change });
  batch.advanceTo(Number.MAX_SAFE_INTEGER);
  return at.map((ms) => Math.round((ms - arrivesAtMs) * 1000) / 1000);
}

test('a machine that drifts is slower with each hour', () => {
  const drifting = driftingTimes(TIMES, 20, 0);
  expect(tokenTimes(drifting, {})).toEqual([10, 11, 12]);
  expect(tokenTimes(drifting, {}, HOUR_MS)).toEqual([12, 13.2, 14.4]);
  expect(tokenTimes(drifting, {}, 3 * HOUR_MS)).toEqual([16, 17.6, 19.2]);
});

test('the slowness of a request is its own when it is alone, and shared by all in a step', () => {
  expect(tokenTimes(TIMES, { slowness: 2 })).toEqual([20, 22, 24]);
  const batch = new Batch(TIMES);
  const at: number[] = [];
  const request = { promptTokens: 10, outputTokens: 2, arrivesAtMs: 0 };
  batch.add({ ...request, slowness: 2, onToken: (ms) => void at.push(ms) });
  batch.add({ ...request, onToken: (ms) => void at.push(ms) });
  batch.advanceTo(1000);
  expect(at).toEqual([20, 30, 31.5, 31.5]);
});

test('cached tokens are not read, and other work takes the place of reading', () => {
  expect(tokenTimes(TIMES, { cachedTokens: 8 })).toEqual([2, 3, 4]);
  expect(tokenTimes(TIMES, { workMs: 100, outputTokens: 1 })).toEqual([100]);
});

test('noise is drawn per call, around one, and never below zero', () => {
  expect(drawSlowness(0, 1, 5)).toBe(1);
  const draws = Array.from({ length: 1000 }, (_, call) => drawSlowness(10, 1, call));
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
  expect(mean).toBeCloseTo(1, 1);
  expect(new Set(draws).size).toBeGreaterThan(900);
  expect(drawSlowness(10, 1, 7)).toBe(draws[7]);
  expect(Math.min(...Array.from({ length: 1000 }, (_, call) => drawSlowness(200, 1, call)))).toBe(0.05);
});

test('a prefix cache holds whole blocks of sixteen tokens, and never the last token', () => {
  const cache = new PrefixCache();
  const words = (count: number, end: string) => `${'word '.repeat(count)}${end}`;
  expect(cache.take(words(40, 'a'), 41)).toBe(0);
  expect(cache.take(words(40, 'b'), 41)).toBe(32);
  expect(cache.take(words(32, ''), 32)).toBe(16);
  expect(cache.take('else', 1)).toBe(0);
});

test('work is faster on a faster card, and no faster on several', () => {
  const on = (name: string) => {
    const sku = findSku(name);
    return sku === undefined ? 0 : workMs(sku, 312, 1);
  };
  expect(on('Standard_NC24ads_A100_v4')).toBe(312);
  expect(on('Standard_NC96ads_A100_v4')).toBe(312);
  expect(on('Standard_NC4as_T4_v3')).toBeCloseTo(1497.6);
  expect(on('Standard_NV18ads_A10_v5')).toBeGreaterThan(on('Standard_NV36ads_A10_v5'));
});
