/**
 * Deploying as Azure does it when it goes wrong: every fault of the simulator, by the real steps in the real order. Each
 * run ends in the right state with the right sentence, and the simulator's own books show nothing alive.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpointName } from '../../src/core/renting/lease.ts';
import { accruedUsd, type RunRecord } from '../../src/core/run.ts';
import { aSpec } from '../support/builders.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';
import { type PlayOptions, playRun } from '../support/scripted-run.ts';

const ZERO = '00000000-0000-0000-0000-000000000000';
const SKU = 'Standard_NC24ads_A100_v4';

let real: RealServices;

beforeAll(async () => {
  const workspace = (name: string) => ({ subscriptionId: ZERO, resourceGroup: 'local', workspace: name });
  real = await openRealServices({
    WORKSPACES: JSON.stringify({
      default: workspace('local'),
      europe: workspace('ws-westeurope'),
      full: workspace('ws-fault-deploy-outofcapacity'),
    }),
  });
});

afterAll(async () => {
  await real.close();
});

async function play(
  fault: string,
  { target = {}, ...options }: PlayOptions & { target?: object } = {},
): Promise<{ run: RunRecord; steps: readonly string[] }> {
  const spec = aSpec({
    model: { name: fault === '' ? 'Phi-4' : `Phi-4-fault-${fault}`, version: '7' },
    target: { kind: 'managed', sku: SKU, ...target },
  });
  const { id } = await real.aStoredRun({ spec });
  const { steps } = await playRun(real, id, options);
  const run = await read(id);
  return { run, steps };
}

async function read(id: string): Promise<RunRecord> {
  const run = await real.services.stores.runs.read(id);
  if (run === null) throw new Error('The run is gone.');
  return run;
}

/** Nothing alive in the books, no lease open, nothing held in the ledger. */
async function expectNothingLeft(): Promise<void> {
  expect(await real.alive()).toEqual([]);
  expect(await real.services.stores.leases.listOpen()).toEqual([]);
  const { entries } = await real.services.ledger.read();
  expect(entries.filter(({ state }) => state === 'holding')).toEqual([]);
}

const SENTENCES: readonly [fault: string, sentence: RegExp][] = [
  ['deploy-outofquota', /OutOfQuota \(.*ask for more in the Azure ML studio/],
  ['deploy-outofcapacity', /OutOfCapacity, told as OutOfQuota .*no free machines/],
  ['deploy-outofdisk', /OutOfDisk.*larger disk/],
  ['deploy-outofmemory', /OutOfMemory.*memory of this SKU/],
  ['deploy-outofroles', /OutOfRoleAssignments.*role assignments/],
  ['deploy-imagebuildfailure', /ImageBuildFailure.*build log/],
  ['deploy-imagepull', /BadArgument.*AcrPull/],
  ['deploy-badargument', /BadArgument.*its own words/],
  ['deploy-containercrash', /ResourceNotReady.*more GPU memory.*container's log: .*CUDA out of memory/s],
  ['deploy-resourcenotready', /ResourceNotReady.*probes.*Readiness probe on port 5001 failed/s],
  ['deploy-resourcenotfound', /ResourceNotFound.*registry, name and version/],
  ['deploy-networknotready', /WorkspaceManagedNetworkNotReady.*provision-network/],
  ['deploy-secretsinjectionerror', /SecretsInjectionError.*identity access/],
];

describe('a deployment that fails', () => {
  // Side by side, more of them than the quota holds: some wait in the queue until others are gone.
  const played = new Map<string, Awaited<ReturnType<typeof play>>>();
  beforeAll(async () => {
    await Promise.all(SENTENCES.map(async ([fault]) => played.set(fault, await play(fault))));
  }, 60_000);

  it.each(SENTENCES)('by %s ends the run with what to do', (fault, sentence) => {
    const { run, steps } = played.get(fault) ?? { run: null, steps: [] };
    expect(run).toMatchObject({ state: 'failed', failure: { code: 'deploy-failed' } });
    expect(run?.failure?.message).toMatch(sentence);
    expect(run?.failure?.message).toContain(endpointName('test', run?.id ?? '', 1));
    expect(steps).not.toContain('warmUp');
    // A deployment that failed may have had its machine.
    expect(run?.billing.fromMs).not.toBeNull();
    expect(run?.billing.untilMs).not.toBeNull();
  });

  it('leaves nothing, and no more were alive at once than the quota holds', async () => {
    await expectNothingLeft();
    const asked = [...played.values()].map(({ steps }) => steps.filter((step) => step === 'admitRun').length);
    expect(asked.filter((times) => times > 1).length).toBeGreaterThanOrEqual(SENTENCES.length - 8);
  });

  it('is tried again under another name where the fault is Azure’s own, and what both cost is counted', async () => {
    const { run } = await play('deploy-internalservererror.1');
    expect(run).toMatchObject({ state: 'completed', failure: null, tried: [{ attempt: 1 }] });
    expect(run.endpoint).toMatchObject({ name: endpointName('test', run.id, 2), attempt: 2 });
    expect(run.billing.earlier).toMatchObject([{ endpoint: endpointName('test', run.id, 1) }]);
    const both = accruedUsd(run.billing, real.services.now()) ?? 0;
    const second = accruedUsd({ ...run.billing, earlier: [] }, real.services.now()) ?? 0;
    expect(both).toBeGreaterThan(second);
    expect(second).toBeGreaterThan(0);
    await expectNothingLeft();
  });

  it('is given up after bad luck three times', async () => {
    const { run } = await play('deploy-operationcanceled');
    expect(run).toMatchObject({ state: 'failed', failure: { code: 'deploy-failed' } });
    expect(run.tried?.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(run.failure?.message).toContain('3 times');
    await expectNothingLeft();
  });

  it('and an endpoint that fails are told apart', async () => {
    const { run } = await play('', {
      before: async (step, call) => {
        if (step === 'deployEndpoint' && call === 1)
          await rules([{ operation: 'PUT endpoint', nth: 1, fault: 'endpoint-fail' }]);
      },
    });
    await rules([]);
    expect(run.tried?.[0]?.reason).toMatch(/^Azure ML reports the endpoint of fb-/);
    await expectNothingLeft();
  });
});

describe('what is only the moment’s', () => {
  it.each([
    ['a PUT that is refused as updating', 'put-updating.3'],
    ['a delete that is refused', 'delete-busy.3'],
    ['a delete that fails at its end', 'delete-fail.1'],
    ['a token that died, at every call once', 'arm-401'],
    ['an ARM that throttles', 'arm-429'],
    ['a connection that is cut before anything is done', 'arm-reset'],
    ['a connection that is cut after everything was done', 'arm-lost'],
  ])(
    '%s is waited out, and the run completes with one endpoint',
    async (_, fault) => {
      const before = (await books()).length;
      const { run } = await play(fault);
      expect(run).toMatchObject({ state: 'completed', failure: null });
      expect(run.tried ?? []).toEqual([]);
      expect((await books()).length).toBe(before + 1);
      await expectNothingLeft();
    },
    60_000,
  );

  it('a 404 for an endpoint that is there does not pass for its end', async () => {
    const { run } = await play('', {
      before: async (step, call) => {
        if (step === 'releaseEndpoint' && call === 1)
          await rules([{ operation: 'GET endpoint', nth: 1, fault: 'arm-404' }]);
      },
    });
    await rules([]);
    expect(run).toMatchObject({ state: 'completed', failure: null });
    await expectNothingLeft();
  });

  it('and lasts is told when the stage’s time is over, with what Azure said', async () => {
    const { run } = await play('put-updating.9999', {
      before: (step, call) => {
        if (step === 'deployModel' && call === 4) real.advance(46 * 60_000);
      },
    });
    expect(run.failure).toMatchObject({
      code: 'deploy-timeout',
      message: expect.stringMatching(/not ready after \d+ minutes.*409/),
    });
    await expectNothingLeft();
  });
});

describe('what Azure ML really runs', () => {
  it.each([
    ['another size', 'sku-other', { sku: /^(?!Standard_NC24ads_A100_v4$)/, instances: 1 }],
    ['another count', 'instances-other.3', { sku: /^Standard_NC24ads_A100_v4$/, instances: 3 }],
  ])('%s than was asked for is read back, told, and paid for', async (_, fault, wanted) => {
    const { run } = await play(fault);
    expect(run.state).toBe('completed');
    expect(run.endpoint).toMatchObject({
      sku: expect.stringMatching(wanted.sku),
      instances: wanted.instances,
      mismatch: expect.stringContaining(`Asked for 1 x ${SKU}; Azure ML runs ${wanted.instances} x`),
    });
    expect(run.billing.instances).toBe(wanted.instances);
    if (fault === 'sku-other') expect(run.billing.pricePerHourUsd).toBeGreaterThan(3.7);
    await expectNothingLeft();
  });

  it('ends measuring in time for what the plan may cost, however late its own deadline is', async () => {
    const { createSteps } = await import('../../src/activities/steps.ts');
    const seen: { atMs: number; deadlineMs: number; run: RunRecord }[] = [];
    await play('instances-other.3', {
      before: async (step) => {
        if (step !== 'measure') return;
        const [lease] = await real.services.stores.leases.listOpen();
        const runId = lease?.runId ?? '';
        const atMs = real.services.now();
        const late = { runId, measureDeadlineMs: atMs + 24 * 3_600_000 };
        const { deadlineMs } = await createSteps(real.services).planMeasuring(late);
        seen.push({ atMs, deadlineMs, run: await read(runId) });
      },
    });
    expect(seen).toHaveLength(1);
    for (const { atMs, deadlineMs, run } of seen) {
      expect(deadlineMs).toBeGreaterThan(atMs);
      expect(accruedUsd(run.billing, deadlineMs)).toBeLessThan(run.plan.boundUsd ?? 0);
    }
    await expectNothingLeft();
  });

  it('is no news where it is what was asked for', async () => {
    const { run } = await play('');
    expect(run.endpoint?.mismatch ?? null).toBeNull();
  });
});

describe('placements', () => {
  it('are tried in their order, each under its own name, and the row says where it landed and what was tried', async () => {
    const { run, steps } = await play('', { target: { placements: ['full', 'europe'] } });
    expect(run.state).toBe('completed');
    expect(run.endpoint).toMatchObject({ workspace: 'europe', region: 'westeurope', attempt: 2 });
    expect(run.tried).toMatchObject([
      {
        attempt: 1,
        workspace: 'full',
        sku: SKU,
        endpoint: endpointName('test', run.id, 1),
        reason: expect.stringContaining('OutOfCapacity'),
      },
    ]);
    // What the first attempt made is gone before the second begins.
    expect(steps.indexOf('abandonAttempt')).toBeLessThan(steps.lastIndexOf('deployEndpoint'));
    await expectNothingLeft();
  });

  it('may ask for another SKU, whose price and cores are its own', async () => {
    const h100 = 'Standard_NC40ads_H100_v5';
    const { run } = await play('', { target: { placements: ['full', { workspace: 'europe', sku: h100 }] } });
    expect(run.endpoint).toMatchObject({ sku: h100, workspace: 'europe' });
    const price = await real.services.prices.quote(h100, 'westeurope');
    expect(run.billing.pricePerHourUsd).toBe(price.price?.perHourUsd);
    await expectNothingLeft();
  });

  it('end the run with all that was tried where none has room', async () => {
    const { run } = await play('deploy-outofcapacity', { target: { placements: ['default', 'europe'] } });
    expect(run.failure?.message).toMatch(
      /Tried: Standard_NC24ads_A100_v4 in default \(eastus2\); Standard_NC24ads_A100_v4 in europe \(westeurope\)\.$/,
    );
    await expectNothingLeft();
  });

  it('are waited for as long as the spec says, with nothing alive meanwhile', async () => {
    const alive: number[] = [];
    const { run } = await play('deploy-outofcapacity.2', {
      target: { waitForCapacityMinutes: 30 },
      before: async (step) => {
        if (step === 'deployEndpoint') alive.push((await real.alive()).length);
      },
    });
    expect(run).toMatchObject({ state: 'completed', endpoint: { attempt: 3 } });
    expect(alive).toEqual([0, 0, 0]);
    await expectNothingLeft();
  });
});

describe('a duplicate of a step that comes late', () => {
  it('takes the run back to no attempt that is over, and creates nothing', async () => {
    const { createSteps } = await import('../../src/activities/steps.ts');
    const seen: unknown[] = [];
    const { run } = await play('', {
      target: { placements: ['full', 'europe'] },
      before: async (step, call) => {
        if (step !== 'deployModel' || call !== 2) return;
        const [alive] = await real.services.stores.leases.listOpen();
        const late = { runId: alive?.runId ?? '', attempt: 1, placement: 0 };
        seen.push(await createSteps(real.services).deployEndpoint(late));
        seen.push(await createSteps(real.services).deployModel(late));
        seen.push((await read(late.runId)).endpoint?.attempt);
      },
    });
    const lost = { state: 'ended', ending: { failure: { code: 'lost-orchestration' } } };
    expect(seen).toMatchObject([lost, lost, 2]);
    expect(run).toMatchObject({ state: 'completed', endpoint: { attempt: 2 } });
    await expectNothingLeft();
  });
});

describe('an endpoint that is kept', () => {
  it('outlives its run, is billed, and goes when its time is over', async () => {
    const { reap } = await import('../../src/activities/reap.ts');
    const idle = {
      start: async () => {},
      startComparison: async () => {},
      isRunning: async () => false,
      isKnown: async () => true,
    };
    const { run, steps } = await play('', { target: { keepMinutes: 30 } });
    expect(steps).not.toContain('releaseEndpoint');
    expect(run.state).toBe('completed');
    expect(run.endpoint?.keptUntilMs).toBeGreaterThan(real.services.now() + 25 * 60_000);
    expect(await real.alive()).toEqual([run.endpoint?.name]);
    const before = accruedUsd(run.billing, real.services.now()) ?? 0;

    real.advance(20 * 60_000);
    await reap(real.services, idle);
    expect(await real.alive()).toEqual([run.endpoint?.name]);
    expect(accruedUsd(run.billing, real.services.now())).toBeGreaterThan(before + 1);

    real.advance(11 * 60_000);
    await eventually(async () => {
      await reap(real.services, idle);
      return (await real.alive()).length === 0;
    });
    await eventually(async () => {
      await reap(real.services, idle);
      return (await real.services.stores.leases.listOpen()).length === 0;
    });
    const over = await read(run.id);
    expect(over.state).toBe('completed');
    expect(over.billing.untilMs).not.toBeNull();
    await expectNothingLeft();
  }, 30_000);

  it('is measured by a further run by its name, and left alone by it', async () => {
    const { run: first } = await play('', { target: { keepMinutes: 60 } });
    const name = first.endpoint?.name ?? '';
    const spec = {
      ...aSpec(),
      target: {
        kind: 'endpoint',
        workspace: 'default',
        name,
        deployment: null,
        sku: null,
        instances: null,
        maxConcurrentRequestsPerInstance: null,
        requestTimeoutSeconds: 180,
        pricePerHourUsd: null,
      },
    } as unknown as RunRecord['spec'];
    const { id } = await real.aStoredRun({ spec });
    const { steps } = await playRun(real, id);
    expect(steps.filter((step) => step.startsWith('deploy'))).toEqual([]);
    const run = await read(id);
    expect(run).toMatchObject({
      state: 'completed',
      endpoint: {
        name,
        deployment: 'bench',
        sku: SKU,
        instances: 1,
        region: 'eastus2',
        auth: 'key',
        model: expect.stringContaining('Phi-4'),
      },
      spec: { target: { sku: SKU, instances: 1, requestTimeoutSeconds: 180 } },
    });
    expect(await real.alive()).toEqual([name]);

    const lease = await real.services.stores.leases.read(name);
    const { releaseLease } = await import('../../src/activities/release.ts');
    if (lease !== null) await eventually(async () => (await releaseLease(real.services, lease)).gone);
    await expectNothingLeft();
  }, 30_000);

  it('goes with its run where the run failed', async () => {
    const { run } = await play('', {
      target: { keepMinutes: 60 },
      instead: {
        measure: () => ({ cells: 0, canceled: false, aborted: false, stoppedBy: null, succeeded: 0 }),
      },
    });
    expect(run.state).toBe('failed');
    await expectNothingLeft();
  });
});

interface Book {
  readonly name: string;
}

async function books(): Promise<readonly Book[]> {
  return ((await (await fetch(`${real.simulatorUrl}/simulator/books`)).json()) as { endpoints: Book[] })
    .endpoints;
}

async function rules(list: readonly object[]): Promise<void> {
  const answer = await fetch(`${real.simulatorUrl}/simulator/faults`, {
    method: 'PUT',
    body: JSON.stringify(list),
  });
  if (!answer.ok) throw new Error(await answer.text());
}
