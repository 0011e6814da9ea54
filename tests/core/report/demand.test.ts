import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { answerDemand, costOfUse, type DemandEvidence, demand } from '../../../src/core/report/demand.ts';
import { buildReport, type CellRecord } from '../../../src/core/report/report.ts';
import { loadModelOf } from '../../../src/core/spec/load-model.ts';
import { aCell, aRun, aShardSummary, aSpec } from '../../support/builders.ts';

const ASKED = { requestsPerMinute: 60, peakFactor: 1.5 };
const SLO = { attainment: 0.95, e2eMs: 20_000 };

/** A row at a rate in which so many of 100 kept the objectives. */
function atRate(level: number, met: number): CellRecord {
  const slo = { attempted: 100, succeeded: 100, met, notEvaluable: 0, outputTokensMet: met * 128 };
  return aCell({ loop: 'rate', level, summary: mergeShards([aShardSummary({ slo })]) });
}

function evidence(
  cells: readonly CellRecord[],
  fields: Partial<DemandEvidence> = {},
  spec = aSpec({ slo: SLO, rate: { requestsPerSecond: [1] } }),
): DemandEvidence {
  const { rows, answers } = buildReport(aRun({ spec }), cells);
  return {
    rows,
    answers,
    arrival: loadModelOf(spec).arrival,
    instances: 1,
    pricePerHourUsd: 3.6,
    tokenPricesUsdPerMillion: null,
    ...fields,
  };
}

function answer(known: DemandEvidence, asked = ASKED) {
  const [first] = answerDemand(asked, known);
  if (first === undefined) throw new Error('There is no answer.');
  return first;
}

describe('the answer to a demand', () => {
  test('takes the highest rate that meets on its bound, and rounds instances up', () => {
    const result = answer(evidence([atRate(0.5, 100), atRate(0.7, 100), atRate(1, 80)]));
    expect(result).toMatchObject({ instances: 3, basis: 'extrapolated' });
    expect(result.perInstance).toEqual({
      requestsPerSecond: 0.7,
      cellId: 'q0.7-p512-o128',
      loop: 'rate',
      poisson: true,
      withObjectives: true,
    });
    // 3 instances x 3.6 USD x 730 h; 60 requests a minute are 2,628,000 a month, of 128 tokens each.
    expect(result.usdPerMonth).toBeCloseTo(7_884);
    expect(result.usdPerThousandRequests).toBeCloseTo(3);
    expect(result.usdPerMillionOutputTokens).toBeCloseTo(23.44, 1);
    expect(result.use).toBeCloseTo(1 / 2.1);
    expect(result.sentence).toContain('extrapolated');
  });

  test('is confirmed where that count of instances was measured', () => {
    const result = answer(evidence([atRate(1.8, 100)], { instances: 3 }));
    expect(result).toMatchObject({ instances: 3, basis: 'confirmed' });
    expect(answer(evidence([atRate(1.2, 100)], { instances: 3 }))).toMatchObject({
      instances: 4,
      basis: 'extrapolated',
    });
  });

  test('does not believe a level above one that does not meet', () => {
    expect(answer(evidence([atRate(0.5, 100), atRate(1, 60), atRate(2, 100)])).perInstance).toMatchObject({
      requestsPerSecond: 0.5,
    });
  });

  test('has nothing to say where no level meets', () => {
    const result = answer(evidence([atRate(0.5, 60)]));
    expect(result).toMatchObject({ perInstance: null, instances: null, usdPerMonth: null });
    expect(result.sentence).toContain('cannot be told');
  });

  test('marks the goodput of a closed loop as such', () => {
    const slo = { attempted: 100, succeeded: 100, met: 100, notEvaluable: 0, outputTokensMet: 12_800 };
    const cells = [aCell({ summary: mergeShards([aShardSummary({ slo })]) })];
    const result = answer(evidence(cells, {}, aSpec({ slo: SLO })));
    expect(result.perInstance).toMatchObject({ loop: 'closed', requestsPerSecond: 2, poisson: false });
    expect(result.sentence).toContain('goodput of a closed loop');
  });

  test('prefers an open loop to a closed one', () => {
    const closed = aCell();
    const open = aCell({ loop: 'rate', level: 0.4 });
    const result = answer(evidence([closed, open], {}, aSpec()));
    expect(result.perInstance).toMatchObject({ loop: 'rate', requestsPerSecond: 0.4, withObjectives: false });
  });

  test('has no money where there is no price', () => {
    const result = answer(evidence([atRate(2, 100)], { pricePerHourUsd: null }));
    expect(result).toMatchObject({ instances: 1, usdPerMonth: null, usdPerThousandRequests: null });
    expect(result.sentence).toContain('the price is not known');
  });

  test('costs tokens and no instances where tokens are paid for', () => {
    const known = evidence([aCell()], { tokenPricesUsdPerMillion: { input: 0.1, output: 0.4 } }, aSpec());
    const result = answer(known);
    // 512 prompt and 128 output tokens are 0.0000512 + 0.0000512 USD.
    expect(result.usdPerThousandRequests).toBeCloseTo(0.1024);
    expect(result.instances).toBeNull();
    expect(result.sentence).toContain('by the token');
  });
});

test('without a demand, half the use doubles the price of a token', () => {
  expect(costOfUse(4)).toEqual([
    { use: 1, usdPerMillionOutputTokens: 4 },
    { use: 0.5, usdPerMillionOutputTokens: 8 },
    { use: 0.25, usdPerMillionOutputTokens: 16 },
  ]);
  expect(costOfUse(null)).toEqual([]);
});

test('the part of a spec has a peak of one and a half, and bounds', () => {
  expect(demand.parse({ requestsPerMinute: 600 })).toEqual({ requestsPerMinute: 600, peakFactor: 1.5 });
  expect(demand.parse(undefined)).toBeNull();
  for (const wrong of [
    { requestsPerMinute: 0 },
    { requestsPerMinute: 1, peakFactor: 0.5 },
    { requests: 1 },
    7,
  ])
    expect(demand.safeParse(wrong).success).toBe(false);
});
