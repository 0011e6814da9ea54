/** One real Chromium with one tab for all tests of a file, over scripted hosts; a page costs less than a tab. */
import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { aScript, type Script, type ScriptedHost, startScriptedHost } from './scripted-host.ts';

export const CHROMIUM = '/usr/bin/chromium';
export const hasChromium = existsSync(CHROMIUM);
if (!hasChromium) {
  console.log(
    `The page's tests are skipped: there is no ${CHROMIUM}. On Debian: apt-get install -y chromium.`,
  );
}

export const DESKTOP = { width: 1280, height: 800 } as const;
const PHONE = { width: 360, height: 800 } as const;

export interface Opened {
  readonly page: Page;
  readonly host: ScriptedHost;
  /** Everything that must not have happened; the policy's violations included. */
  wrong(): Promise<string[]>;
}

/** The browser of a file's tests. Each page that a test opens is over a host, so an origin, of its own. */
export function useChromium() {
  let browser: Browser;
  let context: BrowserContext;
  let tab: Page;
  let clocked: BrowserContext | null = null;
  const hosts: ScriptedHost[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM });
    context = await browser.newContext({ viewport: DESKTOP });
    tab = await context.newPage();
    await watchPolicy(tab);
  });
  afterEach(async () => {
    // What the page still asks for would be taken for a request of the next one.
    await tab.goto('about:blank');
    tab.removeAllListeners();
    await Promise.all([clocked?.close(), ...hosts.splice(0).map((host) => host.close())]);
    clocked = null;
  });
  afterAll(() => browser.close());

  async function over(page: Page, fields: Partial<Script>, hash: string): Promise<Opened> {
    const host = await startScriptedHost({ ...aScript(), ...fields });
    hosts.push(host);
    page.removeAllListeners();
    const wrong = watch(page, host.url);
    await page.goto(host.url + hash);
    return {
      page,
      host,
      wrong: async () => [
        ...wrong,
        ...(await page.evaluate(() => (globalThis as unknown as { violations: string[] }).violations)),
      ],
    };
  }

  return {
    browser: () => browser,
    /** The page at a hash, over a host that answers from the script. */
    async open(fields: Partial<Script> = {}, hash = ''): Promise<Opened> {
      await tab.setViewportSize(DESKTOP);
      await tab.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
      return over(tab, fields, hash);
    },
    /** The same in a tab whose clock the test moves on by `page.clock`: what polls is not waited for. */
    async openWithClock(fields: Partial<Script> = {}, hash = ''): Promise<Opened> {
      clocked = await browser.newContext({ viewport: DESKTOP });
      const page = await clocked.newPage();
      await watchPolicy(page);
      await page.clock.install();
      return over(page, fields, hash);
    },
  };
}

/** What must never happen, as it happens. */
function watch(page: Page, url: string): string[] {
  const wrong: string[] = [];
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML/.test(message.text())) wrong.push(`policy: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url()))
      wrong.push(`request: ${request.url()}`);
  });
  return wrong;
}

function watchPolicy(page: Page) {
  return page.addInitScript(() => {
    const scope = globalThis as unknown as {
      violations: string[];
      addEventListener: (name: string, listener: (event: { violatedDirective: string }) => void) => void;
    };
    scope.violations = [];
    scope.addEventListener('securitypolicyviolation', (event) =>
      scope.violations.push(event.violatedDirective),
    );
  });
}

/** A state that somebody can come to, as how to come to it. */
export interface PageState {
  readonly name: string;
  readonly script: () => Partial<Script>;
  readonly hash?: string;
  readonly reach: (page: Page) => Promise<unknown>;
}

/**
 * What is wrong with how a page looks: axe's violations, once with every rule and then with those that theme and width
 * can change the answer of; and what is wider than its screen.
 */
export async function looksWrong(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const wrong: string[] = [];
  for (const [viewport, colorScheme, rules] of [
    [DESKTOP, 'light', 'all'],
    [PHONE, 'dark', 'of the looks'],
    [DESKTOP, 'dark', 'of the looks'],
  ] as const) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await settle(page, viewport.width, colorScheme);
    const where = `${viewport.width} px, ${colorScheme}`;
    const width = await page.evaluate('document.documentElement.scrollWidth');
    if (Number(width) > viewport.width) wrong.push(`${where}: the page is ${width} px wide`);
    wrong.push(...(await axeFindings(page, rules)).map((finding) => `${where}: ${finding}`));
  }
  return wrong;
}

/** Until the page is drawn as it was asked to look; a busy machine takes a moment for that. */
async function settle(page: Page, width: number, colorScheme: 'light' | 'dark'): Promise<void> {
  await page.waitForFunction(
    `innerWidth === ${width} && matchMedia('(prefers-color-scheme: ${colorScheme})').matches`,
  );
  await page.evaluate(
    'new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))).then(() => Promise.all(document.getAnimations().map((one) => one.finished)))',
  );
}

/** Those of axe's rules that theme and width can change the answer of. */
const LOOK_RULES = [
  'color-contrast',
  'target-size',
  'scrollable-region-focusable',
  'meta-viewport',
  'link-in-text-block',
];

/** The violations of every rule of axe but those of an unfinished document, with where they are. */
export async function axeFindings(page: Page, rules: 'all' | 'of the looks' = 'all'): Promise<string[]> {
  const options = rules === 'all' ? {} : { runOnly: LOOK_RULES };
  return page.evaluate(
    `axe.run(${JSON.stringify(options)}).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html + ' ' + failureSummary)).slice(0, 4))`,
  );
}

/** The cells of rows as they are meant: what stands exactly in a `data`, otherwise the text. */
export function valuesOf(rows: ReturnType<Page['locator']>): Promise<string[][]> {
  return rows.evaluateAll((elements) =>
    (
      elements as unknown as {
        children: Iterable<{
          textContent: string;
          querySelector: (tag: string) => { value: string } | null;
        }>;
      }[]
    ).map((row) => [...row.children].map((cell) => cell.querySelector('data')?.value ?? cell.textContent)),
  );
}
