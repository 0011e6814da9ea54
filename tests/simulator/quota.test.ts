import { expect, test } from 'vitest';
import { explainMissingQuota, listUsages, quotaLimits } from '../../src/simulator/quota.ts';

const T4 = 'Standard_NC4as_T4_v3';
const A100 = 'Standard_NC24ads_A100_v4';

test.each([
  ['one T4 needs the cores of two', 6, T4, 1, false],
  ['and fits into them', 8, T4, 1, true],
  ['five need six', 24, T4, 5, true],
  ['and no less', 23, T4, 5, false],
  ['an A100 needs its own only', 24, A100, 1, true],
  ['and no less', 23, A100, 1, false],
  ['no limit', -1, A100, 50, true],
  ['a family that the answer leaves out', null, A100, 50, true],
])('%s: %j cores', (_case, limit, instanceType, instances, fits) => {
  const family = instanceType === T4 ? 'standard NCASv3_T4 Family' : 'standardNCADSA100v4Family';
  const missing = explainMissingQuota(quotaLimits({ [family]: limit }), 'eastus2', [], {
    instanceType,
    instances,
  });
  expect(missing === undefined).toBe(fits);
});

test('a limit may hold for one region only', () => {
  const limits = quotaLimits({ standardNCADSH100v5Family: 0, 'westeurope/standardNCADSH100v5Family': 80 });
  const h100 = { instanceType: 'Standard_NC80adis_H100_v5', instances: 1 };
  expect(explainMissingQuota(limits, 'westeurope', [], h100)).toBeUndefined();
  expect(explainMissingQuota(limits, 'eastus2', [], h100)).toMatch('needs 80 cores');
});

test('rows show the limits: -1, none at all, and names with the blanks of the documents', () => {
  const limits = quotaLimits({ standardNCADSA100v4Family: null, standardNCADSH100v5Family: -1 });
  const rows = new Map(
    listUsages(limits, 's', 'eastus2', [{ instanceType: T4, instances: 1 }]).value.map((row) => [
      row.name.value,
      row,
    ]),
  );
  expect(rows.has('standardNCADSA100v4Family')).toBe(false);
  expect(rows.get('standardNCADSH100v5Family')?.limit).toBe(-1);
  expect(rows.get('standardNCASv3_T4Family')?.currentValue).toBe(8);
  expect(rows.get('standard NDASv4_A100 Family')?.id).toMatch(/\/usages\/standardNDASv4_A100Family$/);
  expect(rows.get('TotalLowPriorityCores')?.limit).toBe(-1);
});

test.each([[{ nonsense: 1 }], [{ standardNCADSA100v4Family: -2 }], [{ standardNCADSA100v4Family: 1.5 }]])(
  'the limits %j are refused',
  (changed) => {
    expect(() => quotaLimits(changed)).toThrow(RangeError);
  },
);
