import { describe, expect, test } from 'vitest';
import { type OfferedLoad, openLoopFault } from '../../../src/core/measuring/open-loop.ts';
import type { SliceTrace } from '../../../src/core/measuring/slices.ts';
import { arrivalMoments } from '../../../src/core/requests/arrivals.ts';

const SLICE_MS = 1_000;

interface Queue {
  readonly ratePerSecond: number;
  readonly servers: number;
  readonly serviceSeconds: number;
  readonly seconds: number;
  readonly seed: number;
}

/** Virtual time: Poisson arrivals at so many servers with one queue; the window is all but the first tenth. */
function simulate({ ratePerSecond, servers, serviceSeconds, seconds, seed }: Queue): {
  trace: SliceTrace;
  offered: OfferedLoad;
} {
  const next = arrivalMoments({ kind: 'poisson', requestsPerSecond: ratePerSecond }, seed);
  const freeAt = Array.from({ length: servers }, () => 0);
  const column = () => Array.from({ length: seconds }, () => 0);
  const [inFlightMs, completions, e2eMs] = [column(), column(), column()];
  let arrivals = 0;
  for (let at = next() ?? 0; at < seconds; at = next() ?? 0) {
    if (at > seconds / 10) arrivals += 1;
    const server = freeAt.indexOf(Math.min(...freeAt));
    const begin = Math.max(at, freeAt[server] ?? 0);
    const end = begin + serviceSeconds;
    freeAt[server] = end;
    for (let slice = Math.floor(at); slice < Math.min(end, seconds); slice += 1)
      inFlightMs[slice] = (inFlightMs[slice] ?? 0) + (Math.min(end, slice + 1) - Math.max(at, slice)) * 1_000;
    if (end >= seconds) continue;
    const slice = Math.floor(end);
    completions[slice] = (completions[slice] ?? 0) + 1;
    e2eMs[slice] = (e2eMs[slice] ?? 0) + serviceSeconds * 1_000;
  }
  const window = { beginMs: seconds * 100, endMs: seconds * 1_000 };
  const trace = {
    connections: 64,
    sliceMs: SLICE_MS,
    window,
    inFlightMs,
    completions,
    e2eMs,
    outputTokens: [],
  };
  return { trace, offered: { arrivals, sent: arrivals } };
}

function faultsOf(queue: Omit<Queue, 'seed'>, runs: number): (string | null)[] {
  return Array.from({ length: runs }, (_, seed) => {
    const { trace, offered } = simulate({ ...queue, seed: seed * 7_919 + 1 });
    return openLoopFault(trace, offered);
  });
}

describe('over 300 seeded loads of a minute', () => {
  const carried = { servers: 8, serviceSeconds: 2, seconds: 60 };

  test('a server at half of its capacity keeps up in at least 95 of 100', () => {
    const faults = faultsOf({ ...carried, ratePerSecond: 2 }, 300);
    expect(faults.filter((fault) => fault !== null).length).toBeLessThanOrEqual(15);
  });

  test('a server that is asked for half as much again as it carries does not, in at least 95 of 100', () => {
    const faults = faultsOf({ ...carried, ratePerSecond: 6 }, 300);
    expect(faults.filter((fault) => fault === null).length).toBeLessThanOrEqual(15);
    expect(faults.find((fault) => fault !== null)).toMatch(
      /did not keep up: requests outstanding grew by \d/,
    );
  });
});

const calm = simulate({ ratePerSecond: 2, servers: 8, serviceSeconds: 2, seconds: 60, seed: 3 });

test('what was not sent when its time came is told with its numbers', () => {
  expect(openLoopFault(calm.trace, calm.offered)).toBeNull();
  expect(openLoopFault(calm.trace, { arrivals: 100, sent: 95 })).toBeNull();
  expect(openLoopFault(calm.trace, { arrivals: 100, sent: 94 })).toBe(
    'The server did not keep up: of 100 requests that were to be sent in the window, 6 were not, since all 64 connections were busy.',
  );
  // One that waits at the end of a short window shows nothing.
  expect(openLoopFault(calm.trace, { arrivals: 3, sent: 2 })).toBeNull();
});

test('a window of less than six answers shows nothing either way', () => {
  const window = { beginMs: 10_000, endMs: 21_000 };
  expect(openLoopFault({ ...calm.trace, window }, calm.offered)).toMatch(
    /^The window is 11 s long, and a mean answer takes 2\.0 s/,
  );
});

test('without a window, and without a good answer, the reason says so', () => {
  expect(openLoopFault({ ...calm.trace, window: null }, calm.offered)).toContain('no steady window');
  const none = calm.trace.completions.map(() => 0);
  expect(openLoopFault({ ...calm.trace, completions: none, e2eMs: none }, calm.offered)).toBe(
    'No good answer came inside the window.',
  );
});

test('a server that is about as fast as is asked for, and idle between, is steady', () => {
  expect(
    openLoopFault(
      { ...calm.trace, inFlightMs: calm.trace.inFlightMs.map((_, slice) => (slice % 3) * 100) },
      calm.offered,
    ),
  ).toBeNull();
});
