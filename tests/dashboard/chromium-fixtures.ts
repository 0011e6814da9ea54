/** What the page's tests in Chromium have in common to show. */
import type { ScriptedEndpoint } from './scripted-host.ts';

/** Of `aRun`. */
export const RUN_ID = 'r251634412799999-0123abcd';

/** Everything at once, since each of them in any place of the page has to stay the text that it is. */
export const HOSTILE = [
  'a|b ``` <img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script><!--',
  '[x](javascript:alert(1)) ![x](http://127.0.0.1:9/x)',
  'one\u2028two \u202egnp.exe',
].join(' ');

export function anEndpoint(fields: Partial<ScriptedEndpoint> = {}): ScriptedEndpoint {
  return {
    name: 'fb-0123456789abcdef-a1',
    workspace: 'default',
    runId: RUN_ID,
    sku: 'Standard_NC24ads_A100_v4',
    instances: 1,
    createdAt: '2026-01-15T12:00:00.000Z',
    expiresAt: '2026-01-15T13:00:00.000Z',
    costUsd: 0.367,
    leaked: false,
    releaseError: null,
    ...fields,
  };
}
