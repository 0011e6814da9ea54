import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord } from '../../../src/core/report/report.ts';
import { reportToCsv } from '../../../src/core/report/report-csv.ts';
import {
  A_MOMENT_MS,
  aCell,
  aFailedShardSummary,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
} from '../../support/builders.ts';

const ORIGIN_HEADER =
  'concurrency,prompt_size,response_size,successful_requests,failed_requests,avg_latency,avg_ttft,throughput,total_execution_time,error_status_codes';

describe('a report as CSV', () => {
  test("begins with the origin's ten columns, in its order and units", () => {
    const csv = csvOf([aCell()]);
    expect(csv.split('\n')[0]?.startsWith(`${ORIGIN_HEADER},`)).toBe(true);
    const [header, row] = readCsv(csv);
    expect(header?.length).toBe(row?.length);
    expect(row?.slice(0, 10)).toEqual(['1', '512', '128', '20', '0', '0.5', '0.1', '256', '12', '{}']);
  });

  test('has one row per cell, its repeats aggregated, in the order of workload and level', () => {
    const cells = [
      aCell({ level: 8, repeat: 2 }),
      aCell({ level: 8 }),
      aCell({ level: 2 }),
      aCell({ level: 8, repeat: 3 }),
    ];
    const rows = readRows(csvOf(cells));
    expect(rows.map((row) => [row.cell_id, row.repeats, row.successful_requests])).toEqual([
      ['c2-p512-o128', '1', '20'],
      ['c8-p512-o128', '3', '60'],
    ]);
  });

  test('names each column once, in lower case with its unit last', () => {
    const [header = []] = readCsv(csvOf([]));
    expect(new Set(header).size).toBe(header.length);
    for (const name of header) expect(name).toMatch(/^[a-z0-9_]+$/);
    for (const name of [
      'ttft_ms_p50',
      'e2e_ms_p99',
      'gap_ms_p99',
      'usd_per_million_output_tokens',
      'request_timeout_seconds',
    ]) {
      expect(header).toContain(name);
    }
  });

  test('leaves empty what does not exist, and counts what failed', () => {
    const [row] = readRows(csvOf([aCell({ summary: mergeShards([aFailedShardSummary()]) })]));
    for (const name of [
      'avg_latency',
      'avg_ttft',
      'throughput',
      'ttft_ms_p50',
      'e2e_ms_p99',
      'usd_per_million_output_tokens',
    ]) {
      expect(row?.[name], name).toBe('');
    }
    expect(row?.failed_requests).toBe('20');
    expect(row?.error_status_codes).toBe('{"500":20}');
    expect(row?.failures).toBe('{"server-error":20}');
  });

  test('a percentile of too few samples is empty, beside the number of samples', () => {
    const few = mergeShards([aShardSummary({ e2e: aHistogram(...Array(58).fill(10)) })]);
    const enough = mergeShards([aShardSummary({ e2e: aHistogram(...Array(59).fill(10)) })]);
    const [one, other] = readRows(csvOf([aCell({ summary: few }), aCell({ level: 2, summary: enough })]));
    expect([one?.e2e_samples, one?.e2e_ms_p50, one?.e2e_ms_p95]).toEqual(['58', '10.007', '']);
    expect([other?.e2e_samples, other?.e2e_ms_p95, other?.e2e_ms_p99]).toEqual(['59', '10.007', '']);
  });

  test('a cell that could not be measured is a row with its reason', () => {
    const [row] = readRows(
      csvOf([aCell({ summary: null, notMeasuredReason: 'Its shards missed each other three times.' })]),
    );
    expect(row?.not_measured_reason).toBe('Its shards missed each other three times.');
    expect([row?.repeats, row?.successful_requests, row?.throughput, row?.steady]).toEqual([
      '0',
      '0',
      '',
      'false',
    ]);
  });

  test('rounds to six significant digits and never writes NaN, Infinity or null', () => {
    const report = buildReport(aRun(), [aCell()]);
    const row = {
      ...report.rows[0]!,
      outputTokensPerSecond: 1234.56789,
      requestsPerSecond: 0.000123456789,
      meanInFlight: Number.NaN,
    };
    const [shown] = readRows(
      reportToCsv({ ...report, rows: [{ ...row, shardSpread: Number.POSITIVE_INFINITY }] }),
    );
    expect([shown?.throughput, shown?.requests_per_second]).toEqual(['1234.57', '0.000123457']);
    expect([shown?.mean_in_flight, shown?.shard_spread]).toEqual(['', '']);
    expect(Object.values(shown ?? {}).filter((value) => /NaN|Infinity|null|undefined/.test(value))).toEqual(
      [],
    );
  });

  test.each([
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1.5', "'-1.5"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'=1"],
    ['\r=1', "'=1"],
    ['\n=1', "'=1"],
    [' \u00a0=1', "'=1"],
    ['＝1', "'＝1"],
    ['a=1', 'a=1'],
    ['a,"b"\nc', 'a,"b"\nc'],
  ])('the text %j is no formula to a spreadsheet', (sku, expected) => {
    const [row] = readRows(csvOf([aCell({ provenance: aProvenance({ sku }) })]));
    expect(row?.sku).toBe(expected);
  });

  test('a negative number stays a number', () => {
    const report = buildReport(aRun(), [aCell()]);
    const [row] = readRows(
      reportToCsv({ ...report, rows: [{ ...report.rows[0]!, outputTokensMean: -1.5 }] }),
    );
    expect(row?.output_tokens_mean).toBe('-1.5');
  });

  test('says what was measured, and that a simulator answered', () => {
    const [row] = readRows(
      csvOf([aCell({ provenance: aProvenance({ simulated: true, simulatorGpuSpeed: 4 }) })]),
    );
    expect(row).toMatchObject({
      sku: 'Standard_NC24ads_A100_v4',
      instances: '1',
      model: 'Phi-4',
      model_version: '7',
      route: 'openai-chat',
      streamed: 'true',
      token_source: 'usage',
      mode: 'steady',
      simulated: 'true',
      simulator_gpu_speed: '4',
      run_id: 'r251634412799999-0123abcd',
      created_at: new Date(A_MOMENT_MS).toISOString(),
    });
  });

  test('without a cell it is the header alone', () => {
    expect(csvOf([]).trimEnd().split('\n')).toHaveLength(1);
  });
});

function csvOf(cells: readonly CellRecord[]): string {
  return reportToCsv(buildReport(aRun(), cells));
}

function readRows(csv: string): Record<string, string>[] {
  const [header = [], ...rows] = readCsv(csv);
  return rows.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index] ?? ''])));
}

/** RFC 4180, read independently of the library that wrote it. */
function readCsv(csv: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let quoted = false;
  for (let index = 0; index < csv.length; index += 1) {
    const character = csv[index]!;
    if (quoted) {
      if (character !== '"') field += character;
      else if (csv[index + 1] === '"') {
        field += '"';
        index += 1;
      } else quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === ',' || character === '\n') {
      row.push(field);
      field = '';
      if (character === '\n') {
        rows.push(row);
        row = [];
      }
    } else field += character;
  }
  return rows;
}
