import { afterEach, describe, expect, it } from 'vitest';
import { type FakeApp, startFakeApp } from './fake-app.ts';
import { runCommand } from './run-command.ts';

let app: FakeApp | null = null;
afterEach(async () => {
  await app?.close();
  app = null;
});

const MODELS = {
  registry: 'AzureML',
  search: 'phi',
  found: 3,
  complete: true,
  readAt: '2026-01-15T12:00:00.000Z',
  ageSeconds: 0,
  models: [
    {
      name: 'Phi-4',
      latestVersion: '8',
      links: { self: '/api/models/AzureML/Phi-4' },
      task: 'chat-completion',
      contextTokens: 16_384,
      allowedSkus: null,
      recommendedSkus: ['Standard_NC24ads_A100_v4', 'Standard_NC40ads_H100_v5', 'Standard_ND96asr_v4'],
      retiresOn: null,
    },
    { name: 'phi-\u001b[31mold', latestVersion: null, links: { self: '/x' } },
  ],
};

const SKUS = {
  region: 'eastus2',
  workspace: 'default',
  quota: { known: true, reason: null, askedAt: '2026-01-15T12:00:00.000Z', ageSeconds: 0 },
  skus: [
    {
      name: 'Standard_NC24ads_A100_v4',
      gpu: 'A100 80 GB',
      gpus: 1,
      gpuMemoryGb: 80,
      vcpus: 24,
      ramGb: 220,
      diskGb: 64,
      quotaFamily: 'standardNCADSA100v4Family',
      reservesFifth: true,
      quota: {
        usedCores: 24,
        limitCores: 48,
        neededCoresForOneInstance: 24,
        verdict: 'fits',
        reason: 'It fits.',
      },
      price: {
        perHourUsd: 3.673,
        since: '2025-01-01',
        source: 'retail',
        askedAt: null,
        ageSeconds: 1,
        oneYearPerHourUsd: null,
        threeYearsPerHourUsd: null,
      },
    },
    {
      name: 'Standard_ND96asr_v4',
      gpu: 'A100 40 GB',
      gpus: 8,
      gpuMemoryGb: 320,
      vcpus: 96,
      ramGb: 900,
      diskGb: null,
      quotaFamily: 'standardNDASv4Family',
      reservesFifth: false,
      quota: {
        usedCores: null,
        limitCores: null,
        neededCoresForOneInstance: 96,
        verdict: 'unknown',
        reason: 'Nobody knows.',
      },
      price: { perHourUsd: null, reason: 'The list has none.' },
    },
  ],
};

async function openApp(): Promise<FakeApp> {
  app = await startFakeApp({
    override: ({ path }) =>
      path.startsWith('/api/models')
        ? { status: 200, body: MODELS }
        : path.startsWith('/api/skus')
          ? { status: 200, body: SKUS }
          : null,
  });
  return app;
}

describe('models', () => {
  it('lists what a search finds, a dash for what the catalog does not say', async () => {
    const { code, stdout } = await runCommand(['models', 'phi', '--registry', 'AzureML'], {
      app: await openApp(),
    });
    expect(code).toBe(0);
    expect(app?.calls[0]?.path).toBe('/api/models?search=phi&registry=AzureML');
    expect(stdout).toMatch(
      /^Phi-4 +8 +chat-completion +16384 +NC24ads_A100_v4, NC40ads_H100_v5 and 1 more$/m,
    );
    expect(stdout).toMatch(/^phi-old +- +- +- +-$/m);
    expect(stdout).toContain('3 were found; these are the first 2.');
    expect(stdout).not.toContain('\u001b');
  });

  it('asks for all of the default registry without words', async () => {
    await runCommand(['models'], { app: await openApp() });
    expect(app?.calls[0]?.path).toBe('/api/models?');
  });
});

describe('skus', () => {
  it('lists the sizes with quota and price, and says what is not known', async () => {
    const { code, stdout } = await runCommand(['skus', '--region', 'eastus2'], { app: await openApp() });
    expect(code).toBe(0);
    expect(app?.calls[0]?.path).toBe('/api/skus?region=eastus2');
    expect(stdout).toMatch(/^Standard_NC24ads_A100_v4 +1 x A100 80 GB +80 +24 +24 of 48 +fits +\$3\.67$/m);
    expect(stdout).toMatch(/^Standard_ND96asr_v4 .* \? of \? +unknown +-$/m);
  });

  it.each(['models', 'skus'])('and %s give the answer as it is with --json', async (command) => {
    const { stdout } = await runCommand([command, '--json'], { app: await openApp() });
    expect(JSON.parse(stdout)).toEqual(command === 'models' ? MODELS : SKUS);
  });

  it.each(['models', 'skus'])('%s fits a screen of 60 columns', async (command) => {
    const { stdout } = await runCommand([command], { app: await openApp(), terminalWidth: 60 });
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(70);
    expect(stdout).toMatch(/^(model|SKU) +\S/m);
  });
});
