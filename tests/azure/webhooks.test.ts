import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWebhooks } from '../../src/azure/webhooks.ts';
import { readConfig } from '../../src/config.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';

const SECRET = 'what-the-receiver-knows';

let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = await startWebhookReceiver();
});

afterAll(() => receiver.close());

function webhooksOf(settings: Record<string, string>, addresses: readonly string[] = ['20.1.2.3']) {
  const config = readConfig({
    INSTALLATION_ID: 'test',
    TABLES_ENDPOINT: 'https://a.table.core.windows.net',
    WEBHOOK_SECRET_TEST: SECRET,
    ...settings,
  });
  return createWebhooks(config, async () => addresses);
}

const LOCAL = { ALLOW_LOOPBACK_WEBHOOKS: 'true' };
const message = { id: 'c1-failure', event: 'failure', body: '{"text":"Größe"}' };
const toReceiver = () => ({ url: receiver.url, secretSetting: 'WEBHOOK_SECRET_TEST' });

describe('a message', () => {
  it('is posted with a signature of exactly the bytes that are sent', async () => {
    receiver.received.length = 0;
    expect(await webhooksOf(LOCAL).post(toReceiver(), message)).toEqual({ error: null, hopeless: false });
    const [got] = receiver.received;
    expect(got).toMatchObject({
      method: 'POST',
      path: '/hook',
      body: message.body,
      headers: {
        'content-type': 'application/json',
        'x-foundry-bench-event': 'failure',
        'x-foundry-bench-delivery': 'c1-failure',
        'x-foundry-bench-signature': `sha256=${createHmac('sha256', SECRET).update(message.body).digest('hex')}`,
      },
    });
    expect(JSON.stringify(got)).not.toContain(SECRET);
  });

  it('follows no redirect', async () => {
    receiver.received.length = 0;
    receiver.answers.push({ status: 307, headers: { location: receiver.url } });
    const outcome = await webhooksOf(LOCAL).post(toReceiver(), message);
    expect(outcome).toEqual({
      error: 'The receiver answered 307, a redirect, which is not followed.',
      hopeless: false,
    });
    expect(receiver.received).toHaveLength(1);
  });

  it('that is refused or not taken may be tried again, and the reason holds neither address nor secret', async () => {
    receiver.answers.push({ status: 503 });
    expect(await webhooksOf(LOCAL).post(toReceiver(), message)).toEqual({
      error: 'The receiver answered 503.',
      hopeless: false,
    });
    const closed = { url: 'http://127.0.0.1:1/hook?token=t0p', secretSetting: 'WEBHOOK_SECRET_TEST' };
    const outcome = await webhooksOf(LOCAL).post(closed, message);
    expect(outcome).toMatchObject({ error: expect.stringContaining('ECONNREFUSED'), hopeless: false });
    expect(outcome.error).not.toMatch(/t0p|what-the-receiver/);
  });

  it('goes nowhere once the settings no longer allow it, or no longer have its secret', async () => {
    receiver.received.length = 0;
    expect(await webhooksOf({}).post(toReceiver(), message)).toMatchObject({ hopeless: true });
    const unsigned = { ...toReceiver(), secretSetting: 'WEBHOOK_SECRET_LOST' };
    expect(await webhooksOf(LOCAL).post(unsigned, message)).toMatchObject({
      error: expect.stringContaining('WEBHOOK_SECRET_LOST is missing'),
      hopeless: true,
    });
    expect(receiver.received).toEqual([]);
  });
});

describe('the address of a webhook', () => {
  const wide = { WEBHOOK_HOSTS: '.example.com,hooks.example.org' };

  it('is allowed for no host by default', async () => {
    expect(await webhooksOf({}).resolve('https://hooks.example.com/x')).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('the setting WEBHOOK_HOSTS allows (none)'),
    });
  });

  it.each(['https://a.example.com/x', 'https://HOOKS.example.org/x?y=1', 'https://a.b.example.com:443/'])(
    'is allowed for %s by the list',
    async (url) => {
      expect(await webhooksOf(wide).resolve(url)).toEqual({ kind: 'resolved', address: '20.1.2.3' });
    },
  );

  it.each([
    'http://a.example.com/',
    'file:///etc/passwd',
    'data:text/plain,x',
    'https://',
    'https://example.com/',
    'https://aexample.com/',
    'https://a.example.com.evil.net/',
    'https://a.example.com@evil.net/',
    'https://user:pass@a.example.com/',
    'https://a.example.com./',
    'https://a.example.com:22/',
    'https://a.example.com\\@evil.net/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f.0.0.1/',
    'https://0177.0.0.1/',
    'https://0.0.0.0/',
    'https://[::]/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[::127.0.0.1]/',
    'https://[2002:7f00:1::]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[fe80::1%25eth0]/',
    'https://localhost./',
    'https://１２７.0.0.1/',
    'https://a。example.com/',
    'http://127.0.0.1/',
  ])('is refused for %s, and the answer does not repeat a password', async (url) => {
    const answer = await webhooksOf(wide).resolve(url);
    expect(answer.kind).toBe('refused');
    expect(JSON.stringify(answer)).not.toContain('pass@');
  });

  it.each([
    ['loopback', ['127.0.0.1']],
    ['the metadata address', ['169.254.169.254']],
    ['a private address', ['10.1.2.3']],
    ['one bad address among good ones', ['20.1.2.3', '::ffff:10.0.0.1']],
  ])('is refused where the name resolves to %s', async (_, addresses) => {
    expect(await webhooksOf(wide, addresses).resolve('https://a.example.com/')).toMatchObject({
      kind: 'refused',
    });
  });
});

describe('the setting that signs', () => {
  it('is one that was put there for it, and no other secret of the app', () => {
    const webhooks = webhooksOf({ SCORING_KEY_PROD: 'k' });
    expect(webhooks.refuseSecret('WEBHOOK_SECRET_TEST')).toBeNull();
    for (const name of ['SCORING_KEY_PROD', 'TABLES_ACCOUNT_KEY', 'WEBHOOK_SECRET_', 'WEBHOOK_SECRET_A-B'])
      expect(webhooks.refuseSecret(name)).toContain('begin with WEBHOOK_SECRET_');
  });
});
