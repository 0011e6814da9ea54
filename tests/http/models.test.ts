import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getModel, listModels } from '../../src/http/models.ts';
import { type Catalog, CatalogError } from '../../src/services.ts';
import { type CallsOfTest, openCalls } from './a-call.ts';

let calls: CallsOfTest;
beforeAll(async () => {
  calls = await openCalls();
});
afterAll(() => calls.close());

describe('GET /api/models', () => {
  it('finds models of Microsoft’s registry by a part of their name, with their SKUs and the answer’s age', async () => {
    const { status, json } = await calls.get(listModels, 'search=PHI-4');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      registry: 'AzureML',
      search: 'PHI-4',
      complete: true,
      found: json.models.length,
    });
    expect(json.ageSeconds).toBeGreaterThanOrEqual(0);
    expect(Date.parse(json.readAt)).toBeGreaterThan(0);
    expect(json.models.map((one: { name: string }) => one.name)).toEqual(['Phi-4', 'Phi-4-mini-instruct']);
    expect(json.models[0]).toMatchObject({
      latestVersion: '8',
      task: 'chat-completion',
      contextTokens: 16_384,
      allowedSkus: expect.arrayContaining(['Standard_NC24ads_A100_v4']),
      recommendedSkus: expect.any(Array),
      retiresOn: null,
      links: { self: '/api/models/AzureML/Phi-4' },
    });
  });

  it('searches the registry that is named, and lists all of it without a word', async () => {
    const { json } = await calls.get(listModels, 'registry=azureml-meta');
    const names: string[] = json.models.map((one: { name: string }) => one.name);
    expect(names).toEqual(expect.arrayContaining(['Llama-3.3-70B-Instruct', 'Meta-Llama-3.1-8B-Instruct']));
    expect(names).toEqual(names.toSorted());
    expect(names).not.toContain('Phi-4');
    expect((await calls.get(listModels, 'registry=azureml-meta&search=zzz')).json.models).toEqual([]);
  });

  it('shows a hundred names at the most, asks for the details of twenty, and survives one that cannot be read', async () => {
    const read: string[] = [];
    const catalog: Catalog = {
      ...calls.services.catalog,
      search: async () => ({
        value: {
          entries: Array.from({ length: 150 }, (_, n) => ({ name: `m${n}`, latestVersion: '1' })),
          complete: false,
        },
        readAtMs: Date.now() - 5_000,
      }),
      readModel: async (_registry, name) => {
        read.push(name);
        if (name === 'm1') throw new CatalogError('refused', 'No.');
        return calls.services.catalog.readModel('azureml', 'Phi-4', '7');
      },
    };
    const { json } = await calls.get(listModels, '', {}, { catalog });
    expect(json).toMatchObject({ found: 150, complete: false, ageSeconds: 5 });
    expect(json.models).toHaveLength(100);
    expect(read).toHaveLength(20);
    expect(json.models[0].task).toBe('chat-completion');
    expect(json.models[1]).toEqual({
      name: 'm1',
      latestVersion: '1',
      links: { self: '/api/models/AzureML/m1' },
    });
    expect(json.models[20].task).toBeUndefined();
  });
});

describe('GET /api/models/{registry}/{name}', () => {
  const get = (registry: string, name: string, query = '') => calls.get(getModel, query, { registry, name });

  it('tells everything the catalog says of the latest version, or of the one that is asked for', async () => {
    const { status, json } = await get('AzureML', 'Phi-4');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      version: '8',
      latestVersion: '8',
      minSku: { vcpus: 24, gpus: 1, ramGb: 220, diskGb: 64 },
      retired: false,
      fee: 'none',
      feeReason: null,
      warnings: [],
    });
    expect(json.ageSeconds).toBeGreaterThanOrEqual(0);
    expect((await get('AzureML', 'Phi-4', 'version=7')).json.version).toBe('7');
  });

  it('tells that a model is retired, and that a partner’s model has a fee and an offer to accept', async () => {
    expect((await get('azureml', 'Phi-3.5-mini-instruct')).json).toMatchObject({
      retired: true,
      retiresOn: '2025-08-30',
    });
    const partner = (await get('azureml-nvidia', 'Llama-3.1-Nemotron-Nano-8B-v1-NIM-microservice')).json;
    expect(partner.feeReason).toContain('NVIDIA charges a fee');
    expect(partner.warnings.join()).toContain('never accepts terms');
  });
});

describe('what cannot be answered is a problem with a sentence, never a fault of the app', () => {
  it.each<[string, string, Record<string, string>, number, string]>([
    [
      'an unknown registry',
      '',
      { registry: 'nowhere', name: 'x' },
      404,
      'was not found in the registry nowhere',
    ],
    ['an unknown model', '', { registry: 'azureml', name: 'Phi-99' }, 404, 'was not found'],
    ['an unknown version', 'version=99', { registry: 'azureml', name: 'Phi-4' }, 404, 'Version 99 of Phi-4'],
    ['a name with a slash', '', { registry: 'azureml', name: '../x' }, 400, 'name must begin with'],
    ['a registry with a quote', '', { registry: "a'b", name: 'x' }, 400, 'registry must begin with'],
    [
      'a version with a line break',
      'version=1%0a2',
      { registry: 'azureml', name: 'x' },
      400,
      'version must begin with',
    ],
    ['an unknown parameter', 'sku=x', { registry: 'azureml', name: 'Phi-4' }, 400, 'is not a parameter'],
  ])('%s', async (_name, query, params, status, detail) => {
    const answer = await calls.get(getModel, query, params);
    expect(answer).toMatchObject({ status, contentType: 'application/problem+json', logged: [] });
    expect(answer.json.detail).toContain(detail);
  });

  it('every bad name at once', async () => {
    const { json } = await calls.get(getModel, 'version=%20', { registry: '', name: '-' });
    expect(json.faults.map((one: { path: string }) => one.path)).toEqual(['registry', 'name', 'version']);
  });

  it('a registry in a search, too', async () => {
    expect(await calls.get(listModels, 'registry=nowhere')).toMatchObject({ status: 404, logged: [] });
    expect(await calls.get(listModels, 'registry=a%2Fb')).toMatchObject({ status: 400, logged: [] });
  });

  it('a catalog that is down', async () => {
    const offline = await openCalls({ REGISTRY_ENDPOINT: 'http://127.0.0.1:1' });
    try {
      const answer = await offline.get(listModels, '');
      expect(answer).toMatchObject({ status: 502, logged: [] });
      expect(answer.json.detail).toContain('ECONNREFUSED');
    } finally {
      await offline.close();
    }
  });
});
