import { describe, expect, it } from 'vitest';
import { moneyDeadlineMs } from '../../../src/core/renting/money-deadline.ts';
import { accruedUsd, type RunEndpoint, type RunRecord } from '../../../src/core/run.ts';
import { A_MOMENT_MS, aRun } from '../../support/builders.ts';

const HOUR_MS = 3_600_000;
/** A bound of 12 USD that was planned at 3 USD an hour. */
const run = (changes: { mismatch: string | null; instances: number; price?: number | null }): RunRecord => {
  const base = aRun();
  const { mismatch, instances, price = 3 } = changes;
  return {
    ...base,
    plan: { ...base.plan, boundUsd: 12 },
    endpoint: { ...base.endpoint, mismatch } as RunEndpoint,
    billing: { ...base.billing, pricePerHourUsd: price, instances, fromMs: A_MOMENT_MS, untilMs: null },
  };
};

describe('the deadline for the sake of money', () => {
  it('is the plan’s alone where what runs is what was asked for, or no price is known', () => {
    expect(moneyDeadlineMs(run({ mismatch: null, instances: 1 }), A_MOMENT_MS)).toBeNull();
    expect(moneyDeadlineMs(run({ mismatch: 'Other.', instances: 3, price: null }), A_MOMENT_MS)).toBeNull();
  });

  it('leaves the bound enough for a release that takes all of its time, at the price of what runs', () => {
    const dearer = run({ mismatch: 'Other.', instances: 3 });
    const atMs = A_MOMENT_MS + HOUR_MS / 4;
    const deadlineMs = moneyDeadlineMs(dearer, atMs) ?? 0;
    expect(deadlineMs).toBeGreaterThan(atMs);
    const releasedMs = deadlineMs + 20 * 60_000;
    expect(accruedUsd(dearer.billing, releasedMs)).toBeCloseTo(12, 6);
  });

  it('is now where the money does not even last for the release', () => {
    const atMs = A_MOMENT_MS + 2 * HOUR_MS;
    expect(moneyDeadlineMs(run({ mismatch: 'Other.', instances: 3 }), atMs)).toBe(atMs);
  });
});
