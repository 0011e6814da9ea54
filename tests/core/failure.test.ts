import { expect, test } from 'vitest';
import { FAILURE_TRAITS, REQUEST_FAILURES } from '../../src/core/failure.ts';

const namesWith = (trait: 'retryable' | 'countsAsLoad' | 'hopeless') =>
  Object.entries(FAILURE_TRAITS)
    .filter(([, traits]) => traits[trait])
    .map(([name]) => name);

test('every class of failure has its traits, and none is both passing and hopeless', () => {
  expect(Object.keys(FAILURE_TRAITS).sort()).toEqual(Object.keys(REQUEST_FAILURES).sort());
  expect(namesWith('hopeless')).toEqual(['auth', 'bad-request', 'context-window']);
  expect(namesWith('retryable').filter((name) => namesWith('hopeless').includes(name))).toEqual([]);
});

test('a refusal is no load; what the model began is', () => {
  const load = namesWith('countsAsLoad');
  for (const refused of ['throttle-queue', 'throttle-rate', 'auth', 'bad-request', 'connect', 'dns', 'tls']) {
    expect(load).not.toContain(refused);
  }
  for (const begun of ['deadline-server', 'client-timeout', 'reset', 'truncated-stream', 'masked-error']) {
    expect(load).toContain(begun);
  }
});
