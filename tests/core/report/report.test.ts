import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import {
  buildReport,
  type CellRecord,
  LEAST_SAMPLES,
  usdPerMillionTokens,
} from '../../../src/core/report/report.ts';
import { reportToCsv } from '../../../src/core/report/report-csv.ts';
import { reportToMarkdown } from '../../../src/core/report/report-markdown.ts';
import { shuffle } from '../../../src/core/statistics/seed.ts';
import {
  aCell,
  aFailedShardSummary,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
  aSpec,
  aWindow,
} from '../../support/builders.ts';

/** A repeat with this throughput in output tokens per second. */
const cellAt = (outputTokensPerSecond: number, fields: Partial<CellRecord> = {}) =>
  aCell({
    summary: mergeShards([
      aShardSummary({ steady: aWindow({ seconds: 10, outputTokens: outputTokensPerSecond * 10 }) }),
    ]),
    ...fields,
  });

const rowOf = (...cells: CellRecord[]) => buildReport(aRun(), cells).rows[0]!;

describe('a row', () => {
  test('has the repeats of a cell together: rates averaged, counts added, histograms merged', () => {
    const slow = mergeShards([
      aShardSummary({ e2e: aHistogram(...Array(30).fill(900)), steady: aWindow({ outputTokens: 1_000 }) }),
    ]);
    const fast = mergeShards([
      aShardSummary({ e2e: aHistogram(...Array(90).fill(100)), steady: aWindow({ outputTokens: 3_000 }) }),
    ]);
    const row = rowOf(aCell({ summary: slow }), aCell({ repeat: 2, summary: fast }));
    expect(row).toMatchObject({
      cellId: 'c1-p512-o128',
      repeats: 2,
      attempted: 40,
      succeeded: 40,
      outputTokensPerSecond: 200,
      outputTokensInterval: { mean: 200, count: 2, confidence: 0.95 },
      wholeSeconds: 12,
      steady: true,
      steadyReason: null,
    });
    expect(row.e2eMs).toMatchObject({ count: 120, mean: 300 });
    expect(row.e2eMs.p50).toBeCloseTo(100, 0);
    expect(row.e2eMs.p95).toBeCloseTo(900, -1);
  });

  test('is steady only where each of its repeats was', () => {
    const unsteady = mergeShards([aShardSummary({ steady: null, steadyReason: 'Too few completions.' })]);
    expect(rowOf(aCell(), aCell({ repeat: 2, summary: unsteady }))).toMatchObject({
      steady: false,
      steadyReason: 'Too few completions.',
    });
  });

  test('of failures alone has counts and classes, and null for everything else', () => {
    const row = rowOf(aCell({ summary: mergeShards([aFailedShardSummary()]) }));
    const nothing = { count: 0, mean: null, p50: null, p95: null, p99: null, max: null };
    expect(row).toMatchObject({
      attempted: 20,
      succeeded: 0,
      failed: 20,
      failures: { 'server-error': 20 },
      failedStatusCodes: { 500: 20 },
      failureExamples: { 'server-error': 'Internal Server Error' },
      outputTokensPerSecond: null,
      requestsPerSecond: null,
      outputTokensInterval: null,
      usdPerMillionOutputTokens: null,
      outputTokensMean: null,
      outputLengthFidelity: null,
      tokenSource: null,
      e2eMs: nothing,
      ttftMs: nothing,
      tpotMs: nothing,
      ntpotMs: nothing,
      gapMs: nothing,
    });
  });

  test('that was never measured has its reason', () => {
    const row = rowOf(aCell({ summary: null, notMeasuredReason: 'Its shards missed each other.' }));
    expect(row).toMatchObject({
      repeats: 0,
      shards: 0,
      attempted: 0,
      steady: false,
      outputTokensPerSecond: null,
      wholeSeconds: null,
      meanInFlight: null,
    });
    expect(row.notMeasuredReason).toBe('Its shards missed each other.');
  });

  test('that was measured in one of two repeats counts that one, and keeps the reason of the other', () => {
    const row = rowOf(
      aCell(),
      aCell({ repeat: 2, summary: null, notMeasuredReason: 'Its shards missed each other.' }),
    );
    expect(row).toMatchObject({
      repeats: 1,
      outputTokensPerSecond: 256,
      notMeasuredReason: 'Its shards missed each other.',
    });
  });

  test.each([
    [0, null, null, null],
    [1, 10, null, null],
    [LEAST_SAMPLES.p95 - 1, 10, null, null],
    [LEAST_SAMPLES.p95, 10, 10, null],
    [LEAST_SAMPLES.p99 - 1, 10, 10, null],
    [LEAST_SAMPLES.p99, 10, 10, 10],
  ])('with %i samples has p50 %s, p95 %s, p99 %s', (count, p50, p95, p99) => {
    const { e2eMs } = rowOf(
      aCell({ summary: mergeShards([aShardSummary({ e2e: aHistogram(...Array(count).fill(10)) })]) }),
    );
    const rounded = (value: number | null) => (value === null ? null : Math.round(value));
    expect([e2eMs.count, rounded(e2eMs.p50), rounded(e2eMs.p95), rounded(e2eMs.p99)]).toEqual([
      count,
      p50,
      p95,
      p99,
    ]);
  });

  // A repeat in which nothing succeeded carried 0 tokens per second; leaving it out makes the cell look better than it was.
  test('a repeat in which everything failed does not leave the throughput as if it had not been', () => {
    const row = rowOf(cellAt(300), aCell({ repeat: 2, summary: mergeShards([aFailedShardSummary()]) }));
    expect(row.outputTokensPerSecond).toBe(150);
  });
});

describe('what a cache and an echo make of a row', () => {
  const noted = (fields: Parameters<typeof aShardSummary>[0]) => {
    const cells = [aCell({ summary: mergeShards([aShardSummary(fields)]) })];
    return { row: rowOf(...cells), notes: buildReport(aRun(), cells).notes.join(' ') };
  };

  test('a prefix cache that spares more than 5 % of the prompts is told', () => {
    const { promptTokens } = aShardSummary().whole;
    const { row, notes } = noted({ cachedPromptTokens: promptTokens / 2 });
    expect(row.cachedPromptShare).toBeCloseTo(0.5);
    expect(notes).toContain('prefix cache');
    expect(noted({ cachedPromptTokens: promptTokens / 50 }).notes).not.toContain('prefix cache');
    expect(noted({ cachedPromptTokens: null }).row.cachedPromptShare).toBeNull();
  });

  test('answers that repeat their prompt are counted and told', () => {
    expect(noted({ echoes: 3 })).toMatchObject({
      row: { echoes: 3 },
      notes: expect.stringContaining('3 answers'),
    });
    expect(noted({ echoes: 0 }).notes).not.toContain('answers began');
  });
});

describe('the client', () => {
  const client = {
    watchedSeconds: 10,
    loopLagP99Ms: 1,
    loopLagMaxMs: 3,
    busyShare: 0.2,
    cpuSeconds: 1,
    gcPauseMs: 0,
    gcLongestMs: 0,
    sendDelayMeanMs: 0.1,
    sendDelayP99Ms: 0.5,
    roundTripMs: 2,
  };
  const cellOf = (repeat: number, loopLagP99Ms: number) =>
    aCell({ repeat, summary: mergeShards([aShardSummary({ client: { ...client, loopLagP99Ms } })]) });

  test('is valid where each repeat was, and its worst figures stand in the row', () => {
    const row = rowOf(cellOf(1, 1), cellOf(2, 2));
    expect(row).toMatchObject({
      clientValid: true,
      clientFaults: [],
      client: { loopLagP99Ms: 2, roundTripMs: 2 },
    });
  });

  test('that was the limit in one repeat makes the row invalid, and the report says so', () => {
    const cells = [cellOf(1, 1), cellOf(2, 200)];
    const row = rowOf(...cells);
    expect(row.clientValid).toBe(false);
    expect(row.clientFaults.join()).toContain('event loop');
    expect(buildReport(aRun(), cells).notes.join(' ')).toContain('the client was the limit');
  });

  test('that told nothing is neither valid nor invalid', () => {
    expect(rowOf(aCell())).toMatchObject({ clientValid: null, client: null });
  });
});

describe('the cost of a million output tokens', () => {
  test.each<[hourlyUsd: number | null, tokensPerSecond: number | null, usd: number | null]>([
    [3.6, 1_000, 1],
    [0, 1_000, 0],
    [null, 1_000, null],
    [3.6, null, null],
    [3.6, 0, null],
  ])('at %s USD per hour and %s tokens per second: %s', (hourlyUsd, tokensPerSecond, usd) => {
    expect(usdPerMillionTokens(hourlyUsd, tokensPerSecond)).toBe(usd);
  });

  test('counts every instance that is paid for', () => {
    const billing = { ...aRun().billing, pricePerHourUsd: 1.8, instances: 2 };
    expect(buildReport(aRun({ billing }), [cellAt(1_000)]).rows[0]?.usdPerMillionOutputTokens).toBeCloseTo(
      1,
      10,
    );
  });
});

describe('a report', () => {
  const cells = [
    cellAt(100, { level: 1 }),
    cellAt(400, { level: 4 }),
    cellAt(350, { level: 8 }),
    cellAt(50, { level: 1, workload: { promptTokens: 64, outputTokens: 32 } }),
    cellAt(60, { level: 1, workload: { promptTokens: 64, outputTokens: 16 } }),
  ];

  test('lists workloads by their size and in each the levels upwards', () => {
    expect(buildReport(aRun(), cells).rows.map((row) => row.cellId)).toEqual([
      'c1-p64-o16',
      'c1-p64-o32',
      'c1-p512-o128',
      'c4-p512-o128',
      'c8-p512-o128',
    ]);
  });

  test('does not depend on the order in which its rows are read, nor on a way through JSON', () => {
    const report = buildReport(aRun(), cells);
    for (let seed = 0; seed < 10; seed += 1) {
      const rebuilt = buildReport(aRun(), shuffle(JSON.parse(JSON.stringify(cells)) as CellRecord[], seed));
      expect(JSON.stringify(rebuilt)).toBe(JSON.stringify(report));
    }
  });

  test('calls best the row with the highest output throughput', () => {
    expect(buildReport(aRun(), cells).best).toEqual({ cellId: 'c4-p512-o128', outputTokensPerSecond: 400 });
  });

  test('has no best row where nothing succeeded, or nothing was measured', () => {
    expect(buildReport(aRun(), []).best).toBeNull();
    expect(buildReport(aRun(), [aCell({ summary: mergeShards([aFailedShardSummary()]) })]).best).toBeNull();
  });

  test('says first that a simulator answered', () => {
    const report = buildReport(aRun(), [
      aCell({ provenance: aProvenance({ simulated: true, simulatorGpuSpeed: 1 }) }),
    ]);
    expect(report.simulated).toBe(true);
    expect(report.notes[0]).toContain('not Azure');
    expect(buildReport(aRun(), [aCell()]).notes.join(' ')).not.toContain('Simulated');
  });

  test.each<[name: string, spec: object, note: RegExp]>([
    ['a closed loop', {}, /^Closed loop.*asked less/],
    ['a burst', { measure: { mode: 'burst' } }, /^Burst.*no steady state/],
    ['shared isolation', { isolation: 'shared' }, /measured each other/],
  ])('notes %s', (_, spec, note) => {
    const { notes } = buildReport(aRun({ spec: aSpec(spec) }), [aCell()]);
    expect(notes.some((text) => note.test(text))).toBe(true);
  });

  test('counts the cells without a steady window, but not in a burst, which has none', () => {
    const unsteady = aCell({ summary: mergeShards([aShardSummary({ steady: null })]) });
    expect(buildReport(aRun(), [unsteady, aCell({ level: 2 })]).notes.join(' ')).toContain(
      '1 of 2 cells had no steady window',
    );
    const burst = aRun({ spec: aSpec({ measure: { mode: 'burst' } }) });
    expect(buildReport(burst, [unsteady]).notes.join(' ')).not.toContain('had no steady window');
  });

  test('carries the price, or the reason why there is none, and what stopped the run', () => {
    const billing = { ...aRun().billing, pricePerHourUsd: null, priceReason: 'No price.' };
    const report = buildReport(aRun({ billing, stoppedBy: 'limits.maxCells' }), [aCell()]);
    expect(report.cost).toEqual({ pricePerHourUsd: null, priceReason: 'No price.', instances: 1 });
    expect(report.rows[0]?.usdPerMillionOutputTokens).toBeNull();
    expect(report.stoppedBy).toBe('limits.maxCells');
  });

  test('holds no number that JSON cannot hold', () => {
    const report = buildReport(aRun(), [
      ...cells,
      aCell({ level: 16, summary: null }),
      aCell({ level: 32, summary: mergeShards([aFailedShardSummary()]) }),
    ]);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});

test('a row stands beside what its hardware allows, where the catalog tells the size of the model', () => {
  const model = { parameters: 14.7e9, activeParameters: null, weightBytes: 29.4e9, kvBytesPerToken: 204_800 };
  const run = aRun();
  const [row] = buildReport({ ...run, plan: { ...run.plan, model } }, [aCell()]).rows;
  // 29.4 GB of weights at 1,935 GB/s of one A100, and a little for the one sequence's cache.
  expect(row?.limit.tpotFloorMs).toBeGreaterThan(15.1);
  expect(row?.limit.tpotFloorMs).toBeLessThan(16);
  const [unknown] = buildReport({ ...run, plan: { ...run.plan, model: null } }, [aCell()]).rows;
  expect(unknown?.limit).toMatchObject({ tpotFloorMs: null, decodeBandwidthShare: null, basis: null });
});

test('a demand is answered with instances and money, and its sentence is the first line of the Markdown', () => {
  const spec = aSpec({ demand: { requestsPerMinute: 600 }, slo: null });
  const report = buildReport(aRun({ spec }), [aCell()]);
  expect(report.demands).toHaveLength(1);
  expect(report.demands[0]?.instances).toBeGreaterThan(1);
  const [, first] = reportToMarkdown(report).split('\n\n');
  expect(first).toContain('600 requests a minute');
});

describe('a row of several endpoints', () => {
  const on = (endpoint: string, rate: number, repeat: number) =>
    cellAt(rate, { repeat, provenance: aProvenance({ endpoint }) });

  test('names them all and tells how far they lie apart', () => {
    const report = buildReport(aRun(), [
      on('fb-1-a1e2', 110, 2),
      on('fb-1-a1', 100, 1),
      on('fb-1-a1', 100, 3),
      on('fb-1-a1e2', 110, 4),
    ]);
    expect(report.rows[0]).toMatchObject({ repeats: 4, deployments: ['fb-1-a1', 'fb-1-a1e2'] });
    // Two values apart by ln 1.1 have a standard deviation of that by the root of two.
    expect(report.rows[0]?.deploymentSpread).toBeCloseTo(Math.log(1.1) / Math.SQRT2, 2);
    expect(report.notes.join(' ')).toMatch(/dealt over 2 identical endpoints.*up to 6\.\d %/);
    expect(reportToMarkdown(report)).toContain('Endpoints: ');
  });

  test('is what it always was with one', () => {
    const report = buildReport(aRun(), [on('fb-1-a1', 100, 1), on('fb-1-a1', 120, 2)]);
    expect(report.rows[0]).toMatchObject({ deployments: ['fb-1-a1'], deploymentSpread: null });
    expect(report.notes.join(' ')).not.toContain('identical endpoints');
  });
});

test('settings that were measured in turn are rows of their own, one curve after the other', () => {
  const under = (max: number, level: number, rate: number) =>
    cellAt(rate, {
      level,
      cellId: `c${level}-p512-o128-m${max}`,
      provenance: aProvenance({ maxConcurrentRequestsPerInstance: max }),
    });
  const report = buildReport(aRun(), [under(10, 1, 50), under(1, 4, 52), under(10, 4, 190), under(1, 1, 50)]);
  expect(report.rows.map(({ cellId }) => cellId)).toEqual([
    'c1-p512-o128-m1',
    'c4-p512-o128-m1',
    'c1-p512-o128-m10',
    'c4-p512-o128-m10',
  ]);
  expect(report.best?.cellId).toBe('c4-p512-o128-m10');
  const csv = reportToCsv(report).split('\n');
  const column = csv[0]?.split(',').indexOf('max_concurrent_requests_per_instance') ?? -1;
  expect(csv.slice(1, 5).map((line) => line.split(',').at(column - csv[0]!.split(',').length))).toEqual([
    '1',
    '1',
    '10',
    '10',
  ]);
});
