/** The reaper on a whole installation that it visits every second: what it takes, what it lets live, and `reap` itself. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leaseTags } from '../../../src/core/renting/lease.ts';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

const COMMAND = path.join(import.meta.dirname, '..', '..', '..', 'bin', 'foundry-bench.js');
const WORKSPACE =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local';

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation({ REAP_SCHEDULE: '* * * * * *' });
});

afterAll(async () => {
  await installation.close();
});

async function putEndpoint(name: string, owner: string): Promise<void> {
  const tags = leaseTags({ owner, runId: 'r-of-nobody', expiresAtMs: Date.now() + 3_600_000 });
  const answer = await fetch(
    `${installation.simulatorUrl}${WORKSPACE}/onlineEndpoints/${name}?api-version=2024-04-01`,
    {
      method: 'PUT',
      headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
      body: JSON.stringify({ location: 'eastus2', tags, properties: { authMode: 'Key' } }),
    },
  );
  if (!answer.ok) throw new Error(`PUT answered ${answer.status}.`);
}

async function alive(): Promise<string[]> {
  const { endpoints } = await installation.books();
  return endpoints.flatMap(({ name, deletedAt }) => (deletedAt === null ? [name] : [])).sort();
}

/** Repeats until the condition holds, at most 600 times. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await condition()) return;
    await delay(100);
  }
  throw new Error('The condition did not come true within 600 tries.');
}

function runCommand(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [COMMAND, ...args, '--url', installation.url],
      { timeout: 120_000 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

describe('an installation with its reaper at work', () => {
  it('deletes a leak without a lease at once, leaves a second installation alone, and lets its own run finish', async () => {
    const owner = readFileSync(path.join(installation.state, 'installation-id'), 'utf8').trim();
    await putEndpoint('second-installation', 'somebody-else');
    await putEndpoint('ours-leaked', owner);
    const shortest = { workloads: [{ promptTokens: 64, outputTokens: 16 }], concurrency: { levels: [1] } };
    const { id } = (await installation.post('/api/runs', smallSpec(shortest))).json;
    await until(async () => !(await alive()).includes('ours-leaked'));
    const { run } = await installation.watch(
      id,
      (one) => ['completed', 'failed', 'canceled'].includes(one.state),
      150,
    );
    expect(run).toMatchObject({ state: 'completed', failure: null });
    expect(await alive()).toEqual(['second-installation']);
    expect(installation.output()).toMatch(/ours-leaked.*no open lease covers it/);
  }, 180_000);

  it('ends everything on `reap --all --wait`: the run is canceled, its endpoint gone, and only then it exits with 0', async () => {
    const { id } = (await installation.post('/api/runs', smallSpec())).json;
    await installation.watch(id, (one) => one.endpoint !== null, 60);
    const { code, output } = await runCommand('reap', '--all', '--wait');
    expect(output).toContain('nothing of this installation is alive');
    expect(code).toBe(0);
    expect(await alive()).toEqual(['second-installation']);
    expect((await installation.get(`/api/runs/${id}`)).json.state).toBe('canceled');
  }, 180_000);
});
