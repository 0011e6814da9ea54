/** A run's recipe: whatever happens, the endpoint is released and the ending is written last. */
import { describe, expect, it } from 'vitest';
import { benchmark } from '../../src/orchestrations/benchmark.ts';
import type { Ending, Measured } from '../../src/orchestrations/steps.ts';
import { HANG, runScripted, type Script } from '../support/scripted-orchestration.ts';

const HOUR = 3_600_000;
const started = {
  kind: 'managed',
  pollSeconds: 10,
  placements: 1,
  waitForCapacityMinutes: 0,
  measureDeadlineMs: Date.UTC(2026, 0, 1) + 4 * HOUR,
  ending: null,
};
const measured: Measured = { cells: 3, canceled: false, aborted: false, stoppedBy: null, succeeded: 90 };

/** Everything goes well, unless the changes say otherwise for a step. */
function check(changes: Record<string, (call: number, input: never) => unknown> = {}) {
  const script: Script = (name, input, call) => {
    const change = changes[name];
    if (change !== undefined) return change(call, input);
    if (name === 'admitRun') return { state: 'admitted', placement: 0 };
    if (name === 'startRun') return started;
    if (name === 'keepEndpoint') return { kept: false };
    if (name === 'abandonAttempt') return { gone: true, error: null };
    if (name === 'measure') return measured;
    if (name.startsWith('release')) return { gone: call > 0 && name === 'releaseProgress', error: null };
    return { state: 'ready' };
  };
  const run = runScripted(benchmark as never, { runId: 'r1' }, script);
  const names = run.calls.map((call) => call.name);
  const last = run.calls.at(-1) ?? { name: 'none', input: {} };
  expect(last.name).toBe('finishRun');
  expect(names.some((name) => name === 'releaseEndpoint' || name === 'keepEndpoint')).toBe(true);
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
      'admitRun',
      'startRun',
      'deployEndpoint',
      'deployModel',
      'deployTraffic',
      'warmUp',
      'measure',
      'aggregate',
      'keepEndpoint',
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

  it.each([
    'admitRun',
    'startRun',
    'deployEndpoint',
    'deployModel',
    'deployProgress',
    'warmUp',
    'measure',
    'aggregate',
  ])('releases when %s throws for good', (step) => {
    const { ending, names } = check({
      [step]: () => {
        throw new Error('Storage is down.\n   at stack');
      },
    });
    expect(ending).toMatchObject({
      state: 'failed',
      failure: { code: 'internal', message: 'Storage is down.' },
    });
    expect(names).toContain('releaseEndpoint');
  });

  it('is canceled where a step says so, before anything is measured', () => {
    expect(check({ deployProgress: ended('canceled') }).ending.state).toBe('canceled');
  });

  it('aggregates what was measured before a cancel', () => {
    const { ending, names } = check({ measure: () => ({ ...measured, canceled: true }) });
    expect(ending.state).toBe('canceled');
    expect(names).toContain('aggregate');
  });

  it.each([
    [{ ...measured, cells: 0, stoppedBy: 'limits: the time was used up.' }, 'budget-exhausted'],
    [{ ...measured, cells: 0 }, 'measure-failed'],
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

  it.each([{ kept: true }, { kept: false }])(
    'leaves a completed run’s endpoint to its lease where it is kept: %j',
    (answer) => {
      const { names, ending } = check({ keepEndpoint: () => answer });
      expect(names.includes('releaseEndpoint')).toBe(!answer.kept);
      expect(ending.state).toBe('completed');
    },
  );

  it('releases where keeping cannot be told, and never keeps what did not complete', () => {
    const broken = check({
      keepEndpoint: () => {
        throw new Error('Storage is down.');
      },
    });
    expect(broken.names).toContain('releaseEndpoint');
    expect(broken.ending.state).toBe('completed');
    expect(check({ warmUp: ended('failed') }).names).not.toContain('keepEndpoint');
    expect(check({ measure: () => ({ ...measured, canceled: true }) }).names).not.toContain('keepEndpoint');
  });

  it('deploys nothing for an existing endpoint', () => {
    const { names } = check({ startRun: () => ({ ...started, kind: 'existing' }) });
    expect(names.filter((name) => name.startsWith('deploy'))).toEqual([]);
  });
});

describe('the queue', () => {
  it('is asked less and less often, and no step of the run comes before its turn', () => {
    const { names, elapsedMs } = check({
      admitRun: (call) =>
        call < 20 ? { state: 'queued', pollSeconds: 30 } : { state: 'admitted', placement: 0 },
    });
    expect(names.slice(0, 20)).toEqual(new Array(20).fill('admitRun'));
    expect(elapsedMs).toBeGreaterThan(25 * 60_000);
  });

  it('is left after a day, with nothing deployed and less than 1,000 questions', () => {
    const { names, ending, elapsedMs } = check({ admitRun: () => ({ state: 'queued', pollSeconds: 30 }) });
    expect(ending.failure?.message).toContain('queued for 24 hours');
    expect(elapsedMs).toBeGreaterThanOrEqual(24 * HOUR);
    expect(elapsedMs).toBeLessThan(24.2 * HOUR);
    expect(names.filter((name) => name === 'admitRun').length).toBeLessThan(1_000);
    expect(names.some((name) => name.startsWith('deploy') || name === 'startRun')).toBe(false);
  });

  it('is left by a run that is canceled or refused there', () => {
    const { ending, names } = check({ admitRun: ended('canceled') });
    expect(ending.state).toBe('canceled');
    expect(names).not.toContain('startRun');
  });
});

describe('placements', () => {
  const noRoom = (recourse: string, message = 'No room.') => ({
    state: 'unplaced',
    recourse,
    failure: { code: 'deploy-failed', message },
  });
  const inputsOf = (calls: readonly { name: string; input: unknown }[], step: string) =>
    calls
      .filter(({ name }) => name === step)
      .map(({ input }) => input as { attempt: number; placement: number });

  it('are tried in turn, each attempt undone before the next', () => {
    const { ending, calls, names } = check({
      startRun: () => ({ ...started, placements: 3 }),
      deployModel: (call) => (call < 3 ? noRoom('elsewhere') : { state: 'waiting' }),
    });
    expect(ending.state).toBe('completed');
    expect(inputsOf(calls, 'deployModel').map(({ attempt, placement }) => [attempt, placement])).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
    expect(inputsOf(calls, 'abandonAttempt').map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(names.indexOf('abandonAttempt')).toBeLessThan(names.lastIndexOf('deployEndpoint'));
  });

  it('begin with the one that the queue found room in', () => {
    const { calls } = check({
      admitRun: () => ({ state: 'admitted', placement: 1 }),
      startRun: () => ({ ...started, placements: 2 }),
      deployEndpoint: (call) => (call === 1 ? noRoom('elsewhere') : { state: 'waiting' }),
    });
    expect(inputsOf(calls, 'deployEndpoint').map(({ placement }) => placement)).toEqual([1, 0]);
  });

  it('end the run with the last failure where none has room', () => {
    const { ending, names } = check({ deployProgress: () => noRoom('elsewhere', 'No machines.') });
    expect(ending.failure).toEqual({ code: 'deploy-failed', message: 'No machines.' });
    expect(names.filter((name) => name === 'deployEndpoint')).toHaveLength(1);
  });

  it('are waited for as long as the spec says', () => {
    const { names, elapsedMs, ending } = check({
      startRun: () => ({ ...started, waitForCapacityMinutes: 60 }),
      deployModel: () => noRoom('elsewhere'),
    });
    expect(ending.state).toBe('failed');
    expect(elapsedMs).toBeGreaterThan(55 * 60_000);
    expect(elapsedMs).toBeLessThan(65 * 60_000);
    const attempts = names.filter((name) => name === 'deployEndpoint').length;
    expect(attempts).toBeGreaterThan(20);
    expect(names.filter((name) => name === 'abandonAttempt')).toHaveLength(attempts);
  });

  it('are left where what an attempt made cannot be deleted', () => {
    const { ending, names } = check({
      startRun: () => ({ ...started, placements: 2 }),
      deployModel: () => noRoom('elsewhere'),
      abandonAttempt: () => ({ gone: false, error: 'Forbidden.' }),
    });
    expect(ending.failure?.code).toBe('leaked-endpoint');
    expect(names.filter((name) => name === 'deployEndpoint')).toHaveLength(1);
  });
});

describe('a start that Azure refuses for the moment', () => {
  const refused = { state: 'refused', message: 'Could not: ARM answered 409 Conflict.' };

  it('is tried again until it is taken', () => {
    const { ending, names } = check({ deployModel: (call) => (call < 6 ? refused : { state: 'waiting' }) });
    expect(ending.state).toBe('completed');
    expect(names.filter((name) => name === 'deployModel')).toHaveLength(6);
  });

  it('is given up with its stage, and the refusal is told', () => {
    const { ending, elapsedMs } = check({ deployTraffic: () => refused });
    expect(ending.failure).toMatchObject({
      code: 'deploy-timeout',
      message: expect.stringContaining('409 Conflict'),
    });
    expect(elapsedMs).toBeLessThan(10 * 60_000);
  });
});
