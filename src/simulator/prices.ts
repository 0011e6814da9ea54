/**
 * The Retail Prices API: made-up prices in the real form. Each size has, per region, all the rows among which a
 * client must find the one for a Linux VM by the hour; they come in an order that is stable and says nothing.
 */
import { createHash } from 'node:crypto';
import { drawBetween } from './random.ts';
import { SKUS, type Sku } from './skus.ts';

/** Rows on a page. The real page holds 1000; a smaller one makes clients follow the link. */
const PAGE_ROWS = 100;
/** A year of hours, the unit of a reservation's sum. */
const HOURS_PER_YEAR = 8760;

interface Region {
  readonly name: string;
  readonly location: string;
  /** Times the price in East US 2. */
  readonly factor: number;
}

const REGIONS: readonly Region[] = [
  { name: 'eastus2', location: 'US East 2', factor: 1 },
  { name: 'eastus', location: 'US East', factor: 1 },
  { name: 'westus3', location: 'US West 3', factor: 1 },
  { name: 'southcentralus', location: 'US South Central', factor: 1.2 },
  { name: 'westeurope', location: 'EU West', factor: 1.3 },
  { name: 'northeurope', location: 'EU North', factor: 1.2 },
  { name: 'swedencentral', location: 'SE Central', factor: 1.25 },
  { name: 'uksouth', location: 'UK South', factor: 1.28 },
  { name: 'japaneast', location: 'JA East', factor: 1.35 },
];

/** What a kind of row has in its names, and its price as a multiple of Linux by the hour. */
const ROW_KINDS = [
  { type: 'Consumption', windows: false, suffix: '', factor: 1 },
  { type: 'Consumption', windows: true, suffix: '', factor: 1.3 },
  { type: 'Consumption', windows: false, suffix: ' Spot', factor: 0.35 },
  { type: 'Consumption', windows: true, suffix: ' Spot', factor: 0.5 },
  { type: 'Consumption', windows: false, suffix: ' Low Priority', factor: 0.2 },
  { type: 'Consumption', windows: true, suffix: ' Low Priority', factor: 0.5 },
  { type: 'DevTestConsumption', windows: true, suffix: '', factor: 1 },
  { type: 'Reservation', windows: false, suffix: '', factor: 0.65 * HOURS_PER_YEAR, term: '1 Year' },
  { type: 'Reservation', windows: false, suffix: '', factor: 0.45 * 3 * HOURS_PER_YEAR, term: '3 Years' },
] as const;

type PriceItem = Readonly<Record<string, string | number | boolean>>;

interface PriceAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The answer to `GET /api/retail/prices`; `baseUrl` is where the link to the next page points. */
export function answerPrices(url: URL, baseUrl: string): PriceAnswer {
  const currency = (url.searchParams.get('currencyCode') ?? 'USD').replaceAll("'", '');
  if (currency.toUpperCase() !== 'USD') return refuse(`Currency '${currency}' is not simulated; USD is.`);
  const filter = parseFilter(url.searchParams.get('$filter') ?? '');
  if (filter === undefined) {
    return refuse("The $filter must be a list of comparisons such as armSkuName eq 'X', joined by and.");
  }
  const items = ITEMS.filter((item) => filter.every(([field, value]) => item[field] === value));
  const skip = Number(/^\d{1,9}$/.exec(url.searchParams.get('$skip') ?? '')?.[0] ?? 0);
  const page = items.slice(skip, skip + PAGE_ROWS);
  const next = new URLSearchParams(url.searchParams);
  next.set('$skip', String(skip + PAGE_ROWS));
  return {
    status: 200,
    body: {
      BillingCurrency: 'USD',
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

function listRows(sku: Sku, region: Region): PriceItem[] {
  const shown = sku.name.replace('Standard_', '').replaceAll('_', ' ');
  const series = shown.replace(/^([A-Z]+)\d+(\w*)/, '$1$2');
  const rows = ROW_KINDS.map((kind) => {
    const price = Number((sku.linuxUsdPerHour * region.factor * kind.factor).toFixed(4));
    const productName = `Virtual Machines ${series} Series${kind.windows ? ' Windows' : ''}`;
    const id = createHash('sha256')
      .update(`${sku.name}${region.name}${productName}${kind.suffix}${kind.type}`)
      .digest('hex');
    return {
      currencyCode: 'USD',
      tierMinimumUnits: 0,
      retailPrice: price,
      unitPrice: price,
      armRegionName: region.name,
      location: region.location,
      effectiveStartDate: '2025-11-01T00:00:00Z',
      meterId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20, 32)}`,
      meterName: `${shown}${kind.suffix}`,
      productId: `DZH318Z${id.slice(0, 5).toUpperCase()}`,
      skuId: `DZH318Z${id.slice(0, 5).toUpperCase()}/${id.slice(5, 9).toUpperCase()}`,
      productName,
      skuName: `${shown}${kind.suffix}`,
      serviceName: 'Virtual Machines',
      serviceId: 'DZH313Z7MMC8',
      serviceFamily: 'Compute',
      unitOfMeasure: '1 Hour',
      type: kind.type,
      isPrimaryMeterRegion: true,
      armSkuName: sku.name,
      ...('term' in kind && { reservationTerm: kind.term }),
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
    family: sku.quotaFamily,
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
        values: ROW_KINDS.filter((kind) => kind.type === 'Consumption').map((kind) => ({
          retailPrice: Number((sku.linuxUsdPerHour * regionFactor * kind.factor).toFixed(4)),
          osType: kind.windows ? 'Windows' : 'Linux',
          vmTier: kind.suffix === '' ? 'Standard' : kind.suffix.trim().replace(' ', ''),
        })),
      },
    }),
  };
}
