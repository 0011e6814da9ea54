/**
 * `npm start -- --azure`: the same host against an Azure that is not its own, which here is a simulator in this process.
 * The cloud process holds tables and nothing else, a run rents over there, and what is said fits.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../../src/simulator/simulator.ts';
import { type Installation, openInstallation, smallSpec } from '../../support/installation.ts';

let azure: Simulator;
let installation: Installation;

beforeAll(async () => {
  azure = await startSimulator({ port: 0, speed: 20, gpuSpeed: 20, seed: 3 });
  installation = await openInstallation(
    {
      ARM_ENDPOINT: azure.baseUrl,
      PRICES_ENDPOINT: azure.baseUrl,
      AZURE_SUBSCRIPTION_ID: '11111111-2222-3333-4444-555555555555',
      AZURE_RESOURCE_GROUP: 'group',
      AZURE_ML_WORKSPACE: 'lab',
      WORKSPACES: '',
      POLL_SECONDS: '1',
      // As a shell has it that ran the simulator before.
      SIMULATOR_GPU_SPEED: '50',
    },
    { azure: true },
  );
}, 60_000);

afterAll(async () => {
  await installation.close();
  await azure.stop();
});

describe('an installation against Azure', () => {
  it('has no simulator of its own, and says what costs money and that its safeguards stop with it', async () => {
    const cloud = JSON.parse(readFileSync(path.join(installation.state, 'cloud.json'), 'utf8'));
    expect(Object.keys(cloud.ports)).toEqual(['tables']);
    expect(existsSync(path.join(installation.state, 'simulator.json'))).toBe(false);
    expect(existsSync(path.join(installation.state, 'real-azure'))).toBe(true);
    expect((await installation.get('/api/health')).json).toMatchObject({
      status: 'ok',
      simulated: false,
      simulatorGpuSpeed: null,
    });
    expect(installation.output()).toContain(`Azure       ${azure.baseUrl}`);
    expect(installation.output()).toContain('default: 11111111-2222-3333-4444-555555555555/group/lab');
    expect(installation.output()).toMatch(/Safeguards stop with this laptop.*you said that you will reap/s);
  });

  it('rents in the workspace of the settings under its own owner tag, and gives it back', async () => {
    const shortest = { workloads: [{ promptTokens: 64, outputTokens: 16 }], concurrency: { levels: [1] } };
    const { id } = (await installation.post('/api/runs', smallSpec(shortest))).json;
    const { run } = await installation.watch(
      id,
      (one) => ['completed', 'failed', 'canceled'].includes(one.state),
      90,
    );
    expect(run).toMatchObject({ state: 'completed', failure: null });
    const { endpoints } = (await installation.books()) as { endpoints: readonly object[] };
    expect(endpoints).toMatchObject([
      { name: run.endpoint.name, workspace: 'lab', resourceGroup: 'group', deletedAt: expect.any(String) },
    ]);
    const { rows } = (await installation.get(`/api/runs/${id}/results`)).json;
    expect(rows).toMatchObject([{ provenance: { simulatorGpuSpeed: null } }]);
  }, 120_000);

  it('says on its way out that what is left on Azure goes on to be billed', async () => {
    await installation.stopHost();
    expect(installation.output()).toContain('What was kept or left on Azure goes on to be billed.');
    expect(installation.output()).toContain('Nothing deletes them before you start this again.');
  });
});
