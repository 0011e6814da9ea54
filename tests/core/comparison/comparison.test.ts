import { describe, expect, test } from 'vitest';
import {
  type Comparison,
  dealLimits,
  parseComparison,
  planComparison,
} from '../../../src/core/comparison/comparison.ts';
import type { PlanFacts, PlanQuota } from '../../../src/core/spec/plan.ts';
import { A_PRICE, NO_PRICE } from '../../support/builders.ts';

const BASE = { model: { name: 'Phi-4', version: '7' } };
const managed = (sku: string, instances = 1) => ({ kind: 'managed', sku, instances });
const NC24 = managed('Standard_NC24ads_A100_v4');
const NC48 = managed('Standard_NC48ads_A100_v4');
const H100 = managed('Standard_NC40ads_H100_v5');

function body(fields: object = {}): object {
  return {
    base: BASE,
    targets: [
      { label: '1xNC24', target: NC24 },
      { label: '1xNC48', target: NC48 },
    ],
    ...fields,
  };
}

function parsed(fields: object = {}): Comparison {
  const comparison = parseComparison(body(fields));
  if (!comparison.ok) throw new Error(JSON.stringify(comparison.faults));
  return comparison.value;
}

function faultsOf(input: unknown): string[] {
  const comparison = parseComparison(input);
  return comparison.ok ? [] : comparison.faults.map(({ path, message }) => `${path} ${message}`);
}

function facts(fields: Partial<PlanFacts> = {}): PlanFacts {
  return {
    price: A_PRICE,
    quota: { verdict: 'unknown', reason: 'Nobody asked.' },
    model: null,
    warnings: [],
    ...fields,
  };
}

describe('a comparison', () => {
  test('has one complete spec a target, five repeats, and the defaults of the contract', () => {
    const { targets, ...rest } = parsed();
    expect(rest).toEqual({
      strategy: 'full',
      maxParallel: 2,
      threshold: 0.05,
      limits: { maxMinutes: 480, maxUsd: 300 },
      seed: 42,
    });
    expect(
      targets.map(({ label, spec }) => [label, spec.target.sku, spec.measure.repeats, spec.seed]),
    ).toEqual([
      ['1xNC24', 'Standard_NC24ads_A100_v4', 5, 42],
      ['1xNC48', 'Standard_NC48ads_A100_v4', 5, 42],
    ]);
  });

  test('keeps what the base and each target say, the target last', () => {
    const { targets } = parsed({
      base: { ...BASE, measure: { mode: 'steady', minRequests: 40 }, seed: 7 },
      targets: [
        { label: 'a', target: NC24 },
        { label: 'b', target: NC24, measure: { mode: 'burst' } },
        { label: 'c', target: NC24, measure: { mode: 'steady', repeats: 3 } },
      ],
    });
    expect(targets.map(({ spec }) => spec.measure)).toMatchObject([
      { mode: 'steady', repeats: 5, minRequests: 40 },
      { mode: 'burst', repeats: 5 },
      { mode: 'steady', repeats: 3, minRequests: 30 },
    ]);
    expect(targets.map(({ spec }) => spec.seed)).toEqual([7, 7, 7]);
  });

  test('lets a target take another kind of load than the base', () => {
    const { targets } = parsed({
      base: { ...BASE, concurrency: { levels: [1, 2] } },
      targets: [
        { label: 'closed', target: NC24 },
        { label: 'open', target: NC24, rate: { requestsPerSecond: [1] } },
      ],
    });
    expect(targets.map(({ spec }) => [spec.concurrency, spec.rate === null])).toEqual([
      [{ levels: [1, 2] }, true],
      [null, false],
    ]);
  });

  test('may have the same target with other settings under two labels', () => {
    const setting = (maxConcurrentRequestsPerInstance: number) => ({
      ...NC24,
      requestSettings: { maxConcurrentRequestsPerInstance },
    });
    const { targets } = parsed({
      targets: [
        { label: 'one', target: setting(1) },
        { label: 'ten', target: setting(10) },
      ],
    });
    expect(targets.map(({ spec }) => spec.target)).toMatchObject([
      { requestSettings: { maxConcurrentRequestsPerInstance: 1 } },
      { requestSettings: { maxConcurrentRequestsPerInstance: 10 } },
    ]);
  });

  test('takes labels in any writing', () => {
    const labels = ['1 × NC24 "quoted"', '日本', '<b>|a</b>'];
    const { targets } = parsed({ targets: labels.map((label) => ({ label, target: NC24 })) });
    expect(targets.map(({ label }) => label)).toEqual(labels);
  });

  test.each<[string, unknown, string]>([
    ['no object', 7, '(body) must be an object'],
    ['no targets', { base: BASE }, 'targets is missing'],
    ['one target', body({ targets: [{ label: 'a', target: NC24 }] }), 'targets must have at least 2'],
    [
      '21 targets',
      body({ targets: Array.from({ length: 21 }, (_, i) => ({ label: `t${i}`, target: NC24 })) }),
      'targets must have at most 20',
    ],
    ['a target in the base', body({ base: { ...BASE, target: NC24 } }), 'base.target belongs to each entry'],
    [
      'limits of a target',
      body({
        targets: [
          { label: 'a', target: NC24, limits: {} },
          { label: 'b', target: NC24 },
        ],
      }),
      'targets[0].limits are of the whole',
    ],
    ['an unknown field', body({ parallel: 2 }), 'parallel is not a field of a comparison'],
    [
      'no label',
      body({ targets: [{ target: NC24 }, { label: 'b', target: NC24 }] }),
      'targets[0].label is missing',
    ],
    [
      'a long label',
      body({
        targets: [
          { label: 'x'.repeat(65), target: NC24 },
          { label: 'b', target: NC24 },
        ],
      }),
      'targets[0].label must have at most 64',
    ],
    [
      'labels that differ by capitals',
      body({
        targets: [
          { label: 'A', target: NC24 },
          { label: 'a', target: NC48 },
        ],
      }),
      'targets[1].label is the label of targets[0] too',
    ],
    [
      'accents composed in two ways',
      body({
        targets: [
          { label: 'é', target: NC24 },
          { label: 'e\u0301', target: NC48 },
        ],
      }),
      'targets[1].label is the label of targets[0] too',
    ],
    [
      'a fault of one target',
      body({
        targets: [
          { label: 'a', target: managed('Standard_X') },
          { label: 'b', target: NC24 },
        ],
      }),
      'targets[0].target.sku Standard_X is not',
    ],
    [
      'a fault of an override',
      body({
        targets: [
          { label: 'a', target: NC24, concurrency: { levels: [0] } },
          { label: 'b', target: NC24 },
        ],
      }),
      'targets[0].concurrency.levels[0] must be',
    ],
    ['a threshold above 1', body({ threshold: 5 }), 'threshold must be from 0 to 1'],
    [
      'fewer lanes than a race has candidates',
      body({ strategy: 'race', maxParallel: 1 }),
      'maxParallel must be at least 2',
    ],
    [
      'a race of one round',
      body({ strategy: 'race', base: { ...BASE, measure: { mode: 'steady', repeats: 1 } } }),
      'targets[0].measure.repeats must be 2 or more',
    ],
  ])('is refused with %s', (_, input, fault) => {
    expect(faultsOf(input).filter((text) => text.startsWith(fault))).toHaveLength(1);
  });

  test('tells a fault of the base once, at the base', () => {
    expect(faultsOf(body({ base: { ...BASE, isolation: 'none' } }))).toEqual([
      'base.isolation must be "exclusive" or "shared"',
    ]);
  });

  test('tells all faults at once', () => {
    const faults = faultsOf(body({ threshold: -1, seed: 0.5 }));
    expect(faults).toHaveLength(2);
  });
});

describe('the limits of the whole', () => {
  const three = parsed({
    maxParallel: 2,
    limits: { maxMinutes: 400, maxUsd: 60 },
    targets: ['a', 'b', 'c'].map((label) => ({ label, target: NC24 })),
  });

  test('are dealt by turns and by what an hour costs', () => {
    expect(dealLimits(three, [1, 2, 3]).map(({ spec }) => spec.limits)).toMatchObject([
      { maxMinutes: 200, maxUsd: 10 },
      { maxMinutes: 200, maxUsd: 20 },
      { maxMinutes: 200, maxUsd: 30 },
    ]);
  });

  test('are dealt evenly where a price is unknown, and never raise what the base allows', () => {
    expect(dealLimits(three, [1, null, 3]).map(({ spec }) => spec.limits.maxUsd)).toEqual([20, 20, 20]);
    const own = parsed({ base: { ...BASE, limits: { maxMinutes: 30, maxUsd: 5 } } });
    expect(dealLimits(own, [1, 1]).map(({ spec }) => spec.limits)).toMatchObject([
      { maxMinutes: 30, maxUsd: 5 },
      { maxMinutes: 30, maxUsd: 5 },
    ]);
  });

  test('are not narrowed by what a single run has by default', () => {
    const rich = parsed({ limits: { maxMinutes: 1_000, maxUsd: 1_000 } });
    expect(dealLimits(rich, [1, 1]).map(({ spec }) => spec.limits)).toMatchObject([
      { maxMinutes: 1_000, maxUsd: 500 },
      { maxMinutes: 1_000, maxUsd: 500 },
    ]);
  });

  test('may be none of money', () => {
    const free = parsed({ limits: { maxUsd: null } });
    expect(dealLimits(free, [1, 1]).map(({ spec }) => spec.limits.maxUsd)).toEqual([null, null]);
  });
});

describe('the plan of a comparison', () => {
  function plan(comparison: Comparison, ...known: readonly PlanFacts[]) {
    return planComparison(
      comparison,
      comparison.targets.map((_, index) => known[index] ?? facts()),
    );
  }

  test('bounds time by turns and money by the sum, and starts in a seeded order', () => {
    const planned = plan(
      parsed({
        targets: [
          { label: 'a', target: NC24 },
          { label: 'b', target: H100 },
        ],
      }),
    );
    if (!planned.ok) throw new Error(JSON.stringify(planned.faults));
    const { targets, boundMinutes, boundUsd, order } = planned.value;
    const [one, other] = targets.map(({ plan: own }) => own);
    expect(boundMinutes).toBe(Math.max(one?.boundMinutes ?? 0, other?.boundMinutes ?? 0));
    expect(boundUsd).toBeCloseTo((one?.boundUsd ?? 0) + (other?.boundUsd ?? 0), 2);
    expect([...order].sort()).toEqual(['a', 'b']);
  });

  test('never lasts longer than its own limit and the release', () => {
    const targets = ['a', 'b', 'c', 'd', 'e'].map((label) => ({ label, target: NC24 }));
    const planned = plan(parsed({ targets, maxParallel: 1, limits: { maxMinutes: 100 } }));
    expect(planned.ok && planned.value.boundMinutes).toBe(120);
  });

  test('has no bound of money where one price is unknown', () => {
    const planned = plan(parsed(), facts(), facts({ price: NO_PRICE }));
    expect(planned.ok && planned.value.boundUsd).toBeNull();
  });

  test('warns of targets that share a quota family, and counts them one after the other where they do not fit', () => {
    const quota = (usedCores: number): PlanQuota => ({
      verdict: 'fits',
      family: 'standardNCADSA100v4Family',
      neededCores: 24,
      usedCores,
      limitCores: 96,
      reason: '',
    });
    const of = (usedCores: number) => {
      const planned = plan(parsed(), facts({ quota: quota(usedCores) }), facts({ quota: quota(usedCores) }));
      if (!planned.ok) throw new Error(JSON.stringify(planned.faults));
      return planned.value;
    };
    expect(of(0).warnings).toEqual([
      '"1xNC24", "1xNC48" share the quota of standardNCADSA100v4Family: together they need 72 cores, and 96 are free.',
    ]);
    expect(of(48).warnings[0]).toContain('and 48 are free; those that do not fit wait');
    expect(of(48).boundMinutes).toBeGreaterThan(of(0).boundMinutes);
    const planned = plan(
      parsed({
        targets: [
          { label: 'a', target: NC24 },
          { label: 'b', target: H100 },
        ],
      }),
    );
    expect(planned.ok && planned.value.warnings).toEqual([]);
  });

  test('names the target whose part of the limits is too small', () => {
    const planned = plan(parsed({ limits: { maxUsd: 0.02 } }));
    expect(planned.ok ? [] : planned.faults).toEqual([
      {
        path: 'limits.maxUsd',
        message: expect.stringMatching(/^deals a part to "1xNC24" that is too little/),
      },
      {
        path: 'limits.maxUsd',
        message: expect.stringMatching(/^deals a part to "1xNC48" that is too little/),
      },
    ]);
  });

  test('names the target that cannot be had at all', () => {
    const refused: PlanQuota = {
      verdict: 'refused',
      family: 'standardNCADSA100v4Family',
      neededCores: 48,
      usedCores: 0,
      limitCores: 24,
      reason: 'It needs 48 cores and the limit is 24.',
    };
    const planned = plan(parsed(), facts(), facts({ quota: refused }));
    expect(planned.ok ? [] : planned.faults.map(({ path }) => path)).toEqual(['targets[1].target.sku']);
  });

  test('says where targets differ in more than their target', () => {
    const planned = plan(
      parsed({
        targets: [
          { label: 'a', target: NC24, workloads: ['chatbot'] },
          { label: 'b', target: H100 },
        ],
      }),
    );
    expect(planned.ok && planned.value.warnings[0]).toContain('different workloads');
  });
});
