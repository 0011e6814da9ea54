import { describe, expect, test } from 'vitest';
import {
  burstSignature,
  burstTimesSignature,
  effectiveParallelism,
  explainSerialisation,
} from '../../../src/core/measuring/serialisation.ts';
import { normalDraws } from '../../statistics/draws.ts';

/** The origin's "tuning" of Phi-4 on one A100: seconds of a whole burst by its size. */
const ORIGIN = [
  [1, 19.6],
  [2, 39.9],
  [3, 67.2],
  [4, 75.9],
  [5, 107.8],
  [6, 124.6],
  [8, 168.4],
] as const;

test('the published tuning table shows one request at a time', () => {
  const bursts = ORIGIN.map(([level, seconds]) => ({ level, wallMs: seconds * 1000 }));
  const signature = burstTimesSignature(bursts, 19_600);
  expect(signature?.serial).toBe(true);
  expect(signature?.rSquared).toBeGreaterThan(0.99);
  expect(signature?.slopeMs).toBeCloseTo(21_189, 0);
  expect(signature?.parallelism).toBeCloseTo(0.92, 2);
  // 870 tokens an answer: the throughput of six at once is that of one, not 40 % more.
  const perSecond = (level: number, seconds: number) => (870 * level) / seconds;
  const parallelism = effectiveParallelism(6, [perSecond(1, 19.6)], [perSecond(6, 124.6)]);
  expect(parallelism?.ratio).toBeCloseTo(0.94, 2);
  expect(parallelism?.verdict).toBe('one');
  const sentence = explainSerialisation('score', parallelism, signature);
  expect(sentence).toContain('one request at a time');
  expect(sentence).toContain('0.94 times the throughput of one');
  expect(sentence).toContain('21.2 s apart');
  expect(sentence).toContain('WORKER_COUNT');
  expect(sentence).toContain('/v1/chat/completions');
});

describe('a burst of eight', () => {
  const alone = 2_000;
  const draw = normalDraws(3, 'burst');
  const noisy = (ms: number) => ms * (1 + 0.03 * draw());
  const ks = [1, 2, 3, 4, 5, 6, 7, 8];

  test.each([
    ['one at a time', ks.map((k) => noisy(alone) * k), true, 1],
    ['one at a time, in any order', ks.map((k) => alone * k).toReversed(), true, 1],
    ['evenly, and half as slow again as alone', ks.map((k) => alone * 1.5 * k), false, 0.667],
    ['two workers', ks.map((k) => alone * Math.ceil(k / 2)), false, 2.1],
    ['a batch', ks.map((k) => noisy(alone * 1.4) + k), false, null],
    ['a batch that ends evenly spread', ks.map((k) => alone * 1.5 + 20 * k), false, 100],
    ['all at the same instant', ks.map(() => 3_000), false, Number.POSITIVE_INFINITY],
  ] as const)('%s', (_, latencies, serial, parallelism) => {
    const signature = burstSignature(latencies, alone);
    expect(signature?.serial).toBe(serial);
    if (parallelism === null) return;
    if (Number.isFinite(parallelism))
      expect(Math.abs((signature?.parallelism ?? 0) / parallelism - 1)).toBeLessThan(0.06);
    else expect(signature?.parallelism).toBe(parallelism);
  });

  test('too few latencies, or no service time, tell nothing', () => {
    expect(burstSignature([1, 2, 3], 1)).toBeNull();
    expect(burstSignature([1, 2, 3, 4], 0)).toBeNull();
  });
});

test.each([
  ['flat', 4, [44, 45, 43], [44.5, 45.5, 43.5], 'one'],
  ['batching', 8, [44, 45, 43], [300, 310, 305], 'scales'],
  ['two workers', 8, [44, 45, 43], [88, 90, 89], 'some'],
  ['too noisy to tell', 4, [44, 20, 70], [60, 90, 30], 'unclear'],
  ['equal figures', 4, [44, 44], [44, 44], 'one'],
  ['one repeat a side', 4, [44], [170], 'scales'],
] as const)('throughput that is %s', (_, level, atOne, atLevel, verdict) => {
  expect(effectiveParallelism(level, atOne, atLevel)?.verdict).toBe(verdict);
});

test('the interval of the ratio is the one worked out by hand', () => {
  // s/mean 0.1/sqrt(3) a side; sqrt of the sum 0.0816497; Welch's df 4, t 2.7764451: factor exp(0.2266958).
  const parallelism = effectiveParallelism(4, [90, 100, 110], [180, 200, 220]);
  expect(parallelism?.ratio).toBeCloseTo(2, 12);
  expect(parallelism?.upper).toBeCloseTo(2 * 1.2544488, 5);
  expect(parallelism?.lower).toBeCloseTo(2 / 1.2544488, 5);
});

test('what cannot be told is null', () => {
  expect(effectiveParallelism(2, [44], [44])).toBeNull();
  expect(effectiveParallelism(4, [], [44])).toBeNull();
  expect(effectiveParallelism(4, [44], [])).toBeNull();
  expect(effectiveParallelism(4, [0], [44])).toBeNull();
  expect(explainSerialisation('score', null, null)).toBeNull();
  expect(explainSerialisation('score', effectiveParallelism(4, [44], [170]), null)).toBeNull();
});

test('the remedy is that of the route', () => {
  const one = effectiveParallelism(4, [44], [44]);
  expect(explainSerialisation('score', one, null)).toContain('WORKER_COUNT');
  const chat = explainSerialisation('openai-chat', one, null);
  expect(chat).toContain('AML_MAX_NUM_SEQS');
  expect(chat).not.toContain('WORKER_COUNT');
});
