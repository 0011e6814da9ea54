/** The queue, by the real step on real tables and the simulator's quota of 200 cores: eight NC24 and no more. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CANCELED } from '../../src/activities/run-step.ts';
import { createSteps } from '../../src/activities/steps.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { aSpec } from '../support/builders.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;

beforeAll(async () => {
  real = await openRealServices({ MAX_GPUS_ALIVE: '12', MAX_USD_PER_DAY: '2000' });
});

afterAll(async () => {
  await real.close();
});

const steps = () => createSteps(real.services);
const aRunOf = (target: object = {}) =>
  real.aStoredRun({
    spec: aSpec({ target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4', ...target } }),
  });
const read = async (id: string) => (await real.services.stores.runs.read(id)) as RunRecord;
const finish = (runId: string) => steps().finishRun({ runId, ending: CANCELED });

describe('fifty runs at once', () => {
  it('are eight that may rent and forty-two that wait, each with the reason in its row', async () => {
    const runs: RunRecord[] = [];
    for (let index = 0; index < 50; index += 1) runs.push(await aRunOf());
    const answers = await Promise.all(runs.map(({ id }) => steps().admitRun({ runId: id })));
    const of = (state: string) => runs.filter((_, index) => answers[index]?.state === state);
    expect(of('admitted')).toHaveLength(8);
    expect(of('queued')).toHaveLength(42);
    for (const { id } of of('queued')) {
      expect(await read(id)).toMatchObject({
        state: 'queued',
        queuedBecause: expect.stringMatching(/needs 24 cores, and 192 of 200 are taken\.$|waited for/),
      });
    }
    expect(await real.alive()).toEqual([]);

    // Who asks again is answered the same; what one gives back, the one that has waited longest takes.
    const [first] = of('admitted');
    const waiting = of('queued');
    expect((await steps().admitRun({ runId: first?.id ?? '' })).state).toBe('admitted');
    await finish(first?.id ?? '');
    const { entries } = await real.services.ledger.read();
    const oldest = entries
      .filter(({ state }) => state === 'waiting')
      .toSorted((one, other) => one.sinceMs - other.sinceMs)[0];
    expect((await steps().admitRun({ runId: oldest?.runId ?? '' })).state).toBe('admitted');
    expect((await read(oldest?.runId ?? '')).queuedBecause).toBeNull();

    // A canceled one leaves the queue without having been started.
    const canceled = waiting.find(({ id }) => id !== oldest?.runId)?.id ?? '';
    await real.services.stores.runs.change(canceled, () => ({ cancelRequestedAtMs: real.services.now() }));
    expect(await steps().admitRun({ runId: canceled })).toMatchObject({
      state: 'ended',
      ending: { state: 'canceled' },
    });
    for (const { id } of runs) await finish(id);
    expect((await real.services.ledger.read()).entries.filter(({ state }) => state !== 'spent')).toEqual([]);
  }, 60_000);
});

describe('a run that can never be let in', () => {
  it.each([
    [{ instances: 9 }, /needs 216 cores, and the quota is 200/],
    [
      { sku: 'Standard_ND96asr_v4', instances: 2 },
      /16 GPUs; this app may have 12 alive \(the setting MAX_GPUS_ALIVE\)/,
    ],
  ])('%j ends at once with the reason', async (target, reason) => {
    const { id } = await aRunOf(target);
    expect(await steps().admitRun({ runId: id })).toMatchObject({
      state: 'ended',
      ending: { state: 'failed', failure: { code: 'deploy-failed', message: expect.stringMatching(reason) } },
    });
  });
});

it('the app’s ceiling of GPUs lets a run wait whose quota would do', async () => {
  const a100 = await aRunOf({ instances: 7 });
  expect((await steps().admitRun({ runId: a100.id })).state).toBe('admitted');
  const h100 = await aRunOf({ sku: 'Standard_NC40ads_H100_v5', instances: 5 });
  expect((await steps().admitRun({ runId: h100.id })).state).toBe('admitted');
  const one = await aRunOf({ sku: 'Standard_NC40ads_H100_v5' });
  expect((await steps().admitRun({ runId: one.id })).state).toBe('queued');
  expect((await read(one.id)).queuedBecause).toContain('12 GPUs are alive or set aside');
  for (const { id } of [a100, h100, one]) await finish(id);
});

it('a run that deploys nothing is let in as it is', async () => {
  const spec = aSpec({
    target: { kind: 'existing', scoringUri: 'https://a.openai.azure.com/', auth: { kind: 'none' } },
  });
  const { id } = await real.aStoredRun({ spec });
  expect(await steps().admitRun({ runId: id })).toEqual({ state: 'admitted', placement: 0 });
  expect((await real.services.ledger.read()).entries.some(({ runId }) => runId === id)).toBe(false);
});
