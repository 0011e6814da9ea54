/** What Azure Monitor tells of a deployment, read as our own client and anybody else would read it. */
import { request } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createGpuMetrics } from '../../src/azure/metrics.ts';
import { type Deployed, openWorkspace, SUBSCRIPTION, type WorkspaceOfTest } from './a-workspace.ts';

const MINUTE_MS = 60_000;
const OUTPUT_TOKENS = 60;

let aheadMs = 0;
let workspace: WorkspaceOfTest;
let deployed: Deployed;
beforeAll(async () => {
  workspace = await openWorkspace({ now: () => Date.now() + aheadMs, gpuSpeed: 10 });
  deployed = await workspace.deploy('busy', { instances: 2, maxConcurrent: 4 });
});
afterAll(() => workspace.close());

const deploymentPath = (name = 'blue') =>
  `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws/onlineEndpoints/busy/deployments/${name}`;
const metricsPath = (query: string, name = 'blue') =>
  `${deploymentPath(name)}/providers/Microsoft.Insights/metrics?metricnames=GpuUtilizationPercentage&${query}`;

async function ask(): Promise<void> {
  const answer = await request(deployed.chatUri, {
    method: 'POST',
    headers: { authorization: `Bearer ${deployed.key}` },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: OUTPUT_TOKENS }),
  });
  expect(answer.statusCode).toBe(200);
  await answer.body.text();
}

it('tells the time in which anything ran on the GPUs, by the minute and the mean of the instances', async () => {
  const fromMs = Date.now() + aheadMs;
  await ask();
  aheadMs += 3 * MINUTE_MS;
  const nowMs = Date.now() + aheadMs;
  const metrics = createGpuMetrics(
    {
      armEndpoint: workspace.simulator.baseUrl,
      workspaces: { default: { subscriptionId: SUBSCRIPTION, resourceGroup: 'rg', workspace: 'ws' } },
    },
    { getToken: async () => ({ token: 'any', expiresOnTimestamp: nowMs + 3_600_000 }) },
  );
  const of = { workspace: 'default', endpoint: 'busy', deployment: 'blue' };
  const { minutes, reason } = await metrics.readUtilisation(of, { fromMs, toMs: nowMs });
  expect(reason).toBeNull();
  const busyMs = minutes.reduce((sum, { utilisation }) => sum + utilisation * MINUTE_MS, 0) * 2;
  // Sixty tokens of about 22 ms each, ten times as fast; the fixed time of a call is none of the GPU's.
  expect(busyMs).toBeGreaterThan((OUTPUT_TOKENS * 20) / 10);
  expect(busyMs).toBeLessThan((OUTPUT_TOKENS * 30) / 10);
  expect(minutes.filter(({ utilisation }) => utilisation > 0).length).toBeLessThanOrEqual(2);
  // The last minute that is told ended a minute ago.
  const lastMs = minutes.at(-1)?.atMs ?? 0;
  expect(nowMs - lastMs).toBeGreaterThanOrEqual(2 * MINUTE_MS);
  expect(nowMs - lastMs).toBeLessThan(3 * MINUTE_MS);
});

it('has a minute that is not known yet, or was before the deployment, without a value', async () => {
  const span = `timespan=${new Date(Date.now() - 60 * MINUTE_MS).toISOString()}/${new Date(Date.now() + aheadMs + 10 * MINUTE_MS).toISOString()}`;
  const { status, body } = await workspace.arm('GET', metricsPath(span));
  expect(status).toBe(200);
  expect(body).toMatchObject({ interval: 'PT1M', value: [{ unit: 'Percent', errorCode: 'Success' }] });
  const { data } = body.value[0].timeseries[0];
  expect(Object.keys(data[0])).toEqual(['timeStamp']);
  expect(Object.keys(data.at(-1))).toEqual(['timeStamp']);
  expect(data.some((point: object) => 'average' in point)).toBe(true);
});

it.each([
  ['another metric', metricsPath('').replace('GpuUtilizationPercentage', 'RequestLatency'), 400],
  ['another grain', metricsPath('interval=PT1H'), 400],
  ['another aggregation', metricsPath('aggregation=Total'), 400],
  ['a span that is none', metricsPath('timespan=yesterday'), 400],
  ['a deployment that does not exist', metricsPath('', 'green'), 404],
  ['another word of that provider', `${deploymentPath()}/providers/Microsoft.Insights/logs`, 404],
])('refuses %s', async (_, path, status) => {
  expect((await workspace.arm('GET', path)).status).toBe(status);
});
