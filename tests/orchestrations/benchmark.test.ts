/** A run's recipe: whatever happens, the endpoint is released and the ending is written last. */
import { describe, expect, it } from 'vitest';
import { benchmark } from '../../src/orchestrations/benchmark.ts';
import type { Ending, Measured } from '../../src/orchestrations/steps.ts';
import { HANG, runScripted, type Script } from '../support/scripted-orchestration.ts';

const HOUR = 3_600_000;
const started = {
  kind: 'managed',
  pollSeconds: 10,
  measureDeadlineMs: Date.UTC(2026, 0, 1) + 4 * HOUR,
  ending: null,
};
const measured: Measured = { cells: 3, canceled: false, aborted: false, stoppedBy: null, succeeded: 90 };

/** Everything goes well, unless the changes say otherwise for a step. */
function check(changes: Record<string, (call: number, input: never) => unknown> = {}) {
  const script: Script = (name, input, call) => {
    const change = changes[name];
    if (change !== undefined) return change(call, input);
    if (name === 'startRun') return started;
    if (name === 'measure') return measured;
    if (name.startsWith('release')) return { gone: call > 0 && name === 'releaseProgress', error: null };
    return { state: 'ready' };
  };
  const run = runScripted(benchmark as never, { runId: 'r1' }, script);
  const names = run.calls.map((call) => call.name);
  const last = run.calls.at(-1) ?? { name: 'none', input: {} };
  expect(last.name).toBe('finishRun');
  expect(names).toContain('releaseEndpoint');
  return { ...run, names, ending: (last.input as { ending: Ending }).ending };
}

const ended = (state: 'failed' | 'canceled') => () => ({
  state: 'ended',
  ending: {
    state,
    failure: state === 'failed' ? { code: 'deploy-failed', message: 'No.' } : null,
    stoppedBy: null,
  },
});

describe('benchmark', () => {
  it('deploys, warms up, measures, aggregates, releases and finishes, in this order', () => {
    const { names, ending } = check();
    const order = [
      'startRun',
      'deployEndpoint',
      'deployModel',
      'deployTraffic',
      'warmUp',
      'measure',
      'aggregate',
      'releaseEndpoint',
      'releaseProgress',
      'finishRun',
    ];
    expect(names.filter((name) => name !== 'deployProgress')).toEqual(order);
    expect(ending).toEqual({ state: 'completed', failure: null, stoppedBy: null });
  });

  it.each(['deployEndpoint', 'deployModel', 'deployTraffic', 'deployProgress', 'warmUp'])(
    'ends with the ending that %s gives, and releases',
    (step) => {
      const { ending, names } = check({ [step]: ended('failed') });
      expect(ending.failure?.code).toBe('deploy-failed');
      expect(names).not.toContain('measure');
    },
  );

  it.each(['startRun', 'deployEndpoint', 'deployModel', 'deployProgress', 'warmUp', 'measure', 'aggregate'])(
    'releases when %s throws for good',
    (step) => {
      const { ending } = check({
        [step]: () => {
          throw new Error('Storage is down.\n   at stack');
        },
      });
      expect(ending).toMatchObject({
        state: 'failed',
        failure: { code: 'internal', message: 'Storage is down.' },
      });
    },
  );

  it('is canceled where a step says so, before anything is measured', () => {
    expect(check({ deployProgress: ended('canceled') }).ending.state).toBe('canceled');
  });

  it('aggregates what was measured before a cancel', () => {
    const { ending, names } = check({ measure: () => ({ ...measured, canceled: true }) });
    expect(ending.state).toBe('canceled');
    expect(names).toContain('aggregate');
  });

  it.each([
    [{ ...measured, cells: 0 }, 'budget-exhausted'],
    [{ ...measured, succeeded: 0 }, 'nothing-succeeded'],
    [{ ...measured, aborted: true, stoppedBy: 'The endpoint refused the credential.' }, 'measure-failed'],
    [HANG, 'measure-failed'],
  ])('fails where measuring came to %j', (result, code) => {
    expect(check({ measure: () => result }).ending.failure?.code).toBe(code);
  });

  it('gives up a deployment that is never ready after 45 minutes, polling less than 200 times', () => {
    const { ending, names, elapsedMs } = check({
      deployProgress: (_, input: { stage: string }) => ({
        state: input.stage === 'deployment' ? 'waiting' : 'ready',
      }),
    });
    expect(ending.failure?.code).toBe('deploy-timeout');
    expect(names.filter((name) => name === 'deployProgress').length).toBeLessThan(200);
    expect(elapsedMs).toBeLessThan(50 * 60_000);
  });

  it('says that the budget was used up where it ends a wait', () => {
    const { ending } = check({
      startRun: () => ({ ...started, measureDeadlineMs: Date.UTC(2026, 0, 1) + 5 * 60_000 }),
      deployProgress: () => ({ state: 'waiting' }),
    });
    expect(ending.failure?.code).toBe('budget-exhausted');
  });

  it('tries the release again whatever refuses it, and calls it a leak only after 20 minutes', () => {
    const stubborn = check({
      releaseEndpoint: () => {
        throw new Error('ARM is down.');
      },
      releaseProgress: (call) => ({ gone: call > 5, error: 'busy' }),
    });
    expect(stubborn.ending.state).toBe('completed');
    const leaked = check({
      releaseEndpoint: () => ({ gone: false, error: null }),
      releaseProgress: () => ({ gone: false, error: 'Forbidden.' }),
    });
    expect(leaked.ending.failure).toMatchObject({
      code: 'leaked-endpoint',
      message: expect.stringContaining('Forbidden.'),
    });
    expect(leaked.elapsedMs).toBeGreaterThanOrEqual(20 * 60_000);
  });

  it('deploys nothing for an existing endpoint', () => {
    const { names } = check({ startRun: () => ({ ...started, kind: 'existing' }) });
    expect(names.filter((name) => name.startsWith('deploy'))).toEqual([]);
  });
});
