/** What became of a target of a comparison: its runs with their rows. Pure. */
import type { CellRecord } from '../report/report.ts';
import type { RunRecord } from '../run.ts';
import type { BenchmarkSpec } from '../spec/spec.ts';

/** What became of a target, in the order of the comparison. */
export interface TargetOutcome {
  readonly label: string;
  /** The runs behind it, one or several deployments of the same; empty where none was started. */
  readonly runs: readonly TargetRun[];
  /** Why there is nothing, or not everything; null where all went well. */
  readonly failure: string | null;
}

export interface TargetRun {
  readonly run: RunRecord;
  readonly cells: readonly CellRecord[];
}

/** What one deployment of a target costs. */
export interface TargetPrice {
  readonly instances: number;
  /** Of one instance; null where unknown. */
  readonly pricePerHourUsd: number | null;
  /** Of all instances; null where unknown, and where tokens are paid for. */
  readonly hourlyUsd: number | null;
  readonly tokenPrices: { readonly input: number; readonly output: number } | null;
}

/** As its first run was billed; before there is one, only the spec can tell. */
export function priceOf({ target }: BenchmarkSpec, { runs }: TargetOutcome): TargetPrice {
  const billing = runs[0]?.run.billing;
  const instances = billing?.instances ?? target.instances ?? 1;
  const pricePerHourUsd = billing?.pricePerHourUsd ?? null;
  const tokenPrices = target.kind === 'existing' ? target.tokenPricesUsdPerMillion : null;
  const hourlyUsd = pricePerHourUsd === null || tokenPrices !== null ? null : pricePerHourUsd * instances;
  return { instances, pricePerHourUsd, hourlyUsd, tokenPrices };
}
