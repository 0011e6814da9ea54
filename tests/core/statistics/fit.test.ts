import { expect, test } from 'vitest';
import { type FitPoint, fitPrefillDecode } from '../../../src/core/statistics/fit.ts';
import { normalDraws } from '../../statistics/draws.ts';

test('a square of four workloads gives what contrasts give by hand', () => {
  // y = mean +- contrasts: b = (1250 - 1050)/200 = 1, d = (1260 - 1040)/20 = 11, a = 1150 - 200 - 220 = 730.
  // Every residual is 10 in size, RSS 400 with 1 degree of freedom; variances 400/40000, 400/400; t(1) 12.7062.
  const points = [
    { promptTokens: 100, outputTokens: 10, e2eMs: 950 },
    { promptTokens: 100, outputTokens: 30, e2eMs: 1150 },
    { promptTokens: 300, outputTokens: 10, e2eMs: 1130 },
    { promptTokens: 300, outputTokens: 30, e2eMs: 1370 },
  ];
  const { fit } = fitPrefillDecode(points);
  expect(fit?.source).toBe('fitted');
  expect(fit?.prefillMsPerToken.value).toBeCloseTo(1, 10);
  expect(fit?.decodeMsPerToken.value).toBeCloseTo(11, 10);
  expect(fit?.fixedMs.value).toBeCloseTo(730, 8);
  expect(fit?.prefillMsPerToken.upper).toBeCloseTo(1 + 12.7062047 * 0.1, 6);
  expect(fit?.decodeMsPerToken.lower).toBeCloseTo(11 - 12.7062047, 6);
  // Var(a) = 400 (1/4 + 200^2/40000 + 20^2/400) = 900.
  expect(fit?.fixedMs.upper).toBeCloseTo(730 + 12.7062047 * 30, 4);
  expect(fit?.degreesOfFreedom).toBe(1);
  expect(fit?.rSquared).toBeCloseTo(1 - 400 / (400 + 40_000 + 48_400), 10);
});

test('exact times give back exactly what made them, lengths being correlated or not', () => {
  const points = [
    [512, 128],
    [1024, 200],
    [2048, 500],
    [512, 500],
    [4096, 64],
  ].map(([promptTokens = 0, outputTokens = 0]) => ({
    promptTokens,
    outputTokens,
    e2eMs: 850 + 0.2 * promptTokens + 22 * outputTokens,
  }));
  const { fit } = fitPrefillDecode(points);
  expect(fit?.fixedMs.value).toBeCloseTo(850, 6);
  expect(fit?.prefillMsPerToken.value).toBeCloseTo(0.2, 9);
  expect(fit?.decodeMsPerToken.value).toBeCloseTo(22, 8);
  expect(fit?.rSquared).toBeCloseTo(1, 12);
});

test('95 % intervals cover the truth in about 95 % of noisy runs', () => {
  let [prefill, decode, fixed] = [0, 0, 0];
  const runs = 2_000;
  for (let seed = 0; seed < runs; seed += 1) {
    const draw = normalDraws(seed, 'fit');
    const points: FitPoint[] = [];
    for (const promptTokens of [512, 2048]) {
      for (const outputTokens of [64, 256]) {
        for (let repeat = 0; repeat < 3; repeat += 1) {
          points.push({
            promptTokens,
            outputTokens,
            e2eMs: 900 + 0.2 * promptTokens + 22 * outputTokens + 60 * draw(),
          });
        }
      }
    }
    const { fit } = fitPrefillDecode(points);
    if (covers(fit?.prefillMsPerToken, 0.2)) prefill += 1;
    if (covers(fit?.decodeMsPerToken, 22)) decode += 1;
    if (covers(fit?.fixedMs, 900)) fixed += 1;
  }
  // Standard deviation of a count around 1,900 is 9.7: four of them on either side.
  for (const covered of [prefill, decode, fixed]) expect(Math.abs(covered - 0.95 * runs)).toBeLessThan(40);
});

test('weights let the mean of many requests count more', () => {
  const exact = (promptTokens: number, outputTokens: number) => ({
    promptTokens,
    outputTokens,
    e2eMs: 100 + promptTokens + 10 * outputTokens,
    weight: 1_000,
  });
  const off = { promptTokens: 400, outputTokens: 40, e2eMs: 5_000, weight: 0.001 };
  const points = [exact(100, 10), exact(100, 30), exact(300, 10), exact(300, 30), off];
  expect(fitPrefillDecode(points).fit?.decodeMsPerToken.value).toBeCloseTo(10, 2);
});

test.each([
  [
    'too few points',
    [
      [100, 10],
      [300, 10],
      [100, 30],
    ],
    'at least 4',
  ],
  [
    'one prompt size',
    [
      [512, 10],
      [512, 20],
      [511, 30],
      [513, 40],
    ],
    'second prompt size',
  ],
  [
    'one output size',
    [
      [100, 64],
      [200, 64],
      [300, 64],
      [400, 64],
    ],
    'second output size',
  ],
  [
    'sizes that grow together',
    [
      [512, 128],
      [1024, 256],
      [2048, 512],
      [4096, 1024],
    ],
    'grow together',
  ],
  ['nothing', [], 'at least 4'],
] as const)('refuses %s, and says what to add', (_, sizes, reason) => {
  const points = sizes.map(([promptTokens, outputTokens]) => ({ promptTokens, outputTokens, e2eMs: 1_000 }));
  const refused = fitPrefillDecode(points);
  expect(refused.fit).toBeNull();
  expect(refused.reason).toContain(reason);
});

function covers(value: { lower: number; upper: number } | undefined, truth: number): boolean {
  return value !== undefined && value.lower <= truth && truth <= value.upper;
}
