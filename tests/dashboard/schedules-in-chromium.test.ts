import { describe, expect, test } from 'vitest';
import { hasChromium, looksWrong, type PageState, useChromium, valuesOf } from './chromium.ts';
import { HOSTILE } from './chromium-fixtures.ts';
import { sampleHistory, sampleSchedule } from './sample-schedule.ts';
import type { Script } from './scripted-host.ts';

describe.skipIf(!hasChromium)('schedules in Chromium', () => {
  const { open } = useChromium();

  test('are listed with their next and last time, the last verdict and what the month has cost', async () => {
    const { page, wrong } = await open(twoSchedules(), '#/schedules');
    const rows = page.locator('table.schedules tbody tr');
    await rows.nth(1).waitFor();
    const cells = await rows.nth(0).locator('th, td').allTextContents();
    expect(cells).toMatchObject([
      'weekly0 0 6 * * 1 Europe/Berlin, a comparison',
      'enabled',
      expect.stringMatching(/Jan 19, 2026/),
      expect.stringMatching(/Jan 8, 2026.*no change shown$/),
      '$23.40of $200.00',
      'Pause',
    ]);
    expect((await rows.nth(1).locator('th, td').allTextContents()).slice(1)).toEqual([
      'paused',
      '–',
      '–',
      '$23.40of $200.00',
      'Resume',
    ]);
    expect(await wrong()).toEqual([]);
  });

  test('the worst of what an entry says of its targets is its verdict', async () => {
    const [, withRegression, ...older] = sampleHistory();
    const { page } = await open(
      { schedules: [{ ...sampleSchedule(), history: [withRegression!, ...older] }] },
      '#/schedules',
    );
    await page.locator('table.schedules .badge.regression').waitFor();
  });

  test('say that they are loading until the first answer', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { page } = await open({ held: promise }, '#/schedules');
    await page.getByText('Loading.').waitFor();
    resolve();
    await page.getByText('No schedule yet.').waitFor();
    expect(await page.getByText('Loading.').count()).toBe(0);
  });

  test('are explained where there is none, with a call that makes one', async () => {
    const { page, host } = await open({}, '#/schedules');
    await page.getByText('No schedule yet.').waitFor();
    const curl = (await page.locator('pre').textContent()) ?? '';
    expect(curl).toContain(`curl -X PUT ${host.url}api/schedules/weekly`);
    const body = JSON.parse(/-d '(.*)'/.exec(curl)?.[1] ?? '');
    expect(body).toMatchObject({ schedule: '0 0 6 * * 1', run: { target: { kind: 'managed' } } });
  });

  test('one is paused and resumed by putting it as it is, but for that', async () => {
    const { page, host } = await open(twoSchedules(), '#/schedules');
    await page.getByRole('button', { name: 'Pause weekly' }).click();
    await page.getByRole('button', { name: 'Resume weekly' }).waitFor();
    await page.getByRole('button', { name: 'Resume weekly' }).click();
    await page.getByRole('button', { name: 'Pause weekly' }).waitFor();
    const puts = host.requests.filter(({ method }) => method === 'PUT');
    const { schedule, timeZone, keep, maxUsdPerMonth, baseline, comparison, webhook } = sampleSchedule();
    const rest = { schedule, timeZone, keep, maxUsdPerMonth, baseline, comparison, webhook };
    expect(puts.map(({ path, body }) => [path, body])).toEqual([
      ['/api/schedules/weekly', { ...rest, enabled: false }],
      ['/api/schedules/weekly', { ...rest, enabled: true }],
    ]);
  });

  test("the history's chart and table are the JSON's values, with the regression marked", async () => {
    const history = sampleHistory();
    const { page, wrong } = await open(twoSchedules(), '#/schedules/weekly');
    const figure = page.locator('#chart-history-0');
    await figure.getByText('Values as a table').click();
    const oldestFirst = history.toReversed().filter(({ work }) => work !== null);
    const checkOf = (entry: (typeof history)[number]) =>
      entry.targets.find(({ label }) => label === 'A100')?.check;
    const exact = (value: number | null | undefined) => (value == null ? '–' : String(value));
    expect(await valuesOf(figure.locator('tbody tr'))).toEqual(
      oldestFirst.map((entry) => [
        entry.work?.id,
        entry.dueAt,
        exact(checkOf(entry)?.ratio),
        exact(checkOf(entry)?.lower),
        exact(checkOf(entry)?.upper),
        checkOf(entry)?.verdict,
      ]),
    );
    // Six have a ratio, and the regression is marked on top of its own mark.
    expect(await figure.locator('.wide .mark').count()).toBe(7);
    expect(await figure.locator('.wide .s2 .mark').count()).toBe(1);
    expect(await page.locator('#chart-history-1 .wide .s2 .mark').count()).toBe(0);
    const rows = page.locator('table.history tbody tr');
    expect(await rows.count()).toBe(8);
    expect(await rows.nth(1).textContent()).toContain('A100: Regression: 81.0 % of the rate');
    expect(await page.locator('table.history a').first().getAttribute('href')).toBe(
      `#/comparisons/${history[0]?.work?.id}`,
    );
    expect(await wrong()).toEqual([]);
  });

  test('one that runs leads to what it runs, and one that is not there is told', async () => {
    const id = 'c251634412799999-0123abcd';
    const running = { kind: 'comparison', id, dueMs: 0, boundUsd: 10 } as const;
    const { page, host } = await open(
      { schedules: [{ ...sampleSchedule({ running }), history: [] }] },
      '#/schedules/weekly',
    );
    await page.getByText('It was not due yet.').waitFor();
    expect(await page.getByRole('link', { name: 'Watch what it runs now' }).getAttribute('href')).toBe(
      `#/comparisons/${id}`,
    );
    await page.goto(`${host.url}#/schedules/none`);
    await page.getByText('There is no schedule none.').waitFor();
  });

  test('a pause that is refused is told', async () => {
    const { page, host } = await open(twoSchedules(), '#/schedules/weekly');
    await page.getByRole('button', { name: 'Pause weekly' }).waitFor();
    host.script.schedules = [];
    await page.getByRole('button', { name: 'Pause weekly' }).click();
    await page.getByRole('alert').getByText('There is no schedule weekly.').waitFor();
  });

  test('hostile text stays a text wherever it comes from', async () => {
    const [entry, ...others] = sampleHistory();
    const hostile = {
      ...entry!,
      sentence: HOSTILE,
      failure: { code: 'internal', message: HOSTILE } as const,
      targets: entry!.targets.map((target) => ({
        ...target,
        label: HOSTILE,
        check: { ...target.check!, sentence: HOSTILE },
      })),
    };
    const webhook = { url: HOSTILE, secretSetting: 'A' };
    const { page, wrong } = await open(
      { schedules: [{ ...sampleSchedule({ webhook }), timeZone: HOSTILE, history: [hostile, ...others] }] },
      '#/schedules/weekly',
    );
    await page.locator('table.history').waitFor();
    expect(await page.locator('main').textContent()).toContain(HOSTILE);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.locator('main a[href^="javascript" i], main a[href^="http" i]').count()).toBe(0);
    expect(await wrong()).toEqual([]);
  });

  const STATES: readonly PageState[] = [
    {
      name: 'no schedule yet',
      script: () => ({}),
      hash: '#/schedules',
      reach: (page) => page.getByText('No schedule yet.').waitFor(),
    },
    {
      name: 'a list',
      script: twoSchedules,
      hash: '#/schedules',
      reach: (page) => page.locator('table.schedules').waitFor(),
    },
    {
      name: 'one with its history and the tables of its charts',
      script: twoSchedules,
      hash: '#/schedules/weekly',
      reach: async (page) => {
        await page.locator('#chart-history-1').waitFor();
        await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
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

function twoSchedules(): Partial<Script> {
  return {
    schedules: [
      { ...sampleSchedule(), history: sampleHistory() },
      { ...sampleSchedule({ name: 'nightly', enabled: false }), history: [] },
    ],
  };
}
