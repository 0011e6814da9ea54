/** The page over a whole installation: what it sends is what the API takes, and what it shows is what the API tells. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from '../support/installation.ts';

const CHROMIUM = '/usr/bin/chromium';
/** Deploying takes seconds against the simulator, and a busy machine takes its time. */
const RUN_MS = 120_000;

describe.skipIf(!existsSync(CHROMIUM))('the page over a whole installation', () => {
  let browser: Browser;
  let installation: Installation;

  beforeAll(async () => {
    installation = await openInstallation();
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
      await page.getByLabel('Levels', { exact: true }).fill('1, 2, 4');
      const id = await planAndStart(page);

      await page.getByText('6 of 6 measurements done.').waitFor({ timeout: RUN_MS });
      await page.locator('main .badge.completed').waitFor();
      await page.getByText('SIMULATED. A model of a GPU answered').waitFor();
      const { json: report } = await installation.get(`/api/runs/${id}/results`);
      const shown = await page
        .locator('table.results tbody tr td:nth-child(4) data')
        .evaluateAll((cells) => (cells as unknown as { value: string }[]).map((cell) => cell.value));
      expect(shown).toEqual(
        report.rows.map((row: { outputTokensPerSecond: number }) => String(row.outputTokensPerSecond)),
      );
      expect(await page.locator('#chart-throughput .wide .mark').count()).toBe(3);
      await page.getByRole('link', { name: 'All runs' }).click();
      await page.getByText('none left').waitFor();
      expect(
        (await installation.books()).endpoints.filter((endpoint) => endpoint.deletedAt === null),
      ).toEqual([]);
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
      expect(
        (await installation.books()).endpoints.filter((endpoint) => endpoint.deletedAt === null),
      ).toEqual([]);
    },
    RUN_MS,
  );

  /** The form with a run that takes seconds. */
  async function openForm(): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${installation.url}/#/new`);
    await page.getByLabel('Model', { exact: true }).fill('Phi-4');
    await page.getByText(/^Latest version \d+/).waitFor();
    await page.getByRole('radio', { name: /NC24ads_A100_v4/ }).check();
    await page.getByLabel('Prompt tokens').fill('64');
    await page.getByLabel('Output tokens').fill('16');
    await page.getByLabel('Repeats').fill('2');
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
