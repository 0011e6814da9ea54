/** What bounds a run whose endpoint may go to several places, be waited for, or be kept: the bound has all of it. */
import { describe, expect, it } from 'vitest';
import { planRun, STAGE_MINUTES } from '../../../src/core/spec/plan.ts';
import { aSpec, someFacts } from '../../support/builders.ts';

const sku = 'Standard_NC24ads_A100_v4';
/** Little to measure and much to spend, so that the worst case is the bound. */
const plan = (target: object, limits: object = { maxMinutes: 1_440, maxUsd: 10_000 }, facts: object = {}) => {
  const spec = aSpec({
    target: { kind: 'managed', sku, ...target },
    workloads: [{ promptTokens: 8, outputTokens: 8 }],
    concurrency: { levels: [1] },
    measure: { mode: 'steady', repeats: 1, minRequests: 1 },
    limits,
  });
  const planned = planRun(spec, someFacts(facts));
  return planned.ok ? planned.value : planned.faults;
};
const minutes = (target: object) => (plan(target) as { boundMinutes: number }).boundMinutes;
const DEPLOY = STAGE_MINUTES.endpoint + STAGE_MINUTES.deployment + STAGE_MINUTES.traffic;

describe('the bound', () => {
  it('holds a deployment and its deletion for each further placement', () => {
    expect(minutes({ placements: ['a', 'b', 'c'] }) - minutes({})).toBeCloseTo(
      2 * (DEPLOY + STAGE_MINUTES.release),
    );
  });

  it('holds the wait for capacity and the round that begins in its last minute', () => {
    expect(minutes({ waitForCapacityMinutes: 30 }) - minutes({})).toBeCloseTo(
      30 + DEPLOY + STAGE_MINUTES.release,
    );
  });

  it('holds the minutes for which the endpoint is kept', () => {
    expect(minutes({ keepMinutes: 60 }) - minutes({})).toBeCloseTo(60);
  });

  it('keeps the kept minutes within the limits, and measures for less', () => {
    const limits = { maxMinutes: 240, maxUsd: null };
    const [kept, not] = [plan({ keepMinutes: 60 }, limits), plan({}, limits)] as { measureMinutes: number }[];
    expect((not?.measureMinutes ?? 0) - (kept?.measureMinutes ?? 0)).toBe(60);
    expect(plan({ keepMinutes: 60 }, { maxMinutes: 61 })).toMatchObject([{ path: 'limits.maxMinutes' }]);
  });

  it('stays under the app’s own ceiling with its release', () => {
    const { boundUsd } = plan({}, { maxMinutes: 1_440, maxUsd: null }, { maxUsdPerRun: 3 }) as {
      boundUsd: number;
    };
    expect(boundUsd).toBeLessThanOrEqual(3.01);
    expect(plan({}, { maxUsd: 100 }, { maxUsdPerRun: 1 })).toMatchObject([{ path: 'limits.maxUsd' }]);
  });
});
