/**
 * What ARM says of a region: how much of each VM family's quota is used, and what Azure ML estimates its sizes to
 * cost. Plain authenticated HTTP, because both lists need a bound on their pages and bodies that the SDK does not give.
 */
import type { TokenCredential } from '@azure/identity';
import type { Config } from '../config.ts';
import type { SizePrices } from '../core/renting/price.ts';
import type { FamilyUsage } from '../core/renting/quota.ts';
import { createAgedCache } from './aged-cache.ts';
import { getJson, getPages, JsonFault, type Page } from './http-json.ts';

/** As the control plane; both operations are the same in every version since. */
const API_VERSION = '2024-10-01';
/** The whole list, all pages: somebody waits for a plan. */
const CALL_MS = 15_000;
/** A subscription has about a hundred families, and a row for each workspace and cluster besides: some pages. */
const PAGES_LIMIT = 50;
/** A thousand rows of 600 bytes, and some. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** One list holds every size of a region, and a table of SKUs asks for twenty of them in a row. */
const KEEP_SIZES_MS = 10 * 60_000;
/** Azure has some sixty regions. */
const KEEP_REGIONS = 60;

export interface ArmLocations {
  /** The usages of the dedicated VM families of a subscription in a region. Throws where they cannot be had whole. */
  listUsages(subscriptionId: string, region: string): Promise<readonly FamilyUsage[]>;
  /** The sizes of a region with their estimated prices, read through any subscription of the settings. */
  listSizePrices(region: string): Promise<readonly SizePrices[]>;
}

export function createArmLocations(
  config: Pick<Config, 'armEndpoint' | 'workspaces'>,
  credential: TokenCredential,
  now: () => number = Date.now,
): ArmLocations {
  const keptSizes = createAgedCache<readonly SizePrices[]>({
    keepMs: KEEP_SIZES_MS,
    limit: KEEP_REGIONS,
    now,
  });
  const locationUrl = (subscriptionId: string, region: string, list: string): URL => {
    const path = `/subscriptions/${subscriptionId}/providers/Microsoft.MachineLearningServices/locations/${encodeURIComponent(region)}/${list}`;
    const url = new URL(`${config.armEndpoint}${path}`);
    url.searchParams.set('api-version', API_VERSION);
    return url;
  };
  const query = () => ({ signal: AbortSignal.timeout(CALL_MS), bytesLimit: PAGE_BYTES, credential });

  return {
    listUsages: (subscriptionId, region) =>
      getPages(
        locationUrl(subscriptionId, region, 'usages'),
        { ...query(), who: 'the list of usages', pagesLimit: PAGES_LIMIT },
        readUsages,
      ),
    async listSizePrices(region) {
      const subscription = Object.values(config.workspaces)[0]?.subscriptionId;
      if (subscription === undefined) throw new JsonFault('the settings name no workspace to ask through');
      const url = locationUrl(subscription, region, 'vmSizes');
      const fetch = async () => readSizes(await getJson(url, { ...query(), who: 'the list of sizes' }));
      return (await keptSizes.read(region, fetch)).value;
    },
  };
}

function readUsages(json: unknown): Page<FamilyUsage> {
  const page = json as { value?: unknown; nextLink?: unknown } | null;
  if (!Array.isArray(page?.value)) throw new JsonFault('the answer is not a list of usages');
  return { items: page.value.flatMap(readUsage), nextLink: page.nextLink };
}

/**
 * A row of the subscription's quota, normally that of one family. The list also counts the same cores by workspace and
 * by cluster (`.../workspaces/usages`, `.../workspace/computes/usages`), which are left out; rows of low-priority cores
 * have names of their own ("... LowPriority vCPUs") and match no family.
 */
function readUsage(row: unknown): FamilyUsage[] {
  const { type, name, id, currentValue, limit } = (row ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof type === 'string' && /\/workspaces?\//i.test(type)) return [];
  if (typeof currentValue !== 'number' || typeof limit !== 'number') return [];
  const { value, localizedValue } = (name ?? {}) as { value?: unknown; localizedValue?: unknown };
  const lastOfId = typeof id === 'string' ? decodeName(id.split('/').at(-1) ?? '') : '';
  const names = [value, localizedValue, lastOfId].filter((one) => typeof one === 'string' && one !== '');
  return [{ names: names.map(String), used: currentValue, limit }];
}

function decodeName(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function readSizes(json: unknown): SizePrices[] {
  const list = (json as { value?: unknown } | null)?.value;
  if (!Array.isArray(list)) throw new JsonFault('the answer is not a list of sizes');
  return list.flatMap(readSize);
}

function readSize(row: unknown): SizePrices[] {
  const { name, estimatedVMPrices } = (row ?? {}) as Readonly<Record<string, unknown>>;
  const { billingCurrency, unitOfMeasure, values } = (estimatedVMPrices ?? {}) as Readonly<
    Record<string, unknown>
  >;
  if (typeof name !== 'string' || !Array.isArray(values)) return [];
  const prices = values.flatMap((value: unknown) => {
    const { retailPrice, osType, vmTier } = (value ?? {}) as Readonly<Record<string, unknown>>;
    return typeof retailPrice === 'number'
      ? [{ perUnit: retailPrice, os: String(osType), tier: String(vmTier) }]
      : [];
  });
  return [{ name, currency: String(billingCurrency), unit: String(unitOfMeasure), prices }];
}
