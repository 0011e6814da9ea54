/** The reaper on the real simulator and real tables: what it finds, what it leaves, what it does when half of it is down. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeReaped, type Reaping, reap, reapByTags } from '../../src/activities/reap.ts';
import { createSteps } from '../../src/activities/steps.ts';
import { endpointName, LEASE_TAGS, leaseTags } from '../../src/core/renting/lease.ts';
import type { RunRecord } from '../../src/core/run.ts';
import type { ApiAnswer, ApiRequest } from '../../src/http/answer.ts';
import { deleteEndpoint, listEndpoints } from '../../src/http/endpoints.ts';
import { ControlPlaneError, type Orchestrations, type Services } from '../../src/services.ts';
import { eventually, openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;

beforeEach(async () => {
  real = await openRealServices();
});

afterEach(async () => {
  await real.close();
});

const running: Orchestrations = {
  start: async () => {},
  startComparison: async () => {},
  isRunning: async () => true,
  isKnown: async () => true,
};
const lost: Orchestrations = { ...running, isRunning: async () => false };

const nameOf = (run: RunRecord) => endpointName('test', run.id, 1);
const HOUR_MS = 3_600_000;

/** A run whose endpoint stands, without a deployment. */
async function withEndpoint(): Promise<RunRecord> {
  const run = await real.aStoredRun();
  const steps = createSteps(real.services);
  await steps.startRun({ runId: run.id });
  await steps.deployEndpoint({ runId: run.id });
  await eventually(
    async () => (await steps.deployProgress({ runId: run.id, stage: 'endpoint' })).state === 'ready',
  );
  return run;
}

/** An endpoint that somebody made in the workspace, with nothing of it in our tables. */
async function anEndpoint(name: string, tags: Record<string, string>): Promise<void> {
  await real.services.controlPlane.startEndpoint({
    workspace: 'default',
    name,
    auth: 'key',
    publicNetworkAccess: 'enabled',
    tags,
  });
  await eventually(
    async () =>
      (await real.services.controlPlane.readEndpoint('default', name))?.provisioningState === 'Succeeded',
  );
}

function tagsOf(owner: string, expiresInMs: number): Record<string, string> {
  return leaseTags({ owner, runId: 'r-of-nobody', expiresAtMs: real.services.now() + expiresInMs });
}

async function untilGone(pass: () => Promise<Reaping>, name: string): Promise<void> {
  await eventually(async () => {
    await pass();
    return !(await real.alive()).includes(name);
  });
}

async function readRun(run: RunRecord): Promise<RunRecord> {
  const found = await real.services.stores.runs.read(run.id);
  if (found === null) throw new Error('The run is gone.');
  return found;
}

/** The services with some of them broken. */
function broken(fields: {
  readonly leases?: Partial<Services['stores']['leases']>;
  readonly controlPlane?: Partial<Services['controlPlane']>;
  readonly workspaces?: readonly string[];
}): Services {
  const { services } = real;
  return {
    ...services,
    settings: { ...services.settings, workspaces: fields.workspaces ?? services.settings.workspaces },
    stores: { ...services.stores, leases: { ...services.stores.leases, ...fields.leases } },
    controlPlane: { ...services.controlPlane, ...fields.controlPlane },
  };
}

const tablesDown = () =>
  broken({
    leases: {
      listOpen: async () => {
        throw new Error('The table service does not answer.');
      },
    },
  });

const refused = (message: string) => async () => {
  throw new ControlPlaneError(message, { code: 'Forbidden', status: 403, retryable: false });
};

describe('by its lease', () => {
  it('leaves a run alone whose orchestration runs, and one that was heard of within nine minutes', async () => {
    const run = await withEndpoint();
    real.advance(8 * 60_000);
    expect((await reap(real.services, lost)).reaped).toEqual([]);
    real.advance(2 * 60_000);
    expect((await reap(real.services, running)).reaped).toEqual([]);
    expect(await real.alive()).toEqual([nameOf(run)]);
  });

  it('deletes the endpoint of a run that is lost, and its row says so once the endpoint is gone', async () => {
    const run = await withEndpoint();
    real.advance(16 * 60_000);
    const first = await reap(real.services, lost);
    expect(first).toMatchObject({
      reaped: [
        { endpoint: nameOf(run), gone: false, error: null, reason: expect.stringContaining('silent') },
      ],
      troubles: [],
    });
    expect((await readRun(run)).state).toBe('releasing');
    await untilGone(() => reap(real.services, lost), nameOf(run));
    await reap(real.services, lost);
    expect(await readRun(run)).toMatchObject({ state: 'failed', failure: { code: 'lost-orchestration' } });
    expect(await real.services.stores.leases.listOpen()).toEqual([]);
  });

  it('deletes what is past its expiry even while its orchestration runs', async () => {
    const run = await withEndpoint();
    real.advance((run.plan.boundMinutes + 1) * 60_000);
    await untilGone(() => reap(real.services, running), nameOf(run));
  });

  it('leaves a silent run until its expiry where the engine cannot say whether it lives', async () => {
    const run = await withEndpoint();
    const silentEngine: Orchestrations = {
      ...lost,
      isRunning: async () => {
        throw new Error('The engine does not answer.');
      },
    };
    real.advance(16 * 60_000);
    const pass = await reap(real.services, silentEngine);
    expect(pass.reaped).toEqual([]);
    expect(pass.troubles.join()).toMatch(/engine does not answer/);
    real.advance(run.plan.boundMinutes * 60_000);
    await untilGone(() => reap(real.services, silentEngine), nameOf(run));
  });

  it('shows an endpoint that cannot be deleted as a leak, with its error and its cost, to everybody who asks', async () => {
    const run = await withEndpoint();
    await real.services.stores.leases.change(nameOf(run), () => ({ pricePerHourUsd: 10, instances: 2 }));
    real.advance((run.plan.boundMinutes + 60) * 60_000);
    const services = broken({
      controlPlane: { startDelete: refused('The delete was refused: no permission.') },
    });
    const { reaped } = await reap(services, lost);
    expect(reaped).toMatchObject([{ gone: false, error: expect.stringContaining('no permission') }]);
    const line = reaped.map(describeReaped).join();
    expect(line).toMatch(/alive and billed.*no permission/);
    expect(line).toMatch(/cost \$\d\d+\.\d\d so far/);

    const answer = await listEndpoints({ services, request: aRequest({}), orchestrations: lost });
    expect(bodyOf(answer).endpoints).toMatchObject([
      { name: nameOf(run), leaked: true, releaseError: expect.stringContaining('no permission') },
    ]);
    expect(bodyOf(answer).endpoints[0].costUsd).toBeGreaterThan(20);
    // It has waited for longer than a release may take; who reads it must not wait with it.
    const { state, failure } = await readRun(run);
    expect(state).toBe('failed');
    expect(failure).toMatchObject({
      code: 'leaked-endpoint',
      message: expect.stringContaining('no permission'),
    });
    // The right is given back: the same lease ends.
    await untilGone(() => reap(real.services, lost), nameOf(run));
  });

  it('leaves an endpoint alone that lost its tags, though a lease names it', async () => {
    const run = await withEndpoint();
    await patchTags(nameOf(run), { [LEASE_TAGS.owner]: 'somebody-else', [LEASE_TAGS.tool]: 'foundry-bench' });
    real.advance((run.plan.boundMinutes + 1) * 60_000);
    const { reaped } = await reap(real.services, lost);
    expect(reaped).toMatchObject([{ gone: false, error: expect.stringContaining('left alone') }]);
    expect(await real.alive()).toEqual([nameOf(run)]);
  });

  it('ends a lease whose run has no row any more', async () => {
    const run = await withEndpoint();
    await real.services.stores.leases.change(nameOf(run), () => ({ runId: 'r-of-nobody' }));
    real.advance(16 * 60_000);
    await untilGone(() => reap(real.services, lost), nameOf(run));
    expect((await reap(real.services, lost)).reaped.every(({ error }) => error === null)).toBe(true);
    expect(await real.services.stores.leases.listOpen()).toEqual([]);
  });

  it('leaves an endpoint that its user keeps, shows it as kept, and takes it when that time is over', async () => {
    const run = await withEndpoint();
    const keptUntilMs = real.services.now() + HOUR_MS;
    await real.services.stores.leases.change(nameOf(run), () => ({ keptUntilMs }));
    await real.services.stores.runs.change(run.id, () => ({ state: 'completed' }));
    real.advance(16 * 60_000);
    expect((await reap(real.services, lost)).reaped).toEqual([]);
    const answer = await listEndpoints({
      services: real.services,
      request: aRequest({}),
      orchestrations: lost,
    });
    expect(bodyOf(answer).endpoints).toMatchObject([
      { name: nameOf(run), leaked: false, keptUntil: new Date(keptUntilMs).toISOString() },
    ]);
    real.advance(HOUR_MS);
    await untilGone(() => reap(real.services, lost), nameOf(run));
  });

  it('starts a run whose start was cut off between its row and its orchestration, and no other', async () => {
    const run = await real.aStoredRun();
    const started: string[] = [];
    const orchestrations = {
      ...lost,
      start: async (id: string) => void started.push(id),
      isKnown: async () => false,
    };
    await reap(real.services, orchestrations);
    expect(started).not.toContain(run.id);
    real.advance(61_000);
    await reap(real.services, orchestrations);
    expect(started).toContain(run.id);
    started.length = 0;
    await reap(real.services, { ...orchestrations, isKnown: async () => true });
    expect(started).toEqual([]);
  });
});

describe('by its tags', () => {
  it('finds an endpoint whose lease was lost, shows it with its cost from its creation, and deletes it at once', async () => {
    const run = await withEndpoint();
    await real.services.stores.leases.change(nameOf(run), () => ({ closedAtMs: real.services.now() }));
    await real.services.stores.runs.change(run.id, ({ billing }) => ({
      billing: { ...billing, pricePerHourUsd: 4, instances: 1 },
    }));
    real.advance(HOUR_MS);
    const answer = await listEndpoints({
      services: real.services,
      request: aRequest({}),
      orchestrations: lost,
    });
    expect(bodyOf(answer)).toMatchObject({
      endpoints: [
        {
          name: nameOf(run),
          runId: run.id,
          leaked: true,
          sku: 'Standard_NC24ads_A100_v4',
          provisioningState: 'Succeeded',
          createdAt: expect.any(String),
        },
      ],
      troubles: [],
    });
    expect(bodyOf(answer).endpoints[0].costUsd).toBeCloseTo(4, 1);
    const { reaped } = await reap(real.services, running);
    expect(reaped).toMatchObject([{ endpoint: nameOf(run), reason: 'no open lease covers it', error: null }]);
    await untilGone(() => reap(real.services, running), nameOf(run));
  });

  it('does not take an endpoint for a leak that is created while it looks', async () => {
    const services = broken({
      controlPlane: {
        listEndpoints: async (workspace) => {
          await withEndpoint();
          return real.services.controlPlane.listEndpoints(workspace);
        },
      },
    });
    expect((await reap(services, running)).reaped).toEqual([]);
    expect(await real.alive()).toHaveLength(1);
  });

  it('never touches what another installation, another tool or nobody has tagged', async () => {
    const others: Record<string, Record<string, string>> = {
      'second-installation': tagsOf('other', -HOUR_MS),
      'tool-tag-only': { [LEASE_TAGS.tool]: 'foundry-bench', [LEASE_TAGS.expires]: '2020-01-01T00:00:00Z' },
      'owner-tag-only': { [LEASE_TAGS.owner]: 'test', [LEASE_TAGS.expires]: '2020-01-01T00:00:00Z' },
      'without-tags': {},
    };
    for (const [name, tags] of Object.entries(others)) await anEndpoint(name, tags);
    await anEndpoint('ours-expired', tagsOf('test', -1_000));
    await untilGone(() => reap(real.services, lost), 'ours-expired');
    expect((await reap(real.services, lost)).reaped).toEqual([]);
    expect((await reap(tablesDown(), lost)).reaped).toEqual([]);
    expect((await reapByTags(real.services)).reaped).toEqual([]);
    expect([...(await real.alive())].sort()).toEqual(Object.keys(others).sort());
  });

  it('goes on without the tables: what is past its tag goes, what is not stays', async () => {
    const run = await withEndpoint();
    await anEndpoint('ours-later', tagsOf('test', 48 * HOUR_MS));
    expect((await reap(tablesDown(), lost)).reaped).toEqual([]);
    real.advance((run.plan.boundMinutes + 1) * 60_000);
    const pass = await reap(tablesDown(), lost);
    expect(pass.reaped.map(({ endpoint }) => endpoint)).toEqual([nameOf(run)]);
    expect(pass.troubles.join()).toMatch(/tags alone.*table service does not answer/);
    await untilGone(() => reap(tablesDown(), lost), nameOf(run));
    expect(await real.alive()).toEqual(['ours-later']);
    const answer = await listEndpoints({
      services: tablesDown(),
      request: aRequest({}),
      orchestrations: lost,
    });
    expect(bodyOf(answer).endpoints).toMatchObject([{ name: 'ours-later', leaked: false }]);
    expect(bodyOf(answer).troubles).toHaveLength(1);
  });

  it('is all that the watchdog needs', async () => {
    const run = await withEndpoint();
    expect((await reapByTags(real.services)).reaped).toEqual([]);
    real.advance((run.plan.boundMinutes + 1) * 60_000);
    const { now, settings, controlPlane } = real.services;
    await untilGone(() => reapByTags({ now, settings, controlPlane }), nameOf(run));
  });

  it('reads the tags again before it deletes: a name may have changed hands since it was listed', async () => {
    await anEndpoint('changed-hands', tagsOf('other', HOUR_MS));
    const services = broken({
      controlPlane: {
        listEndpoints: async (workspace) =>
          (await real.services.controlPlane.listEndpoints(workspace)).map((endpoint) => ({
            ...endpoint,
            tags: tagsOf('test', -1_000),
          })),
      },
    });
    for (const pass of [await reap(services, lost), await reapByTags(services)])
      expect(pass.reaped).toMatchObject([{ gone: false, error: expect.stringContaining('left alone') }]);
    expect(await real.alive()).toEqual(['changed-hands']);
  });

  it('does not let one workspace or one endpoint stop another', async () => {
    await anEndpoint('ours-stuck', tagsOf('test', -1_000));
    await anEndpoint('ours-expired', tagsOf('test', -1_000));
    const services = broken({
      workspaces: ['forbidden', 'default'],
      controlPlane: {
        listEndpoints: (workspace) =>
          workspace === 'forbidden'
            ? refused('It may not be read.')()
            : real.services.controlPlane.listEndpoints(workspace),
        startDelete: (workspace, endpoint) =>
          endpoint === 'ours-stuck'
            ? refused('The delete was refused.')()
            : real.services.controlPlane.startDelete(workspace, endpoint),
      },
    });
    const pass = await reap(services, lost);
    expect(pass.troubles).toEqual([expect.stringMatching(/forbidden.*may not be read/)]);
    expect(pass.reaped.map(({ endpoint, error }) => [endpoint, error === null])).toEqual(
      expect.arrayContaining([
        ['ours-stuck', false],
        ['ours-expired', true],
      ]),
    );
    await untilGone(() => reap(services, lost), 'ours-expired');
    expect(await real.alive()).toEqual(['ours-stuck']);
  });

  it('begins nothing after its time, and says how much is left', async () => {
    await anEndpoint('ours-expired', tagsOf('test', -1_000));
    let calls = 0;
    // The clock jumps five minutes after the pass has begun.
    const now = () => Date.now() + (calls++ === 0 ? 0 : 300_000);
    const pass = await reapByTags({ ...real.services, now });
    expect(pass.reaped).toEqual([]);
    expect(pass.troubles.join()).toMatch(/1 endpoints that must go were not reached/);
    expect(await real.alive()).toEqual(['ours-expired']);
  });
});

describe('DELETE /api/endpoints/{name}', () => {
  it('deletes a leak without a lease, and nothing that is not ours or not there', async () => {
    await anEndpoint('ours-leaked', tagsOf('test', HOUR_MS));
    await anEndpoint('second-installation', tagsOf('other', -HOUR_MS));
    const remove = (name: string) =>
      deleteEndpoint({ services: real.services, request: aRequest({ name }), orchestrations: lost });
    await expect(remove('second-installation')).rejects.toMatchObject({ status: 404 });
    await expect(remove('no-such-endpoint')).rejects.toMatchObject({ status: 404 });
    expect((await remove('ours-leaked')).status).toBe(202);
    await eventually(async () => !(await real.alive()).includes('ours-leaked'));
    expect(await real.alive()).toEqual(['second-installation']);
  });

  it('deletes no endpoint whose run is under way', async () => {
    const run = await withEndpoint();
    const call = { services: real.services, request: aRequest({ name: nameOf(run) }), orchestrations: lost };
    await expect(deleteEndpoint(call)).rejects.toMatchObject({ status: 409 });
    expect(await real.alive()).toEqual([nameOf(run)]);
  });
});

function aRequest(params: Record<string, string>): ApiRequest {
  return { params, query: new URLSearchParams(), headers: new Headers(), text: async () => '' };
}

// biome-ignore lint/suspicious/noExplicitAny: the tests assert on the shape.
function bodyOf(answer: ApiAnswer): any {
  return JSON.parse(answer.body);
}

async function patchTags(name: string, tags: Record<string, string>): Promise<void> {
  const url = `${real.simulatorUrl}/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local/onlineEndpoints/${name}?api-version=2024-04-01`;
  const answer = await fetch(url, {
    method: 'PATCH',
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    body: JSON.stringify({ tags }),
  });
  if (!answer.ok) throw new Error(`PATCH answered ${answer.status}: ${await answer.text()}`);
}
