/**
 * The Retail Prices API: made-up prices in the real form. Each size has, per region, all the rows among which a
 * client must find the one for a Linux VM by the hour today; they come in an order that is stable and says nothing.
 */
import { createHash } from 'node:crypto';
import { drawBetween } from './random.ts';
import { REGIONS } from './regions.ts';
import { FAMILY_IN_LIST, SKUS, type Sku } from './skus.ts';

/** Rows on a page. The real page holds 1000; a smaller one makes clients follow the link. */
const PAGE_ROWS = 100;
/** A year of hours, the unit of a reservation's sum. */
const HOURS_PER_YEAR = 8760;

/** From when on the prices hold that hold today, and those of last year and of some day to come. */
const NOW_SINCE = '2025-11-01T00:00:00Z';
const LAST_YEAR = '2024-11-01T00:00:00Z';
const SOME_DAY = '2099-01-01T00:00:00Z';

/** What a dollar is in the other currencies that the list is asked for; made up. */
const RATES: Readonly<Record<string, number>> = { USD: 1, EUR: 0.86, GBP: 0.75, JPY: 152, CHF: 0.8 };

interface RowKind {
  readonly type: 'Consumption' | 'DevTestConsumption' | 'Reservation';
  readonly windows: boolean;
  /** After the size in meter and SKU name. */
  readonly suffix: string;
  /** Its price as a multiple of Linux by the hour. */
  readonly factor: number;
  readonly term?: '1 Year' | '3 Years';
  /** Of the suffix, whether it stands in the SKU's name only. */
  readonly isInSkuNameOnly?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly tierMinimum?: number;
  readonly unit?: string;
  /** Whether `vmSizes` shows it too. */
  readonly isEstimated?: boolean;
}

/** All the rows of a size and region; one of them is a Linux VM by the hour today. */
const ROW_KINDS: readonly RowKind[] = [
  { type: 'Consumption', windows: false, suffix: '', factor: 1, isEstimated: true },
  { type: 'Consumption', windows: true, suffix: '', factor: 1.3, isEstimated: true },
  { type: 'Consumption', windows: false, suffix: ' Spot', factor: 0.35, isEstimated: true },
  { type: 'Consumption', windows: true, suffix: ' Spot', factor: 0.5, isEstimated: true },
  { type: 'Consumption', windows: false, suffix: ' Low Priority', factor: 0.2, isEstimated: true },
  { type: 'Consumption', windows: true, suffix: ' Low Priority', factor: 0.5, isEstimated: true },
  { type: 'Consumption', windows: false, suffix: ' Low Priority', factor: 0.21, isInSkuNameOnly: true },
  { type: 'DevTestConsumption', windows: true, suffix: '', factor: 1 },
  { type: 'DevTestConsumption', windows: false, suffix: '', factor: 0.9 },
  { type: 'Reservation', windows: false, suffix: '', factor: 0.65 * HOURS_PER_YEAR, term: '1 Year' },
  { type: 'Reservation', windows: false, suffix: '', factor: 0.45 * 3 * HOURS_PER_YEAR, term: '3 Years' },
  { type: 'Consumption', windows: false, suffix: '', factor: 1.144, since: LAST_YEAR, until: NOW_SINCE },
  { type: 'Consumption', windows: false, suffix: '', factor: 2.72, since: SOME_DAY },
  { type: 'Consumption', windows: false, suffix: '', factor: 0.8, tierMinimum: 500 },
  { type: 'Consumption', windows: false, suffix: '', factor: 21, unit: '1 Day' },
];

type PriceItem = Readonly<Record<string, string | number | boolean>>;

interface PriceAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The answer to `GET /api/retail/prices`; `baseUrl` is where the link to the next page points. */
export function answerPrices(url: URL, baseUrl: string): PriceAnswer {
  const currency = (url.searchParams.get('currencyCode') ?? 'USD').replaceAll("'", '');
  const rate = RATES[currency.toUpperCase()];
  if (rate === undefined)
    return refuse(`Currency '${currency}' is not simulated; ${Object.keys(RATES).join(', ')} are.`);
  const filter = parseFilter(url.searchParams.get('$filter') ?? '');
  if (filter === undefined) {
    return refuse("The $filter must be a list of comparisons such as armSkuName eq 'X', joined by and.");
  }
  const items = ITEMS.filter((item) => filter.every(([field, value]) => item[field] === value));
  const skip = Number(/^\d{1,9}$/.exec(url.searchParams.get('$skip') ?? '')?.[0] ?? 0);
  const page = items
    .slice(skip, skip + PAGE_ROWS)
    .map((item) => inCurrency(item, currency.toUpperCase(), rate));
  const next = new URLSearchParams(url.searchParams);
  next.set('$skip', String(skip + PAGE_ROWS));
  return {
    status: 200,
    body: {
      BillingCurrency: currency.toUpperCase(),
      CustomerEntityId: 'Default',
      CustomerEntityType: 'Retail',
      Items: page,
      NextPageLink: skip + PAGE_ROWS < items.length ? `${baseUrl}${url.pathname}?${next}` : null,
      Count: page.length,
    },
  };
}

/** The `vmSizes` of a location, with the prices that ARM itself names. */
export function listVmSizes(location: string) {
  const factor = REGIONS.find((region) => region.name === location)?.factor;
  return { value: SKUS.map((sku) => viewVmSize(sku, factor)) };
}

/** Fields and the values they must have; undefined where it is more than comparisons joined by `and`. */
function parseFilter(filter: string): [string, string | boolean][] | undefined {
  const comparison = /\s*(\w+)\s+eq\s+(?:'((?:[^']|'')*)'|(true|false))\s*(and\b|$)/iy;
  const conditions: [string, string | boolean][] = [];
  while (comparison.lastIndex < filter.length) {
    const match = comparison.exec(filter);
    if (match === null) return undefined;
    const [, field = '', text, truth, joint] = match;
    // `priceType` is the filter's name for the field `type`.
    conditions.push([
      field === 'priceType' ? 'type' : field,
      text === undefined ? truth?.toLowerCase() === 'true' : text.replaceAll("''", "'"),
    ]);
    const isAtEnd = comparison.lastIndex >= filter.length;
    if ((joint !== '') === isAtEnd) return undefined; // an `and` with nothing after it
  }
  return conditions.every(([field]) => FIELDS.has(field)) ? conditions : undefined;
}

function refuse(message: string): PriceAnswer {
  return {
    status: 400,
    body: { Error: { Code: 'BadRequest', Message: `Invalid OData parameters supplied. ${message}` } },
  };
}

const ITEMS: readonly PriceItem[] = REGIONS.flatMap((region) => SKUS.flatMap((sku) => listRows(sku, region)));
const FIELDS = new Set(ITEMS.flatMap((item) => Object.keys(item)));

function inCurrency(item: PriceItem, currencyCode: string, rate: number): PriceItem {
  const price = Number((Number(item.retailPrice) * rate).toFixed(4));
  return { ...item, currencyCode, retailPrice: price, unitPrice: price };
}

function listRows(sku: Sku, region: (typeof REGIONS)[number]): PriceItem[] {
  const shown = sku.name.replace('Standard_', '').replaceAll('_', ' ');
  const series = shown.replace(/^([A-Z]+)\d+(\w*)/, '$1$2');
  const rows = ROW_KINDS.map((kind, index) => {
    const price = Number((sku.linuxUsdPerHour * region.factor * kind.factor).toFixed(4));
    const productName = `Virtual Machines ${series} Series${kind.windows ? ' Windows' : ''}`;
    const id = createHash('sha256').update(`${sku.name}${region.name}${index}`).digest('hex');
    return {
      currencyCode: 'USD',
      tierMinimumUnits: kind.tierMinimum ?? 0,
      retailPrice: price,
      unitPrice: price,
      armRegionName: region.name,
      location: region.location,
      effectiveStartDate: kind.since ?? NOW_SINCE,
      ...(kind.until !== undefined && { effectiveEndDate: kind.until }),
      meterId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20, 32)}`,
      meterName: kind.isInSkuNameOnly ? shown : `${shown}${kind.suffix}`,
      productId: `DZH318Z${id.slice(0, 5).toUpperCase()}`,
      skuId: `DZH318Z${id.slice(0, 5).toUpperCase()}/${id.slice(5, 9).toUpperCase()}`,
      productName,
      skuName: `${shown}${kind.suffix}`,
      serviceName: 'Virtual Machines',
      serviceId: 'DZH313Z7MMC8',
      serviceFamily: 'Compute',
      unitOfMeasure: kind.unit ?? '1 Hour',
      type: kind.type,
      isPrimaryMeterRegion: true,
      armSkuName: sku.name,
      ...(kind.term !== undefined && { reservationTerm: kind.term }),
    };
  });
  return rows.toSorted((a, b) => drawBetween(0, 1, 0, rowKey(a)) - drawBetween(0, 1, 0, rowKey(b)));
}

function rowKey(row: { meterId: string; skuName: string }): string {
  return `${row.meterId} ${row.skuName}`;
}

function viewVmSize(sku: Sku, regionFactor: number | undefined) {
  return {
    name: sku.name,
    family: FAMILY_IN_LIST[sku.quotaFamily] ?? sku.quotaFamily,
    vCPUs: sku.vcpus,
    gpus: Math.ceil(sku.gpus),
    osVhdSizeMB: 1_047_552,
    maxResourceVolumeMB: sku.tempDiskGb * 1024,
    memoryGB: sku.ramGb,
    lowPriorityCapable: true,
    premiumIO: true,
    supportedComputeTypes: ['AmlCompute', 'ComputeInstance'],
    ...(regionFactor !== undefined && {
      estimatedVMPrices: {
        billingCurrency: 'USD',
        unitOfMeasure: 'OneHour',
        values: ROW_KINDS.filter((kind) => kind.isEstimated).map((kind) => ({
          retailPrice: Number((sku.linuxUsdPerHour * regionFactor * kind.factor).toFixed(4)),
          osType: kind.windows ? 'Windows' : 'Linux',
          vmTier: kind.suffix === '' ? 'Standard' : kind.suffix.trim().replace(' ', ''),
        })),
      },
    }),
  };
}
