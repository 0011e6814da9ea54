import { describe, expect, test } from 'vitest';
import type { PriceQuote } from '../../../src/core/renting/price.ts';
import { loadModelOf } from '../../../src/core/spec/load-model.ts';
import {
  levelsOf,
  planCells,
  planRun,
  predictInFlight,
  predictRequestSeconds,
  repeatLimits,
  repeatMaxSeconds,
  STAGE_MINUTES,
} from '../../../src/core/spec/plan.ts';
import type { BenchmarkSpec } from '../../../src/core/spec/spec.ts';
import { SPEC_BOUNDS } from '../../../src/core/spec/spec-bounds.ts';
import { A_PRICE, aSpec, NO_PRICE, someFacts } from '../../support/builders.ts';

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
    const parsed = planRun(aSpec({ limits }), someFacts());
    expect(parsed).toEqual({ ok: false, faults: [{ path, message: expect.stringMatching(message) }] });
  });

  test('both, at once', () => {
    const parsed = planRun(aSpec({ limits: { maxMinutes: 1, maxUsd: 0.01 } }), someFacts());
    expect(parsed.ok || parsed.faults.map((fault) => fault.path)).toEqual([
      'limits.maxMinutes',
      'limits.maxUsd',
    ]);
  });

  test('too many cells', () => {
    const levels = Array.from({ length: 64 }, (_, index) => index + 1);
    const sizes = [1, 2, 3, 4];
    const spec = aSpec({ concurrency: { levels }, workloads: { promptTokens: sizes, outputTokens: sizes } });
    const parsed = planRun(spec, someFacts());
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
    const seconds = (promptTokens: number, outputTokens: number, level: number, fields: object = {}) =>
      repeatMaxSeconds({ ...limits, ...fields }, CLOSED, { promptTokens, outputTokens }, level, null);
    expect(seconds(1, 1, 1)).toBe(120);
    expect(seconds(5_000, 1_600, 64)).toBe(12 * 82);
    expect(seconds(1, 32_768, 512)).toBe(1_500);
    expect(seconds(1, 1, 1, { maxSeconds: 7 })).toBe(7);
  });

  test('a repeat of which a search wants many requests gets the time for them', () => {
    const limits = repeatLimits(aSpec());
    const workload = { promptTokens: 5_000, outputTokens: 80 };
    const seconds = repeatMaxSeconds(limits, CLOSED, workload, 1, 100);
    expect(seconds).toBeGreaterThan(100 * predictRequestSeconds(workload, 1));
    expect(seconds).toBeLessThanOrEqual(SPEC_BOUNDS.maxSeconds);
  });

  test('requests in flight are the connections, or what a rate makes of them, within its bound', () => {
    const workload = { promptTokens: 5_000, outputTokens: 80 };
    expect(predictInFlight(CLOSED, workload, 7)).toBe(7);
    const open = loadModelOf(aSpec({ rate: { requestsPerSecond: [2], maxInFlight: 20 } }));
    const perRequest = predictRequestSeconds(workload, 1);
    expect(predictInFlight(open, workload, 2)).toBe(Math.ceil(1.5 * 2 * perRequest));
    expect(predictInFlight(open, workload, 1_000)).toBe(20);
  });

  test('the endpoint is told to admit what a rate is expected to keep in flight', () => {
    const plan = planOf(aSpec({ rate: { requestsPerSecond: [1, 4] } }));
    expect(plan.maxConcurrentRequestsPerInstance).toBeGreaterThanOrEqual(4);
    expect(plan.maxConcurrentRequestsPerInstance).toBeLessThan(256);
  });

  test('a search that leaves too few requests a level is refused with the number that it takes', () => {
    const spec = aSpec({
      concurrency: { search: { max: 64, maxRequestsPerLevel: 59 } },
      slo: { ttftMs: 500 },
    });
    const parsed = planRun(spec, someFacts());
    expect(parsed).toMatchObject({
      ok: false,
      faults: [
        {
          path: 'concurrency.search.maxRequestsPerLevel',
          message: expect.stringMatching(/takes at least \d+ requests/),
        },
      ],
    });
  });

  test('a search is bounded by the limits alone, and lists the levels that it doubles through', () => {
    const spec = aSpec({ concurrency: { search: { max: 24 } }, slo: { ttftMs: 500 } });
    expect(planCells(spec, null).map((cell) => cell.level)).toEqual([1, 2, 4, 8, 16, 24]);
    expect(planOf(spec).boundMinutes).toBe(240 + STAGE_MINUTES.release);
  });

  test('levels above what the endpoint admits are warned of, cell by cell', () => {
    const requestSettings = { maxConcurrentRequestsPerInstance: 1, requestTimeoutSeconds: 10 };
    const spec = aSpec({
      concurrency: { levels: [2, 3, 512] },
      target: { kind: 'managed', sku: SKU, requestSettings },
      workloads: [{ promptTokens: 1, outputTokens: 2_000 }],
    });
    const warnings = planCells(spec, null).map((cell) => cell.warnings.join(' '));
    expect(warnings[0]).not.toContain('429');
    expect(warnings[1]).toContain('admits 2 requests at once');
    expect(warnings[1]).toContain("longer than the endpoint's 10 s");
    expect(warnings[2]).toContain('an endpoint accepts 500');
  });

  test('a limit of time below the prediction is warned of', () => {
    const warnings = planOf(aSpec({ limits: { maxMinutes: 4 } })).warnings.join(' ');
    expect(warnings).toMatch(/predicted to take \d+ minutes; limits\.maxMinutes stops it after 4/);
  });

  test('a ramp lists every level that it may reach', () => {
    const levels = (concurrency: object) => levelsOf(loadModelOf(aSpec({ concurrency })));
    expect(levels({ ramp: { from: 2, to: 9, step: 3 } })).toEqual([2, 5, 8]);
    expect(levels({ ramp: { from: 4, to: 4 } })).toEqual([4]);
  });
});

const CLOSED = loadModelOf(aSpec());

function planOf(spec: BenchmarkSpec, price: PriceQuote = A_PRICE) {
  const parsed = planRun(spec, someFacts({ price }));
  if (!parsed.ok) throw new Error(`Refused: ${JSON.stringify(parsed.faults)}`);
  return parsed.value;
}

describe('several endpoints', () => {
  test('cost as many times as much, and say so', () => {
    const target = (endpoints: number) => ({ kind: 'managed', sku: SKU, endpoints });
    const limits = { maxMinutes: 30, maxUsd: null };
    const one = planOf(aSpec({ target: target(1), limits }));
    const three = planOf(aSpec({ target: target(3), limits }));
    expect(three.boundUsd).toBeCloseTo(3 * (one.boundUsd ?? 0), 1);
    expect(three.warnings.join(' ')).toContain('3 endpoints are deployed');
  });
});

describe('several settings', () => {
  const target = (...requestSettings: object[]) => ({ kind: 'managed', sku: SKU, requestSettings });
  const list = target({ maxConcurrentRequestsPerInstance: 1 }, { maxConcurrentRequestsPerInstance: 10 });
  const load = { concurrency: { levels: [1, 10] }, measure: { mode: 'burst' } };

  test('have cells of their own, and each its own warnings of the admission limit', () => {
    const cells = planCells(aSpec({ target: list, ...load }), null);
    expect(cells.map(({ cellId }) => cellId)).toEqual([
      'c1-p512-o128-m1',
      'c10-p512-o128-m1',
      'c1-p512-o128-m10',
      'c10-p512-o128-m10',
    ]);
    const warned = cells.filter(({ warnings }) => warnings.some((warning) => warning.includes('429')));
    expect(warned.map(({ cellId }) => cellId)).toEqual(['c10-p512-o128-m1']);
  });

  test('are bounded with the updates and the warm-ups between them', () => {
    const one = planOf(aSpec({ target: target({ maxConcurrentRequestsPerInstance: 10 }), ...load }));
    const two = planOf(aSpec({ target: list, ...load }));
    expect(two).toMatchObject({
      cellsPlanned: 2 * one.cellsPlanned,
      maxConcurrentRequestsPerInstance: 1,
      settings: [
        { maxConcurrentRequestsPerInstance: 1, requestTimeoutSeconds: 180 },
        { maxConcurrentRequestsPerInstance: 10, requestTimeoutSeconds: 180 },
      ],
    });
    expect(two.boundMinutes).toBeGreaterThan(one.boundMinutes + STAGE_MINUTES.deployment);
    expect(one.settings).toBeUndefined();
  });

  test('that "auto" makes the same are a fault', () => {
    const spec = aSpec({ target: target({}, { maxConcurrentRequestsPerInstance: 10 }), ...load });
    expect(planRun(spec, someFacts())).toMatchObject({
      ok: false,
      faults: [{ path: 'target.requestSettings', message: expect.stringContaining('"auto" is 10') }],
    });
  });

  test('of one entry are settings and no list', () => {
    const one = aSpec({ target: target({ maxConcurrentRequestsPerInstance: 10 }) });
    expect(one.target).toMatchObject({ requestSettings: { maxConcurrentRequestsPerInstance: 10 } });
  });
});
