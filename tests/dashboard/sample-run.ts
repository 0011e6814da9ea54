/** A run's report with everything in it that the page draws: two workloads, five levels, three repeats, objectives. */

import { mergeShards } from '../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord, type Report } from '../../src/core/report/report.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { aCell, aHistogram, aProvenance, aRun, aShardSummary, aSpec, aWindow } from '../support/builders.ts';

const LEVELS = [1, 2, 4, 8, 16, 32] as const;
const WORKLOADS = [
  { promptTokens: 512, outputTokens: 128 },
  { promptTokens: 2048, outputTokens: 256 },
] as const;
const REPEATS = [1, 2, 3] as const;
const SLO = { attainment: 0.95, ttftMs: 400, tpotMs: null, e2eMs: null };

export function sampleRun(fields: Partial<RunRecord> = {}): RunRecord {
  const spec = aSpec({ workloads: WORKLOADS, concurrency: { levels: [...LEVELS] }, slo: SLO });
  return aRun({ spec, ...fields });
}

/** Building one takes a while, and what is built is data that nobody changes. */
const built = new Map<string, Report>();

/** Throughput that saturates, first tokens that queue, and at the top level requests that are refused. */
export function sampleReport(levels: readonly number[] = LEVELS): Report {
  const key = levels.join();
  const report = built.get(key) ?? buildSample(levels);
  built.set(key, report);
  return report;
}

function buildSample(levels: readonly number[]): Report {
  const provenance = aProvenance({ simulated: true, simulatorGpuSpeed: 1 });
  const cells = WORKLOADS.flatMap((workload, index) =>
    levels.flatMap((level) =>
      REPEATS.map((repeat) => sampleCell(workload, index, level, repeat, provenance)),
    ),
  );
  return buildReport(sampleRun(), cells);
}

function sampleCell(
  workload: (typeof WORKLOADS)[number],
  index: number,
  level: number,
  repeat: number,
  provenance: CellRecord['provenance'],
): CellRecord {
  const wobble = 1 + 0.04 * Math.sin(level * 7 + repeat * 3 + index);
  const tokensPerSecond = (wobble * 900 * level) / (level + 11 + 6 * index);
  const count = 120;
  const spread = (ms: number) =>
    aHistogram(
      ...Array.from({ length: count }, (_, at) => ms * (0.8 + (0.6 * at) / count + (at > 110 ? 0.7 : 0))),
    );
  const ttftMs = wobble * (60 + 70 * index + 4 * level + (level > 8 ? 6 * level : 0));
  const tpotMs = wobble * (21 + 0.45 * level);
  const failed = level === 32 ? 9 : level === 16 ? 2 : 0;
  const met = Math.max(0, Math.min(count, Math.round(count * (1.35 - ttftMs / 900))));
  const summary = aShardSummary({
    connections: level,
    attempted: count + failed,
    succeeded: count,
    failures: failed === 0 ? {} : { 'throttle-queue': failed - 1, 'deadline-server': 1 },
    failureExamples: failed === 0 ? {} : { 'throttle-queue': 'Too many requests in flight.' },
    failedStatusCodes: failed === 0 ? {} : { 429: failed - 1, 408: 1 },
    steady: aWindow({ seconds: 30, requests: count, outputTokens: Math.round(tokensPerSecond * 30) }),
    whole: aWindow({ seconds: 36, requests: count, outputTokens: Math.round(tokensPerSecond * 33) }),
    e2e: spread(ttftMs + tpotMs * workload.outputTokens),
    ttft: spread(ttftMs),
    tpot: spread(tpotMs),
    meanInFlight: level,
    maxInFlight: level,
    slo: {
      attempted: count + failed,
      succeeded: count,
      met,
      notEvaluable: 0,
      outputTokensMet: met * workload.outputTokens,
    },
  });
  return aCell({ workload, level, repeat, provenance, summary: mergeShards([summary]) });
}
