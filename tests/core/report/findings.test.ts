import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../src/core/measuring/summary.ts';
import { buildReport, type CellRecord } from '../../../src/core/report/report.ts';
import {
  A_MOMENT_MS,
  aCell,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
  aWindow,
} from '../../support/builders.ts';

interface Measured {
  readonly level: number;
  readonly repeat: number;
  readonly promptTokens?: number;
  readonly outputTokens?: number;
  readonly e2eMs: number;
  readonly outputTokensPerSecond: number;
  readonly meanInFlight?: number;
}

/** A repeat of 20 equal answers on /score, whose rate and latency are given apart so that they may disagree. */
function aRepeat({
  level,
  repeat,
  promptTokens = 512,
  outputTokens = 128,
  ...measured
}: Measured): CellRecord {
  const seconds = 100;
  const requests = (measured.outputTokensPerSecond * seconds) / outputTokens;
  const window = aWindow({
    seconds,
    requests,
    outputTokens: requests * outputTokens,
    promptTokens: requests * promptTokens,
  });
  const shard = aShardSummary({
    connections: level,
    attempted: 20,
    succeeded: 20,
    whole: aWindow({
      seconds,
      requests: 20,
      outputTokens: 20 * outputTokens,
      promptTokens: 20 * promptTokens,
    }),
    steady: window,
    meanInFlight: measured.meanInFlight ?? level,
    e2e: aHistogram(...Array.from({ length: 20 }, () => measured.e2eMs)),
    ttftReason: 'not-streamed',
  });
  return aCell({
    level,
    repeat,
    workload: { promptTokens, outputTokens },
    summary: mergeShards([shard]),
    provenance: aProvenance({ route: 'score', streamed: false }),
  });
}

function check(cells: readonly CellRecord[]) {
  return buildReport(aRun(), cells).findings;
}

describe('findings', () => {
  test('prefill and decode come out of /score at concurrency 1, as fitted and with intervals', () => {
    const cells = [128, 1024, 4096].flatMap((promptTokens) =>
      [64, 256].flatMap((outputTokens) =>
        [1, 2].map((repeat) =>
          aRepeat({
            level: 1,
            repeat,
            promptTokens,
            outputTokens,
            e2eMs: 900 + 0.5 * promptTokens + 22 * outputTokens + repeat,
            outputTokensPerSecond: 40,
          }),
        ),
      ),
    );
    const { prefillDecode, sentences } = check(cells);
    expect(prefillDecode.fit?.decodeMsPerToken.value).toBeCloseTo(22, 2);
    expect(prefillDecode.fit?.prefillMsPerToken.value).toBeCloseTo(0.5, 2);
    expect(prefillDecode.fit?.source).toBe('fitted');
    expect(sentences.join()).toContain('an output token takes 22 ms');
  });

  test('one workload gives no fit, and says why', () => {
    const { prefillDecode, sentences } = check(
      [1, 2, 3, 4].map((repeat) => aRepeat({ level: 1, repeat, e2eMs: 3_000, outputTokensPerSecond: 42.7 })),
    );
    expect(prefillDecode.fit).toBeNull();
    expect(prefillDecode.reason).not.toBe('');
    expect(sentences).toEqual([]);
  });

  test('a server that answers one request at a time is told, with the remedy for its route', () => {
    const cells = [1, 2, 3].flatMap((repeat) => [
      aRepeat({ level: 1, repeat, e2eMs: 3_000, outputTokensPerSecond: 42 + repeat / 10 }),
      aRepeat({ level: 8, repeat, e2eMs: 24_000, outputTokensPerSecond: 42.5 + repeat / 10 }),
    ]);
    const { sentences } = check(cells);
    expect(sentences.join(' ')).toContain('one request at a time');
    expect(sentences.join(' ')).toContain('WORKER_COUNT');
  });

  test('a burst whose answers come one service time after the other shows it too', () => {
    const burst = (level: number, latenciesMs: readonly number[]): CellRecord => {
      const seconds = Math.max(...latenciesMs) / 1000;
      const whole = aWindow({
        seconds,
        requests: level,
        outputTokens: level * 128,
        promptTokens: level * 512,
      });
      const shard = aShardSummary({
        connections: level,
        attempted: level,
        succeeded: level,
        whole,
        steady: null,
        steadyReason: 'A burst is one wave of requests; it has no steady window.',
        endedAtMs: A_MOMENT_MS + seconds * 1000,
        e2e: aHistogram(...latenciesMs),
      });
      const provenance = aProvenance({ route: 'score', streamed: false });
      return aCell({ level, repeat: 1, summary: mergeShards([shard]), provenance });
    };
    const steps = (spacingMs: number) => [1, 2, 3, 4, 5, 6].map((rank) => rank * spacingMs + (rank % 2) * 20);
    const serial = check([burst(1, [3_000]), burst(6, steps(3_000))]);
    expect(serial.sentences.join(' ')).toContain('the answers of a burst come one by one');
    const batching = check([
      burst(1, [3_000]),
      burst(
        6,
        steps(30).map((ms) => ms + 3_000),
      ),
    ]);
    expect(batching.sentences.join(' ')).not.toContain('one by one');
  });

  test('a server that batches is not', () => {
    const cells = [1, 2, 3].flatMap((repeat) => [
      aRepeat({ level: 1, repeat, e2eMs: 3_000, outputTokensPerSecond: 42 + repeat / 10 }),
      aRepeat({ level: 8, repeat, e2eMs: 3_400, outputTokensPerSecond: 300 + repeat }),
    ]);
    expect(check(cells).sentences).toEqual([]);
  });

  test('books that disagree are told by the cells they are of', () => {
    const { sentences } = check([
      aRepeat({ level: 4, repeat: 1, e2eMs: 3_000, outputTokensPerSecond: 100, meanInFlight: 4 }),
    ]);
    expect(sentences.join()).toContain('In c4-p512-o128, rate x latency');
  });

  test('no cell, no finding', () => {
    expect(check([])).toMatchObject({ sentences: [], prefillDecode: { fit: null } });
  });
});

test('settings that were measured in turn are curves of their own', () => {
  // One request after another under the first, all at once under the second: together they would show neither.
  const under = (max: number, level: number, outputTokensPerSecond: number) =>
    [1, 2, 3].map((repeat) => ({
      ...aRepeat({
        level,
        repeat,
        e2eMs: (level * 128_000) / outputTokensPerSecond,
        outputTokensPerSecond: outputTokensPerSecond + repeat / 100,
      }),
      cellId: `c${level}-p512-o128-m${max}`,
      provenance: aProvenance({ route: 'score', maxConcurrentRequestsPerInstance: max }),
    }));
  const { sentences } = buildReport(aRun(), [
    ...[...under(1, 1, 50), ...under(1, 4, 51), ...under(1, 8, 51)],
    ...[...under(10, 1, 50), ...under(10, 4, 190), ...under(10, 8, 350)],
  ]).findings;
  const knees = sentences.filter((sentence) => sentence.startsWith('p512-o128 at '));
  expect(knees.some((sentence) => sentence.startsWith('p512-o128 at 1 concurrent'))).toBe(true);
  expect(sentences.join(' ')).toMatch(/one (request )?(after|at a)/);
});
