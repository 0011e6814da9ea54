/** What an hour of one instance costs. Dollars only: the Retail Prices API calls other currencies indicative. */
export interface Price {
  readonly perHourUsd: number;
  readonly region: string;
  /**
   * The day from which the price holds, as the API tells it (ISO date), or "given" where the spec named the price.
   * ARM's own estimates carry no date: there it is the moment at which they were read.
   */
  readonly since: string;
  /** `arm` where the price list could not be read and Azure ML's own estimate stands in. */
  readonly source: 'retail' | 'arm' | 'spec';
  /** When the price was asked for (ISO date); absent where the spec named it. Prices are kept for twelve hours. */
  readonly askedAt?: string;
  /** What the hour costs with a reservation; absent where the source does not tell. */
  readonly reserved?: ReservedPrices;
}

/** The hour's share of a reservation's sum; null where the list has no such reservation. */
export interface ReservedPrices {
  readonly oneYearPerHourUsd: number | null;
  readonly threeYearsPerHourUsd: number | null;
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

/** One size of ARM's `vmSizes` with the prices that it estimates, as far as the choice needs it. */
export interface SizePrices {
  readonly name: string;
  readonly currency: string;
  readonly unit: string;
  readonly prices: readonly { readonly perUnit: number; readonly os: string; readonly tier: string }[];
}

/** The list writes a reservation's sum for the whole term under the unit "1 Hour"; a year has 8,760 hours. */
const HOURS_PER_YEAR = 8_760;

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
  const current = items.filter((item) => isOfSku(item, sku, region) && isInForce(item, nowMs));
  const row = newest(current.filter(isPayAsYouGo));
  if (row === undefined) {
    return { price: null, reason: `The price list has no Linux pay-as-you-go price of ${sku} in ${region}.` };
  }
  return {
    price: {
      perHourUsd: row.retailPrice,
      region,
      since: row.effectiveStartDate,
      source: 'retail',
      askedAt: new Date(nowMs).toISOString(),
      reserved: {
        oneYearPerHourUsd: reservedPerHour(current, '1 Year', 1),
        threeYearsPerHourUsd: reservedPerHour(current, '3 Years', 3),
      },
    },
    reason: null,
  };
}

/** The Linux price of a dedicated machine that ARM estimates, for when the price list cannot be had. */
export function estimatedPrice(
  sizes: readonly SizePrices[],
  sku: string,
  region: string,
  nowMs: number,
): PriceQuote {
  const size = sizes.find((one) => one.name.toLowerCase() === sku.toLowerCase());
  const usable = size !== undefined && size.currency === 'USD' && size.unit === 'OneHour';
  const hourly = (usable ? size.prices : [])
    .filter((one) => one.os === 'Linux' && one.tier === 'Standard' && one.perUnit > 0)
    .map((one) => one.perUnit);
  // Two prices of one kind should not be; the dearer one makes no bound too low.
  const perHourUsd = Math.max(...hourly);
  if (hourly.length === 0)
    return { price: null, reason: `Azure ML estimates no Linux price in dollars of ${sku} in ${region}.` };
  const askedAt = new Date(nowMs).toISOString();
  return { price: { perHourUsd, region, since: askedAt, source: 'arm', askedAt }, reason: null };
}

/** Whole seconds since the price was asked for; null where the spec named it. */
export function priceAgeSeconds(price: Price, nowMs: number): number | null {
  return price.askedAt === undefined
    ? null
    : Math.max(0, Math.floor((nowMs - Date.parse(price.askedAt)) / 1000));
}

function isOfSku(item: RetailItem, sku: string, region: string): boolean {
  const words = `${item.productName} ${item.skuName} ${item.meterName}`;
  return (
    item.armSkuName.toLowerCase() === sku.toLowerCase() &&
    item.armRegionName === region &&
    item.currencyCode === 'USD' &&
    item.unitOfMeasure === '1 Hour' &&
    item.tierMinimumUnits === 0 &&
    item.retailPrice > 0 &&
    !/windows|spot|low ?priority/i.test(words)
  );
}

function isInForce(item: RetailItem, nowMs: number): boolean {
  return Date.parse(item.effectiveStartDate) <= nowMs;
}

function isPayAsYouGo(item: RetailItem): boolean {
  return item.type === 'Consumption' && item.reservationTerm === undefined;
}

function reservedPerHour(items: readonly RetailItem[], term: string, years: number): number | null {
  const row = newest(items.filter((item) => item.type === 'Reservation' && item.reservationTerm === term));
  return row === undefined ? null : row.retailPrice / (years * HOURS_PER_YEAR);
}

/** Of two rows of one day the dearer one, so that no order of the rows makes a bound too low. */
function newest(items: readonly RetailItem[]): RetailItem | undefined {
  return items.toSorted(
    (one, other) =>
      Date.parse(other.effectiveStartDate) - Date.parse(one.effectiveStartDate) ||
      other.retailPrice - one.retailPrice,
  )[0];
}
