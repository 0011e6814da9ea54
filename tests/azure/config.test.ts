import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AZURE_SCORING_HOSTS, ConfigError, readConfig } from '../../src/config.ts';

const GUID = '11111111-2222-3333-4444-555555555555';
const azure = { INSTALLATION_ID: 'prod-1', TABLES_ENDPOINT: 'https://acc.table.core.windows.net/' };

describe('readConfig', () => {
  it('fills in every default', () => {
    const { readSecret, readWebhookSecret, ...config } = readConfig(azure);
    expect(readSecret).toBeTypeOf('function');
    expect(readWebhookSecret).toBeTypeOf('function');
    expect(config).toEqual({
      owner: 'prod-1',
      workspaces: {},
      tables: { endpoint: 'https://acc.table.core.windows.net', account: null },
      armEndpoint: 'https://management.azure.com',
      pricesEndpoint: 'https://prices.azure.com',
      registryEndpoint: 'https://eastus.api.azureml.ms',
      maxConnectionsPerInstance: 512,
      pollSeconds: 10,
      reapSchedule: '0 */5 * * * *',
      scoringHosts: AZURE_SCORING_HOSTS,
      allowLoopbackScoring: false,
      allowedPrivateRanges: [],
      webhookHosts: [],
      allowLoopbackWebhooks: false,
      defaultSchedule: null,
      ceilings: { maxUsdPerRun: 500, maxUsdPerDay: 1_000, maxGpusAlive: 32 },
      region: null,
      scalesOut: false,
      simulatorGpuSpeed: null,
      identityClientId: null,
    });
  });

  it('reads the example, and the example has every setting with its reason', () => {
    const example = JSON.parse(
      readFileSync(new URL('../../local.settings.json.example', import.meta.url), 'utf8'),
    );
    expect(
      Object.keys(example.Reasons)
        .filter((name) => name !== '')
        .sort(),
    ).toEqual(Object.keys(example.Values).sort());
    const source = readFileSync(new URL('../../src/config.ts', import.meta.url), 'utf8');
    const read = [...source.matchAll(/(?:text|whole|flag|address)\('([A-Z_]+)'/g)].map((match) => match[1]);
    expect(read.length).toBeGreaterThan(15);
    expect(Object.keys(example.Values)).toEqual(expect.arrayContaining(read));
    expect(readConfig(example.Values).workspaces.default?.workspace).toBe('local');
  });

  it('looks registries up where ARM is, if that is the simulator and nothing else is set', () => {
    const local = { ...azure, ARM_ENDPOINT: 'http://127.0.0.1:7072' };
    expect(readConfig(local).registryEndpoint).toBe('http://127.0.0.1:7072');
    expect(readConfig({ ...local, REGISTRY_ENDPOINT: 'http://127.0.0.1:9/' }).registryEndpoint).toBe(
      'http://127.0.0.1:9',
    );
    expect(readConfig({ ...azure, ARM_ENDPOINT: 'https://management.azure.com' }).registryEndpoint).toBe(
      'https://eastus.api.azureml.ms',
    );
    expect(() => readConfig({ ...azure, REGISTRY_ENDPOINT: 'http://example.com' })).toThrow(
      /REGISTRY_ENDPOINT must be/,
    );
  });

  it('takes the short form of the default workspace beside the others', () => {
    const other = { subscriptionId: GUID, resourceGroup: 'rg', workspace: 'ws-2' };
    const config = readConfig({
      ...azure,
      WORKSPACES: JSON.stringify({ other }),
      AZURE_SUBSCRIPTION_ID: GUID,
      AZURE_RESOURCE_GROUP: 'rg',
      AZURE_ML_WORKSPACE: 'ws-1',
    });
    expect(config.workspaces).toEqual({
      other,
      default: { subscriptionId: GUID, resourceGroup: 'rg', workspace: 'ws-1' },
    });
  });

  it('ignores a subscription that other tools have set', () => {
    expect(readConfig({ ...azure, AZURE_SUBSCRIPTION_ID: GUID }).workspaces).toEqual({});
  });

  it('names every fault at once', () => {
    const faulty = {
      INSTALLATION_ID: 'no spaces',
      TABLES_ENDPOINT: 'http://tables.example.com',
      ARM_ENDPOINT: 'https://user:pw@management.azure.com',
      PRICES_ENDPOINT: 'nonsense',
      MAX_CONNECTIONS_PER_INSTANCE: '0',
      POLL_SECONDS: '1.5',
      REAP_SCHEDULE: 'every five minutes',
      SCORING_HOSTS: 'llm.example.com, .com, 10.0.0.1, *',
      ALLOW_LOOPBACK_SCORING: 'yes',
      SIMULATOR_GPU_SPEED: 'fast',
      AZURE_CLIENT_ID: 'me',
      WORKSPACES: '{"default":{"subscriptionId":"x","resourceGroup":"rg"}}',
      AZURE_ML_WORKSPACE: 'ws',
    };
    const error = catchError(() => readConfig(faulty));
    expect(error).toBeInstanceOf(ConfigError);
    for (const name of Object.keys(faulty)) expect(error.message).toContain(name);
    for (const host of ['".com"', '"10.0.0.1"', '"*"']) expect(error.message).toContain(host);
    expect(error.message).not.toContain('"llm.example.com, ');
    expect((error as ConfigError).faults.length).toBeGreaterThanOrEqual(15);
  });

  it.each(['http://arm.example.com', 'http://127.0.0.1.example.com', 'ftp://127.0.0.1', 'https://arm/?x=1'])(
    'refuses the address %s',
    (address) => {
      expect(() => readConfig({ ...azure, ARM_ENDPOINT: address })).toThrow(
        /ARM_ENDPOINT must be an https address/,
      );
    },
  );

  it.each([
    ['a key on https', { ...azure, TABLES_ACCOUNT_NAME: 'a', TABLES_ACCOUNT_KEY: 'c2VjcmV0' }],
    ['http without a key', { ...azure, TABLES_ENDPOINT: 'http://127.0.0.1:10002/a' }],
    ['a name without a key', { ...azure, TABLES_ACCOUNT_NAME: 'a' }],
  ])('refuses %s without repeating it', (_name, env) => {
    const { message } = catchError(() => readConfig(env));
    expect(message).toContain('TABLES_ACCOUNT_KEY');
    expect(message).not.toContain('c2VjcmV0');
  });
});

describe('the ceilings and the private ranges', () => {
  it('have defaults, and are read', () => {
    expect(readConfig(azure)).toMatchObject({
      ceilings: { maxUsdPerRun: 500, maxUsdPerDay: 1_000, maxGpusAlive: 32 },
      allowedPrivateRanges: [],
    });
    const env = {
      ...azure,
      MAX_USD_PER_RUN: '5',
      MAX_USD_PER_DAY: '50',
      MAX_GPUS_ALIVE: '8',
      ALLOWED_PRIVATE_RANGES: '10.0.0.0/8, fc00::/7,',
    };
    expect(readConfig(env)).toMatchObject({
      ceilings: { maxUsdPerRun: 5, maxUsdPerDay: 50, maxGpusAlive: 8 },
      allowedPrivateRanges: ['10.0.0.0/8', 'fc00::/7'],
    });
  });

  it.each(['MAX_USD_PER_RUN', 'MAX_USD_PER_DAY', 'MAX_GPUS_ALIVE'])('%s is a whole number', (name) => {
    for (const value of ['0', '-1', '1.5', 'many'])
      expect(() => readConfig({ ...azure, [name]: value })).toThrow(name);
  });
});

describe('readSecret', () => {
  const { readSecret } = readConfig({
    ...azure,
    SCORING_KEY_PROD: ' abc123== ',
    SCORING_KEY_BROKEN: 'abc\nx-evil: 1',
    AzureWebJobsStorage: 'secret',
    TABLES_ACCOUNT_KEY: '',
    MY_KEY: 'mine',
  });

  it('gives the value of a setting made for it', () => {
    expect(readSecret('SCORING_KEY_PROD')).toBe('abc123==');
  });

  it.each([
    'AzureWebJobsStorage',
    'TABLES_ACCOUNT_KEY',
    'PATH',
    'MY_KEY',
    'scoring_key_prod',
    'SCORING_KEY_',
    '__proto__',
  ])('refuses to give out %s', (name) => {
    expect(() => readSecret(name)).toThrow(/begin with SCORING_KEY_/);
  });

  it('says what is missing, and never repeats what is there', () => {
    expect(() => readSecret('SCORING_KEY_NONE')).toThrow('The setting SCORING_KEY_NONE is missing');
    expect(catchError(() => readSecret('SCORING_KEY_BROKEN')).message).not.toContain('abc');
  });
});

function catchError(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('Nothing was thrown.');
}
