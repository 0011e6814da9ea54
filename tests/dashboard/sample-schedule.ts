/** A schedule with a history that the page draws: two targets over eight weeks, one of them with a regression. */
import type { RegressionVerdict } from '../../src/core/schedule/regression.ts';
import { parseSchedule } from '../../src/core/schedule/schedule.ts';
import {
  type HistoryEntry,
  putSchedule,
  type ScheduleRecord,
} from '../../src/core/schedule/schedule-record.ts';
import {
  type HistoryView,
  type ScheduleView,
  viewHistory,
  viewSchedule,
} from '../../src/http/schedule-view.ts';
import { A_MOMENT_MS, aSpecBody } from '../support/builders.ts';

const WEEK_MS = 7 * 24 * 3_600_000;

export function sampleSchedule(fields: Partial<ScheduleRecord> = {}): ScheduleView {
  const body = {
    schedule: '0 0 6 * * 1',
    timeZone: 'Europe/Berlin',
    maxUsdPerMonth: 200,
    comparison: {
      base: { model: { name: 'Phi-4', version: '7' } },
      targets: ['A100', 'H100'].map((label) => ({ label, target: aSpecBody().target })),
    },
    webhook: { url: 'https://hooks.example.com/bench', secretSetting: 'WEBHOOK_SECRET_TEAM' },
  };
  const { parsed } = parseSchedule('weekly', body, A_MOMENT_MS);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const record = putSchedule(null, parsed.value, 'api', A_MOMENT_MS - 9 * WEEK_MS);
  const spent = { month: '2026-01', usd: 23.4 };
  return viewSchedule({ ...record, lastDueMs: A_MOMENT_MS, spent, ...fields }, A_MOMENT_MS);
}

/** Rates by that of the baseline, oldest first; null where there was none to hold it against. */
const RATIOS: Readonly<Record<string, readonly (number | null)[]>> = {
  A100: [null, 1.01, 0.99, 1.02, 0.985, 1.0, 0.81, 1.01],
  H100: [null, 0.99, 1.005, 1.01, 0.99, 1.02, 1.0, 0.995],
};
const SKIPPED_WEEK = 4;

/** Newest first, as the API tells it. */
export function sampleHistory(): HistoryView[] {
  return Array.from({ length: 8 }, (_, week) => viewHistory(entryOf(week))).toReversed();
}

function entryOf(week: number): HistoryEntry {
  const dueMs = A_MOMENT_MS - (8 - week) * WEEK_MS;
  const entry = { schedule: 'weekly', dueMs, atMs: dueMs + 5_000 };
  if (week === SKIPPED_WEEK) {
    const sentence = 'It was skipped, because the one before was still running.';
    return { ...entry, outcome: 'skipped', sentence, work: null, result: null };
  }
  return {
    ...entry,
    outcome: 'started',
    sentence: 'It was started.',
    work: { kind: 'comparison', id: `c25163441279999${week}-0123abcd` },
    result: {
      state: 'completed',
      endedAtMs: dueMs + 1_800_000,
      failure: null,
      usd: 5.85,
      targets: Object.entries(RATIOS).map(([label, ratios]) => ({
        label,
        runId: null,
        state: 'completed',
        failure: null,
        good: true,
        sameAs: label,
        deployments: [],
        check: checkOf(ratios[week] ?? null, week),
        leftOut: [],
      })),
    },
  };
}

function checkOf(ratio: number | null, week: number): RegressionVerdict {
  if (ratio === null) {
    const sentence = 'There is no good run before this one to hold it against.';
    return { verdict: 'not-comparable', baseline: null, ratio, lower: null, upper: null, runs: 0, sentence };
  }
  const width = 0.06 + 0.08 / week;
  const isRegression = ratio < 1 - width;
  const percent = `${(ratio * 100).toFixed(1)} %`;
  return {
    verdict: isRegression ? 'regression' : 'no-change-shown',
    baseline: `c25163441279999${week - 1}-0123abcd`,
    ratio,
    lower: 1 / (1 + width),
    upper: 1 + width,
    runs: week,
    sentence: `${isRegression ? 'Regression' : 'No change shown'}: ${percent} of the rate of the baseline.`,
  };
}
