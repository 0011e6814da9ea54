import { describe, expect, test } from 'vitest';
import { compareVersions, refuseVersion } from '../../../../src/local/host/durable/version.ts';
import { parseHostConfig } from '../../../../src/local/host/host-config.ts';

describe('which is older', () => {
  test.each([
    ['1.2', '1.10', -1],
    ['1.2', '1.2', 0],
    ['2.0', '1.99.99', 1],
    ['1.2', '1.2.0', -1],
    ['', '1.0', -1],
    ['', '', 0],
    ['Beta', 'alpha', 1],
    ['ALPHA', 'alpha', 0],
  ])('%s against %s', (a, b, expected) => {
    expect(Math.sign(compareVersions(a, b))).toBe(expected);
  });
});

describe('which may run', () => {
  const config = (versionMatchStrategy: string) =>
    parseHostConfig({ extensions: { durableTask: { defaultVersion: '1.5', versionMatchStrategy } } }, {})
      .durable;
  test.each([
    ['None', '9.0', true],
    ['Strict', '1.5', true],
    ['Strict', '1.4', false],
    ['CurrentOrOlder', '1.4', true],
    ['CurrentOrOlder', '', true],
    ['CurrentOrOlder', '1.6', false],
  ])('%s runs %s: %s', (strategy, version, runs) => {
    expect(refuseVersion(version, config(strategy)) === undefined).toBe(runs);
  });
});
