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
import { readConfig } from '../../src/config.ts';
import { type Declaration, propertyOf, readBicep, type Value } from './bicep.ts';
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

describe('the storage account', () => {
  it('is reached by identities only, over TLS 1.2, and shows nothing to the public', () => {
    const properties = propertyOf(find('modules/storage.bicep', 'account').value, 'properties');
    expect(literalsOf(properties)).toMatchObject({
      allowSharedKeyAccess: false,
      allowBlobPublicAccess: false,
      minimumTlsVersion: 'TLS1_2',
      supportsHttpsTrafficOnly: true,
    });
  });
});

describe('the function app', () => {
  const app = find('modules/function-app.bicep', 'app').value;
  const settings = readSettings(app);

  it('runs on Flex Consumption with 4096 MB, a bounded number of instances and the Node version of the parameter', () => {
    expect(literalsOf(propertyOf(find('modules/function-app.bicep', 'plan').value, 'sku'))).toEqual({
      name: 'FC1',
      tier: 'FlexConsumption',
    });
    const scale = literalsOf(propertyOf(app, 'properties', 'functionAppConfig', 'scaleAndConcurrency'));
    expect(scale).toMatchObject({ instanceMemoryMB: 4096 });
    expect(scale.maximumInstanceCount).toSatisfy((count: number) => count >= 40 && count <= 1000);
    expect(literalsOf(find('main.bicep', 'nodeVersion'))).toEqual({ nodeVersion: '24' });
    expect(textOf(propertyOf(app, 'properties', 'functionAppConfig', 'runtime', 'version'))).toBe(
      'nodeVersion',
    );
    expect(literalsOf(propertyOf(app, 'properties'))).toMatchObject({ httpsOnly: true });
  });

  it('fetches its package by its identity', () => {
    const storage = propertyOf(app, 'properties', 'functionAppConfig', 'deployment', 'storage');
    expect(literalsOf(propertyOf(storage, 'authentication'))).toEqual({ type: 'UserAssignedIdentity' });
    expect(textOf(propertyOf(storage, 'authentication', 'userAssignedIdentityResourceId'))).toBe(
      'identityId',
    );
  });

  it('gets settings that the app accepts, with one workspace and no key', () => {
    const config = readConfig(Object.fromEntries(settings.map(({ name, value }) => [name, sampleOf(value)])));
    expect(config).toMatchObject({
      owner: SAMPLES.installationId,
      tables: { endpoint: 'https://example.table.core.windows.net', account: null },
      identityClientId: SAMPLES.identityClientId,
      workspaces: { default: { resourceGroup: 'rg-ml', workspace: 'ml' } },
    });
  });

  it('gets its host storage and its logs by identity, and its own page at the root', () => {
    const written = Object.fromEntries(settings.map(({ name, value }) => [name, sampleOf(value)]));
    expect(written).toMatchObject({
      AzureWebJobsStorage__blobServiceUri: SAMPLES.blobEndpoint,
      AzureWebJobsStorage__queueServiceUri: SAMPLES.queueEndpoint,
      AzureWebJobsStorage__tableServiceUri: SAMPLES.tableEndpoint,
      AzureWebJobsStorage__credential: 'managedidentity',
      AzureWebJobsStorage__clientId: SAMPLES.identityClientId,
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: `ClientId=${SAMPLES.identityClientId};Authorization=AAD`,
      AzureWebJobsDisableHomepage: 'true',
    });
    expect(
      literalsOf(propertyOf(find('modules/monitoring.bicep', 'insights').value, 'properties')),
    ).toMatchObject({
      DisableLocalAuth: true,
    });
  });

  it('gets no setting that neither the platform nor the app reads, and none that Flex Consumption refuses', () => {
    const documented = Object.keys((JSON.parse(read('local.settings.json.example')) as Example).Reasons);
    const ours = settings
      .map(({ name }) => name)
      .filter((name) => !/^(AzureWebJobsStorage__|APPLICATIONINSIGHTS_)/.test(name));
    expect(ours.filter((name) => !documented.includes(name))).toEqual([]);
    expect(settings.filter(({ name }) => /^(FUNCTIONS_|WEBSITE_|SCM_|ENABLE_ORYX)/.test(name))).toEqual([]);
    expect(settings.map(({ name }) => name)).not.toContain('AzureWebJobsStorage');
    expect(new Set(settings.map(({ name }) => name)).size).toBe(settings.length);
  });

  it('is the service that azure.yaml deploys', () => {
    const tag = /'azd-service-name': '(\w+)'/.exec(textOf(propertyOf(app, 'tags')))?.[1];
    const services = read('azure.yaml').split(/^services:$/m)[1] ?? '';
    expect([...services.matchAll(/^ {2}(\w+):$/gm)].map((match) => match[1])).toEqual([tag]);
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
    expect(required).toEqual(['environmentName', 'location', 'mlResourceGroup', 'mlWorkspaceName']);
    expect(required.filter((name) => parameters[name] === undefined)).toEqual([]);
  });

  it('gives the Node version that main.bicep has by default', () => {
    expect(parameters.nodeVersion?.value).toMatch(/^\$\{FOUNDRY_BENCH_NODE_VERSION=24\}$/);
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

function readSettings(app: Value | null): readonly { readonly name: string; readonly value: Value }[] {
  const list = propertyOf(app, 'properties', 'siteConfig', 'appSettings');
  if (list?.kind !== 'array') throw new Error('The app settings are not written out as a list.');
  return list.items.map((item) => {
    const name = propertyOf(item, 'name');
    const value = propertyOf(item, 'value');
    if (name?.kind !== 'literal' || value === null)
      throw new Error('A setting has no literal name or no value.');
    return { name: String(name.value), value };
  });
}

/** The setting's value with the samples put in for the params. */
function sampleOf(value: Value): string {
  if (value.kind === 'literal') return String(value.value);
  const text = textOf(value);
  if (text === 'string(workspaces)') return sampleWorkspaces();
  const quoted = text.startsWith("'") ? text.slice(1, -1) : `\${${text}}`;
  return quoted.replace(/\$\{(.*?)\}/g, (_, name: string) => {
    const sample = SAMPLES[name];
    if (sample === undefined) throw new Error(`This test has no sample of ${name}.`);
    return sample;
  });
}

/** What main.bicep passes as workspaces, its properties filled with samples. */
function sampleWorkspaces(): string {
  const passed = propertyOf(find('main.bicep', 'app').value, 'params', 'workspaces');
  if (passed?.kind !== 'object') throw new Error('main.bicep passes no object as workspaces.');
  const samples: Record<string, string> = {
    mlResourceGroup: 'rg-ml',
    mlWorkspaceName: 'ml',
    'empty(mlSubscriptionId) ? subscription().subscriptionId : mlSubscriptionId':
      '11111111-2222-4333-8444-666666666666',
  };
  const workspaces = [...passed.properties].map(([name, reference]) => {
    const address = find('main.bicep', textOf(reference)).value;
    if (address?.kind !== 'object') throw new Error(`The workspace ${name} is not an object.`);
    return [
      name,
      Object.fromEntries([...address.properties].map(([key, part]) => [key, samples[textOf(part)]])),
    ];
  });
  return JSON.stringify(Object.fromEntries(workspaces));
}

/** Whether a line of .funcignore means this entry of the root, for the patterns that the file uses. */
function matches(pattern: string, name: string): boolean {
  const expression = pattern.replace(/\/$/, '').replaceAll('.', '\\.').replaceAll('*', '.*');
  return new RegExp(`^${expression}$`).test(name);
}
