/**
 * The page: one document with its style and its script inside, so that one strict policy covers it and nothing is
 * loaded from anywhere. It holds no data; its script fetches them from /api with the reader's function key.
 *
 * The script is what `npm run build` bundles of `app/`; sources run without it until a page is asked for.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { STYLE } from './style.ts';

/** What the handler of `GET /` answers with status 200. */
export interface PageResponse {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

let built: PageResponse | null = null;

/** The page with the script of the last build, which is read once. Throws where there is none. */
export function pageResponse(): PageResponse {
  built ??= renderPage(readBundle());
  return built;
}

/** Beside this file in `dist`; from the sources, the last build's. */
const BUNDLE = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/dashboard/app.bundle.js' : './app.bundle.js',
  import.meta.url,
);

function readBundle(): string {
  try {
    return readFileSync(BUNDLE, 'utf8');
  } catch (cause) {
    throw new Error("The page's script is not built; run `npm run build`.", { cause });
  }
}

/** The page around a script, with the policy that admits that script alone. */
export function renderPage(script: string): PageResponse {
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policyFor(script),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      // The page changes with a release, and its policy with it: neither may be kept without asking.
      'cache-control': 'no-cache',
    },
    body: documentOf(script),
  };
}

/**
 * Only this page's own script and style run, only this host is asked, and text can never become markup: a value that
 * gets into the page by a mistake is still not executed, loaded or sent anywhere.
 */
function policyFor(script: string): string {
  return [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(STYLE)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

function documentOf(script: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>foundry-bench</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<noscript><p class="banner">This page needs JavaScript. The data it shows are at /api/runs.</p></noscript>
<div id="app"></div>
<script type="module">${script}</script>
</body>
</html>
`;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
