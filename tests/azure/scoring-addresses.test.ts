import { describe, expect, it } from 'vitest';
import { refuseAddress } from '../../src/azure/address-gate.ts';
import { createScoringAddresses } from '../../src/azure/scoring-addresses.ts';
import { AZURE_SCORING_HOSTS, readConfig } from '../../src/config.ts';

const WIDE = ['.example.com', '.azure.com', 'llm.example.org'];
const HOST = 'ep.eastus2.inference.ml.azure.com';

describe('an address that may be called', () => {
  it.each([
    `https://${HOST}/score`,
    `https://${HOST}`,
    `https://${HOST}:443/score`,
    `https://${HOST.toUpperCase()}/score`,
    `HTTPS://${HOST}/v1/chat/completions?api-version=1`,
    'https://thing.openai.azure.com/openai/deployments/a@b/chat',
  ])('%s', (address) => {
    expect(refuseAddress(address, AZURE_SCORING_HOSTS, false)).toBeNull();
  });

  it.each([
    'http://127.0.0.1:8080/score',
    'http://localhost/',
    'http://[::1]:9/x',
    'http://LOCALHOST:7072/score',
  ])('%s where loopback is allowed, and only there', (address) => {
    expect(refuseAddress(address, WIDE, true)).toBeNull();
    expect(refuseAddress(address, WIDE, false)).not.toBeNull();
  });
});

describe('an address that is refused, whatever the settings allow', () => {
  it.each([
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[::]/',
    'https://[::1]/',
    'https://[::127.0.0.1]/',
    'https://[2002:7f00:1::]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[fe80::1%25eth0]/',
    'https://[::ffff:169.254.169.254]/',
    'https://0.0.0.0/',
    'https://127.1/',
    'https://2130706433/',
    'https://0177.0.0.1/',
    'https://0x7f.0.0.1/',
    'https://0x7f000001/',
    'https://10.0.0.1/',
    'https://169.254.169.254/',
    'https://8.8.8.8/',
    'https://127.0.0.1./',
    'https://localhost/',
    'https://localhost./',
    'https://a.localhost/',
    'https://１２７.０.０.１/',
    'https://127。0。0。1/',
    'https://ｅp.example.com/',
    `https://${HOST}@evil.net/`,
    `https://user:pw@${HOST}/`,
    `https://@${HOST}/`,
    `https://${HOST}:x@evil.net/`,
    `https://${HOST}./score`,
    `https://${HOST}:22/score`,
    `https://${HOST}:8443/`,
    `https://${HOST}\\@evil.net/`,
    `https:\\\\${HOST}/`,
    'https://xinference.ml.azure.com.evil.net/',
    `https://${HOST}.evil.net/`,
    'https://evilexample.com/',
    'https://llm.example.org.evil.net/',
    'https://x.llm.example.org/',
    'https://example.com/',
    `https://${HOST}%2eevil.net/`,
    `https://ep%2eexample.com/`,
    `http://${HOST}/`,
    'file:///etc/passwd',
    'data:text/plain,x',
    'ftp://x.example.com/',
    'https://',
    'https:///',
    'https:/x.example.com/',
    'https:x.example.com',
    '//x.example.com/',
    '',
    'x.example.com',
    ` https://${HOST}/`,
    `https://${HOST}/\n`,
    `https://ep\t.example.com/`,
    `https://${HOST}/${'x'.repeat(2_048)}`,
  ])('%s', (address) => {
    expect(refuseAddress(address, WIDE, false)).toMatch(/^(The|This) .*\.$/);
    // No loopback setting opens another spelling of it, or anything else.
    expect(refuseAddress(address, WIDE, true)).toMatch(/^(The|This) .*\.$/);
  });

  it.each([
    'http://127.1/',
    'http://0.0.0.0/',
    'http://localhost./',
    'http://2130706433/',
    'http://[::ffff:127.0.0.1]/',
    'http://localhost@evil.net/',
    'http://127.0.0.1:80@evil.net/',
    'http://127.0.0.1\\@evil.net/',
    'http://127.0.0.1.evil.net/',
    'http://localhost:99999/',
    'http://127.0.0.2/',
    'https://127.0.0.1/',
  ])('%s where loopback is allowed', (address) => {
    expect(refuseAddress(address, WIDE, true)).not.toBeNull();
  });

  it.each([
    ['https://8.8.8.8/', 'is an IP address'],
    ['https://[::1]/', 'is an IP address'],
    ['https://127.1/', 'is an IP address'],
    [`https://${HOST}./score`, 'ends with a dot'],
    [`http://${HOST}/`, 'must begin with https://'],
    [`https://${HOST}:22/`, 'names a port'],
    [`https://user@${HOST}/`, 'a user or a password'],
    [`https://${HOST}%2e/`, 'not spelled plainly'],
    [`https://${HOST} /`, 'a space'],
    ['https://evil.net/', 'SCORING_HOSTS'],
  ])('%s because it %s', (address, reason) => {
    expect(refuseAddress(address, WIDE, false)).toContain(reason);
  });

  it('never repeats a password', () => {
    for (const address of [
      `https://user:hunter2@${HOST}/`,
      'http://user:hunter2@[::1',
      'https://hunter2@evil.net:22/',
    ]) {
      expect(refuseAddress(address, WIDE, true)).not.toContain('hunter2');
    }
  });

  it('a suffix without its dot is another host', () => {
    expect(refuseAddress('https://evilopenai.azure.com/', AZURE_SCORING_HOSTS, false)).toContain(
      'SCORING_HOSTS',
    );
    expect(refuseAddress('https://openai.azure.com/', AZURE_SCORING_HOSTS, false)).toContain('SCORING_HOSTS');
  });
});

const config = (settings: Record<string, string> = {}) =>
  readConfig({
    INSTALLATION_ID: 'a',
    TABLES_ENDPOINT: 'https://a.table.core.windows.net',
    SCORING_KEY_A: 'k1',
    ...settings,
  });

const noCredential = {
  getToken: async () => {
    throw new Error('secret-in-an-error');
  },
};

describe('what a host resolves to', () => {
  const check = (addresses: readonly string[] | Error, settings: Record<string, string> = {}) =>
    createScoringAddresses(config(settings), noCredential, async () => {
      if (addresses instanceof Error) throw addresses;
      return addresses;
    }).resolve(`https://${HOST}/score`);

  it('is given back as what to connect to', async () => {
    expect(await check(['20.42.0.1', '20.42.0.2'])).toEqual({ kind: 'resolved', address: '20.42.0.1' });
  });

  it.each([
    [['20.42.0.1', '10.0.0.1'], '10.0.0.1, which is a private address'],
    [['169.254.1.1'], 'link-local'],
    [['20.42.0.1', '::ffff:10.0.0.1'], 'carries an IPv4 address inside'],
    [['127.0.0.1'], 'this machine itself'],
    [['168.63.129.16'], 'tells its secrets'],
  ])('refuses the host where %j is among it', async (addresses, reason) => {
    expect(await check(addresses)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(reason),
    });
  });

  it('may be private where the setting names it', async () => {
    const settings = { ALLOWED_PRIVATE_RANGES: '10.0.0.0/24, 192.168.1.0/24' };
    expect(await check(['10.0.0.7'], settings)).toEqual({ kind: 'resolved', address: '10.0.0.7' });
    expect(await check(['10.0.1.7'], settings)).toMatchObject({ kind: 'refused' });
  });

  it('may be nothing, which is told and no refusal', async () => {
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    expect(await check(error)).toMatchObject({
      kind: 'unresolved',
      reason: expect.stringContaining('ENOTFOUND'),
    });
    expect(await check([])).toMatchObject({ kind: 'unresolved' });
  });

  it('is not asked of an address that is refused as it is spelled', async () => {
    let asked = 0;
    const addresses = createScoringAddresses(config(), noCredential, async () => {
      asked += 1;
      return ['20.42.0.1'];
    });
    expect(await addresses.resolve('https://evil.net/')).toMatchObject({ kind: 'refused' });
    expect(asked).toBe(0);
  });

  it('of loopback is loopback, by this machine’s own resolver', async () => {
    const addresses = createScoringAddresses(config({ ALLOW_LOOPBACK_SCORING: 'true' }), noCredential);
    expect(await addresses.resolve('http://[::1]:9/x')).toEqual({ kind: 'resolved', address: '::1' });
    const named = await addresses.resolve('http://localhost:9/x');
    expect(named).toMatchObject({ kind: 'resolved', address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) });
  });

  it('can be no range that is not private', () => {
    expect(() =>
      createScoringAddresses(config({ ALLOWED_PRIVATE_RANGES: '169.254.0.0/16' }), noCredential),
    ).toThrow('ALLOWED_PRIVATE_RANGES');
  });
});

describe('the authorization of a target of the user’s own', () => {
  it('comes from a setting, from Entra or from nowhere', async () => {
    const addresses = createScoringAddresses(config(), noCredential);
    expect(await addresses.authorization({ kind: 'setting', name: 'SCORING_KEY_A' })).toBe('Bearer k1');
    expect(await addresses.authorization({ kind: 'none' })).toBeNull();
    expect(addresses.refuse(`https://${HOST}/score`)).toBeNull();
  });

  it.each([
    [`https://${HOST}/score`, 'https://ml.azure.com/.default'],
    ['https://a.models.ai.azure.com/chat/completions', 'https://ml.azure.com/.default'],
    ['https://a.services.ai.azure.com/models', 'https://cognitiveservices.azure.com/.default'],
    ['https://a.openai.azure.com/openai', 'https://cognitiveservices.azure.com/.default'],
  ])('for %s is a token with the audience %s', async (address, scope) => {
    const scopes: unknown[] = [];
    const addresses = createScoringAddresses(config(), {
      getToken: async (asked) => {
        scopes.push(asked);
        return { token: 't1', expiresOnTimestamp: 0 };
      },
    });
    expect(addresses.refuseAuth({ kind: 'entra' }, address)).toBeNull();
    expect(await addresses.authorization({ kind: 'entra' }, address)).toBe('Bearer t1');
    expect(scopes).toEqual([scope]);
  });

  it.each([
    'https://llm.example.com/',
    'https://inference.ml.azure.com.evil.net/',
    'http://127.0.0.1:9/',
    `http://${HOST}/`,
    '',
  ])('for %s is no token, whatever the settings allow', async (address) => {
    const settings = { SCORING_HOSTS: '.example.com,.evil.net', ALLOW_LOOPBACK_SCORING: 'true' };
    let asked = 0;
    const addresses = createScoringAddresses(config(settings), {
      getToken: async () => {
        asked += 1;
        return { token: 't1', expiresOnTimestamp: 0 };
      },
    });
    expect(addresses.refuseAuth({ kind: 'entra' }, address)).toContain('only sent to Azure');
    await expect(addresses.authorization({ kind: 'entra' }, address)).rejects.toThrow('only sent to Azure');
    expect(asked).toBe(0);
    expect(addresses.refuseAuth({ kind: 'none' }, address)).toBeNull();
  });

  it('says what is missing', async () => {
    const failing = createScoringAddresses(config(), noCredential);
    await expect(failing.authorization({ kind: 'setting', name: 'SCORING_KEY_B' })).rejects.toThrow(
      'SCORING_KEY_B is missing',
    );
    await expect(failing.authorization({ kind: 'setting', name: 'PATH' })).rejects.toThrow(
      'begin with SCORING_KEY_',
    );
    const error = await failing
      .authorization({ kind: 'entra' }, `https://${HOST}/score`)
      .catch((caught: unknown) => caught);
    expect(String(error)).toContain('No Entra token');
    expect(String(error)).not.toContain('secret-in-an-error');
  });
});
