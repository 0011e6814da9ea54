/**
 * The specs that readers start from: each is accepted as it stands, at true lengths and within its own limits, and is
 * measured against the simulator to its end, with fewer repeats, levels, workloads and endpoints than in its file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseComparison } from '../../src/core/comparison/comparison.ts';
import { SCENARIOS } from '../../src/core/spec/scenarios.ts';
import { type BenchmarkSpec, parseSpec } from '../../src/core/spec/spec.ts';
import { type Installation, openInstallation } from '../support/installation.ts';

const FOLDER = path.join(import.meta.dirname, '..', '..', 'examples');
const FILES = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));

let installation: Installation;

beforeAll(async () => {
  installation = await openInstallation({ SIMULATOR_SPEED: '100', SIMULATOR_GPU_SPEED: '25' });
}, 60_000);

afterAll(async () => {
  await installation.close();
});

// biome-ignore lint/suspicious/noExplicitAny: a file holds what a reader may write.
type Written = any;

const read = (file: string): Written => JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8'));

/** The specs of a file with all defaults, one a target of a comparison. */
function specsOf(file: string): readonly BenchmarkSpec[] {
  const written = read(file);
  if ('targets' in written) {
    const parsed = parseComparison(written);
    if (!parsed.ok) throw new Error(`${file}: ${JSON.stringify(parsed.faults)}`);
    return parsed.value.targets.map(({ spec }) => spec);
  }
  const parsed = parseSpec(written);
  if (!parsed.ok) throw new Error(`${file}: ${JSON.stringify(parsed.faults)}`);
  return [parsed.value];
}

/** Starts what the body asks for and gives its address once it is over. */
async function finish(body: Written): Promise<{ self: string; view: Written; results: Written }> {
  const started = await installation.post('targets' in body ? '/api/comparisons' : '/api/runs', body);
  expect(started.status, started.text).toBe(202);
  const { self } = started.json.links;
  for (const endMs = Date.now() + 150_000; ; ) {
    const { json: view } = await installation.get(self);
    if (['completed', 'failed', 'canceled'].includes(view.state)) {
      return { self, view, results: (await installation.get(`${self}/results`)).json };
    }
    if (Date.now() > endMs) throw new Error(`${self} does not end: ${JSON.stringify(view, null, 1)}`);
    await delay(500);
  }
}

/** Bursts are over soonest, and what is said of them does not depend on how busy this machine is. */
const ONE_BURST = { mode: 'burst', repeats: 1 };

describe('the examples', () => {
  it.each(FILES)('%s is accepted as it stands, and all of it fits its limits', async (file) => {
    const { status, text, json } = await installation.post('/api/plans', read(file));
    expect(status, text).toBe(200);
    const plans = json.targets?.map(({ plan }: Written) => plan) ?? [json.plan];
    const cells = json.targets?.map(({ cells: all }: Written) => all) ?? [json.cells];
    plans.forEach((plan: Written, index: number) => {
      const seconds = cells[index].reduce(
        (sum: number, cell: Written) => sum + cell.repeats * cell.predictedSeconds,
        0,
      );
      expect(seconds / 60, 'predicted minutes').toBeLessThan(plan.measureMinutes);
      expect(plan.boundUsd).toBeGreaterThan(0);
    });
    for (const { limits } of specsOf(file)) expect(limits.maxUsd).not.toBeNull();
  });

  it.each(FILES)('%s asks for the true lengths of its scenarios', (file) => {
    for (const { workloads } of specsOf(file)) {
      for (const { name, promptTokens, outputTokens } of workloads) {
        expect(Object.keys(SCENARIOS)).toContain(name);
        expect({ promptTokens, outputTokens }).toEqual(SCENARIOS[name as keyof typeof SCENARIOS]);
      }
    }
  });

  it('are what README names', () => {
    const readme = readFileSync(path.join(FOLDER, '..', 'README.md'), 'utf8');
    for (const file of FILES) expect(readme).toContain(`examples/${file}`);
  });
});

describe('measured against the simulator', () => {
  it.concurrent('scenarios.json gives a row a scenario, of answers as long as they should be', async () => {
    const spec = read('scenarios.json');
    expect(spec.workloads).toEqual(Object.keys(SCENARIOS));
    const { view, results } = await finish({ ...spec, concurrency: { levels: [1] }, measure: ONE_BURST });
    expect(view).toMatchObject({ state: 'completed', failure: null });
    const measured = results.rows.map((row: Written) => [
      row.workload.name,
      row.succeeded,
      Math.round(row.outputTokensMean),
    ]);
    const wanted = Object.entries(SCENARIOS).map(([name, { outputTokens }]) => [name, 1, outputTokens]);
    expect(measured.toSorted()).toEqual(wanted.toSorted());
  }, 200_000);

  it.concurrent('sku-matrix.json and sku-race.json measure every SKU that they name', async () => {
    const matrix = read('sku-matrix.json');
    const race = read('sku-race.json');
    const [compared, raced] = await Promise.all([
      finish({
        ...matrix,
        base: { ...matrix.base, workloads: ['chatbot'], concurrency: { levels: [1] }, measure: ONE_BURST },
        targets: matrix.targets.map((one: Written) => ({ ...one, target: { ...one.target, endpoints: 1 } })),
      }),
      finish({
        ...race,
        base: { ...race.base, concurrency: { levels: [1] }, measure: { mode: 'burst', repeats: 2 } },
      }),
    ]);
    for (const [file, { view, results }] of [
      [matrix, compared],
      [race, raced],
    ]) {
      expect(view).toMatchObject({ state: 'completed', failure: null });
      const measured = results.targets.map(({ label, failure, made }: Written) => [
        label,
        failure,
        made.sku,
        made.instances,
      ]);
      expect(measured).toEqual(
        file.targets.map(({ label, target }: Written) => [label, null, target.sku, target.instances ?? 1]),
      );
    }
    expect(raced.results.race.rounds).toHaveLength(2);
  }, 200_000);

  it.concurrent('tuning.json ends in the true finding: no gain on /score, whose wrapper serves one at a time', async () => {
    const spec = read('tuning.json');
    const settings = spec.target.requestSettings.map((one: Written) => one.maxConcurrentRequestsPerInstance);
    expect(settings).toEqual([1, 10]);
    const { view, results } = await finish({
      ...spec,
      concurrency: { levels: [1, 10] },
      measure: { ...spec.measure, repeats: 1, minRequests: 2, maxSeconds: 5 },
    });
    expect(view).toMatchObject({ state: 'completed', failure: null });
    const rateAt = (level: number, max: number): number =>
      results.rows.find(
        (row: Written) => row.level === level && row.provenance.maxConcurrentRequestsPerInstance === max,
      ).outputTokensPerSecond;
    // Ten at once at the most: what the origin took for a gain is ten requests that wait for each other.
    expect(rateAt(10, 10) / rateAt(10, 1)).toBeLessThan(1.25);
    expect(rateAt(10, 10) / rateAt(1, 10)).toBeLessThan(1.25);
    const findings = results.findings.sentences.join('\n');
    expect(findings).toContain('The server answers one request at a time');
    expect(findings).toContain('max_concurrent_requests_per_instance alone changes nothing');
  }, 200_000);
});

describe('after all of them', () => {
  it('no endpoint is left', async () => {
    const { endpoints } = await installation.books();
    expect(endpoints.length).toBeGreaterThan(0);
    expect(endpoints.filter(({ deletedAt }) => deletedAt === null)).toEqual([]);
  });
});
