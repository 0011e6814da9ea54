/**
 * From which load on a rented SKU is cheaper than paying by the token: its hour costs the same however little is asked
 * of it, so the break-even is `dollars per hour / dollars per output token`, prompts included in the latter. Pure.
 */
import { usdPerRequestByToken } from '../report/demand.ts';
import type { ReportRow } from '../report/report.ts';
import { distinctWorkloads, sameWorkload, type Workload, workloadId } from '../spec/workload.ts';

export interface BreakEven {
  readonly workload: Workload;
  readonly serverless: string;
  readonly rented: string;
  /** Output tokens per hour from which the rented deployment is cheaper. */
  readonly tokensPerHour: number;
  /** What the rented deployment carries per hour at its best level; above it more instances are needed. */
  readonly capacityPerHour: number;
  readonly reachable: boolean;
  readonly sentence: string;
}

export interface PricedTarget {
  readonly label: string;
  /** Rows that may be built on. */
  readonly rows: readonly ReportRow[];
  readonly hourlyUsd: number | null;
  readonly tokenPrices: { readonly input: number; readonly output: number } | null;
}

/** One for each workload that a target paid by the token and a rented one both measured. */
export function breakEvens(targets: readonly PricedTarget[]): BreakEven[] {
  const byToken = targets.flatMap((target) =>
    target.tokenPrices === null ? [] : [{ ...target, tokenPrices: target.tokenPrices }],
  );
  return byToken.flatMap((serverless) =>
    targets.flatMap((rented) => {
      if (rented.hourlyUsd === null || rented.tokenPrices !== null) return [];
      const workloads = distinctWorkloads(serverless.rows.map((row) => row.workload));
      return workloads.flatMap(
        (workload) => breakEven(workload, serverless, { ...rented, hourlyUsd: rented.hourlyUsd ?? 0 }) ?? [],
      );
    }),
  );
}

function breakEven(
  workload: Workload,
  serverless: PricedTarget & { readonly tokenPrices: { readonly input: number; readonly output: number } },
  rented: PricedTarget & { readonly hourlyUsd: number },
): BreakEven | null {
  const of = ({ rows }: PricedTarget) => rows.filter((row) => sameWorkload(row.workload, workload));
  const request = usdPerRequestByToken(of(serverless), serverless.tokenPrices);
  const rates = of(rented).map(
    (row) => (row.slo === null ? row.outputTokensPerSecond : row.goodputTokensPerSecond) ?? 0,
  );
  const capacityPerHour = Math.max(0, ...rates) * 3600;
  if (request === null || request.usd <= 0 || capacityPerHour === 0) return null;
  const tokensPerHour = rented.hourlyUsd / (request.usd / request.outputTokens);
  const reachable = tokensPerHour <= capacityPerHour;
  const load = `${digits(tokensPerHour)} output tokens an hour`;
  return {
    workload,
    serverless: serverless.label,
    rented: rented.label,
    tokensPerHour,
    capacityPerHour,
    reachable,
    sentence: reachable
      ? `${workloadId(workload)}: from ${load} on (${Math.round((tokensPerHour / capacityPerHour) * 100)} % of what it carries), "${rented.label}" is cheaper than "${serverless.label}" by the token.`
      : `${workloadId(workload)}: "${serverless.label}" by the token is cheaper than "${rented.label}" at any load: the break-even of ${load} lies above the ${digits(capacityPerHour)} that it carries.`,
  };
}

function digits(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}
