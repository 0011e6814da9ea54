import { describe, expect, it } from 'vitest';
import { createScoringAddresses, refuseAddress } from '../../src/azure/scoring-addresses.ts';
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

describe('the authorization of a target of the user’s own', () => {
  const config = readConfig({
    INSTALLATION_ID: 'a',
    TABLES_ENDPOINT: 'https://a.table.core.windows.net',
    SCORING_KEY_A: 'k1',
  });

  it('comes from a setting, from Entra or from nowhere', async () => {
    const scopes: unknown[] = [];
    const addresses = createScoringAddresses(config, {
      getToken: async (scope) => {
        scopes.push(scope);
        return { token: 't1', expiresOnTimestamp: 0 };
      },
    });
    expect(await addresses.authorization({ kind: 'setting', name: 'SCORING_KEY_A' })).toBe('Bearer k1');
    expect(await addresses.authorization({ kind: 'entra' })).toBe('Bearer t1');
    expect(scopes).toEqual(['https://ml.azure.com/.default']);
    expect(await addresses.authorization({ kind: 'none' })).toBeNull();
    expect(addresses.refuse(`https://${HOST}/score`)).toBeNull();
  });

  it('says what is missing', async () => {
    const failing = createScoringAddresses(config, {
      getToken: async () => {
        throw new Error('secret-in-an-error');
      },
    });
    await expect(failing.authorization({ kind: 'setting', name: 'SCORING_KEY_B' })).rejects.toThrow(
      'SCORING_KEY_B is missing',
    );
    await expect(failing.authorization({ kind: 'setting', name: 'PATH' })).rejects.toThrow(
      'begin with SCORING_KEY_',
    );
    const error = await failing.authorization({ kind: 'entra' }).catch((caught: unknown) => caught);
    expect(String(error)).toContain('No Entra token');
    expect(String(error)).not.toContain('secret-in-an-error');
  });
});
