/**
 * Model registries: discovery, which says where a registry answers, and its catalog there. The public ones live in
 * Microsoft's subscriptions and are found by discovery only; one registry is the user's own and ARM knows it too.
 */
import { notFound } from './arm-error.ts';
import { guidOf } from './guid.ts';
import { findModelByName, MODELS, type Model } from './models.ts';

/** Rows on a page where the client does not say; small, so that paging is met in ordinary use. */
const DEFAULT_PAGE = 5;
const MAX_PAGE = 100;
const DAY_MS = 86_400_000;
/** Versions are dated a month apart from here, so that they have an order in time. */
const FIRST_VERSION_MS = Date.UTC(2024, 0, 1);

interface Registry {
  readonly name: string;
  readonly region: string;
  readonly subscription: string;
  readonly resourceGroup: string;
  /** Whether it is in a subscription of the user, where ARM answers for it too. */
  readonly isOwn: boolean;
}

const REGISTRIES: readonly Registry[] = [
  ...['azureml', 'azureml-phi', 'azureml-meta', 'azureml-mistral', 'azureml-nvidia', 'HuggingFace'].map(
    (name) => ({
      name,
      region: 'eastus',
      subscription: guidOf(`subscription of ${name}`),
      resourceGroup: `${name}-rg`,
      isOwn: false,
    }),
  ),
  {
    name: 'contoso-models',
    region: 'westeurope',
    subscription: '00000000-0000-0000-0000-000000000000',
    resourceGroup: 'local',
    isOwn: true,
  },
];

/** Where a registry answers: on this server itself, by the address that the client called. Throws where there is none. */
export function discoverRegistry(name: string, baseUrl: string) {
  const registry = findRegistry(name);
  if (registry === undefined) throw notFound(`Registry '${name}' was not found.`);
  return {
    registryName: registry.name,
    tenantId: guidOf('tenant'),
    primaryRegion: registry.region,
    regions: [...new Set([registry.region, 'eastus2', 'westeurope', 'swedencentral'])],
    subscriptionId: registry.subscription,
    resourceGroup: registry.resourceGroup,
    workspaceName: null,
    primaryRegionResourceProviderUri: `${baseUrl}/`,
  };
}

export interface RegistryPath {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly registry: string;
  /** What follows the registry's name: `models`, a model, `versions`, a version. */
  readonly rest: readonly string[];
  /** Whether it was called where discovery leads to, rather than through ARM. */
  readonly isDataPlane: boolean;
}

/** The answer to a GET in a registry, or undefined for a path it does not have. Throws where nothing is there. */
export function answerRegistry(url: URL, path: RegistryPath, baseUrl: string): unknown {
  const registry = findRegistry(path.registry);
  const isThere =
    registry !== undefined &&
    (path.isDataPlane || registry.isOwn) &&
    registry.subscription.toLowerCase() === path.subscription.toLowerCase() &&
    registry.resourceGroup.toLowerCase() === path.resourceGroup.toLowerCase();
  if (!isThere) {
    throw notFound(
      `Registry '${path.registry}' was not found in resource group '${path.resourceGroup}' of subscription '${path.subscription}'.`,
    );
  }
  const [collection, modelName, versions, version, ...more] = path.rest;
  if (more.length > 0) return undefined;
  if (collection === undefined) return viewRegistry(registry, baseUrl);
  if (collection.toLowerCase() !== 'models') return undefined;
  if (modelName === undefined) return listModels(url, registry, baseUrl);
  const found = findModelByName(registry.name, modelName);
  if (found === undefined)
    throw notFound(`Model '${modelName}' was not found in registry '${registry.name}'.`);
  if (versions === undefined) return viewContainer(registry, found, modelName);
  if (versions.toLowerCase() !== 'versions') return undefined;
  if (version === undefined) return listVersions(url, registry, found, modelName, path.isDataPlane, baseUrl);
  if (!found.versions.includes(version)) {
    throw notFound(`Version '${version}' of model '${modelName}' was not found in '${registry.name}'.`);
  }
  return viewVersion(registry, found, modelName, version, path.isDataPlane);
}

function findRegistry(name: string): Registry | undefined {
  return REGISTRIES.find((registry) => registry.name.toLowerCase() === name.toLowerCase());
}

function listModels(url: URL, registry: Registry, baseUrl: string) {
  const models = MODELS.filter((model) => model.registries.includes(registry.name.toLowerCase()));
  return page(
    url,
    baseUrl,
    models.map((model) => viewContainer(registry, model, model.name)),
  );
}

/** Newest first, as the service lists them unless `$orderBy` says otherwise; `$top` bounds the whole list. */
function listVersions(
  url: URL,
  registry: Registry,
  model: Model,
  name: string,
  isDataPlane: boolean,
  baseUrl: string,
) {
  const query = url.searchParams;
  const oldestFirst = /\basc\b/i.test(query.get('$orderBy') ?? '');
  const wanted = query.get('version');
  const ordered = oldestFirst ? model.versions : model.versions.toReversed();
  const versions = ordered
    .filter((version) => wanted === null || version === wanted)
    .slice(0, positiveInteger(query.get('$top')) ?? ordered.length);
  return page(
    url,
    baseUrl,
    versions.map((version) => viewVersion(registry, model, name, version, isDataPlane)),
  );
}

function page(url: URL, baseUrl: string, rows: readonly unknown[]) {
  const count = Math.min(positiveInteger(url.searchParams.get('count')) ?? DEFAULT_PAGE, MAX_PAGE);
  const skip = positiveInteger(url.searchParams.get('$skip')) ?? 0;
  const value = rows.slice(skip, skip + count);
  if (skip + count >= rows.length) return { value, nextLink: null };
  const next = new URLSearchParams(url.searchParams);
  next.set('$skip', String(skip + count));
  return { value, nextLink: `${baseUrl}${url.pathname}?${next}` };
}

function viewRegistry(registry: Registry, baseUrl: string) {
  const id = `/subscriptions/${registry.subscription}/resourceGroups/${registry.resourceGroup}/providers/Microsoft.MachineLearningServices/registries/${registry.name}`;
  return {
    id,
    name: registry.name,
    type: 'Microsoft.MachineLearningServices/registries',
    location: registry.region,
    tags: {},
    identity: { type: 'SystemAssigned', principalId: guidOf(id), tenantId: guidOf('tenant') },
    properties: {
      publicNetworkAccess: 'Enabled',
      discoveryUrl: `${baseUrl}/registrymanagement/v1.0/registries/${registry.name}/discovery`,
      regionDetails: [{ location: registry.region, acrDetails: [], storageAccountDetails: [] }],
    },
  };
}

/** A model without its card: which version is the latest is said here, the rest stands in each version. */
function viewContainer(registry: Registry, model: Model, name: string) {
  const latest = model.versions.at(-1) ?? '';
  return {
    id: `azureml://registries/${registry.name}/models/${name}`,
    name,
    type: 'Microsoft.MachineLearningServices/registries/models',
    systemData: systemData(model.versions[0] ?? ''),
    properties: {
      description: describe(model),
      tags: {},
      properties: {},
      isArchived: false,
      latestVersion: latest,
      nextVersion: String(Number(latest) + 1),
      provisioningState: 'Succeeded',
    },
  };
}

function viewVersion(registry: Registry, model: Model, name: string, version: string, isDataPlane: boolean) {
  const { card } = model;
  const id = `azureml://registries/${registry.name}/models/${name}/versions/${version}`;
  const hasTags = card.carrier === 'tags' || card.carrier === 'both';
  const hasSystemMetadata = card.carrier === 'system metadata' || card.carrier === 'both';
  return {
    id,
    name: version,
    type: 'Microsoft.MachineLearningServices/registries/models/versions',
    systemData: systemData(version),
    properties: {
      description: describe(model),
      tags: hasTags ? cardAsTags(model) : { author: card.publisher },
      properties: hasTags ? cardAsProperties(model) : {},
      isArchived: false,
      isAnonymous: false,
      modelType: 'custom_model',
      modelUri: `https://simulated.blob.core.windows.net/${registry.name.toLowerCase()}/${name}/${version}`,
      flavors: {},
      stage: card.retiredAt === null ? 'Production' : 'Archived',
      provisioningState: 'Succeeded',
      ...(isDataPlane && hasSystemMetadata && { systemMetadata: cardAsSystemMetadata(model) }),
      ...(isDataPlane && registry.name === 'HuggingFace' && deploymentTemplates(registry, name)),
    },
  };
}

/** The older form: texts, lists among them written as Python writes them. */
function cardAsTags(model: Model): Record<string, string> {
  const { card } = model;
  return {
    author: card.publisher,
    task: card.task,
    license: card.license,
    displayName: model.name,
    ...contextWindow(model, String),
    ...maxOutput(model, String),
    ...(hasAnswerTokens(model) && { inference_supported_envs: "['vllm']" }),
    azureOffers: card.offer,
    ...(card.allowedSkus !== null && { inference_compute_allow_list: asPythonList(card.allowedSkus) }),
    ...(card.retiredAt !== null && { InferenceRetirementDate: card.retiredAt }),
  };
}

function cardAsProperties({ card }: Model): Record<string, string> {
  return {
    ...(card.minSkuSpec !== null && { 'inference-min-sku-spec': card.minSkuSpec }),
    ...(card.allowedSkus !== null && { 'inference-recommended-sku': card.allowedSkus.join(', ') }),
    SharedComputeCapacityEnabled: 'true',
  };
}

/** The newer form, with the names that the models' specifications have. */
function cardAsSystemMetadata(model: Model) {
  const { card } = model;
  return {
    publisher: card.publisher,
    license: card.license,
    supportedComputes: { inferenceComputes: card.allowedSkus ?? [] },
    SKU: {
      inferenceRecommendedSkus: card.allowedSkus?.slice(0, 3) ?? [],
      inferenceMinSkuSpec: card.minSkuSpec,
    },
    inferenceSupportedEnvs: ['vllm'],
    deploymentOptions: ['MaaP'],
    azureOffers: [card.offer],
    tasks: { inferenceTasks: [card.task] },
    ...contextWindow(model, Number),
    ...maxOutput(model, Number),
    deprecation: { inferenceRetirementDate: card.retiredAt },
  };
}

/** Models that read no text have no window. */
function contextWindow<T>({ contextTokens }: Model, as: (tokens: number) => T) {
  return contextTokens > 1 ? { textContextWindow: as(contextTokens) } : {};
}

function maxOutput<T>(model: Model, as: (tokens: number) => T) {
  return hasAnswerTokens(model) ? { maxOutputTokens: as(Math.min(model.contextTokens, 16_384)) } : {};
}

function hasAnswerTokens({ card }: Model): boolean {
  return ['chat-completion', 'text-generation', 'image-text-to-text'].includes(card.task);
}

function deploymentTemplates(registry: Registry, name: string) {
  const assetId = `azureml://registries/${registry.name}/deploymenttemplates/${name}-vllm/labels/latest`;
  return { defaultDeploymentTemplate: { assetId }, allowedDeploymentTemplates: [{ assetId }] };
}

function describe({ name, card }: Model): string {
  return `${name} by ${card.publisher} (simulated card): ${card.task}.`;
}

function systemData(version: string) {
  const createdAt = new Date(FIRST_VERSION_MS + Number(version) * 30 * DAY_MS).toISOString();
  const createdBy = 'simulator';
  return {
    createdAt,
    createdBy,
    createdByType: 'Application',
    lastModifiedAt: createdAt,
    lastModifiedBy: createdBy,
    lastModifiedByType: 'Application',
  };
}

function asPythonList(texts: readonly string[]): string {
  return `[${texts.map((text) => `'${text}'`).join(', ')}]`;
}

function positiveInteger(text: string | null): number | undefined {
  return text !== null && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}
