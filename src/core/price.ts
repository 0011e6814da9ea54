/** What an hour of one instance costs. Dollars only: the Retail Prices API calls other currencies indicative. */
export interface Price {
  readonly perHourUsd: number;
  readonly region: string;
  /** The day from which the price holds, as the API tells it (ISO date), or "given" where the spec named the price. */
  readonly since: string;
  readonly source: 'retail' | 'spec';
}

/** A price, or the sentence that says why there is none. */
export type PriceQuote =
  | { readonly price: Price; readonly reason: null }
  | { readonly price: null; readonly reason: string };

/** One item of the Retail Prices API, as far as the choice needs it. */
export interface RetailItem {
  readonly armSkuName: string;
  readonly armRegionName: string;
  readonly currencyCode: string;
  readonly retailPrice: number;
  readonly unitOfMeasure: string;
  readonly type: string;
  readonly productName: string;
  readonly meterName: string;
  readonly skuName: string;
  readonly effectiveStartDate: string;
  readonly tierMinimumUnits: number;
  readonly reservationTerm?: string;
}

/**
 * The normal Linux pay-as-you-go price among all rows of a SKU: one row each exists for Windows, Spot, Low Priority,
 * dev/test and reservations, and rows of next month and of last year beside today's. Independent of their order.
 */
export function choosePrice(
  items: readonly RetailItem[],
  sku: string,
  region: string,
  nowMs: number,
): PriceQuote {
  const today = items
    .filter((item) => isNormalRow(item, sku, region) && Date.parse(item.effectiveStartDate) <= nowMs)
    // Of two rows of one day the dearer one, so that no order of the rows makes a bound too low.
    .sort(
      (one, other) =>
        Date.parse(other.effectiveStartDate) - Date.parse(one.effectiveStartDate) ||
        other.retailPrice - one.retailPrice,
    );
  const newest = today[0];
  if (newest === undefined) {
    return { price: null, reason: `The price list has no Linux pay-as-you-go price of ${sku} in ${region}.` };
  }
  return {
    price: { perHourUsd: newest.retailPrice, region, since: newest.effectiveStartDate, source: 'retail' },
    reason: null,
  };
}

function isNormalRow(item: RetailItem, sku: string, region: string): boolean {
  const words = `${item.productName} ${item.skuName} ${item.meterName}`;
  return (
    item.armSkuName.toLowerCase() === sku.toLowerCase() &&
    item.armRegionName === region &&
    item.currencyCode === 'USD' &&
    item.type === 'Consumption' &&
    item.reservationTerm === undefined &&
    item.unitOfMeasure === '1 Hour' &&
    item.tierMinimumUnits === 0 &&
    item.retailPrice > 0 &&
    !/windows|spot|low priority/i.test(words)
  );
}
