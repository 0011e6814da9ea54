import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createArmLocations } from '../../src/azure/arm-locations.ts';
import { createQuotaBook } from '../../src/azure/quota.ts';
import { quotaVerdict } from '../../src/core/renting/quota.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { type JsonServer, numberedTokens, openJsonServer } from './json-server.ts';

const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';
const T4 = 'Standard_NC4as_T4_v3';

let server: JsonServer;
let now = 0;
beforeEach(async () => {
  now = 1_000_000;
  server = await openJsonServer();
});
afterEach(() => server.close());

function openBook(armEndpoint = server.origin) {
  const workspaces = { default: { subscriptionId: SUBSCRIPTION, resourceGroup: 'rg', workspace: 'ws' } };
  const locations = createArmLocations({ armEndpoint, workspaces }, numberedTokens());
  return createQuotaBook({ workspaces }, locations, () => now);
}

const row = (name: string, currentValue: unknown, limit: unknown, type = 'vmFamily/usages') => ({
  id: `/subscriptions/${SUBSCRIPTION}/usages/${name.replaceAll(' ', '_')}`,
  type: `Microsoft.MachineLearningServices/${type}`,
  unit: 'Count',
  currentValue,
  limit,
  name: { value: name, localizedValue: '' },
});

async function verdict(value: readonly unknown[], instances = 1) {
  server.answer = () => ({ value });
  const answer = await openBook().read('default', 'eastus2');
  return quotaVerdict({ sku: T4, instances, endpoints: 1, answer });
}

describe('the quota of a subscription in a region', () => {
  it('is asked of ARM with a token, over all pages', async () => {
    server.answer = (url) =>
      url.searchParams.has('$skip')
        ? { value: [row('standardNCASv3_T4Family', 4, 24)] }
        : { value: [row('standardDFamily', 0, 100)], nextLink: `${server.origin}${url.pathname}?$skip=1` };
    const answer = await openBook().read('default', 'eastus2');
    expect(answer.reason).toBeNull();
    expect(quotaVerdict({ sku: T4, instances: 4, endpoints: 1, answer })).toMatchObject({
      verdict: 'fits',
      usedCores: 4,
      limitCores: 24,
      neededCores: 20,
    });
    expect(server.calls[0]).toBe(
      `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/eastus2/usages?api-version=2024-10-01`,
    );
    expect(server.tokens).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  it('is matched by names with spaces and other capitals, by the last part of the id, and by nothing else', async () => {
    expect((await verdict([row('STANDARD NCASv3_T4 Family', 0, 8)])).verdict).toBe('fits');
    const unnamed = { ...row('standard NCASv3_T4 Family', 0, 6), name: { value: '', localizedValue: null } };
    expect((await verdict([unnamed])).verdict).toBe('refused');
    expect((await verdict([row('standardNCASv3Family', 0, 100)])).verdict).toBe('unknown');
  });

  it('is that of the subscription, not of a workspace, a cluster or low-priority cores', async () => {
    const own = row('Standard NCASv3_T4 Family Cluster Dedicated vCPUs', 0, 8);
    const others = [
      row('Standard NCASv3_T4 Family Cluster Dedicated vCPUs', 8, 8, 'workspaces/usages'),
      row('Standard NCASv3_T4 Family Cluster Dedicated vCPUs', 8, 8, 'workspace/computes/usages'),
      row('Standard NCASv3_T4 Family Cluster LowPriority vCPUs', 0, -1),
      row('Total Cluster Dedicated Regional vCPUs', 0, 0, 'dedicatedCores/usages'),
    ];
    expect((await verdict([...others, own])).verdict).toBe('fits');
    expect((await verdict([own, ...others])).verdict).toBe('fits');
    expect((await verdict(others)).verdict).toBe('unknown');
  });

  it('has no limit at -1, and is unknown where its figures are none', async () => {
    expect((await verdict([row('standardNCASv3_T4Family', 3, -1)], 50)).verdict).toBe('fits');
    expect((await verdict([row('standardNCASv3_T4Family', '3', 8), null, 'x', {}])).verdict).toBe('unknown');
  });

  it('is kept for a minute with the moment at which it was asked, and a failure is not kept', async () => {
    const book = openBook();
    server.answer = (_url, response) =>
      void response.writeHead(429).end('{"error":{"code":"TooManyRequests"}}');
    expect(await book.read('default', 'eastus2')).toEqual({
      usages: null,
      reason:
        'The quota of the subscription in eastus2 could not be read: the list of usages answered 429 TooManyRequests.',
      askedAtMs: 1_000_000,
    });
    server.answer = () => ({ value: [row('standardNCASv3_T4Family', 4, 24)] });
    await book.read('default', 'eastus2');
    now += 59_000;
    expect((await book.read('default', 'eastus2')).askedAtMs).toBe(1_000_000);
    expect(server.calls).toHaveLength(2);
    now += 1_000;
    expect((await book.read('default', 'eastus2')).askedAtMs).toBe(1_060_000);
    await book.read('default', 'westeurope');
    expect(server.calls).toHaveLength(4);
  });

  it.each<[string, unknown, string]>([
    ['another answer', { error: 'x' }, 'the answer is not a list of usages'],
    [
      'a list that leads elsewhere',
      { value: [], nextLink: 'https://evil.example/x' },
      'goes on at another address',
    ],
  ])('is unknown for %s', async (_name, body, reason) => {
    server.answer = () => body;
    const answer = await openBook().read('default', 'eastus2');
    expect(answer.reason).toContain(reason);
    expect(quotaVerdict({ sku: T4, instances: 1, endpoints: 1, answer }).verdict).toBe('unknown');
  });

  it('is unknown for a workspace that the settings do not know', async () => {
    expect((await openBook().read('toString', 'eastus2')).reason).toContain('no workspace "toString"');
    expect(server.calls).toEqual([]);
  });
});

describe('the sizes of a region with their estimates', () => {
  const openLocations = (
    workspaces = { w: { subscriptionId: SUBSCRIPTION, resourceGroup: 'rg', workspace: 'ws' } },
  ) => createArmLocations({ armEndpoint: server.origin, workspaces }, numberedTokens(), () => now);
  const size = (name: string, estimatedVMPrices: unknown) => ({ name, estimatedVMPrices });

  it('are read as they are, those without a price left out, and kept for ten minutes', async () => {
    const values = [{ retailPrice: 0.526, osType: 'Linux', vmTier: 'Standard' }, { retailPrice: 'x' }, null];
    server.answer = () => ({
      value: [size(T4, { billingCurrency: 'USD', unitOfMeasure: 'OneHour', values }), size('x', null), null],
    });
    const locations = openLocations();
    const sizes = await locations.listSizePrices('eastus2');
    expect(sizes).toEqual([
      {
        name: T4,
        currency: 'USD',
        unit: 'OneHour',
        prices: [{ perUnit: 0.526, os: 'Linux', tier: 'Standard' }],
      },
    ]);
    await locations.listSizePrices('eastus2');
    expect(server.calls).toEqual([expect.stringContaining('/locations/eastus2/vmSizes?api-version=')]);
    now += 600_000;
    await locations.listSizePrices('eastus2');
    expect(server.calls).toHaveLength(2);
  });

  it('cannot be asked for without a workspace', async () => {
    await expect(openLocations({} as never).listSizePrices('eastus2')).rejects.toThrow(
      'no workspace to ask through',
    );
  });
});

it('the simulator’s quota and estimates are read like Azure’s', async () => {
  const simulator = await startSimulator({ port: 0 });
  try {
    const answer = await openBook(simulator.baseUrl).read('default', 'eastus2');
    expect(
      quotaVerdict({ sku: 'Standard_NC24ads_A100_v4', instances: 1, endpoints: 1, answer }),
    ).toMatchObject({
      verdict: 'fits',
      usedCores: 0,
      neededCores: 24,
    });
  } finally {
    await simulator.stop();
  }
});
