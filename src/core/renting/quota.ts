/**
 * Whether a deployment fits the quota of cores that Azure ML grants a subscription per VM family and region
 * (learn.microsoft.com, "Manage and increase quotas" and "Virtual machine quota allocation for deployment").
 */
import { findSku } from './sku.ts';

/** The quota of one family as Azure ML tells it. */
export interface FamilyUsage {
  /** Under how many names the answer knows the family; which of them is filled differs between subscriptions. */
  readonly names: readonly string[];
  /** Cores in use. */
  readonly used: number;
  /** Cores allowed; -1 for no limit. */
  readonly limit: number;
}

/** What is known of a subscription's quota in a region, or why nothing is. */
export type QuotaAnswer =
  | { readonly usages: readonly FamilyUsage[]; readonly reason: null; readonly askedAtMs: number }
  | { readonly usages: null; readonly reason: string; readonly askedAtMs: number };

export interface QuotaVerdict {
  /**
   * `fits`: there is room now. `queue`: it fits the limit, and what is in use now is in its way. `refused`: it is
   * more than the limit, so waiting does not help. `unknown`: nothing is known of the family.
   */
  readonly verdict: 'fits' | 'queue' | 'refused' | 'unknown';
  /** The family, as Azure ML spells it. */
  readonly family: string;
  readonly neededCores: number;
  /** Null where unknown. */
  readonly usedCores: number | null;
  /** Null where unknown or without a limit; the verdict tells which. */
  readonly limitCores: number | null;
  /** A sentence with the figures and, where it does not fit, what to do. */
  readonly reason: string;
}

export interface QuotaQuestion {
  readonly sku: string;
  readonly instances: number;
  /** Identical endpoints, each with a deployment of that many instances. */
  readonly endpoints: number;
  readonly answer: Pick<QuotaAnswer, 'usages' | 'reason'>;
}

/** The verdict on so many endpoints of so many instances. An unknown SKU or family is "unknown", never "fits". */
export function quotaVerdict({ sku: name, instances, endpoints, answer }: QuotaQuestion): QuotaVerdict {
  const sku = findSku(name);
  if (sku === undefined) {
    const reason = `The quota family of ${name} is not known here, so nothing can be said of its quota.`;
    return { verdict: 'unknown', family: '', neededCores: 0, usedCores: null, limitCores: null, reason };
  }
  const neededCores = endpoints * coresNeeded(name, instances);
  const family = sku.quotaFamily;
  const unknown = (reason: string): QuotaVerdict => ({
    verdict: 'unknown',
    family,
    neededCores,
    usedCores: null,
    limitCores: null,
    reason,
  });
  const wanted = describeNeed(name, instances, endpoints, neededCores);
  if (answer.usages === null)
    return unknown(`${wanted} of ${family}; whether they are free is unknown: ${answer.reason}`);
  const usage = findFamily(answer.usages, family);
  if (usage === null) {
    return unknown(
      `${wanted} of ${family}; Azure ML's answer does not name that family, so whether they are free is unknown.`,
    );
  }
  const usedCores = usage.used;
  if (usage.limit < 0) {
    const reason = `${wanted} of ${family}, which has no limit.`;
    return { verdict: 'fits', family, neededCores, usedCores, limitCores: null, reason };
  }
  const figures = { family, neededCores, usedCores, limitCores: usage.limit };
  const state = `${wanted} of ${family}; ${usedCores} of ${usage.limit} are in use`;
  if (neededCores > usage.limit) {
    return {
      verdict: 'refused',
      ...figures,
      reason: `${state}, so the limit itself is too small. Ask for more in the Azure ML studio (Quotas), or use fewer instances or another SKU.`,
    };
  }
  if (usedCores + neededCores > usage.limit) {
    return {
      verdict: 'queue',
      ...figures,
      reason: `${state}, so it must wait until ${usedCores + neededCores - usage.limit} of them are given back.`,
    };
  }
  return { verdict: 'fits', ...figures, reason: `${state}.` };
}

/**
 * Cores that one deployment counts for: all its instances, and for sizes that are not exempt a fifth more, rounded up
 * to whole instances, which Azure ML reserves for upgrades (nobody pays for them unless they are used).
 */
export function coresNeeded(name: string, instances: number): number {
  const sku = findSku(name);
  if (sku === undefined) return 0;
  // In whole numbers, so that no rounding of 1.2 can ever add an instance.
  return (sku.reservesFifth ? Math.ceil((instances * 12) / 10) : instances) * sku.vcpus;
}

/**
 * The usage of a family among all of them, by its name without spaces, underscores and capitals; null where the
 * answer has none. Of two rows of one family the one with less room counts.
 */
export function findFamily(usages: readonly FamilyUsage[], family: string): FamilyUsage | null {
  const wanted = normalise(family);
  const room = (usage: FamilyUsage) =>
    usage.limit < 0 ? Number.POSITIVE_INFINITY : usage.limit - usage.used;
  const found = usages
    .filter((usage) => usage.names.some((name) => normalise(name) === wanted))
    .toSorted((one, other) => (room(one) < room(other) ? -1 : 1));
  return found[0] ?? null;
}

/**
 * The names a family goes by differ in capitals, spaces and underscores, and some answers write "Standard NDASv4_A100
 * Family Cluster Dedicated vCPUs" for `standardNDASv4_A100Family`.
 */
function normalise(name: string): string {
  return name
    .toLowerCase()
    .replace(/[\s_-]/g, '')
    .replace(/(clusterdedicated)?vcpus$/, '');
}

function describeNeed(name: string, instances: number, endpoints: number, cores: number): string {
  const machines =
    endpoints === 1 ? `${instances} x ${name}` : `${endpoints} endpoints of ${instances} x ${name}`;
  const reserved = findSku(name)?.reservesFifth === true ? ', a fifth more instances reserved,' : '';
  return `${machines}${reserved} needs ${cores} cores`;
}
