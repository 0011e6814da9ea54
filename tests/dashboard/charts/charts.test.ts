import { describe, expect, it } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport } from '../../../src/core/report/report.ts';
import { attainmentChart } from '../../../src/dashboard/charts/attainment.ts';
import { costChart } from '../../../src/dashboard/charts/cost.ts';
import { failuresChart } from '../../../src/dashboard/charts/failures.ts';
import { type FrontRow, frontChart } from '../../../src/dashboard/charts/front.ts';
import { type HistoryRow, historyChart } from '../../../src/dashboard/charts/history.ts';
import { percentileCharts } from '../../../src/dashboard/charts/percentiles.ts';
import { type ChartRow, chartRows } from '../../../src/dashboard/charts/row.ts';
import { targetBarsChart } from '../../../src/dashboard/charts/target-bars.ts';
import { throughputChart } from '../../../src/dashboard/charts/throughput.ts';
import { tradeOffChart } from '../../../src/dashboard/charts/trade-off.ts';
import type { Markup } from '../../../src/dashboard/markup.ts';
import { aCell, aFailedShardSummary, aRun } from '../../support/builders.ts';
import { sampleReport } from '../sample-run.ts';

const report = sampleReport();
const rows = chartRows(report);

describe('rows of charts', () => {
  it('have the values of the report, and the ends of cost are those of throughput by each other', () => {
    rows.forEach((row, index) => {
      const from = report.rows[index]!;
      expect(row.throughput).toEqual({
        value: from.outputTokensPerSecond,
        lower: from.outputTokensInterval?.lower,
        upper: from.outputTokensInterval?.upper,
      });
      const { value, lower, upper } = row.usdPerMillionOutputTokens!;
      expect(value).toBe(from.usdPerMillionOutputTokens);
      expect(lower! * row.throughput!.upper!).toBeCloseTo(value * row.throughput!.value, 6);
      expect(upper! * row.throughput!.lower!).toBeCloseTo(value * row.throughput!.value, 6);
    });
  });

  it('are read from a report of which little is there', () => {
    const [bare] = chartRows({
      rows: [
        { cellId: 'c1-p512-o128', workload: { promptTokens: 512, outputTokens: 128 }, level: 1 } as never,
      ],
    });
    expect(bare).toMatchObject({
      throughput: null,
      failures: {},
      ttftMs: { p50: null },
      trusted: true,
      loop: 'closed',
    });
  });
});

describe('charts over levels', () => {
  it('have a line for each workload, a band, and a mark for each value, in every width', () => {
    const chart = throughputChart(rows)!;
    expect(chart.legend.map(({ name }) => name)).toEqual(['512 → 128 tokens', '2048 → 256 tokens']);
    for (const width of [340, 600]) {
      const svg = chart.draw(width);
      expect(svg.attributes.viewBox).toMatch(new RegExp(`^0 0 ${width} `));
      expect(all(svg, 'mark')).toHaveLength(12);
      expect(all(svg, 'band')).toHaveLength(2);
      expect(all(svg, 'line')).toHaveLength(2);
    }
    expect(chart.summary).toContain('512 → 128 tokens: from 74.6 at 1 to 675 at 32');
    expect(chart.table.rows).toHaveLength(12);
  });

  it('break the line where nothing succeeded, and draw a single repeat without a band', () => {
    const failed = mergeShards([aFailedShardSummary()]);
    const holed = chartRows(
      buildReport(aRun(), [
        aCell(),
        aCell({ level: 2, summary: failed }),
        aCell({ level: 4 }),
        aCell({ level: 8 }),
      ]),
    );
    const svg = throughputChart(holed)!.draw(600);
    expect(all(svg, 'mark')).toHaveLength(3);
    expect(all(svg, 'line')).toHaveLength(2);
    expect(all(svg, 'band')).toHaveLength(0);
  });

  it('mark as hollow what should not be built on', () => {
    const spoiled = rows.map((row, index): ChartRow => ({ ...row, trusted: index !== 3 }));
    const hollow = all(throughputChart(spoiled)!.draw(600), 'mark').filter(
      (mark) => mark.attributes.class === 'mark hollow',
    );
    expect(hollow).toHaveLength(1);
    expect(JSON.stringify(hollow)).toContain('do not build on it');
    expect(throughputChart(spoiled)?.reading).toContain('Hollow marks:');
    expect(throughputChart(rows)?.reading).not.toContain('Hollow');
  });

  it('draw percentiles of each workload, and none where the route did not stream', () => {
    const charts = percentileCharts(rows);
    expect(charts.map(({ id }) => id)).toEqual([
      'ttft-p512-o128',
      'tpot-p512-o128',
      'ttft-p2048-o256',
      'tpot-p2048-o256',
    ]);
    expect(charts[0]?.legend.map(({ name }) => name)).toEqual(['p50', 'p95', 'p99']);
    expect(charts[0]?.table.rows[0]).toEqual([1, 'p50', ...ends(report.rows[0]?.ttftMs.intervals.p50)]);
    const silent = rows.map((row): ChartRow => ({ ...row, ttftMs: { p50: null, p95: null, p99: null } }));
    expect(percentileCharts(silent).map(({ id }) => id)).toEqual(['tpot-p512-o128', 'tpot-p2048-o256']);
  });

  it('are by ratio where values differ by far, and from zero where not', () => {
    expect(texts(costChart(rows)!.draw(600))).toContain('USD per million output tokens');
    const wide = rows.map(
      (row, index): ChartRow => ({
        ...row,
        usdPerMillionOutputTokens: { value: 10 ** (index % 6), lower: null, upper: null },
      }),
    );
    expect(texts(costChart(wide)!.draw(600))).toContain('USD per million output tokens, by ratio');
  });

  it('show the objective, and nothing without objectives', () => {
    const chart = attainmentChart(rows, report.slo)!;
    expect(texts(chart.draw(600))).toContain('wanted: 95 %');
    expect(chart.reading).toContain('TTFT within 400 ms');
    expect(attainmentChart(rows, null)).toBe(null);
  });

  it('are none where there is nothing to draw', () => {
    expect([throughputChart([]), tradeOffChart([]), costChart([]), failuresChart([])]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  it('draw eight workloads and keep the others in the table', () => {
    const many = Array.from({ length: 10 }, (_, index) => ({
      ...rows[0]!,
      workload: `w${index}`,
      workloadName: `w${index}`,
    }));
    const chart = throughputChart(many)!;
    expect(chart.legend).toHaveLength(8);
    expect(chart.table.rows).toHaveLength(10);
    expect(chart.reading).toContain('2 more are in the table only.');
  });
});

describe('the other charts', () => {
  it('the curve of throughput against latency labels each mark with its level', () => {
    const labels = all(tradeOffChart(rows)!.draw(600), 'label').map((label) => label.children[0]);
    expect(labels).toEqual(['1', '2', '4', '8', '16', '32', '1', '2', '4', '8', '16', '32']);
  });

  it('failures are stacked by class, as long as they are many', () => {
    const chart = failuresChart(rows)!;
    expect(chart.table.head).toEqual(['Cell', 'Attempted', 'Failed', 'throttle-queue', 'deadline-server']);
    expect(chart.table.rows).toEqual([
      ['c16-p512-o128', 366, 6, 3, 3],
      ['c32-p512-o128', 387, 27, 24, 3],
      ['c16-p2048-o256', 366, 6, 3, 3],
      ['c32-p2048-o256', 387, 27, 24, 3],
    ]);
    const widths = all(chart.draw(600), 'bar').map((bar) => Number(bar.attributes.width));
    expect(widths[2]! / widths[0]!).toBeCloseTo(8, 6);
  });
});

describe('charts of comparisons and schedules', () => {
  const front: FrontRow[] = [
    { label: 'NC24', cellId: 'c8-p512-o128', usdPerMillionOutputTokens: 3, msPerToken: 25, onFront: true },
    { label: 'NC24', cellId: 'c1-p512-o128', usdPerMillionOutputTokens: 14, msPerToken: 22, onFront: false },
    { label: 'NC80', cellId: 'c8-p512-o128', usdPerMillionOutputTokens: 5, msPerToken: 10, onFront: true },
  ];

  const labels = [...new Set(front.map(({ label }) => label))];
  const subject = { id: 'p512-o128', workloadName: '512 → 128 tokens', time: 'TPOT', labels };

  it('the front joins what nothing beats, cheapest first, and marks everything', () => {
    const svg = frontChart(subject, front)!.draw(600);
    expect(all(svg, 'mark')).toHaveLength(3);
    const line = String(all(svg, 'front')[0]?.attributes.d);
    const [from, to] = line.split('L').map((point) => Number(point.replace('M', '').split(' ')[0]));
    expect(line.split('L')).toHaveLength(2);
    expect(from).toBeLessThan(to!);
    expect(frontChart(subject, [])).toBe(null);
  });

  it('bars of targets are as long as their values, with their intervals', () => {
    const measure = { id: 'skus', title: 'Throughput', axis: 'Output tokens per second', reading: '' };
    const svg = targetBarsChart(measure, [
      { label: 'NC24', cellId: 'c8', colour: 0, estimate: { value: 400, lower: 380, upper: 420 } },
      { label: 'NC80', cellId: 'c8', colour: 1, estimate: { value: 800, lower: null, upper: null } },
    ])!.draw(600);
    const [short, long] = all(svg, 'bar').map((bar) => Number(bar.attributes.width));
    expect(long! / short!).toBeCloseTo(2, 6);
    const [interval, ...others] = all(svg, 'interval');
    expect(others).toEqual([]);
    expect((Number(interval?.attributes.x2) - Number(interval?.attributes.x1)) / short!).toBeCloseTo(0.1, 2);
  });

  it('a history marks its regressions, and a run without a value breaks its line', () => {
    const day = (
      index: number,
      value: number | null,
      verdict: HistoryRow['verdict'] = 'no-change-shown',
    ): HistoryRow => ({
      id: `run-${index}`,
      atMs: Date.UTC(2026, 0, index),
      estimate: value === null ? null : { value, lower: null, upper: null },
      expected: value === null || index === 1 ? null : { lower: 0.95, upper: 1.05 },
      verdict,
    });
    const measure = { id: 'history-0', title: 'nc24', axis: 'Rate by that of its baseline' };
    const chart = historyChart(measure, [
      day(3, null, 'not-comparable'),
      day(1, 1.02),
      day(2, 0.99),
      day(4, 0.8, 'regression'),
      day(5, 0.98),
    ])!;
    expect(chart.legend.map(({ name }) => name)).toEqual(['run', 'regression']);
    expect(all(chart.draw(600), 'mark')).toHaveLength(5);
    expect(all(chart.draw(600), 'line')).toHaveLength(2);
    expect(all(chart.draw(600), 'band')).toHaveLength(1);
    expect(chart.summary).toContain('run-4: 0.800, regression');
    expect(chart.table.rows.map(([id]) => id)).toEqual(['run-1', 'run-2', 'run-3', 'run-4', 'run-5']);
  });
});

/** Elements of a class, as deep as they stand. */
function all(node: Markup, name: string): Markup[] {
  const own = String(node.attributes.class ?? '')
    .split(' ')
    .includes(name)
    ? [node]
    : [];
  return [...own, ...node.children.flatMap((child) => (typeof child === 'string' ? [] : all(child, name)))];
}

function texts(node: Markup): string[] {
  return node.children.flatMap((child) => (typeof child === 'string' ? [child] : texts(child)));
}

function ends(interval: { value: number | null; lower?: number | null; upper?: number | null } | undefined) {
  return [interval?.value, interval?.lower, interval?.upper];
}
