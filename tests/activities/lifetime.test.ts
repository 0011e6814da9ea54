/** An endpoint from its lease to its end, by the steps themselves: what may run twice, what is undone. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSteps } from '../../src/activities/steps.ts';
import { endpointName, LEASE_TAGS } from '../../src/core/renting/lease.ts';
import type { RunRecord } from '../../src/core/run.ts';
import type { DeployProgress } from '../../src/orchestrations/steps.ts';
import type { Services } from '../../src/services.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;

beforeEach(async () => {
  real = await openRealServices();
});

afterEach(async () => {
  await real.close();
});

const stepsOf = () => createSteps(real.services);
const nameOf = (run: RunRecord) => endpointName('test', run.id, 1);
const readRun = async (run: RunRecord) => {
  const found = await real.services.stores.runs.read(run.id);
  if (found === null) throw new Error('The run is gone.');
  return found;
};

/** A run whose endpoint has been asked for, and nothing more. */
async function withEndpoint(): Promise<RunRecord> {
  const run = await real.aStoredRun();
  const steps = stepsOf();
  await steps.startRun({ runId: run.id });
  expect(await steps.deployEndpoint({ runId: run.id })).toEqual({ state: 'waiting' });
  return run;
}

async function untilReady(run: RunRecord, stage: 'endpoint' | 'deployment' | 'traffic'): Promise<void> {
  await eventually(async () => (await stepsOf().deployProgress({ runId: run.id, stage })).state === 'ready');
}

async function untilGone(run: RunRecord): Promise<void> {
  await eventually(async () => (await stepsOf().releaseProgress({ runId: run.id })).gone);
}

describe('deploying', () => {
  it('makes one endpoint however often its steps run, with its lease and tags, and bills from the deployment on', async () => {
    const run = await withEndpoint();
    const steps = stepsOf();
    await steps.deployEndpoint({ runId: run.id });
    await untilReady(run, 'endpoint');
    expect((await readRun(run)).billing.fromMs).toBeNull();
    await steps.deployModel({ runId: run.id });
    const { billing } = await readRun(run);
    await steps.deployModel({ runId: run.id });
    expect((await readRun(run)).billing.fromMs).toBe(billing.fromMs);
    await untilReady(run, 'deployment');
    await steps.deployTraffic({ runId: run.id });
    await untilReady(run, 'traffic');

    expect(await real.alive()).toEqual([nameOf(run)]);
    const state = await real.services.controlPlane.readEndpoint('default', nameOf(run));
    expect(state?.tags).toMatchObject({ [LEASE_TAGS.owner]: 'test', [LEASE_TAGS.run]: run.id });
    const { endpoint } = await readRun(run);
    expect(endpoint).toMatchObject({
      sku: 'Standard_NC24ads_A100_v4',
      instances: 1,
      region: 'eastus2',
      simulated: true,
    });

    expect(await steps.warmUp({ runId: run.id, attempt: 1 })).toEqual({ state: 'ready' });
    expect((await readRun(run)).warmUp).toMatchObject({
      calibrated: true,
      route: { api: 'openai-chat', stream: true },
    });

    await steps.releaseEndpoint({ runId: run.id });
    await untilGone(run);
    expect(await real.alive()).toEqual([]);
    expect((await readRun(run)).billing.untilMs).not.toBeNull();
    expect((await real.services.stores.leases.read(nameOf(run)))?.closedAtMs).not.toBeNull();
  });

  it('creates nothing under a lease that was closed, as a duplicate of a step that comes late would', async () => {
    const run = await withEndpoint();
    await stepsOf().releaseEndpoint({ runId: run.id });
    await untilGone(run);
    // The run's row as it was before the release: all that the late duplicate would see of it.
    await real.services.stores.runs.change(run.id, () => ({ state: 'provisioning' }));
    const late: DeployProgress = await stepsOf().deployEndpoint({ runId: run.id });
    expect(late).toMatchObject({ state: 'ended', ending: { failure: { code: 'lost-orchestration' } } });
    expect(await stepsOf().deployModel({ runId: run.id })).toMatchObject({ state: 'ended' });
    expect(await real.alive()).toEqual([]);
  });

  it('ends a run whose model does not exist with a sentence, and the release removes what was made for it', async () => {
    const run = await real.aStoredRun();
    await real.services.stores.runs.change(run.id, ({ spec }) => ({
      spec: {
        ...spec,
        model: { registry: 'AzureML', name: 'No-Such-Model', version: '1' },
      } as RunRecord['spec'],
    }));
    const steps = stepsOf();
    await steps.startRun({ runId: run.id });
    await steps.deployEndpoint({ runId: run.id });
    await untilReady(run, 'endpoint');
    let progress = await steps.deployModel({ runId: run.id });
    await eventually(async () => {
      if (progress.state !== 'ended')
        progress = await steps.deployProgress({ runId: run.id, stage: 'deployment' });
      return progress.state === 'ended';
    });
    expect(progress).toMatchObject({ ending: { state: 'failed', failure: { code: 'deploy-failed' } } });
    await steps.releaseEndpoint({ runId: run.id });
    await untilGone(run);
    expect(await real.alive()).toEqual([]);
  });

  it('stops at a cancel: the next step ends the run as canceled and starts nothing', async () => {
    const run = await withEndpoint();
    await real.services.stores.runs.change(run.id, () => ({ cancelRequestedAtMs: real.services.now() }));
    expect(await stepsOf().deployModel({ runId: run.id })).toMatchObject({
      state: 'ended',
      ending: { state: 'canceled' },
    });
    expect((await readRun(run)).billing.fromMs).toBeNull();
    await stepsOf().releaseEndpoint({ runId: run.id });
    await untilGone(run);
  });
});

describe('releasing', () => {
  it('keeps the lease open where the settings have come to mean another workspace by its name', async () => {
    const run = await withEndpoint();
    const elsewhere: Services = {
      ...real.services,
      settings: { ...real.services.settings, workspaceIdOf: () => '/subscriptions/other' },
      // As the other workspace would answer.
      controlPlane: { ...real.services.controlPlane, readEndpoint: async () => null },
    };
    const { gone } = await createSteps(elsewhere).releaseProgress({ runId: run.id });
    expect(gone).toBe(false);
    expect(await real.services.stores.leases.read(nameOf(run))).toMatchObject({
      closedAtMs: null,
      releaseError: expect.stringMatching(/was created in \/subscriptions\/.*no longer name "default"/),
    });
    await stepsOf().releaseEndpoint({ runId: run.id });
    await untilGone(run);
    expect(await real.alive()).toEqual([]);
  });
});
