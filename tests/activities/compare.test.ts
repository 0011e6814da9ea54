/** The race of a comparison as its step judges it while it lasts, beside what the report says of it, over real tables. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { comparisonSteps, reportComparison } from '../../src/activities/compare.ts';
import { parseComparison } from '../../src/core/comparison/comparison.ts';
import { type ComparisonRecord, targetRunId } from '../../src/core/comparison/comparison-record.ts';
import type { SpreadHistory } from '../../src/core/comparison/pair-test.ts';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import { aCell, aHistogram, aProvenance, aRun, aShardSummary, aWindow } from '../support/builders.ts';
import { openRealServices, type RealServices } from '../support/real-services.ts';

let real: RealServices;

beforeAll(async () => {
  real = await openRealServices({}, { gpuSpeed: GPU_SPEED });
});

afterAll(() => real.close());

const RATES = { fast: 100, slow: 80 };
const ROUNDS = 4;
const MEASURED = 3;
/** Of the services below, and so of what they may be held against. */
const GPU_SPEED = 20;
let tests = 0;

interface Asked {
  readonly spread?: SpreadHistory | null;
  readonly sku?: string;
  /** Times the usual rates. */
  readonly factor?: number;
  readonly state?: ComparisonRecord['state'];
  readonly gpuSpeed?: number;
}

/** A race of two targets of one price, of which the second carries a fifth less in each of its first three rounds. */
async function aRace(id: string, asked: Asked = {}): Promise<ComparisonRecord> {
  const { comparisons, runs, cells } = real.services.stores;
  const { sku = 'Standard_NC24ads_A100_v4', state = 'running' } = asked;
  const parsed = parseComparison({
    base: {
      model: { name: 'Phi-4', version: '7' },
      concurrency: { levels: [1] },
      measure: { mode: 'steady', repeats: ROUNDS },
    },
    targets: Object.keys(RATES).map((label) => ({
      label,
      target: { kind: 'managed', sku },
    })),
    strategy: 'race',
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const record: ComparisonRecord = {
    id,
    createdAtMs: 1,
    state,
    comparison: parsed.value,
    plans: [],
    order: [0, 1],
    boundMinutes: 60,
    boundUsd: 50,
    warnings: [],
    cancelRequestedAtMs: null,
    startedAtMs: 1,
    endedAtMs: null,
    turns: [0, 1].map((target) => ({ lane: target, turn: 0, target })),
    race: null,
    failure: null,
    spread: asked.spread ?? null,
  };
  await comparisons.insert(record);
  for (const [target, { label, spec }] of parsed.value.targets.entries()) {
    const runId = targetRunId(id, target);
    const run = aRun({ id: runId, spec, state: state === 'completed' ? 'completed' : 'measuring' });
    await runs.insert({ ...run, progress: { ...run.progress, cellsDone: MEASURED } });
    for (let repeat = 1; repeat <= MEASURED; repeat += 1)
      await cells.save(aRound(runId, label, repeat, asked));
  }
  return record;
}

/** One cell of ten seconds; rounds scatter by half a percent, and no two latencies are the same numbers. */
function aRound(runId: string, label: string, repeat: number, { factor = 1, gpuSpeed = GPU_SPEED }: Asked) {
  const rate = (label === 'fast' ? RATES.fast : RATES.slow) * factor * (1 + 0.005 * (repeat % 2));
  const cell = aCell({
    repeat,
    summary: mergeShards([
      aShardSummary({
        steady: aWindow({ outputTokens: rate * 10 }),
        e2e: aHistogram(...Array.from({ length: 20 }, (_, index) => 128_000 / rate + index * 0.37 + repeat)),
      }),
    ]),
    provenance: aProvenance({ endpoint: `${runId}-a1`, simulated: true, simulatorGpuSpeed: gpuSpeed }),
  });
  return { ...cell, runId };
}

async function judged(id: string) {
  await comparisonSteps(real.services).judgeRace({ comparisonId: id });
  const record = await real.services.stores.comparisons.read(id);
  if (record === null) throw new Error(`The comparison ${id} has no row.`);
  const { race } = await reportComparison(real.services, record);
  return { live: record.race, told: race };
}

test.each([
  ['nothing is known of deployments', null, ['slow']],
  ['they differ as little as they do here', { variance: 0.02 ** 2, degreesOfFreedom: 20 }, ['slow']],
  ['they were seen to differ by as much as the two', { variance: 0.2 ** 2, degreesOfFreedom: 20 }, []],
] as const)('a race drops what the report tells of, where %s', async (_, spread, dropped) => {
  const { id } = await aRace(`c000000000000001-0000000${tests++}`, { spread });
  const { live, told } = await judged(id);
  expect(live?.rounds.length).toBeGreaterThan(1);
  expect(live?.drops.map(({ label }) => label)).toEqual(dropped);
  expect(told).toMatchObject({ rounds: live?.rounds, drops: live?.drops, ended: live?.ended });
});

test('a comparison starts from what earlier ones showed of deployments of the same, and of nothing else', async () => {
  const nc48 = 'Standard_NC48ads_A100_v4';
  const id = (number: number) => `c00000000000000${number}-11111111`;
  const start = async (comparisonId: string) => {
    await aRace(comparisonId, { sku: nc48, state: 'queued' });
    await comparisonSteps(real.services).startComparison({ comparisonId });
    return (await real.services.stores.comparisons.read(comparisonId))?.spread;
  };
  await aRace(id(9), { sku: nc48, state: 'completed' });
  await aRace(id(8), { sku: nc48, state: 'completed', gpuSpeed: 1, factor: 20 });
  await aRace(id(7), { state: 'completed', factor: 9 });
  await aRace(id(6), { sku: nc48, factor: 9 });
  // Both targets of each are deployments of one spec, so that all of them are draws of one side.
  const squares = (...rates: readonly number[]) => {
    const logs = rates.map(Math.log);
    const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
    return logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
  };
  // One side of two draws is too little to build on.
  expect(await start(id(5))).toBeNull();
  await aRace(id(4), { sku: nc48, state: 'completed', factor: 1.1 });
  await aRace(id(3), { sku: nc48, state: 'completed', factor: 0.95 });
  expect(await start(id(2))).toEqual({
    variance: expect.closeTo(squares(100, 80, 110, 88, 95, 76) / 5, 8),
    degreesOfFreedom: 5,
  });
});
