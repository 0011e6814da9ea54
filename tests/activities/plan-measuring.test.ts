/** What measuring is told of the app that it runs in: repeats go in a row only where that helps, and nobody is in the way. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSteps } from '../../src/activities/steps.ts';
import type { LedgerEntry } from '../../src/core/renting/ledger.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;

beforeAll(async () => {
  real = await openRealServices();
});

afterAll(async () => {
  await real.close();
});

it.each([
  { scalesOut: false, holding: 1, inARow: undefined },
  { scalesOut: true, holding: 0, inARow: 4 },
  { scalesOut: true, holding: 1, inARow: 4 },
  { scalesOut: true, holding: 2, inARow: 2 },
  { scalesOut: true, holding: 5, inARow: 1 },
])('puts $inARow in a row where $holding runs rent and scaling out is $scalesOut', async (given) => {
  const { services } = real;
  const { id: runId } = await real.aStoredRun();
  await services.ledger.change(() => ({
    entries: [
      ...Array.from({ length: given.holding }, (_, index) => anEntry(`r-holding-${index}`, 'holding')),
      anEntry('r-waiting', 'waiting'),
      anEntry('r-spent', 'spent'),
    ],
  }));
  const settings = { ...services.settings, scalesOut: given.scalesOut };
  const steps = createSteps({ ...services, settings });
  const plan = await steps.planMeasuring({ runId, measureDeadlineMs: services.now() + 3_600_000 });
  expect(plan.inARow).toBe(given.inARow);
});

function anEntry(runId: string, state: LedgerEntry['state']): LedgerEntry {
  const nowMs = real.services.now();
  return {
    runId,
    state,
    sinceMs: nowMs,
    askedAtMs: nowMs,
    pool: null,
    cores: 0,
    gpus: 1,
    usd: 1,
    deployedAtMs: null,
    untilMs: nowMs + 3_600_000,
  };
}
