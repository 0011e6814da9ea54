import { createHash } from 'node:crypto';
import { Script as Compiled } from 'node:vm';
import { expect, test } from 'vitest';
import { CONTENT_SECURITY_POLICY, pageResponse, renderPage } from '../../src/dashboard/page.ts';
import { SCRIPT } from '../../src/dashboard/script.ts';

test('the policy admits exactly the script and the style that stand in the page', () => {
  const page = renderPage();
  for (const [tag, directive] of [
    ['script', 'script-src'],
    ['style', 'style-src'],
  ] as const) {
    const blocks = [...page.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, 'g'))];
    expect(blocks).toHaveLength(1);
    const hash = createHash('sha256')
      .update(blocks[0]?.[1] ?? '')
      .digest('base64');
    expect(CONTENT_SECURITY_POLICY).toContain(`${directive} 'sha256-${hash}';`);
  }
  expect(CONTENT_SECURITY_POLICY).toMatch(/^default-src 'none'; /);
  expect(CONTENT_SECURITY_POLICY).not.toMatch(/unsafe|https?:|\*/);
});

test('the page loads nothing, and has no event or style attributes, which the policy would refuse', () => {
  const shell = renderPage().replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '');
  expect(shell).not.toMatch(/\s(on\w+|style|src)=/);
  expect([...shell.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual([
    'data:,',
    '#/',
    '/api/runs',
  ]);
});

test('the script is JavaScript that never makes markup of a text and keeps nothing beyond its tab', () => {
  // The module's text is compiled as a script, which it is but for its strictness.
  expect(() => new Compiled(SCRIPT)).not.toThrow();
  expect(SCRIPT).not.toMatch(
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage|document\.cookie/,
  );
});

test('the answer is hardened and not kept', () => {
  expect(pageResponse().headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
  });
});
