/** The aggregating step asks Azure Monitor (a real server that answers as it does) and keeps the answer in real tables. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSteps } from '../../src/activities/steps.ts';
import { createGpuMetrics } from '../../src/azure/metrics.ts';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import { buildReport } from '../../src/core/report/report.ts';
import type { RunRecord } from '../../src/core/run.ts';
import type { Services } from '../../src/services.ts';
import { type JsonServer, numberedTokens, openJsonServer } from '../azure/json-server.ts';
import { A_MOMENT_MS, aCell, aProvenance, aRun, aShardSummary } from '../support/builders.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

const MINUTE_MS = 60_000;
const workspaces = { default: { subscriptionId: 's', resourceGroup: 'g', workspace: 'w' } };

let real: RealServices;
let monitor: JsonServer;
let services: Services;
beforeAll(async () => {
  real = await openRealServices();
  monitor = await openJsonServer();
  const gpuMetrics = createGpuMetrics({ armEndpoint: monitor.origin, workspaces }, numberedTokens());
  services = { ...real.services, gpuMetrics };
});
beforeEach(() => {
  monitor.calls.length = 0;
  monitor.answer = ({ pathname }) => ({
    value: [
      {
        timeseries: [
          {
            data: Array.from({ length: 30 }, (_, minute) => ({
              timeStamp: new Date(A_MOMENT_MS + minute * MINUTE_MS).toISOString(),
              average: pathname.includes('-a2/') ? 50 : minute,
            })),
          },
        ],
      },
    ],
  });
});
afterAll(async () => {
  await monitor.close();
  await real.close();
});

/** A run with these repeats, each from one minute of the clock to another. */
async function aMeasuredRun(spans: readonly (readonly [number, number])[], fields: Partial<RunRecord> = {}) {
  const run = await real.aStoredRun({ state: 'measuring', endpoint: aRun().endpoint, ...fields });
  for (const [index, [from, to]] of spans.entries()) {
    const times = { startedAtMs: A_MOMENT_MS + from * MINUTE_MS, endedAtMs: A_MOMENT_MS + to * MINUTE_MS };
    const summary = mergeShards([aShardSummary(times)]);
    await services.stores.cells.save(aCell({ runId: run.id, repeat: index + 1, summary }));
  }
  return run;
}

async function rowOf(run: RunRecord) {
  await createSteps(services).aggregate({ runId: run.id, stoppedBy: null });
  const [report, now, cells] = await Promise.all([
    services.stores.reports.read(run.id),
    services.stores.runs.read(run.id),
    services.stores.cells.list(run.id),
  ]);
  if (now === null || report === null) throw new Error('The run or its report is gone.');
  expect(report).toEqual(buildReport(now, cells));
  return report.rows[0];
}

describe('the GPU utilisation of a run’s cells', () => {
  it('is read in one call for those of two minutes or more, and a report from the rows has it too', async () => {
    const run = await aMeasuredRun([
      [0.5, 3],
      [4, 5],
      [10, 12],
    ]);
    const row = await rowOf(run);
    expect(monitor.calls).toHaveLength(1);
    // Minutes 1 and 2 of the first repeat, 10 and 11 of the third; the second is too short.
    expect(row?.gpu).toEqual({ utilisation: expect.closeTo(0.06), minutes: 4, reason: null });
    // A step that runs twice asks for nothing that is known.
    await rowOf(run);
    expect(monitor.calls).toHaveLength(1);
  });

  it('is a null with its reason where Azure Monitor does not tell, and the report is made all the same', async () => {
    monitor.answer = (_, response) => {
      response.statusCode = 500;
      return {};
    };
    const row = await rowOf(await aMeasuredRun([[0, 3]]));
    expect(row).toMatchObject({ succeeded: 20, gpu: { utilisation: null, minutes: 0 } });
    expect(row?.gpu?.reason).toContain('500');
  });

  it('is not asked for where nothing is long enough, the run is canceled, or the endpoint is not one of Azure ML', async () => {
    expect((await rowOf(await aMeasuredRun([[0, 1.9]])))?.gpu).toBeNull();
    const canceled = { cancelRequestedAtMs: A_MOMENT_MS };
    expect((await rowOf(await aMeasuredRun([[0, 3]], canceled)))?.gpu).toBeNull();
    expect((await rowOf(await aMeasuredRun([[0, 3]], { endpoint: null })))?.gpu).toBeNull();
    expect(monitor.calls).toEqual([]);
  });

  it('is asked of each endpoint for its own repeats', async () => {
    const first = aRun().endpoint;
    if (first === null) throw new Error('The builder has no endpoint.');
    const endpoints = [first, { ...first, name: 'fb-0123456789abcdef-a2' }];
    const run = await aMeasuredRun([[0, 3]], { endpoint: first, endpoints });
    const times = { startedAtMs: A_MOMENT_MS + 20 * MINUTE_MS, endedAtMs: A_MOMENT_MS + 23 * MINUTE_MS };
    const summary = mergeShards([aShardSummary(times)]);
    const provenance = aProvenance({ endpoint: 'fb-0123456789abcdef-a2' });
    await services.stores.cells.save(aCell({ runId: run.id, repeat: 2, summary, provenance }));
    // Three minutes of 0, 1 and 2 % on the one, three of 50 % on the other.
    expect((await rowOf(run))?.gpu).toEqual({
      utilisation: expect.closeTo(1.53 / 6),
      minutes: 6,
      reason: null,
    });
    expect(monitor.calls.map((call) => /onlineEndpoints\/([^/]+)/.exec(call)?.[1]).sort()).toEqual([
      'fb-0123456789abcdef-a1',
      'fb-0123456789abcdef-a2',
    ]);
  });
});
