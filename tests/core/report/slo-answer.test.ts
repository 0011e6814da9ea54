/** What is claimed of objectives is claimed on a bound, over all attempted requests, and never where it cannot be known. */
import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord } from '../../../src/core/report/report.ts';
import { judgeSlo } from '../../../src/core/report/slo-answer.ts';
import type { SloCounts } from '../../../src/core/spec/slo.ts';
import { aCell, aProvenance, aRun, aShardSummary, aSpec } from '../../support/builders.ts';

const slo = { attainment: 0.95, ttftMs: 500, tpotMs: null, e2eMs: null };

const counts = (attempted: number, met: number, fields: Partial<SloCounts> = {}): SloCounts => ({
  attempted,
  succeeded: attempted,
  met,
  notEvaluable: 0,
  outputTokensMet: met * 128,
  ...fields,
});

describe('one level', () => {
  test.each([
    ['59 of 59 show 95 %', 59, 59, 0, 'met'],
    ['58 of 58 do not', 58, 58, 0, 'not-shown'],
    ['a share that is right on average is not shown', 1_000, 955, 0, 'not-shown'],
    ['half of them show that it is missed', 40, 20, 0, 'missed'],
    ['no request shows nothing', 0, 0, 0, 'not-shown'],
    ['requests without the metric are never met', 100, 0, 100, 'not-evaluable'],
    ['nor missed, where all others met', 100, 40, 60, 'not-evaluable'],
    ['failures beside them may still show a miss', 100, 40, 20, 'missed'],
  ] as const)('%s', (_, attempted, met, notEvaluable, verdict) => {
    expect(judgeSlo(counts(attempted, met, { notEvaluable }), slo).verdict).toBe(verdict);
  });

  test('the bounds enclose the share, and are null without a request', () => {
    const some = judgeSlo(counts(100, 90), slo);
    expect(some.lower).toBeLessThan(0.9);
    expect(some.upper).toBeGreaterThan(0.9);
    expect(judgeSlo(counts(0, 0), slo)).toMatchObject({ attainment: null, lower: null, upper: null });
  });
});

describe('the answer of a report', () => {
  const cell = (level: number, kept: SloCounts, fields: Partial<CellRecord> = {}) =>
    aCell({ level, summary: mergeShards([aShardSummary({ slo: kept })]), ...fields });
  const answersOf = (spec: object, cells: CellRecord[]) =>
    buildReport(aRun({ spec: aSpec({ slo, ...spec }) }), cells).answers;

  test('is the highest level below the first that is not shown to meet', () => {
    const [answer] = answersOf({}, [
      cell(1, counts(100, 100)),
      cell(2, counts(100, 100)),
      cell(4, counts(100, 60)),
      cell(8, counts(100, 100)),
    ]);
    expect(answer).toMatchObject({ level: 2, cellId: 'c2-p512-o128' });
    expect(answer?.sentence).toMatch(/c2-p512-o128 meets .* 97 % .*\(100 of 100\); c4-p512-o128 misses/);
  });

  test('says that there is none, and why', () => {
    const [answer] = answersOf({}, [cell(1, counts(30, 30))]);
    expect(answer).toMatchObject({ level: null, cellId: null });
    expect(answer?.sentence).toMatch(/No level is shown .* more requests would tell/);
    const [blind] = answersOf({}, [cell(1, counts(80, 0, { notEvaluable: 80 }))]);
    expect(blind?.sentence).toMatch(/cannot be judged: 80 of 80/);
  });

  test('pools the repeats of a level: 30 and 30 good requests show what 30 do not', () => {
    const two = [cell(1, counts(30, 30)), cell(1, counts(30, 30), { repeat: 2 })];
    expect(answersOf({}, two)[0]).toMatchObject({ level: 1 });
  });

  test('of a search holds to the bounds of the search, which are stricter than those of one look', () => {
    const search = { concurrency: { search: { max: 2 } } };
    expect(answersOf(search, [cell(1, counts(59, 59))])[0]?.level).toBeNull();
    const [answer] = answersOf(search, [cell(1, counts(200, 200)), cell(2, counts(200, 100))]);
    expect(answer).toMatchObject({ level: 1 });
    expect(answer?.sentence).toMatch(/level 2 misses/);
  });

  test('of a search that its budget ended says so', () => {
    const [answer] = answersOf({ concurrency: { search: { max: 64 } } }, [cell(1, counts(200, 200))]);
    expect(answer?.level).toBeNull();
    expect(answer?.sentence).toMatch(/ended before it had an answer.*Level 2 is next/);
  });

  test('is absent without objectives', () => {
    expect(buildReport(aRun(), [cell(1, counts(10, 10))]).answers).toEqual([]);
  });
});

test('settings that were measured in turn have an answer each', () => {
  const spec = aSpec({ slo: { ...slo, attainment: 0.5 } });
  const under = (max: number, level: number, met: number) =>
    aCell({
      level,
      cellId: `c${level}-p512-o128-m${max}`,
      provenance: aProvenance({ maxConcurrentRequestsPerInstance: max }),
      summary: mergeShards([aShardSummary({ slo: counts(100, met) })]),
    });
  const { answers } = buildReport(aRun({ spec }), [
    ...[under(1, 1, 100), under(1, 2, 10)],
    ...[under(10, 1, 100), under(10, 2, 100)],
  ]);
  expect(answers.map(({ cellId }) => cellId)).toEqual(['c1-p512-o128-m1', 'c2-p512-o128-m10']);
  expect(answers[1]?.sentence).toMatch(/^p512-o128 at 10 concurrent requests per instance and 180 s: /);
});
