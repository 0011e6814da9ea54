/** Azure Resource Manager at the wire: which path and verb does what, and how the answers look. */
import { randomUUID } from 'node:crypto';
import { normalizeLocation } from './arm-bodies.ts';
import { describeCall } from './arm-call.ts';
import { ArmError, notFound } from './arm-error.ts';
import {
  type ArmResources,
  type Deployment,
  deploymentId,
  type Endpoint,
  endpointId,
  isDeleting,
  isSameName,
  type Workspace,
  workspaceId,
} from './arm-resources.ts';
import { refusalOf } from './call-fault.ts';
import type { GpuMeter } from './gpu-meter.ts';
import { guidOf } from './guid.ts';
import { answerMetrics } from './metrics.ts';
import { isUnderWay, type Operation, provisioningState, viewOperation } from './operations.ts';
import { listVmSizes } from './prices.ts';
import { listUsages } from './quota.ts';
import { answerRegistry, discoverRegistry } from './registries.ts';
import type { Throttle } from './throttle.ts';
import { regionOf, requireWorkspace, viewWorkspace } from './workspaces.ts';

/** Endpoints on a page when the client does not say; small, so that paging is met in ordinary use. */
const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;
/** What the service says an operation may take at most. */
const OPERATION_TIMEOUT = 'PT1H30M';
/** Above this speed an operation is shorter than a second, and clients are told to poll at once. */
const POLL_AT_ONCE_ABOVE_SPEED = 4;
const PROVIDER = 'microsoft.machinelearningservices';
/** Discovery of registries, which is not ARM and asks for no api-version. */
const DISCOVERY = '/registrymanagement/v1.0/registries/';
/** Before the path of a registry's catalog, where discovery leads to. */
const CATALOG_PREFIX = /^\/mferp\/managementfrontend(?=\/)/i;

interface ArmRequest {
  readonly method: string;
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** A request that is let through, with the sentinels that rules ask for beside those in its names. */
interface JudgedRequest extends ArmRequest {
  readonly asked: string;
}

export interface ArmAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface ArmContext {
  readonly resources: ArmResources;
  /** Where clients reach ARM: what this request was addressed to. */
  readonly armUrl: string;
  /** Where clients reach the scoring routes. */
  readonly scoringUrl: string;
  readonly speed: number;
  readonly throttle: Throttle;
  /** Whether the limits of calls are enforced, beyond being told. */
  readonly isThrottled: boolean;
  readonly gpuMeterOf: (endpoint: Endpoint, deployment: string) => GpuMeter | undefined;
}

/** How a call is lost: the connection is cut at once, or held until the client gives up. */
export type LostCall = 'cut' | 'held';

/** The answer to one ARM request, or how it is lost. Refusals are answers too; what throws is a bug. */
export function answerArm(request: ArmRequest, context: ArmContext, nowMs: number): ArmAnswer | LostCall {
  const requestId = randomUUID();
  const headers: Record<string, string> = {
    'x-ms-request-id': requestId,
    'x-ms-correlation-request-id': requestId,
    'x-ms-routing-request-id': `EASTUS2:${new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')}:${requestId}`,
  };
  try {
    checkCaller(request);
    countCall(request, context, headers, nowMs);
    const { fault, asked } = context.resources.faults.judge(describeCall(request, context.resources, nowMs));
    if (fault === 'arm-reset') return 'cut';
    if (fault === 'arm-timeout') return 'held';
    const refusal = fault && refusalOf(fault);
    if (refusal !== undefined) throw refusal;
    const answer = routeArm({ ...request, asked }, context, nowMs);
    // Done, and nobody hears of it: the case that tells whether a client's calls may be repeated.
    if (fault === 'arm-lost') return 'cut';
    return { ...answer, headers: { ...headers, ...answer.headers } };
  } catch (error) {
    if (!(error instanceof ArmError)) throw error;
    return {
      status: error.status,
      // A limit that refused has its own number of seconds in the headers.
      headers: { ...headersOfRefusal(error, context), ...headers },
      body: { error: { code: error.code, message: error.message } },
    };
  }
}

/** Counts the call against its subscription's limits, whose rest goes into the headers. */
function countCall(
  { method, url }: ArmRequest,
  { throttle, isThrottled }: ArmContext,
  headers: Record<string, string>,
  nowMs: number,
): void {
  const [, subscription] = /^\/subscriptions\/([^/]+)/i.exec(url.pathname) ?? [];
  if (subscription === undefined) return;
  const { header, waitSeconds } = throttle.take(subscription, method, nowMs);
  headers[header[0]] = header[1];
  if (!isThrottled || waitSeconds === 0) return;
  headers['retry-after'] = String(waitSeconds);
  throw new ArmError(
    429,
    'SubscriptionRequestsThrottled',
    `Number of requests for subscription '${subscription}' exceeded. Please try again after '${waitSeconds}' seconds after additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.`,
  );
}

function headersOfRefusal(error: ArmError, context: ArmContext): Record<string, string> {
  if (error.status === 401) {
    const expired =
      error.code === 'ExpiredAuthenticationToken'
        ? ' error="invalid_token", error_description="The access token has expired."'
        : '';
    return { 'www-authenticate': `Bearer${expired}` };
  }
  return error.status === 429 || error.status === 503 ? retryAfterHeader(context) : {};
}

function checkCaller({ authorization, url }: ArmRequest): void {
  if (!/^Bearer \S+/i.test(authorization ?? '')) {
    throw new ArmError(
      401,
      'AuthenticationFailed',
      "Authentication failed. The 'Authorization' header is missing.",
    );
  }
  if (!url.searchParams.get('api-version') && !url.pathname.startsWith(DISCOVERY)) {
    throw new ArmError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    );
  }
}

/** Paths are matched without regard to capitals, as ARM does; names keep theirs. */
function routeArm(request: JudgedRequest, context: ArmContext, nowMs: number): ArmAnswer {
  const { pathname } = request.url;
  if (pathname.startsWith(DISCOVERY)) return routeDiscovery(request, context);
  const isDataPlane = CATALOG_PREFIX.test(pathname);
  const parts = pathname.replace(CATALOG_PREFIX, '').split('/').filter(Boolean).map(decodeSegment);
  const at = (index: number) => parts[index] ?? '';
  const is = (index: number, word: string) => isSameName(at(index), word);

  if (is(2, 'resourceGroups') && is(4, 'providers') && is(5, PROVIDER) && is(6, 'registries')) {
    const rest = parts.slice(8);
    const path = { subscription: at(1), resourceGroup: at(3), registry: at(7), rest, isDataPlane };
    return onlyGet(request, () => {
      const body = answerRegistry(request.url, path, context.armUrl);
      if (body === undefined) throw unknownRoute(request);
      return ok(body);
    });
  }
  if (isDataPlane) throw unknownRoute(request);
  if (is(0, 'subscriptions') && is(2, 'providers') && is(3, PROVIDER) && is(4, 'locations')) {
    return routeLocation(
      request,
      context,
      { subscription: at(1), location: at(5), collection: at(6), id: at(7) },
      nowMs,
    );
  }
  if (
    is(0, 'subscriptions') &&
    is(2, 'resourceGroups') &&
    is(4, 'providers') &&
    is(5, PROVIDER) &&
    is(6, 'workspaces')
  ) {
    const workspace = { subscription: at(1), resourceGroup: at(3), workspace: at(7) };
    if (workspace.workspace === '') throw unknownRoute(request);
    requireWorkspace(workspace);
    if (parts.length === 8)
      return onlyGet(request, () => ok(viewWorkspace(workspaceId(workspace), workspace)));
    if (is(8, 'marketplaceSubscriptions') && parts.length <= 10)
      return routeOffer(request, context, workspace, at(9), nowMs);
    if (is(8, 'onlineEndpoints')) {
      if (parts.length === 9)
        return onlyGet(request, () => ok(listEndpoints(request.url, context, workspace, nowMs)));
      if (parts.length <= 11 && !is(10, 'deployments')) {
        return routeEndpoint(request, context, workspace, at(9), at(10), nowMs);
      }
      if (is(10, 'deployments') && parts.length === 11) {
        return onlyGet(request, () => ok(listDeployments(request.url, context, workspace, at(9), nowMs)));
      }
      const isMetrics = is(12, 'providers') && is(13, 'microsoft.insights') && is(14, 'metrics');
      if (is(10, 'deployments') && parts.length === 15 && isMetrics)
        return onlyGet(request, () => ok(metricsOf(request.url, context, workspace, at(9), at(11), nowMs)));
      if (is(10, 'deployments') && parts.length <= 13) {
        return routeDeployment(request, context, workspace, at(9), at(11), at(12), nowMs);
      }
    }
  }
  throw unknownRoute(request);
}

function routeDiscovery(request: ArmRequest, context: ArmContext): ArmAnswer {
  const [, name] = /^([^/]+)\/discovery$/.exec(request.url.pathname.slice(DISCOVERY.length)) ?? [];
  if (name === undefined) throw unknownRoute(request);
  return onlyGet(request, () => ok(discoverRegistry(decodeSegment(name), context.armUrl)));
}

function routeLocation(
  request: ArmRequest,
  context: ArmContext,
  path: { subscription: string; location: string; collection: string; id: string },
  nowMs: number,
): ArmAnswer {
  const { subscription, collection, id } = path;
  const location = normalizeLocation(path.location);
  switch (collection.toLowerCase()) {
    case 'usages':
      return onlyGet(request, () =>
        ok(
          listUsages(
            context.resources.quota,
            subscription,
            location,
            rentedIn(context, subscription, location, nowMs),
          ),
        ),
      );
    case 'vmsizes':
      return onlyGet(request, () => ok(listVmSizes(location)));
    case 'mfeoperationsstatus':
      return onlyGet(request, () => {
        const operation = findOperation(context, id);
        const retryAfter = isUnderWay(operation, nowMs) ? retryAfterHeader(context) : {};
        return { ...ok(viewOperation(operation, nowMs)), headers: retryAfter };
      });
    case 'mfeoperationresults':
      return onlyGet(request, () =>
        answerOperationResult(request.url, context, location, findOperation(context, id), nowMs),
      );
    default:
      throw unknownRoute(request);
  }
}

/** Offers of the marketplace, accepted one by one; not by any client of ours. */
function routeOffer(
  request: JudgedRequest,
  context: ArmContext,
  workspace: Workspace,
  name: string,
  nowMs: number,
): ArmAnswer {
  const { offers } = context.resources;
  if (name === '') return onlyGet(request, () => ok({ value: offers.list(workspace) }));
  switch (request.method) {
    case 'GET':
      return ok(offers.get(workspace, name));
    case 'PUT':
      return ok(offers.put(workspace, name, request.body, nowMs));
    case 'DELETE':
      offers.delete(workspace, name);
      return ok(undefined);
    default:
      throw unknownRoute(request);
  }
}

function routeEndpoint(
  request: JudgedRequest,
  context: ArmContext,
  workspace: Workspace,
  name: string,
  action: string,
  nowMs: number,
): ArmAnswer {
  const { resources } = context;
  const { method, body, asked } = request;
  if (action !== '') {
    if (method !== 'POST') throw unknownRoute(request);
    const endpoint = resources.get(workspace, name, nowMs);
    if (isSameName(action, 'listKeys')) {
      requireMode(endpoint, 'Key');
      return ok(resources.keysOf(endpoint, nowMs));
    }
    if (isSameName(action, 'regenerateKeys')) {
      requireMode(endpoint, 'Key');
      const operation = resources.regenerateKey(endpoint, body, nowMs);
      return {
        status: 202,
        headers: locationHeaders(request.url, context, endpoint.body.location, operation),
      };
    }
    if (isSameName(action, 'token')) {
      requireMode(endpoint, 'AMLToken');
      return ok(resources.issueToken(endpoint, nowMs));
    }
    throw unknownRoute(request);
  }
  switch (method) {
    case 'GET':
      return ok(viewEndpoint(request.url, context, resources.get(workspace, name, nowMs), nowMs));
    case 'PUT': {
      const { endpoint, isNew } = resources.putEndpoint(workspace, name, body, nowMs, asked);
      return answerPut(request.url, context, isNew, endpoint.operation, endpoint.body.location, () =>
        viewEndpoint(request.url, context, endpoint, nowMs),
      );
    }
    case 'PATCH':
      return ok(
        viewEndpoint(request.url, context, resources.patchEndpoint(workspace, name, body, nowMs), nowMs),
      );
    case 'DELETE':
      return answerDelete(request.url, context, workspace, () =>
        resources.deleteEndpoint(workspace, name, nowMs, asked),
      );
    default:
      throw unknownRoute(request);
  }
}

function routeDeployment(
  request: JudgedRequest,
  context: ArmContext,
  workspace: Workspace,
  endpointName: string,
  name: string,
  action: string,
  nowMs: number,
): ArmAnswer {
  const { resources } = context;
  const { method, body, url, asked } = request;
  if (action !== '') {
    const endpoint = resources.get(workspace, endpointName, nowMs);
    const deployment = resources.getDeployment(workspace, endpointName, name, nowMs);
    if (isSameName(action, 'getLogs') && method === 'POST') {
      return ok({ content: containerLog(endpoint, deployment, body, nowMs) });
    }
    throw unknownRoute(request);
  }
  switch (method) {
    case 'GET': {
      const endpoint = resources.get(workspace, endpointName, nowMs);
      const deployment = resources.getDeployment(workspace, endpointName, name, nowMs);
      return ok(viewDeployment(url, context, endpoint, deployment, nowMs));
    }
    case 'PUT': {
      const { endpoint, deployment, isNew } = resources.putDeployment(
        workspace,
        endpointName,
        name,
        body,
        nowMs,
        asked,
      );
      return answerPut(url, context, isNew, deployment.operation, endpoint.body.location, () =>
        viewDeployment(url, context, endpoint, deployment, nowMs),
      );
    }
    case 'PATCH': {
      const patched = resources.patchDeployment(workspace, endpointName, name, body, nowMs);
      const view = viewDeployment(url, context, patched.endpoint, patched.deployment, nowMs);
      if (patched.operation === undefined) return ok(view);
      const region = patched.endpoint.body.location;
      return { status: 202, headers: locationHeaders(url, context, region, patched.operation) };
    }
    case 'DELETE':
      return answerDelete(url, context, workspace, () =>
        resources.deleteDeployment(workspace, endpointName, name, nowMs, asked),
      );
    default:
      throw unknownRoute(request);
  }
}

function metricsOf(
  url: URL,
  context: ArmContext,
  workspace: Workspace,
  endpointName: string,
  name: string,
  nowMs: number,
) {
  const endpoint = context.resources.get(workspace, endpointName, nowMs);
  const deployment = context.resources.getDeployment(workspace, endpointName, name, nowMs);
  const metered = {
    id: deploymentId(endpoint, deployment.name),
    region: endpoint.body.location,
    createdAtMs: deployment.createdAtMs,
    instances: deployment.body.instances,
    meter: context.gpuMeterOf(endpoint, deployment.name),
  };
  return answerMetrics(url, metered, nowMs);
}

function answerPut(
  url: URL,
  context: ArmContext,
  isNew: boolean,
  operation: Operation,
  region: string,
  view: () => unknown,
): ArmAnswer {
  return {
    status: isNew ? 201 : 200,
    headers: {
      'azure-asyncoperation': operationUrl(url, context, region, 'mfeOperationsStatus', operation),
      'x-ms-async-operation-timeout': OPERATION_TIMEOUT,
    },
    body: view(),
  };
}

/** 202 for a deletion under way, and 204 where there is nothing to delete. */
function answerDelete(
  url: URL,
  context: ArmContext,
  { workspace }: Workspace,
  start: () => Operation,
): ArmAnswer {
  try {
    return { status: 202, headers: locationHeaders(url, context, regionOf(workspace), start()) };
  } catch (error) {
    if (error instanceof ArmError && error.status === 404) return { status: 204, headers: {} };
    throw error;
  }
}

/**
 * What the address of a `Location` header answers: 202 until the end, then the resource, or 204 for a deletion, or why
 * it failed.
 */
function answerOperationResult(
  url: URL,
  context: ArmContext,
  location: string,
  operation: Operation,
  nowMs: number,
): ArmAnswer {
  if (isUnderWay(operation, nowMs)) {
    return { status: 202, headers: locationHeaders(url, context, location, operation) };
  }
  if (operation.error !== undefined) throw new ArmError(409, operation.error.code, operation.error.message);
  if (operation.kind === 'delete') return { status: 204, headers: {} };
  for (const endpoint of context.resources.endpoints) {
    if (operation.resourceId === endpointId(endpoint)) return ok(viewEndpoint(url, context, endpoint, nowMs));
    for (const deployment of endpoint.deployments) {
      if (operation.resourceId !== deploymentId(endpoint, deployment.name)) continue;
      return ok(viewDeployment(url, context, endpoint, deployment, nowMs));
    }
  }
  throw notFound(`${operation.resourceId} does not exist any more.`);
}

function locationHeaders(
  url: URL,
  context: ArmContext,
  region: string,
  operation: Operation,
): Record<string, string> {
  return {
    location: operationUrl(url, context, region, 'mfeOperationResults', operation),
    'x-ms-async-operation-timeout': OPERATION_TIMEOUT,
    ...retryAfterHeader(context),
  };
}

function retryAfterHeader(context: ArmContext): Record<string, string> {
  return { 'retry-after': context.speed > POLL_AT_ONCE_ABOVE_SPEED ? '0' : '1' };
}

function operationUrl(
  url: URL,
  context: ArmContext,
  region: string,
  collection: string,
  operation: Operation,
): string {
  const subscription = /^\/subscriptions\/([^/]+)/i.exec(operation.resourceId)?.[1] ?? '';
  const apiVersion = encodeURIComponent(url.searchParams.get('api-version') ?? '');
  return `${context.armUrl}/subscriptions/${subscription}/providers/Microsoft.MachineLearningServices/locations/${region}/${collection}/${operation.id}?api-version=${apiVersion}`;
}

function findOperation(context: ArmContext, id: string): Operation {
  const operation = context.resources.findOperation(id);
  if (operation === undefined) throw notFound(`The operation '${id}' was not found.`);
  return operation;
}

/** A page of a workspace's endpoints, filtered by name and tags, with a link to the next page. */
function listEndpoints(url: URL, context: ArmContext, workspace: Workspace, nowMs: number) {
  const query = url.searchParams;
  const name = query.get('name');
  const tags = (query.get('tags') ?? '').split(',').filter(Boolean);
  const [orderField, newestFirst] = parseOrder(query.get('orderBy'));
  const all = context.resources
    .list(workspace, nowMs)
    .filter((endpoint) => name === null || isSameName(endpoint.name, name))
    .filter((endpoint) => tags.every((tag) => hasTag(endpoint.body.tags, tag)))
    .toSorted((a, b) => (newestFirst ? -1 : 1) * (a[orderField] - b[orderField]));

  const count = Math.min(positiveInteger(query.get('count')) ?? DEFAULT_PAGE, MAX_PAGE);
  const skip = positiveInteger(query.get('$skip')) ?? 0;
  const value = all.slice(skip, skip + count).map((endpoint) => viewEndpoint(url, context, endpoint, nowMs));
  if (skip + count >= all.length) return { value };
  const next = new URLSearchParams(query);
  next.set('$skip', String(skip + count));
  return { value, nextLink: `${context.armUrl}${url.pathname}?${next}` };
}

function listDeployments(
  url: URL,
  context: ArmContext,
  workspace: Workspace,
  endpointName: string,
  nowMs: number,
) {
  const endpoint = context.resources.get(workspace, endpointName, nowMs);
  // An endpoint has at most 20 deployments: one page holds them.
  return {
    value: endpoint.deployments.map((deployment) =>
      viewDeployment(url, context, endpoint, deployment, nowMs),
    ),
  };
}

function hasTag(tags: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  if (equals < 0) return Object.hasOwn(tags, wanted);
  const name = wanted.slice(0, equals);
  return Object.hasOwn(tags, name) && tags[name] === wanted.slice(equals + 1);
}

function parseOrder(orderBy: string | null): ['createdAtMs' | 'changedAtMs', boolean] {
  const [, field = 'created', direction = 'desc'] =
    /^(created|updated)at(asc|desc)$/i.exec(orderBy ?? '') ?? [];
  return [
    field.toLowerCase() === 'created' ? 'createdAtMs' : 'changedAtMs',
    direction.toLowerCase() === 'desc',
  ];
}

function rentedIn(context: ArmContext, subscription: string, location: string, nowMs: number) {
  return context.resources
    .endpointsAt(nowMs)
    .filter(
      (endpoint) => isSameName(endpoint.subscription, subscription) && endpoint.body.location === location,
    )
    .flatMap((endpoint) => endpoint.deployments.map(({ body }) => body));
}

function viewEndpoint(url: URL, context: ArmContext, endpoint: Endpoint, nowMs: number) {
  const { body, operation } = endpoint;
  const id = endpointId(endpoint);
  const base = `${context.scoringUrl}/endpoints/${body.location}/${endpoint.name}`;
  const isThere = isDeleting(endpoint, nowMs) || provisioningState(operation, nowMs) !== 'Creating';
  return {
    id,
    name: endpoint.name,
    type: 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints',
    location: body.location,
    kind: body.kind,
    tags: body.tags,
    identity: viewIdentity(body.identity, id),
    systemData: viewSystemData(endpoint),
    properties: {
      authMode: body.authMode,
      ...(body.description !== undefined && { description: body.description }),
      publicNetworkAccess: body.publicNetworkAccess,
      traffic: body.traffic,
      provisioningState: provisioningState(operation, nowMs),
      ...(isThere && { scoringUri: `${base}/score`, swaggerUri: `${base}/swagger.json` }),
      properties: {
        ...body.properties,
        'azureml.onlineendpointid': id.toLowerCase(),
        AzureAsyncOperationUri: operationUrl(url, context, body.location, 'mfeOperationsStatus', operation),
      },
    },
  };
}

function viewDeployment(
  url: URL,
  context: ArmContext,
  endpoint: Endpoint,
  deployment: Deployment,
  nowMs: number,
) {
  const { body } = deployment;
  // A deployment shares the fate of its endpoint.
  const operation = isDeleting(endpoint, nowMs) ? endpoint.operation : deployment.operation;
  return {
    id: deploymentId(endpoint, deployment.name),
    name: deployment.name,
    type: 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments',
    location: body.location,
    kind: body.kind,
    tags: body.tags,
    sku: { name: 'Default', capacity: body.instances },
    systemData: viewSystemData(deployment),
    properties: {
      ...body.properties,
      provisioningState: provisioningState(operation, nowMs),
      properties: {
        ...(body.properties.properties as Record<string, string>), // filled in by parseDeploymentBody
        AzureAsyncOperationUri: operationUrl(url, context, body.location, 'mfeOperationsStatus', operation),
      },
    },
  };
}

function viewSystemData(resource: { readonly createdAtMs: number; readonly changedAtMs: number }) {
  return {
    createdAt: new Date(resource.createdAtMs).toISOString(),
    createdBy: 'simulator',
    createdByType: 'User',
    lastModifiedAt: new Date(resource.changedAtMs).toISOString(),
    lastModifiedBy: 'simulator',
    lastModifiedByType: 'User',
  };
}

function viewIdentity(identity: Readonly<Record<string, unknown>>, id: string) {
  const type = String(identity.type);
  const userAssigned = Object.keys((identity.userAssignedIdentities as object | null | undefined) ?? {});
  return {
    type,
    ...(/SystemAssigned/i.test(type) && { principalId: guidOf(id), tenantId: guidOf('tenant') }),
    ...(userAssigned.length > 0 && {
      userAssignedIdentities: Object.fromEntries(
        userAssigned.map((name) => [name, { principalId: guidOf(name), clientId: guidOf(`${name} client`) }]),
      ),
    }),
  };
}

/** Some lines as a container writes them; what went wrong stands at the end, where a tail of the log has it. */
function containerLog(
  endpoint: Endpoint,
  deployment: Deployment,
  requestBody: unknown,
  nowMs: number,
): string {
  const { operation, body, log = [] } = deployment;
  const { tail, containerType } = (requestBody ?? {}) as { tail?: unknown; containerType?: unknown };
  const stamp = (ms: number) => new Date(ms).toISOString();
  const lines = [
    `${stamp(operation.startedAtMs)} Instance status: SystemSetup: InProgress`,
    `${stamp(operation.startedAtMs)} Downloading ${body.model} for ${endpoint.name}/${deployment.name} on ${body.instanceType}`,
  ];
  if (!isUnderWay(operation, nowMs) && !isSameName(String(containerType), 'StorageInitializer')) {
    const { error } = operation;
    lines.push(
      ...log.map((line) => `${stamp(operation.endsAtMs)} ${line}`),
      error === undefined
        ? `${stamp(operation.endsAtMs)} INFO: Uvicorn running on http://0.0.0.0:5001 (simulated)`
        : `${stamp(operation.endsAtMs)} ERROR: ${error.code}: ${error.message}`,
    );
  }
  const kept = typeof tail === 'number' && tail > 0 ? lines.slice(-tail) : lines;
  return `${kept.join('\n')}\n`;
}

function requireMode(endpoint: Endpoint, mode: string): void {
  if (endpoint.body.authMode === mode) return;
  throw new ArmError(
    400,
    'BadRequest',
    `Endpoint '${endpoint.name}' authenticates by ${endpoint.body.authMode}; this call needs ${mode}.`,
  );
}

function onlyGet(request: ArmRequest, answer: () => ArmAnswer): ArmAnswer {
  if (request.method !== 'GET') throw unknownRoute(request);
  return answer();
}

function ok(body: unknown): ArmAnswer {
  return { status: 200, headers: {}, body };
}

function unknownRoute({ method, url }: ArmRequest): ArmError {
  return new ArmError(
    404,
    'NotSimulated',
    `${method} ${url.pathname} is not a call that this simulator of Azure ML answers; its README lists those that it does.`,
  );
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ArmError(400, 'BadRequest', `The path segment '${segment}' is not valid URL encoding.`);
  }
}

function positiveInteger(text: string | null): number | undefined {
  return text !== null && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}
