/**
 * The price of a SKU from the Retail Prices API (prices.azure.com, no credential), or Azure ML's own estimate where
 * that list cannot be had. A price that cannot be had is null with the reason; nothing here throws, and a list that
 * was cut short is "unknown", never "cheapest seen".
 */
import type { Config } from '../config.ts';
import { choosePrice, estimatedPrice, type PriceQuote, type RetailItem } from '../core/renting/price.ts';
import type { PriceBook } from '../services.ts';
import { createAgedCache } from './aged-cache.ts';
import type { ArmLocations } from './arm-locations.ts';
import { getPages, JsonFault, type Page, reasonOf } from './http-json.ts';

/** The first version whose filter values are case-sensitive and documented as such; it has all fields we choose by. */
const API_VERSION = '2023-01-01-preview';
/** The whole look-up, all pages: somebody waits for a plan. */
const LOOKUP_MS = 10_000;
/** A SKU in a region has about ten rows, and a page holds 1,000: twenty pages are a loop or another list. */
const PAGES_LIMIT = 20;
/** A page of 1,000 items of 900 bytes is below 1 MB. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** Prices change on the first of a month at the most often. */
const KEEP_MS = 12 * 3_600_000;
/** Twenty SKUs in some regions; beyond that the oldest quote is dropped. */
const KEEP_LIMIT = 500;
const WHO = 'the price list';

/** What the choice reads of a row. A row that lacks one of them cannot be the normal one. */
const TEXT_FIELDS = [
  'armSkuName',
  'armRegionName',
  'currencyCode',
  'unitOfMeasure',
  'type',
  'productName',
  'meterName',
  'skuName',
  'effectiveStartDate',
] as const;
const NUMBER_FIELDS = ['retailPrice', 'tierMinimumUnits'] as const;

/** Quotes are kept for twelve hours in this process; what failed is asked again. */
export function createPriceBook(
  config: Pick<Config, 'pricesEndpoint'>,
  locations: Pick<ArmLocations, 'listSizePrices'> | null = null,
  now: () => number = Date.now,
): PriceBook {
  const kept = createAgedCache<PriceQuote>({
    keepMs: KEEP_MS,
    limit: KEEP_LIMIT,
    now,
    // An estimate is not kept: the list may be back at the next question.
    isWorthKeeping: ({ price }) => price?.source === 'retail',
  });
  return {
    async quote(sku, region) {
      const quote = () => lookUp(config.pricesEndpoint, locations, sku, region, now);
      return (await kept.read(`${sku}\n${region}`, quote)).value;
    },
  };
}

async function lookUp(
  endpoint: string,
  locations: Pick<ArmLocations, 'listSizePrices'> | null,
  sku: string,
  region: string,
  now: () => number,
): Promise<PriceQuote> {
  let quote: PriceQuote;
  try {
    quote = choosePrice(await fetchItems(endpoint, sku, region), sku, region, now());
  } catch (error) {
    quote = { price: null, reason: `The price of ${sku} in ${region} is unknown: ${reasonOf(error, WHO)}.` };
    // A list that leads elsewhere or never ends is no list that is down: whoever set PRICES_ENDPOINT must see that.
    if (error instanceof JsonFault && !error.honest) return quote;
  }
  if (quote.price !== null || locations === null) return quote;
  try {
    const estimate = estimatedPrice(await locations.listSizePrices(region), sku, region, now());
    return estimate.price !== null ? estimate : { price: null, reason: `${quote.reason} ${estimate.reason}` };
  } catch (error) {
    const why = reasonOf(error, 'ARM');
    return {
      price: null,
      reason: `${quote.reason} Azure ML's own estimate could not be had either: ${why}.`,
    };
  }
}

/** Every row of the SKU in the region, or a throw: half a list might hold only the wrong rows. */
async function fetchItems(endpoint: string, sku: string, region: string): Promise<RetailItem[]> {
  const signal = AbortSignal.timeout(LOOKUP_MS);
  const query = { who: WHO, signal, bytesLimit: PAGE_BYTES, pagesLimit: PAGES_LIMIT };
  return getPages(firstPage(endpoint, sku, region), query, readPage);
}

/** All kinds of rows in one question: the reservations stand beside the price by the hour. */
function firstPage(endpoint: string, sku: string, region: string): URL {
  const url = new URL(`${endpoint}/api/retail/prices`);
  url.searchParams.set('api-version', API_VERSION);
  url.searchParams.set('currencyCode', "'USD'");
  const clauses = [
    "serviceName eq 'Virtual Machines'",
    `armRegionName eq '${escapeQuotes(region)}'`,
    `armSkuName eq '${escapeQuotes(sku)}'`,
  ];
  url.searchParams.set('$filter', clauses.join(' and '));
  return url;
}

function escapeQuotes(value: string): string {
  return value.replaceAll("'", "''");
}

function readPage(json: unknown): Page<RetailItem> {
  const page = json as { Items?: unknown; NextPageLink?: unknown } | null;
  if (!Array.isArray(page?.Items)) throw new JsonFault('the answer is not a page of the price list');
  return { items: page.Items.flatMap(readItem), nextLink: page.NextPageLink };
}

function readItem(item: unknown): RetailItem[] {
  const row = item as Readonly<Record<string, unknown>> | null;
  if (typeof row !== 'object' || row === null) return [];
  const complete =
    TEXT_FIELDS.every((field) => typeof row[field] === 'string') &&
    NUMBER_FIELDS.every((field) => typeof row[field] === 'number');
  if (!complete) return [];
  const { reservationTerm, ...rest } = row;
  // Safe: every field that RetailItem needs was just seen to have its type.
  const normal = rest as unknown as RetailItem;
  return [
    reservationTerm == null || reservationTerm === ''
      ? normal
      : { ...normal, reservationTerm: String(reservationTerm) },
  ];
}
