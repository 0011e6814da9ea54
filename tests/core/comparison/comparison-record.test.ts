/** What a comparison's row decides: ids that follow from it, and which lane takes which target. */
import { describe, expect, test } from 'vitest';
import {
  COMPARISON_ID_PATTERN,
  newComparisonId,
  startedRunIds,
  takeTurn,
  targetRunId,
} from '../../../src/core/comparison/comparison-record.ts';
import { RUN_ID_PATTERN } from '../../../src/core/run.ts';
import { A_MOMENT_MS } from '../../support/builders.ts';

const ID = newComparisonId(A_MOMENT_MS, '0123abcd');

describe('ids', () => {
  test('a newer comparison sorts first', () => {
    expect(ID).toMatch(COMPARISON_ID_PATTERN);
    expect(newComparisonId(A_MOMENT_MS + 1, '00000000') < ID).toBe(true);
  });

  test('each target has a run id of its own that is always the same', () => {
    const ids = Array.from({ length: 20 }, (_, target) => targetRunId(ID, target));
    expect(new Set(ids).size).toBe(20);
    for (const id of ids) expect(id).toMatch(RUN_ID_PATTERN);
    expect(targetRunId(ID, 3)).toBe(ids[3]);
    expect(targetRunId(newComparisonId(A_MOMENT_MS, '0123abce'), 3)).not.toBe(ids[3]);
  });
});

describe('a turn', () => {
  const fresh = { order: [2, 0, 1], turns: [], cancelRequestedAtMs: null };

  test('takes the next target of the order, whichever lane comes first', () => {
    const first = takeTurn(fresh, 1, 0);
    expect(first?.target).toBe(2);
    const second = takeTurn({ ...fresh, turns: first?.turns ?? [] }, 0, 0);
    expect(second?.target).toBe(0);
    const third = takeTurn({ ...fresh, turns: second?.turns ?? [] }, 0, 1);
    expect(third?.target).toBe(1);
    expect(takeTurn({ ...fresh, turns: third?.turns ?? [] }, 1, 1)).toBeNull();
  });

  test('that is taken again is the same target', () => {
    const turns = takeTurn(fresh, 1, 0)?.turns ?? [];
    const more = takeTurn({ ...fresh, turns }, 0, 0)?.turns ?? [];
    expect(takeTurn({ ...fresh, turns: more }, 1, 0)).toEqual({ target: 2, turns: more });
  });

  test('takes nothing more once a cancel is asked for, and what was taken stays', () => {
    const turns = takeTurn(fresh, 1, 0)?.turns ?? [];
    const canceled = { ...fresh, turns, cancelRequestedAtMs: 1 };
    expect(takeTurn(canceled, 0, 0)).toBeNull();
    expect(takeTurn(canceled, 1, 0)?.target).toBe(2);
  });

  test('tells which runs were started', () => {
    const turns = takeTurn(fresh, 0, 0)?.turns ?? [];
    const targets = [0, 1, 2].map(() => ({}) as never);
    const started = startedRunIds({ id: ID, turns, comparison: { targets } as never });
    expect(started).toEqual([null, null, targetRunId(ID, 2)]);
  });
});
