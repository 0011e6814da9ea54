import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { bundlePage } from '../../bin/build-page.js';
import { renderPage } from '../../src/dashboard/page.ts';

/** What a phone on a slow line loads in about a second. */
const MOST_GZIPPED_BYTES = 200_000;

const script = await bundlePage();
const { headers, body } = renderPage(script);
const policy = headers['content-security-policy'] ?? '';

test('the policy admits exactly the script and the style that stand in the page', () => {
  for (const [tag, directive] of [
    ['script', 'script-src'],
    ['style', 'style-src'],
  ] as const) {
    const blocks = [...body.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, 'g'))];
    expect(blocks).toHaveLength(1);
    const hash = createHash('sha256')
      .update(blocks[0]?.[1] ?? '')
      .digest('base64');
    expect(policy).toContain(`${directive} 'sha256-${hash}';`);
  }
  expect(policy).toMatch(/^default-src 'none'; /);
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
});

test('the page loads nothing, and has no event or style attributes, which the policy would refuse', () => {
  const shell = body.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '');
  expect(shell).not.toMatch(/\s(on\w+|style|src)=/);
  expect([...shell.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual(['data:,']);
});

test('the whole page is small', () => {
  expect(gzipSync(body).byteLength).toBeLessThan(MOST_GZIPPED_BYTES);
});

test('nothing of the schemas and the histograms of the core comes along into the bundle', () => {
  expect(script).not.toMatch(/ZodError|HdrHistogram/);
});

test('the script never makes markup of a text of its own and keeps nothing beyond its tab', () => {
  expect(script).not.toMatch(/insertAdjacentHTML|document\.write|eval\(|localStorage|document\.cookie/);
  // Preact has a place for markup, which nothing of ours uses: the policy would refuse it anyway.
  expect(script.match(/innerHTML/g)?.length ?? 0).toBeLessThanOrEqual(4);
});

test('the answer is hardened and not kept', () => {
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
  });
});
