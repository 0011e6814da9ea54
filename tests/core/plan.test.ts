import { describe, expect, test } from 'vitest';
import {
  levelsOf,
  planCells,
  planRun,
  predictRequestSeconds,
  repeatLimits,
  repeatMaxSeconds,
  STAGE_MINUTES,
} from '../../src/core/plan.ts';
import type { PriceQuote } from '../../src/core/price.ts';
import type { BenchmarkSpec } from '../../src/core/spec.ts';
import { A_PRICE, aSpec, NO_PRICE } from '../support/builders.ts';

const EXISTING = {
  model: null,
  target: { kind: 'existing', scoringUri: 'https://example.com/score', auth: { kind: 'none' } },
};
const SKU = 'Standard_NC24ads_A100_v4';

describe('the bounds of a plan', () => {
  test("the origin's command line fits its budgets with defaults", () => {
    const sizes = [64, 128, 1024, 2048, 4096];
    const plan = planOf(
      aSpec({
        workloads: { promptTokens: sizes, outputTokens: sizes },
        concurrency: { ramp: { from: 1, to: 10 } },
      }),
    );
    expect(plan.cellsPlanned).toBe(100);
    expect(plan.boundMinutes).toBeLessThanOrEqual(240 + STAGE_MINUTES.release);
    expect(plan.warnings.join(' ')).toContain('limits.maxCells stops after 100');
  });

  test('minutes are the smaller of the worst case and the limit, plus the release', () => {
    const little = planOf(aSpec({ concurrency: { levels: [1] }, measure: { mode: 'burst' } }));
    expect(little.boundMinutes).toBeLessThan(240);
    const much = planOf(aSpec({ limits: { maxMinutes: 30 } }));
    expect(much.boundMinutes).toBe(30 + STAGE_MINUTES.release);
  });

  test('dollars are what the bounding minutes cost, rounded up to a cent, over all instances', () => {
    const spec = aSpec({ limits: { maxMinutes: 30 }, target: { kind: 'managed', sku: SKU, instances: 2 } });
    expect(planOf(spec).boundUsd).toBe(Math.ceil((50 / 60) * 3.67 * 2 * 100) / 100);
  });

  test('a limit of money shortens the run', () => {
    const plan = planOf(aSpec({ limits: { maxUsd: 3.67 } }));
    expect(plan.boundMinutes).toBe(60 + STAGE_MINUTES.release);
    expect(plan.measureMinutes).toBeLessThan(60);
  });

  test('no limit of money leaves the limit of time', () => {
    expect(planOf(aSpec({ limits: { maxUsd: null, maxMinutes: 30 } })).boundMinutes).toBe(50);
  });

  test('measuring stops before the limit, so that the rest pays for the release', () => {
    expect(planOf(aSpec({ limits: { maxMinutes: 60 } })).measureMinutes).toBe(59);
    expect(planOf(aSpec({ limits: { maxMinutes: 4 } })).measureMinutes).toBe(3.6);
  });

  test('without a price the money is unknown, with the reason, and the limit of money bounds nothing', () => {
    const plan = planOf(aSpec({ limits: { maxUsd: 0.01, maxMinutes: 30 } }), NO_PRICE);
    expect(plan.boundUsd).toBeNull();
    expect(plan.price.reason).toBe('The price list could not be read.');
    expect(plan.boundMinutes).toBe(50);
  });

  test('a price of nothing costs nothing', () => {
    const free: PriceQuote = { price: { ...A_PRICE.price!, perHourUsd: 0 }, reason: null };
    expect(planOf(aSpec(), free).boundUsd).toBe(0);
  });

  test('an existing endpoint is neither deployed nor released', () => {
    const plan = planOf(aSpec({ ...EXISTING, limits: { maxMinutes: 30 } }), NO_PRICE);
    expect(plan.boundMinutes).toBe(30);
    expect(plan.quota.verdict).toBe('not-needed');
    expect(plan.maxConcurrentRequestsPerInstance).toBeNull();
  });

  test('a worst case counts no more cells than limits.maxCells', () => {
    const minutes = (maxCells: number) =>
      planOf(aSpec({ limits: { maxCells, maxMinutes: 1_440, maxUsd: null } })).boundMinutes;
    expect(minutes(1)).toBeLessThan(minutes(2));
    expect(minutes(12)).toBe(minutes(100));
  });
});

describe('a run that cannot fit is refused', () => {
  test.each<[name: string, limits: object, path: string, message: RegExp]>([
    ['time', { maxMinutes: 2 }, 'limits.maxMinutes', /at least 3\.\d minutes; raise it/],
    ['money', { maxUsd: 0.05 }, 'limits.maxUsd', /at least 0\.19 USD at 3\.67 USD per hour; raise it/],
  ])('%s', (_, limits, path, message) => {
    const parsed = planRun(aSpec({ limits }), A_PRICE);
    expect(parsed).toEqual({ ok: false, faults: [{ path, message: expect.stringMatching(message) }] });
  });

  test('both, at once', () => {
    const parsed = planRun(aSpec({ limits: { maxMinutes: 1, maxUsd: 0.01 } }), A_PRICE);
    expect(parsed.ok || parsed.faults.map((fault) => fault.path)).toEqual([
      'limits.maxMinutes',
      'limits.maxUsd',
    ]);
  });

  test('too many cells', () => {
    const levels = Array.from({ length: 64 }, (_, index) => index + 1);
    const sizes = [1, 2, 3, 4];
    const spec = aSpec({ concurrency: { levels }, workloads: { promptTokens: sizes, outputTokens: sizes } });
    const parsed = planRun(spec, A_PRICE);
    expect(parsed.ok || parsed.faults).toEqual([
      { path: 'concurrency.levels', message: expect.stringContaining('1024 cells') },
    ]);
  });
});

describe('concurrent requests per instance', () => {
  test.each<[levels: number[], instances: number, asked: 'auto' | number, expected: number]>([
    [[1, 2, 4, 8], 1, 'auto', 8],
    [[8, 1], 1, 'auto', 8],
    [[10], 3, 'auto', 4],
    [[10], 3, 2, 2],
  ])('levels %j on %i instances, asked %s: %i', (levels, instances, asked, expected) => {
    const requestSettings = { maxConcurrentRequestsPerInstance: asked };
    const spec = aSpec({
      concurrency: { levels },
      target: { kind: 'managed', sku: SKU, instances, requestSettings },
    });
    expect(planOf(spec).maxConcurrentRequestsPerInstance).toBe(expected);
  });
});

describe('what is predicted and warned of', () => {
  test('a request takes its fixed second, its prefill and its tokens', () => {
    expect(predictRequestSeconds({ promptTokens: 5_000, outputTokens: 100 }, 1)).toBeCloseTo(
      1 + 1 + 2.5 * (65 / 64),
      10,
    );
    expect(predictRequestSeconds({ promptTokens: 5_000, outputTokens: 100 }, 64)).toBeCloseTo(1 + 1 + 5, 10);
  });

  test('a steady repeat lasts at most what is asked, or twelve predicted requests and never under two minutes', () => {
    const limits = repeatLimits(aSpec());
    expect(repeatMaxSeconds(limits, { promptTokens: 1, outputTokens: 1 }, 1)).toBe(120);
    expect(repeatMaxSeconds(limits, { promptTokens: 5_000, outputTokens: 1_600 }, 64)).toBe(12 * 82);
    expect(repeatMaxSeconds(limits, { promptTokens: 1, outputTokens: 32_768 }, 512)).toBe(1_500);
    expect(repeatMaxSeconds({ ...limits, maxSeconds: 7 }, { promptTokens: 1, outputTokens: 1 }, 1)).toBe(7);
  });

  test('levels above what the endpoint admits are warned of, cell by cell', () => {
    const requestSettings = { maxConcurrentRequestsPerInstance: 1, requestTimeoutSeconds: 10 };
    const spec = aSpec({
      concurrency: { levels: [2, 3, 512] },
      target: { kind: 'managed', sku: SKU, requestSettings },
      workloads: [{ promptTokens: 1, outputTokens: 2_000 }],
    });
    const warnings = planCells(spec).map((cell) => cell.warnings.join(' '));
    expect(warnings[0]).not.toContain('429');
    expect(warnings[1]).toContain('admits 2 requests at once');
    expect(warnings[1]).toContain("longer than the endpoint's 10 s");
    expect(warnings[2]).toContain('500 active connections');
  });

  test('a limit of time below the prediction is warned of', () => {
    const warnings = planOf(aSpec({ limits: { maxMinutes: 4 } })).warnings.join(' ');
    expect(warnings).toMatch(/predicted to take \d+ minutes; limits\.maxMinutes stops it after 4/);
  });

  test('a ramp lists every level that it may reach', () => {
    expect(levelsOf(aSpec({ concurrency: { ramp: { from: 2, to: 9, step: 3 } } }))).toEqual([2, 5, 8]);
    expect(levelsOf(aSpec({ concurrency: { ramp: { from: 4, to: 4 } } }))).toEqual([4]);
  });
});

function planOf(spec: BenchmarkSpec, price: PriceQuote = A_PRICE) {
  const parsed = planRun(spec, price);
  if (!parsed.ok) throw new Error(`Refused: ${JSON.stringify(parsed.faults)}`);
  return parsed.value;
}
