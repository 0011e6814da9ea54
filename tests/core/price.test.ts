import { describe, expect, test } from 'vitest';
import { choosePrice, type RetailItem } from '../../src/core/price.ts';
import { shuffle } from '../../src/core/seed.ts';
import { A_MOMENT_MS } from '../support/builders.ts';

const SKU = 'Standard_NC24ads_A100_v4';

function anItem(fields: Partial<RetailItem> = {}): RetailItem {
  return {
    armSkuName: SKU,
    armRegionName: 'eastus2',
    currencyCode: 'USD',
    retailPrice: 3.67,
    unitOfMeasure: '1 Hour',
    type: 'Consumption',
    productName: 'Virtual Machines NCads A100 v4 Series',
    meterName: 'NC24ads A100 v4',
    skuName: 'NC24ads_A100_v4',
    effectiveStartDate: '2025-06-01T00:00:00Z',
    tierMinimumUnits: 0,
    ...fields,
  };
}

const OTHERS: readonly (readonly [name: string, item: RetailItem])[] = [
  ['Windows', anItem({ retailPrice: 5, productName: 'Virtual Machines NCads A100 v4 Series Windows' })],
  ['Spot', anItem({ retailPrice: 1, skuName: 'NC24ads_A100_v4 Spot' })],
  ['Spot in the meter only', anItem({ retailPrice: 1, meterName: 'NC24ads A100 v4 Spot' })],
  ['Low Priority', anItem({ retailPrice: 0.73, skuName: 'NC24ads_A100_v4 Low Priority' })],
  ['dev/test', anItem({ retailPrice: 2, type: 'DevTestConsumption' })],
  ['a reservation', anItem({ retailPrice: 20_000, type: 'Reservation', reservationTerm: '1 Year' })],
  ['a reserved consumption', anItem({ retailPrice: 2.2, reservationTerm: '3 Years' })],
  ['a tier', anItem({ retailPrice: 3, tierMinimumUnits: 100 })],
  ['another region', anItem({ retailPrice: 3.1, armRegionName: 'westus3' })],
  ['another SKU', anItem({ retailPrice: 7.35, armSkuName: 'Standard_NC48ads_A100_v4' })],
  ['a day', anItem({ retailPrice: 88, unitOfMeasure: '1 Day' })],
  ['next month', anItem({ retailPrice: 9.99, effectiveStartDate: '2026-02-01T00:00:00Z' })],
  ['last year', anItem({ retailPrice: 4.2, effectiveStartDate: '2024-06-01T00:00:00Z' })],
  ['euros', anItem({ retailPrice: 3.4, currencyCode: 'EUR' })],
  ['nothing', anItem({ retailPrice: 0 })],
  ['no date', anItem({ retailPrice: 1, effectiveStartDate: 'soon' })],
];

describe('the price of an hour', () => {
  test.each(OTHERS)('is not that of %s', (_, item) => {
    expect(choosePrice([item, anItem()], SKU, 'eastus2', A_MOMENT_MS).price?.perHourUsd).toBe(3.67);
    expect(choosePrice([anItem(), item], SKU, 'eastus2', A_MOMENT_MS).price?.perHourUsd).toBe(3.67);
  });

  test('is the same in every order of the rows, with its region and date', () => {
    const items = [anItem(), ...OTHERS.map(([, item]) => item)];
    for (let seed = 0; seed < 50; seed += 1) {
      expect(choosePrice(shuffle(items, seed), SKU, 'eastus2', A_MOMENT_MS)).toEqual({
        price: { perHourUsd: 3.67, region: 'eastus2', since: '2025-06-01T00:00:00Z', source: 'retail' },
        reason: null,
      });
    }
  });

  test('is found for a SKU in other capitals', () => {
    expect(choosePrice([anItem()], SKU.toUpperCase(), 'eastus2', A_MOMENT_MS).price?.perHourUsd).toBe(3.67);
  });

  test('is unknown, with the reason, where only other rows exist', () => {
    const others = OTHERS.filter(([name]) => name !== 'last year').map(([, item]) => item);
    for (const items of [[], others]) {
      expect(choosePrice(items, SKU, 'eastus2', A_MOMENT_MS)).toEqual({
        price: null,
        reason: `The price list has no Linux pay-as-you-go price of ${SKU} in eastus2.`,
      });
    }
  });

  // Of two normal rows with one date, the one that came first wins; the choice should not depend on the order.
  test('is the same in every order of two rows of one date', () => {
    const items = [anItem({ retailPrice: 3 }), anItem({ retailPrice: 4 })];
    const price = (list: RetailItem[]) => choosePrice(list, SKU, 'eastus2', A_MOMENT_MS).price?.perHourUsd;
    expect(price(items)).toBe(price(items.toReversed()));
  });
});
