/**
 * The page: one document with its style and its script inside, so that one strict policy covers it and nothing is
 * loaded from anywhere. It holds no data; its script fetches them from /api with the reader's function key.
 */
import { createHash } from 'node:crypto';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

/** What the handler of `GET /` answers with status 200. */
export interface PageResponse {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function pageResponse(): PageResponse {
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      // The page changes with a release, and its policy with it: neither may be kept without asking.
      'cache-control': 'no-cache',
    },
    body: renderPage(),
  };
}

/**
 * Only this page's own script and style run, only this host is asked, and text can never become markup: a value that
 * gets into the page by a mistake is still not executed, loaded or sent anywhere.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `script-src '${hashOf(SCRIPT)}'`,
  `style-src '${hashOf(STYLE)}'`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export function renderPage(): string {
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
<header>
<h1><a href="#/">foundry-bench</a></h1>
<p id="health"></p>
</header>
<p id="simulated" class="banner simulated" hidden></p>
<p id="degraded" class="banner" hidden></p>
<p id="notice" class="banner problem" role="alert" hidden></p>
<main id="main"><p class="quiet">Loading.</p></main>
<footer><p>The same data as JSON: <a href="/api/runs">/api/runs</a></p></footer>

<dialog id="key-dialog" aria-labelledby="key-title">
<form method="dialog">
<h2 id="key-title">This host wants a function key</h2>
<p id="key-refused" class="problem-text" role="alert" hidden>That key was refused.</p>
<label for="key-input">Function key</label>
<input id="key-input" type="password" autocomplete="off" spellcheck="false" required>
<p class="quiet">Kept in this tab until it is closed, and sent to this host only.</p>
<p class="actions"><button type="submit" value="use" class="primary">Use it</button>
<button type="submit" value="" formnovalidate>Not now</button></p>
</form>
</dialog>

<dialog id="confirm-dialog" aria-labelledby="confirm-title" aria-describedby="confirm-text">
<form method="dialog">
<h2 id="confirm-title"></h2>
<p id="confirm-text"></p>
<p class="actions"><button type="submit" value="yes" id="confirm-yes" class="danger"></button>
<button type="submit" value="" autofocus>Keep it</button></p>
</form>
</dialog>

<noscript><p class="banner">This page needs JavaScript. The data it shows are at /api/runs.</p></noscript>
<script type="module">${SCRIPT}</script>
</body>
</html>
`;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
