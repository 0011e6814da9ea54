import { describe, expect, test } from 'vitest';
import { isMonitored, isPastDue, parseSchedule } from '../../../src/local/host/schedule.ts';

const NEW_YEAR = new Date('2026-01-01T00:00:00Z');

function nextTimes(expression: string, count: number, timeZone = 'UTC'): readonly string[] {
  const schedule = parseSchedule(expression, timeZone);
  const times: string[] = [];
  let at: Date | null = NEW_YEAR;
  while (times.length < count) {
    at = schedule.next(at);
    if (at === null) break;
    times.push(at.toISOString().slice(0, 19));
  }
  return times;
}

describe('NCRONTAB', () => {
  test.each([
    ['six fields begin with the second', '30 */5 * * * *', ['2026-01-01T00:00:30', '2026-01-01T00:05:30']],
    ['five fields begin with the minute', '*/5 * * * *', ['2026-01-01T00:05:00', '2026-01-01T00:10:00']],
    [
      'a start with a step runs to the end of the range',
      '5/15 0 0 * * *',
      ['2026-01-01T00:00:05', '2026-01-01T00:00:20'],
    ],
    ['names of days and months', '0 0 9 * JAN Mon', ['2026-01-05T09:00:00', '2026-01-12T09:00:00']],
    ['lists and ranges', '0 0 6,18 1-2 * *', ['2026-01-01T06:00:00', '2026-01-01T18:00:00']],
    ['Sunday is 0', '0 0 0 * * 0', ['2026-01-04T00:00:00', '2026-01-11T00:00:00']],
    [
      'both the day of the month and the day of the week must match',
      '0 0 6 13 * 5',
      ['2026-02-13T06:00:00', '2026-03-13T06:00:00'],
    ],
  ])('%s', (_, expression, expected) => {
    expect(nextTimes(expression, 2)).toEqual(expected);
  });

  test('the time zone decides when a day begins', () => {
    expect(nextTimes('0 0 6 * * *', 1, 'America/New_York')).toEqual(['2026-01-01T11:00:00']);
  });

  test('a day that never comes has no next time', () => {
    expect(nextTimes('0 0 0 31 2 *', 1)).toEqual([]);
  });

  test.each([
    ['a time span', '00:05:00', /time span/],
    ['too few fields', '* * * *', /not NCRONTAB/],
    ['too many fields', '* * * * * * *', /not NCRONTAB/],
    ['a minute that does not exist', '0 60 * * * *', /cannot be used/],
    ['symbols of other crons', '0 0 0 L * *', /cannot be used|not NCRONTAB/],
    ['nth weekdays', '0 0 0 * * 1#2', /not NCRONTAB/],
    ['nicknames', '@daily', /not NCRONTAB/],
    ['Sunday as 7', '0 0 0 * * 7', /Sunday is 0/],
    ['an empty text', '', /not NCRONTAB/],
  ])('%s is refused', (_, expression, message) => {
    expect(() => parseSchedule(expression, 'UTC')).toThrow(message);
  });

  test('an unknown time zone is refused', () => {
    expect(() => parseSchedule('* * * * * *', 'Mars/Olympus')).toThrow(/time zone Mars/);
  });
});

describe('what is remembered', () => {
  test.each([
    ['* * * * * *', undefined, false],
    ['*/30 * * * * *', true, false],
    ['0 * * * * *', undefined, true],
    ['0 0 6 * * *', undefined, true],
    ['0 0 6 * * *', false, false],
  ])('%s with useMonitor %s: %s', (expression, useMonitor, expected) => {
    expect(isMonitored(parseSchedule(expression, 'UTC'), useMonitor, NEW_YEAR)).toBe(expected);
  });

  const schedule = parseSchedule('0 0 6 * * *', 'UTC');
  const status = (expression: string, next: string) => ({
    expression,
    lastMs: null,
    nextMs: Date.parse(next),
    updatedMs: 0,
  });

  test.each([
    ['nothing known', undefined, false],
    ['due a second ago', status('0 0 6 * * *', '2025-12-31T23:59:59Z'), true],
    ['due in a second', status('0 0 6 * * *', '2026-01-01T00:00:01Z'), false],
    ['due under another schedule', status('0 0 7 * * *', '2025-12-31T23:59:59Z'), false],
  ])('past due: %s', (_, known, expected) => {
    expect(isPastDue(schedule, known, NEW_YEAR)).toBe(expected);
  });
});
