import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGpuMetrics } from '../../src/azure/metrics.ts';
import { type JsonServer, numberedTokens, openJsonServer } from './json-server.ts';

const WORKSPACE = { subscriptionId: 'sub', resourceGroup: 'a group', workspace: 'ws' };
const OF = { workspace: 'default', endpoint: 'fb-1', deployment: 'main' };
const FROM = Date.UTC(2026, 0, 15, 12, 0, 30);
const SPAN = { fromMs: FROM, toMs: FROM + 3 * 60_000 };

let server: JsonServer;
beforeEach(async () => {
  server = await openJsonServer();
});
afterEach(() => server.close());

const read = (armEndpoint = server.origin, of = OF) =>
  createGpuMetrics({ armEndpoint, workspaces: { default: WORKSPACE } }, numberedTokens()).readUtilisation(
    of,
    SPAN,
  );

describe('the GPU utilisation of a deployment', () => {
  it('is asked of its deployment once, by the minute, over the whole minutes of the span, with a token', async () => {
    server.answer = () => ({ value: [{ timeseries: [] }] });
    expect(await read()).toEqual({ minutes: [], reason: null });
    expect(server.calls).toHaveLength(1);
    const url = new URL(server.calls[0] ?? '', server.origin);
    expect(url.pathname).toBe(
      '/subscriptions/sub/resourceGroups/a%20group/providers/Microsoft.MachineLearningServices/workspaces/ws/onlineEndpoints/fb-1/deployments/main/providers/Microsoft.Insights/metrics',
    );
    expect(Object.fromEntries(url.searchParams)).toEqual({
      'api-version': '2023-10-01',
      metricnames: 'GpuUtilizationPercentage',
      timespan: '2026-01-15T12:00:00Z/2026-01-15T12:04:00Z',
      interval: 'PT1M',
      aggregation: 'Average',
    });
    expect(server.tokens).toEqual(['Bearer token-1']);
  });

  it('is a share of each minute that is known, and no minute is made up', async () => {
    const data = [
      { timeStamp: '2026-01-15T12:00:00Z', average: 97.5 },
      { timeStamp: '2026-01-15T12:01:00Z' },
      { timeStamp: 'then', average: 5 },
      { timeStamp: '2026-01-15T12:02:00Z', average: 0 },
      null,
    ];
    server.answer = () => ({ value: [{ timeseries: [{ data }] }] });
    expect(await read()).toEqual({
      minutes: [
        { atMs: Date.UTC(2026, 0, 15, 12, 0), utilisation: 0.975 },
        { atMs: Date.UTC(2026, 0, 15, 12, 2), utilisation: 0 },
      ],
      reason: null,
    });
  });

  it('that may not be read names the role', async () => {
    server.answer = (_, response) => {
      response.statusCode = 403;
      return { error: { code: 'AuthorizationFailed', message: 'The client with object id ...' } };
    };
    expect(await read()).toEqual({
      minutes: [],
      reason:
        'The GPU utilisation could not be read: Azure Monitor answered 403 AuthorizationFailed; give the identity the role Monitoring Reader on the workspace.',
    });
  });

  it('that cannot be had is a reason and never a throw', async () => {
    server.answer = () => ({ value: 'nothing' });
    expect(await read()).toMatchObject({ minutes: [], reason: expect.stringContaining('not a list') });
    expect(await read('http://127.0.0.1:1')).toMatchObject({
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    expect(await read('http://arm.example')).toMatchObject({ reason: expect.stringContaining('https') });
    expect(await read(server.origin, { ...OF, workspace: 'other' })).toMatchObject({
      reason: expect.stringContaining('"other"'),
    });
  });
});
