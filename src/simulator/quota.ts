/** Quota of GPU cores, per subscription and region: the default limits of this simulator and what is in use. */
import { findSku, QUOTA_FAMILIES, SKUS } from './skus.ts';

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

interface Rented {
  readonly instanceType: string;
  readonly instances: number;
}

/** Cores that count against the quota: a fifth more instances, rounded up, for sizes that reserve them. */
function coresNeeded({ instanceType, instances }: Rented): number {
  const sku = findSku(instanceType);
  if (sku === undefined) return 0;
  // In tenths, because 1.2 x 5 is above 6 in floating point.
  return (sku.reservesFifth ? Math.ceil((instances * 12) / 10) : instances) * sku.vcpus;
}

/** A sentence when this does not fit beside what is rented, or undefined. */
export function explainMissingQuota(rented: readonly Rented[], wanted: Rented): string | undefined {
  const family = findSku(wanted.instanceType)?.quotaFamily ?? '';
  const limit = LIMIT_BY_FAMILY[family] ?? 0;
  const used = coresUsed(rented, family);
  const needed = coresNeeded(wanted);
  if (used + needed <= limit) return undefined;
  return `Not enough quota: ${wanted.instances} x ${wanted.instanceType} needs ${needed} cores of ${family}; ${used} of ${limit} are in use.`;
}

/** The answer of a location's `usages`. */
export function listUsages(subscription: string, location: string, rented: readonly Rented[]) {
  const rows = [...new Set(SKUS.map((sku) => sku.quotaFamily))].map((family) =>
    usage(subscription, location, family, coresUsed(rented, family), LIMIT_BY_FAMILY[family] ?? 0),
  );
  const allCores = rented.reduce((sum, entry) => sum + coresNeeded(entry), 0);
  return {
    value: [
      usage(
        subscription,
        location,
        'TotalDedicatedCores',
        allCores,
        REGION_LIMIT,
        'Total Cluster Dedicated Regional vCPUs',
      ),
      ...rows,
    ],
  };
}

function coresUsed(rented: readonly Rented[], family: string): number {
  return rented
    .filter((entry) => findSku(entry.instanceType)?.quotaFamily === family)
    .reduce((sum, entry) => sum + coresNeeded(entry), 0);
}

function usage(
  subscription: string,
  location: string,
  name: string,
  currentValue: number,
  limit: number,
  localizedValue = '',
) {
  return {
    id: `/subscriptions/${subscription}/providers/Microsoft.MachineLearningServices/locations/${location}/usages/${name}`,
    type: 'Microsoft.MachineLearningServices/vmFamily/usages',
    unit: 'Count',
    currentValue,
    limit,
    name: { value: name, localizedValue },
    amlWorkspaceLocation: location,
  };
}
