import { describe, expect, it } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import type { CellRecord, ReportRow } from '../../../src/core/report/report.ts';
import { buildReport } from '../../../src/core/report/report.ts';
import {
  checkTarget,
  type MeasuredTarget,
  type PastTarget,
  ratesOf,
  spreadOfHistory,
} from '../../../src/core/schedule/schedule-check.ts';
import type { HistoryEntry } from '../../../src/core/schedule/schedule-record.ts';
import {
  A_MOMENT_MS,
  aCell,
  aProvenance,
  aRun,
  aShardSummary,
  aSpec,
  aWindow,
} from '../../support/builders.ts';

/** A run's cells with that many output tokens in each steady window of ten seconds. */
function cellsOf(outputTokens: number, fields: Partial<CellRecord> = {}): CellRecord[] {
  const summary = mergeShards([aShardSummary({ steady: aWindow({ outputTokens }) })]);
  return [1, 2, 3].map((repeat) => aCell({ repeat, summary, ...fields }));
}

function measured(cells: readonly CellRecord[], spec = aSpec()): MeasuredTarget {
  const rows: readonly ReportRow[] = buildReport(aRun({ spec }), cells).rows;
  return { label: 'run', rows, image: null, ...ratesOf(spec, cells) };
}

function past(
  id: string,
  atMs: number,
  cells: readonly CellRecord[],
  fields: Partial<PastTarget> = {},
): PastTarget {
  return { ...measured(cells), id, atMs, good: true, ...fields };
}

const three = [1, 2, 3].map((week) => past(`r${week}`, week, cellsOf(2_560 + week)));

describe('a result beside those before it', () => {
  it('is a regression where it is slower than another deployment would be', () => {
    expect(checkTarget(three, measured(cellsOf(1_280)), 'last-good')).toMatchObject({
      verdict: { verdict: 'regression', baseline: 'r3', runs: 3 },
      leftOut: [],
    });
  });

  it('is none where it differs by what redeploying does', () => {
    const check = checkTarget(three, measured(cellsOf(2_480)), 'last-good');
    expect(check?.verdict.verdict).toBe('no-change-shown');
  });

  it('is held against the pinned one', () => {
    const pinned = past('r0', 0, cellsOf(1_280), { good: false });
    expect(checkTarget([...three, pinned], measured(cellsOf(1_280)), 'r0')?.verdict).toMatchObject({
      verdict: 'no-change-shown',
      baseline: 'r0',
    });
  });

  it.each([
    ['another size of machine', { sku: 'Standard_NC40ads_H100_v5' }, 'its spec, its machines or its metric'],
    [
      'another version of the model',
      { model: { registry: 'AzureML', name: 'Phi-4', version: '8' } },
      'The model of',
    ],
    ['another route', { route: 'score' }, 'The route of'],
    ['a GPU where a simulator answers now', { simulated: true }, 'What answered of'],
  ] as const)('says nothing against %s', (_, provenance, why) => {
    const cells = cellsOf(1_280, { provenance: aProvenance(provenance) });
    const check = checkTarget(three, measured(cells), 'last-good');
    expect(check?.verdict).toMatchObject({ verdict: 'not-comparable', baseline: null });
    expect(check?.leftOut).toHaveLength(3);
    expect(check?.leftOut[0]).toContain(why);
  });

  it('says nothing against another spec, and does not mind another seed, other limits or kept samples', () => {
    const other = aSpec({ concurrency: { levels: [1, 2] } });
    expect(checkTarget(three, measured(cellsOf(2_560), other), 'last-good')?.leftOut).toHaveLength(3);
    const kept = { mode: 'steady', keepSamples: true };
    const same = aSpec({ seed: 7, limits: { maxMinutes: 60 }, measure: kept });
    expect(checkTarget(three, measured(cellsOf(2_560), same), 'last-good')?.leftOut).toEqual([]);
  });

  it('does not take for lost what the limits left unmeasured, and does for a cell that carried nothing', () => {
    const both = [...cellsOf(2_560), ...cellsOf(2_560, { level: 2 })];
    const history = [past('r1', 1, both), past('r2', 2, both)];
    expect(checkTarget(history, measured(cellsOf(2_560)), 'last-good')?.verdict.verdict).toBe(
      'no-change-shown',
    );
    const dead = mergeShards([
      aShardSummary({ succeeded: 0, failures: { 'server-error': 20 }, steady: null }),
    ]);
    const lost = [...cellsOf(2_560), ...cellsOf(0, { level: 2, summary: dead })];
    expect(checkTarget(history, measured(lost), 'last-good')?.verdict).toMatchObject({
      verdict: 'regression',
      sentence: expect.stringContaining('c2-p512-o128'),
    });
  });

  it('is nothing where nothing was measured', () => {
    expect(checkTarget(three, { ...measured([]), deployments: [] }, 'last-good')).toBeNull();
  });
});

describe('the spread between deployments', () => {
  const entry = (week: number, tokens: number, good = true): HistoryEntry => {
    const { sameAs, deployments } = measured(cellsOf(tokens));
    const target = {
      label: 'a',
      runId: `r${week}`,
      state: 'completed',
      failure: null,
      check: null,
      leftOut: [],
    } as const;
    return {
      schedule: 'weekly',
      dueMs: A_MOMENT_MS + week,
      atMs: A_MOMENT_MS,
      outcome: 'started',
      sentence: '',
      work: null,
      result: {
        state: 'completed',
        endedAtMs: A_MOMENT_MS,
        failure: null,
        usd: null,
        targets: [{ ...target, good, sameAs, deployments }],
      },
    };
  };

  it('comes from the good results of the same thing, each a draw', () => {
    expect(spreadOfHistory([entry(1, 2_560)])).toBeNull();
    const spread = spreadOfHistory([entry(1, 2_560), entry(2, 2_816), entry(3, 500, false)]);
    expect(spread?.degreesOfFreedom).toBe(1);
    expect(spread?.variance).toBeCloseTo(Math.log(1.1) ** 2 / 2, 6);
  });
});
