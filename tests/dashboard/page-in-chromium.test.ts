import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../src/core/measuring/summary.ts';
import { SKUS } from '../../src/core/renting/sku.ts';
import { buildReport, type Report } from '../../src/core/report/report.ts';
import type { RunRecord } from '../../src/core/run.ts';
import { planCells, planRun } from '../../src/core/spec/plan.ts';
import { reportToHtml } from '../../src/dashboard/report-file.ts';
import { viewRun } from '../../src/http/run-view.ts';
import {
  A_MOMENT_MS,
  aCell,
  aFailedShardSummary,
  aHistogram,
  aProvenance,
  aRun,
  aShardSummary,
  aSpec,
  aWindow,
  someFacts,
} from '../support/builders.ts';
import { axeFindings, hasChromium, looksWrong, type PageState, useChromium, valuesOf } from './chromium.ts';
import { anEndpoint, HOSTILE, RUN_ID } from './chromium-fixtures.ts';
import { sampleReport } from './sample-run.ts';
import { aScript, type Script } from './scripted-host.ts';

describe.skipIf(!hasChromium)('the page in Chromium', () => {
  const { open, openWithClock, browser } = useChromium();

  test('lists the runs with their state, cells, cost and endpoint, and the endpoints alive', async () => {
    const done = aView({
      id: 'r251634412800000-0123abcd',
      state: 'completed',
      progress: { cellsDone: 12, cellsPlanned: 12, current: null, measuringFromMs: null, etaSeconds: null },
    });
    const { page, wrong } = await open({ runs: [aView(), done], endpoints: [anEndpoint()] });
    const rows = page.locator('table.runs tbody tr');
    await rows.nth(1).waitFor();
    expect(await textsOf(rows.nth(0))).toMatchObject([
      'Phi-4 version 7Standard_NC24ads_A100_v4',
      'measuring',
      '3 of 12c4-p512-o128 (repeat 1 of 3)about 2 min left',
      expect.stringMatching(/^\$0\.3\dof \$\d+\.\d\d$/),
      expect.any(String),
      'fb-0123456789abcdef-a1',
    ]);
    expect((await textsOf(rows.nth(1)))[5]).toBe('none left');
    expect(await textsOf(page.locator('table.endpoints tbody tr'))).toMatchObject([
      'fb-0123456789abcdef-a1workspace default',
      'by its run',
      '$0.37',
      '1 x Standard_NC24ads_A100_v4',
      expect.any(String),
      expect.any(String),
      'its run',
    ]);
    expect(await wrong()).toEqual([]);
  });

  test('without a run it says how to start one, and that nothing is alive', async () => {
    const { page, wrong } = await open();
    await page.getByText('No run yet.').waitFor();
    expect(await page.getByRole('link', { name: 'Start the first run' }).getAttribute('href')).toBe('#/new');
    await page.getByText('None. This installation keeps nothing alive').waitFor();
    expect(await wrong()).toEqual([]);
  });

  test('older runs come when asked for, and stay when the list is read again', async () => {
    const older = aView({ id: 'r251634412900000-0123abcd' });
    const { page } = await open({ runs: [aView()], olderRuns: [older] });
    await page.getByRole('button', { name: 'Show older runs' }).click();
    await page.locator('table.runs tbody tr').nth(1).waitFor();
    expect(await page.getByRole('button', { name: 'Show older runs' }).count()).toBe(0);
  });

  test("a run's table shows the values of the JSON", async () => {
    const report = aReport();
    const { page, wrong } = await open(
      { runs: [aView()], reports: { [RUN_ID]: { ...report, partial: true } } },
      `#/runs/${RUN_ID}`,
    );
    const rows = page.locator('table.results tbody tr');
    await rows.nth(report.rows.length - 1).waitFor();
    const shown = await valuesOf(rows);
    const exact = (value: number | null, instead = '–') => (value === null ? instead : String(value));
    const percentile = (quantiles: Report['rows'][number]['e2eMs'], name: 'p95' | 'p99', least: number) =>
      exact(quantiles[name], quantiles.count > 0 ? `n<${least}` : '–');
    expect(shown).toEqual(
      report.rows.map((row) => [
        String(row.level),
        String(row.workload.promptTokens),
        String(row.workload.outputTokens),
        exact(row.outputTokensPerSecond),
        String(row.failed),
        String(row.succeeded),
        exact(row.requestsPerSecond),
        exact(row.ttftMs.p50, row.ttftReason ?? '–'),
        percentile(row.ttftMs, 'p95', 59),
        exact(row.tpotMs.p50),
        exact(row.e2eMs.p50),
        percentile(row.e2eMs, 'p95', 59),
        percentile(row.e2eMs, 'p99', 299),
        exact(row.usdPerMillionOutputTokens),
        String(row.repeats),
      ]),
    );
    await page.getByText('So far:').waitFor();
    await page.getByText('20 x server-error').waitFor();
    expect(await wrong()).toEqual([]);
  });

  test('progress is read again while the run goes on and no more when it has ended', async () => {
    const { page, host } = await openWithClock({ runs: [aView()] }, `#/runs/${RUN_ID}`);
    await page.getByText('3 of 12 measurements done, now c4-p512-o128 (repeat 1 of 3).').waitFor();
    expect(await page.getByRole('status').textContent()).toContain('3 of 12');
    await page.getByText('Spec, with every default').click();
    host.script.runs = [
      aView({
        state: 'completed',
        progress: { cellsDone: 12, cellsPlanned: 12, current: null, measuringFromMs: null, etaSeconds: null },
      }),
    ];
    await page.clock.runFor(2_000);
    await page.getByText('12 of 12 measurements done.').waitFor();
    expect(await page.getByText('"seed": 42').isVisible()).toBe(true);
    expect(await page.getByRole('button', { name: 'Cancel the run' }).count()).toBe(0);
    const calls = () => host.requests.filter(({ path }) => path.startsWith('/api/runs')).length;
    const before = calls();
    await page.clock.runFor(60_000);
    expect(calls()).toBe(before);
  });

  test('a cancel is confirmed first and then posted', async () => {
    const { page, host } = await open({ runs: [aView()] }, `#/runs/${RUN_ID}`);
    const posts = () =>
      host.requests.filter((request) => request.method === 'POST').map((request) => request.path);
    await page.getByRole('button', { name: 'Cancel the run' }).click();
    await page.getByRole('button', { name: 'Keep it' }).click();
    expect(posts()).toEqual([]);
    await page.getByRole('button', { name: 'Cancel the run' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the run' }).click();
    await page.getByText('A cancel was asked for').waitFor();
    expect(posts()).toEqual([`/api/runs/${RUN_ID}/cancel`]);
    expect(await page.getByRole('button', { name: 'Cancel asked for' }).isDisabled()).toBe(true);
  });

  test('only a leaked endpoint can be deleted, with why its release failed, and after a question', async () => {
    const leaked = anEndpoint({ name: 'fb-leaked-a1', leaked: true, releaseError: 'ARM answered 409.' });
    const { page, host } = await open({ endpoints: [anEndpoint(), leaked] });
    await page.getByText('ARM answered 409.').waitFor();
    expect(await page.getByRole('button', { name: 'Delete' }).count()).toBe(1);
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByText('ARM answered 409.').waitFor({ state: 'detached' });
    expect(
      host.requests.filter((request) => request.method === 'DELETE').map((request) => request.path),
    ).toEqual(['/api/endpoints/fb-leaked-a1']);
  });

  test('the key is asked for once after a 401, asked again when refused, and kept in this tab only', async () => {
    const { page, host, wrong } = await open({ runs: [aView()], key: 'right' });
    await page.getByLabel('Function key', { exact: true }).fill('wrong');
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('That key was refused.').waitFor();
    await page.getByLabel('Function key', { exact: true }).fill('right');
    await page.keyboard.press('Enter');
    await page.locator('table.runs').waitFor();
    expect(
      await page.evaluate('JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])'),
    ).toBe(JSON.stringify([{ 'foundry-bench-key': 'right' }, {}, '']));
    await page.reload();
    await page.locator('table.runs').waitFor();
    expect(host.requests.filter((request) => request.path.includes('right'))).toEqual([]);
    expect(
      host.requests
        .filter((request) => request.path === '/api/health')
        .every((request) => request.key !== null),
    ).toBe(false);
    expect(await wrong()).toEqual([]);
  });

  test('who gives no key is told so and can change his mind', async () => {
    const { page } = await open({ key: 'right' });
    await page.getByRole('button', { name: 'Not now' }).click();
    await page.getByText('Without its function key').waitFor();
    await page.getByRole('button', { name: 'Enter the key' }).click();
    await page.getByLabel('Function key', { exact: true }).waitFor();
  });

  test('a download carries the key and comes as a file', async () => {
    const { page, host, wrong } = await open({ runs: [aView()], key: 'right' }, `#/runs/${RUN_ID}`);
    host.script.reports = { [RUN_ID]: { ...aReport(), partial: false } };
    await page.getByLabel('Function key', { exact: true }).fill('right');
    await page.keyboard.press('Enter');
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download CSV' }).click(),
    ]);
    expect(file.suggestedFilename()).toBe(`foundry-bench-${RUN_ID}.csv`);
    expect(readFileSync(await file.path(), 'utf8')).toBe('results as csv\n');
    expect(await wrong()).toEqual([]);
  });

  test('says SIMULATED wherever a simulator answered, and nowhere else', async () => {
    const simulated = aView({ endpoint: { ...aRun().endpoint!, simulated: true } });
    const health = { ...aScript().health, simulated: true, simulatorGpuSpeed: 4 };
    const report = { ...aReport(true), partial: false };
    const { page } = await open({ runs: [simulated], health, reports: { [RUN_ID]: report } });
    await page.getByText('SIMULATED: this host talks to a simulator at 4 times the speed').waitFor();
    expect(await page.locator('table.runs .badge.simulated').count()).toBe(1);
    await page.getByRole('link', { name: 'Phi-4 version 7' }).click();
    await page.getByText('SIMULATED. A model of a GPU answered').waitFor();
    const real = await open(
      { runs: [aView()], reports: { [RUN_ID]: { ...aReport(), partial: false } } },
      `#/runs/${RUN_ID}`,
    );
    await real.page.locator('table.results').waitFor();
    expect(
      await real.page
        .getByText(/simulated/i)
        .filter({ visible: true })
        .count(),
    ).toBe(0);
  });

  test('a failed run says why, in its sentence', async () => {
    const failed = aView({
      state: 'failed',
      failure: { code: 'deploy-failed', message: 'Azure ML refused the deployment: the quota is used up.' },
    });
    const { page } = await open({ runs: [failed] }, `#/runs/${RUN_ID}`);
    await page.getByRole('alert').getByText('the quota is used up. (deploy-failed)').waitFor();
    await page.getByText('Nothing was measured.').waitFor();
  });

  test('an unknown run, a hash of nonsense and a host that is gone are told and break nothing', async () => {
    const { page, host, wrong } = await open({}, '#/runs/%E0%A4%A');
    await page.getByText('There is no run').waitFor();
    await page.goto(`${host.url}#/what/ever`);
    await page.getByText('No run yet.').waitFor();
    await host.close();
    await page.goto(`${host.url}#/new`);
    await page.goto(`${host.url}#/`);
    await page.getByText('The host does not answer.').waitFor();
    expect(await wrong()).toEqual([]);
  });

  test('hostile text stays a text wherever it comes from', async () => {
    const { page, host, wrong } = await open(hostileScript(HOSTILE));
    const literal = page.getByText(HOSTILE, { exact: true });
    await page.locator('table.runs').waitFor();
    await page.locator('table.endpoints').waitFor();
    expect(await page.locator('main').textContent()).toContain(HOSTILE);
    await page.goto(`${host.url}#/runs/${RUN_ID}`);
    await page.locator('table.results').waitFor();
    expect(await literal.count()).toBeGreaterThan(0);
    await page.goto(`${host.url}#/new`);
    await page.getByLabel('Model', { exact: true }).fill(HOSTILE);
    await page.getByText(`Latest version ${HOSTILE}`).waitFor();
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await page.getByText('2 things are to change').waitFor();
    expect(await page.locator('main').textContent()).toContain(HOSTILE);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.locator('main a[href^="javascript" i], main a[href^="http" i]').count()).toBe(0);
    expect(await wrong()).toEqual([]);
  });

  test('starts a run from the form, only after its plan was seen, and watches it', async () => {
    const { page, host, wrong } = await open({ plan: aPlanAnswer(), startedRun: aView() }, '#/new');
    const start = page.getByRole('button', { name: /^Start the run/ });
    await page.getByLabel('Model', { exact: true }).fill('phi-4');
    await page.getByText('Latest version 8, chat-completion, context of 16,384 tokens.').waitFor();
    await page.getByRole('radio', { name: /NC48ads_A100_v4/ }).check();
    expect(await page.getByRole('radio', { name: /Standard_/ }).count()).toBe(2);
    await page.getByLabel('Prompt tokens').fill('256, 1024');
    await page.getByLabel('Time to first token').fill('500');
    expect(await start.isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    const bound = aPlanAnswer().plan.boundUsd;
    await page.getByRole('button', { name: `Start the run, for $${bound?.toFixed(2)} at most` }).waitFor();

    await page.getByLabel('Levels', { exact: true }).fill('1, 8');
    expect(await start.isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await start.click();
    await page.getByRole('heading', { name: 'Phi-4 version 7' }).waitFor();
    await page.getByText('3 of 12 measurements done').waitFor();

    const posts = host.requests.filter((request) => request.method === 'POST');
    expect(posts.map((request) => request.path)).toEqual(['/api/plans', '/api/plans', '/api/runs']);
    expect(posts[2]?.body).toEqual(posts[1]?.body);
    expect(posts[2]?.body).toMatchObject({
      model: { registry: 'AzureML', name: 'phi-4', version: 'latest' },
      target: { kind: 'managed', sku: 'Standard_NC48ads_A100_v4', instances: 1 },
      workloads: { promptTokens: [256, 1024], outputTokens: [128] },
      concurrency: { levels: [1, 8] },
      slo: { attainment: 0.95, ttftMs: 500 },
    });
    expect(posts[2]?.idempotencyKey).toMatch(/^[0-9a-f]{32}$/);
    expect(await wrong()).toEqual([]);
  });

  test('every fault of a refused form stands at its field, and the list of them leads there', async () => {
    const faults = [
      { path: 'concurrency.levels[1]', message: 'must be a whole number from 1 to 512' },
      { path: 'limits.maxUsd', message: 'is too little; raise it' },
      { path: 'isolation', message: 'is strange' },
    ];
    const { page } = await open({ faults }, '#/new');
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await page.getByText('3 things are to change:').waitFor();
    expect(await page.getByLabel('Levels', { exact: true }).getAttribute('aria-invalid')).toBe('true');
    expect(await describedBy(page, 'Levels')).toContain('number 2: must be a whole number from 1 to 512');
    expect(await describedBy(page, 'Dollars')).toContain('is too little; raise it');
    expect(await page.getByLabel('Repeats').getAttribute('aria-invalid')).toBe(null);
    await page.getByText('isolation is strange').waitFor();
    await page.waitForFunction("document.activeElement.getAttribute('role') === 'alert'");
    await page.getByRole('alert').getByRole('button', { name: 'Dollars' }).click();
    expect(await page.evaluate('document.activeElement.id')).toBe('field-maxUsd');
    expect(await page.getByRole('button', { name: 'Start the run' }).isDisabled()).toBe(true);
  });

  test('a start that is refused is told, and can be tried again under the same key', async () => {
    const { page, host } = await open({ plan: aPlanAnswer() }, '#/new');
    const starts = () =>
      host.requests.filter((request) => request.path === '/api/runs' && request.method === 'POST');
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await page.getByRole('button', { name: /^Start the run, for/ }).click();
    await page.getByRole('alert').getByText('Not now.').waitFor();
    await page.getByRole('button', { name: /^Start the run, for/ }).click();
    await expect.poll(starts).toHaveLength(2);
    // The same body once more is no second run, however often its plan is worked out.
    host.script.startedRun = aView();
    await page.getByRole('button', { name: 'Work it out again' }).click();
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /^Start the run, for/ }).click();
    await page.getByRole('heading', { name: 'Phi-4 version 7' }).waitFor();
    expect(starts()).toHaveLength(3);
    expect(new Set(starts().map((request) => request.idempotencyKey)).size).toBe(1);
  });

  test('where Azure tells no SKUs, one is named in a field', async () => {
    const { page } = await open({ skus: null }, '#/new');
    await page.getByText('The list cannot be read: Azure did not answer.').waitFor();
    expect(await page.getByLabel('SKU').inputValue()).toBe('Standard_NC24ads_A100_v4');
  });

  test("the marks and the table of a chart are the JSON's values", async () => {
    const report = sampleReport();
    const { page } = await open(
      { runs: [aView()], reports: { [RUN_ID]: { ...report, partial: false } } },
      `#/runs/${RUN_ID}`,
    );
    const figure = page.locator('#chart-throughput');
    await figure.getByText('Values as a table').click();
    const values = await valuesOf(figure.locator('tbody tr'));
    expect(values).toEqual(
      report.rows.map((row) => [
        String(row.level),
        `${row.workload.promptTokens} → ${row.workload.outputTokens} tokens`,
        String(row.outputTokensPerSecond),
        String(row.outputTokensInterval?.lower),
        String(row.outputTokensInterval?.upper),
      ]),
    );
    const marks = figure.locator('.wide .mark');
    expect(await marks.count()).toBe(report.rows.length);
    const heights = await marks.evaluateAll((elements) =>
      (elements as unknown as { getBBox: () => { y: number; height: number } }[]).map((element) => {
        const box = element.getBBox();
        return box.y + box.height / 2;
      }),
    );
    const rates = report.rows.map((row) => row.outputTokensPerSecond ?? 0);
    const perPixel = ((rates[5] ?? 0) - (rates[0] ?? 0)) / ((heights[0] ?? 0) - (heights[5] ?? 0));
    rates.forEach((rate, index) => {
      expect(
        Math.abs((heights[0] ?? 0) - (rate - (rates[0] ?? 0)) / perPixel - (heights[index] ?? 0)),
      ).toBeLessThan(0.3);
    });
    expect(await page.locator('figure').count()).toBe(9);
  });

  test('an open table of a chart stays open when the run goes on', async () => {
    const report = sampleReport();
    const { page, host } = await openWithClock(
      { runs: [aView()], reports: { [RUN_ID]: { ...report, rows: report.rows.slice(0, 3), partial: true } } },
      `#/runs/${RUN_ID}`,
    );
    const figure = page.locator('#chart-cost');
    await figure.getByText('Values as a table').click();
    expect(await figure.locator('tbody tr').count()).toBe(3);
    host.script.reports = { [RUN_ID]: { ...report, partial: true } };
    host.script.runs = [aView({ progress: { ...aRun().progress, cellsDone: 9 } })];
    await page.clock.runFor(2_000);
    await figure.locator('tbody tr').nth(11).waitFor();
    expect(await figure.locator('table').isVisible()).toBe(true);
  });

  test('what is left behind is told in red with its cost, and until when the others live', async () => {
    const leaked = anEndpoint({ name: 'fb-leaked-a1', leaked: true, costUsd: 9.17, expiresAt: hence(-12) });
    const { page } = await open({
      endpoints: [anEndpoint({ expiresAt: hence(54) }), leaked],
      troubles: ['Workspace "prod" did not answer.'],
    });
    await page
      .getByRole('alert')
      .getByText('One endpoint was left behind, at a cost of $9.17 so far.')
      .waitFor();
    await page.getByText('in 54 min').waitFor();
    await page.getByText('12 min ago').waitFor();
    await page.getByText('Workspace "prod" did not answer.').waitFor();
  });

  test('an answer that lacks newer fields, or has unknown ones, is shown all the same', async () => {
    const { rows } = sampleReport();
    const old = rows.map(({ slo, outputTokensInterval, clientValid, failures, ...row }) => ({
      ...row,
      news: 1,
    }));
    const { page, wrong } = await open(
      { runs: [aView()], reports: { [RUN_ID]: { rows: old, partial: false } as never } },
      `#/runs/${RUN_ID}`,
    );
    await page.locator('#chart-throughput').waitFor();
    expect(await page.locator('table.results tbody tr').count()).toBe(rows.length);
    expect(await wrong()).toEqual([]);
  });

  test('says that it is loading until the first answer', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { page } = await open({ held: promise, runs: [aView()] });
    await page.getByText('Loading.').waitFor();
    resolve();
    await page.locator('table.runs').waitFor();
    expect(await page.getByText('Loading.').count()).toBe(0);
  });

  test('moves nothing for a reader who asked for that', async () => {
    const { page } = await open();
    const durationOf = "getComputedStyle(document.querySelector('a.button')).transitionDuration";
    await page.getByText('No run yet.').waitFor();
    expect(await page.evaluate(durationOf)).not.toBe('0s');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    expect(await page.evaluate(durationOf)).toBe('0s');
  });

  test('is worked by the keyboard, in landmarks, with a heading that takes the focus of a new view', async () => {
    const { page } = await open({ runs: [aView()], endpoints: [anEndpoint()] });
    const link = page.getByRole('link', { name: 'Phi-4 version 7' });
    await link.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Phi-4 version 7' }).waitFor();
    expect(await page.evaluate('document.activeElement.tagName')).toBe('H2');
    for (const landmark of ['banner', 'main', 'contentinfo'] as const)
      expect(await page.getByRole(landmark).count()).toBe(1);
    expect(await page.getByRole('progressbar', { name: 'Measurements done' }).count()).toBe(1);
  });

  /** Every state of the page that somebody can come to, as how to come to it. */
  const STATES: readonly PageState[] = [
    { name: 'nothing yet', script: () => ({}), reach: (page) => page.getByText('No run yet.').waitFor() },
    {
      name: 'runs, one that was left behind, and trouble',
      script: () => ({
        runs: [aView(), aView({ id: 'r251634412800000-0123abcd', state: 'failed' })],
        endpoints: [
          anEndpoint(),
          anEndpoint({ name: 'fb-leaked-a1', leaked: true, releaseError: 'ARM answered 409.' }),
        ],
        troubles: ['Workspace "prod" did not answer.'],
        health: {
          ...aScript().health,
          simulated: true,
          simulatorGpuSpeed: 4,
          degraded: ['Tables are slow.'],
        },
      }),
      reach: (page) => page.locator('table.endpoints').waitFor(),
    },
    {
      name: 'a run with its charts and their tables',
      script: () => ({
        runs: [aView({ stoppedBy: 'The budget was used up.' })],
        reports: { [RUN_ID]: { ...sampleReport([1, 16, 32]), partial: true } },
      }),
      hash: `#/runs/${RUN_ID}`,
      reach: async (page) => {
        await page.locator('table.results').waitFor();
        await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
      },
    },
    {
      name: 'a failed run',
      script: () => ({
        runs: [
          aView({ state: 'failed', failure: { code: 'deploy-failed', message: 'The quota is used up.' } }),
        ],
      }),
      hash: `#/runs/${RUN_ID}`,
      reach: (page) => page.getByText('Nothing was measured.').waitFor(),
    },
    {
      name: 'the form with faults',
      script: () => ({ faults: [{ path: 'concurrency.levels', message: 'must name at least one level' }] }),
      hash: '#/new',
      reach: async (page) => {
        await page.getByRole('radio', { name: /NC96/ }).waitFor();
        await page.getByRole('button', { name: 'Work out the plan' }).click();
        await page.getByText('One thing is to change:').waitFor();
      },
    },
    {
      name: 'the form with a plan',
      script: () => ({ plan: aPlanAnswer() }),
      hash: '#/new',
      reach: async (page) => {
        await page.getByLabel('Model', { exact: true }).fill('Phi-4');
        await page.getByText('Latest version 8').waitFor();
        await page.getByRole('button', { name: 'Work out the plan' }).click();
        await page.getByText('Every cell of the plan').click();
      },
    },
    {
      name: 'a question',
      script: () => ({ runs: [aView()] }),
      hash: `#/runs/${RUN_ID}`,
      reach: (page) => page.getByRole('button', { name: 'Cancel the run' }).click(),
    },
    {
      name: 'a key that was refused',
      script: () => ({ key: 'right' }),
      reach: async (page) => {
        await page.getByLabel('Function key', { exact: true }).fill('wrong');
        await page.keyboard.press('Enter');
        await page.getByText('That key was refused.').waitFor();
      },
    },
    {
      name: 'no key',
      script: () => ({ key: 'right' }),
      reach: async (page) => {
        await page.getByRole('button', { name: 'Not now' }).click();
        await page.getByText('Without its function key').waitFor();
      },
    },
  ];

  test.each(STATES)(
    '$name: axe finds nothing, in both themes and at two widths, and nothing is cut off',
    async ({ script, hash, reach }) => {
      const { page, wrong } = await open(script(), hash);
      await reach(page);
      expect(await looksWrong(page)).toEqual([]);
      expect(await wrong()).toEqual([]);
    },
  );

  test('the mailed report is looked at without any network, and axe finds nothing in it', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-report-'));
    const file = path.join(folder, 'report.html');
    const html = reportToHtml({ ...sampleReport(), notes: [HOSTILE] }, false);
    writeFileSync(file, html);
    const context = await browser().newContext({ offline: true, javaScriptEnabled: true });
    const page = await context.newPage();
    const asked: string[] = [];
    const told: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => told.push(message.text()));
    await page.goto(pathToFileURL(file).href);
    expect(await page.locator('figure .wide .mark').count()).toBeGreaterThan(50);
    expect(await page.locator('#chart-throughput .wide').isVisible()).toBe(true);
    expect(await page.locator('#chart-throughput .narrow').isVisible()).toBe(false);
    expect(await page.locator('main').textContent()).toContain(HOSTILE);
    await page.evaluate(axe.source);
    expect(await axeFindings(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await axeFindings(page, 'of the looks')).toEqual([]);
    await page.setViewportSize({ width: 360, height: 800 });
    expect(await page.locator('#chart-throughput .narrow').isVisible()).toBe(true);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    expect(asked).toEqual([pathToFileURL(file).href]);
    expect(told).toEqual([]);
    await context.close();
    rmSync(folder, { recursive: true });
  });
});

async function describedBy(page: Page, label: string): Promise<string> {
  const ids = (await page.getByRole('textbox', { name: label }).getAttribute('aria-describedby')) ?? '';
  const texts = await Promise.all(ids.split(' ').map((id) => page.locator(`#${id}`).textContent()));
  return texts.join(' ');
}

/** What `POST /api/plans` tells of `aSpec`. */
function aPlanAnswer() {
  const spec = aSpec();
  const facts = someFacts({ warnings: ['One endpoint is one machine.'] });
  const planned = planRun(spec, facts);
  if (!planned.ok) throw new Error('The spec of the tests cannot be planned.');
  return { spec, plan: planned.value, cells: planCells(spec, null) };
}

/** So many minutes from now. */
function hence(minutes: number): string {
  return new Date(Date.now() + minutes * 60_000 + 5_000).toISOString();
}

/** What the API tells of `aRun`, six minutes after it was created. */
function aView(fields: Partial<RunRecord> = {}) {
  return viewRun(aRun(fields), A_MOMENT_MS + 6 * 60_000);
}

/** A row that has everything, one of few samples, one without a stream, one that failed, one that was not measured. */
function aReport(simulated = false): Report {
  const provenance = aProvenance(simulated ? { simulated: true, simulatorGpuSpeed: 4 } : {});
  const many = (ms: number) => aHistogram(...Array.from({ length: 300 }, (_, index) => ms + index));
  const rich = aShardSummary({
    e2e: many(2_345),
    ttft: many(123),
    steady: aWindow({ seconds: 61.7, outputTokens: 76_543 }),
  });
  const unstreamed = aShardSummary({
    ttft: aHistogram(),
    tpot: aHistogram(),
    ttftReason: 'not-streamed',
    steady: null,
    steadyReason: 'Too few.',
  });
  return buildReport(aRun(), [
    aCell({ provenance, summary: mergeShards([rich]) }),
    aCell({ provenance, level: 2 }),
    aCell({ provenance, level: 4, summary: mergeShards([unstreamed]) }),
    aCell({ provenance, level: 8, summary: mergeShards([aFailedShardSummary()]) }),
    aCell({ provenance, level: 16, summary: null, notMeasuredReason: null }),
  ]);
}

/** The text in every place of the API that a person, a server or Azure fills. */
function hostileScript(text: string): Partial<Script> {
  const record = aRun();
  const view = viewRun(
    aRun({
      state: 'failed',
      failure: { code: 'internal', message: text },
      stoppedBy: text,
      endpoint: {
        ...record.endpoint!,
        name: text,
        deployment: text,
        region: text,
        sku: text,
        scoringUri: text,
      },
    }),
    A_MOMENT_MS,
  );
  const spec = { ...aSpec(), model: { registry: text, name: text, version: text } } as typeof view.spec;
  const summary = mergeShards([
    aFailedShardSummary({ failureExamples: { 'server-error': text }, failures: { 'server-error': 20 } }),
  ]);
  const report = buildReport(record, [
    aCell({ summary }),
    aCell({ level: 2, summary: null, notMeasuredReason: text }),
  ]);
  return {
    health: {
      status: 'degraded',
      version: text,
      simulated: false,
      simulatorGpuSpeed: null,
      degraded: [text],
    },
    runs: [{ ...view, spec, plan: { ...view.plan, warnings: [text] } }],
    reports: { [RUN_ID]: { ...report, notes: [text], partial: false } },
    endpoints: [anEndpoint({ name: text, workspace: text, sku: text, leaked: true, releaseError: text })],
    troubles: [text],
    models: [{ name: text, latestVersion: text, task: text, allowedSkus: [text], recommendedSkus: [text] }],
    skus: { region: text, skus: [{ ...SKUS[0], name: text, gpu: text, price: { perHourUsd: 1 } }] },
    faults: [
      { path: 'model.name', message: text },
      { path: text, message: text },
    ],
  };
}

async function textsOf(row: ReturnType<Page['locator']>): Promise<string[]> {
  return (await row.locator('th, td').allTextContents()).map((text) => text.trim());
}
