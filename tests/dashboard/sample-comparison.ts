/** A comparison of three SKUs with everything in it that the page draws: three levels, five repeats, a race on demand. */
import {
  type Comparison,
  type ComparisonPlan,
  parseComparison,
  planComparison,
} from '../../src/core/comparison/comparison.ts';
import { type ComparisonRecord, queuedComparison } from '../../src/core/comparison/comparison-record.ts';
import { buildComparisonReport, type ComparisonReport } from '../../src/core/comparison/comparison-report.ts';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import type { CellRecord } from '../../src/core/report/report.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { planCells } from '../../src/core/spec/plan.ts';
import type { ComparisonPlanAnswer } from '../../src/http/comparison-request.ts';
import { type ComparisonView, viewComparison } from '../../src/http/comparison-view.ts';
import {
  A_MOMENT_MS,
  aCell,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
  aWindow,
  someFacts,
} from '../support/builders.ts';

export const COMPARISON_ID = 'c251634412799999-0123abcd';
const LEVELS = [1, 4, 16] as const;

/** What each carries when it is full, and what an hour costs. */
const TARGETS = {
  A100: { sku: 'Standard_NC24ads_A100_v4', full: 900, usd: 3.67 },
  '2 x A100': { sku: 'Standard_NC48ads_A100_v4', full: 1_250, usd: 7.35 },
  H100: { sku: 'Standard_NC40ads_H100_v5', full: 1_750, usd: 6.98 },
} as const;
type Label = keyof typeof TARGETS;
const LABELS = Object.keys(TARGETS) as Label[];

export function sampleComparison(fields: object = {}): Comparison {
  const parsed = parseComparison({
    base: {
      model: { name: 'Phi-4', version: '7' },
      workloads: [{ promptTokens: 512, outputTokens: 128 }],
      concurrency: { levels: [...LEVELS] },
    },
    targets: LABELS.map((label) => ({ label, target: { kind: 'managed', sku: TARGETS[label].sku } })),
    limits: { maxUsd: 60 },
    ...fields,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

export interface SampleReport {
  readonly race?: boolean;
  readonly simulated?: boolean;
  readonly repeats?: number;
}

/** Building one takes a while, and what is built is data that nobody changes. */
const built = new Map<string, ComparisonReport>();

/** All of them measured in every round, or the dearest only until it is dropped. */
export function sampleComparisonReport(fields: SampleReport = {}): ComparisonReport {
  const key = JSON.stringify(fields);
  const report = built.get(key) ?? buildSample(fields);
  built.set(key, report);
  return report;
}

function buildSample({ race = false, simulated = false, repeats = 5 }: SampleReport): ComparisonReport {
  const comparison = sampleComparison(race ? { strategy: 'race' } : {});
  const outcomes = comparison.targets.map(({ label, spec }) => {
    const measured = race && label === '2 x A100' ? 2 : repeats;
    const billing = {
      pricePerHourUsd: TARGETS[label as Label].usd,
      priceReason: null,
      instances: 1,
      fromMs: A_MOMENT_MS,
      untilMs: A_MOMENT_MS + measured * 240_000,
    };
    const cells = LEVELS.flatMap((level) =>
      Array.from({ length: measured }, (_, index) => sampleCell(label as Label, level, index + 1, simulated)),
    );
    const run = aRun({ spec, billing, state: 'completed' });
    return { label, failure: null, runs: [{ run, cells }] };
  });
  return buildComparisonReport(comparison, outcomes, null);
}

function sampleCell(label: Label, level: number, repeat: number, simulated: boolean): CellRecord {
  const { sku, full } = TARGETS[label];
  const wobble = 1 + 0.01 * Math.sin(level * 7 + repeat * 3 + full) + 0.012 * Math.sin(repeat * 2.3 + full);
  const tokensPerSecond = (wobble * full * level) / (level + 8);
  const tpotMs = (level * 1_000) / tokensPerSecond;
  const spread = (ms: number) => aHistogram(...Array.from({ length: 60 }, (_, at) => ms * (0.9 + at / 300)));
  const startedAtMs = A_MOMENT_MS + (repeat - 1) * 240_000 + LEVELS.indexOf(level as 1) * 70_000;
  const summary = aShardSummary({
    connections: level,
    startedAtMs,
    endedAtMs: startedAtMs + 60_000,
    steady: aWindow({ seconds: 50, requests: 60, outputTokens: Math.round(tokensPerSecond * 50) }),
    e2e: spread(100 + tpotMs * 128),
    ttft: spread(80 + 6 * level),
    tpot: spread(tpotMs),
    ntpot: spread(tpotMs + 1),
    attempted: 60,
    succeeded: 60,
    meanInFlight: level,
    maxInFlight: level,
  });
  const endpoint = `fb-${sku.toLowerCase().slice(9, 13)}-a1`;
  return aCell({
    level,
    repeat,
    provenance: aProvenance({
      sku,
      endpoint,
      ...(simulated ? { simulated, simulatorGpuSpeed: 1 } : {}),
    }),
    summary: mergeShards([summary]),
  });
}

function samplePlan(comparison: Comparison): ComparisonPlan {
  const facts = comparison.targets.map(({ label }) =>
    someFacts({
      price: {
        price: {
          perHourUsd: TARGETS[label as Label].usd,
          region: 'eastus2',
          since: '2025-01-01T00:00:00Z',
          source: 'retail',
        },
        reason: null,
      },
    }),
  );
  const planned = planComparison(comparison, facts);
  if (!planned.ok) throw new Error(JSON.stringify(planned.faults));
  return planned.value;
}

/** What `POST /api/plans` tells of it. */
export function sampleComparisonPlan(): ComparisonPlanAnswer {
  const { targets: _, ...comparison } = sampleComparison();
  const { targets, ...plan } = samplePlan(sampleComparison());
  return {
    comparison,
    plan,
    targets: targets.map((target) => ({ ...target, cells: planCells(target.spec, null) })),
  };
}

/** What `GET /api/comparisons/{id}` tells, 12 minutes after it began: one done, one measuring, one waiting. */
export function sampleComparisonView(
  fields: Partial<ComparisonRecord> = {},
  change: (run: RunRecord, label: string) => RunRecord | null = standing,
): ComparisonView {
  const comparison = fields.comparison ?? sampleComparison();
  const record: ComparisonRecord = {
    ...queuedComparison(COMPARISON_ID, comparison, samplePlan(comparison), A_MOMENT_MS),
    state: 'running',
    startedAtMs: A_MOMENT_MS + 1_000,
    ...fields,
  };
  const runs = comparison.targets.map(({ label, spec }, index) =>
    change(
      aRun({
        id: runIdOf(index),
        spec,
        endpoint: { ...aRun().endpoint!, name: `fb-${index}`, sku: TARGETS[label as Label]?.sku ?? null },
        billing: {
          pricePerHourUsd: TARGETS[label as Label]?.usd ?? null,
          priceReason: null,
          instances: 1,
          fromMs: A_MOMENT_MS,
          untilMs: null,
        },
      }),
      label,
    ),
  );
  return viewComparison(record, runs, A_MOMENT_MS + 12 * 60_000);
}

export function runIdOf(target: number): string {
  return `r251634412799999-${'0123456789abcdef'[target]}0000000`;
}

/** Every target done, as a completed comparison is. */
export function allDone(run: RunRecord): RunRecord {
  return {
    ...run,
    state: 'completed',
    endedAtMs: A_MOMENT_MS + 10 * 60_000,
    progress: { ...run.progress, cellsDone: 15, cellsPlanned: 15, current: null, etaSeconds: null },
    billing: { ...run.billing, untilMs: A_MOMENT_MS + 10 * 60_000 },
  };
}

/** Every target done, and one of them dropped by the race. */
export function raced(run: RunRecord, label: string): RunRecord {
  if (label !== '2 x A100') return allDone(run);
  const done = allDone(run);
  return {
    ...done,
    progress: { ...done.progress, cellsDone: 6 },
    raceOver: {
      verdict: 'dropped',
      round: 2,
      sentence: '"2 x A100" was dropped after round 2: it is dearer than "H100".',
    },
  };
}

function standing(run: RunRecord, label: string): RunRecord | null {
  if (label === 'A100') return allDone(run);
  if (label === 'H100') return null;
  return {
    ...run,
    progress: { ...run.progress, cellsDone: 6, cellsPlanned: 15, current: 'c16-p512-o128 (repeat 3 of 5)' },
  };
}
