import { describe, expect, it } from 'vitest';
import { noteEndpoint, runStep } from '../../src/activities/step-event.ts';

function aLog() {
  const lines: { level: string; line: Record<string, unknown> }[] = [];
  const at = (level: string) => (line: string) => void lines.push({ level, line: JSON.parse(line) });
  return { lines, debug: at('debug'), info: at('info'), error: at('error') };
}

const order = {
  workload: 0,
  loop: 'closed',
  level: 4,
  repeat: 1,
  attempt: 2,
  shards: 2,
  maxSeconds: 5,
};

describe('a step', () => {
  it('is one line with the ids of run, cell and endpoint, how long it took and what came of it', async () => {
    const log = aLog();
    const step = async () => {
      noteEndpoint('fb-1-a1');
      return { status: 'measured' };
    };
    expect(await runStep('measureCell', step, { runId: 'r1', order, shard: 1 }, log)).toEqual({
      status: 'measured',
    });
    expect(log.lines).toEqual([
      {
        level: 'info',
        line: {
          event: 'step',
          step: 'measureCell',
          runId: 'r1',
          cell: 'w000-c0004-r01',
          shard: 1,
          attempt: 2,
          endpoint: 'fb-1-a1',
          ms: expect.any(Number),
          outcome: 'measured',
        },
      },
    ]);
  });

  it('that only looked is told for debugging', async () => {
    const log = aLog();
    await runStep(
      'deployProgress',
      async () => ({ state: 'waiting' }),
      { runId: 'r1', stage: 'endpoint' },
      log,
    );
    expect(log.lines).toMatchObject([{ level: 'debug', line: { stage: 'endpoint', outcome: 'waiting' } }]);
  });

  it('that throws is an error, and what it throws on holds no secret for the engine to keep', async () => {
    const log = aLog();
    const step = async () => {
      throw new RangeError('refused Bearer abc', { cause: { headers: { authorization: 'Bearer abc' } } });
    };
    const thrown = await runStep('warmUp', step, { runId: 'r1' }, log).catch(
      (error: unknown) => error as Error,
    );
    expect(thrown).toMatchObject({ name: 'RangeError', message: 'refused Bearer (redacted)' });
    expect(JSON.stringify([log.lines, (thrown as Error).stack])).not.toContain('abc');
    expect((thrown as Error).cause).toBeUndefined();
    expect(log.lines).toMatchObject([{ level: 'error', line: { outcome: 'threw', runId: 'r1' } }]);
  });

  it('notes its own endpoint and not that of a step beside it', async () => {
    const log = aLog();
    const step = (name: string, ms: number) => async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      noteEndpoint(name);
      await new Promise((resolve) => setTimeout(resolve, ms));
      return {};
    };
    await Promise.all(
      [5, 1, 3].map((ms) => runStep('releaseProgress', step(`fb-${ms}`, ms), { runId: `r${ms}` }, log)),
    );
    for (const { line } of log.lines) expect(line.endpoint).toBe(`fb-${String(line.runId).slice(1)}`);
    noteEndpoint('outside');
  });
});
