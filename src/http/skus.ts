/** `GET /api/skus?region=&workspace=`: the GPU sizes with the quota and the price of a region. */
import type { Fault } from '../core/failure.ts';
import { type PriceQuote, priceAgeSeconds } from '../core/renting/price.ts';
import { type QuotaAnswer, quotaVerdict } from '../core/renting/quota.ts';
import { SKUS, type Sku } from '../core/renting/sku.ts';
import { ControlPlaneError, type Services } from '../services.ts';
import { type ApiAnswer, type ApiCall, answerJson } from './answer.ts';
import { inTurns } from './in-turns.ts';
import { invalidInput, Problem } from './problem.ts';
import { readQuery } from './query.ts';
import { isoTime } from './run-view.ts';

/** The price list is asked once for each size; so many questions at a time are far below what it throttles. */
const PRICES_AT_ONCE = 7;
const NO_WORKSPACE = 'The settings name no workspace, and quota belongs to the subscription of one.';

export async function listSkus({ request, services }: ApiCall): Promise<ApiAnswer> {
  const asked = readQuery(request, ['region', 'workspace']);
  const workspace = chooseWorkspace(services, asked.workspace);
  const region = await chooseRegion(services, asked.region, workspace);
  const [quota, priced] = await Promise.all([
    readQuota(services, workspace, region),
    inTurns(SKUS, PRICES_AT_ONCE, async (sku) => ({
      sku,
      quote: await services.prices.quote(sku.name, region),
    })),
  ]);
  const nowMs = services.now();
  const skus = priced.map(({ sku, quote }) => viewSku(sku, quota, quote, nowMs));
  return answerJson(200, { region, workspace, quota: viewQuotaState(quota, nowMs), skus });
}

async function readQuota(services: Services, workspace: string | null, region: string): Promise<QuotaAnswer> {
  return workspace === null
    ? { usages: null, reason: NO_WORKSPACE, askedAtMs: services.now() }
    : services.quota.read(workspace, region);
}

/** The one that is named, else "default" as in a spec, else the first of the settings; null where they name none. */
function chooseWorkspace(services: Services, asked: string | undefined): string | null {
  const known = services.settings.workspaces;
  if (asked !== undefined && !known.includes(asked)) {
    const message = `"${asked}" is not a workspace of this installation (known: ${known.join(', ') || 'none'})`;
    throw invalidInput([{ path: 'workspace', message }]);
  }
  return asked ?? (known.includes('default') ? 'default' : (known[0] ?? null));
}

async function chooseRegion(
  services: Services,
  asked: string | undefined,
  workspace: string | null,
): Promise<string> {
  if (asked !== undefined) {
    // ARM writes both "eastus2" and "East US 2".
    const region = asked.toLowerCase().replaceAll(' ', '');
    if (!/^[a-z][a-z0-9]{1,39}$/.test(region))
      throw invalidInput([regionFault('must be a region such as eastus2')]);
    return region;
  }
  if (workspace === null) throw invalidInput([regionFault('is missing; name one such as eastus2')]);
  try {
    return await services.controlPlane.readRegion(workspace);
  } catch (error) {
    if (!(error instanceof ControlPlaneError)) throw error;
    throw new Problem(502, 'Region not readable', `${error.message} Name a region, as in ?region=eastus2.`);
  }
}

function regionFault(message: string): Fault {
  return { path: 'region', message };
}

function viewQuotaState({ reason, askedAtMs }: Omit<QuotaAnswer, 'usages'>, nowMs: number) {
  const ageSeconds = Math.max(0, Math.floor((nowMs - askedAtMs) / 1_000));
  return { known: reason === null, reason, askedAt: isoTime(askedAtMs), ageSeconds };
}

function viewSku(sku: Sku, answer: QuotaAnswer, { price, reason }: PriceQuote, nowMs: number) {
  const quota = quotaVerdict({ sku: sku.name, instances: 1, endpoints: 1, answer });
  return {
    ...sku,
    quota: {
      usedCores: quota.usedCores,
      limitCores: quota.limitCores,
      neededCoresForOneInstance: quota.neededCores,
      verdict: quota.verdict,
      reason: quota.reason,
    },
    price:
      price === null
        ? { perHourUsd: null, reason }
        : {
            perHourUsd: price.perHourUsd,
            since: price.since,
            source: price.source,
            askedAt: price.askedAt ?? null,
            ageSeconds: priceAgeSeconds(price, nowMs),
            oneYearPerHourUsd: price.reserved?.oneYearPerHourUsd ?? null,
            threeYearsPerHourUsd: price.reserved?.threeYearsPerHourUsd ?? null,
          },
  };
}
