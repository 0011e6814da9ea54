/** The quota of cores, as Azure ML tells it per subscription and region. What cannot be had is a reason, never a throw. */
import type { Config } from '../config.ts';
import type { QuotaAnswer } from '../core/renting/quota.ts';
import type { QuotaBook } from '../services.ts';
import { createAgedCache } from './aged-cache.ts';
import type { ArmLocations } from './arm-locations.ts';
import { reasonOf } from './http-json.ts';

/** Usages change with every deployment; a minute spares ARM a list for each of many plans in a row. */
const KEEP_MS = 60_000;
/** Fifty workspaces in a few regions. */
const KEEP_LIMIT = 200;

export function createQuotaBook(
  config: Pick<Config, 'workspaces'>,
  locations: Pick<ArmLocations, 'listUsages'>,
  now: () => number = Date.now,
): QuotaBook {
  const kept = createAgedCache<QuotaAnswer>({ keepMs: KEEP_MS, limit: KEEP_LIMIT, now });
  return {
    async read(workspace, region) {
      const address = Object.hasOwn(config.workspaces, workspace) ? config.workspaces[workspace] : undefined;
      const askedAtMs = now();
      if (address === undefined)
        return { usages: null, reason: `The settings know no workspace "${workspace}".`, askedAtMs };
      const { subscriptionId } = address;
      const ask = async (): Promise<QuotaAnswer> => {
        const usages = await locations.listUsages(subscriptionId, region);
        return { usages, reason: null, askedAtMs };
      };
      try {
        return (await kept.read(`${subscriptionId}\n${region}`, ask)).value;
      } catch (error) {
        const reason = `The quota of the subscription in ${region} could not be read: ${reasonOf(error, 'ARM')}.`;
        return { usages: null, reason, askedAtMs };
      }
    },
  };
}
