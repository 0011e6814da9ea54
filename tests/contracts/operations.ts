/**
 * Which of Azure's calls an exchange is, and what Azure's published types say about its request, its status, its
 * headers and its answer.
 */
import { readFileSync } from 'node:fs';
import { findFaults, type Schema } from './json-schema.ts';
import type { Exchange } from './recording-relay.ts';

interface Published {
  readonly request?: Schema;
  readonly response?: Schema;
}

const readTypes = (file: string) =>
  JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as Readonly<Record<string, Published>>;

/** Azure's resource types by `TYPE@VERSION`. */
export const PUBLISHED_TYPES: Readonly<Record<string, Published>> = {
  ...readTypes('./ml-2022-10-01.json'),
  ...readTypes('./ml-2024-10-01.json'),
  ...readTypes('./workspaces-2024-10-01.json'),
};
/** What is the same in every version, and in no resource type. */
const ARM_TYPES = readTypes('./arm.json');

const WORKSPACES = 'Microsoft.MachineLearningServices/workspaces';
const ENDPOINTS = `${WORKSPACES}/onlineEndpoints`;
const DEPLOYMENTS = `${ENDPOINTS}/deployments`;
const MODELS = 'Microsoft.MachineLearningServices/registries/models';
/**
 * The catalog is read in `2021-10-01-dataplanepreview`, which is not published as resource types; the same resources
 * are in this version.
 */
const CATALOG_VERSION = '2024-10-01';

/**
 * Where a body's schema is: a resource type (one of several, as its own `type` says), a page of one, one of ARM's own
 * bodies, or no body at all. Those of the catalog are read by the version that was published for them.
 */
type Body =
  | { readonly type: string | readonly string[]; readonly isCatalog?: true }
  | { readonly pageOf: string; readonly isCatalog?: true }
  | { readonly arm: string }
  | null;

export interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: RegExp;
  /** Null where the call has no body. */
  readonly request: Body;
  /** The body by status; a status that is not listed is not Azure's, but for errors. */
  readonly answers: Readonly<Record<number, Body>>;
}

const SEGMENT = '[^/]+';
const WORKSPACE_PATH = `/subscriptions/${SEGMENT}/resourceGroups/${SEGMENT}/providers/${WORKSPACES}/${SEGMENT}`;
const ENDPOINT_PATH = `${WORKSPACE_PATH}/onlineEndpoints/${SEGMENT}`;
const DEPLOYMENT_PATH = `${ENDPOINT_PATH}/deployments/${SEGMENT}`;
const LOCATION_PATH = `/subscriptions/${SEGMENT}/providers/Microsoft.MachineLearningServices/locations/${SEGMENT}`;

const REGISTRY_PATH = `/subscriptions/${SEGMENT}/resourceGroups/${SEGMENT}/providers/Microsoft.MachineLearningServices/registries/${SEGMENT}`;
/** Where discovery of a registry leads to; ARM itself knows a registry without it. */
const CATALOG_PATH = `/mferp/managementfrontend${REGISTRY_PATH}`;

export const OPERATIONS: readonly Operation[] = [
  call('read the workspace', 'GET', WORKSPACE_PATH, null, { 200: { type: WORKSPACES } }),
  call('list endpoints', 'GET', `${WORKSPACE_PATH}/onlineEndpoints`, null, { 200: { pageOf: ENDPOINTS } }),
  call('read an endpoint', 'GET', ENDPOINT_PATH, null, { 200: { type: ENDPOINTS } }),
  call(
    'put an endpoint',
    'PUT',
    ENDPOINT_PATH,
    { type: ENDPOINTS },
    { 200: { type: ENDPOINTS }, 201: { type: ENDPOINTS } },
  ),
  call(
    'patch an endpoint',
    'PATCH',
    ENDPOINT_PATH,
    { arm: 'patchEndpoint' },
    { 200: { type: ENDPOINTS }, 202: null },
  ),
  call('delete an endpoint', 'DELETE', ENDPOINT_PATH, null, { 200: null, 202: null, 204: null }),
  call('list keys', 'POST', `${ENDPOINT_PATH}/listKeys`, null, { 200: { type: `${ENDPOINTS}/listKeys` } }),
  call('get a token', 'POST', `${ENDPOINT_PATH}/token`, null, { 200: { type: `${ENDPOINTS}/token` } }),
  call(
    'regenerate keys',
    'POST',
    `${ENDPOINT_PATH}/regenerateKeys`,
    { arm: 'regenerateKeys' },
    { 200: null, 202: null },
  ),
  call('list deployments', 'GET', `${ENDPOINT_PATH}/deployments`, null, { 200: { pageOf: DEPLOYMENTS } }),
  call('read a deployment', 'GET', DEPLOYMENT_PATH, null, { 200: { type: DEPLOYMENTS } }),
  call(
    'put a deployment',
    'PUT',
    DEPLOYMENT_PATH,
    { type: DEPLOYMENTS },
    { 200: { type: DEPLOYMENTS }, 201: { type: DEPLOYMENTS } },
  ),
  call(
    'patch a deployment',
    'PATCH',
    DEPLOYMENT_PATH,
    { arm: 'patchDeployment' },
    { 200: { type: DEPLOYMENTS }, 202: null },
  ),
  call('delete a deployment', 'DELETE', DEPLOYMENT_PATH, null, { 200: null, 202: null, 204: null }),
  call(
    'read the log',
    'POST',
    `${DEPLOYMENT_PATH}/getLogs`,
    { arm: 'getLogs' },
    { 200: { type: `${DEPLOYMENTS}/getLogs` } },
  ),
  call('list usages', 'GET', `${LOCATION_PATH}/usages`, null, { 200: { arm: 'usages' } }),
  call('list VM sizes', 'GET', `${LOCATION_PATH}/vmSizes`, null, { 200: { arm: 'vmSizes' } }),
  call('poll an operation', 'GET', `${LOCATION_PATH}/mfeOperationsStatus/${SEGMENT}`, null, {
    200: { arm: 'operationStatus' },
  }),
  // 202 until the end; then the resource, or 204 where it was deleted.
  call('poll a location', 'GET', `${LOCATION_PATH}/mfeOperationResults/${SEGMENT}`, null, {
    200: { type: [ENDPOINTS, DEPLOYMENTS] },
    202: null,
    204: null,
  }),
  call('discover a registry', 'GET', `/registrymanagement/v1.0/registries/${SEGMENT}/discovery`, null, {
    200: { arm: 'discovery' },
  }),
  ...[
    { where: 'catalog', path: CATALOG_PATH, isCatalog: { isCatalog: true } as const },
    { where: 'registry', path: REGISTRY_PATH, isCatalog: {} },
  ].flatMap(({ where, path, isCatalog }) => [
    call(`list models of a ${where}`, 'GET', `${path}/models`, null, {
      200: { pageOf: MODELS, ...isCatalog },
    }),
    call(`read a model of a ${where}`, 'GET', `${path}/models/${SEGMENT}`, null, {
      200: { type: MODELS, ...isCatalog },
    }),
    call(`list versions in a ${where}`, 'GET', `${path}/models/${SEGMENT}/versions`, null, {
      200: { pageOf: `${MODELS}/versions`, ...isCatalog },
    }),
    call(`read a version in a ${where}`, 'GET', `${path}/models/${SEGMENT}/versions/${SEGMENT}`, null, {
      200: { type: `${MODELS}/versions`, ...isCatalog },
    }),
  ]),
];

function call(
  name: string,
  method: string,
  path: string,
  request: Body,
  answers: Operation['answers'],
): Operation {
  return { name, method, path: new RegExp(`^${path}$`, 'i'), request, answers };
}

export interface Verdict {
  /** Null where Azure has no such call. */
  readonly operation: string | null;
  readonly faults: readonly string[];
}

/** Holds one exchange against Azure's types of the api-version that the client named. */
export function checkExchange(exchange: Exchange): Verdict {
  const { method, url, status } = exchange;
  const operation = OPERATIONS.find((one) => one.method === method && one.path.test(url.pathname));
  const at = `${method} ${url.pathname} ${status}:`;
  if (operation === undefined) return { operation: null, faults: [`${at} Azure's types have no such call`] };
  const version = url.searchParams.get('api-version') ?? '';
  const answer = status >= 400 ? { arm: 'error' } : operation.answers[status];
  const faults = [
    ...bodyFaults('request', exchange.requestBody, operation.request, version),
    ...(answer === undefined
      ? [`Azure does not answer ${status} to this`]
      : bodyFaults('response', exchange.body, answer, version)),
    ...headerFaults(exchange),
  ];
  // A request that is refused may be wrong: that is why it was refused.
  const counted = status === 400 ? faults.filter((fault) => !fault.startsWith('request')) : faults;
  return { operation: operation.name, faults: counted.map((fault) => `${at} ${fault}`) };
}

function bodyFaults(side: keyof Published, text: string, body: Body, version: string): readonly string[] {
  if (body === null) return text === '' ? [] : [`${side} has a body where Azure has none: ${text}`];
  const value = parse(text);
  if (value === undefined) return [`${side} is not JSON: ${text}`];
  const schema = findSchema(side, body, version, (value as { type?: unknown } | null)?.type);
  if (schema === undefined)
    return [`${side} has no published schema for ${JSON.stringify(body)} in api-version ${version}`];
  return findFaults(value, schema, schema, side);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function findSchema(
  side: keyof Published,
  body: NonNullable<Body>,
  version: string,
  typeOfValue: unknown,
): Schema | undefined {
  if ('arm' in body) return ARM_TYPES[body.arm]?.[side];
  const wanted = 'type' in body ? body.type : body.pageOf;
  const type = typeof wanted === 'string' ? wanted : wanted.find((one) => one === typeOfValue);
  const published = PUBLISHED_TYPES[`${type}@${body.isCatalog ? CATALOG_VERSION : version}`]?.[side];
  const schema = published && body.isCatalog ? asInCatalog(published) : published;
  if ('type' in body || schema?.$ref === undefined || schema.$defs === undefined) return schema;
  const { $ref, $defs } = schema;
  return {
    type: 'object',
    properties: {
      value: { type: 'array', items: { $ref } },
      // Absent, null or another page.
      nextLink: { oneOf: [{ type: 'null' }, { type: 'string', minLength: 1 }] },
    },
    additionalProperties: false,
    required: ['value'],
    $defs,
  };
}

/**
 * What the catalog has beyond the published type: names with dots, such as Phi-3.5-mini-instruct, which the published
 * pattern leaves out; and what no version of ARM gives, the card of the model and its deployment templates.
 */
function asInCatalog(schema: Schema): Schema {
  const extras = ARM_TYPES.catalogModelExtras?.response?.properties;
  const $defs = Object.entries(schema.$defs ?? {}).map(([name, definition]): [string, Schema] => {
    const { properties } = definition;
    if (properties?.modelUri !== undefined)
      return [name, { ...definition, properties: { ...properties, ...extras } }];
    if (properties?.systemData === undefined) return [name, definition];
    return [name, { ...definition, properties: { ...properties, name: { type: 'string', minLength: 1 } } }];
  });
  return { ...schema, $defs: Object.fromEntries($defs) };
}

/** A long-running operation is announced as the published description has it. */
function headerFaults({ method, status, headers }: Exchange): readonly string[] {
  const wanted =
    method === 'PUT' && status < 300
      ? ['azure-asyncoperation', 'x-ms-async-operation-timeout']
      : status === 202
        ? ['location', 'retry-after', 'x-ms-async-operation-timeout']
        : [];
  const missing = wanted
    .filter((name) => headers[name] === undefined)
    .map((name) => `header ${name} is missing`);
  const timeout = headers['x-ms-async-operation-timeout'];
  const odd = timeout !== undefined && !/^PT(\d+H)?(\d+M)?(\d+S)?$/.test(String(timeout));
  return odd ? [...missing, `header x-ms-async-operation-timeout is ${timeout}`] : missing;
}
