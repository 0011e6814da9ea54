/**
 * When measuring must end for the sake of money. The plan's deadline holds at the price that was planned; where Azure ML
 * runs something else than was asked for, the same money is gone sooner.
 */
import { accruedUsd, endpointsOfRun, type RunRecord } from '../run.ts';
import { STAGE_MINUTES } from '../spec/plan.ts';

type Spending = Pick<RunRecord, 'billing' | 'endpoint' | 'endpoints' | 'plan'>;

/**
 * Epoch milliseconds; null where what runs is what was planned, or no price is known.
 * Formula: now + (bound - accrued - release at the real price) / real price.
 */
export function moneyDeadlineMs(run: Spending, nowMs: number): number | null {
  if (!endpointsOfRun(run).some(({ mismatch }) => (mismatch ?? null) !== null)) return null;
  const { boundUsd } = run.plan;
  const spentUsd = accruedUsd(run.billing, nowMs);
  if (boundUsd === null || spentUsd === null) return null;
  const hourlyUsd = [...(run.billing.earlier ?? []), run.billing]
    .filter(({ fromMs, untilMs }) => fromMs !== null && untilMs === null)
    .reduce((sum, { pricePerHourUsd, instances }) => sum + (pricePerHourUsd ?? 0) * instances, 0);
  if (hourlyUsd === 0) return null;
  const leftUsd = boundUsd - spentUsd - (hourlyUsd * STAGE_MINUTES.release) / 60;
  return nowMs + (Math.max(0, leftUsd) / hourlyUsd) * 3_600_000;
}
