import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { noteBeat } from '../../src/activities/beat.ts';
import { LEASE_TAGS, leaseTags } from '../../src/core/renting/lease.ts';
import { ROUTES } from '../../src/http/routes.ts';
import type { Beat, EndpointState, Services } from '../../src/services.ts';
import { type HttpCalls, openHttpCalls } from './bad-input-calls.ts';

let calls: HttpCalls;
beforeAll(async () => {
  calls = await openHttpCalls();
});
afterAll(() => calls.close());

/** With other parts of the world; each is asked anew, since what was found is kept per services. */
async function healthOf(change: (services: Services) => Partial<Services>) {
  const { services } = calls.real;
  const route = ROUTES.find(({ name }) => name === 'getHealth')!;
  const { status, json, text } = await calls.call(route, {}, { ...services, ...change(services) });
  expect(status).toBe(200);
  return { json, text };
}

const timerOf = (json: { checks: { timers: { timer: string }[] } }, name: string) =>
  json.checks.timers.find(({ timer }) => timer === name);

function anEndpoint(fields: Partial<EndpointState>): EndpointState {
  return {
    name: 'an-endpoint',
    provisioningState: 'Succeeded',
    scoringUri: null,
    tags: {},
    traffic: {},
    createdAtMs: null,
    auth: 'key',
    publicNetworkAccess: 'enabled',
    operation: null,
    simulated: true,
    ...fields,
  };
}

describe('GET /api/health', () => {
  it('is ok where everything answers', async () => {
    const { json } = await healthOf(() => ({}));
    expect(json).toMatchObject({
      status: 'ok',
      simulated: true,
      degraded: [],
      checks: { tables: { ok: true }, arm: { ok: true }, watchdog: { ok: true } },
    });
  });

  it('says since when the reaper has not come, by its own period', async () => {
    const { services } = calls.real;
    await noteBeat(services, 'reap', 0);
    const { json } = await healthOf(() => ({}));
    expect(timerOf(json, 'reap')).toMatchObject({ ok: true, ageSeconds: 0, lastAt: expect.any(String) });

    const later = await healthOf(({ now }) => ({ now: () => now() + 20 * 60_000 }));
    expect(later.json).toMatchObject({ status: 'degraded' });
    expect(later.json.degraded).toEqual(['The timer "reap" has not come for 20 minutes.']);
    // A timer that comes every hour is not late after twenty minutes.
    await noteBeat({ ...services, now: () => services.now() + 3_600_000 }, 'reap', 0);
    const hourly = await healthOf(({ now }) => ({ now: () => now() + 3_600_000 + 20 * 60_000 }));
    expect(timerOf(hourly.json, 'reap')).toMatchObject({ ok: true });
    await noteBeat(services, 'reap', 0);
  });

  it('says that a pass of the reaper met troubles', async () => {
    const { services } = calls.real;
    await noteBeat(services, 'reap', 2);
    const { json } = await healthOf(() => ({}));
    expect(json.degraded).toEqual([expect.stringContaining('timer "reap" met 2 troubles')]);
    await noteBeat(services, 'reap', 0);
  });

  it('says that the tables cannot be read or do not answer, and nothing else of them', async () => {
    const broken = await healthOf(({ stores }) => ({
      stores: {
        ...stores,
        beats: { ...stores.beats, list: () => Promise.reject(new Error('secret words')) },
      },
    }));
    expect(broken.json.degraded).toEqual(['The tables cannot be read; the log of the app says why.']);
    expect(broken.text).not.toContain('secret words');
    const silent = await healthOf(({ stores }) => ({
      stores: { ...stores, beats: { ...stores.beats, list: () => new Promise(() => {}) } },
    }));
    expect(silent.json.degraded).toEqual(['The tables did not answer within 3 s.']);
  });

  it('says what keeps it from ARM, without a name', async () => {
    const refused = await openHttpCalls({ ARM_ENDPOINT: 'http://127.0.0.1:1' });
    try {
      const route = ROUTES.find(({ name }) => name === 'getHealth')!;
      const { json, text } = await refused.call(route);
      expect(json.checks.arm.ok).toBe(false);
      expect(json.degraded).toEqual([
        expect.stringMatching(/^Azure Resource Manager (does not list|did not answer)/),
      ]);
      expect(text).not.toMatch(/127\.0\.0\.1|local|default/);
    } finally {
      await refused.close();
    }
  });

  it('says that an endpoint is alive that reaper and watchdog should have deleted', async () => {
    const { services, simulatorUrl } = calls.real;
    const workspace =
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local';
    const tags = leaseTags({ owner: 'test', runId: 'r', expiresAtMs: services.now() - 3_600_000 });
    const put = await fetch(`${simulatorUrl}${workspace}/onlineEndpoints/long-over?api-version=2024-10-01`, {
      method: 'PUT',
      headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
      body: JSON.stringify({ location: 'eastus2', tags, properties: { authMode: 'Key' } }),
    });
    expect(put.status).toBeLessThan(300);
    const { json, text } = await healthOf(() => ({}));
    expect(json.checks.watchdog).toMatchObject({ ok: false });
    expect(json.degraded).toEqual([
      expect.stringContaining('An endpoint is alive and billed more than 30 minutes past'),
    ]);
    expect(text).not.toContain('long-over');
  });

  it('asks all workspaces at the same time, and dates an endpoint without a tag as the reaper does', async () => {
    const { settings, now } = calls.real.services;
    const { [LEASE_TAGS.expires]: _, ...undated } = leaseTags({
      owner: settings.owner,
      runId: 'r',
      expiresAtMs: 0,
    });
    let asked = 0;
    const both = Promise.withResolvers<void>();
    const { json } = await healthOf((services) => ({
      settings: { ...settings, workspaces: ['one', 'two'] },
      controlPlane: {
        ...services.controlPlane,
        // Nobody is answered before both were asked.
        listEndpoints: async () => {
          asked += 1;
          if (asked === 2) both.resolve();
          await both.promise;
          return [anEndpoint({ tags: undated, createdAtMs: now() - 365 * 86_400_000 })];
        },
      },
    }));
    expect(json.checks.arm).toMatchObject({ ok: true });
    expect(json.degraded).toEqual([expect.stringContaining('2 endpoints are alive and billed')]);
  });

  it('does not ask a second time while the first is not answered, however long that takes', async () => {
    const { services } = calls.real;
    let asked = 0;
    const answered = Promise.withResolvers<readonly Beat[]>();
    const slow: Services = {
      ...services,
      stores: {
        ...services.stores,
        beats: {
          ...services.stores.beats,
          list: () => {
            asked += 1;
            return answered.promise;
          },
        },
      },
    };
    const route = ROUTES.find(({ name }) => name === 'getHealth')!;
    const first = calls.call(route, {}, slow);
    await vi.waitFor(() => expect(asked).toBe(1));
    const realNow = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => realNow() + 60_000);
    const second = calls.call(route, {}, slow);
    await delay(100);
    clock.mockRestore();
    answered.resolve([]);
    expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200]);
    expect(asked).toBe(1);
  });

  it('asks Azure once a minute, however often it is asked', async () => {
    let asked = 0;
    const { services } = calls.real;
    const { controlPlane } = services;
    const counting: Services = {
      ...services,
      controlPlane: {
        ...controlPlane,
        listEndpoints: async (workspace) => {
          asked += 1;
          return controlPlane.listEndpoints(workspace);
        },
      },
    };
    const route = ROUTES.find(({ name }) => name === 'getHealth')!;
    await Promise.all(Array.from({ length: 20 }, () => calls.call(route, {}, counting)));
    expect(asked).toBe(1);
  });
});
