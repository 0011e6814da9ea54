import { describe, expect, test } from 'vitest';
import {
  choosePrice,
  estimatedPrice,
  priceAgeSeconds,
  type RetailItem,
  type SizePrices,
} from '../../../src/core/renting/price.ts';
import { shuffle } from '../../../src/core/statistics/seed.ts';
import { A_MOMENT_MS } from '../../support/builders.ts';

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
        price: {
          perHourUsd: 3.67,
          region: 'eastus2',
          since: '2025-06-01T00:00:00Z',
          source: 'retail',
          askedAt: new Date(A_MOMENT_MS).toISOString(),
          reserved: { oneYearPerHourUsd: 20_000 / 8_760, threeYearsPerHourUsd: null },
        },
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

describe('a reservation beside the price', () => {
  const aReservation = (fields: Partial<RetailItem> = {}) =>
    anItem({ type: 'Reservation', reservationTerm: '1 Year', retailPrice: 21_900, ...fields });
  const reserved = (items: RetailItem[]) => choosePrice(items, SKU, 'eastus2', A_MOMENT_MS).price?.reserved;

  test('is the sum for its term, shared over the hours of one or three years', () => {
    const threeYears = aReservation({ reservationTerm: '3 Years', retailPrice: 39_420 });
    const expected = { oneYearPerHourUsd: 2.5, threeYearsPerHourUsd: 1.5 };
    expect(reserved([anItem(), aReservation(), threeYears])).toEqual(expected);
    expect(reserved([threeYears, aReservation(), anItem()])).toEqual(expected);
  });

  test.each<[string, Partial<RetailItem>]>([
    ['another region', { armRegionName: 'westus3' }],
    ['another SKU', { armSkuName: 'Standard_NC48ads_A100_v4' }],
    ['euros', { currencyCode: 'EUR' }],
    ['Windows', { productName: 'Virtual Machines NCads A100 v4 Series Windows' }],
    ['next year', { effectiveStartDate: '2027-02-01T00:00:00Z' }],
    ['five years', { reservationTerm: '5 Years' }],
  ])('is not taken from %s', (_name, fields) => {
    expect(reserved([anItem(), aReservation({ retailPrice: 1, ...fields })])).toEqual({
      oneYearPerHourUsd: null,
      threeYearsPerHourUsd: null,
    });
  });
});

describe('the estimate of ARM', () => {
  const aSize = (fields: Partial<SizePrices> = {}): SizePrices => ({
    name: SKU,
    currency: 'USD',
    unit: 'OneHour',
    prices: [
      { perUnit: 0.73, os: 'Linux', tier: 'LowPriority' },
      { perUnit: 5, os: 'Windows', tier: 'Standard' },
      { perUnit: 3.67, os: 'Linux', tier: 'Standard' },
      { perUnit: 1.2, os: 'Linux', tier: 'Spot' },
    ],
    ...fields,
  });

  test('is the dedicated Linux machine’s, marked as such and dated by when it was asked', () => {
    expect(estimatedPrice([aSize()], SKU.toUpperCase(), 'eastus2', A_MOMENT_MS)).toEqual({
      price: {
        perHourUsd: 3.67,
        region: 'eastus2',
        since: new Date(A_MOMENT_MS).toISOString(),
        source: 'arm',
        askedAt: new Date(A_MOMENT_MS).toISOString(),
      },
      reason: null,
    });
  });

  test.each<[string, SizePrices[]]>([
    ['no such size', [aSize({ name: 'Standard_NC48ads_A100_v4' })]],
    ['euros', [aSize({ currency: 'EUR' })]],
    ['another unit', [aSize({ unit: 'OneMonth' })]],
    ['no price', [aSize({ prices: [] })]],
    ['only other prices', [aSize({ prices: [{ perUnit: 0.7, os: 'Linux', tier: 'Spot' }] })]],
  ])('is unknown for %s', (_name, sizes) => {
    expect(estimatedPrice(sizes, SKU, 'eastus2', A_MOMENT_MS)).toEqual({
      price: null,
      reason: `Azure ML estimates no Linux price in dollars of ${SKU} in eastus2.`,
    });
  });
});

test('the age of a price is told, and a price of the spec has none', () => {
  const { price } = choosePrice([anItem()], SKU, 'eastus2', A_MOMENT_MS);
  expect(priceAgeSeconds(price!, A_MOMENT_MS + 90_500)).toBe(90);
  expect(
    priceAgeSeconds({ perHourUsd: 1, region: 'any', since: 'given', source: 'spec' }, A_MOMENT_MS),
  ).toBeNull();
});
