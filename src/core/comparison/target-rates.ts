/** A target's rates by deployment, cell and repeat, from its rows alone: what verdicts, races and histories are made of. */
import { judgeSummary } from '../measuring/client-verdict.ts';
import type { CellSummary } from '../measuring/summary.ts';
import type { CellRecord } from '../report/report.ts';
import type { DeploymentRates } from './pair-test.ts';

/** `goodput`: output that kept the objectives. `throughput`: all output, in the family's unit. */
export type RateMetric = 'goodput' | 'throughput';

/**
 * Whether a repeat may be built on: it was measured, no work of the measurement before was left over, and the client
 * was not the limit.
 */
export function isSound(cell: CellRecord): cell is CellRecord & { readonly summary: CellSummary } {
  return cell.summary !== null && !cell.contaminated && judgeSummary(cell.summary, cell.loop).valid !== false;
}

/**
 * Output per second of one repeat: 0 where nothing succeeded, since that is what the repeat carried; null where it
 * cannot be told, such as a goodput whose clause has no metric.
 */
export function rateOf(summary: CellSummary, metric: RateMetric): number | null {
  if (summary.succeeded === 0) return 0;
  return metric === 'goodput' ? summary.rates.goodputTokensPerSecond : summary.rates.outputUnitsPerSecond;
}

/** One entry a deployment, in the order of their names; repeats in theirs. Repeats that are not sound are left out. */
export function deploymentRates(cells: readonly CellRecord[], metric: RateMetric): DeploymentRates[] {
  const deployments = new Map<string, Map<string, number[]>>();
  const ordered = cells.toSorted(
    (one, other) => one.cellKey.localeCompare(other.cellKey) || one.runId.localeCompare(other.runId),
  );
  for (const cell of ordered) {
    const rate = isSound(cell) ? rateOf(cell.summary, metric) : null;
    if (rate === null) continue;
    const name = deploymentOf(cell);
    const rates = deployments.get(name) ?? new Map<string, number[]>();
    rates.set(cell.cellId, [...(rates.get(cell.cellId) ?? []), rate]);
    deployments.set(name, rates);
  }
  return [...deployments]
    .map(([deployment, rates]) => ({ deployment, cells: Object.fromEntries(rates) }))
    .sort((one, other) => one.deployment.localeCompare(other.deployment));
}

/** The endpoint; a scoring URI of the user's own is one deployment a run. */
export function deploymentOf({ provenance, runId }: Pick<CellRecord, 'provenance' | 'runId'>): string {
  return provenance.endpoint ?? runId;
}
