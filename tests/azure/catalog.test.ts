import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCatalog } from '../../src/azure/catalog.ts';
import { modelFaults } from '../../src/core/renting/catalog.ts';
import { CatalogError } from '../../src/services.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { type JsonServer, numberedTokens, openJsonServer } from './json-server.ts';

const PLACE =
  '/mferp/managementfrontend/subscriptions/sub%201/resourceGroups/rg/providers/Microsoft.MachineLearningServices/registries/AzureML';
const API = '?api-version=2021-10-01-dataplanepreview';

let server: JsonServer;
let now = 0;
/** What the fake registry answers, by path; a missing path is 404. */
let pages: Record<string, unknown>;

beforeEach(async () => {
  now = 1_000_000;
  server = await openJsonServer((url, response) => {
    const found = pages[`${url.pathname}${decodeURIComponent(url.search)}`] ?? pages[url.pathname];
    if (found === undefined) return void response.writeHead(404).end('{"error":{"code":"NotFound"}}');
    return found;
  });
  pages = {
    '/registrymanagement/v1.0/registries/azureml/discovery': aDiscovery(),
    [`${PLACE}/models/Phi-4`]: { name: 'Phi-4', properties: { latestVersion: '8' } },
    [`${PLACE}/models/Phi-4/versions/7`]: aVersion('7'),
    [`${PLACE}/models/Phi-4/versions/8`]: aVersion('8'),
  };
});
afterEach(() => server.close());

function aDiscovery(fields: Record<string, unknown> = {}) {
  return {
    registryName: 'AzureML',
    primaryRegionResourceProviderUri: `${server?.origin ?? ''}/`,
    subscriptionId: 'sub 1',
    resourceGroup: 'rg',
    ...fields,
  };
}

function aVersion(version: string) {
  return {
    name: version,
    properties: {
      isArchived: false,
      tags: { task: 'chat-completion', inference_compute_allow_list: "['Standard_NC24ads_A100_v4']" },
      properties: { 'inference-min-sku-spec': '24|1|220|64' },
    },
  };
}

const openCatalog = () => createCatalog({ registryEndpoint: server.origin }, numberedTokens(), () => now);
const failureOf = async (call: Promise<unknown>): Promise<CatalogError> => {
  const error: unknown = await call.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CatalogError);
  return error as CatalogError;
};

describe('a model', () => {
  it('is found by discovery and read at the registry’s own path, each call with a token', async () => {
    const { value, readAtMs } = await openCatalog().readModel('azureml', 'Phi-4', '7');
    expect(value).toMatchObject({
      registry: 'AzureML',
      name: 'Phi-4',
      version: '7',
      latestVersion: '8',
      task: 'chat-completion',
      allowedSkus: ['Standard_NC24ads_A100_v4'],
    });
    expect(readAtMs).toBe(1_000_000);
    expect(server.calls).toEqual([
      '/registrymanagement/v1.0/registries/azureml/discovery?api-version=v1.0',
      `${PLACE}/models/Phi-4${API}`,
      `${PLACE}/models/Phi-4/versions/7${API}`,
    ]);
    expect(server.tokens).toEqual(['Bearer token-1', 'Bearer token-2', 'Bearer token-3']);
  });

  it('is kept for an hour with its age, in whatever capitals it is asked for, and the registry’s place for a day', async () => {
    const catalog = openCatalog();
    await catalog.readModel('azureml', 'Phi-4', '7');
    now += 3_599_000;
    expect((await catalog.readModel('AZUREML', 'phi-4', '7')).readAtMs).toBe(1_000_000);
    expect(server.calls).toHaveLength(3);
    now += 1_000;
    expect((await catalog.readModel('azureml', 'Phi-4', '7')).readAtMs).toBe(4_600_000);
    expect(server.calls).toHaveLength(5);
  });

  it('of the version "latest" is the one that the model names, in any capitals', async () => {
    const catalog = openCatalog();
    expect((await catalog.readModel('azureml', 'Phi-4', 'Latest')).value.version).toBe('8');
    expect((await catalog.readModel('azureml', 'Phi-4', 'latest')).value.version).toBe('8');
    expect(server.calls).toHaveLength(3);
  });

  it('of the version "latest" is the largest that is not archived, where the model names none', async () => {
    pages[`${PLACE}/models/Phi-4`] = { properties: {} };
    pages[`${PLACE}/models/Phi-4/versions`] = {
      value: [{ name: '9' }, { name: '10' }],
      nextLink: `${server.origin}${PLACE}/models/Phi-4/versions?$skip=2`,
    };
    pages[`${PLACE}/models/Phi-4/versions?$skip=2`] = {
      value: [{ name: '11', properties: { isArchived: true } }, { name: '2' }, null],
    };
    pages[`${PLACE}/models/Phi-4/versions/10`] = aVersion('10');
    expect((await openCatalog().readModel('azureml', 'Phi-4', 'latest')).value.version).toBe('10');
  });

  it('that is not there is told so, and asked for again at the next question', async () => {
    const catalog = openCatalog();
    const missing = await failureOf(catalog.readModel('azureml', 'Phi-5', 'latest'));
    expect(missing).toMatchObject({
      code: 'not-found',
      message:
        'The latest version of Phi-5 was not found in the registry azureml (the registry azureml answered 404 NotFound). GET /api/models?registry=azureml&search=... shows what is there.',
    });
    expect((await failureOf(catalog.readModel('azureml', 'Phi-4', '99'))).code).toBe('not-found');
    expect((await failureOf(catalog.readModel('nowhere', 'Phi-4', '7'))).code).toBe('not-found');
    pages[`${PLACE}/models/Phi-5`] = { properties: { latestVersion: '1' } };
    pages[`${PLACE}/models/Phi-5/versions/1`] = aVersion('1');
    expect((await catalog.readModel('azureml', 'Phi-5', 'latest')).value.version).toBe('1');
  });
});

describe('a registry', () => {
  it('is listed over all pages and searched without regard to capitals, by name', async () => {
    pages[`${PLACE}/models`] = {
      value: [
        { name: 'Phi-4', properties: { latestVersion: '8' } },
        { name: 'old-phi', properties: { isArchived: true } },
      ],
      nextLink: `${server.origin}${PLACE}/models?$skip=2`,
    };
    pages[`${PLACE}/models?$skip=2`] = {
      value: [{ name: 'Mistral', properties: null }, { name: 'microsoft-PHI-3' }, { name: 7 }],
    };
    const catalog = openCatalog();
    const { value, readAtMs } = await catalog.search('azureml', 'phi');
    expect(value).toEqual({
      entries: [
        { name: 'microsoft-PHI-3', latestVersion: null },
        { name: 'Phi-4', latestVersion: '8' },
      ],
      complete: true,
    });
    expect(readAtMs).toBe(1_000_000);
    now += 60_000;
    expect((await catalog.search('AzureML', '')).value.entries).toHaveLength(3);
    expect((await catalog.search('azureml', 'nothing')).value.entries).toEqual([]);
    expect(server.calls).toHaveLength(3);
  });

  it('with too many models is cut, and the answer says so', async () => {
    const many = Array.from({ length: 9_000 }, (_, n) => ({ name: `model-${n}` }));
    server.answer = (url) => {
      if (url.pathname.endsWith('/discovery')) return aDiscovery();
      const page = Number(url.searchParams.get('$skip') ?? 0) + 1;
      return { value: many, nextLink: `${server.origin}${PLACE}/models?$skip=${page}` };
    };
    const { value } = await openCatalog().search('azureml', 'model-1');
    expect(value.complete).toBe(false);
    expect(server.calls).toHaveLength(1 + 3);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a stranger', { primaryRegionResourceProviderUri: 'https://evil.example/' }, 'leads to evil.example'],
    [
      'http elsewhere',
      { primaryRegionResourceProviderUri: 'http://cert-eastus.experiments.azureml.net/' },
      'leads to cert-eastus',
    ],
    ['no address', { primaryRegionResourceProviderUri: 'nonsense' }, 'leads to no address'],
    ['nothing', { primaryRegionResourceProviderUri: null }, 'does not say where it answers'],
    ['no subscription', { subscriptionId: undefined }, 'does not say where it answers'],
  ])('whose discovery leads to %s is not followed', async (_name, fields, reason) => {
    pages['/registrymanagement/v1.0/registries/azureml/discovery'] = aDiscovery(fields);
    const error = await failureOf(openCatalog().readModel('azureml', 'Phi-4', '7'));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain(reason);
    expect(server.calls).toHaveLength(1);
  });

  it('that refuses the identity is told with the role it needs', async () => {
    server.answer = (_url, response) => void response.writeHead(403).end('{"secret":1}');
    const error = await failureOf(openCatalog().search('mine', ''));
    expect(error).toMatchObject({
      code: 'refused',
      message: expect.stringContaining('AzureML Registry User'),
    });
    expect(error.message).not.toContain('secret');
  });

  it('whose answers are something else, or that is not there, is told so', async () => {
    pages[`${PLACE}/models`] = { models: [] };
    expect((await failureOf(openCatalog().search('azureml', ''))).message).toContain(
      'the answer is not a list',
    );
    pages[`${PLACE}/models/Phi-4/versions/7`] = [];
    expect((await failureOf(openCatalog().readModel('azureml', 'Phi-4', '7'))).message).toContain(
      'not a version of a model',
    );
    const gone = createCatalog({ registryEndpoint: 'http://127.0.0.1:1' }, numberedTokens());
    expect(await failureOf(gone.search('azureml', ''))).toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

describe('the simulator’s registries', () => {
  it('are read like Azure’s: tags or system metadata, retired, partner’s, one’s own', async () => {
    const simulator = await startSimulator({ port: 0 });
    try {
      const catalog = createCatalog({ registryEndpoint: simulator.baseUrl }, numberedTokens());
      const read = async (registry: string, name: string) =>
        (await catalog.readModel(registry, name, 'latest')).value;
      expect(await read('AzureML', 'Phi-4')).toMatchObject({
        version: '8',
        task: 'chat-completion',
        contextTokens: 16_384,
        allowedSkus: expect.arrayContaining(['Standard_NC80adis_H100_v5']),
        minSku: { vcpus: 24, gpus: 1, ramGb: 220, diskGb: 64 },
        fee: 'none',
      });
      expect(await read('azureml-meta', 'Llama-3.3-70B-Instruct')).toMatchObject({
        publisher: 'Meta',
        allowedSkus: expect.not.arrayContaining(['Standard_NC24ads_A100_v4']),
      });
      expect(await read('azureml-nvidia', 'Llama-3.1-Nemotron-Nano-8B-v1-NIM-microservice')).toMatchObject({
        fee: 'marketplace',
      });
      expect(await read('contoso-models', 'contoso-phi-4-tuned')).toMatchObject({
        fee: 'none',
        allowedSkus: null,
      });
      const retired = await read('azureml', 'Phi-3.5-mini-instruct');
      expect(modelFaults(retired, 'Standard_NC24ads_A100_v4', Date.now()).map((one) => one.path)).toEqual([
        'model.version',
      ]);
      const { value } = await catalog.search('azureml', 'phi-3');
      expect(value.complete).toBe(true);
      expect(value.entries.length).toBeGreaterThan(3);
      expect((await failureOf(catalog.search('nobody', ''))).code).toBe('not-found');
    } finally {
      await simulator.stop();
    }
  });
});
