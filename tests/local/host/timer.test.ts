import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HistoryStore } from '../../../src/local/host/durable/store.ts';
import { eventually, type FixtureHost, startFixture } from './app-host.ts';
import type { Firing, Timers } from './fixtures/timer-app/app.ts';

const HOUR_MS = 3_600_000;
const PAST_MS = Date.parse('2020-01-01T10:00:00Z');

let folder: string;
let historyFile: string;
let host: FixtureHost;
let timers: Timers;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'host-timer-'));
  historyFile = join(folder, 'history.db');
  process.env.EVERY_SECOND = '* * * * * *';
  process.env['AzureWebJobs.disabled.Disabled'] = 'true';
  // As a host leaves it that was killed before the occurrence at ten.
  const store = new HistoryStore(historyFile);
  store.saveTimer('hourly', {
    expression: '0 0 * * * *',
    lastMs: PAST_MS - HOUR_MS,
    nextMs: PAST_MS,
    updatedMs: PAST_MS - HOUR_MS,
  });
  store.close();
  host = await startFixture('timer-app', { historyFile });
  timers = (globalThis as unknown as { timers: Timers }).timers;
});

afterAll(async () => {
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
});

const firingsOf = (name: string): readonly Firing[] =>
  timers.firings.filter((firing) => firing.name === name);

test('what was missed while the host was away fires once, as past due', async () => {
  const [firing] = await eventually(() => firingsOf('hourly').length > 0 && firingsOf('hourly'));
  expect(firing).toMatchObject({
    isPastDue: true,
    last: '2020-01-01T09:00:00.000Z',
    next: '2020-01-01T10:00:00.000Z',
  });
  expect(firingsOf('hourly')).toHaveLength(1);
});

test('runOnStartup fires at the start, with the retries of its policy and no more', async () => {
  await eventually(() => firingsOf('onStartup').length >= 3);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(firingsOf('onStartup').map(({ retryCount }) => retryCount)).toEqual([undefined, 1, 2]);
  expect(firingsOf('onStartup')[0]?.isPastDue).toBe(false);
});

test('a timer fires on its schedule, and never twice at once', async () => {
  await eventually(() => firingsOf('everySecond').length >= 3);
  expect(timers.mostRunning).toBe(1);
  for (const { atMs, next } of firingsOf('everySecond'))
    expect(atMs).toBeGreaterThanOrEqual(Date.parse(next));
});

test('an invocation that takes longer than functionTimeout is given up', async () => {
  expect((await fetch(`${host.baseUrl}/api/hangs`)).status).toBe(500);
  expect(host.lines.some(({ message }) => message.includes('longer than the 2 s of functionTimeout'))).toBe(
    true,
  );
});

test('a disabled timer does not exist', () => {
  expect(firingsOf('disabled')).toEqual([]);
});

test('after a stop nothing fires; the next start knows what is due, and nothing is late', async () => {
  await host.stop();
  const count = timers.firings.length;
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(timers.firings.length).toBe(count);

  const store = new HistoryStore(historyFile);
  expect(store.readTimer('hourly')?.nextMs).toBeGreaterThan(Date.now());
  // A timer of seconds is not worth remembering.
  expect(store.readTimer('everySecond')).toBeUndefined();
  store.close();

  host = await startFixture('timer-app', { historyFile });
  await eventually(() => firingsOf('onStartup').length >= 4);
  expect(firingsOf('hourly')).toHaveLength(1);
});
