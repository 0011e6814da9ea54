/**
 * The price of a SKU from the Retail Prices API (prices.azure.com, no credential). A price that cannot be had is null
 * with the reason; nothing here throws, and a list that was cut short is "unknown", never "cheapest seen".
 */
import { request } from 'undici';
import type { Config } from '../config.ts';
import { choosePrice, type PriceQuote, type RetailItem } from '../core/price.ts';
import type { PriceBook } from '../services.ts';

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

interface PricePage {
  readonly items: readonly RetailItem[];
  readonly nextLink: string | null;
}

/** Quotes are kept for twelve hours in this process; what failed is asked again. */
export function createPriceBook(
  config: Pick<Config, 'pricesEndpoint'>,
  now: () => number = Date.now,
): PriceBook {
  const kept = new Map<string, { readonly quote: PriceQuote; readonly atMs: number }>();
  return {
    async quote(sku, region) {
      const key = `${sku}\n${region}`;
      const known = kept.get(key);
      if (known !== undefined && now() - known.atMs < KEEP_MS) return known.quote;
      const quote = await lookUp(config.pricesEndpoint, sku, region, now);
      if (quote.price !== null) {
        kept.delete(key);
        kept.set(key, { quote, atMs: now() });
        const oldest = kept.keys().next();
        if (kept.size > KEEP_LIMIT && !oldest.done) kept.delete(oldest.value);
      }
      return quote;
    },
  };
}

async function lookUp(endpoint: string, sku: string, region: string, now: () => number): Promise<PriceQuote> {
  try {
    return choosePrice(await fetchItems(endpoint, sku, region), sku, region, now());
  } catch (error) {
    return { price: null, reason: `The price of ${sku} in ${region} is unknown: ${reasonOf(error)}.` };
  }
}

/** Every row of the SKU in the region, or a throw: half a list might hold only the wrong rows. */
async function fetchItems(endpoint: string, sku: string, region: string): Promise<RetailItem[]> {
  const signal = AbortSignal.timeout(LOOKUP_MS);
  const first = firstPage(endpoint, sku, region);
  const items: RetailItem[] = [];
  let next: URL | null = first;
  for (let page = 0; page < PAGES_LIMIT && next !== null; page += 1) {
    const { items: rows, nextLink }: PricePage = await fetchPage(next, signal);
    items.push(...rows);
    next = nextPage(nextLink, first);
  }
  if (next !== null) throw new Error(`the price list goes on after ${PAGES_LIMIT} pages`);
  return items;
}

function firstPage(endpoint: string, sku: string, region: string): URL {
  const url = new URL(`${endpoint}/api/retail/prices`);
  url.searchParams.set('api-version', API_VERSION);
  url.searchParams.set('currencyCode', "'USD'");
  const clauses = [
    "serviceName eq 'Virtual Machines'",
    `armRegionName eq '${escapeQuotes(region)}'`,
    `armSkuName eq '${escapeQuotes(sku)}'`,
    "priceType eq 'Consumption'",
  ];
  url.searchParams.set('$filter', clauses.join(' and '));
  return url;
}

function escapeQuotes(value: string): string {
  return value.replaceAll("'", "''");
}

async function fetchPage(url: URL, signal: AbortSignal): Promise<PricePage> {
  const { statusCode, body } = await request(url, {
    signal,
    headersTimeout: LOOKUP_MS,
    bodyTimeout: LOOKUP_MS,
    headers: { accept: 'application/json' },
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > PAGE_BYTES)
      throw new Error(`a page of the price list is longer than ${PAGE_BYTES / 1024 / 1024} MiB`);
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`the price list answered ${statusCode}`);
  return readPage(Buffer.concat(chunks).toString('utf8'));
}

function readPage(text: string): PricePage {
  const page = parseJson(text) as { Items?: unknown; NextPageLink?: unknown } | null | undefined;
  if (!Array.isArray(page?.Items)) throw new Error('the answer is not a page of the price list');
  const { NextPageLink: link } = page;
  return {
    items: page.Items.flatMap(readItem),
    nextLink: typeof link === 'string' && link !== '' ? link : null,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

/** The next page, which must be where the first was: a list that sends us elsewhere is not followed. */
function nextPage(link: string | null, first: URL): URL | null {
  if (link === null) return null;
  const url = URL.canParse(link, first.href) ? new URL(link, first.href) : null;
  if (url === null || url.origin !== first.origin)
    throw new Error('the price list goes on at another address');
  return url;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'an unknown error';
  if (error.name === 'TimeoutError' || error.name === 'AbortError') {
    return `the price list did not answer within ${LOOKUP_MS / 1000} seconds`;
  }
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? `the price list could not be read (${code})` : error.message;
}
