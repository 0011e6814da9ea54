import { describe, expect, it } from 'vitest';
import type { ComparisonReport } from '../../src/core/comparison/comparison-report.ts';
import type { ComparisonView } from '../../src/http/comparison-view.ts';
import { checkPairs, findComparisonFaults, renderChecks } from '../../src/local/demo-comparison.ts';

const LABELS = ['1xNC24', '2xNC24', '1xNC48', '1xNC40 H100'];
const AS_CALIBRATED = { '2xNC24': 1, '1xNC48': 1.432, '1xNC40 H100': 1.559 };
const CLEAN = { created: 8, alive: [] };

/** A report of these ratios against 1xNC24, each with its interval that many percent wide on either side. */
function aReport(
  ratios: Readonly<Record<string, number | null>> = AS_CALIBRATED,
  { percent = 4, leftOut = '' } = {},
): Pick<ComparisonReport, 'pairs' | 'workloads'> {
  const pairs = Object.entries(ratios).map(([second, ratio]) => ({
    first: '1xNC24',
    second,
    result: {
      ratio,
      lower: ratio === null ? null : ratio / (1 + percent / 100),
      upper: ratio === null ? null : ratio * (1 + percent / 100),
    },
  }));
  const entries = LABELS.map((label) => ({
    label,
    leftOut: label === leftOut ? 'the client was the limit' : null,
  }));
  const workload = { table: [{ entries }] };
  // Only these fields are read.
  return { pairs, workloads: [workload] } as unknown as Pick<ComparisonReport, 'pairs' | 'workloads'>;
}

type Seen = Pick<ComparisonView, 'state' | 'failure' | 'targets'>;

function aView(fields: Partial<Seen> = {}): Seen {
  const targets = LABELS.map((label) => ({ label, state: 'completed', failure: null }));
  return { state: 'completed', failure: null, targets: targets as never[], ...fields };
}

function faultsOf(report = aReport(), draws = new Map<string, number[]>(), view = aView(), books = CLEAN) {
  return findComparisonFaults(view, report, checkPairs(report, draws), books);
}

describe('what calibration implies for the demo of a comparison', () => {
  it('is the ratio of single streams: a fixed part and so many milliseconds a token', () => {
    const checks = checkPairs(aReport(), new Map());
    expect(checks.map(({ second, calibrated }) => [second, Number(calibrated.toFixed(3))])).toEqual([
      ['2xNC24', 1], // A second instance serves no single stream.
      ['1xNC48', 1.432], // (900 + 200 x 22) / (900 + 200 x 14)
      ['1xNC40 H100', 1.559], // (900 + 200 x 22) / (900 + 200 x 12.5)
    ]);
    expect(checks.every(({ inside }) => inside)).toBe(true);
  });

  it('turns around with the target that the others are held against', () => {
    const report = aReport();
    const turned = {
      ...report,
      pairs: report.pairs.map((pair) => ({ ...pair, first: pair.second, second: pair.first })),
    };
    expect(checkPairs(turned, new Map()).map(({ calibrated }) => Number(calibrated.toFixed(3)))).toEqual([
      1, 0.698, 0.642,
    ]);
  });

  it('follows the speeds that the machines have drawn, but for the fixed part', () => {
    const draws = new Map([
      ['1xNC24', [1, 1]],
      ['1xNC48', [1.1, 1.1]],
    ]);
    const check = checkPairs(aReport(), draws).find(({ second }) => second === '1xNC48');
    expect(check?.drawn).toBeCloseTo((900 + 200 * 22) / (900 + (200 * 14) / 1.1), 6);
    expect(check?.calibrated).toBeCloseTo((900 + 200 * 22) / (900 + 200 * 14), 6);
  });
});

describe("the proof of a comparison's demo", () => {
  it('accepts the order and ratios of calibration, four completed targets and nothing left', () => {
    expect(faultsOf()).toEqual([]);
  });

  it('accepts either order of targets that calibration does not tell apart', () => {
    for (const ratio of [0.98, 1.02])
      expect(faultsOf(aReport({ ...AS_CALIBRATED, '2xNC24': ratio }))).toEqual([]);
  });

  it('accepts a target that is in no ranking where enough repeats are left for its verdict', () => {
    expect(faultsOf(aReport(AS_CALIBRATED, { leftOut: '1xNC48' }))).toEqual([]);
  });

  it('accepts a ratio that is off where its interval holds that of calibration', () => {
    expect(faultsOf(aReport({ ...AS_CALIBRATED, '1xNC48': 1.5 }, { percent: 6 }))).toEqual([]);
  });

  it('accepts an interval that misses where the machines that were drawn explain it, and only there', () => {
    const report = aReport({ ...AS_CALIBRATED, '1xNC48': 1.5 }, { percent: 1 });
    const slow = new Map([['1xNC24', [0.945, 0.945]]]);
    const checks = checkPairs(report, slow);
    expect(checks.find(({ second }) => second === '1xNC48')).toMatchObject({ inside: false });
    expect(faultsOf(aReport({ '1xNC48': 1.5 }, { percent: 1 }), slow).join()).not.toContain(
      'calibration implies',
    );
    const text = (draws: Map<string, number[]>) => renderChecks(checkPairs(report, draws), 400).join('\n');
    expect(text(slow)).toContain('outside, as one in twenty is; the speeds drawn here make it 1.5');
    expect(text(new Map())).toContain('outside, and the speeds drawn here make it 1.432 x');
    expect(faultsOf(report).join()).toContain(
      '"1xNC48" against "1xNC24" was measured as 1.500 x (1.485 to 1.515); calibration implies 1.432 x',
    );
  });

  it.each<[string, () => readonly string[], string]>([
    [
      'an order that calibration does not have',
      () => faultsOf(aReport({ ...AS_CALIBRATED, '1xNC48': 1.6 }, { percent: 15 })),
      '"1xNC48" was measured as faster than "1xNC40 H100", which calibration has at 1.088 x its rate.',
    ],
    [
      'a pair without an interval, with what the report says of its targets',
      () => faultsOf(aReport({ ...AS_CALIBRATED, '1xNC48': null }, { leftOut: '1xNC48' })),
      '"1xNC48" against "1xNC24" has no ratio with an interval. "1xNC48": the client was the limit. Try again',
    ],
    ['a verdict that is missing', () => faultsOf(aReport({ '2xNC24': 1 })), '1 of 3 verdicts were given.'],
    [
      'a target that failed',
      () =>
        faultsOf(
          aReport(),
          new Map(),
          aView({ targets: [{ label: '1xNC48', state: 'failed', failure: 'Out of quota.' }] as never[] }),
        ),
      '"1xNC48" ended as failed (Out of quota.).',
    ],
    [
      'a comparison that failed',
      () =>
        faultsOf(
          aReport(),
          new Map(),
          aView({ state: 'failed', failure: { code: 'internal', message: 'Why.' } }),
        ),
      'the comparison ended as failed (Why.).',
    ],
    [
      'an endpoint that is left',
      () => faultsOf(aReport(), new Map(), aView(), { created: 8, alive: ['fb-1'] as never[] }),
      'endpoints are left: fb-1.',
    ],
    [
      'endpoints that were never made',
      () => faultsOf(aReport(), new Map(), aView(), { created: 7, alive: [] }),
      'the simulator saw 7 of 8 endpoints.',
    ],
  ])('finds %s', (_, faults, told) => {
    expect(faults().join('\n')).toContain(told);
  });
});
