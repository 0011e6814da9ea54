/** Quota of GPU cores, per subscription and region: the limits in force and what is in use. */
import { FAMILY_IN_LIST, findSku, QUOTA_FAMILIES, SKUS } from './skus.ts';

/** Cores per family; enough for a comparison of several sizes at once, and small enough to run into. */
const LIMIT_BY_FAMILY: Readonly<Record<string, number>> = {
  [QUOTA_FAMILIES.ncA100]: 200,
  [QUOTA_FAMILIES.ncH100]: 200,
  [QUOTA_FAMILIES.ndA100]: 192,
  [QUOTA_FAMILIES.ndA100m]: 192,
  [QUOTA_FAMILIES.ndH100]: 192,
  [QUOTA_FAMILIES.ndV100]: 40,
  [QUOTA_FAMILIES.ncT4]: 128,
  [QUOTA_FAMILIES.nvA10]: 144,
  [QUOTA_FAMILIES.ncV100]: 0,
};
/** The service's documented default for all of a region together. */
const REGION_LIMIT = 500;
/** What stands for "no limit" in the service's answers. */
const UNLIMITED = -1;

/** Families whose rows show the list's spelling; the others come without blanks, as they were seen in a real answer. */
const SHOWN_AS_IN_LIST: readonly string[] = [QUOTA_FAMILIES.ndA100, QUOTA_FAMILIES.ndA100m];

interface Rented {
  readonly instanceType: string;
  readonly instances: number;
}

/** The limit of a family in a region: cores, -1 for none, or null where the answer leaves the family out. */
export type QuotaLimits = (region: string, family: string) => number | null;

/**
 * The default limits with these in their places, by family or by `region/family`; blanks, underscores and capitals
 * do not matter. Throws where a family is not known or a limit is no whole number from -1 on.
 */
export function quotaLimits(changed: Readonly<Record<string, number | null>> = {}): QuotaLimits {
  const limits = new Map<string, number | null>();
  const known = new Set(Object.keys(LIMIT_BY_FAMILY).map(normalize));
  for (const [name, limit] of Object.entries(changed)) {
    const family = name.slice(name.indexOf('/') + 1);
    if (!known.has(normalize(family)))
      throw new RangeError(`quota names '${name}', which is no family here.`);
    if (limit !== null && !(Number.isInteger(limit) && limit >= UNLIMITED))
      throw new RangeError(`The quota of '${name}' is ${limit}; it must be a whole number, -1 or null.`);
    limits.set(normalize(name), limit);
  }
  return (region, family) => {
    for (const key of [`${region}/${family}`, family].map(normalize)) {
      const limit = limits.get(key);
      if (limit !== undefined) return limit;
    }
    return LIMIT_BY_FAMILY[family] ?? 0;
  };
}

/** A sentence when this does not fit beside what is rented, or undefined. */
export function explainMissingQuota(
  limits: QuotaLimits,
  region: string,
  rented: readonly Rented[],
  wanted: Rented,
): string | undefined {
  const family = findSku(wanted.instanceType)?.quotaFamily ?? '';
  const limit = limits(region, family);
  const used = coresUsed(rented, family);
  const needed = coresNeeded(wanted);
  if (limit === null || limit === UNLIMITED || used + needed <= limit) return undefined;
  return `Not enough quota: ${wanted.instances} x ${wanted.instanceType} needs ${needed} cores of ${family}; ${used} of ${limit} are in use.`;
}

/** The answer of a location's `usages`. */
export function listUsages(
  limits: QuotaLimits,
  subscription: string,
  region: string,
  rented: readonly Rented[],
) {
  const row = (name: string, used: number, limit: number, localized = '', type = 'vmFamily/usages') => ({
    id: `/subscriptions/${subscription}/providers/Microsoft.MachineLearningServices/locations/${region}/usages/${name.replaceAll(' ', '')}`,
    type: `Microsoft.MachineLearningServices/${type}`,
    unit: 'Count',
    currentValue: used,
    limit,
    name: { value: name, localizedValue: localized },
    amlWorkspaceLocation: region,
  });
  const families = [...new Set(SKUS.map((sku) => sku.quotaFamily))].flatMap((family) => {
    const limit = limits(region, family);
    if (limit === null) return [];
    const shown = SHOWN_AS_IN_LIST.includes(family) ? (FAMILY_IN_LIST[family] ?? family) : family;
    return [row(shown, coresUsed(rented, family), limit)];
  });
  const allCores = rented.reduce((sum, entry) => sum + coresNeeded(entry), 0);
  return {
    value: [
      row('Clusters', 0, 200, 'Clusters', 'usages'),
      row(
        'TotalDedicatedCores',
        allCores,
        REGION_LIMIT,
        'Total Cluster Dedicated Regional vCPUs',
        'totalCores/usages',
      ),
      row(
        'TotalLowPriorityCores',
        0,
        UNLIMITED,
        'Total Cluster LowPriority Regional vCPUs',
        'totalCores/usages',
      ),
      ...families,
    ],
  };
}

/** Cores that count against the quota: a fifth more instances, rounded up, for sizes that reserve them. */
function coresNeeded({ instanceType, instances }: Rented): number {
  const sku = findSku(instanceType);
  if (sku === undefined) return 0;
  // In tenths, because 1.2 x 5 is above 6 in floating point.
  return (sku.reservesFifth ? Math.ceil((instances * 12) / 10) : instances) * sku.vcpus;
}

function coresUsed(rented: readonly Rented[], family: string): number {
  return rented
    .filter((entry) => findSku(entry.instanceType)?.quotaFamily === family)
    .reduce((sum, entry) => sum + coresNeeded(entry), 0);
}

function normalize(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_]/g, '');
}
