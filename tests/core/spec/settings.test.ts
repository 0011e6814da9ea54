import { expect, test } from 'vitest';
import { groupBySettings, nameGroup, settingsLabel } from '../../../src/core/spec/settings.ts';

const settings = (max: number, timeout = 180) => ({
  maxConcurrentRequestsPerInstance: max,
  requestTimeoutSeconds: timeout,
});

test('a label tells settings apart, with the timeout only where it takes it, and is empty without others', () => {
  const label = (...all: ReturnType<typeof settings>[]) => all.map((_, index) => settingsLabel(all, index));
  expect(label(settings(1), settings(10))).toEqual(['m1', 'm10']);
  expect(label(settings(1), settings(10), settings(10, 60))).toEqual(['m1', 'm10t180', 'm10t60']);
  expect(label(settings(10))).toEqual(['']);
});

test('groups keep the order of what they hold', () => {
  const values = [settings(10), settings(1), settings(10), settings(10, 60)];
  expect(groupBySettings(values, (one) => one).map((group) => group.length)).toEqual([2, 1, 1]);
});

test('a group has a name only beside others', () => {
  const rows = [settings(1), settings(10)].map((provenance) => ({ provenance }));
  expect(nameGroup(settings(1), rows)).toBe(' at 1 concurrent requests per instance and 180 s');
  expect(nameGroup(settings(1), rows.slice(0, 1))).toBe('');
});
