/** What a plan needs to know of the world: the catalog's word on the model, the quota and the price. */

import { distinctFaults, type Fault, messageOf } from '../core/failure.ts';
import { type CatalogModel, feeReason, modelFaults, modelWarnings } from '../core/renting/catalog.ts';
import type { PriceQuote } from '../core/renting/price.ts';
import { quotaVerdict } from '../core/renting/quota.ts';
import type { PlanFacts, PlanQuota } from '../core/spec/plan.ts';
import type { BenchmarkSpec, ManagedSpec } from '../core/spec/spec.ts';
import { CatalogError, type Services } from '../services.ts';

export interface Facts extends PlanFacts {
  /** The version that a `latest` of the spec means now; null where none was asked for. */
  readonly resolvedVersion: string | null;
  readonly faults: readonly Fault[];
}

export async function gatherFacts(services: Services, spec: BenchmarkSpec): Promise<Facts> {
  if (!isManaged(spec)) {
    const quota: PlanQuota = { verdict: 'not-needed', reason: 'Nothing is deployed.' };
    const price = await quotePrice(services, spec, null);
    return { price, quota, model: null, warnings: [], resolvedVersion: null, faults: [] };
  }
  const { model, warnings, faults, resolvedVersion } = await askCatalog(services, spec);
  const [quota, price] = await Promise.all([readQuota(services, spec), quotePrice(services, spec, model)]);
  const { maxUsdPerRun } = services.settings.ceilings;
  return { price, quota, model, warnings, resolvedVersion, faults, maxUsdPerRun };
}

function isManaged(spec: BenchmarkSpec): spec is ManagedSpec {
  return spec.target.kind === 'managed';
}

/** A catalog that says no is believed; one that does not answer is told and does not stand in the way. */
async function askCatalog(
  services: Services,
  { model: asked, target }: ManagedSpec,
): Promise<Pick<Facts, 'model' | 'warnings' | 'faults' | 'resolvedVersion'>> {
  const isLatest = asked.version.toLowerCase() === 'latest';
  try {
    const { value: model } = await services.catalog.readModel(asked.registry, asked.name, asked.version);
    const nowMs = services.now();
    const paths = target.placements.map(({ sku }, index) => ({
      sku,
      path: target.placements.length > 1 ? `target.placements[${index}].sku` : 'target.sku',
    }));
    const faults = target.ignoreCatalog
      ? []
      : paths.flatMap(({ sku, path }) => modelFaults(model, sku, nowMs, path));
    const warnings = [
      ...(isLatest ? [`"latest" of ${asked.name} is version ${model.version}.`] : []),
      ...paths.flatMap(({ sku }) => modelWarnings(model, sku, nowMs)),
    ];
    return {
      model,
      warnings: [...new Set(warnings)],
      faults: distinctFaults(faults),
      resolvedVersion: isLatest ? model.version : null,
    };
  } catch (error) {
    if (!(error instanceof CatalogError)) throw error;
    const stands = error.code === 'not-found' && !target.ignoreCatalog;
    // Without an answer there is no version to deploy.
    const faults = stands || isLatest ? [{ path: 'model.version', message: error.message }] : [];
    const warnings = faults.length > 0 ? [] : [`The catalog was not checked: ${error.message}`];
    return { model: null, warnings, faults, resolvedVersion: null };
  }
}

/** Better first: what fits now, what will, what is not known, what never does. */
const VERDICTS: readonly PlanQuota['verdict'][] = ['fits', 'queue', 'unknown', 'refused'];

/** Of the placement that is likeliest to be had; the first of those that are alike. */
async function readQuota(services: Services, { target }: ManagedSpec): Promise<PlanQuota> {
  const verdicts = await Promise.all(
    target.placements.map(async ({ workspace, sku }): Promise<PlanQuota> => {
      try {
        const region = await services.controlPlane.readRegion(workspace);
        const answer = await services.quota.read(workspace, region);
        return quotaVerdict({ sku, instances: target.instances, endpoints: target.endpoints, answer });
      } catch (error) {
        return {
          verdict: 'unknown',
          reason: `The region of ${workspace} could not be read: ${messageOf(error)}`,
        };
      }
    }),
  );
  const [best] = verdicts.toSorted(
    (one, other) => VERDICTS.indexOf(one.verdict) - VERDICTS.indexOf(other.verdict),
  );
  return best ?? { verdict: 'unknown', reason: 'No placement is named.' };
}

/** The dearest of the placements, so that the bound holds wherever the run lands; there it takes the price of the place. */
async function quotePrice(
  services: Services,
  { target }: BenchmarkSpec,
  model: CatalogModel | null,
): Promise<PriceQuote> {
  if (target.pricePerHourUsd !== null) {
    return {
      price: { perHourUsd: target.pricePerHourUsd, region: 'any', since: 'given', source: 'spec' },
      reason: null,
    };
  }
  if (target.kind === 'existing')
    return {
      price: null,
      reason: 'An existing endpoint has the price that target.pricePerHourUsd gives it.',
    };
  const fee = model === null ? null : feeReason(model);
  if (fee !== null) return { price: null, reason: fee };
  if (target.sku === null) return { price: null, reason: 'The SKU of the endpoint is not known.' };
  const places =
    target.kind === 'managed' ? target.placements : [{ workspace: target.workspace, sku: target.sku }];
  try {
    const quotes = await Promise.all(
      places.map(async ({ workspace, sku }) =>
        services.prices.quote(sku, await services.controlPlane.readRegion(workspace)),
      ),
    );
    const dearest = quotes.toSorted((one, other) => hourly(other) - hourly(one))[0];
    return dearest ?? { price: null, reason: 'No placement is named.' };
  } catch (error) {
    return {
      price: null,
      reason: `The region of the workspace could not be read, and prices differ by region: ${messageOf(error)}`,
    };
  }
}

/** A price that is not known may be any. */
function hourly({ price }: PriceQuote): number {
  return price?.perHourUsd ?? Number.POSITIVE_INFINITY;
}
