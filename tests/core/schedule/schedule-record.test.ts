import { describe, expect, it } from 'vitest';
import {
  addNotice,
  afterAttempt,
  type Notice,
  noticeBody,
  noticesOf,
} from '../../../src/core/schedule/notice.ts';
import { countsFromMs, type Schedule } from '../../../src/core/schedule/schedule.ts';
import {
  addSpending,
  type HistoryEntry,
  outgrown,
  putSchedule,
  spentInMonth,
  type TargetResult,
  type WorkResult,
} from '../../../src/core/schedule/schedule-record.ts';
import { A_MOMENT_MS } from '../../support/builders.ts';

const MINUTE_MS = 60_000;

const A_SCHEDULE: Schedule = {
  name: 'weekly',
  schedule: '0 0 6 * * 1',
  timeZone: 'UTC',
  enabled: true,
  keep: 2,
  maxUsdPerMonth: 400,
  baseline: 'last-good',
  work: { kind: 'run', body: {} },
  webhook: null,
};

function aTarget(fields: Partial<TargetResult> = {}): TargetResult {
  return {
    label: 'run',
    runId: 'r1',
    state: 'completed',
    failure: null,
    good: true,
    sameAs: 'x',
    deployments: [],
    check: null,
    leftOut: [],
    ...fields,
  };
}

function aResult(fields: Partial<WorkResult> = {}): WorkResult {
  return {
    state: 'completed',
    endedAtMs: A_MOMENT_MS,
    failure: null,
    usd: 1,
    targets: [aTarget()],
    ...fields,
  };
}

function anEntry(minute: number, fields: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    schedule: 'weekly',
    dueMs: A_MOMENT_MS + minute * MINUTE_MS,
    atMs: A_MOMENT_MS,
    outcome: 'started',
    sentence: '',
    work: { kind: 'run', id: `r${minute}` },
    result: aResult(),
    ...fields,
  };
}

describe('a schedule that is put', () => {
  const first = putSchedule(null, A_SCHEDULE, 'api', A_MOMENT_MS);
  const laterMs = A_MOMENT_MS + 30 * MINUTE_MS;

  it('counts from the second in which it is new', () => {
    expect(first).toMatchObject({ lastDueMs: countsFromMs(A_MOMENT_MS), running: null, spent: { usd: 0 } });
  });

  it('goes on where its times stay the same, with what is running and what was spent', () => {
    const running = { kind: 'run', id: 'r1', dueMs: A_MOMENT_MS, boundUsd: 5 } as const;
    const spent = { month: '2026-01', usd: 7 };
    const again = putSchedule({ ...first, running, spent }, { ...A_SCHEDULE, keep: 9 }, 'api', laterMs);
    expect(again).toMatchObject({
      keep: 9,
      lastDueMs: first.lastDueMs,
      running,
      spent,
      createdAtMs: A_MOMENT_MS,
    });
  });

  it.each([
    ['times', { schedule: '0 0 7 * * 1' }],
    ['time zone', { timeZone: 'Europe/Berlin' }],
  ])('makes up for nothing by another %s', (_, change) => {
    expect(putSchedule(first, { ...A_SCHEDULE, ...change }, 'api', laterMs).lastDueMs).toBe(
      countsFromMs(laterMs),
    );
  });

  it('makes up for nothing that was due while it was off', () => {
    const off = putSchedule(first, { ...A_SCHEDULE, enabled: false }, 'api', A_MOMENT_MS);
    expect(putSchedule(off, A_SCHEDULE, 'api', laterMs).lastDueMs).toBe(countsFromMs(laterMs));
  });

  it('never brings back a due second that was dealt with', () => {
    const dealt = { ...first, lastDueMs: A_MOMENT_MS };
    const changed = putSchedule(dealt, { ...A_SCHEDULE, schedule: '0 * * * * *' }, 'api', A_MOMENT_MS + 400);
    expect(changed.lastDueMs).toBe(A_MOMENT_MS);
  });
});

describe('what a month has cost', () => {
  it('adds up within it and begins anew with the next', () => {
    const january = addSpending({ month: '2026-01', usd: 10 }, 5, Date.UTC(2026, 0, 31, 23));
    expect(january).toEqual({ month: '2026-01', usd: 15 });
    expect(spentInMonth({ spent: january }, Date.UTC(2026, 1, 1))).toBe(0);
    expect(addSpending(january, 5, Date.UTC(2026, 1, 1))).toEqual({ month: '2026-02', usd: 5 });
  });
});

describe('the history', () => {
  const bad = aResult({ targets: [aTarget({ good: false })] });
  const skipped = { outcome: 'skipped', work: null, result: null } as const;
  const gone = (entries: readonly HistoryEntry[], keep: number) =>
    outgrown(entries, keep).map(({ dueMs }) => (dueMs - A_MOMENT_MS) / MINUTE_MS);

  it('keeps so many that measured and so many that did not, so that skips push out no result', () => {
    const entries = [1, 2, 3].map((minute) => anEntry(minute));
    const skips = [4, 5, 6, 7].map((minute) => anEntry(minute, skipped));
    expect(gone([...entries, ...skips], 2)).toEqual([1, 5, 4]);
  });

  it('keeps the newest good result, and what is not over, however old they are', () => {
    const entries = [
      anEntry(1, { result: null }),
      anEntry(2),
      anEntry(3),
      ...[4, 5, 6].map((m) => anEntry(m, { result: bad })),
    ];
    expect(gone(entries, 2)).toEqual([4, 2]);
  });
});

describe('what a webhook is told', () => {
  const regression = {
    verdict: 'regression',
    baseline: 'r0',
    ratio: 0.5,
    lower: 0.9,
    upper: 1.1,
    runs: 3,
    sentence: 'Regression: half.',
  } as const;
  const work = { kind: 'comparison', id: 'c1' } as const;
  const events = (result: WorkResult) =>
    noticesOf(work, result).map(({ event, sentences }) => [event, ...sentences]);

  it.each([
    ['nothing of a good result', aResult(), []],
    [
      'the target that has become slower',
      aResult({ targets: [aTarget({ label: 'a', check: regression }), aTarget({ label: 'b' })] }),
      [['regression', '"a": Regression: half.']],
    ],
    [
      'a target that failed, though the comparison completed',
      aResult({
        targets: [aTarget({ label: 'a', failure: { code: 'deploy-failed', message: 'No quota.' } })],
      }),
      [['failure', '"a": No quota.']],
    ],
    [
      'an endpoint that was not deleted, as what it is',
      aResult({
        state: 'failed',
        failure: { code: 'leaked-endpoint', message: 'It is alive.' },
        targets: [aTarget({ label: 'a', failure: { code: 'leaked-endpoint', message: 'It is alive.' } })],
      }),
      [['leaked-lease', '"a": It is alive.']],
    ],
    [
      'a failure of the whole, where no target has its own',
      aResult({ state: 'failed', failure: { code: 'internal', message: 'Lost.' }, targets: [] }),
      [['failure', 'Lost.']],
    ],
    [
      'nothing of a cancel',
      aResult({ state: 'canceled', targets: [aTarget({ state: 'canceled', good: false })] }),
      [],
    ],
  ])('is %s', (_, result, expected) => {
    expect(events(result)).toEqual(expected);
  });

  const fresh = { id: 'c1-failure', event: 'failure', work, sentences: ['No quota.'] } as const;
  const [notice] = addNotice([], fresh, A_MOMENT_MS) as [Notice];

  it('is one message an event, however often it is found', () => {
    expect(addNotice([notice], fresh, A_MOMENT_MS + 1)).toEqual([notice]);
  });

  it('says whose it is, of what, and where to look', () => {
    expect(JSON.parse(noticeBody('weekly', 'bench-1', notice))).toEqual({
      id: 'c1-failure',
      event: 'failure',
      at: new Date(A_MOMENT_MS).toISOString(),
      installation: 'bench-1',
      schedule: 'weekly',
      work: { kind: 'comparison', id: 'c1', path: '/api/comparisons/c1' },
      sentences: ['No quota.'],
    });
  });

  it('is tried six times, each a while later than the one before, and then given up', () => {
    let now = notice;
    const waits: number[] = [];
    while (now.state === 'pending') {
      const atMs = now.nextAtMs;
      now = afterAttempt(now, { error: 'The receiver answered 503.', hopeless: false }, atMs);
      if (now.state === 'pending') waits.push((now.nextAtMs - atMs) / MINUTE_MS);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16]);
    expect(now).toMatchObject({ state: 'given-up', attempts: 6, error: 'The receiver answered 503.' });
  });

  it('is given up at once where no attempt would help, and delivered once it is taken', () => {
    expect(afterAttempt(notice, { error: 'no', hopeless: true }, 0).state).toBe('given-up');
    expect(afterAttempt(notice, { error: null, hopeless: false }, 0)).toMatchObject({
      state: 'delivered',
      attempts: 1,
    });
  });
});
