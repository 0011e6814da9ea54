/**
 * The whole engine, in its own thread, against the whole simulator over http: what the origin measured at concurrency 1
 * comes out of it again, and a server that answers one request at a time is told from one that batches.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DurationHistogram } from '../../src/core/measuring/histogram.ts';
import { effectiveParallelism } from '../../src/core/measuring/serialisation.ts';
import type { Route } from '../../src/core/measuring/shard.ts';
import { type CellSummary, mergeShards } from '../../src/core/measuring/summary.ts';
import { buildReport } from '../../src/core/report/report.ts';
import { startShard } from '../../src/load/shard-runner.ts';
import { type Deployed, openWorkspace, phi4With, type WorkspaceOfTest } from '../simulator/a-workspace.ts';
import { aCell, aRun } from '../support/builders.ts';
import { shardOrder } from './fake-endpoint.ts';

/** Tokens are still milliseconds apart, which a busy machine can keep. */
const GPU_SPEED = 8;
/** Each simulated deployment is up to three deviations of 2 % faster or slower than its kind; and a hundredth for us. */
const NOISE = 0.07;
const OUTPUT_TOKENS = 64;

let workspace: WorkspaceOfTest;
beforeAll(async () => {
  workspace = await openWorkspace({ gpuSpeed: GPU_SPEED });
});
afterAll(() => workspace.close());

const chat = ({ chatUri }: Deployed): Route => ({ api: 'openai-chat', url: chatUri, stream: true });
const score = ({ scoringUri }: Deployed): Route => ({ api: 'score', url: scoringUri, stream: false });

async function measure(
  { key }: Deployed,
  route: Route,
  connections: number,
  requests: number,
  outputTokens = OUTPUT_TOKENS,
): Promise<CellSummary> {
  const summary = await startShard(
    shardOrder(route.url, {
      route,
      authorization: `Bearer ${key}`,
      connections,
      workload: { promptTokens: 120, outputTokens },
      load: { mode: 'count', requests, maxSeconds: 60 },
      requestTimeoutMs: 60_000,
    }),
  ).summary;
  const merged = mergeShards([summary]);
  expect(merged).toMatchObject({ succeeded: requests, failures: {}, outputLengthFidelity: 1 });
  return merged;
}

describe('Phi-4 at concurrency 1', () => {
  test.each([
    ['Standard_NC24ads_A100_v4', 22],
    ['Standard_NC48ads_A100_v4', 14],
    ['Standard_NC40ads_H100_v5', 12.5],
    ['Standard_NC80adis_H100_v5', 8.75],
  ])('takes on %s about %s ms a token, as the origin measured it', async (sku, tpotMs) => {
    const deployed = await workspace.deploy(`one-${sku.slice(9, 13).toLowerCase()}`, { sku });
    const { histograms, ttftReason } = await measure(deployed, chat(deployed), 1, 5);
    expect(ttftReason).toBeNull();
    const measured = (DurationHistogram.parse(histograms.tpot).quantileMs(0.5) ?? 0) * GPU_SPEED;
    expect(Math.abs(measured / tpotMs - 1)).toBeLessThan(NOISE);
    // The origin's shortest answers took 0.8 to 1.2 s whatever the SKU: the wrapper's fixed time.
    const ttft = ((DurationHistogram.parse(histograms.ttft).quantileMs(0.5) ?? 0) * GPU_SPEED) / 1_000;
    expect(ttft).toBeGreaterThan(0.85);
    expect(ttft).toBeLessThan(1.6);
  });
});

test('a short stream that was held back is marked as one that may have been, and a real one is not', async () => {
  const held = await workspace.deploy('held', { environment: { SIMULATOR_FAULTS: 'fault-buffered-stream' } });
  expect(await measure(held, chat(held), 1, 4, 24)).toMatchObject({ ttftReason: null, mayBeBuffered: true });
  const real = await workspace.deploy('real', {});
  expect(await measure(real, chat(real), 1, 4, 24)).not.toHaveProperty('mayBeBuffered');
});

test('X(4)/X(1) tells the wrapper of /score, which answers one at a time, from the engine that batches', async () => {
  const deployed = await workspace.deploy('four', { maxConcurrent: 4 });
  const ratioOf = async (route: Route) => {
    const rates = [await measure(deployed, route, 1, 2), await measure(deployed, route, 4, 8)].map(
      ({ rates: { outputTokensPerSecond } }) => outputTokensPerSecond ?? 0,
    );
    return effectiveParallelism(4, rates.slice(0, 1), rates.slice(1));
  };
  const serial = await ratioOf(score(deployed));
  expect(serial).toMatchObject({ verdict: 'one' });
  expect(serial?.ratio).toBeGreaterThan(0.85);
  const batching = await ratioOf(chat(deployed));
  expect(batching).toMatchObject({ verdict: 'scales' });
  expect(batching?.ratio).toBeLessThan(4.3);
});

test('an endpoint that delays its answers for bandwidth, and says so in trailers, is what holds the row back', async () => {
  const bytesPerSecond = 6_000 * GPU_SPEED;
  const model = phi4With('limit-bandwidth.6');
  const deployed = await workspace.deploy('narrow', { model, maxConcurrent: 4 });
  const summary = await measure(deployed, chat(deployed), 4, 8);
  const [row] = buildReport(aRun(), [aCell({ level: 4, summary })]).rows;
  if (row === undefined) throw new Error('There is no row.');
  const { sentBytesPerSecond, receivedBytesPerSecond, delayedAnswers, delayP50Ms } = row.wire ?? {};
  expect(delayedAnswers).toBeGreaterThan(0);
  expect(delayP50Ms).toBeGreaterThan(0);
  // A second's worth may come at once; heads and framing are counted by us alone.
  const both = (sentBytesPerSecond ?? 0) + (receivedBytesPerSecond ?? 0);
  expect(both).toBeGreaterThan(bytesPerSecond / 2);
  expect(row.promptLengthRatio?.count).toBe(8);
  expect(row.outputLengthRatio).toEqual({ count: 8, p5: 1, p95: 1 });
  const { bottlenecks } = buildReport(aRun(), [aCell({ level: 4, summary })]).findings;
  // On a busy machine our client may be named before it.
  expect(bottlenecks.find(({ cause }) => cause === 'bandwidth')).toMatchObject({ certainty: 'shown' });
});
