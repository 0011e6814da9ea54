/** What `npm start -- --azure` takes from environment and file, and everything that it refuses to start without. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import {
  type AzureWishes,
  azureStartCommand,
  composeAzureSettings,
  refuseAzure,
} from '../../src/local/azure-settings.ts';
import { readArguments } from '../../src/local/start.ts';
import { composeAzureBanner } from '../../src/local/start-banner.ts';

const ADDRESSES = { tablesPort: 7, installationId: 'local-0123456789ab' };
const WORKSPACE = {
  AZURE_SUBSCRIPTION_ID: '11111111-2222-3333-4444-555555555555',
  AZURE_RESOURCE_GROUP: 'group',
  AZURE_ML_WORKSPACE: 'lab',
};
/** As whoever copied the example for Core Tools has it. */
const { Values: EXAMPLE } = JSON.parse(
  readFileSync(new URL('../../local.settings.json.example', import.meta.url), 'utf8'),
) as { Values: Record<string, string> };

const refuse = (wishes: Partial<AzureWishes>) =>
  refuseAzure({ env: {}, file: {}, willReap: false, ...wishes });

describe('starting against Azure', () => {
  it.each([
    ['the environment', { env: WORKSPACE }],
    ['local.settings.json', { file: WORKSPACE }],
    ['both, beside what the example has', { env: WORKSPACE, file: EXAMPLE }],
    [
      'WORKSPACES',
      {
        env: {
          WORKSPACES: JSON.stringify({
            gpu: { subscriptionId: WORKSPACE.AZURE_SUBSCRIPTION_ID, resourceGroup: 'g', workspace: 'ws' },
          }),
        },
      },
    ],
  ])('works with a workspace from %s, and a user who will reap', (_, wishes) => {
    expect(refuse({ ...wishes, willReap: true })).toBeNull();
  });

  it.each([
    ['a user who will reap', WORKSPACE],
    ['a watchdog', { ...WORKSPACE, WATCHDOG_APP: 'func-watchdog-abc', INSTALLATION_ID: 'bench-abc' }],
  ])('works again, with %s, by the command that is told when it stops', (_, env) => {
    const args = readArguments(azureStartCommand(env).split(' ').slice(3));
    expect(args).toMatchObject({ azure: true });
    expect(refuse({ env, willReap: typeof args === 'object' && args.willReap })).toBeNull();
  });

  it('works with a watchdog of the same owner tag in the place of that user', () => {
    const watchdog = { WATCHDOG_APP: 'func-watchdog-abc', INSTALLATION_ID: 'bench-abc' };
    expect(refuse({ env: { ...WORKSPACE, ...watchdog } })).toBeNull();
  });

  it.each([
    [
      'nothing at all',
      {},
      ['AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE', 'WATCHDOG_APP'],
    ],
    ['the example alone', { file: EXAMPLE }, ['No workspace is named', '--i-will-reap']],
    [
      'half a workspace',
      { env: { AZURE_SUBSCRIPTION_ID: WORKSPACE.AZURE_SUBSCRIPTION_ID } },
      ['set AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE (or WORKSPACES)', 'WATCHDOG_APP'],
    ],
    [
      'the other half',
      { env: { AZURE_ML_WORKSPACE: 'lab' } },
      ['AZURE_ML_WORKSPACE needs AZURE_SUBSCRIPTION_ID', 'WATCHDOG_APP'],
    ],
    [
      'a subscription of zeros',
      { env: { ...WORKSPACE, AZURE_SUBSCRIPTION_ID: '00000000-0000-0000-0000-000000000000' } },
      ['"default" is in the subscription of zeros', 'WATCHDOG_APP'],
    ],
    [
      'a watchdog whose owner tag is not known',
      { env: { ...WORKSPACE, WATCHDOG_APP: 'func-watchdog', INSTALLATION_ID: 'local' } },
      ['INSTALLATION_ID is missing'],
    ],
    [
      'a watchdog that is no app, and settings that are wrong',
      { env: { ...WORKSPACE, WATCHDOG_APP: 'a b', INSTALLATION_ID: 'x', POLL_SECONDS: 'often' } },
      ['WATCHDOG_APP must be', 'POLL_SECONDS must be'],
    ],
  ])('with %s is refused in one sentence', (_, wishes, told) => {
    const refusal = refuse(wishes);
    for (const words of told) expect(refusal).toContain(words);
  });
});

describe('the settings of the app against Azure', () => {
  it('are real, whatever the example and the shell have of the simulator; the tables stay local', () => {
    const simulated = { SIMULATOR_GPU_SPEED: '20', WORKSPACES: EXAMPLE.WORKSPACES, INSTALLATION_ID: 'local' };
    const env = { ...simulated, ...WORKSPACE, TABLES_ENDPOINT: 'https://x.table.core.windows.net' };
    const config = readConfig({ ...env, ...composeAzureSettings({ env, file: EXAMPLE }, ADDRESSES) });
    expect(config).toMatchObject({
      owner: ADDRESSES.installationId,
      workspaces: { default: { resourceGroup: 'group', workspace: 'lab' } },
      armEndpoint: 'https://management.azure.com',
      pricesEndpoint: 'https://prices.azure.com',
      registryEndpoint: 'https://eastus.api.azureml.ms',
      simulatorGpuSpeed: null,
      defaultSchedule: null,
      allowLoopbackScoring: false,
      tables: { endpoint: 'http://127.0.0.1:7/devstoreaccount1', account: { name: 'devstoreaccount1' } },
    });
    expect(Object.keys(config.workspaces)).toEqual(['default']);
  });

  it('are those of the environment before those of the file, the owner tag among them', () => {
    const file = { INSTALLATION_ID: 'of-file', ARM_ENDPOINT: 'https://management.usgovcloudapi.net' };
    const settings = composeAzureSettings({ env: { INSTALLATION_ID: 'of-env' }, file }, ADDRESSES);
    expect(settings).toMatchObject({ INSTALLATION_ID: 'of-env', ARM_ENDPOINT: file.ARM_ENDPOINT });
  });
});

describe('the banner against Azure', () => {
  const up = { baseUrl: 'http://127.0.0.1:7071', statePath: '/s', hasKey: false };
  const banner = (env: Record<string, string>) =>
    composeAzureBanner(up, composeAzureSettings({ env: { ...WORKSPACE, ...env }, file: {} }, ADDRESSES)).join(
      '\n',
    );

  it('says what costs money, where, and that the safeguards stop with the laptop', () => {
    const text = banner({});
    expect(text).toContain('rented and billed');
    expect(text).toContain('default: 11111111-2222-3333-4444-555555555555/group/lab');
    expect(text).toContain(ADDRESSES.installationId);
    expect(text).toContain('Safeguards stop with this laptop');
    expect(text).toContain('reap --all --wait');
    expect(text).not.toMatch(/simulat/i);
  });

  it('names the watchdog where there is one', () => {
    const text = banner({ WATCHDOG_APP: 'func-watchdog-abc', INSTALLATION_ID: 'bench' });
    expect(text).toContain('The watchdog app func-watchdog-abc deletes');
    expect(text).not.toContain('No watchdog');
  });
});
