import { describe, expect, test } from 'vitest';
import {
  type CatalogModel,
  feeReason,
  modelFaults,
  modelWarnings,
  newestVersion,
  type RegistryAsset,
  readModel,
} from '../../../src/core/renting/catalog.ts';

const NC24 = 'Standard_NC24ads_A100_v4';
const NC40 = 'Standard_NC40ads_H100_v5';
const NOW = Date.parse('2026-11-25T12:00:00Z');

const nothing: RegistryAsset = {
  version: '8',
  archived: false,
  tags: {},
  properties: {},
  systemMetadata: {},
};
const phi4 = (asset: Partial<RegistryAsset> = {}, registry = 'azureml'): CatalogModel =>
  readModel({ registry, name: 'Phi-4', latestVersion: '8' }, { ...nothing, ...asset });

describe('a model is read', () => {
  test('from the tags and properties that the public catalog has', () => {
    const model = phi4({
      properties: {
        'inference-min-sku-spec': '24|1|220|64',
        'inference-recommended-sku': 'Standard_NC24ads_A100_v4, Standard_NC48ads_A100_v4',
      },
      tags: {
        author: 'Microsoft',
        task: 'chat-completion',
        textContextWindow: '16384',
        maxOutputTokens: '16384',
        deploymentOptions: 'UnifiedEndpointMaaS, MaaP, ServerlessMaaS',
        inference_compute_allow_list:
          "['Standard_NC24ads_A100_v4', 'standard_nc40ADS_h100_v5', 'Standard_NC12s_v3']",
        licenseDescription: 'MIT',
      },
    });
    expect(model).toEqual({
      registry: 'azureml',
      name: 'Phi-4',
      version: '8',
      latestVersion: '8',
      publisher: 'Microsoft',
      task: 'chat-completion',
      contextTokens: 16_384,
      maxOutputTokens: 16_384,
      allowedSkus: [NC24, NC40, 'Standard_NC12s_v3'],
      recommendedSkus: [NC24, 'Standard_NC48ads_A100_v4'],
      minSku: { vcpus: 24, gpus: 1, ramGb: 220, diskGb: 64 },
      managedCompute: true,
      retiresOn: null,
      archived: false,
      fee: 'none',
      parameters: null,
      weightBytes: null,
      kvBytesPerToken: null,
    });
  });

  test('from nested system metadata, which counts before tags', () => {
    const model = phi4({
      tags: { task: 'text-generation', publisher: 'Somebody' },
      systemMetadata: {
        publisher: 'Microsoft',
        supportedComputes: { inferenceComputes: [NC24] },
        SKU: { inferenceRecommendedSkus: [NC24], inferenceMinSkuSpec: '24|1|220|64' },
        deploymentOptions: ['ServerlessMaaS'],
        tasks: { inferenceTasks: ['chat-completion', 'responses'] },
        textContextWindow: 16_384,
        deprecation: { inferenceRetirementDate: '2025-08-30T00:00:00Z' },
        maxOutputTokens: null,
      },
    });
    expect(model).toMatchObject({
      publisher: 'Microsoft',
      task: 'chat-completion, responses',
      allowedSkus: [NC24],
      recommendedSkus: [NC24],
      managedCompute: false,
      retiresOn: '2025-08-30',
      maxOutputTokens: null,
      contextTokens: 16_384,
    });
  });

  test('with its size where the owner wrote it down, and never guessed', () => {
    const own = phi4({
      tags: { parameters: '14.7B', bytes_per_weight: '2', 'kv-bytes-per-token': '204800' },
    });
    expect(own).toMatchObject({ parameters: 14.7e9, weightBytes: 29.4e9, kvBytesPerToken: 204_800 });
    expect(phi4({ tags: { parameters: '14.7B' } }).weightBytes).toBeNull();
    expect(phi4({ properties: { model_size_bytes: '29,319,000,000' } }).weightBytes).toBe(29_319_000_000);
  });

  test.each<[string, Partial<RegistryAsset>]>([
    ['empty texts', { tags: { task: '', textContextWindow: ' ', inference_compute_allow_list: '[]' } }],
    [
      'nonsense',
      {
        tags: { textContextWindow: 'long', InferenceRetirementDate: 'soon' },
        properties: { 'inference-min-sku-spec': '24|1' },
      },
    ],
    [
      'nulls and deep nests',
      { systemMetadata: { task: null, a: { b: { c: { d: { e: { task: 'x' } } } } } } },
    ],
  ])('as unknown from %s', (_name, asset) => {
    expect(phi4(asset)).toMatchObject({
      task: null,
      contextTokens: null,
      allowedSkus: null,
      minSku: null,
      retiresOn: null,
    });
  });
});

describe('a deployment is refused', () => {
  const allowing = phi4({
    tags: {
      inference_compute_allow_list: `[${NC24}, Standard_NC12s_v3, ${NC40}]`,
      inferenceRecommendedSkus: NC40,
    },
  });

  test('on a SKU that the model does not allow, with those named that it does, the recommended first', () => {
    expect(modelFaults(allowing, 'Standard_NC4as_T4_v3', NOW)).toEqual([
      {
        path: 'target.sku',
        message: `Standard_NC4as_T4_v3 is not allowed for Phi-4; use one of ${NC40}, ${NC24}; to try all the same, set target.ignoreCatalog to true`,
      },
    ]);
    expect(modelFaults(allowing, NC24.toUpperCase(), NOW)).toEqual([]);
    expect(modelFaults(allowing, 'x', NOW, 'target.placements[1].sku')[0]?.path).toBe(
      'target.placements[1].sku',
    );
  });

  test('of a retired version, with its date and the newer version', () => {
    const retired = (version: string) =>
      modelFaults(phi4({ version, tags: { InferenceRetirementDate: '2026-11-25' } }), NC24, NOW);
    expect(retired('7')[0]).toEqual({
      path: 'model.version',
      message:
        'version 7 of Phi-4 was retired on 2026-11-25, and Azure deploys it no more; its latest version is 8; to try all the same, set target.ignoreCatalog to true',
    });
    expect(retired('8')[0]?.message).toContain('choose another model');
    expect(modelFaults(phi4({ tags: { InferenceRetirementDate: '2026-11-26' } }), NC24, NOW)).toEqual([]);
  });

  test('of an archived version, and of a model that is sold by the token only', () => {
    expect(modelFaults(phi4({ archived: true }), NC24, NOW).map((one) => one.path)).toEqual([
      'model.version',
    ]);
    const byToken = phi4({ tags: { deploymentOptions: 'ServerlessMaaS' } });
    expect(modelFaults(byToken, NC24, NOW)[0]).toMatchObject({
      path: 'model.name',
      message: expect.stringContaining('sells it by the token only'),
    });
  });

  test('on a SKU below the least, where no list says what is allowed', () => {
    const least = phi4({
      properties: { 'inference-min-sku-spec': '24|1|220|64', 'inference-recommended-sku': NC24 },
    });
    expect(modelFaults(least, 'Standard_NV18ads_A10_v5', NOW)[0]?.message).toMatch(
      /is too small for Phi-4: it needs 1 GPUs and the size has 0.5, it needs 24 vCPUs and the size has 18; the catalog recommends Standard_NC24ads_A100_v4;/,
    );
    expect(modelFaults(least, NC24, NOW)).toEqual([]);
    expect(modelFaults(phi4(), 'Standard_NC4as_T4_v3', NOW)).toEqual([]);
  });

  test('with every fault at once', () => {
    const bad = phi4({
      tags: {
        inference_compute_allow_list: NC24,
        InferenceRetirementDate: '2020-01-01',
        deploymentOptions: 'x',
      },
    });
    expect(modelFaults(bad, NC40, NOW).map((one) => one.path)).toEqual([
      'model.name',
      'model.version',
      'target.sku',
    ]);
  });
});

describe('a deployment is warned', () => {
  test('of a retirement within sixty days', () => {
    const retiring = (day: string) =>
      modelWarnings(phi4({ tags: { inferenceRetirementDate: day } }), NC24, NOW);
    expect(retiring('2026-12-24')).toEqual(['Azure retires version 8 of Phi-4 on 2026-12-24.']);
    expect(retiring('2027-03-01')).toEqual([]);
    expect(retiring('2020-01-01')).toEqual([]);
  });

  test('of a SKU that the catalog does not recommend', () => {
    const recommending = phi4({ properties: { 'inference-recommended-sku': NC24 } });
    expect(modelWarnings(recommending, NC40, NOW)).toEqual([
      `The catalog does not recommend ${NC40} for Phi-4; it recommends ${NC24}.`,
    ]);
    expect(modelWarnings(recommending, NC24, NOW)).toEqual([]);
  });

  test('of an offer that somebody must accept, which is never done for them', () => {
    expect(modelWarnings(phi4({ tags: { azureOffers: 'VM-withSurcharge' } }), NC24, NOW)[0]).toMatch(
      /accept its offer in Azure Marketplace.*never accepts terms for you/,
    );
  });
});

describe('a publisher’s fee', () => {
  test.each<[string, string, string | null, CatalogModel['fee']]>([
    ['Microsoft’s registry', 'AzureML', null, 'none'],
    ['open weights', 'azureml-meta', null, 'none'],
    ['Hugging Face', 'HuggingFace', null, 'none'],
    ['a registry of your own', 'contoso-models', null, 'none'],
    ['a registry of protected models', 'azureml-nvidia', null, 'marketplace'],
    ['a surcharge in the catalog', 'azureml', '["standard-paygo","VM-withSurcharge"]', 'marketplace'],
    ['machines only in the catalog', 'azureml-cohere', 'standard-paygo, VM', 'none'],
    ['a partner’s registry of which nothing is known', 'azureml-newcomer', null, 'unknown'],
  ])('%s: %s', (_name, registry, offers, fee) => {
    const model = phi4(offers === null ? {} : { tags: { azureOffers: offers } }, registry);
    expect(model.fee).toBe(fee);
    if (fee === 'none') expect(feeReason(model)).toBeNull();
    else expect(feeReason(model)).toMatch(/fee .*Give target\.pricePerHourUsd/);
  });
});

test('the newest version is the largest number, not the last in the alphabet', () => {
  expect(newestVersion(['9', '10', '2'])).toBe('10');
  expect(newestVersion(['1.9.0', '1.10.0'])).toBe('1.10.0');
  expect(newestVersion([])).toBeNull();
});
