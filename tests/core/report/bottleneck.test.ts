import { describe, expect, test } from 'vitest';
import { type BottleneckEvidence, explainBottleneck } from '../../../src/core/report/bottleneck.ts';
import type { PhysicalLimit } from '../../../src/core/report/physical-limit.ts';
import { buildReport } from '../../../src/core/report/report.ts';
import type { RowWire } from '../../../src/core/report/row-wire.ts';
import { aCell, aRun } from '../../support/builders.ts';

const LIMIT: PhysicalLimit = {
  tpotFloorMs: 15.2,
  decodeBandwidthShare: 0.2,
  ttftFloorMs: 10,
  prefillComputeShare: 0.1,
  computeShare: 0.05,
  basis: '1 x A100 80 PCIe',
};

function evidence(row: object = {}, fields: Partial<BottleneckEvidence> = {}): BottleneckEvidence {
  const [built] = buildReport(aRun(), [aCell()]).rows;
  if (built === undefined) throw new Error('There is no row.');
  return {
    row: { ...built, attempted: 100, ...row },
    limit: LIMIT,
    serialisation: null,
    ...fields,
  };
}

function wire(fields: Partial<RowWire>): { readonly wire: RowWire } {
  return {
    wire: {
      predictedBytesPerSecond: 1e5,
      sentBytesPerSecond: 5e4,
      receivedBytesPerSecond: 5e4,
      delayedAnswers: 0,
      delayP50Ms: null,
      rateLimit: {},
      ...fields,
    },
  };
}

const gpu = (utilisation: number) => ({ gpu: { utilisation, minutes: 3, reason: null } });

describe('what holds a row back', () => {
  test.each<[string, BottleneckEvidence, string, 'shown' | 'consistent-with', string]>([
    [
      'our client',
      evidence({ clientValid: false, clientFaults: ['The event loop was late.'] }),
      'client',
      'shown',
      'The event loop was late.',
    ],
    [
      'a quota of tokens',
      evidence({
        failures: { 'throttle-rate': 40 },
        ...wire({ rateLimit: { 'limit-tokens': '20000', 'remaining-tokens': '0' } }),
      }),
      'token-quota',
      'shown',
      'x-ratelimit-limit-tokens 20000',
    ],
    [
      'a limit of requests',
      evidence({ failures: { 'throttle-rate': 40 }, ...wire({ rateLimit: { 'limit-requests': '20' } }) }),
      'request-rate',
      'shown',
      '40 of 100',
    ],
    [
      'a 429 without headers',
      evidence({ failures: { 'throttle-rate': 40 } }),
      'request-rate',
      'shown',
      '429',
    ],
    [
      'nearly 500 requests a second',
      evidence({ requestsPerSecond: 480 }),
      'request-rate',
      'consistent-with',
      '480',
    ],
    [
      'refusals by admission',
      evidence({ failures: { 'throttle-queue': 5 } }),
      'admission',
      'shown',
      'admits 16 at once (2 x 8 x 1 instances)',
    ],
    ['waiting for admission', evidence({ level: 12 }), 'admission', 'consistent-with', '4 of 12 wait'],
    [
      'connections that were refused',
      evidence({
        level: 512,
        provenance: { maxConcurrentRequestsPerInstance: null },
        failures: { connect: 12 },
      }),
      'connections',
      'shown',
      '12 requests',
    ],
    [
      'as many connections as there are',
      evidence({ level: 490, provenance: { maxConcurrentRequestsPerInstance: null } }),
      'connections',
      'consistent-with',
      '490',
    ],
    ['the deadline', evidence({ failures: { 'deadline-server': 3 } }), 'deadline', 'shown', '180 s'],
    [
      'delay trailers',
      evidence(wire({ delayedAnswers: 20, delayP50Ms: 130, predictedBytesPerSecond: 8e6 })),
      'bandwidth',
      'shown',
      '130 ms at the median (8.0 MB a second predicted',
    ],
    [
      'bytes near the limit',
      evidence(wire({ sentBytesPerSecond: 4.7e6, receivedBytesPerSecond: 1e5 })),
      'bandwidth',
      'consistent-with',
      '4.8 MB',
    ],
    [
      'a serial wrapper',
      evidence({}, { serialisation: 'The server answers one request at a time.' }),
      'wrapper',
      'consistent-with',
      'one request at a time',
    ],
    ['a busy GPU', evidence(gpu(0.97)), 'gpu', 'consistent-with', '97 % utilisation'],
    [
      'a serial wrapper that keeps a GPU busy',
      evidence(gpu(0.97), { serialisation: 'The server answers one request at a time.' }),
      'wrapper',
      'consistent-with',
      '97 % GPU utilisation',
    ],
    [
      'nothing, where the GPU is idle however near its one stream is to a limit',
      evidence(gpu(0.3), { limit: { ...LIMIT, decodeBandwidthShare: 0.69 } }),
      'unknown',
      'consistent-with',
      'nothing that was measured',
    ],
    [
      'memory bandwidth',
      evidence({}, { limit: { ...LIMIT, decodeBandwidthShare: 0.69 } }),
      'memory-bandwidth',
      'consistent-with',
      '69 %',
    ],
    [
      'arithmetic',
      evidence({}, { limit: { ...LIMIT, computeShare: 0.5 } }),
      'compute',
      'consistent-with',
      '50 %',
    ],
  ])('%s', (_, known, cause, certainty, words) => {
    const [first] = explainBottleneck(known);
    expect(first).toMatchObject({ cause, certainty });
    expect(first?.sentence).toContain(words);
  });

  test('is unknown where nothing fits, and says so', () => {
    expect(explainBottleneck(evidence())).toMatchObject([
      { cause: 'unknown', sentence: 'c1-p512-o128: nothing that was measured shows what holds it back.' },
    ]);
    expect(explainBottleneck(evidence({}, { limit: null }))).toMatchObject([{ cause: 'unknown' }]);
  });

  test('lets no words of a server into a sentence, only its numbers and durations', () => {
    const failures = { 'throttle-rate': 40 };
    const told = (limit: string) =>
      explainBottleneck(evidence({ failures, ...wire({ rateLimit: { 'limit-tokens': limit } }) }))[0];
    expect(told('1m30s')).toMatchObject({ cause: 'token-quota' });
    for (const words of ['<b>', '[x](http://a.b)', 'see a.b', ''])
      expect(told(words)?.sentence).not.toContain('x-ratelimit-limit-tokens');
  });

  test('names what was seen before what only fits', () => {
    const both = evidence({ level: 12, failures: { 'deadline-server': 3 } });
    expect(explainBottleneck(both).map(({ cause }) => cause)).toEqual(['deadline', 'admission']);
  });

  test('does not blame the GPU of a server that works on one request at a time', () => {
    const known = evidence({}, { serialisation: 'Serial.', limit: { ...LIMIT, decodeBandwidthShare: 0.69 } });
    expect(explainBottleneck(known).map(({ cause }) => cause)).toEqual(['wrapper']);
  });

  test('does not blame a single refusal among a thousand', () => {
    expect(explainBottleneck(evidence({ attempted: 1000, failures: { 'throttle-queue': 1 } }))).toMatchObject(
      [{ cause: 'unknown' }],
    );
  });
});
