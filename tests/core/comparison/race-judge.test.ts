/** Where a race stands while rows come in: whole rounds only, and the same verdict as the rows give later. */
import { describe, expect, test } from 'vitest';
import type { RacePlan } from '../../../src/core/comparison/race.ts';
import { type BilledRunner, billRace } from '../../../src/core/comparison/race-bill.ts';
import { judgeRace, raceMetric } from '../../../src/core/comparison/race-judge.ts';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import type { CellRecord } from '../../../src/core/report/report.ts';
import { A_MOMENT_MS, aCell, aProvenance, aRun, aShardSummary, aWindow } from '../../support/builders.ts';

const PLAN: RacePlan = { rounds: 5, attainment: null, spread: null };

/** A cell of ten seconds; the rounds follow each other without a pause. */
function cellOf(label: string, tokensPerSecond: number, repeat: number, level = 1): CellRecord {
  const startedAtMs = A_MOMENT_MS + (repeat - 1) * 20_000 + (level === 1 ? 0 : 10_000);
  return aCell({
    repeat,
    level,
    summary: mergeShards([
      aShardSummary({
        startedAtMs,
        endedAtMs: startedAtMs + 10_000,
        steady: aWindow({ outputTokens: tokensPerSecond * 10 * (1 + 0.003 * (repeat % 3)) }),
      }),
    ]),
    provenance: aProvenance({ endpoint: label }),
  });
}

function runner(
  label: string,
  rate: number,
  rounds: number,
  fields: Partial<BilledRunner> = {},
): BilledRunner {
  const { billing } = aRun();
  return {
    label,
    cells: Array.from({ length: rounds }, (_, index) =>
      [1, 4].map((level) => cellOf(label, rate * level, index + 1, level)),
    ).flat(),
    hourlyUsd: 3.6,
    gpus: 1,
    over: false,
    cellsPerRound: 2,
    runs: [
      {
        billing: {
          ...billing,
          fromMs: A_MOMENT_MS - 60_000,
          untilMs: A_MOMENT_MS + rounds * 20_000 + 40_000,
        },
      },
    ],
    ...fields,
  };
}

describe('a race', () => {
  test('decides nothing before every candidate has two whole rounds', () => {
    const fast = runner('fast', 100, 5);
    const slow = runner('slow', 20, 2);
    const half = { ...slow, cells: slow.cells.slice(0, 3) };
    expect(judgeRace(PLAN, [fast, half], 'throughput')).toMatchObject({ drops: [], ended: null });
    expect(judgeRace(PLAN, [fast, half], 'throughput').rounds).toHaveLength(1);
    expect(judgeRace(PLAN, [fast, slow], 'throughput').drops).toMatchObject([{ label: 'slow', round: 2 }]);
  });

  test('does not wait for a candidate that failed, and leaves its unfinished round out', () => {
    const broken = runner('broken', 100, 3, { over: true });
    const cut = { ...broken, cells: broken.cells.slice(0, 5) };
    const others = [runner('a', 100, 4), runner('b', 99, 4)];
    const history = judgeRace(PLAN, [...others, cut], 'throughput');
    expect(history.rounds.map(({ costs }) => costs.length)).toEqual([3, 3, 2, 2]);
    expect(history.drops).toEqual([]);
  });

  test('says the same of a drop when rows of later rounds have come in', () => {
    const slow = runner('slow', 20, 2);
    const early = judgeRace(PLAN, [runner('a', 100, 2), runner('b', 99, 2), slow], 'throughput');
    const later = judgeRace(
      PLAN,
      [runner('a', 100, 5), runner('b', 99, 5), runner('slow', 20, 3)],
      'throughput',
    );
    expect(early.drops).toHaveLength(1);
    expect(later.drops).toEqual(early.drops);
    expect(later.ended).toContain('All 5 rounds were measured');
  });

  test('waits while a candidate has not begun', () => {
    expect(judgeRace(PLAN, [runner('a', 100, 5), runner('queued', 100, 0)], 'throughput').rounds).toEqual([]);
  });
});

describe('the metric of a race', () => {
  test('is goodput where there are objectives that everyone can be judged by', () => {
    const cells = runner('a', 100, 1).cells;
    expect(raceMetric([cells, []], false)).toBe('throughput');
    expect(raceMetric([cells], true)).toBe('throughput');
    const judged = cells.map((cell) => ({
      ...cell,
      summary:
        cell.summary === null
          ? null
          : { ...cell.summary, rates: { ...cell.summary.rates, goodputTokensPerSecond: 10 } },
    }));
    expect(raceMetric([judged, []], true)).toBe('goodput');
  });
});

describe('the cost of a race', () => {
  test('is what was billed, beside the mean round of each candidate times all rounds', () => {
    // a: 60 s before, 5 rounds of 20 s, 40 s after. b: the same with 2 rounds; in full it has 3 more of 20 s.
    const { spent, inFull, sentence } = billRace(5, [runner('a', 100, 5), runner('b', 20, 2)]);
    expect(spent.gpuHours).toBeCloseTo((200 + 140) / 3_600);
    expect(inFull.gpuHours).toBeCloseTo((200 + 200) / 3_600);
    expect(spent.usd).toBeCloseTo(0.34);
    expect(inFull.usd).toBeCloseTo(0.4);
    expect(sentence).toContain('0.34 USD of 0.4 USD (85 %)');
  });

  test('is unknown where one price is, since the sum of the others would be too low', () => {
    const { spent, sentence } = billRace(5, [runner('a', 100, 5), runner('b', 20, 2, { hourlyUsd: null })]);
    expect(spent.usd).toBeNull();
    expect(sentence).toContain('GPU hours');
    expect(sentence).not.toContain('USD');
  });
});
