/**
 * What a catalog model is, read from what a registry says of it, and what follows for a deployment: which SKUs it
 * allows, whether it is retired, whether its publisher wants money. What the catalog does not say is null.
 */
import type { Fault } from '../failure.ts';
import { findSku } from './sku.ts';

export interface CatalogModel {
  readonly registry: string;
  readonly name: string;
  readonly version: string;
  readonly latestVersion: string | null;
  readonly publisher: string | null;
  /** Such as `chat-completion`; several are separated by commas. */
  readonly task: string | null;
  /** Prompt and output together. */
  readonly contextTokens: number | null;
  readonly maxOutputTokens: number | null;
  /** The sizes it may be deployed on; null where the catalog names none. */
  readonly allowedSkus: readonly string[] | null;
  readonly recommendedSkus: readonly string[] | null;
  readonly minSku: MinSku | null;
  /** Whether it can be deployed to managed compute at all, rather than be bought by the token only. */
  readonly managedCompute: boolean | null;
  /** The day (ISO) from which it cannot be deployed any more. */
  readonly retiresOn: string | null;
  readonly archived: boolean;
  readonly fee: PublisherFee;
  /** Weights of the model, and their bytes; hardly any entry of the public catalog tells them. */
  readonly parameters: number | null;
  readonly weightBytes: number | null;
  readonly kvBytesPerToken: number | null;
}

/** The least that an instance must have. */
export interface MinSku {
  readonly vcpus: number;
  readonly gpus: number;
  readonly ramGb: number;
  readonly diskGb: number;
}

/**
 * `none`: the machines are all there is to pay. `marketplace`: the publisher's offer must be accepted and costs so
 * much per GPU and hour. `unknown`: a partner's registry of which nothing is known.
 */
export type PublisherFee = 'none' | 'marketplace' | 'unknown';

/** One line of a registry's list. */
export interface CatalogEntry {
  readonly name: string;
  readonly latestVersion: string | null;
}

/** What a registry answers about one version, as far as it is read here. */
export interface RegistryAsset {
  readonly version: string;
  readonly archived: boolean;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly properties: Readonly<Record<string, unknown>>;
  /** The newer home of the same facts; absent from many answers. */
  readonly systemMetadata: Readonly<Record<string, unknown>>;
}

/** Where a spec says that it knows better than the catalog. */
export const IGNORE_CATALOG = 'target.ignoreCatalog';

/** Days before a retirement from which the plan warns of it. */
const RETIREMENT_NOTICE_DAYS = 60;
const DAY_MS = 86_400_000;
/** System metadata is three levels deep; more is not read. */
const METADATA_DEPTH = 4;

/** Registries whose models run on managed compute without a fee: Microsoft's own and those of open weights. */
const FREE_REGISTRIES = new Set([
  'azureml',
  'azureml-meta',
  'azureml-mistral',
  'azureml-phi',
  'azureml-deepseek',
  'azureml-openai-oss',
  'azureml-staging',
  'huggingface',
  'azure-huggingface',
]);
/** Registries of protected models, sold through Azure Marketplace per GPU and hour ("pay-as-you-go billing"). */
const PROTECTED_REGISTRIES = new Set([
  'azureml-nvidia',
  'azureml-cohere',
  'azureml-bosonai',
  'azureml-bosonai-p',
  'azureml-inceptionlabs',
]);

/**
 * The model behind a registry's answer. The same fact may stand in system metadata, in a property or in a tag, and be
 * spelt with dashes, underscores or capitals; the first of them that says something counts.
 */
export function readModel(
  address: { readonly registry: string; readonly name: string; readonly latestVersion: string | null },
  asset: RegistryAsset,
): CatalogModel {
  const facts = gatherFacts([flatten(asset.systemMetadata), asset.properties, asset.tags]);
  const text = (...names: readonly string[]) => readText(facts, names);
  const parameters = readParameters(text('parameters', 'parameterCount', 'modelParameters'));
  const bytesPerWeight = readPositive(text('bytesPerWeight'));
  return {
    ...address,
    version: asset.version,
    publisher: text('publisher', 'author'),
    task: text('inferenceTasks', 'task'),
    contextTokens: readPositive(text('textContextWindow', 'inputContextWindow', 'contextWindow')),
    maxOutputTokens: readPositive(text('maxOutputTokens')),
    allowedSkus: readSkus(text('inferenceComputes', 'inferenceComputeAllowList')),
    recommendedSkus: readSkus(text('inferenceRecommendedSkus', 'inferenceRecommendedSku')),
    minSku: readMinSku(text('inferenceMinSkuSpec')),
    managedCompute: readManagedCompute(text('deploymentOptions')),
    retiresOn: readDay(text('inferenceRetirementDate')),
    archived: asset.archived,
    fee: readFee(address.registry, text('azureOffers')),
    parameters,
    weightBytes:
      readPositive(text('weightBytes', 'modelSizeBytes')) ??
      (parameters === null || bytesPerWeight === null ? null : parameters * bytesPerWeight),
    kvBytesPerToken: readPositive(text('kvBytesPerToken')),
  };
}

/**
 * Why this model cannot be deployed on this SKU now, as faults of a spec. A spec that sets `target.ignoreCatalog`
 * is not asked. `skuPath` is where the spec names the SKU, such as `target.placements[1].sku`.
 */
export function modelFaults(
  model: CatalogModel,
  sku: string,
  nowMs: number,
  skuPath = 'target.sku',
): Fault[] {
  const faults: Fault[] = [];
  const fault = (path: string, message: string) =>
    faults.push({ path, message: `${message}; to try all the same, set ${IGNORE_CATALOG} to true` });
  if (model.managedCompute === false)
    fault(
      'model.name',
      `${model.name} cannot be deployed to machines of your own: the catalog sells it by the token only`,
    );
  if (model.retiresOn !== null && Date.parse(model.retiresOn) <= nowMs) {
    const newer =
      model.latestVersion !== null && model.latestVersion !== model.version
        ? `; its latest version is ${model.latestVersion}`
        : '; choose another model';
    fault(
      'model.version',
      `version ${model.version} of ${model.name} was retired on ${model.retiresOn}, and Azure deploys it no more${newer}`,
    );
  } else if (model.archived) {
    fault('model.version', `version ${model.version} of ${model.name} is archived in ${model.registry}`);
  }
  const alternatives = usableSkus(model);
  if (model.allowedSkus !== null && !includesSku(model.allowedSkus, sku))
    fault(skuPath, `${sku} is not allowed for ${model.name}; use one of ${alternatives.join(', ')}`);
  else if (model.allowedSkus === null) {
    const missing = missesOfMinSku(model.minSku, sku);
    if (missing.length > 0)
      fault(
        skuPath,
        `${sku} is too small for ${model.name}: ${missing.join(', ')}${alternatives.length === 0 ? '' : `; the catalog recommends ${alternatives.join(', ')}`}`,
      );
  }
  return faults;
}

/** What whoever deploys the model should know: a retirement soon, a SKU that is not recommended, an offer to accept. */
export function modelWarnings(model: CatalogModel, sku: string, nowMs: number): string[] {
  const warnings: string[] = [];
  const daysLeft = model.retiresOn === null ? null : (Date.parse(model.retiresOn) - nowMs) / DAY_MS;
  if (daysLeft !== null && daysLeft > 0 && daysLeft <= RETIREMENT_NOTICE_DAYS)
    warnings.push(`Azure retires version ${model.version} of ${model.name} on ${model.retiresOn}.`);
  if (
    model.allowedSkus === null &&
    model.recommendedSkus !== null &&
    !includesSku(model.recommendedSkus, sku)
  )
    warnings.push(
      `The catalog does not recommend ${sku} for ${model.name}; it recommends ${model.recommendedSkus.join(', ')}.`,
    );
  if (model.fee === 'marketplace') {
    warnings.push(
      `${model.name} is a partner's model: before it can be deployed, somebody must accept its offer in Azure Marketplace for the workspace's project. This app never accepts terms for you.`,
    );
  }
  return warnings;
}

/**
 * Why the price of the machines is not the whole price, or null where it is. With a reason, the price is unknown until
 * the spec's `pricePerHourUsd` gives it, the fee included.
 */
export function feeReason(model: CatalogModel): string | null {
  if (model.fee === 'none') return null;
  const publisher = model.publisher ?? `the publisher in ${model.registry}`;
  const what =
    model.fee === 'marketplace'
      ? `For ${model.name}, ${publisher} charges a fee for each GPU and hour beside the machines, which no price list tells`
      : `Whether ${publisher} charges a fee for ${model.name} beside the machines is not known`;
  return `${what}; the offer in Azure Marketplace shows it. Give target.pricePerHourUsd for one instance with the fee included.`;
}

/** The newest of several versions: the largest number, or the last in alphabetical order where they are words. */
export function newestVersion(versions: readonly string[]): string | null {
  const sorted = versions.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }));
  return sorted.at(-1) ?? null;
}

/** The sizes that this app can deploy the model on, the recommended ones first. */
function usableSkus(model: CatalogModel): string[] {
  const allowed = model.allowedSkus ?? model.recommendedSkus ?? [];
  const recommended = model.recommendedSkus ?? [];
  const ordered = [...allowed].sort(
    (one, other) => Number(includesSku(recommended, other)) - Number(includesSku(recommended, one)),
  );
  const known = ordered.filter((name) => findSku(name) !== undefined);
  return known.length > 0 ? known : ordered;
}

function includesSku(list: readonly string[], sku: string): boolean {
  return list.some((name) => name.toLowerCase() === sku.toLowerCase());
}

function missesOfMinSku(min: MinSku | null, name: string): string[] {
  const sku = findSku(name);
  if (min === null || sku === undefined) return [];
  const demands: [what: string, has: number | null, wants: number][] = [
    ['GPUs', sku.gpus, min.gpus],
    ['vCPUs', sku.vcpus, min.vcpus],
    ['GB of memory', sku.ramGb, min.ramGb],
    ['GB of temporary disk', sku.diskGb, min.diskGb],
  ];
  return demands
    .filter(([, has, wants]) => has !== null && has < wants)
    .map(
      ([what, has, wants]) => `it needs ${wants} ${what} and the size has ${Number(Number(has).toFixed(2))}`,
    );
}

type Facts = ReadonlyMap<string, unknown>;

/** By spelling without dashes, underscores and capitals; the first source that has a name wins. */
function gatherFacts(sources: readonly Readonly<Record<string, unknown>>[]): Facts {
  const facts = new Map<string, unknown>();
  for (const source of sources) {
    for (const [name, value] of Object.entries(source)) {
      const key = normalise(name);
      if (!facts.has(key) && value !== null && value !== '') facts.set(key, value);
    }
  }
  return facts;
}

/** The leaves of nested metadata by their last name: `deprecation.inferenceRetirementDate` by the latter. */
function flatten(value: Readonly<Record<string, unknown>>, depth = METADATA_DEPTH): Record<string, unknown> {
  const leaves: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value)) {
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) {
      if (depth > 1) Object.assign(leaves, flatten(inner as Record<string, unknown>, depth - 1));
    } else leaves[name] = inner;
  }
  return leaves;
}

function normalise(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function readText(facts: Facts, names: readonly string[]): string | null {
  for (const name of names) {
    const value = facts.get(normalise(name));
    const text = Array.isArray(value) ? value.join(', ') : value === undefined ? '' : String(value);
    if (text.trim() !== '') return text.trim();
  }
  return null;
}

/** `['Standard_NC24ads_A100_v4', ...]` as Python writes it, a list with commas, or JSON: the names in it. */
function readSkus(text: string | null): string[] | null {
  const names = text?.match(/Standard_\w+/gi) ?? [];
  return names.length === 0 ? null : [...new Set(names.map((name) => findSku(name)?.name ?? name))];
}

/** `vCPU|GPU|RAM GB|disk GB`, such as `24|1|220|64`. */
function readMinSku(text: string | null): MinSku | null {
  const parts = (text ?? '').split('|').map((part) => Number(part.trim()));
  const [vcpus, gpus, ramGb, diskGb] = parts;
  if (vcpus === undefined || gpus === undefined || ramGb === undefined || diskGb === undefined) return null;
  return parts.every((part) => Number.isFinite(part) && part >= 0) ? { vcpus, gpus, ramGb, diskGb } : null;
}

/** `MaaP` is the catalog's word for managed compute. */
function readManagedCompute(text: string | null): boolean | null {
  return text === null ? null : /\bMaaP\b/i.test(text);
}

/** The day of a date in any form that has one, or null. */
function readDay(text: string | null): string | null {
  const day = /^\d{4}-\d{2}-\d{2}/.exec(text ?? '')?.[0] ?? null;
  return day === null || Number.isNaN(Date.parse(day)) ? null : day;
}

/** `VM` and `VM-withSurcharge` are the catalog's words for managed compute without and with a fee. */
function readFee(registry: string, offers: string | null): PublisherFee {
  if (offers !== null && /VM-withSurcharge/i.test(offers)) return 'marketplace';
  if (offers !== null && /\bVM\b/.test(offers)) return 'none';
  const name = registry.toLowerCase();
  if (PROTECTED_REGISTRIES.has(name)) return 'marketplace';
  // `azureml-` is how Microsoft names the registries of its partners; any other name is a registry of your own.
  if (name.startsWith('azureml-') && !FREE_REGISTRIES.has(name)) return 'unknown';
  return 'none';
}

function readPositive(text: string | null): number | null {
  const value = text === null ? Number.NaN : Number(text.replaceAll(/[,_]/g, ''));
  return Number.isFinite(value) && value > 0 ? value : null;
}

/** `14700000000`, `14.7B` or `350M`. */
function readParameters(text: string | null): number | null {
  const [, figure, unit] = /^([\d.]+)\s*([BM])?$/i.exec(text ?? '') ?? [];
  if (figure === undefined) return null;
  const factor = unit === undefined ? 1 : unit.toUpperCase() === 'B' ? 1e9 : 1e6;
  const value = Number(figure) * factor;
  return Number.isFinite(value) && value > 0 ? value : null;
}
