/** The hook before `azd down`, as azd starts it, against the simulator: it leaves nothing of ours and touches nothing else. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LEASE_TAGS, leaseTags } from '../../src/core/renting/lease.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

const SCRIPT = path.join(import.meta.dirname, '..', '..', 'infra', 'scripts', 'predown.sh');
const SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
const pathOf = (workspace: string) =>
  `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/${workspace}`;

let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ port: 0, speed: 40, gpuSpeed: 20, seed: 3 });
});

afterEach(() => simulator.stop());

interface Ended {
  readonly code: number;
  readonly output: string;
}

function predown(env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      'sh',
      [SCRIPT],
      {
        timeout: 50_000,
        env: {
          // The node of this process, and whatever the machine has beside it.
          PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
          ARM_ENDPOINT: simulator.baseUrl,
          FOUNDRY_BENCH_INSTALLATION: 'ours',
          FOUNDRY_BENCH_WORKSPACES: `default=${SUBSCRIPTION}/rg/one;far=${SUBSCRIPTION}/rg/two`,
          ...env,
        },
      },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

async function putEndpoint(workspace: string, name: string, tags: Record<string, string>): Promise<void> {
  const url = `${simulator.baseUrl}${pathOf(workspace)}/onlineEndpoints/${name}?api-version=2024-04-01`;
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    body: JSON.stringify({ location: 'eastus2', tags, properties: { authMode: 'Key' } }),
  });
  if (!answer.ok) throw new Error(`PUT answered ${answer.status}.`);
}

async function readAlive(): Promise<string[]> {
  const { endpoints } = (await (await fetch(`${simulator.baseUrl}/simulator/books`)).json()) as {
    endpoints: { name: string; deletedAt: string | null }[];
  };
  return endpoints.flatMap(({ name, deletedAt }) => (deletedAt === null ? [name] : [])).sort();
}

const tagsOf = (owner: string) => leaseTags({ owner, runId: 'r1', expiresAtMs: Date.now() + 3_600_000 });

describe('before azd down', () => {
  it('every endpoint of this installation goes, in each workspace and on each page of the list, and no other', async () => {
    // More of somebody else's than a page holds, on both sides of ours.
    const others = Array.from({ length: 44 }, (_, index) => `other-${index}`);
    for (const name of others.slice(0, 22)) await putEndpoint('one', name, tagsOf('other'));
    await putEndpoint('one', 'ours-here', tagsOf('ours'));
    for (const name of others.slice(22)) await putEndpoint('one', name, tagsOf('other'));
    await putEndpoint('two', 'ours-far', tagsOf('ours'));
    await putEndpoint('one', 'tool-tag-only', { [LEASE_TAGS.tool]: 'foundry-bench' });
    await putEndpoint('two', 'owner-tag-only', { [LEASE_TAGS.owner]: 'ours' });

    const { code, output } = await predown();
    expect(output).toContain('No endpoint of this installation is left.');
    expect(code).toBe(0);
    expect(await readAlive()).toEqual([...others, 'owner-tag-only', 'tool-tag-only'].sort());
  }, 60_000);

  it('azd is kept from going on where an endpoint is left, which is named', async () => {
    await putEndpoint('two', 'ours-slow', tagsOf('ours'));
    const { code, output } = await predown({ FOUNDRY_BENCH_REAP_SECONDS: '0' });
    expect(code).toBe(1);
    expect(output).toMatch(/Not deleting the app[\s\S]*endpoint ours-slow/);
    expect((await predown()).code).toBe(0);
    expect(await readAlive()).toEqual([]);
  }, 60_000);

  it.each(['SubscriptionNotFound', 'ResourceGroupNotFound', 'ParentResourceNotFound', ''])(
    'a 404 of "%s" is not taken for the absence of an endpoint that was listed',
    async (code) => {
      const listed = { name: 'ours-listed', tags: tagsOf('ours') };
      const arm = createServer((request, response) => {
        const isList = /\/onlineEndpoints\?/.test(request.url ?? '');
        response.writeHead(isList ? 200 : 404, { 'content-type': 'application/json' });
        response.end(JSON.stringify(isList ? { value: [listed] } : code === '' ? {} : { error: { code } }));
      });
      await new Promise<void>((resolve) => arm.listen(0, '127.0.0.1', resolve));
      const { port } = arm.address() as AddressInfo;
      try {
        const ended = await predown({
          ARM_ENDPOINT: `http://127.0.0.1:${port}`,
          FOUNDRY_BENCH_REAP_SECONDS: '0',
        });
        expect(ended.output).toContain(`endpoint ours-listed: ARM answered 404 ${code}`.trimEnd());
        expect(ended.code).toBe(1);
      } finally {
        arm.close();
      }
    },
  );

  it.each([
    [
      'a workspace cannot be looked at',
      { ARM_ENDPOINT: 'http://127.0.0.1:1' },
      1,
      /fetch failed|could not be looked at/,
    ],
    [
      'the workspaces are not known',
      { FOUNDRY_BENCH_WORKSPACES: '' },
      1,
      /FOUNDRY_BENCH_WORKSPACES cannot be read/,
    ],
    [
      'ARM would be somebody else',
      { ARM_ENDPOINT: 'http://example.com' },
      1,
      /only name an http address on 127/,
    ],
    [
      'the resource group of a workspace is not found',
      { FOUNDRY_BENCH_WORKSPACES: `default=${SUBSCRIPTION}/rg-fault-group-missing/one` },
      1,
      /workspace one: ARM answered 404 ResourceGroupNotFound, which says nothing of its endpoints/,
    ],
    [
      'the workspace itself is gone',
      { FOUNDRY_BENCH_WORKSPACES: `default=${SUBSCRIPTION}/rg/fault-workspace-missing` },
      0,
      /does not exist any more, and its endpoints with it/,
    ],
    ['nothing was ever provisioned', { FOUNDRY_BENCH_INSTALLATION: '' }, 0, /never provisioned/],
  ])('where %s', async (_, env, code, sentence) => {
    const ended = await predown({ FOUNDRY_BENCH_REAP_SECONDS: '0', ...env });
    expect(ended.output).toMatch(sentence);
    expect(ended.code).toBe(code);
  });
});
