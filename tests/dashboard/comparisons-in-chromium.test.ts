import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { ComparisonReport } from '../../src/core/comparison/comparison-report.ts';
import { comparisonToHtml } from '../../src/dashboard/report-file.ts';
import { A_MOMENT_MS } from '../support/builders.ts';
import { hasChromium, looksWrong, type PageState, useChromium, valuesOf } from './chromium.ts';
import { anEndpoint, HOSTILE } from './chromium-fixtures.ts';
import {
  allDone,
  COMPARISON_ID,
  raced,
  runIdOf,
  sampleComparison,
  sampleComparisonPlan,
  sampleComparisonReport,
  sampleComparisonView,
} from './sample-comparison.ts';
import type { Script } from './scripted-host.ts';

/** Less than an idle list rests; the clock of a page goes on by itself too. */
const POLLED_MS = 15_000;
const HASH = `#/comparisons/${COMPARISON_ID}`;

describe.skipIf(!hasChromium)('comparisons in Chromium', () => {
  const { open, openWithClock, browser } = useChromium();

  test('are listed with their state, their progress and what they cost so far', async () => {
    const race = sampleComparisonView(
      {
        id: 'c251634412800000-0123abcd',
        state: 'completed',
        comparison: sampleComparison({ strategy: 'race' }),
      },
      raced,
    );
    const running = sampleComparisonView();
    const { page, wrong } = await open({ comparisons: [running, race] }, '#/comparisons');
    const rows = page.locator('table.comparisons tbody tr');
    await rows.nth(1).waitFor();
    expect(await textsOf(rows.nth(0))).toMatchObject([
      'A100, 2 x A100, H1003 targets',
      'running',
      '1 of 321 of 45 measurementsabout 2 min left',
      `$${running.cost.accruedUsd?.toFixed(2)}of $${running.cost.boundUsd?.toFixed(2)}`,
      expect.any(String),
    ]);
    expect((await textsOf(rows.nth(1))).slice(0, 3)).toEqual([
      'A100, 2 x A100, H1003 targets, a race',
      'completed',
      '3 of 3',
    ]);
    expect(await wrong()).toEqual([]);
  });

  test('go on in the list while they run, and are looked at no more when they are over', async () => {
    const { page, host } = await openWithClock({ comparisons: [sampleComparisonView()] }, '#/comparisons');
    await page.getByText('21 of 45 measurements').waitFor();
    const reads = (end: RegExp) => host.requests.filter(({ path }) => end.test(path)).length;
    // The clock runs within the poll, because the page sets its timer only when it has read an answer.
    const listed = (times: number, everyMs: number) =>
      expect
        .poll(
          async () => {
            await page.clock.runFor(everyMs);
            return reads(/comparisons\?/);
          },
          { timeout: POLLED_MS },
        )
        .toBeGreaterThanOrEqual(times);
    host.script.comparisons = [sampleComparisonView({ state: 'completed' }, allDone)];
    await listed(2, 5_000);
    await page.locator('main .badge.completed').waitFor();
    expect(reads(/-0123abcd$/)).toBe(2);
    await listed(3, 30_000);
    await listed(4, 30_000);
    expect(reads(/-0123abcd$/)).toBe(2);
  });

  test('say that they are loading until the first answer', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { page } = await open({ held: promise }, '#/comparisons');
    await page.getByText('Loading.').waitFor();
    resolve();
    await page.getByText('No comparison yet.').waitFor();
    expect(await page.getByText('Loading.').count()).toBe(0);
  });

  test('are explained where there is none', async () => {
    const { page } = await open({}, '#/comparisons');
    await page.getByText('No comparison yet.').waitFor();
    await page.getByRole('link', { name: 'Start the first comparison' }).click();
    await page.getByRole('heading', { name: 'Start a comparison' }).waitFor();
  });

  test('show where each target stands, and its run behind a link', async () => {
    const ending = (minutes: number) => ({
      runId: runIdOf(1),
      expiresAt: new Date(Date.now() + minutes * 60_000).toISOString(),
    });
    const endpoints = [anEndpoint({ name: 'fb-soon-a1', ...ending(20) }), anEndpoint(ending(54))];
    const script = { comparisons: [sampleComparisonView()], endpoints };
    const { page } = await open(script, HASH);
    const rows = page.locator('table.targets tbody tr');
    await rows.nth(2).waitFor();
    expect(await textsOf(rows.nth(1))).toMatchObject([
      '2 x A100Standard_NC48ads_A100_v4',
      'measuring',
      '6 of 15c16-p512-o128 (repeat 3 of 5)about 2 min left',
      expect.stringMatching(/^\$1\.\d\d$/),
      '–',
    ]);
    expect((await textsOf(rows.nth(2))).slice(1, 4)).toEqual(['waiting', '0 of 15', '–']);
    expect(await page.getByRole('status').textContent()).toBe('21 of 45 measurements done, 1 of 3 targets.');
    expect(await page.getByRole('link', { name: '2 x A100' }).getAttribute('href')).toBe(
      `#/runs/${runIdOf(1)}`,
    );
    expect(await page.locator('.tiles', { hasText: 'Alive now' }).textContent()).toContain(
      'Alive now2deleted at the latest in 54 min',
    );
  });

  test('are canceled after a question', async () => {
    const { page, host } = await open({ comparisons: [sampleComparisonView()] }, HASH);
    await page.getByRole('button', { name: 'Cancel the comparison' }).click();
    await page.getByRole('button', { name: 'Keep it' }).click();
    expect(host.requests.filter(({ method }) => method === 'POST')).toEqual([]);
    await page.getByRole('button', { name: 'Cancel the comparison' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the comparison' }).click();
    await page.getByText('A cancel was asked for').waitFor();
    expect(host.requests.filter(({ method }) => method === 'POST').map(({ path }) => path)).toEqual([
      `/api/comparisons/${COMPARISON_ID}/cancel`,
    ]);
    expect(await page.getByRole('button', { name: 'Cancel asked for' }).isDisabled()).toBe(true);
  });

  test('what one of them left behind can be deleted there', async () => {
    const leaked = anEndpoint({ name: 'fb-leaked-a1', runId: runIdOf(0), leaked: true, costUsd: 9.17 });
    const others = anEndpoint({ name: 'fb-others-a1', runId: 'r251634412799998-0123abcd', leaked: true });
    const { page, host } = await open(
      { comparisons: [sampleComparisonView()], endpoints: [leaked, others] },
      HASH,
    );
    await page.getByRole('alert').getByText('at a cost of $9.17 so far').waitFor();
    await page.getByRole('button', { name: 'Delete fb-leaked-a1' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByRole('alert').waitFor({ state: 'detached' });
    expect(host.requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path)).toEqual([
      '/api/endpoints/fb-leaked-a1',
    ]);
  });

  test('what one of them keeps for further runs can be deleted there, too', async () => {
    const kept = anEndpoint({ name: 'fb-kept-a1', runId: runIdOf(0), keptUntil: '2026-01-15T13:00:00.000Z' });
    const { page } = await open({ comparisons: [sampleComparisonView()], endpoints: [kept] }, HASH);
    await page.getByText('kept for further runs until').waitFor();
    await page.getByRole('button', { name: 'Delete fb-kept-a1' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.locator('table.endpoints').waitFor({ state: 'detached' });
  });

  test("the bars, the front and the tables are the JSON's values", async () => {
    const report = sampleComparisonReport();
    const { page, wrong } = await open(doneWith(report), HASH);
    await page.locator('#chart-cost-0').waitFor();
    await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
    const [workload] = report.workloads;
    if (workload === undefined) throw new Error('The sample has a workload.');
    const entryOf = ({ label, cellId }: { label: string; cellId: string }) =>
      workload.table.find((level) => level.cellId === cellId)?.entries.find((one) => one?.label === label);

    const costs = await valuesOf(page.locator('#chart-cost-0 tbody tr'));
    expect(costs.map(([label, cell, value]) => [label, cell, value])).toEqual(
      workload.byCost.map(({ label, cellId, value }) => [label, cellId, String(value)]),
    );
    costs.forEach(([, , value, lower, upper], index) => {
      const entry = entryOf(workload.byCost[index]!);
      // Dollars an hour are the same at both ends, so cost by cost is rate by rate the other way round.
      expect(Number(lower) / Number(value)).toBeCloseTo(entry!.outputTokensPerSecond! / entry!.upper!, 9);
      expect(Number(upper) / Number(value)).toBeCloseTo(entry!.outputTokensPerSecond! / entry!.lower!, 9);
    });
    expect(await valuesOf(page.locator('#chart-rate-0 tbody tr'))).toEqual(
      workload.byGoodput.map((standing) => [
        standing.label,
        standing.cellId,
        String(standing.value),
        String(entryOf(standing)?.lower),
        String(entryOf(standing)?.upper),
      ]),
    );
    const lengths = await page
      .locator('#chart-rate-0 .wide .bar')
      .evaluateAll((bars) =>
        (bars as unknown as { getBBox: () => { width: number } }[]).map((bar) => bar.getBBox().width),
      );
    lengths.forEach((length, index) => {
      expect(length / lengths[0]!).toBeCloseTo(
        workload.byGoodput[index]!.value / workload.byGoodput[0]!.value,
        2,
      );
    });
    expect(await valuesOf(page.locator('#chart-front-0 tbody tr'))).toEqual(
      workload.front.map((point) => [
        point.label,
        point.cellId,
        String(point.usdPerMillionOutputTokens),
        String(point.msPerToken),
        point.onFront ? 'yes' : 'no',
      ]),
    );
    expect(await page.locator('#chart-front-0 .wide .mark').count()).toBe(workload.front.length);
    expect((await valuesOf(page.locator('table.levels tbody tr'))).map((row) => row.slice(1))).toEqual(
      workload.table.map(({ entries }) => entries.map((entry) => String(entry?.outputTokensPerSecond))),
    );
    const verdicts = await valuesOf(page.locator('table.verdicts tbody tr'));
    expect(verdicts.map(([, , ratio, pValue, cost, cells]) => [ratio, pValue, cost, cells])).toEqual(
      report.pairs.map(({ result, costRatio }) => [
        String(result.ratio),
        String(result.pValue),
        String(costRatio?.ratio),
        String(result.matchedCells.length),
      ]),
    );
    expect(await page.locator('.answers p').allTextContents()).toEqual(report.headline);
    expect(await page.locator('table.made tbody tr').count()).toBe(3);
    expect(await wrong()).toEqual([]);
  });

  test('a race shows its rounds, who was dropped and what that saved', async () => {
    const report = sampleComparisonReport({ race: true });
    const comparison = sampleComparison({ strategy: 'race' });
    const { page } = await open(
      {
        comparisons: [sampleComparisonView({ state: 'completed', comparison }, raced)],
        comparisonReports: { [COMPARISON_ID]: { ...report, partial: false } },
      },
      HASH,
    );
    await page.locator('main .badge', { hasText: 'dropped after round 2' }).waitFor();
    const figure = page.locator('#chart-race');
    await figure.getByText('Values as a table').click();
    const costOf = (round: ComparisonReport['race'], label: string, index: number) =>
      String(round?.rounds[index]?.costs.find((cost) => cost.label === label)?.usdPerMillionOutputTokens);
    expect(await valuesOf(figure.locator('tbody tr'))).toEqual(
      [0, 1, 2, 3, 4].map((index) => [
        String(index + 1),
        costOf(report.race, 'A100', index),
        index < 2 ? costOf(report.race, '2 x A100', index) : 'dropped',
        costOf(report.race, 'H100', index),
      ]),
    );
    expect(await figure.locator('.wide .mark').count()).toBe(12);
    const [drop] = report.race?.drops ?? [];
    await page
      .locator('.notes')
      .getByText(drop?.sentence ?? 'a drop')
      .waitFor();
    const spent = `$${report.race?.cost.spent.usd?.toFixed(2)}`;
    const inFull = `$${report.race?.cost.inFull.usd?.toFixed(2)} in full`;
    expect(await page.locator('.tiles', { hasText: 'GPU hours' }).textContent()).toContain(spent + inFull);
  });

  test('a report of an older version, or of little, is shown all the same', async () => {
    const { headline, workloads, race } = sampleComparisonReport({ race: true });
    const { rounds, drops, ended } = race!;
    const old = { headline, workloads, race: { rounds, drops, ended }, news: 1, partial: false };
    const { page, wrong } = await open(
      {
        comparisons: [sampleComparisonView({ state: 'completed' }, allDone)],
        comparisonReports: { [COMPARISON_ID]: old as never },
      },
      HASH,
    );
    await page.locator('#chart-race').waitFor();
    expect(await page.locator('table.levels tbody tr').count()).toBe(3);
    expect(await wrong()).toEqual([]);
  });

  test('a failed one says why, one that is not there too, and a simulated one that it is', async () => {
    const failure = { code: 'internal', message: 'No target could be measured.' } as const;
    const failed = sampleComparisonView({ state: 'failed', failure }, (run) => ({
      ...run,
      state: 'failed',
      failure: { code: 'deploy-failed', message: 'The quota is used up.' },
      endpoint: { ...run.endpoint!, simulated: true },
    }));
    const { page, host } = await open({ comparisons: [failed] }, HASH);
    await page.getByRole('alert').getByText('No target could be measured. (internal)').waitFor();
    expect(await page.locator('table.targets').getByText('The quota is used up.').count()).toBe(3);
    await page.getByText('Nothing was measured.').waitFor();
    expect(await page.locator('main .badge.simulated').count()).toBe(1);
    await page.goto(`${host.url}#/comparisons/c1`);
    await page.getByText('There is no comparison c1.').waitFor();
  });

  test('results come as a file that can be mailed', async () => {
    const { page } = await open(doneWith(sampleComparisonReport()), HASH);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download HTML' }).click(),
    ]);
    expect(file.suggestedFilename()).toBe(`foundry-bench-${COMPARISON_ID}.html`);
    expect(readFileSync(await file.path(), 'utf8')).toBe('results as html\n');
  });

  test('one is started from its JSON, only after its plan was seen', async () => {
    const plan = sampleComparisonPlan();
    const { page, host, wrong } = await open(
      { plan, startedComparison: sampleComparisonView() },
      '#/comparisons/new',
    );
    const start = page.getByRole('button', { name: /^Start the comparison/ });
    const text = page.getByLabel('Comparison as JSON');
    const example = JSON.parse(await text.inputValue());
    expect(example.targets).toHaveLength(2);
    expect(await start.isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await page
      .getByRole('button', { name: `Start the comparison, for $${plan.plan.boundUsd?.toFixed(2)} at most` })
      .waitFor();
    expect(await page.locator('table.planned tbody tr').count()).toBe(3);

    await text.fill(JSON.stringify({ ...example, strategy: 'race' }));
    expect(await start.isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await start.click();
    await page.getByRole('heading', { name: 'A100, 2 x A100, H100' }).waitFor();
    const posts = host.requests.filter(({ method }) => method === 'POST');
    expect(posts.map(({ path }) => path)).toEqual(['/api/plans', '/api/plans', '/api/comparisons']);
    expect(posts[2]?.body).toEqual({ ...example, strategy: 'race' });
    expect(posts[2]?.idempotencyKey).toMatch(/^[0-9a-f]{32}$/);
    expect(await wrong()).toEqual([]);
  });

  test('a plan of what was changed meanwhile is not shown', async () => {
    const { page, host } = await open({ plan: sampleComparisonPlan() }, '#/comparisons/new');
    const text = page.getByLabel('Comparison as JSON');
    const { promise, resolve } = Promise.withResolvers<void>();
    host.script.held = promise;
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await page.getByText('Working it out.').waitFor();
    await text.fill('{ "targets": [1] }');
    resolve();
    await page.getByText('Nothing is created before you have seen what it can cost.').waitFor();
    expect(await page.locator('table.planned').count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Start the comparison' }).isDisabled()).toBe(true);
  });

  test('what can not be read, is no comparison or is refused is told, and takes the focus', async () => {
    const faults = [
      { path: 'targets[1].target.sku', message: 'is no size with a GPU' },
      { path: 'limits.maxUsd', message: 'is too little; raise it' },
    ];
    const { page, host } = await open({ faults }, '#/comparisons/new');
    const text = page.getByLabel('Comparison as JSON');
    const plan = page.getByRole('button', { name: 'Work out the plan' });
    await text.fill('{ "targets": [ }');
    await plan.click();
    await page.getByRole('alert').getByText('is no JSON:').waitFor();
    expect(await text.getAttribute('aria-invalid')).toBe('true');
    await text.fill('{ "target": {} }');
    await plan.click();
    await page.getByRole('alert').getByText('has no "targets"').waitFor();
    expect(host.requests.filter(({ method }) => method === 'POST')).toEqual([]);
    await text.fill('{ "targets": [] }');
    await plan.click();
    await page.getByText('2 things are to change:').waitFor();
    await page.getByText('targets[1].target.sku is no size with a GPU').waitFor();
    await page.waitForFunction("document.activeElement.querySelector('[role=alert]') !== null");
  });

  test('hostile text stays a text wherever it comes from', async () => {
    const { page, host, wrong } = await open(hostileScript(), '#/comparisons');
    await page.locator('table.comparisons').waitFor();
    expect(await page.locator('main').textContent()).toContain(HOSTILE);
    await page.goto(`${host.url}${HASH}`);
    await page.locator('table.levels').waitFor();
    expect(await page.getByText(HOSTILE, { exact: true }).count()).toBeGreaterThan(3);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.locator('main a[href^="javascript" i], main a[href^="http" i]').count()).toBe(0);
    expect(await wrong()).toEqual([]);
  });

  test('are reached and left by the keyboard, and their heading takes the focus', async () => {
    const { page } = await open(doneWith(sampleComparisonReport()));
    await page.getByRole('navigation').getByRole('link', { name: 'Comparisons' }).focus();
    await page.keyboard.press('Enter');
    const link = page.getByRole('link', { name: 'A100, 2 x A100, H100' });
    await link.waitFor();
    expect(await focusedText(page)).toBe('Comparisons');
    await link.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'A100, 2 x A100, H100' }).waitFor();
    expect(await focusedText(page)).toBe('A100, 2 x A100, H100');
    await expect.poll(() => page.title()).toBe('completed: A100, 2 x A100, H100 - foundry-bench');
    const toggle = page.locator('#chart-cost-0 summary');
    await toggle.focus();
    await page.keyboard.press('Enter');
    expect(await page.locator('#chart-cost-0 table').isVisible()).toBe(true);
  });

  test('the mailed file is looked at without any network, and axe finds nothing in it', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'foundry-bench-comparison-'));
    const file = path.join(folder, 'comparison.html');
    const record = { id: COMPARISON_ID, createdAtMs: A_MOMENT_MS, comparison: sampleComparison() };
    writeFileSync(file, comparisonToHtml(sampleComparisonReport({ race: true }), record, false));
    const context = await browser().newContext({ offline: true });
    const page = await context.newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(pathToFileURL(file).href);
    expect(await page.locator('#chart-race .wide').isVisible()).toBe(true);
    expect(await looksWrong(page)).toEqual([]);
    expect(asked).toEqual([pathToFileURL(file).href]);
    await context.close();
    rmSync(folder, { recursive: true });
  });

  const STATES: readonly PageState[] = [
    {
      name: 'no comparison yet',
      script: () => ({}),
      hash: '#/comparisons',
      reach: (page) => page.getByText('No comparison yet.').waitFor(),
    },
    {
      name: 'a list',
      script: () => ({ comparisons: [sampleComparisonView()] }),
      hash: '#/comparisons',
      reach: (page) => page.locator('table.comparisons').waitFor(),
    },
    {
      name: 'one that goes on, and left something behind',
      script: () => ({
        comparisons: [sampleComparisonView()],
        endpoints: [anEndpoint({ runId: runIdOf(1), leaked: true, releaseError: 'ARM answered 409.' })],
      }),
      hash: HASH,
      reach: (page) => page.locator('table.endpoints').waitFor(),
    },
    {
      name: 'a race with its charts and their tables',
      script: () => ({
        comparisons: [
          sampleComparisonView(
            { state: 'completed', comparison: sampleComparison({ strategy: 'race' }) },
            raced,
          ),
        ],
        comparisonReports: {
          [COMPARISON_ID]: { ...sampleComparisonReport({ race: true, simulated: true }), partial: true },
        },
      }),
      hash: HASH,
      reach: async (page) => {
        await page.locator('#chart-race').waitFor();
        await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
      },
    },
    {
      name: 'the form with a plan',
      script: () => ({ plan: sampleComparisonPlan() }),
      hash: '#/comparisons/new',
      reach: async (page) => {
        await page.getByRole('button', { name: 'Work out the plan' }).click();
        await page.locator('table.planned').waitFor();
      },
    },
    {
      name: 'the form with a fault',
      script: () => ({ faults: [{ path: 'targets[0].label', message: 'must not be empty' }] }),
      hash: '#/comparisons/new',
      reach: async (page) => {
        await page.getByRole('button', { name: 'Work out the plan' }).click();
        await page.getByText('One thing is to change:').waitFor();
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
});

function doneWith(report: ComparisonReport): Partial<Script> {
  return {
    comparisons: [sampleComparisonView({ state: 'completed' }, allDone)],
    comparisonReports: { [COMPARISON_ID]: { ...report, partial: false } },
  };
}

/** The text in every place of a comparison that a person, a server or Azure fills. */
function hostileScript(): Partial<Script> {
  const view = sampleComparisonView(
    { state: 'failed', failure: { code: 'internal', message: HOSTILE } },
    (run) => ({
      ...allDone(run),
      endpoint: { ...run.endpoint!, sku: HOSTILE },
      stoppedBy: HOSTILE,
      raceOver: { verdict: 'dropped', round: 2, sentence: HOSTILE },
    }),
  );
  const report = sampleComparisonReport({ race: true });
  const renamed = JSON.parse(
    JSON.stringify(report).replaceAll('"A100"', JSON.stringify(HOSTILE)),
  ) as ComparisonReport;
  return {
    comparisons: [
      {
        ...view,
        labels: [HOSTILE, 'H100'],
        warnings: [HOSTILE],
        targets: view.targets.map((target, index) =>
          index === 0 ? { ...target, label: HOSTILE, failure: HOSTILE } : target,
        ),
      },
    ],
    comparisonReports: {
      [COMPARISON_ID]: { ...renamed, headline: [HOSTILE], warnings: [HOSTILE], partial: false },
    },
  };
}

function focusedText(page: Page): Promise<string> {
  return page.evaluate('document.activeElement.textContent');
}

async function textsOf(row: ReturnType<Page['locator']>): Promise<string[]> {
  return (await row.locator('th, td').allTextContents()).map((text) => text.trim());
}
