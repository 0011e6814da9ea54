import { expect, test } from 'vitest';
import { explainUnknownSku, findSku, SKUS } from '../../../src/core/renting/sku.ts';

test('a SKU is found in any capitals', () => {
  expect(findSku('STANDARD_nc24ads_a100_v4')?.name).toBe('Standard_NC24ads_A100_v4');
  expect(findSku('Standard_D2s_v5')).toBeUndefined();
  expect(findSku('')).toBeUndefined();
});

test('every name occurs once, and every size has a GPU, memory and a quota family', () => {
  expect(new Set(SKUS.map((sku) => sku.name.toLowerCase())).size).toBe(SKUS.length);
  for (const sku of SKUS) {
    expect(sku.name).toMatch(/^Standard_N[CDV]\w+$/);
    expect(sku.gpus).toBeGreaterThan(0);
    expect(sku.gpuMemoryGb).toBeGreaterThan(0);
    expect(sku.ramGb).toBeGreaterThan(sku.vcpus);
    expect(sku.reservesFifth).toBe(/^(T4|A10)$/.test(sku.gpu));
    expect(Number(/\d+/.exec(sku.name)?.[0])).toBe(sku.vcpus);
    expect(sku.quotaFamily).toMatch(/^standard.+Family$/);
  }
});

test('a wrong name is answered with what was meant, or with the list', () => {
  expect(explainUnknownSku('standard_NC80ads_H100_v5')).toBe(
    'standard_NC80ads_H100_v5 does not exist on Azure; the size is called Standard_NC80adis_H100_v5.',
  );
  const sentence = explainUnknownSku('Standard_D2s_v5');
  for (const sku of SKUS) expect(sentence).toContain(sku.name);
});

test('a size that Azure has retired is told so', () => {
  expect(explainUnknownSku('Standard_NC24s_v3')).toMatch(
    /^Azure retired Standard_NC24s_v3 on 2025-09-30; use one of /,
  );
});
