/**
 * What can be said of infra/ without Azure and without the Bicep compiler: that the files hold together (names,
 * modules, params, outputs), that every resource fits Azure's published type of it, that the app gets the settings it
 * cannot start without, and that no key or needless role slips in.
 *
 * What this cannot show: that `bicep build` accepts the files (expressions, functions and the types of params are not
 * evaluated), that Azure accepts the deployment (policies, quota, regions, names taken, values that the platform
 * checks itself), that the roles suffice, or that the deployed app starts. Only `azd up` shows that.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig, readRole, readWatchdogConfig } from '../../src/config.ts';
import { type Declaration, propertyOf, readBicep, readBicepValue, type Value } from './bicep.ts';
import { findFaults, readTemplate, readTypes } from './template.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

const types = readTypes();
const template = readTemplate();

describe('the template', () => {
  it('holds together and fits what Azure publishes', () => {
    expect([...template.keys()]).toContain('infra/main.bicep');
    expect(findFaults(template, types)).toEqual([]);
  });

  it('declares the types that are at hand, and no other types are kept', () => {
    const declared = [...template.values()]
      .flatMap((text) => readBicep(text))
      .filter(({ keyword }) => keyword === 'resource')
      .map(({ type }) => type);
    expect(Object.keys(types).filter((type) => !declared.includes(type))).toEqual([]);
  });
});

describe('the storage accounts of the apps', () => {
  it('are reached by identities only, over TLS 1.2, and show nothing to the public', () => {
    const properties = propertyOf(find('modules/storage.bicep', 'account').value, 'properties');
    expect(literalsOf(properties)).toMatchObject({
      allowSharedKeyAccess: false,
      allowBlobPublicAccess: false,
      minimumTlsVersion: 'TLS1_2',
      supportsHttpsTrafficOnly: true,
    });
  });

  it('give the watchdog no right to a table or a queue', () => {
    const roles = (name: string) => textsIn(find('modules/storage.bicep', name).value);
    expect(roles('hostRoles')).toContain('b7e6dc6d-f1e8-4753-8033-0f276bb0955b');
    expect(roles('hostRoles').join()).not.toMatch(/974c5e8b|0a9a7e1f/);
    expect(textOf(find('modules/storage.bicep', 'appRoles').value)).toBe(
      'keepsTables ? concat(hostRoles, tableRoles) : hostRoles',
    );
    expect(literalsOf(paramsOf('watchdogStorage'))).toMatchObject({ keepsTables: false });
  });
});

describe('the function apps', () => {
  const app = find('modules/function-app.bicep', 'app').value;

  it('run on Flex Consumption in a plan of their own, with a bounded number of instances and the Node version of the parameter', () => {
    expect(literalsOf(propertyOf(find('modules/function-app.bicep', 'plan').value, 'sku'))).toEqual({
      name: 'FC1',
      tier: 'FlexConsumption',
    });
    const scale = literalsOf(propertyOf(app, 'properties', 'functionAppConfig', 'scaleAndConcurrency'));
    expect(scale.maximumInstanceCount).toSatisfy((count: number) => count >= 40 && count <= 1000);
    expect(literalsOf(paramsOf('app'))).toMatchObject({ instanceMemoryMB: 4096 });
    expect(literalsOf(find('main.bicep', 'nodeVersion'))).toEqual({ nodeVersion: '24' });
    expect(textOf(propertyOf(app, 'properties', 'functionAppConfig', 'runtime', 'version'))).toBe(
      'nodeVersion',
    );
    expect(literalsOf(propertyOf(app, 'properties'))).toMatchObject({ httpsOnly: true });
  });

  it('fetch their package by their identity', () => {
    const storage = propertyOf(app, 'properties', 'functionAppConfig', 'deployment', 'storage');
    expect(literalsOf(propertyOf(storage, 'authentication'))).toEqual({ type: 'UserAssignedIdentity' });
    expect(textOf(propertyOf(storage, 'authentication', 'userAssignedIdentityResourceId'))).toBe(
      'identityId',
    );
  });

  it('share neither identity nor storage, so that one goes on without the other', () => {
    const references = (module: string) =>
      ['identityId', 'identityClientId', 'blobEndpoint', 'packageContainerName'].map((name) =>
        textOf(propertyOf(paramsOf(module), name)),
      );
    expect(references('app').every((text) => /^app(Identity|Storage)\./.test(text))).toBe(true);
    expect(references('watchdog').every((text) => /^watchdog(Identity|Storage)\./.test(text))).toBe(true);
    expect(find('main.bicep', 'watchdog').condition).toBeNull();
    expect(literalsOf(paramsOf('watchdog'))).toMatchObject({ subnetId: '' });
  });

  it('get settings that the app accepts, with one workspace and no key', () => {
    const settings = sampleSettings('app');
    expect(readRole(settings)).toBe('app');
    expect(readConfig(settings)).toMatchObject({
      owner: SAMPLES.installationId,
      tables: { endpoint: 'https://example.table.core.windows.net', account: null },
      identityClientId: SAMPLES.identityClientId,
      workspaces: { default: { resourceGroup: 'rg-ml', workspace: 'ml' } },
    });
  });

  it('get settings that the watchdog accepts: the same installation, the same workspaces, and no table', () => {
    const settings = sampleSettings('watchdog');
    expect(readRole(settings)).toBe('watchdog');
    expect(readWatchdogConfig(settings)).toMatchObject({
      owner: SAMPLES.installationId,
      workspaces: readConfig(sampleSettings('app')).workspaces,
      armEndpoint: 'https://management.azure.com',
      identityClientId: SAMPLES.identityClientId,
    });
    expect(Object.keys(settings).filter((name) => /TABLE|QUEUE/i.test(name))).toEqual([]);
  });

  it('get their host storage and their logs by identity, and the app its own page at the root', () => {
    const host = {
      AzureWebJobsStorage__blobServiceUri: SAMPLES.blobEndpoint,
      AzureWebJobsStorage__credential: 'managedidentity',
      AzureWebJobsStorage__clientId: SAMPLES.identityClientId,
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: `ClientId=${SAMPLES.identityClientId};Authorization=AAD`,
    };
    expect(sampleSettings('watchdog')).toMatchObject(host);
    expect(sampleSettings('app')).toMatchObject({
      ...host,
      AzureWebJobsStorage__queueServiceUri: SAMPLES.queueEndpoint,
      AzureWebJobsStorage__tableServiceUri: SAMPLES.tableEndpoint,
      AzureWebJobsDisableHomepage: 'true',
    });
    expect(
      literalsOf(propertyOf(find('modules/monitoring.bicep', 'insights').value, 'properties')),
    ).toMatchObject({
      DisableLocalAuth: true,
    });
  });

  it.each(['app', 'watchdog'])(
    'give the %s no setting that nobody reads, and none that Flex Consumption refuses',
    (module) => {
      const documented = Object.keys((JSON.parse(read('local.settings.json.example')) as Example).Reasons);
      const names = settingsOf(module).map(({ name }) => name);
      const ours = names.filter((name) => !/^(AzureWebJobsStorage__|APPLICATIONINSIGHTS_)/.test(name));
      expect(ours.filter((name) => !documented.includes(name))).toEqual([]);
      expect(names.filter((name) => /^(FUNCTIONS_|WEBSITE_|SCM_|ENABLE_ORYX)/.test(name))).toEqual([]);
      expect(names).not.toContain('AzureWebJobsStorage');
      expect(new Set(names).size).toBe(names.length);
    },
  );

  it('are the services that azure.yaml deploys', () => {
    const services =
      read('azure.yaml')
        .split(/^services:$/m)[1]
        ?.split(/^\w/m)[0] ?? '';
    const names = [...services.matchAll(/^ {2}(\w+):$/gm)].map((match) => match[1]);
    expect(names).toEqual(['app', 'watchdog']);
    expect(names.map((name) => literalsOf(paramsOf(name ?? '')).serviceName)).toEqual(names);
    expect(textOf(propertyOf(app, 'tags'))).toContain("'azd-service-name': serviceName");
  });
});

describe('what the app may do', () => {
  it('is the same role for app and watchdog on a workspace, its metrics for the app, and no more than reading quota elsewhere', () => {
    expect(textsIn(find('modules/workspace-access.bicep', 'scientistRoleId').value)).toEqual([
      'f6c7c914-8db3-469d-8ca1-694a8f32e121',
    ]);
    expect(Object.fromEntries(rolesByModule())).toEqual({
      'durable-task-scheduler': ['Durable Task Data Contributor'],
      monitoring: ['Monitoring Metrics Publisher'],
      'quota-access': ['Reader'],
      registry: ['AzureML Registry User'],
      secrets: ['Key Vault Secrets User', 'Key Vault Secrets Officer'],
      storage: [
        'Storage Blob Data Owner',
        'Storage Queue Data Contributor',
        'Storage Table Data Contributor',
        'Storage Table Data Reader',
      ],
      'workspace-access': ['AzureML Data Scientist', 'Monitoring Reader'],
    });
  });
});

describe('what is on and what is off', () => {
  const defaults = Object.fromEntries(
    readBicep(template.get('infra/main.bicep') ?? '').flatMap(({ keyword, name, value }) =>
      keyword === 'param' && value?.kind === 'literal' ? [[name, value.value]] : [],
    ),
  );

  it('warns by a budget, and asks for nothing else that costs money or takes rights', () => {
    expect(defaults).toMatchObject({
      budgetUsdPerMonth: '500',
      quotaReader: 'on',
      modelRegistryLocations: '',
      durableBackend: 'storage',
      signInClientId: '',
      privateNetwork: 'off',
      secretSettings: '',
    });
    const conditions = [
      'budget',
      'registry',
      'scheduler',
      'signIn',
      'network',
      'workspaceEndpoint',
      'secrets',
    ];
    for (const name of conditions) expect(find('main.bicep', name).condition, name).not.toBeNull();
  });

  it('leads every optional thing back to a param', () => {
    const texts = ['registry', 'scheduler', 'signIn', 'network', 'secrets'].map((name) =>
      textOf(find('main.bicep', name).condition),
    );
    expect(texts).toEqual([
      '!empty(modelRegistryLocations)',
      "durableBackend == 'scheduler'",
      '!empty(signInClientId)',
      'isPrivate',
      '!empty(secretNames)',
    ]);
  });

  it('keeps secrets in a vault and only refers to them, so that a new provisioning loses none', () => {
    const reference = find('modules/secrets.bicep', 'settings').value;
    expect(reference?.kind === 'loop' && textOf(propertyOf(reference.body, 'value'))).toMatch(
      /^'@Microsoft\.KeyVault\(VaultName=\$\{name\};SecretName=/,
    );
    expect(
      textOf(
        propertyOf(
          find('modules/function-app.bicep', 'app').value,
          'properties',
          'keyVaultReferenceIdentity',
        ),
      ),
    ).toBe('identityId');
  });

  it('overrules host.json by settings that name what is there', () => {
    const { extensions } = JSON.parse(read('host.json')) as { extensions: { durableTask: object } };
    const names = textsIn(find('modules/durable-task-scheduler.bicep', 'settings').value).filter((text) =>
      text.startsWith('AzureFunctionsJobHost__'),
    );
    expect(names).toHaveLength(3);
    for (const name of names) {
      const [, section, extension, key] = name.split('__');
      expect([section, extension]).toEqual(['extensions', 'durableTask']);
      expect(Object.keys(extensions.durableTask)).toContain(key);
    }
  });
});

describe('main.bicep and what azd gives it', () => {
  const main = readBicep(template.get('infra/main.bicep') ?? '');
  const params = main.filter(({ keyword }) => keyword === 'param');
  const { parameters } = JSON.parse(read('infra/main.parameters.json')) as {
    parameters: Record<string, { value: string }>;
  };

  it('names in main.parameters.json only params that there are, and every one that has no default', () => {
    const names = params.map(({ name }) => name);
    expect(Object.keys(parameters).filter((name) => !names.includes(name))).toEqual([]);
    const required = params.filter(({ value }) => value === null).map(({ name }) => name);
    expect(required).toEqual(['environmentName', 'location']);
    expect(required.filter((name) => parameters[name] === undefined)).toEqual([]);
  });

  it('lets every param be set by azd env set, with the default that main.bicep has', () => {
    const settable = params.map(({ name }) => name).filter((name) => name !== 'thisMonth');
    expect(Object.keys(parameters)).toEqual(settable);
    for (const { name, value } of params.filter((param) => settable.includes(param.name))) {
      const [, variable, otherwise = ''] =
        /^\$\{([A-Z][A-Z0-9_]*)(?:=(.*))?\}$/.exec(parameters[name]?.value ?? '') ?? [];
      expect(variable, name).toMatch(/^(AZURE|FOUNDRY_BENCH)_/);
      expect(otherwise, name).toBe(value?.kind === 'literal' ? value.value : '');
    }
  });

  it('gives nothing back that nobody uses', () => {
    const outputs = main.filter(({ keyword }) => keyword === 'output').map(({ name }) => name);
    const users = [
      read('infra/scripts/predown.mjs'),
      read('infra/main.parameters.json'),
      read('docs/azure.md'),
    ].join('\n');
    expect(outputs.filter((name) => !users.includes(name))).toEqual([]);
  });

  it('is described on the page about Azure, option by option', () => {
    const page = read('docs/azure.md');
    const variables = Object.values(parameters).map(({ value }) => /[A-Z][A-Z0-9_]+/.exec(value)?.[0] ?? '');
    expect(variables.filter((variable) => !page.includes(variable))).toEqual([]);
  });

  it('gives back names in UPPER_SNAKE, which azd keeps as settings of the environment', () => {
    const outputs = main.filter(({ keyword }) => keyword === 'output').map(({ name }) => name);
    expect(outputs.length).toBeGreaterThan(0);
    expect(outputs.filter((name) => !/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(name))).toEqual([]);
  });
});

describe('the package', () => {
  const patterns = read('.funcignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  it.each([
    'src',
    'bin',
    'host.json',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    '.npmrc',
  ])('holds %s, without which Azure cannot build or start the app', (name) => {
    expect(patterns.filter((pattern) => matches(pattern, name))).toEqual([]);
  });

  it.each(['node_modules', 'dist', 'local.settings.json', '.local', 'tests', '.git', '.azure'])(
    'leaves %s at home',
    (name) => {
      expect(patterns.some((pattern) => matches(pattern, name))).toBe(true);
    },
  );
});

interface Example {
  readonly Reasons: Readonly<Record<string, string>>;
}

/** What the params of function-app.bicep may hold, in Azure's forms. */
const SAMPLES: Readonly<Record<string, string>> = {
  blobEndpoint: 'https://example.blob.core.windows.net/',
  queueEndpoint: 'https://example.queue.core.windows.net/',
  tableEndpoint: 'https://example.table.core.windows.net/',
  identityClientId: '11111111-2222-4333-8444-555555555555',
  insightsConnectionString: 'InstrumentationKey=11111111-2222-4333-8444-555555555555',
  installationId: 'abcdefghijklm',
};

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

function find(file: string, name: string): Declaration {
  const found = readBicep(template.get(`infra/${file}`) ?? '').find(
    (declaration) => declaration.name === name,
  );
  if (found === undefined) throw new Error(`infra/${file} declares no ${name}.`);
  return found;
}

/** The properties of an object, or a declaration by its name, that are written out as literals. */
function literalsOf(value: Value | Declaration | null): Record<string, unknown> {
  if (value !== null && 'keyword' in value)
    return value.value?.kind === 'literal' ? { [value.name]: value.value.value } : {};
  const entries = value?.kind === 'object' ? [...value.properties] : [];
  return Object.fromEntries(
    entries.flatMap(([name, part]) => (part.kind === 'literal' ? [[name, part.value]] : [])),
  );
}

function textOf(value: Value | null): string {
  return value?.kind === 'expression' ? value.text : '';
}

function paramsOf(module: string): Value | null {
  return propertyOf(find('main.bicep', module).value, 'params');
}

interface Setting {
  readonly name: string;
  readonly value: Value;
}

/** The settings that every deployment of a function app gets: the host's, and those that main.bicep writes out for it. */
function settingsOf(module: string): readonly Setting[] {
  const passed = propertyOf(paramsOf(module), 'settings');
  // What is concatenated behind the first list is there only where an option asks for it.
  const own = passed?.kind === 'expression' ? readBicepValue(passed.text.replace(/^concat\(/, '')) : passed;
  return [...readSettings(find('modules/function-app.bicep', 'hostSettings').value), ...readSettings(own)];
}

function sampleSettings(module: string): Record<string, string> {
  return Object.fromEntries(settingsOf(module).map(({ name, value }) => [name, sampleOf(value)]));
}

function readSettings(list: Value | null): readonly Setting[] {
  if (list?.kind !== 'array') throw new Error('The settings are not written out as a list.');
  return list.items.map((item) => {
    const name = propertyOf(item, 'name');
    const value = propertyOf(item, 'value');
    if (name?.kind !== 'literal' || value === null)
      throw new Error('A setting has no literal name or no value.');
    return { name: String(name.value), value };
  });
}

/** Every literal string within a value. */
function textsIn(value: Value | null): readonly string[] {
  switch (value?.kind) {
    case 'literal':
      return [String(value.value)];
    case 'object':
      return [...value.properties.values()].flatMap(textsIn);
    case 'array':
      return value.items.flatMap(textsIn);
    default:
      return [];
  }
}

/** The roles that each module gives, by the names that stand before their ids. */
function rolesByModule(): readonly (readonly [string, readonly string[]])[] {
  return [...template].flatMap(([file, text]) => {
    const roles = [...text.matchAll(/\/\/ (.+)\n.*'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'/g)].map(
      (match) => match[1] ?? '',
    );
    return roles.length === 0 ? [] : [[path.basename(file, '.bicep'), roles] as const];
  });
}

/** The setting's value with the samples put in for params, and for outputs by their last name. */
function sampleOf(value: Value): string {
  if (value.kind === 'literal') return String(value.value);
  const text = textOf(value);
  if (text === 'string(workspaces)') return sampleWorkspaces();
  const quoted = text.startsWith("'") ? text.slice(1, -1) : `\${${text}}`;
  return quoted.replace(/\$\{(.*?)\}/g, (_, reference: string) => {
    const name = reference.split('.').at(-1) ?? '';
    const sample = SAMPLES[name];
    if (sample === undefined) throw new Error(`This test has no sample of ${name}.`);
    return sample;
  });
}

/** The setting WORKSPACES where no other workspace is named, its address filled with samples. */
function sampleWorkspaces(): string {
  expect(textOf(find('main.bicep', 'workspaces').value)).toMatch(/^union\(\{ default: workspace \},/);
  const address = find('main.bicep', 'workspace').value;
  const names = address?.kind === 'object' ? [...address.properties.keys()] : [];
  const samples: Record<string, string> = {
    subscriptionId: '11111111-2222-4333-8444-666666666666',
    resourceGroup: 'rg-ml',
    workspace: 'ml',
  };
  return JSON.stringify({ default: Object.fromEntries(names.map((name) => [name, samples[name]])) });
}

/** Whether a line of .funcignore means this entry of the root, for the patterns that the file uses. */
function matches(pattern: string, name: string): boolean {
  const expression = pattern.replace(/\/$/, '').replaceAll('.', '\\.').replaceAll('*', '.*');
  return new RegExp(`^${expression}$`).test(name);
}
