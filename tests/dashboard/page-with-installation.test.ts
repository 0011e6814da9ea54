/** The page over a whole installation: what it sends is what the API takes, and what it shows is what the API tells. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from '../support/installation.ts';
import { CHROMIUM, hasChromium, valuesOf } from './chromium.ts';

/** On a busy machine a cell is not steady and goes on to its budget, of some 97 seconds here; a run of the form has two. */
const RUN_MS = 300_000;
const SKU = 'Standard_NC24ads_A100_v4';
/** One cell of one short repeat. */
const FEW_REQUESTS = {
  workloads: [{ promptTokens: 64, outputTokens: 16 }],
  concurrency: { levels: [1] },
  measure: { repeats: 1, minRequests: 4 },
};

describe.skipIf(!hasChromium)('the page over a whole installation', () => {
  let browser: Browser;
  let installation: Installation;

  beforeAll(async () => {
    installation = await openInstallation({ SIMULATOR_SPEED: '40', SIMULATOR_GPU_SPEED: '40' });
    browser = await chromium.launch({ executablePath: CHROMIUM });
  }, RUN_MS);
  afterAll(async () => {
    await browser?.close();
    await installation?.close();
  });

  test(
    'starts a run, watches it to its end and shows the values of its report',
    async () => {
      const page = await openForm();
      await page.getByLabel('Levels', { exact: true }).fill('1, 2, many');
      await page.getByRole('button', { name: 'Work out the plan' }).click();
      await page.getByRole('textbox', { name: 'Levels' }).and(page.locator('[aria-invalid]')).waitFor();
      await page.getByLabel('Levels', { exact: true }).fill('1, 2');
      const id = await planAndStart(page);

      await page.getByText('2 of 2 measurements done.').waitFor({ timeout: RUN_MS });
      await page.locator('main .badge.completed').waitFor();
      await page.getByText('SIMULATED. A model of a GPU answered').waitFor();
      const { json: report } = await installation.get(`/api/runs/${id}/results`);
      const shown = await page
        .locator('table.results tbody tr td:nth-child(4) data')
        .evaluateAll((cells) => (cells as unknown as { value: string }[]).map((cell) => cell.value));
      expect(shown).toEqual(
        report.rows.map((row: { outputTokensPerSecond: number }) => String(row.outputTokensPerSecond)),
      );
      expect(await page.locator('#chart-throughput .wide .mark').count()).toBe(2);
      await page.getByRole('link', { name: 'All runs' }).click();
      await page.getByText('none left').waitFor();
      expect(await alive()).toEqual([]);
    },
    RUN_MS,
  );

  test(
    'cancels a run, which gives its endpoint back',
    async () => {
      const page = await openForm();
      await page.getByRole('textbox', { name: 'Requests a repeat' }).fill('500');
      const id = await planAndStart(page);
      await page.getByRole('button', { name: 'Cancel the run' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Cancel the run' }).click();
      await page.getByText('A cancel was asked for').waitFor();
      await page.locator('main .badge.canceled').waitFor({ timeout: RUN_MS });
      expect((await installation.get(`/api/runs/${id}`)).json.state).toBe('canceled');
      expect(await alive()).toEqual([]);
    },
    RUN_MS,
  );

  test(
    'starts a comparison from its JSON, watches it to its end and shows what its report concludes',
    async () => {
      const page = await browser.newPage();
      await page.goto(`${installation.url}/#/comparisons/new`);
      const text = page.getByLabel('Comparison as JSON');
      const example = JSON.parse(await text.inputValue());
      await text.fill(JSON.stringify({ ...example, base: { ...example.base, ...FEW_REQUESTS } }));
      await page.getByRole('button', { name: 'Work out the plan' }).click();
      await page.getByRole('button', { name: /^Start the comparison, for \$/ }).click();
      await page.waitForURL(/#\/comparisons\/c/);
      const id = decodeURIComponent(page.url().replace(/.*#\/comparisons\//, ''));

      await page.locator('main p > .badge.completed').waitFor({ timeout: RUN_MS });
      await page.getByText('2 of 2 measurements done, 2 of 2 targets.').waitFor();
      const { json: report } = await installation.get(`/api/comparisons/${id}/results`);
      await page.locator('.answers').getByText(report.headline[0]).waitFor();
      const shown = await valuesOf(page.locator('table.levels tbody tr'));
      expect(shown.map((row) => row.slice(1))).toEqual(
        report.workloads[0].table.map(({ entries }: { entries: { outputTokensPerSecond: number }[] }) =>
          entries.map((entry) => String(entry.outputTokensPerSecond)),
        ),
      );
      const { text: file, headers } = await installation.get(`/api/comparisons/${id}/results?format=html`);
      expect(headers['content-type']).toBe('text/html; charset=utf-8');
      expect(headers['content-disposition']).toBe(`attachment; filename="${id}.html"`);
      expect(file).toContain('class="levels"');
      expect(await alive()).toEqual([]);
    },
    RUN_MS,
  );

  test('pauses and resumes a schedule', async () => {
    const run = {
      model: { name: 'Phi-4', version: '8' },
      target: { kind: 'managed', sku: SKU },
      ...FEW_REQUESTS,
    };
    const put = await installation.put('/api/schedules/yearly', { schedule: '0 0 6 1 1 *', run });
    expect(put.status).toBe(201);
    const page = await browser.newPage();
    await page.goto(`${installation.url}/#/schedules`);
    await page.getByRole('button', { name: 'Pause yearly' }).click();
    await page.getByRole('button', { name: 'Resume yearly' }).waitFor();
    const paused = (await installation.get('/api/schedules/yearly')).json;
    expect(paused).toMatchObject({ enabled: false, nextDueAt: null, run });
    await page.getByRole('button', { name: 'Resume yearly' }).click();
    await page.getByRole('button', { name: 'Pause yearly' }).waitFor();
    expect((await installation.get('/api/schedules/yearly')).json).toMatchObject({ enabled: true, run });
  });

  async function alive() {
    return (await installation.books()).endpoints.filter((endpoint) => endpoint.deletedAt === null);
  }

  /** The form with a run that takes seconds. */
  async function openForm(): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${installation.url}/#/new`);
    await page.getByLabel('Model', { exact: true }).fill('Phi-4');
    await page.getByText(/^Latest version \d+/).waitFor();
    await page.getByRole('radio', { name: /NC24ads_A100_v4/ }).check();
    await page.getByLabel('Prompt tokens').fill('64');
    await page.getByLabel('Output tokens').fill('16');
    await page.getByLabel('Repeats').fill('1');
    await page.getByRole('textbox', { name: 'Requests a repeat' }).fill('4');
    return page;
  }

  async function planAndStart(page: Page): Promise<string> {
    await page.getByRole('button', { name: 'Work out the plan' }).click();
    await page.getByRole('button', { name: /^Start the run, for \$/ }).click();
    await page.waitForURL(/#\/runs\//);
    return decodeURIComponent(page.url().replace(/.*#\/runs\//, ''));
  }
});
