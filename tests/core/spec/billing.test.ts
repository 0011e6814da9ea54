/** What a run costs where it took several attempts, and where its endpoint outlives it. */
import { describe, expect, it } from 'vitest';
import { keepLease, reapReason } from '../../../src/core/renting/lease.ts';
import {
  accruedUsd,
  type Billing,
  changeBilled,
  endBilling,
  startBilling,
  startBillingOfAll,
} from '../../../src/core/run.ts';
import { A_MOMENT_MS, aLease } from '../../support/builders.ts';

const HOUR = 3_600_000;
const nothing: Billing = { pricePerHourUsd: 3, priceReason: null, instances: 1, fromMs: null, untilMs: null };
const rented = (endpoint: string, pricePerHourUsd: number | null = 3) => ({
  endpoint,
  pricePerHourUsd,
  instances: 2,
});

describe('billing', () => {
  it('begins once for an endpoint, and ends once', () => {
    const begun = startBilling(nothing, rented('a'), 0);
    expect(startBilling(begun, rented('a'), HOUR)).toBe(begun);
    expect(accruedUsd(begun, HOUR)).toBe(6);
    const ended = endBilling(begun, 'a', HOUR) ?? begun;
    expect(accruedUsd(ended, 5 * HOUR)).toBe(6);
    expect(endBilling(ended, 'a', 2 * HOUR)).toBeNull();
  });

  it('adds up attempts, each at its own price', () => {
    const first = endBilling(startBilling(nothing, rented('a'), 0), 'a', HOUR) ?? nothing;
    const second = startBilling(first, rented('b', 5), 2 * HOUR);
    expect(accruedUsd(second, 3 * HOUR)).toBe(6 + 10);
    expect(second.endpoint).toBe('b');
    const third = startBilling(endBilling(second, 'b', 3 * HOUR) ?? second, rented('c', 7), 4 * HOUR);
    expect(accruedUsd(third, 5 * HOUR)).toBe(6 + 10 + 14);
  });

  it('goes on for an attempt that could not be deleted, until it is gone', () => {
    const both = startBilling(startBilling(nothing, rented('a'), 0), rented('b'), HOUR);
    expect(accruedUsd(both, 2 * HOUR)).toBe(12 + 6);
    const oneGone = endBilling(both, 'a', 2 * HOUR) ?? both;
    expect(accruedUsd(oneGone, 3 * HOUR)).toBe(12 + 12);
    expect(endBilling(oneGone, 'c', HOUR)).toBeNull();
  });

  it('is unknown where one price is, and nothing before anything was rented', () => {
    expect(
      accruedUsd(startBilling(startBilling(nothing, rented('a', null), 0), rented('b'), HOUR), HOUR),
    ).toBeNull();
    expect(accruedUsd(nothing, HOUR)).toBe(0);
    expect(endBilling(nothing, 'a', HOUR)).toBeNull();
  });
});

describe('a lease that is kept', () => {
  const keep = (minutes: number) => ({ ...aLease(), ...keepLease(aLease(), minutes, A_MOMENT_MS) });

  it('is nobody’s leak until its time is over, however silent its run', () => {
    const lease = keep(30);
    expect(reapReason(lease, A_MOMENT_MS + 30 * 60_000, false)).toBeNull();
    expect(reapReason(lease, A_MOMENT_MS + 30 * 60_000 + 1, true)).toMatch(/kept is over/);
    expect(reapReason({ ...lease, closedAtMs: A_MOMENT_MS }, A_MOMENT_MS + HOUR, false)).toBeNull();
  });

  it('never outlasts the expiry in its tags', () => {
    expect(keep(600).keptUntilMs).toBe(aLease().expiresAtMs);
  });
});

describe('several endpoints at once', () => {
  it('are billed together, once each, and each until it is gone', () => {
    const both = startBillingOfAll(nothing, [rented('a'), rented('b', 5)], 0);
    expect(startBillingOfAll(both, [rented('a'), rented('b', 5)], HOUR)).toEqual(both);
    expect(accruedUsd(both, HOUR)).toBe(6 + 10);
    const oneGone = endBilling(both, 'b', HOUR) ?? both;
    expect(accruedUsd(oneGone, 2 * HOUR)).toBe(12 + 10);
    const noneLeft = endBilling(oneGone, 'a', 2 * HOUR) ?? oneGone;
    expect(accruedUsd(noneLeft, 9 * HOUR)).toBe(12 + 10);
  });

  it('of a further attempt come beside those of the first', () => {
    const first = startBillingOfAll(nothing, [rented('a'), rented('b')], 0);
    const second = startBillingOfAll(first, [rented('c'), rented('d')], HOUR);
    expect(second.endpoint).toBe('c');
    expect(second.earlier?.map(({ endpoint }) => endpoint)).toEqual(['b', 'a', 'd']);
    expect(accruedUsd(second, 2 * HOUR)).toBe(12 + 12 + 6 + 6);
  });

  it('take what Azure really runs each for itself', () => {
    const both = startBillingOfAll(nothing, [rented('a'), rented('b')], 0);
    const changed = changeBilled(both, 'b', { instances: 4 }) ?? both;
    expect(accruedUsd(changed, HOUR)).toBe(6 + 12);
    expect(changeBilled(both, 'c', { instances: 4 })).toBeNull();
  });
});
