import { describe, expect, test } from 'vitest';
import { coresNeeded, type FamilyUsage, findFamily, quotaVerdict } from '../../../src/core/renting/quota.ts';

const T4 = 'Standard_NC4as_T4_v3';
const A100 = 'Standard_NC24ads_A100_v4';

const usage = (name: string, used: number, limit: number): FamilyUsage => ({ names: [name], used, limit });
const verdictOf = (
  sku: string,
  instances: number,
  usages: readonly FamilyUsage[],
  more: { endpoints?: number } = {},
) => quotaVerdict({ sku, instances, endpoints: 1, answer: { usages, reason: null } as never, ...more });

describe('the cores that a deployment needs', () => {
  test.each<[string, number, number]>([
    [T4, 1, 8],
    [T4, 4, 20],
    [T4, 5, 24],
    [T4, 6, 32],
    [T4, 10, 48],
    ['Standard_NC64as_T4_v3', 1, 128],
    ['Standard_NV36ads_A10_v5', 1, 72],
    [A100, 1, 24],
    [A100, 50, 1_200],
    ['Standard_NC80adis_H100_v5', 2, 160],
    ['Standard_ND40rs_v2', 1, 40],
    ['Standard_D2s_v5', 1, 0],
  ])('%s x %i is %i', (sku, instances, cores) => {
    expect(coresNeeded(sku, instances)).toBe(cores);
  });
});

describe('the verdict on a quota', () => {
  const family = 'standardNCASv3_T4Family';

  test('six cores are too few for one machine of four, because a fifth more instances are reserved', () => {
    expect(verdictOf(T4, 1, [usage(family, 0, 6)])).toEqual({
      verdict: 'refused',
      family,
      neededCores: 8,
      usedCores: 0,
      limitCores: 6,
      reason:
        '1 x Standard_NC4as_T4_v3, a fifth more instances reserved, needs 8 cores of standardNCASv3_T4Family; 0 of 6 are in use, so the limit itself is too small. Ask for more in the Azure ML studio (Quotas), or use fewer instances or another SKU.',
    });
    expect(verdictOf(T4, 1, [usage(family, 0, 8)]).verdict).toBe('fits');
    expect(verdictOf(T4, 5, [usage(family, 0, 24)]).verdict).toBe('fits');
    expect(verdictOf(T4, 5, [usage(family, 0, 23)]).verdict).toBe('refused');
  });

  test('an exempt size needs exactly its cores, on each endpoint', () => {
    const limit = [usage('standardNCADSA100v4Family', 0, 24)];
    expect(verdictOf(A100, 1, limit)).toMatchObject({ verdict: 'fits', neededCores: 24, limitCores: 24 });
    expect(verdictOf(A100, 1, limit, { endpoints: 2 })).toMatchObject({
      verdict: 'refused',
      neededCores: 48,
    });
  });

  test('what fits the limit and not the room waits', () => {
    const busy = verdictOf(A100, 2, [usage('standardNCADSA100v4Family', 24, 48)]);
    expect(busy.verdict).toBe('queue');
    expect(busy.reason).toContain('24 of 48 are in use, so it must wait until 24 of them are given back.');
  });

  test('a family without a limit fits whatever is asked', () => {
    expect(verdictOf(A100, 50, [usage('standardNCADSA100v4Family', 0, -1)])).toMatchObject({
      verdict: 'fits',
      limitCores: null,
    });
  });

  test('a family that the answer does not name is unknown, and so is everything without an answer', () => {
    const missing = verdictOf(A100, 1, [usage(family, 0, 100)]);
    expect(missing).toMatchObject({ verdict: 'unknown', neededCores: 24, usedCores: null, limitCores: null });
    expect(missing.reason).toContain('does not name that family');
    const unread = quotaVerdict({
      sku: A100,
      instances: 1,
      endpoints: 1,
      answer: { usages: null, reason: 'ARM slept.' },
    });
    expect(unread).toMatchObject({ verdict: 'unknown', neededCores: 24 });
    expect(unread.reason).toContain('whether they are free is unknown: ARM slept.');
    expect(verdictOf('Standard_D2s_v5', 1, []).verdict).toBe('unknown');
  });
});

describe('a family among the usages', () => {
  test.each<[string]>([
    ['standardNCASv3_T4Family'],
    ['standard NCASv3_T4 Family'],
    ['STANDARDNCASV3_T4FAMILY'],
    ['Standard NCASv3_T4 Family Cluster Dedicated vCPUs'],
    ['Standard_NCASv3_T4_Family_Cluster_Dedicated_vCPUs'],
    ['standard NCASv3_T4 Family vCPUs'],
  ])('is found as "%s"', (name) => {
    expect(findFamily([usage('x', 1, 1), usage(name, 3, 9)], 'standardNCASv3_T4Family')?.used).toBe(3);
  });

  test.each<[string]>([
    ['standardNCASv4_T4Family'],
    ['standardNCFamily'],
    ['Total Cluster Dedicated Regional vCPUs'],
    [''],
  ])('is not "%s"', (name) => {
    expect(findFamily([usage(name, 3, 9)], 'standardNCASv3_T4Family')).toBeNull();
  });

  test('counts with its row that has less room, in every order', () => {
    const rows = [usage('a family', 0, -1), usage('A_Family', 2, 10), usage('aFamily', 9, 10)];
    expect(findFamily(rows, 'aFamily')?.used).toBe(9);
    expect(findFamily(rows.toReversed(), 'aFamily')?.used).toBe(9);
  });
});
