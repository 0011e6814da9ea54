/**
 * The model catalog by plain authenticated HTTP: a registry is looked up by discovery, which tells where its catalog
 * answers and in whose subscription, and is then read there (learn.microsoft.com, "Deploy models with a deployment
 * template"; Microsoft's own tools go the same way). The SDK in use has no operation for registries.
 */
import type { TokenCredential } from '@azure/identity';
import { type Config, isLoopbackHttp } from '../config.ts';
import {
  type CatalogEntry,
  type CatalogModel,
  newestVersion,
  type RegistryAsset,
  readModel,
} from '../core/renting/catalog.ts';
import { type Catalog, CatalogError, type CatalogList } from '../services.ts';
import { createAgedCache } from './aged-cache.ts';
import {
  getJson,
  getPages,
  isLink,
  JsonFault,
  type JsonQuery,
  type Page,
  reasonOf,
  walkPages,
} from './http-json.ts';

/** What the documentation and Microsoft's tools send; deployment templates and system metadata come with no other. */
const API_VERSION = '2021-10-01-dataplanepreview';
/** One model with all its calls: somebody waits for a plan. */
const READ_MS = 15_000;
/** A whole registry, hundreds of pages of it: somebody waits for a search. */
const LIST_MS = 30_000;
/** The largest registry lists some 12,000 models. */
const LIST_PAGES_LIMIT = 500;
const LIST_MODELS_LIMIT = 20_000;
/** A model has some tens of versions. */
const VERSION_PAGES_LIMIT = 20;
/** A version carries its licence's text and its card, a page of models a hundred descriptions. */
const BYTES_LIMIT = 8 * 1024 * 1024;
/** New versions come every few weeks. */
const KEEP_MS = 3_600_000;
/** Where a registry answers has never been seen to change. */
const KEEP_PLACE_MS = 24 * 3_600_000;
const KEEP_MODELS = 500;
/** A list of 20,000 names is 2 MB. */
const KEEP_LISTS = 10;
const KEEP_PLACES = 100;
/** Where Azure ML's registries answer. The token goes nowhere else, whatever discovery says. */
const REGISTRY_HOSTS = /\.azureml\.(ms|net)$/;

/** Where a registry's catalog answers, up to and with the registry's name. */
interface RegistryPlace {
  readonly url: string;
  readonly name: string;
}

export function createCatalog(
  config: Pick<Config, 'registryEndpoint'>,
  credential: TokenCredential,
  now: () => number = Date.now,
): Catalog {
  const places = createAgedCache<RegistryPlace>({ keepMs: KEEP_PLACE_MS, limit: KEEP_PLACES, now });
  const models = createAgedCache<CatalogModel>({ keepMs: KEEP_MS, limit: KEEP_MODELS, now });
  const lists = createAgedCache<CatalogList>({ keepMs: KEEP_MS, limit: KEEP_LISTS, now });
  const query = (registry: string, ms: number): JsonQuery => ({
    who: `the registry ${registry}`,
    signal: AbortSignal.timeout(ms),
    bytesLimit: BYTES_LIMIT,
    credential,
  });

  async function findPlace(registry: string, call: JsonQuery): Promise<RegistryPlace> {
    const path = `/registrymanagement/v1.0/registries/${encodeURIComponent(registry)}/discovery`;
    const url = new URL(`${config.registryEndpoint}${path}?api-version=v1.0`);
    const fetch = async () => {
      const answer = await getJson(url, { ...call, who: `the discovery of the registry ${registry}` });
      return readPlace(answer, registry, config.registryEndpoint);
    };
    return (await places.read(registry.toLowerCase(), fetch)).value;
  }

  async function fetchModel(registry: string, name: string, version: string): Promise<CatalogModel> {
    const call = query(registry, READ_MS);
    const place = await findPlace(registry, call);
    const modelUrl = `${place.url}/models/${encodeURIComponent(name)}`;
    const latestVersion = await fetchLatestVersion(modelUrl, call);
    const wanted = isLatest(version) ? latestVersion : version;
    if (wanted === null) throw new JsonFault(`${name} has no version in ${place.name}`, { status: 404 });
    const asset = readAsset(
      await getJson(withVersion(`${modelUrl}/versions/${encodeURIComponent(wanted)}`), call),
      wanted,
    );
    return readModel({ registry: place.name, name, latestVersion }, asset);
  }

  async function read(registry: string, name: string, version: string) {
    const key = [registry.toLowerCase(), name.toLowerCase(), isLatest(version) ? 'latest' : version].join(
      '\n',
    );
    const what = `${isLatest(version) ? 'The latest version' : `Version ${version}`} of ${name}`;
    try {
      return await models.read(key, () => fetchModel(registry, name, version));
    } catch (error) {
      throw explain(what, registry, error);
    }
  }

  return {
    readModel: read,

    async search(registry, words) {
      const fetch = async () => {
        const call = query(registry, LIST_MS);
        const place = await findPlace(registry, call);
        return fetchList(withVersion(`${place.url}/models`), call);
      };
      const list = await lists.read(registry.toLowerCase(), fetch).catch((error: unknown) => {
        throw explain('The list of models', registry, error);
      });
      const wanted = words.toLowerCase();
      const entries = list.value.entries.filter((entry) => entry.name.toLowerCase().includes(wanted));
      return { value: { ...list.value, entries }, readAtMs: list.readAtMs };
    },
  };
}

function isLatest(version: string): boolean {
  return version.toLowerCase() === 'latest';
}

function withVersion(address: string): URL {
  const url = new URL(address);
  url.searchParams.set('api-version', API_VERSION);
  return url;
}

/** The place that discovery names, which must be one to which a token may go. */
function readPlace(answer: unknown, registry: string, endpoint: string): RegistryPlace {
  const { primaryRegionResourceProviderUri, subscriptionId, resourceGroup, registryName } = (answer ??
    {}) as Readonly<Record<string, unknown>>;
  if (
    typeof primaryRegionResourceProviderUri !== 'string' ||
    typeof subscriptionId !== 'string' ||
    typeof resourceGroup !== 'string'
  )
    throw new JsonFault(`the discovery of the registry ${registry} does not say where it answers`);
  const base = URL.canParse(primaryRegionResourceProviderUri)
    ? new URL(primaryRegionResourceProviderUri)
    : null;
  if (base === null || !mayGetToken(base, endpoint)) {
    throw new JsonFault(
      `the discovery of the registry ${registry} leads to ${base?.host ?? 'no address'}, where Azure ML is not, and was not followed`,
      { honest: false },
    );
  }
  // Discovery spells the registry as it is called; without a name there the user's spelling does.
  const name = typeof registryName === 'string' && registryName !== '' ? registryName : registry;
  const path = ['subscriptions', subscriptionId, 'resourceGroups', resourceGroup]
    .map(encodeURIComponent)
    .join('/');
  return {
    name,
    url: `${base.origin}${base.pathname.replace(/\/$/, '')}/mferp/managementfrontend/${path}/providers/Microsoft.MachineLearningServices/registries/${encodeURIComponent(name)}`,
  };
}

/** On a laptop the token is a local one and stays on loopback; in Azure it goes to Azure ML's own domains. */
function mayGetToken(url: URL, endpoint: string): boolean {
  if (isLoopbackHttp(endpoint)) return isLoopbackHttp(url.href);
  return (
    url.protocol === 'https:' &&
    (REGISTRY_HOSTS.test(url.hostname) || url.origin === new URL(endpoint).origin)
  );
}

/** What the model itself names as its latest, or else the newest of its versions that are not archived. */
async function fetchLatestVersion(modelUrl: string, call: JsonQuery): Promise<string | null> {
  const container = (await getJson(withVersion(modelUrl), call)) as {
    properties?: { latestVersion?: unknown };
  };
  const named = container?.properties?.latestVersion;
  if (typeof named === 'string' && named !== '') return named;
  const versions = await getPages(
    withVersion(`${modelUrl}/versions`),
    { ...call, pagesLimit: VERSION_PAGES_LIMIT },
    (json) => readRows(json, readVersionName),
  );
  return newestVersion(versions);
}

/** Everything the registry lists, within the bounds; a list that was cut is told as such and still of use. */
async function fetchList(url: URL, call: JsonQuery): Promise<CatalogList> {
  const entries: CatalogEntry[] = [];
  let complete = true;
  let pages = 0;
  try {
    for await (const page of walkPages(url, call, (json) => readRows(json, readEntry))) {
      entries.push(...page.items);
      pages += 1;
      complete = !isLink(page.nextLink);
      if (pages === LIST_PAGES_LIMIT || entries.length >= LIST_MODELS_LIMIT) break;
    }
  } catch (error) {
    if (!call.signal.aborted || entries.length === 0) throw error;
    complete = false;
  }
  const byName = entries.toSorted((one, other) => one.name.localeCompare(other.name, 'en'));
  return { entries: byName, complete };
}

function readRows<Item>(json: unknown, readRow: (row: Row) => Item | null): Page<Item> {
  const page = json as { value?: unknown; nextLink?: unknown } | null;
  if (!Array.isArray(page?.value)) throw new JsonFault('the answer is not a list');
  const items = page.value.flatMap((row: unknown) => {
    const item = typeof row === 'object' && row !== null ? readRow(row as Row) : null;
    return item === null ? [] : [item];
  });
  return { items, nextLink: page.nextLink };
}

interface Row {
  readonly name?: unknown;
  readonly properties?: { readonly latestVersion?: unknown; readonly isArchived?: unknown } | null;
}

function readEntry({ name, properties }: Row): CatalogEntry | null {
  if (typeof name !== 'string' || name === '' || properties?.isArchived === true) return null;
  const latest = properties?.latestVersion;
  return { name, latestVersion: typeof latest === 'string' && latest !== '' ? latest : null };
}

function readVersionName({ name, properties }: Row): string | null {
  return typeof name === 'string' && name !== '' && properties?.isArchived !== true ? name : null;
}

function readAsset(answer: unknown, wanted: string): RegistryAsset {
  const { name, properties } = (answer ?? {}) as { name?: unknown; properties?: unknown };
  if (typeof properties !== 'object' || properties === null)
    throw new JsonFault('the answer is not a version of a model');
  const all = properties as Readonly<Record<string, unknown>>;
  return {
    version: typeof name === 'string' && name !== '' ? name : wanted,
    archived: all.isArchived === true,
    tags: recordOf(all.tags),
    properties: recordOf(all.properties),
    systemMetadata: recordOf(all.systemMetadata ?? all.system_metadata),
  };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function explain(what: string, registry: string, error: unknown): CatalogError {
  const status = error instanceof JsonFault ? error.status : null;
  const reason = reasonOf(error, `the registry ${registry}`);
  if (status === 404) {
    const say = `${what} was not found in the registry ${registry} (${reason}). GET /api/models?registry=${registry}&search=... shows what is there.`;
    return new CatalogError('not-found', say);
  }
  if (status === 401 || status === 403) {
    const say = `${what} could not be read: ${reason}. The registry ${registry} does not exist, or the app's identity may not read it; a registry of your own needs the role AzureML Registry User.`;
    return new CatalogError('refused', say);
  }
  return new CatalogError('unreachable', `${what} could not be read: ${reason}. Try again later.`);
}
