/** Registries: a stranger's way from discovery to a model's card. */
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MODELS } from '../../src/simulator/models.ts';
import { openWorkspace, type WorkspaceOfTest } from './a-workspace.ts';

let workspace: WorkspaceOfTest;
beforeAll(async () => {
  workspace = await openWorkspace();
});
afterAll(() => workspace.close());

test('discovery leads to the catalog, page by page, and to every card in it', async () => {
  const catalog = await discover('AzureML');
  expect(catalog).toMatch(
    new RegExp(`^${workspace.simulator.baseUrl}/mferp/managementfrontend/subscriptions/`),
  );
  const models = await allPages(`${catalog}/models`);
  expect(models.length).toBeGreaterThan(10);
  for (const { name, properties } of models) {
    const { body } = await get(`${catalog}/models/${name}/versions/${properties.latestVersion}`);
    expect(body.id).toBe(`azureml://registries/azureml/models/${name}/versions/${properties.latestVersion}`);
  }
  const phi4 = await get(`${catalog}/models/phi-4`);
  expect(phi4.body.properties.latestVersion).toBe('8');
});

test('no two models of a registry have one name', () => {
  const names = MODELS.flatMap(({ name, registries }) =>
    registries.map((registry) => `${registry}/${name.toLowerCase()}`),
  );
  expect(new Set(names).size).toBe(names.length);
});

test('the latest version is also the first of the list, and the only one of `$top=1`', async () => {
  const versions = `${await discover('azureml')}/models/Phi-4/versions`;
  const names = async (query: string) =>
    (await get(`${versions}${query}`)).body.value.map((row: { name: string }) => row.name);
  expect(await names('')).toEqual(['8', '7']);
  expect(await names('?$orderBy=createdtime desc&$top=1')).toEqual(['8']);
  expect(await names('?$orderBy=createdtime asc')).toEqual(['7', '8']);
});

test('a card stands in tags and properties, in system metadata, or in both', async () => {
  const mistral = await card('azureml-mistral', 'Mistral-7B-Instruct-v0.3', '2');
  expect(mistral.tags).toEqual({ author: 'Mistral AI' });
  expect(mistral.systemMetadata).toMatchObject({
    SKU: { inferenceMinSkuSpec: '12|2|224|64' },
    tasks: { inferenceTasks: ['chat-completion'] },
    textContextWindow: 32_768,
    deprecation: { inferenceRetirementDate: null },
  });
  expect(mistral.systemMetadata.supportedComputes.inferenceComputes).toContain('Standard_NC80adis_H100_v5');

  const older = await card('azureml', 'Phi-3-mini-4k-instruct', '15');
  expect(older.systemMetadata).toBeUndefined();
  expect(older.tags).toMatchObject({ task: 'chat-completion', license: 'mit', textContextWindow: '4096' });
  expect(older.tags.inference_compute_allow_list).toMatch(/^\['Standard_NC24ads_A100_v4', /);
  expect(older.properties['inference-min-sku-spec']).toBe('24|1|220|64');
  expect(older.properties['inference-recommended-sku']).toMatch(/^Standard_NC24ads_A100_v4, /);

  const both = await card('azureml', 'Phi-4', '8');
  expect(both.systemMetadata.SKU.inferenceMinSkuSpec).toBe(both.properties['inference-min-sku-spec']);
});

test('the catalog has a retired model, a partner’s, one of Hugging Face, embeddings, vision, and a bare one of one’s own', async () => {
  const retired = await card('azureml', 'Phi-3.5-mini-instruct', '6');
  expect(Date.parse(retired.tags.InferenceRetirementDate)).toBeLessThan(Date.now());
  const partner = await card('azureml-nvidia', 'Llama-3.1-Nemotron-Nano-8B-v1-NIM-microservice', '2');
  expect(partner.systemMetadata.azureOffers).toEqual(['VM-withSurcharge']);
  expect(
    (await card('huggingface', 'qwen-qwen2.5-7b-instruct', '3')).defaultDeploymentTemplate.assetId,
  ).toMatch(/^azureml:\/\/registries\/HuggingFace\/deploymenttemplates\//);
  expect((await card('HuggingFace', 'baai-bge-m3', '4')).tags.task).toBe('embeddings');
  expect((await card('azureml', 'Phi-3.5-vision-instruct', '2')).tags.task).toBe('image-text-to-text');
  const own = await card('contoso-models', 'contoso-phi-4-tuned', '3');
  expect({ tags: own.tags, properties: own.properties }).toEqual({
    tags: { author: 'Contoso' },
    properties: {},
  });
});

test('one’s own registry is in ARM too, without what only the catalog tells; a public one is not', async () => {
  const own = (await discover('contoso-models')).replace('/mferp/managementfrontend', '');
  expect((await get(own)).body.properties.discoveryUrl).toMatch(/\/registries\/contoso-models\/discovery$/);
  expect((await get(`${own}/models/contoso-phi-4-tuned/versions/3`)).status).toBe(200);
  const foreign = (await discover('azureml')).replace('/mferp/managementfrontend', '');
  expect((await get(`${foreign}/models/Phi-4`)).status).toBe(404);
});

test('a name that asks for a fault has the card of its model', async () => {
  const catalog = await discover('azureml');
  const { body } = await get(`${catalog}/models/Phi-4-fault-deploy-outofquota/versions/7`);
  expect(body.id).toMatch('/models/Phi-4-fault-deploy-outofquota/versions/7');
  expect(body.properties.tags.task).toBe('chat-completion');
});

test('what is not there is 404, and no call goes without a token', async () => {
  const { baseUrl } = workspace.simulator;
  const catalog = await discover('azureml');
  const elsewhere = catalog.replace(/subscriptions\/[^/]+/, 'subscriptions/another');
  for (const url of [
    `${baseUrl}/registrymanagement/v1.0/registries/nobodys/discovery`,
    `${catalog}/models/Nothing`,
    `${catalog}/models/Phi-4/versions/99`,
    `${catalog}/environments`,
    `${elsewhere}/models`,
  ]) {
    expect((await get(url)).status).toBe(404);
  }
  const discovery = `${baseUrl}/registrymanagement/v1.0/registries/azureml/discovery`;
  expect((await request(discovery)).statusCode).toBe(401);
  expect((await request(`${catalog}/models?api-version=x`)).statusCode).toBe(401);
});

async function discover(registry: string): Promise<string> {
  const answer = await request(
    `${workspace.simulator.baseUrl}/registrymanagement/v1.0/registries/${registry}/discovery`,
    { headers: { authorization: 'Bearer any' } },
  );
  expect(answer.statusCode).toBe(200);
  // biome-ignore lint/suspicious/noExplicitAny: the test asserts on the shape.
  const found = (await answer.body.json()) as any;
  return `${found.primaryRegionResourceProviderUri}mferp/managementfrontend/subscriptions/${found.subscriptionId}/resourceGroups/${found.resourceGroup}/providers/Microsoft.MachineLearningServices/registries/${found.registryName}`;
}

async function card(registry: string, model: string, version: string) {
  return (await get(`${await discover(registry)}/models/${model}/versions/${version}`)).body.properties;
}

function get(url: string) {
  return workspace.arm('GET', url);
}

async function allPages(url: string) {
  const rows = [];
  for (let next = url, pages = 0; pages < 20; pages += 1) {
    const { body } = await get(next);
    rows.push(...body.value);
    if (body.nextLink === null) {
      expect(pages).toBeGreaterThan(0);
      return rows;
    }
    next = body.nextLink;
  }
  throw new Error('The pages did not end.');
}
