import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type FixtureHost, startFixture } from './app-host.ts';

let folder: string;
let host: FixtureHost;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'host-resume-'));
  host = await startFixture('resume-app', { historyFile: join(folder, 'history.db') });
});

afterAll(async () => {
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function post(url: string, body: unknown): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.headers.get('content-length') === '0'
    ? {}
    : ((await response.json()) as Record<string, string>);
}

async function read(url: string): Promise<{ readonly runtimeStatus: string; readonly output: unknown }> {
  return (await fetch(url)).json() as Promise<{ runtimeStatus: string; output: unknown }>;
}

test('a stop abandons what hangs, and the next start takes up activity, timer and events where they were', async () => {
  const attempts = (globalThis as unknown as { attempts: string[] }).attempts;
  const urls = await post(`${host.baseUrl}/api/start`, {});
  await eventually(() => attempts.length === 1);
  await post((urls.sendEventPostUri ?? '').replace('{eventName}', 'go'), 'event');
  await host.stop();

  host = await startFixture('resume-app', { historyFile: join(folder, 'history.db') });
  // The address of the management API has a new random segment; the rest of it stays.
  const fresh = await post(`${host.baseUrl}/api/start`, { version: 'none' });
  const url = (fresh.statusQueryGetUri ?? '').replace(fresh.id ?? '', urls.id ?? '');
  const ended = await eventually(async () => {
    const status = await read(url);
    return status.runtimeStatus === 'Completed' && status;
  });
  expect(ended.output).toEqual(['second attempt', null, 'event']);
  expect(attempts).toEqual(['x', 'x']);

  // The instance of a foreign version, under Strict and Fail.
  const refused = await eventually(async () => {
    const status = await read(fresh.statusQueryGetUri ?? '');
    return status.runtimeStatus === 'Failed' && status;
  });
  expect(refused.output).toMatch(/version 'none', which this app of version '1.0' does not run/);
});
