import { expect, test } from 'vitest';
import { parseHostConfig, readHostConfig } from '../../../src/local/host/host-config.ts';

test('an empty host.json means Azure’s defaults', () => {
  expect(parseHostConfig({ version: '2.0' }, {})).toEqual({
    routePrefix: 'api',
    functionTimeoutMs: undefined,
    durable: {
      hubName: 'TestHubName',
      maxConcurrentActivities: 10,
      maxConcurrentOrchestrations: 10,
      defaultVersion: '',
      versionMatchStrategy: 'None',
      versionFailureStrategy: 'Reject',
    },
  });
});

test('what it says is taken', () => {
  const document = {
    functionTimeout: '00:10:00',
    extensions: {
      http: { routePrefix: '/v1/' },
      durableTask: {
        hubName: 'hub%SUFFIX%',
        maxConcurrentActivityFunctions: 3,
        maxConcurrentOrchestratorFunctions: 4,
        defaultVersion: '2.0',
        versionFailureStrategy: 'fail',
      },
    },
  };
  expect(parseHostConfig(document, { SUFFIX: 'X' })).toEqual({
    routePrefix: 'v1',
    functionTimeoutMs: 600_000,
    durable: {
      hubName: 'hubX',
      maxConcurrentActivities: 3,
      maxConcurrentOrchestrations: 4,
      defaultVersion: '2.0',
      versionMatchStrategy: 'CurrentOrOlder',
      versionFailureStrategy: 'Fail',
    },
  });
});

test.each([
  [{ functionTimeout: 'soon' }, 'functionTimeout'],
  [{ extensions: { durableTask: { maxConcurrentActivityFunctions: 0 } } }, 'maxConcurrentActivityFunctions'],
  [{ extensions: { durableTask: { versionMatchStrategy: 'Newest' } } }, 'versionMatchStrategy'],
  [{ extensions: { durableTask: { hubName: '%GONE%' } } }, 'GONE'],
  [{ extensions: { http: { routePrefix: 5 } } }, 'routePrefix'],
])('%j is refused', (document, name) => {
  expect(() => parseHostConfig(document, {})).toThrow(name);
});

test('an app without a host.json is refused', () => {
  expect(() => readHostConfig('/nowhere')).toThrow(/has no readable host.json/);
});
