import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord } from '../../../src/core/report/report.ts';
import { reportToVllm } from '../../../src/core/report/report-vllm.ts';
import type { RunRecord } from '../../../src/core/run.ts';
import {
  A_MOMENT_MS,
  aCell,
  aFailedShardSummary,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
  aSpec,
  aWindow,
} from '../../support/builders.ts';

describe('a report in the words of vllm bench serve', () => {
  test('has the fields of its result file, in its units, over all repeats together', () => {
    const shard = {
      ttft: aHistogram(...Array.from({ length: 300 }, (_, index) => (index < 150 ? 100 : 300))),
      whole: aWindow({ seconds: 12, requests: 20, promptTokens: 10_241, outputTokens: 2_561 }),
    };
    const [line] = linesOf([
      aCell({ level: 8, summary: mergeShards([aShardSummary(shard)]) }),
      aCell({ level: 8, repeat: 2, summary: mergeShards([aShardSummary({ ...shard, ...later(60_000) })]) }),
    ]);
    expect(line).toMatchObject({
      date: '20260115-120112',
      backend: 'openai-chat',
      endpoint_type: 'openai-chat',
      label: 'c8-p512-o128',
      model_id: 'Phi-4',
      num_prompts: 40,
      request_rate: 'inf',
      max_concurrency: 8,
      duration: 24,
      completed: 40,
      failed: 0,
      total_input_tokens: 20_482,
      total_output_tokens: 5_122,
      request_throughput: 2,
      output_throughput: 256,
      total_token_throughput: 256 + 1_024,
      mean_ttft_ms: 200,
      p99_ttft_ms: expect.closeTo(300, 0),
      std_ttft_ms: expect.closeTo(100, 0),
      median_e2el_ms: expect.closeTo(500, 0),
      median_tpot_ms: expect.closeTo(3, 1),
      mean_itl_ms: 3,
    });
  });

  test('is one JSON object a line, one line a cell that was measured', () => {
    const lines = linesOf([
      aCell({ level: 2 }),
      aCell({ level: 4 }),
      aCell({ level: 8, summary: null, notMeasuredReason: 'Its shards never met.' }),
    ]);
    expect(lines.map((line) => line.label)).toEqual(['c2-p512-o128', 'c4-p512-o128']);
  });

  test('says null and not 0 of what was not seen, and counts what failed', () => {
    const [line] = linesOf([aCell({ summary: mergeShards([aFailedShardSummary()]) })]);
    expect(line).toMatchObject({ completed: 0, total_output_tokens: 0, failed: line?.num_prompts });
    for (const field of [
      'request_throughput',
      'output_throughput',
      'total_token_throughput',
      'request_goodput',
      'mean_e2el_ms',
      'std_e2el_ms',
      'p99_ttft_ms',
    ])
      expect(line?.[field], field).toBeNull();
  });

  test('tells no p99 that is only the longest under another name', () => {
    expect(linesOf([aCell()])[0]).toMatchObject({ mean_e2el_ms: 500, p99_e2el_ms: null });
  });

  test('tells the rate of an open loop, its arrivals, and what was never sent as failed', () => {
    const spec = aSpec({ concurrency: null, rate: { requestsPerSecond: [2], maxInFlight: 32 } });
    const summary = mergeShards([aShardSummary({ dropped: 5 })]);
    const cells = [aCell({ loop: 'rate', level: 2, summary })];
    expect(linesOf(cells, { spec })[0]).toMatchObject({
      request_rate: 2,
      burstiness: 1,
      max_concurrency: 32,
      num_prompts: 25,
      failed: 5,
    });
    const even = aSpec({ concurrency: null, rate: { requestsPerSecond: [2], arrival: 'constant' } });
    expect(linesOf(cells, { spec: even })[0]).toMatchObject({ request_rate: 2, burstiness: null });
  });

  test('counts no tokens of a model that makes none, and says where a simulator answered', () => {
    const images = mergeShards([aShardSummary({ unit: 'image' })]);
    const [line] = linesOf([aCell({ summary: images, provenance: aProvenance({ simulated: true }) })]);
    expect(line).toMatchObject({ total_output_tokens: null, output_throughput: null, simulated: true });
  });
});

function later(ms: number) {
  return { startedAtMs: A_MOMENT_MS + ms, endedAtMs: A_MOMENT_MS + ms + 12_000 };
}

function linesOf(cells: readonly CellRecord[], run: Partial<RunRecord> = {}): Record<string, unknown>[] {
  const record = aRun(run);
  return reportToVllm(buildReport(record, cells), cells, record.spec)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
