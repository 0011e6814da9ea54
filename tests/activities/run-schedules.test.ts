/**
 * Schedules from their due second to the webhook, on the real services: Azurite's tables, the simulator behind the real
 * SDK, the load engine, a receiver of webhooks on loopback. Only the clock is the test's.
 */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noticeLeaks } from '../../src/activities/notice-leaks.ts';
import type { Reaping } from '../../src/activities/reap.ts';
import { type PlanWork, runSchedules, type SchedulePass } from '../../src/activities/run-schedules.ts';
import { parseSchedule } from '../../src/core/schedule/schedule.ts';
import {
  type HistoryEntry,
  putSchedule,
  type ScheduleRecord,
} from '../../src/core/schedule/schedule-record.ts';
import { planScheduledWork } from '../../src/http/scheduled-work.ts';
import { aLease } from '../support/builders.ts';
import { type DrivenOrchestrations, driveOrchestrations } from '../support/driven-orchestrations.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';

const SECRET = 'a-secret-of-the-receiver';

let real: RealServices;
let receiver: WebhookReceiver;
let orchestrations: DrivenOrchestrations;

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  const settings = {
    ALLOW_LOOPBACK_WEBHOOKS: 'true',
    WEBHOOK_SECRET_TEST: SECRET,
    COMPARISON_SCHEDULE: 'off',
  };
  real = await openRealServices(settings, { gpuSpeed: 5 });
  orchestrations = driveOrchestrations(real);
});

afterAll(async () => {
  await real.close();
  await receiver.close();
});

/** A run of a few seconds. */
const A_RUN = {
  model: { name: 'Phi-4', version: '7' },
  target: { kind: 'managed', sku: 'Standard_NC24ads_A100_v4' },
  api: 'openai-chat',
  workloads: [{ promptTokens: 64, outputTokens: 16 }],
  concurrency: { levels: [1] },
  measure: { mode: 'burst', repeats: 3 },
  limits: { maxMinutes: 60, maxUsd: 50 },
};

async function put(name: string, fields: object): Promise<ScheduleRecord> {
  const nowMs = real.services.now();
  const { parsed } = parseSchedule(name, { schedule: '0 * * * * *', run: A_RUN, ...fields }, nowMs);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return real.services.stores.schedules.put(name, (now) => putSchedule(now, parsed.value, 'api', nowMs));
}

const pass = (plan: PlanWork = planScheduledWork): Promise<SchedulePass> =>
  runSchedules(real.services, orchestrations, plan);
const read = async (name: string) => (await real.services.stores.schedules.read(name)) as ScheduleRecord;
const history = (name: string): Promise<readonly HistoryEntry[]> =>
  real.services.stores.schedules.listHistory(name);

/** Moves the clock to five seconds after the next full minute, when the timer fires. */
function nextMinute(): void {
  const nowMs = real.services.now();
  real.advance(60_000 - (nowMs % 60_000) + 5_000);
}

/** Moves it to the middle of a minute, so that no test begins at the edge of one. */
function middleOfMinute(): void {
  nextMinute();
  real.advance(25_000);
}

describe('a schedule of every minute', () => {
  it('runs three times, skips an overlap, and tells its webhook of a planted regression', async () => {
    middleOfMinute();
    await put('minutely', {
      maxUsdPerMonth: null,
      webhook: { url: receiver.url, secretSetting: 'WEBHOOK_SECRET_TEST' },
    });
    expect((await pass()).done).toEqual([]);

    nextMinute();
    await pass();
    expect(orchestrations.started).toHaveLength(1);
    nextMinute();
    await pass();
    expect(orchestrations.started).toHaveLength(1);
    expect(await history('minutely')).toMatchObject([
      {
        outcome: 'skipped',
        sentence: expect.stringContaining(`${orchestrations.started[0]}, started before`),
      },
      { outcome: 'started', result: null },
    ]);

    await orchestrations.finish();
    nextMinute();
    expect((await pass()).troubles).toEqual([]);
    expect(orchestrations.started).toHaveLength(2);
    await orchestrations.finish();
    await real.replaceGpus(2);
    nextMinute();
    expect((await pass()).troubles).toEqual([]);
    expect(orchestrations.started).toHaveLength(3);
    await orchestrations.finish();
    nextMinute();
    const told = await pass();
    expect(told.troubles).toEqual([]);

    const [, slow] = await history('minutely');
    expect(slow).toMatchObject({
      work: { id: orchestrations.started[2] },
      result: {
        state: 'completed',
        targets: [{ good: false, check: { verdict: 'regression', runs: expect.any(Number) } }],
      },
    });
    const id = `${orchestrations.started[2]}-regression`;
    const message = receiver.received.find(({ headers }) => headers['x-foundry-bench-delivery'] === id);
    expect(message?.headers['x-foundry-bench-signature']).toBe(signatureOf(message?.body ?? ''));
    expect(JSON.parse(message?.body ?? '')).toMatchObject({
      id,
      event: 'regression',
      installation: 'test',
      schedule: 'minutely',
      work: { kind: 'run', id: orchestrations.started[2] },
      sentences: [slow?.result?.targets[0]?.check?.sentence],
    });
    const record = await read('minutely');
    expect(record.notices.find((one) => one.id === id)).toMatchObject({ state: 'delivered', attempts: 1 });
    expect(record.spent.usd).toBeGreaterThan(0);
    // Each good result is one more draw of the same machine; the slow one is none.
    const good = (await history('minutely')).filter(({ result }) => result?.targets[0]?.good);
    expect(good.map(({ work }) => work?.id)).not.toContain(orchestrations.started[2]);
    expect(record.spread?.degreesOfFreedom ?? 0).toBe(good.length - 1);
    expect(await real.alive()).toEqual([]);
    await real.services.stores.schedules.remove('minutely');
  }, 120_000);
});

function signatureOf(body: string): string {
  return `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
}

describe('a due second', () => {
  it('starts one run, though the schedule is put twice in it and two timers fire', async () => {
    middleOfMinute();
    await put('twice', {});
    real.advance(60_000 - (real.services.now() % 60_000));
    await Promise.all([put('twice', { keep: 5 }), put('twice', { keep: 6 })]);
    const before = orchestrations.started.length;
    await Promise.all([pass(), pass()]);
    await put('twice', { keep: 7, schedule: '0 */1 * * * *' });
    await pass();
    expect(orchestrations.started.slice(before)).toHaveLength(1);
    expect(await read('twice')).toMatchObject({ keep: 7, running: { id: orchestrations.started.at(-1) } });
    expect(await history('twice')).toHaveLength(1);
    await forget('twice');
  });

  it('is made up for once, however long nothing ran', async () => {
    middleOfMinute();
    await put('late', { schedule: '0 0 * * * *' });
    const before = orchestrations.started.length;
    real.advance(50 * 3_600_000);
    await pass();
    await pass();
    expect(orchestrations.started.slice(before)).toHaveLength(1);
    expect(await history('late')).toMatchObject([
      { sentence: expect.stringContaining('49 due times before it') },
    ]);
    await forget('late');
  });

  it('starts nothing that the month no longer allows, and says so', async () => {
    middleOfMinute();
    const { spent } = await put('dear', { maxUsdPerMonth: 60 });
    await real.services.stores.schedules.change('dear', () => ({
      spent: { month: new Date(real.services.now() + 60_000).toISOString().slice(0, 7), usd: spent.usd + 59 },
    }));
    const before = orchestrations.started.length;
    nextMinute();
    await pass();
    expect(orchestrations.started).toHaveLength(before);
    expect(await history('dear')).toMatchObject([
      { outcome: 'too-dear', sentence: expect.stringContaining('$59.00 were spent this month') },
    ]);
    await forget('dear');
  });

  it('tells the webhook where its work cannot be planned any more', async () => {
    middleOfMinute();
    const sku = 'Standard_NC24ads_A100_v9';
    await put('gone', {
      run: { ...A_RUN, target: { kind: 'managed', sku } },
      webhook: { url: receiver.url, secretSetting: 'WEBHOOK_SECRET_TEST' },
    });
    nextMinute();
    await pass();
    expect(await history('gone')).toMatchObject([
      { outcome: 'not-started', sentence: expect.stringContaining('run.target.sku') },
    ]);
    expect(JSON.parse(receiver.received.at(-1)?.body ?? '')).toMatchObject({
      event: 'failure',
      schedule: 'gone',
    });
    await forget('gone');
  });

  it('is tried again while what is needed cannot be looked up, and given up after a quarter of an hour', async () => {
    middleOfMinute();
    await put('unlucky', { schedule: '0 0 * * * *' });
    real.advance(3_600_000 - (real.services.now() % 3_600_000));
    const down: PlanWork = async () => {
      throw new Error('ARM does not answer.');
    };
    expect((await pass(down)).troubles).toEqual(['Schedule unlucky: ARM does not answer.']);
    expect(await history('unlucky')).toEqual([]);
    real.advance(16 * 60_000);
    expect((await pass(down)).troubles).toEqual([]);
    expect(await history('unlucky')).toMatchObject([
      { outcome: 'not-started', sentence: expect.stringContaining('ARM does not answer.') },
    ]);
    await forget('unlucky');
  });
});

describe('a scheduled comparison', () => {
  it('is started with what the schedule knows of the spread, and its failure is told until it is heard', async () => {
    middleOfMinute();
    const { target, ...base } = A_RUN;
    await put('versus', {
      run: undefined,
      comparison: {
        base,
        targets: [1, 2].map((instances) => ({ label: `${instances}x`, target: { ...target, instances } })),
      },
      webhook: { url: receiver.url, secretSetting: 'WEBHOOK_SECRET_TEST' },
    });
    const spread = { variance: 0.0004, degreesOfFreedom: 3 };
    await real.services.stores.schedules.change('versus', () => ({ spread }));
    nextMinute();
    await pass();
    const id = (await read('versus')).running?.id ?? '';
    expect(orchestrations.started.at(-1)).toBe(id);
    expect(await real.services.stores.comparisons.read(id)).toMatchObject({ state: 'queued', spread });

    await real.services.stores.comparisons.change(id, () => ({
      state: 'failed',
      failure: { code: 'nothing-succeeded', message: 'No target was measured.' },
    }));
    receiver.answers.push({ status: 503 }, { status: 302, headers: { location: receiver.url } });
    const before = receiver.received.length;
    await put('versus', { ...(await definitionOf('versus')), enabled: false });
    for (let minute = 0; minute < 10; minute += 1) {
      nextMinute();
      await pass();
    }
    const bodies = receiver.received.slice(before).map(({ body }) => body);
    expect(bodies).toHaveLength(3);
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ event: 'failure', work: { kind: 'comparison', id } });
    expect((await read('versus')).notices).toMatchObject([{ state: 'delivered', attempts: 3 }]);
    expect(await history('versus')).toMatchObject([{ result: { state: 'failed', targets: [{}, {}] } }]);
    await forget('versus');
  });
});

describe('the schedule of the settings', () => {
  const defaultOf = (schedule: string | null): RealServices['services'] => ({
    ...real.services,
    settings: {
      ...real.services.settings,
      defaultSchedule: schedule === null ? null : { schedule, spec: A_RUN },
    },
  });
  const passOf = (services: RealServices['services']) =>
    runSchedules(services, orchestrations, planScheduledWork);

  it('is there from the start, follows the settings, and ends with them', async () => {
    middleOfMinute();
    await passOf(defaultOf('0 0 6 * * 1'));
    expect(await read('default')).toMatchObject({
      schedule: '0 0 6 * * 1',
      origin: 'settings',
      enabled: true,
    });
    await passOf(defaultOf('0 0 7 * * 1'));
    expect(await read('default')).toMatchObject({ schedule: '0 0 7 * * 1', enabled: true });
    await passOf(defaultOf(null));
    expect(await read('default')).toMatchObject({ enabled: false });
  });

  it('stays as a call has put it', async () => {
    await put('default', { schedule: '0 0 8 * * 1', enabled: false });
    await passOf(defaultOf('0 0 6 * * 1'));
    expect(await read('default')).toMatchObject({ schedule: '0 0 8 * * 1', origin: 'api', enabled: false });
    await forget('default');
  });

  it('is told where it cannot be used, and keeps no other from its turn', async () => {
    const { troubles } = await passOf(defaultOf('0 0 0 31 2 *'));
    expect(troubles).toEqual([
      expect.stringContaining('COMPARISON_SCHEDULE and COMPARISON_SPEC cannot be used'),
    ]);
    expect(await real.services.stores.schedules.read('default')).toBeNull();
  });
});

describe('an endpoint that the reaper cannot delete', () => {
  it('is told to the webhook of the schedule that made it, once', async () => {
    middleOfMinute();
    const webhook = { url: receiver.url, secretSetting: 'WEBHOOK_SECRET_TEST' };
    await put('leaky', { webhook });
    await put('other', { webhook, enabled: false });
    nextMinute();
    await pass();
    const runId = (await read('leaky')).running?.id ?? '';
    const endpoint = 'fb-0000000000000000-a1';
    await real.services.stores.leases.open(aLease({ endpoint, runId }));
    const reaping: Reaping = {
      reaped: [
        {
          endpoint,
          workspace: 'default',
          reason: 'its time ended',
          gone: false,
          error: 'ARM says no.',
          costUsd: 3,
        },
      ],
      troubles: [],
    };
    await noticeLeaks(real.services, reaping);
    await noticeLeaks(real.services, reaping);
    expect((await read('other')).notices).toEqual([]);
    const before = receiver.received.length;
    await pass();
    await pass();
    expect(receiver.received.slice(before).map(({ body }) => JSON.parse(body))).toEqual([
      expect.objectContaining({
        event: 'leaked-lease',
        schedule: 'leaky',
        sentences: [expect.stringContaining('is alive and billed')],
      }),
    ]);
    await real.services.stores.leases.change(endpoint, () => ({ closedAtMs: real.services.now() }));

    await noticeLeaks(real.services, {
      reaped: [{ ...(reaping.reaped[0] as Reaping['reaped'][0]), endpoint: 'fb-1111111111111111-a1' }],
      troubles: [],
    });
    expect((await read('other')).notices).toMatchObject([{ event: 'leaked-lease' }]);
    await forget('leaky');
    await forget('other');
  });
});

/** The schedule goes, and so does what it left in the queue, so that nothing of it is in another test. */
async function forget(name: string): Promise<void> {
  await real.services.stores.schedules.remove(name);
  expect(await history(name)).toEqual([]);
}

async function definitionOf(name: string): Promise<object> {
  const { work, webhook } = await read(name);
  return { run: undefined, [work.kind]: work.body, webhook };
}
