/** What a script is told by the exit code, and by a sentence on the error stream. */
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { judgeAgainst, judgeReport } from '../../src/cli/verdict.ts';
import { buildReport } from '../../src/core/report/report.ts';
import { viewRun } from '../../src/http/run-view.ts';
import { A_MOMENT_MS, aCell, aRun, aSpec } from '../support/builders.ts';
import { type FakeApp, RUN, startFakeApp } from './fake-app.ts';
import { runCommand } from './run-command.ts';

const WORKLOAD = { promptTokens: 512, outputTokens: 128 };
const SLO = { attainment: 0.95, ttftMs: 500, tpotMs: null, e2eMs: null };
const answered = (level: number | null) => ({ workload: WORKLOAD, cellId: null, level, sentence: 'Said.' });
const [ROW] = buildReport(RUN, [aCell()]).rows;
if (ROW === undefined) throw new Error('A report of a cell has a row.');
const rows = [ROW];

describe('a report', () => {
  it.each([
    ['without objectives is good', { rows, slo: null, answers: [], partial: false }, null],
    [
      'whose workloads have a level is good',
      { rows, slo: SLO, answers: [answered(8)], partial: false },
      null,
    ],
    [
      'with a workload that has none is not',
      { rows, slo: SLO, answers: [answered(8), answered(null)], partial: false },
      ['No level is shown to meet the objectives for p512-o128.'],
    ],
    [
      'that measured nothing is not',
      { rows: [], slo: null, answers: [], partial: false },
      ['Nothing was measured.'],
    ],
    ['that still grows says nothing', { rows, slo: SLO, answers: [answered(null)], partial: true }, null],
    ['that has only begun says nothing', { rows: [], slo: null, answers: [], partial: true }, null],
  ])('%s', (_, report, verdict) => expect(judgeReport(report)).toEqual(verdict));
});

const pair = (first: string, second: string, verdict: 'better' | 'worse' | 'no-difference-shown') => ({
  first,
  second,
  sentence: `${second} against ${first}: ${verdict}.`,
  result: { verdict },
});
type Compared = Parameters<typeof judgeAgainst>[1];
const compared = (...pairs: ReturnType<typeof pair>[]): Compared =>
  ({ targets: [{ label: 'main' }, { label: 'change' }, { label: 'other' }], pairs }) as unknown as Compared;

describe('a comparison against a baseline', () => {
  it.each([
    ['is good where nothing is shown', compared(pair('main', 'change', 'no-difference-shown')), null],
    ['is good where the other is better', compared(pair('main', 'change', 'better')), null],
    [
      'is not where the other is worse',
      compared(pair('main', 'change', 'worse')),
      ['change against main: worse.'],
    ],
    [
      'whichever of the two stands first',
      compared(pair('change', 'main', 'better')),
      ['main against change: better.'],
    ],
    ['does not care for pairs without the baseline', compared(pair('change', 'other', 'worse')), null],
  ])('%s', (_, report, verdict) => expect(judgeAgainst('main', report)).toEqual(verdict));

  it('refuses a label that no target has, and names those that there are', () => {
    expect(() => judgeAgainst('trunk', compared())).toThrow('they are "main", "change", "other"');
  });
});

describe('the exit code', () => {
  let app: FakeApp | null = null;
  afterEach(async () => {
    await app?.close();
    app = null;
  });
  const missed = aRun({ spec: aSpec({ slo: { ttftMs: 1 } }) });
  const missing = { ...buildReport(missed, [aCell()]), slo: SLO, answers: [answered(null)], partial: false };
  const openApp = async (report: unknown) => {
    app = await startFakeApp({
      override: ({ method, path }) =>
        method === 'GET' && path.startsWith(`/api/runs/${RUN.id}/results`)
          ? { status: 200, body: report }
          : null,
    });
    return app;
  };

  it.each([
    ['watch', ['watch', RUN.id]],
    ['results', ['results', RUN.id]],
    ['results --json', ['results', RUN.id, '--json']],
  ])('of %s is 1 where the objectives are missed, and says so beside the result', async (_, args) => {
    const { code, stdout, stderr } = await runCommand(args, { app: await openApp(missing) });
    expect(code).toBe(1);
    expect(stderr).toContain('No level is shown to meet the objectives for p512-o128.');
    expect(stdout).not.toBe('');
  });

  it('of a document is 0 whatever it says', async () => {
    const { code } = await runCommand(['results', RUN.id, '--format', 'json'], {
      app: await openApp(missing),
    });
    expect(code).toBe(0);
  });

  it('is 2 for a baseline of a run, which has none', async () => {
    const { code, stderr } = await runCommand(['results', RUN.id, '--baseline', 'main'], {
      app: await openApp(missing),
    });
    expect(code).toBe(2);
    expect(stderr).toContain('--baseline goes with');
  });

  it('of watch --json is told beside one document', async () => {
    const { stdout } = await runCommand(['watch', RUN.id, '--json'], { app: await openApp(missing) });
    expect(JSON.parse(stdout)).toMatchObject({
      run: { id: viewRun(RUN, A_MOMENT_MS).id },
      report: { slo: SLO },
    });
  });
});

describe('colours', () => {
  let app: FakeApp | null = null;
  afterEach(async () => {
    await app?.close();
    app = null;
  });
  const endpoints = async (options: { terminalWidth?: number; env?: Record<string, string> }) => {
    app = await startFakeApp();
    return (await runCommand(['endpoints'], { app, ...options })).stdout;
  };

  it('mark what is leaked on a terminal, and leave the columns where they are', async () => {
    const coloured = await endpoints({ terminalWidth: 200 });
    expect(coloured).toContain('\u001b[31mleaked\u001b[39m');
    await app?.close();
    const plain = await endpoints({ terminalWidth: 200, env: { NO_COLOR: '1' } });
    expect(stripVTControlCharacters(coloured)).toBe(plain);
  });

  it.each([
    ['in a pipe', {}],
    ['with NO_COLOR', { terminalWidth: 200, env: { NO_COLOR: '1' } }],
    ['on a dumb terminal', { terminalWidth: 200, env: { TERM: 'dumb' } }],
  ])('are absent %s', async (_, options) => {
    expect(await endpoints(options)).not.toContain('\u001b');
  });
});
