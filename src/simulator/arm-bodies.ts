/** The bodies of ARM requests, checked as far as the service checks them before it starts anything. */
import { ArmError, badArgument } from './arm-error.ts';
import { parseModelId } from './models.ts';
import { findSku } from './skus.ts';

/** The service's documented bound on instances per deployment. */
const MAX_INSTANCES = 50;
/** The service's documented bound on a request's timeout. */
const MAX_REQUEST_TIMEOUT_MS = 180_000;

export type JsonObject = { readonly [name: string]: unknown };

export interface EndpointBody {
  readonly location: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly kind: string;
  readonly identity: JsonObject;
  readonly authMode: 'Key' | 'AMLToken' | 'AADToken';
  readonly description: string | undefined;
  readonly publicNetworkAccess: string;
  readonly traffic: Readonly<Record<string, number>>;
  readonly properties: Readonly<Record<string, string>>;
}

export interface DeploymentBody {
  readonly location: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly kind: string;
  readonly instances: number;
  /** `properties` with every default filled in. */
  readonly properties: JsonObject;
  readonly instanceType: string;
  readonly model: string;
  readonly maxConcurrentPerInstance: number;
  readonly requestTimeoutMs: number;
}

const NAME = /^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$/;

/** Refuses a name that breaks the service's rule for endpoints and deployments. */
export function checkName(kind: 'endpoint' | 'deployment', name: string): void {
  if (NAME.test(name) && name.length >= 3 && name.length <= 32) return;
  throw badArgument(
    `The ${kind} name '${name}' is invalid: it must start with a letter, have 3 to 32 characters, and hold letters, digits and single dashes only.`,
  );
}

export function parseEndpointBody(body: unknown): EndpointBody {
  const root = object(body, 'body');
  const properties = object(root.properties, 'properties');
  const authMode = text(properties.authMode, 'properties.authMode');
  const known = (['Key', 'AMLToken', 'AADToken'] as const).find(
    (mode) => mode.toLowerCase() === authMode.toLowerCase(),
  );
  if (known === undefined) {
    throw badArgument(`properties.authMode is '${authMode}'; it must be Key, AMLToken or AADToken.`);
  }
  return {
    location: normalizeLocation(text(root.location, 'location')),
    tags: texts(root.tags, 'tags'),
    kind: optionalText(root.kind, 'kind') ?? 'Managed',
    identity: parseIdentity(root.identity),
    authMode: known,
    description: optionalText(properties.description, 'properties.description'),
    publicNetworkAccess:
      optionalText(properties.publicNetworkAccess, 'properties.publicNetworkAccess') ?? 'Enabled',
    traffic: parseTraffic(properties.traffic),
    properties: texts(properties.properties, 'properties.properties'),
  };
}

export function parseDeploymentBody(body: unknown): DeploymentBody {
  const root = object(body, 'body');
  const properties = object(root.properties, 'properties');
  const computeType = text(properties.endpointComputeType, 'properties.endpointComputeType');
  if (computeType.toLowerCase() !== 'managed') {
    throw badArgument(
      `properties.endpointComputeType is '${computeType}'; this simulator has managed deployments only.`,
    );
  }
  const instanceType = text(properties.instanceType, 'properties.instanceType');
  const size = findSku(instanceType);
  if (size === undefined || size.retired) {
    const why =
      size === undefined ? 'is not supported for managed online endpoints' : 'belongs to a retired series';
    throw badArgument(`Instance type '${instanceType}' ${why}.`);
  }
  const model = text(properties.model, 'properties.model');
  if (parseModelId(model) === undefined) {
    throw badArgument(
      `properties.model is '${model}'; it must have the form azureml://registries/{registry}/models/{model}/versions/{version}.`,
    );
  }
  const sku = object(root.sku, 'sku');
  text(sku.name, 'sku.name');
  const filled = fillDeploymentDefaults(properties);
  const settings = object(filled.requestSettings, 'properties.requestSettings');
  const requestTimeoutMs = durationMs(settings.requestTimeout, 'properties.requestSettings.requestTimeout');
  if (requestTimeoutMs <= 0 || requestTimeoutMs > MAX_REQUEST_TIMEOUT_MS) {
    throw badArgument(
      `properties.requestSettings.requestTimeout is ${String(settings.requestTimeout)}; it must be above zero and at most PT180S.`,
    );
  }
  return {
    location: normalizeLocation(text(root.location, 'location')),
    tags: texts(root.tags, 'tags'),
    kind: optionalText(root.kind, 'kind') ?? 'Managed',
    instances: parseCapacity(sku),
    properties: filled,
    instanceType,
    model,
    maxConcurrentPerInstance: integerBetween(
      settings.maxConcurrentRequestsPerInstance,
      1,
      10_000,
      'properties.requestSettings.maxConcurrentRequestsPerInstance',
    ),
    requestTimeoutMs,
  };
}

/** A PATCH of an endpoint: its tags and identity, each left as it is where absent. */
export function parseEndpointPatch(body: unknown) {
  const root = object(body, 'body');
  return {
    tags: root.tags === undefined ? undefined : texts(root.tags, 'tags'),
    identity: root.identity === undefined ? undefined : parseIdentity(root.identity),
  };
}

/** A PATCH of a deployment: its tags and its instance count. */
export function parseDeploymentPatch(body: unknown) {
  const root = object(body, 'body');
  return {
    tags: root.tags === undefined ? undefined : texts(root.tags, 'tags'),
    instances: root.sku === undefined ? undefined : parseCapacity(object(root.sku, 'sku')),
  };
}

/** "East US 2" and "eastus2" are one region. */
export function normalizeLocation(location: string): string {
  return location.toLowerCase().replaceAll(' ', '');
}

/** What a managed deployment has beside what is filled in below; what no version of the service knows is dropped. */
const KEPT_AS_SENT = [
  'codeConfiguration',
  'dataCollector',
  'description',
  'environmentId',
  'instanceType',
  'model',
  'modelMountPath',
  'startupProbe',
] as const;
const PROBE_DEFAULTS = {
  failureThreshold: 30,
  initialDelay: 'PT10S',
  period: 'PT10S',
  successThreshold: 1,
  timeout: 'PT2S',
} as const;
const REQUEST_DEFAULTS = {
  maxConcurrentRequestsPerInstance: 1,
  maxQueueWait: 'PT0.5S',
  requestTimeout: 'PT5S',
} as const;

/** What the service writes into a deployment that does not say it. */
function fillDeploymentDefaults(properties: JsonObject): JsonObject {
  const given = withoutNulls(properties);
  const sent = (name: string) => object(given[name] ?? {}, `properties.${name}`);
  return {
    ...pick(given, KEPT_AS_SENT),
    endpointComputeType: 'Managed',
    appInsightsEnabled: given.appInsightsEnabled === true,
    environmentVariables: texts(given.environmentVariables, 'properties.environmentVariables'),
    // 2022-02-01-preview, which Microsoft's Python SDK 1.4 speaks, has a flag of the opposite sense instead.
    egressPublicNetworkAccess:
      optionalText(given.egressPublicNetworkAccess, 'properties.egressPublicNetworkAccess') ??
      (given.privateNetworkConnection === true ? 'Disabled' : 'Enabled'),
    properties: texts(given.properties, 'properties.properties'),
    scaleSettings: { scaleType: 'Default', ...withoutNulls(sent('scaleSettings')) },
    requestSettings: fill(REQUEST_DEFAULTS, sent('requestSettings')),
    livenessProbe: fill(PROBE_DEFAULTS, sent('livenessProbe')),
    readinessProbe: fill(PROBE_DEFAULTS, sent('readinessProbe')),
  };
}

/** The defaults, each replaced where the request says otherwise; nothing else of the request. */
function fill(defaults: JsonObject, sent: JsonObject): JsonObject {
  return { ...defaults, ...withoutNulls(pick(sent, Object.keys(defaults))) };
}

function pick(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(from, name)).map((name) => [name, from[name]]),
  );
}

function parseCapacity(sku: JsonObject): number {
  return integerBetween(sku.capacity, 1, MAX_INSTANCES, 'sku.capacity');
}

function parseIdentity(value: unknown): JsonObject {
  if (value === undefined || value === null) return { type: 'SystemAssigned' };
  const identity = object(value, 'identity');
  text(identity.type, 'identity.type');
  return identity;
}

/** The shares of the deployments, which are whole percents that sum to 100, or to 0. */
function parseTraffic(value: unknown): Record<string, number> {
  const traffic: Record<string, number> = {};
  for (const [name, percent] of Object.entries(object(value ?? {}, 'properties.traffic'))) {
    traffic[name] = integerBetween(percent, 0, 100, `properties.traffic.${name}`);
  }
  const sum = Object.values(traffic).reduce((total, percent) => total + percent, 0);
  if (sum !== 0 && sum !== 100) {
    throw badArgument(`properties.traffic sums to ${sum}; the shares must sum to 100, or to 0.`);
  }
  return traffic;
}

/** ISO 8601 durations of hours, minutes and seconds, which is what request settings use. */
function durationMs(value: unknown, path: string): number {
  const match = /^PT(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$/.exec(text(value, path));
  if (match === null)
    throw badArgument(`${path} is '${String(value)}'; it must be an ISO 8601 duration such as PT90S.`);
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
}

function object(value: unknown, path: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new ArmError(400, 'BadArgument', `${path} is required and must be an object.`);
}

function text(value: unknown, path: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw badArgument(`${path} is required and must be a text.`);
}

function optionalText(value: unknown, path: string): string | undefined {
  return value === undefined || value === null || value === '' ? undefined : text(value, path);
}

function texts(value: unknown, path: string): Record<string, string> {
  const entries = Object.entries(object(value ?? {}, path));
  for (const [name, entry] of entries) {
    if (typeof entry !== 'string') throw badArgument(`${path}.${name} must be a text.`);
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

function integerBetween(value: unknown, from: number, to: number, path: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to) return value;
  throw badArgument(`${path} must be a whole number from ${from} to ${to}.`);
}

function withoutNulls(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(([, entry]) => entry !== null && entry !== undefined),
  );
}
