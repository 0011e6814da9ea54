/**
 * How much deployments differ, as the comparisons before this one showed it: a target that was deployed again, or on
 * several endpoints, is as many draws of one SKU. Read at the start, so that what is decided while a comparison lasts
 * and what its report says rest on the same figure.
 */
import type { Comparison } from '../core/comparison/comparison.ts';
import { type ComparisonRecord, startedRunIds } from '../core/comparison/comparison-record.ts';
import { spreadOf } from '../core/comparison/deployment-spread.ts';
import type { SpreadHistory } from '../core/comparison/pair-test.ts';
import { type MeasuredTarget, ratesOf } from '../core/schedule/schedule-check.ts';
import type { BenchmarkSpec } from '../core/spec/spec.ts';
import type { Services } from '../services.ts';

/** The newest that came to an end; what is older was measured on another generation of images and drivers. */
const COMPARISONS_LOOKED_AT = 50;
/** Each is up to a thousand rows. With twenty draws the spread is known to within a third. */
const MOST_RUNS = 20;
/**
 * A spread known from fewer draws makes every interval so wide (twelve times its standard error with one degree of
 * freedom) that what the deployments at hand show by themselves says more.
 */
const LEAST_DEGREES_OF_FREEDOM = 4;

/** Null where earlier comparisons have not deployed the targets often enough. */
export async function readKnownSpread(
  services: Services,
  record: Pick<ComparisonRecord, 'id' | 'comparison'>,
): Promise<SpreadHistory | null> {
  const machines = machinesOf(record.comparison);
  if (machines.size === 0) return null;
  const { comparisons } = await services.stores.comparisons.list({
    state: 'completed',
    limit: COMPARISONS_LOOKED_AT,
  });
  const runIds = comparisons
    .filter(({ id }) => id !== record.id)
    .flatMap((one) =>
      startedRunIds(one).filter((_, target) => machines.has(machineOf(one.comparison.targets[target]?.spec))),
    )
    .filter((id) => id !== null)
    .slice(0, MOST_RUNS);
  const measured: Pick<MeasuredTarget, 'sameAs' | 'deployments'>[] = [];
  // One after the other: a thousand rows of one run are enough at a time.
  for (const id of runIds) measured.push(...(await readDraws(services, id)));
  const spread = spreadOf(measured);
  return spread === null || spread.degreesOfFreedom < LEAST_DEGREES_OF_FREEDOM ? null : spread;
}

/** What a run of an earlier comparison measured on what measures now; nothing of a run that did not come to its end. */
async function readDraws(
  { stores, settings: { simulatorGpuSpeed } }: Services,
  runId: string,
): Promise<Pick<MeasuredTarget, 'sameAs' | 'deployments'>[]> {
  const run = await stores.runs.read(runId);
  if (run?.state !== 'completed') return [];
  const cells = (await stores.cells.list(runId)).filter(
    ({ provenance }) =>
      provenance.simulated === (simulatorGpuSpeed !== null) &&
      provenance.simulatorGpuSpeed === simulatorGpuSpeed,
  );
  return [ratesOf(run.spec, cells)];
}

function machinesOf({ targets }: Comparison): ReadonlySet<string> {
  return new Set(targets.map(({ spec }) => machineOf(spec)).filter((machine) => machine !== ''));
}

/** The model on its machine; empty for what is not deployed, since it would be the same deployment again. */
function machineOf(spec: BenchmarkSpec | undefined): string {
  if (spec?.target.kind !== 'managed') return '';
  const { model, target } = spec;
  return JSON.stringify([model?.registry, model?.name, target.sku, target.instances]);
}
