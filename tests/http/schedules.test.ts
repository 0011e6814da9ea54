/** The calls about schedules, on real tables and with the simulator's catalog and prices. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerCall } from '../../src/http/answer.ts';
import { ROUTES } from '../../src/http/routes.ts';
import type { Orchestrations, Services } from '../../src/services.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;

beforeAll(async () => {
  real = await openRealServices({
    WEBHOOK_HOSTS: '.example.com',
    WEBHOOK_SECRET_TEST: 's3cret-value',
    COMPARISON_SCHEDULE: 'off',
  });
});

afterAll(() => real.close());

async function call(method: string, name: string | null, body?: unknown, services: Partial<Services> = {}) {
  const path = name === null ? 'api/schedules' : 'api/schedules/{name}';
  const route = ROUTES.find((one) => one.method === method && one.route === path);
  if (route === undefined) throw new Error(`No route ${method} ${path}.`);
  const logged: unknown[] = [];
  const answer = await answerCall(
    route.handler,
    {
      request: {
        params: name === null ? {} : { name },
        query: new URLSearchParams(),
        headers: new Headers({ 'content-type': 'application/json' }),
        text: async () => JSON.stringify(body),
      },
      services: { ...real.services, ...services },
      orchestrations: {} as Orchestrations,
    },
    (_message, error) => logged.push(error),
  );
  expect(logged).toEqual([]);
  return { status: answer.status, json: JSON.parse(answer.body), text: answer.body };
}

const A_RUN = {
  model: { name: 'Phi-4', version: '7' },
  target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
  limits: { maxUsd: 20 },
};
const A_BODY = { schedule: '0 0 6 * * 1', run: A_RUN };
const { limits: _, target, ...base } = A_RUN;
const A_COMPARISON = {
  base,
  targets: [
    { label: 'one', target },
    { label: 'two', target: { ...target, instances: 2 } },
  ],
  limits: { maxMinutes: 480, maxUsd: 100 },
};

describe('a schedule', () => {
  it('is put, read, listed, replaced and deleted by its name', async () => {
    const created = await call('PUT', 'weekly', A_BODY);
    expect(created).toMatchObject({
      status: 201,
      json: { name: 'weekly', keep: 26, run: A_RUN, running: null, origin: 'api', spent: { usd: 0 } },
    });
    expect(Date.parse(created.json.nextDueAt)).toBeGreaterThan(real.services.now());
    const replaced = await call('PUT', 'weekly', { schedule: '0 0 7 * * 1', comparison: A_COMPARISON });
    expect(replaced).toMatchObject({
      status: 200,
      json: { schedule: '0 0 7 * * 1', comparison: A_COMPARISON },
    });
    expect(replaced.json.run).toBeUndefined();
    expect((await call('GET', 'weekly')).json).toMatchObject({ schedule: '0 0 7 * * 1', history: [] });
    await call('PUT', 'a-second', A_BODY);
    const names = async () =>
      (await call('GET', null)).json.schedules.map((one: { name: string }) => one.name);
    expect(await names()).toEqual(['a-second', 'weekly']);
    expect((await call('DELETE', 'weekly')).json).toEqual({
      name: 'weekly',
      deleted: true,
      stillRunning: null,
    });
    expect(await names()).toEqual(['a-second']);
    for (const method of ['GET', 'DELETE']) expect((await call(method, 'weekly')).status).toBe(404);
    expect(await real.alive()).toEqual([]);
  });

  it.each([
    'a/b',
    'a\\b',
    'a#b',
    'a?b',
    '100%',
    '%2F',
    "it's",
    "''",
    'a ',
    'a\tb',
    '😀',
    '.',
    '..',
    'Weekly',
    'é',
    'e\u0301',
    'x'.repeat(600),
  ])('of the name %j is refused with the rule in every call', async (name) => {
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const { status, json } = await call(method, name, A_BODY);
      expect(status).toBe(400);
      expect(json.faults).toEqual([
        { path: 'name', message: expect.stringContaining('1 to 40 lower-case letters, digits and dashes') },
      ]);
    }
  });

  it('has every fault told at once: its own, those of what it starts, and those of its webhook', async () => {
    const { status, json } = await call('PUT', 'Bad Name', {
      schedule: 'daily',
      keep: 0,
      comparison: {
        base: { ...base, workloads: [] },
        targets: [
          { label: 'a', target: { ...target, sku: 'Standard_NC1' } },
          { label: 'a', target },
        ],
      },
      webhook: { url: 'http://169.254.169.254/x', secretSetting: 'TABLES_ACCOUNT_KEY' },
      retries: 2,
    });
    expect(status).toBe(400);
    const paths = json.faults.map(({ path }: { path: string }) => path);
    for (const path of ['name', 'keep', 'retries', 'webhook.url', 'webhook.secretSetting'])
      expect(paths).toContain(path);
    expect(paths).toContain('comparison.base.workloads');
    expect(paths).toContain('comparison.targets[1].label');
    expect(await real.services.stores.schedules.list()).toHaveLength(1);
  });

  it('is checked as the call that would start it: catalog, ceilings, limits', async () => {
    const faultsOf = async (run: object) => {
      const { json } = await call('PUT', 'checked', { ...A_BODY, run: { ...A_RUN, ...run } });
      return json.faults.map(({ path }: { path: string }) => path);
    };
    expect(await faultsOf({ model: { name: 'Phi-4', version: '99' } })).toEqual(['run.model.version']);
    expect(await faultsOf({ target: { ...target, workspace: 'nowhere' } })).toEqual(['run.target.workspace']);
    expect(await faultsOf({ limits: { maxUsd: 0.01 } })).toEqual([expect.stringContaining('run.limits')]);
  });

  it('that could never be started within its month is refused', async () => {
    const { status, json } = await call('PUT', 'dear', { ...A_BODY, maxUsdPerMonth: 1 });
    expect(status).toBe(400);
    expect(json.faults).toEqual([
      {
        path: 'maxUsdPerMonth',
        message: expect.stringContaining('would never let it start: it may cost up to $'),
      },
    ]);
  });

  it('can only be held against what there is and is over', async () => {
    const run = await real.aStoredRun();
    const faultOf = async (baseline: string) =>
      (await call('PUT', 'pinned', { ...A_BODY, baseline })).json.faults;
    expect(await faultOf('r251606716559999-e3576bef')).toEqual([
      { path: 'baseline', message: 'is no run that there is' },
    ]);
    expect(await faultOf(run.id)).toEqual([{ path: 'baseline', message: 'is a run that is not over yet' }]);
    await real.services.stores.runs.change(run.id, () => ({ state: 'completed' }));
    expect((await call('PUT', 'pinned', { ...A_BODY, baseline: run.id })).json).toMatchObject({
      baseline: run.id,
    });
  });

  it('is paused though what it starts can not be planned any more, and neither changed nor resumed', async () => {
    await call('PUT', 'outlived', A_BODY);
    const run = { ...A_RUN, model: { name: 'Phi-4', version: '99' } };
    await real.services.stores.schedules.change('outlived', () => ({ work: { kind: 'run', body: run } }));
    const put = (fields: object) => call('PUT', 'outlived', { ...A_BODY, run, ...fields });
    const refused = { status: 400, json: { faults: [{ path: 'run.model.version' }] } };
    expect(await put({ enabled: false, keep: 5 })).toMatchObject(refused);
    expect(await put({ enabled: false })).toMatchObject({
      status: 200,
      json: { enabled: false, nextDueAt: null },
    });
    expect(await put({ enabled: true })).toMatchObject(refused);
  });

  it('never shows or stores what its webhook is signed with', async () => {
    const webhook = { url: 'https://hooks.example.com/x', secretSetting: 'WEBHOOK_SECRET_TEST' };
    const services = {
      webhooks: {
        ...real.services.webhooks,
        resolve: async () => ({ kind: 'resolved', address: '20.1.2.3' }) as const,
      },
    };
    const { status, text } = await call('PUT', 'signed', { ...A_BODY, webhook }, services);
    expect(status).toBe(201);
    expect(text).toContain('WEBHOOK_SECRET_TEST');
    expect(text).not.toContain('s3cret');
    expect(JSON.stringify(await real.services.stores.schedules.read('signed'))).not.toContain('s3cret');
  });

  it('of the settings is not deleted by a call, since it would come back', async () => {
    const defaultSchedule = { schedule: '0 0 6 * * 1', spec: A_RUN };
    const services = { settings: { ...real.services.settings, defaultSchedule } };
    // Before the timer's first call it has no row, and would get one.
    expect(await call('DELETE', 'default')).toMatchObject({ status: 404 });
    expect(await call('DELETE', 'default', undefined, services)).toMatchObject({ status: 409 });
    await call('PUT', 'default', A_BODY);
    await real.services.stores.schedules.change('default', () => ({ origin: 'settings' }));
    const refused = await call('DELETE', 'default', undefined, services);
    expect(refused).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining('COMPARISON_SCHEDULE') },
    });
    expect((await call('DELETE', 'default')).status).toBe(200);
  });
});
