import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listSkus } from '../../src/http/skus.ts';
import { ControlPlaneError } from '../../src/services.ts';
import { type CallsOfTest, openCalls } from './a-call.ts';

let calls: CallsOfTest;
beforeAll(async () => {
  calls = await openCalls();
});
afterAll(() => calls.close());

describe('GET /api/skus', () => {
  it('lists every size with its GPUs, its quota and its price in the region of the workspace', async () => {
    const { status, json } = await calls.get(listSkus, '');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      region: 'eastus2',
      workspace: 'default',
      quota: { known: true, reason: null },
    });
    const size = (name: string) => json.skus.find((one: { name: string }) => one.name === name);
    expect(size('Standard_NC24ads_A100_v4')).toMatchObject({
      gpu: 'A100 80 PCIe',
      gpus: 1,
      gpuMemoryGb: 80,
      vcpus: 24,
      ramGb: 220,
      quota: { usedCores: 0, neededCoresForOneInstance: 24, verdict: 'fits', limitCores: expect.any(Number) },
    });
    const { price } = size('Standard_NC24ads_A100_v4');
    expect(price).toMatchObject({
      source: 'retail',
      since: expect.stringMatching(/^\d{4}-/),
      ageSeconds: expect.any(Number),
    });
    expect(price.perHourUsd).toBeCloseTo(3.673, 3);
    expect(price.oneYearPerHourUsd).toBeCloseTo(3.673 * 0.65, 3);
    expect(price.threeYearsPerHourUsd).toBeCloseTo(3.673 * 0.45, 3);
    expect(size('Standard_NC4as_T4_v3').quota.neededCoresForOneInstance).toBe(8);
    expect(size('Standard_NC80adis_H100_v5').gpus).toBe(2);
    expect(size('Standard_NC80ads_H100_v5')).toBeUndefined();
  });

  it('takes another region, as ARM or as a person writes it', async () => {
    const { json } = await calls.get(listSkus, 'region=West%20Europe');
    expect(json.region).toBe('westeurope');
    expect(json.skus[0].price.perHourUsd).toBeCloseTo(3.673 * 1.3, 3);
  });

  it('tells what is not known in a region that Azure has no prices for', async () => {
    const { json } = await calls.get(listSkus, 'region=atlantis');
    expect(json.skus[0].price.perHourUsd).toBeNull();
    expect(json.skus[0].price.reason).toContain(
      'no Linux pay-as-you-go price of Standard_NC24ads_A100_v4 in atlantis',
    );
  });

  it('takes ARM’s estimate where the price list is down, and says so', async () => {
    const offline = await openCalls({ PRICES_ENDPOINT: 'http://127.0.0.1:1' });
    try {
      const { price } = (await offline.get(listSkus, '')).json.skus[0];
      expect(price).toMatchObject({ source: 'arm', oneYearPerHourUsd: null });
      expect(price.perHourUsd).toBeCloseTo(3.673, 3);
    } finally {
      await offline.close();
    }
  });

  it('works without a workspace where a region is named, with the quota unknown', async () => {
    const bare = await openCalls({ WORKSPACES: '{}' });
    try {
      const { status, json } = await bare.get(listSkus, 'region=eastus2');
      expect(status).toBe(200);
      expect(json).toMatchObject({
        workspace: null,
        quota: { known: false, reason: expect.stringContaining('The settings name no workspace') },
      });
      expect(json.skus[0].quota).toMatchObject({ verdict: 'unknown', usedCores: null });
      expect(json.skus[0].price.perHourUsd).toBeGreaterThan(3);
      expect(await bare.get(listSkus, '')).toMatchObject({ status: 400, logged: [] });
    } finally {
      await bare.close();
    }
  });

  it.each<[string, string, string]>([
    ['a region with a quote', "region=east'us", 'must be a region such as eastus2'],
    ['a region with a path', 'region=..%2Fx', 'must be a region such as eastus2'],
    ['an unknown workspace', 'workspace=other', 'is not a workspace of this installation (known: default)'],
    ['an unknown parameter', 'sku=x', 'is not a parameter'],
  ])('refuses %s', async (_name, query, detail) => {
    const answer = await calls.get(listSkus, query);
    expect(answer).toMatchObject({ status: 400, logged: [] });
    expect(answer.json.detail).toContain(detail);
  });

  it('says where the region of the workspace cannot be read', async () => {
    const controlPlane = {
      ...calls.services.controlPlane,
      readRegion: () => {
        throw new ControlPlaneError('ARM sleeps.', { code: 'X', status: 500, retryable: true });
      },
    };
    const answer = await calls.get(listSkus, '', {}, { controlPlane });
    expect(answer).toMatchObject({ status: 502, logged: [] });
    expect(answer.json.detail).toBe('ARM sleeps. Name a region, as in ?region=eastus2.');
  });
});
