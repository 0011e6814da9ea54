import { describe, expect, test } from 'vitest';
import { type Comparison, parseComparison } from '../../../src/core/comparison/comparison.ts';
import { buildComparisonReport } from '../../../src/core/comparison/comparison-report.ts';
import type { TargetOutcome } from '../../../src/core/comparison/target-outcome.ts';
import type { ShardSummary } from '../../../src/core/measuring/shard.ts';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord, type Provenance } from '../../../src/core/report/report.ts';
import {
  aCell,
  aFailedShardSummary,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
  aWindow,
} from '../../support/builders.ts';

const SKUS = {
  nc24: { sku: 'Standard_NC24ads_A100_v4', usd: 3.6 },
  nc48: { sku: 'Standard_NC48ads_A100_v4', usd: 7.2 },
  h100: { sku: 'Standard_NC40ads_H100_v5', usd: 7.2 },
} as const;
type Name = keyof typeof SKUS;

function aComparison(names: readonly Name[], base: object = {}, fields: object = {}): Comparison {
  const parsed = parseComparison({
    base: { model: { name: 'Phi-4', version: '7' }, ...base },
    targets: names.map((label) => ({ label, target: { kind: 'managed', sku: SKUS[label].sku } })),
    ...fields,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

/** So many output tokens a second at a level, with latencies of its own. */
function aRate(
  name: Name,
  level: number,
  tokensPerSecond: number,
  at: {
    readonly repeat?: number;
    readonly endpoint?: string;
    readonly shard?: Partial<ShardSummary>;
    readonly provenance?: Partial<Provenance>;
  } = {},
): CellRecord {
  const { repeat = 1, endpoint = `${name}-a1`, shard = {}, provenance = {} } = at;
  const times = Array.from(
    { length: 20 },
    (_, index) => (level * 128_000) / tokensPerSecond + index * 0.37 + repeat,
  );
  return aCell({
    level,
    repeat,
    summary: mergeShards([
      aShardSummary({
        steady: aWindow({ outputTokens: tokensPerSecond * 10 }),
        e2e: aHistogram(...times),
        tpot: aHistogram(...times.map((ms) => ms / 128)),
        ...shard,
      }),
    ]),
    provenance: aProvenance({ sku: SKUS[name].sku, endpoint, ...provenance }),
  });
}

function anOutcome(
  comparison: Comparison,
  label: Name,
  cells: readonly CellRecord[],
  failure: string | null = null,
): TargetOutcome {
  const spec = comparison.targets.find((target) => target.label === label)?.spec;
  if (spec === undefined) throw new Error(`There is no target ${label}.`);
  const billing = {
    pricePerHourUsd: SKUS[label].usd,
    priceReason: null,
    instances: 1,
    fromMs: 0,
    untilMs: 1,
  };
  return { label, runs: [{ run: aRun({ spec, billing }), cells }], failure };
}

/** Two deployments, two repeats each, at levels 1 and 4, that scatter by a share. */
function measured(name: Name, tokensPerSecond: number, scatter = 0.01): CellRecord[] {
  return ['a1', 'b1'].flatMap((endpoint, index) =>
    [1, 4].flatMap((level) =>
      [1, 2].map((turn) =>
        aRate(name, level, tokensPerSecond * level ** 0.8 * (1 + scatter * (turn - 1.5 + index * 0.3)), {
          repeat: 2 * index + turn,
          endpoint: `${name}-${endpoint}`,
        }),
      ),
    ),
  );
}

const THREE: readonly Name[] = ['nc24', 'nc48', 'h100'];

function three() {
  const comparison = aComparison(THREE);
  const rates = { nc24: 45, nc48: 70, h100: 80 };
  const outcomes = THREE.map((name) => anOutcome(comparison, name, measured(name, rates[name])));
  return { comparison, outcomes, report: buildComparisonReport(comparison, outcomes, null) };
}

describe('the report of a comparison', () => {
  test('names the cheapest first, with its level', () => {
    const { report } = three();
    expect(report.headline[0]).toMatch(
      /^p512-o128: "nc24" is the cheapest \(no objectives were given\): 7\.\d+ USD per million output tokens at c4-p512-o128, 1\d\d output tokens a second; next is "h100"/,
    );
    const [workload] = report.workloads;
    expect(workload?.cheapest).toMatchObject({ label: 'nc24', cellId: 'c4-p512-o128', level: 4 });
  });

  test('ranks by cost, by goodput and by GPU', () => {
    const [workload] = three().report.workloads;
    const labels = (list: readonly { label: string }[] | undefined) => list?.map(({ label }) => label);
    expect(labels(workload?.byCost)).toEqual(['nc24', 'h100', 'nc48']);
    expect(labels(workload?.byGoodput)).toEqual(['h100', 'nc48', 'nc24']);
    expect(labels(workload?.byGoodputPerGpu)).toEqual(['h100', 'nc24', 'nc48']);
  });

  test('has every level of every target in the matched table', () => {
    const [workload] = three().report.workloads;
    expect(
      workload?.table.map(({ cellId, entries }) => [cellId, entries.map((entry) => entry?.label)]),
    ).toEqual([
      ['c1-p512-o128', THREE],
      ['c4-p512-o128', THREE],
    ]);
    expect(workload?.table[0]?.entries[1]?.perGpu).toBeCloseTo(35, 0);
  });

  test('leaves a level that a target did not measure empty', () => {
    const comparison = aComparison(['nc24', 'nc48']);
    const report = buildComparisonReport(
      comparison,
      [
        anOutcome(comparison, 'nc24', [aRate('nc24', 1, 45)]),
        anOutcome(comparison, 'nc48', [aRate('nc48', 2, 70)]),
      ],
      null,
    );
    expect(report.workloads[0]?.table.map(({ entries }) => entries.map((entry) => entry === null))).toEqual([
      [false, true],
      [true, false],
    ]);
    expect(report.pairs[0]?.result.verdict).toBe('not-comparable');
  });

  test('puts on the front what nothing else beats in cost and time', () => {
    const [workload] = three().report.workloads;
    expect(workload?.frontTime).toBe('tpot');
    for (const point of workload?.front ?? []) {
      const beaten = workload?.front.some(
        (other) =>
          other.usdPerMillionOutputTokens < point.usdPerMillionOutputTokens &&
          other.msPerToken < point.msPerToken,
      );
      expect(point.onFront).toBe(!beaten);
    }
    expect(new Set(workload?.front.map(({ onFront }) => onFront))).toEqual(new Set([true, false]));
  });

  test('goes by the whole time of answers where the time per token of one target may never have been seen', () => {
    const { comparison, outcomes } = three();
    const [first, ...others] = outcomes;
    if (first === undefined) throw new Error('There is no outcome.');
    const runs = first.runs.map(({ run, cells }) => ({
      run,
      cells: cells.map((cell) => ({
        ...cell,
        summary: cell.summary === null ? null : { ...cell.summary, mayBeBuffered: true as const },
      })),
    }));
    const report = buildComparisonReport(comparison, [{ ...first, runs }, ...others], null);
    expect(report.workloads[0]?.frontTime).toBe('ntpot');
  });

  test('tests each other target against the cheapest, and tells what a token costs by the same interval', () => {
    const { report } = three();
    expect(
      report.pairs.map(({ first, second, result }) => [first, second, result.verdict, result.scope]),
    ).toEqual([
      ['nc24', 'nc48', 'better', 'targets'],
      ['nc24', 'h100', 'better', 'targets'],
    ]);
    const [pair] = report.pairs;
    expect(pair?.result.ratio).toBeCloseTo(70 / 45, 2);
    expect(pair?.costRatio?.ratio).toBeCloseTo((2 * 45) / 70, 2);
    expect(pair?.costRatio?.lower).toBeLessThan(pair?.costRatio?.ratio ?? 0);
  });

  test('says how the figures of each target were made', () => {
    expect(three().report.targets[0]?.made).toMatchObject({
      load: 'closed loop',
      warmUp: { requests: 4 },
      window: 'steady window',
      repeats: 4,
      deployments: 2,
      tokenSource: 'usage',
      route: 'openai-chat',
      model: 'AzureML/Phi-4/7',
      price: { perHourUsd: 3.67, region: 'eastus2', since: '2025-01-01T00:00:00Z' },
      simulated: false,
    });
  });

  test('tells what a token costs at half and quarter use', () => {
    const [summary] = three().report.targets;
    const [full, half, quarter] = summary?.costOfUse[0]?.uses ?? [];
    expect(half?.usdPerMillionOutputTokens).toBeCloseTo(2 * (full?.usdPerMillionOutputTokens ?? 0));
    expect(quarter?.use).toBe(0.25);
  });

  test('is the same built again from rows that were stored as JSON', () => {
    const { comparison, outcomes, report } = three();
    expect(buildComparisonReport(comparison, JSON.parse(JSON.stringify(outcomes)), null)).toEqual(report);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});

describe('a comparison with objectives', () => {
  const slo = (met: number) => ({
    slo: { attempted: 100, succeeded: 100, met, notEvaluable: 0, outputTokensMet: met * 128 },
  });

  test('names the cheapest target among those that meet them', () => {
    const comparison = aComparison(['nc24', 'h100'], { slo: { e2eMs: 5_000 } });
    const report = buildComparisonReport(
      comparison,
      [
        anOutcome(comparison, 'nc24', [aRate('nc24', 1, 45, { shard: slo(60) })]),
        anOutcome(comparison, 'h100', [
          aRate('h100', 1, 80, { shard: slo(100) }),
          aRate('h100', 4, 300, { shard: slo(50) }),
        ]),
      ],
      null,
    );
    const [workload] = report.workloads;
    expect(workload?.byCost.map(({ label, cellId }) => [label, cellId])).toEqual([['h100', 'c1-p512-o128']]);
    expect(report.headline[0]).toContain('"h100" is the cheapest that meets the objectives');
    expect(workload?.table[1]?.entries[1]).toMatchObject({
      slo: 'missed',
      leftOut: 'it is not shown to meet the objectives',
    });
    expect(report.pairs[0]?.metric).toBe('goodput');
  });

  test('does not build on a level above one that misses', () => {
    const comparison = aComparison(['nc24', 'h100'], { slo: { e2eMs: 5_000 } });
    const levels = [
      [1, 45, 100],
      [2, 80, 50],
      [4, 160, 100],
    ] as const;
    const cells = levels.map(([level, rate, met]) => aRate('nc24', level, rate, { shard: slo(met) }));
    const report = buildComparisonReport(
      comparison,
      [
        anOutcome(comparison, 'nc24', cells),
        anOutcome(comparison, 'h100', [aRate('h100', 1, 80, { shard: slo(100) })]),
      ],
      null,
    );
    expect(report.workloads[0]?.byCost.find(({ label }) => label === 'nc24')?.level).toBe(1);
    expect(report.workloads[0]?.table[2]?.entries[0]?.leftOut).toBe(
      'a lower level is not shown to meet the objectives',
    );
  });

  test('answers a demand in its first line', () => {
    const plain = aComparison(['nc24', 'h100'], { slo: { e2eMs: 5_000 } });
    const demand = { requestsPerMinute: 300, peakFactor: 1.2 };
    const targets = plain.targets.map((target) => ({ ...target, spec: { ...target.spec, demand } }));
    const comparison = { ...plain, targets } as unknown as Comparison;
    const outcomes = (['nc24', 'h100'] as const).map((name) =>
      anOutcome(comparison, name, [aRate(name, 1, 50, { shard: slo(100) })]),
    );
    const report = buildComparisonReport(comparison, outcomes, null);
    // Each carries 2 requests a second: three instances for 6 at the peak, and the A100 is the cheaper one.
    expect(report.headline[0]).toMatch(
      /^"nc24" carries the demand at the lowest price: p512-o128: 300 .* 3 instances \(extrapolated/,
    );
    expect(report.demands.map(({ answers }) => answers[0]?.instances)).toEqual([3, 3]);
  });

  test('answers it with what the report of each run says, which counts instances as ARM told them', () => {
    const plain = aComparison(['nc24', 'h100'], { slo: { e2eMs: 5_000 } });
    const demand = { requestsPerMinute: 300, peakFactor: 1.2 };
    const targets = plain.targets.map((target) => ({ ...target, spec: { ...target.spec, demand } }));
    const comparison = { ...plain, targets } as unknown as Comparison;
    const outcomes = (['nc24', 'h100'] as const).map((name): TargetOutcome => {
      const outcome = anOutcome(comparison, name, [aRate(name, 1, 50, { shard: slo(100) })]);
      const runs = outcome.runs.map(({ run, cells }) => {
        if (run.endpoint === null) throw new Error('The run has no endpoint.');
        return { run: { ...run, endpoint: { ...run.endpoint, instances: 2 } }, cells };
      });
      return { ...outcome, runs };
    });
    const own = outcomes.map(({ label, runs }) => ({
      label,
      answers: runs.flatMap(({ run, cells }) => buildReport(run, cells).demands),
    }));
    expect(buildComparisonReport(comparison, outcomes, null).demands).toEqual(own);
    expect(own[0]?.answers[0]?.perInstance?.requestsPerSecond).toBeCloseTo(1, 0);
  });

  test('says so where none meets them', () => {
    const comparison = aComparison(['nc24', 'h100'], { slo: { e2eMs: 5_000 } });
    const outcomes = (['nc24', 'h100'] as const).map((name) =>
      anOutcome(comparison, name, [aRate(name, 1, 50, { shard: slo(10) })]),
    );
    expect(buildComparisonReport(comparison, outcomes, null).headline[0]).toBe(
      'p512-o128: no target is shown to meet the objectives.',
    );
  });
});

describe('what may not be held against each other', () => {
  const other = (provenance: Partial<Provenance>, shard: Partial<ShardSummary> = {}) => {
    const comparison = aComparison(['nc24', 'nc48']);
    return buildComparisonReport(
      comparison,
      [
        anOutcome(comparison, 'nc24', measured('nc24', 45)),
        anOutcome(
          comparison,
          'nc48',
          [1, 2].map((repeat) => aRate('nc48', 1, 70, { repeat, provenance, shard })),
        ),
      ],
      null,
    );
  };

  test('has no verdict, no ratio, and the reason', () => {
    const [pair] = other({ model: { registry: 'AzureML', name: 'Phi-4', version: '8' } }).pairs;
    expect(pair?.result).toMatchObject({ verdict: 'not-comparable', ratio: null });
    expect(pair?.sentence).toContain('Not comparable: The model of');
    expect(pair?.costRatio).toBeNull();
  });

  test('a target of one deployment speaks of deployments only', () => {
    expect(other({}).pairs[0]?.result.scope).toBe('deployments');
  });

  test('a target that failed stands in the report with its reason and stops no other', () => {
    const comparison = aComparison(['nc24', 'nc48']);
    const report = buildComparisonReport(
      comparison,
      [
        anOutcome(comparison, 'nc24', measured('nc24', 45)),
        { label: 'nc48', runs: [], failure: 'No capacity in eastus2.' },
      ],
      null,
    );
    expect(report.targets[1]).toMatchObject({
      label: 'nc48',
      failure: 'No capacity in eastus2.',
      made: null,
    });
    expect(report.warnings).toContain('"nc48": No capacity in eastus2.');
    expect(report.workloads[0]?.cheapest?.label).toBe('nc24');
    expect(report.pairs[0]?.result.verdict).toBe('not-comparable');
  });

  test('a target without a success has no figures, and no verdict', () => {
    const comparison = aComparison(['nc24', 'nc48']);
    const failed = aCell({
      summary: mergeShards([aFailedShardSummary()]),
      provenance: aProvenance({ sku: SKUS.nc48.sku }),
    });
    const report = buildComparisonReport(
      comparison,
      [anOutcome(comparison, 'nc24', measured('nc24', 45)), anOutcome(comparison, 'nc48', [failed])],
      null,
    );
    expect(report.workloads[0]?.table[0]?.entries[1]).toMatchObject({
      outputTokensPerSecond: null,
      usdPerMillionOutputTokens: null,
      leftOut: 'nothing succeeded',
    });
    expect(report.pairs[0]?.result.verdict).toBe('not-comparable');
  });

  test('the same latencies under two labels are told', () => {
    const comparison = aComparison(['nc24', 'nc48']);
    const cells = [aRate('nc24', 1, 45)];
    const report = buildComparisonReport(
      comparison,
      [anOutcome(comparison, 'nc24', cells), anOutcome(comparison, 'nc48', cells)],
      null,
    );
    expect(report.warnings[0]).toContain('hold exactly the same latencies');
  });

  test('a simulated comparison says so first', () => {
    const simulated = other({ simulated: true });
    expect(simulated.simulated).toBe(true);
    expect(simulated.warnings[0]).toMatch(/^Simulated/);
    expect(simulated.pairs[0]?.incomparable.map(({ code }) => code)).toEqual(['simulated']);
  });
});

describe('a target that is paid by the token', () => {
  function withServerless(prices: { readonly input: number; readonly output: number }) {
    const parsed = parseComparison({
      base: { model: { name: 'Phi-4', version: '7' } },
      targets: [
        { label: 'nc24', target: { kind: 'managed', sku: SKUS.nc24.sku } },
        {
          label: 'by token',
          target: {
            kind: 'existing',
            scoringUri: 'https://models.example.com/chat/completions',
            auth: { kind: 'none' },
            tokenPricesUsdPerMillion: prices,
          },
        },
      ],
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
    const billing = {
      pricePerHourUsd: null,
      priceReason: 'By the token.',
      instances: 1,
      fromMs: null,
      untilMs: null,
    };
    const spec = parsed.value.targets[1]?.spec;
    if (spec === undefined) throw new Error('There is no second target.');
    return buildComparisonReport(
      parsed.value,
      [
        anOutcome(parsed.value, 'nc24', measured('nc24', 45)),
        {
          label: 'by token',
          runs: [
            {
              run: aRun({ spec, billing, endpoint: null }),
              cells: [aRate('nc24', 1, 60, { provenance: { sku: null, instances: null, endpoint: null } })],
            },
          ],
          failure: null,
        },
      ],
      null,
    );
  }

  test('costs by its prices, prompts included, and has a break-even load', () => {
    const report = withServerless({ input: 2, output: 8 });
    // 512 x 2 + 128 x 8 are 16 USD per million output tokens; 3.6 USD an hour buy 225,000 of them.
    expect(report.workloads[0]?.byCost.find(({ label }) => label === 'by token')?.value).toBeCloseTo(16);
    expect(report.breakEvens).toMatchObject([{ serverless: 'by token', rented: 'nc24', reachable: true }]);
    expect(report.breakEvens[0]?.tokensPerHour).toBeCloseTo(225_000);
    expect(report.headline.at(-1)).toContain('from 225,000 output tokens an hour on');
  });

  test('is cheaper at any load where the break-even is more than the SKU carries', () => {
    const report = withServerless({ input: 0.07, output: 0.14 });
    expect(report.breakEvens).toMatchObject([{ reachable: false }]);
    expect(report.headline.at(-1)).toContain('cheaper than "nc24" at any load');
    expect(report.workloads[0]?.cheapest?.label).toBe('by token');
  });
});

describe('what is known of deployments', () => {
  test('is told beside the verdicts, also where nothing is', () => {
    const { comparison, outcomes, report } = three();
    expect(report.warnings.at(-1)).toMatch(
      /^Earlier comparisons do not tell well enough how much deployments .* differ/,
    );
    const known = buildComparisonReport(comparison, outcomes, { variance: 0.03 ** 2, degreesOfFreedom: 6 });
    expect(known.warnings.at(-1)).toContain('in earlier comparisons: 3 %, with 6 degrees of freedom');
  });

  test('is not spoken of where there is nothing to compare', () => {
    const comparison = aComparison(['nc24', 'nc48']);
    const outcomes = [
      anOutcome(comparison, 'nc24', measured('nc24', 45)),
      anOutcome(comparison, 'nc48', [], 'No capacity in eastus2.'),
    ];
    expect(buildComparisonReport(comparison, outcomes, null).warnings).toEqual([
      '"nc48": No capacity in eastus2.',
    ]);
  });
});

describe('a race', () => {
  test('is run again from the rows: who was dropped, after which round and why', () => {
    const comparison = aComparison(
      THREE,
      { concurrency: { levels: [1] }, measure: { mode: 'steady', repeats: 4 } },
      { strategy: 'race' },
    );
    const rounds = { nc24: 4, nc48: 3, h100: 4 };
    const rates = { nc24: 45, nc48: 45, h100: 88 };
    const outcomes = THREE.map((name) =>
      anOutcome(
        comparison,
        name,
        Array.from({ length: rounds[name] }, (_, index) =>
          aRate(name, 1, rates[name] + index * 0.2, { repeat: index + 1 }),
        ),
      ),
    );
    const { race, headline } = buildComparisonReport(comparison, outcomes, null);
    expect(race?.rounds.map(({ round, costs }) => [round, costs.map(({ label }) => label)])).toEqual([
      [1, THREE],
      [2, THREE],
      [3, ['nc24', 'h100']],
      [4, ['nc24', 'h100']],
    ]);
    expect(race?.drops).toMatchObject([{ label: 'nc48', round: 2, against: 'nc24', reason: 'dearer' }]);
    expect(race?.ended).toContain('All 4 rounds were measured');
    expect(headline.at(-2)).toContain('"nc48" was dropped after round 2');
    expect(headline.at(-1)).toMatch(/^The race spent .* GPU hours .* and .* USD/);
  });
});
