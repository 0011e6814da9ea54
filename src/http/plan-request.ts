/** From a request body to a spec and its plan, with everything checked that can be checked without creating anything. */
import type { Fault } from '../core/failure.ts';
import { type Plan, planRun } from '../core/plan.ts';
import type { PriceQuote } from '../core/price.ts';
import { type BenchmarkSpec, parseSpec } from '../core/spec.ts';
import type { Services } from '../services.ts';
import { invalidInput } from './problem.ts';

export async function planRequest(
  services: Services,
  body: unknown,
): Promise<{ spec: BenchmarkSpec; plan: Plan }> {
  const parsed = parseSpec(body);
  if (!parsed.ok) throw invalidInput(parsed.faults);
  const spec = parsed.value;
  const faults = await targetFaults(services, spec);
  if (faults.length > 0) throw invalidInput(faults);
  const planned = planRun(spec, await quotePrice(services, spec));
  if (!planned.ok) throw invalidInput(planned.faults);
  return { spec, plan: planned.value };
}

async function targetFaults(services: Services, { target }: BenchmarkSpec): Promise<Fault[]> {
  if (target.kind === 'managed') {
    if (services.settings.workspaces.includes(target.workspace)) return [];
    const known = services.settings.workspaces.join(', ') || 'none';
    return [
      {
        path: 'target.workspace',
        message: `"${target.workspace}" is not a workspace of this installation (known: ${known}); add it to the setting WORKSPACES`,
      },
    ];
  }
  const faults: Fault[] = [];
  const refusal = services.scoringAddresses.refuse(target.scoringUri);
  if (refusal !== null) faults.push({ path: 'target.scoringUri', message: refusal });
  if (target.auth.kind === 'setting') {
    const missing = await services.scoringAddresses.authorization(target.auth).then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (missing !== null) faults.push({ path: 'target.auth.name', message: missing });
  }
  return faults;
}

async function quotePrice(services: Services, { target }: BenchmarkSpec): Promise<PriceQuote> {
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
  try {
    return await services.prices.quote(target.sku, await services.controlPlane.readRegion(target.workspace));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      price: null,
      reason: `The region of the workspace could not be read, and prices differ by region: ${reason}`,
    };
  }
}
