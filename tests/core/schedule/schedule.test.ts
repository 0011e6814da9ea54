import { describe, expect, it } from 'vitest';
import { RUN_ID_PATTERN } from '../../../src/core/run.ts';
import {
  countsFromMs,
  dueNow,
  nextDueMs,
  parseSchedule,
  refuseCost,
  type Schedule,
  scheduledId,
} from '../../../src/core/schedule/schedule.ts';
import { aSpecBody } from '../../support/builders.ts';

const NOW_MS = Date.parse('2026-03-10T12:00:05Z');
const at = (text: string) => Date.parse(`2026-03-10T${text}Z`);

const A_BODY = { schedule: '0 0 6 * * 1', run: aSpecBody() };

function faultsOf(body: unknown, name = 'weekly'): string[] {
  const { parsed } = parseSchedule(name, body, NOW_MS);
  return parsed.ok ? [] : parsed.faults.map(({ path, message }) => `${path} ${message}`);
}

function aSchedule(fields: object = {}, name = 'weekly'): Schedule {
  const { parsed } = parseSchedule(name, { ...A_BODY, ...fields }, NOW_MS);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

describe('the body of a schedule', () => {
  it('has every default filled in', () => {
    expect(aSchedule()).toEqual({
      name: 'weekly',
      schedule: '0 0 6 * * 1',
      timeZone: 'UTC',
      enabled: true,
      keep: 26,
      maxUsdPerMonth: 400,
      baseline: 'last-good',
      work: { kind: 'run', body: aSpecBody() },
      webhook: null,
    });
  });

  it.each([
    ['no object', 'weekly', '(body) must be an object'],
    ['no work', { schedule: '0 0 6 * * 1' }, 'comparison is missing'],
    ['both kinds of work', { ...A_BODY, comparison: {} }, 'run stands beside "comparison"'],
    ['work that is no object', { schedule: '0 0 6 * * 1', run: [] }, 'run must be an object'],
    ['no times', { run: {} }, 'schedule is missing'],
    [
      'times that are no NCRONTAB',
      { ...A_BODY, schedule: 'daily' },
      "schedule The schedule 'daily' is not NCRONTAB",
    ],
    ['a time span', { ...A_BODY, schedule: '00:05:00' }, 'is a time span'],
    ['a day that never comes', { ...A_BODY, schedule: '0 0 0 31 2 *' }, 'schedule is never due'],
    ['each half minute', { ...A_BODY, schedule: '*/30 * * * * *' }, 'a minute must lie between'],
    [
      'twice within one minute of a day',
      { ...A_BODY, schedule: '0,40 0 6 * * *' },
      'a minute must lie between',
    ],
    ['an unknown time zone', { ...A_BODY, timeZone: 'Mars/Base' }, 'timeZone'],
    [
      'a baseline that is no id',
      { ...A_BODY, baseline: 'best' },
      'baseline must be "last-good" or the id of a run',
    ],
    [
      'a comparison as the baseline of runs',
      { ...A_BODY, baseline: 'c251606717219999-00a34b6b' },
      'the id of a run',
    ],
    ['a bound of nothing', { ...A_BODY, maxUsdPerMonth: 0 }, 'maxUsdPerMonth must be from 0.01'],
    ['a history without end', { ...A_BODY, keep: 100_000 }, 'keep must be from 1 to 208'],
    [
      'a webhook that nobody can sign',
      { ...A_BODY, webhook: { url: 'https://a.example' } },
      'webhook.secretSetting',
    ],
    ['an unknown field', { ...A_BODY, retries: 3 }, 'retries is not a field of a schedule'],
  ])('refuses %s', (_, body, told) => {
    expect(faultsOf(body).join('\n')).toContain(told);
  });

  it('tells every fault at once, and keeps the work apart so that its faults can be told too', () => {
    const body = { ...A_BODY, schedule: 'daily', keep: 0, baseline: 'best', extra: 1 };
    const { parsed, work } = parseSchedule('A/B', body, NOW_MS);
    expect(parsed.ok ? [] : parsed.faults.map(({ path }) => path)).toEqual(['name', 'keep', 'extra']);
    expect(work).toEqual({ kind: 'run', body: aSpecBody() });
    expect(faultsOf({ ...A_BODY, schedule: 'daily', baseline: 'best' })).toHaveLength(2);
  });

  it.each([
    '',
    'a/b',
    'a\\b',
    'a#b',
    'a?b',
    '100%',
    "it's",
    'a ',
    'a\t',
    '😀',
    'A',
    'é',
    '.',
    '..',
    '-a',
    'a'.repeat(41),
  ])('refuses the name %j with the rule', (name) => {
    expect(faultsOf(A_BODY, name)).toEqual([expect.stringContaining('1 to 40 lower-case letters')]);
  });

  it.each(['a', 'weekly', 'a-1', '0', 'a'.repeat(40)])('takes the name %s', (name) => {
    expect(faultsOf(A_BODY, name)).toEqual([]);
  });
});

describe('what is due', () => {
  const minutely = aSchedule({ schedule: '0 * * * * *' });
  const daily = aSchedule({ schedule: '0 0 6 * * *' });

  it.each([
    ['nothing before its time', minutely, '12:00:00', '12:00:59', null, { kind: 'not-due' }],
    [
      'a start at its second',
      minutely,
      '12:00:00',
      '12:01:00',
      null,
      { kind: 'start', dueMs: at('12:01:00') },
    ],
    [
      'a start a pass later',
      minutely,
      '12:00:00',
      '12:01:55',
      null,
      { kind: 'start', dueMs: at('12:01:00') },
    ],
    [
      'a skip while the last is running',
      minutely,
      '12:00:00',
      '12:01:05',
      'r1',
      {
        kind: 'skip',
        dueMs: at('12:01:00'),
        sentence: expect.stringContaining('r1, started before, is not over.'),
      },
    ],
    ['nothing for what was dealt with', minutely, '12:01:00', '12:01:05', null, { kind: 'not-due' }],
    [
      'one start after an hour without a host, for the newest',
      minutely,
      '12:00:00',
      '13:00:05',
      null,
      {
        kind: 'catch-up',
        dueMs: at('13:00:00'),
        missed: 59,
        sinceMs: at('12:01:00'),
        sentence: expect.stringContaining('59 due times before it passed without a start.'),
      },
    ],
    [
      'a late start of what was missed once',
      daily,
      '05:00:00',
      '11:00:00',
      null,
      {
        kind: 'catch-up',
        dueMs: at('06:00:00'),
        missed: 0,
        sentence: expect.stringContaining('Started late'),
      },
    ],
  ] as const)('is %s', (_, schedule, last, now, running, expected) => {
    expect(dueNow(schedule, at(last), at(now), running)).toMatchObject(expected);
  });

  it('is nothing while the schedule is off', () => {
    expect(dueNow({ ...minutely, enabled: false }, 0, NOW_MS, null)).toEqual({ kind: 'not-due' });
    expect(nextDueMs({ ...minutely, enabled: false }, NOW_MS)).toBeNull();
  });

  it('is nothing that was missed more than a month ago', () => {
    const yearly = aSchedule({ schedule: '0 0 6 1 1 *' });
    expect(dueNow(yearly, Date.parse('2025-12-01T00:00:00Z'), NOW_MS, null)).toEqual({ kind: 'not-due' });
    expect(nextDueMs(yearly, NOW_MS)).toBe(Date.parse('2027-01-01T06:00:00Z'));
  });

  it('goes by the time zone, over the change of its clocks too', () => {
    const berlin = aSchedule({ schedule: '0 0 6 * * *', timeZone: 'Europe/Berlin' });
    expect(nextDueMs(berlin, Date.parse('2026-03-28T00:00:00Z'))).toBe(Date.parse('2026-03-28T05:00:00Z'));
    expect(nextDueMs(berlin, Date.parse('2026-03-29T00:00:00Z'))).toBe(Date.parse('2026-03-29T04:00:00Z'));
  });

  it('counts the second in which the schedule was put', () => {
    const putAtMs = at('12:01:00') + 300;
    expect(dueNow(minutely, countsFromMs(putAtMs), putAtMs, null)).toMatchObject({ dueMs: at('12:01:00') });
  });
});

describe('what a month may cost', () => {
  it.each([
    ['lets the last dollar be spent', 400, 300, 100, null],
    [
      'refuses what may go over it',
      400,
      300.01,
      100,
      'it may cost up to $100.00, $300.01 were spent this month',
    ],
    ['refuses what has no bound', 400, 0, null, 'is not known'],
    ['has no say without a bound', null, 9_999, null, null],
  ])('%s', (_, maxUsdPerMonth, spentUsd, boundUsd, told) => {
    const refusal = refuseCost({ maxUsdPerMonth, spentUsd, boundUsd });
    if (told === null) expect(refusal).toBeNull();
    else expect(refusal).toContain(told);
  });
});

describe('the id of what is started', () => {
  it('follows from the name and the due second, and from nothing else', () => {
    const id = scheduledId(aSchedule(), at('12:01:00'));
    expect(id).toMatch(RUN_ID_PATTERN);
    expect(scheduledId(aSchedule({ keep: 3 }), at('12:01:00') + 400)).toBe(id);
    expect(scheduledId(aSchedule({}, 'other'), at('12:01:00'))).not.toBe(id);
    expect(scheduledId(aSchedule(), at('12:02:00'))).not.toBe(id);
  });
});
